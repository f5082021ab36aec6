r"""The evaluation of frames: decodes curves, and measures the criteria of `criteria`, of frames here, of `sets` there.

The kinds of curve are any names: whatever method made them, they are judged alike. With ``own=True`` the model's own
samples are judged beside them, as the kind `OWN`, and the sets of frames by recall, coverage and the two-sample test.

Example:
    >>> import torch, latentpath as lp
    >>> from latentpath.paper.judges.evaluation import judge
    >>> model = lp.load("mnist-dcgan-semicircle")
    >>> ends = model.prior.sample((2, 4))
    >>> found = judge(model, {"line": lp.lerp(*ends, segments=4), "slerp": lp.slerp(*ends, segments=4)})
    >>> [each.criterion.name for each in found.judged]
    ['confidence', 'entropy', 'confidence_second', 'entropy_second', 'discriminator', 'smoothness']
    >>> tuple(found["confidence"].values["line"].shape)
    (4,)
    >>> found.missing[0].criterion.name, found.missing[0].why
    ('nearest_pixels', 'no real images were given')
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor

from ...decoding import chords
from ...errors import InputError
from ...models import Model
from ...models.metrics.features import Features
from ..results import OWN
from . import sets
from .criteria import FEATURES, IMAGENET
from .judgements import Judgement, Judgements, NotMeasured, SetJudgement
from .panel import Manifold, Network, Panel, panel_of

_TWO_SAMPLE = "{}, two-sample test"  # the kind that its progress is reported as
_END_TOLERANCE = 1e-3  # between the endpoints of two curves of a pair: rounding, from batches of other sizes


@torch.no_grad()
def judge(
    model: Model,  # decodes the curves
    curves: Mapping[str, Tensor],
    real: Tensor | None = None,  # the training images of the model, ``uint8 (N, C, H, W)``; None where there are none
    *,
    features: str | Features | None = None,
    classifier: str | Network | None = None,
    neighbours: int = 3,  # ``k`` of the real manifold
    manifold: int = 10_000,
    resamples: int = 500,  # the number of resamples of the pairs, for the intervals of sets
    seed: int = 0,  # seeds that choice, own samples and the resamples
    own: bool = False,  # judge own samples too, and recall, coverage and two-sample accuracy of the sets
    max_frames: int = 500,  # about how many frames are decoded and judged at once
    progress: Callable[[str, int], None] | None = None,
) -> Judgements:
    """Judges the frames of several kinds of curve between the same ``B`` pairs of endpoints.

    ``curves`` are, by name, frames ``(B, P, C, H, W)`` in [-1, 1] or latents ``(B, P, D)``, of one ``B`` and one
    ``P >= 3``, evenly spaced. ``features`` and ``classifier`` are networks, or names of models; None for the shipped
    feature network, and for the classifier on the model's card. ``progress`` receives a kind and the number of its
    pairs that are judged; the kinds are those of `stages`.
    """
    pairs, frames = _validate(curves)
    shape = tuple(_images(model, next(iter(curves.values()))[:1]).shape[2:])
    if real is not None and (real.dtype != torch.uint8 or tuple(real.shape[1:]) != shape):
        expected = ", ".join(map(str, ("N", *shape)))
        raise InputError(f"real must be uint8 ({expected}), as the frames are, got {real.dtype} {tuple(real.shape)}")
    panel = panel_of(model, shape, real, features, classifier, Manifold(neighbours, manifold, seed), sets=own)
    samples = sets.own_samples(model, pairs, frames - 2, seed) if own else None
    judged, inner = _judge_frames(model, panel, curves, samples, max_frames, progress)
    missing = dict(panel.missing)
    found = _judge_sets(panel, inner, resamples, seed, own)
    if samples is not None:
        every = {kind: _frames(model, points[:, 1:-1], max_frames) for kind, points in curves.items()}
        mine, other = (_frames(model, some, max_frames) for some in samples)
        told = None if progress is None else lambda kind: progress(_TWO_SAMPLE.format(kind), pairs)
        of_all = sets.Frames(every, mine)
        found["two_sample"] = sets.two_sample(panel.criteria["two_sample"], of_all, other, resamples, seed, told)
    missing |= {name: each for name, each in found.items() if isinstance(each, str)}
    judged |= {name: each for name, each in found.items() if not isinstance(each, str)}
    in_order = tuple(judged[name] for name in panel.criteria if name in judged)
    left_out = tuple(NotMeasured(panel.criteria[name], missing[name]) for name in panel.criteria if name in missing)
    counts = (pairs, frames, 0 if real is None else len(real))
    return Judgements(model.name, tuple(curves), *counts, in_order, left_out, own)


def stages(kinds: Iterable[str], own: bool) -> list[str]:
    """The kinds that `judge` reports progress of, in their order."""
    every = [*kinds, OWN] if own else [*kinds]
    return every + [_TWO_SAMPLE.format(kind) for kind in every] * own


def _judge_sets(
    panel: Panel, inner: Mapping[str, sets.Frames], resamples: int, seed: int, own: bool
) -> dict[str, SetJudgement | str]:
    """The judgements of sets in features, or the reasons why none; ``inner`` by feature network."""
    found: dict[str, SetJudgement | str] = {}
    for network, suffix in ((FEATURES, ""), (IMAGENET, "_imagenet")):
        if network not in inner:
            continue
        frames, known = inner[network], panel.known[network]
        if network == FEATURES:
            found["frechet"] = sets.frechet(panel.criteria["frechet"], frames, known, resamples, seed)
        if own:
            for name, measure in (("recall", sets.recall), ("coverage", sets.coverage)):
                found[name + suffix] = measure(panel.criteria[name + suffix], frames, known, seed)
    return found


def _judge_frames(
    model: Model,
    panel: Panel,
    curves: Mapping[str, Tensor],
    samples: Tensor | None,  # own samples, ``(2, B, P - 2, D)``, of which the first set is judged
    max_frames: int,
    progress: Callable[[str, int], None] | None,
) -> tuple[dict[str, Judgement | SetJudgement], dict[str, sets.Frames]]:
    """The judgements by frame, and by feature network the features of the inner frames ``(B, P - 2, F)``."""
    values: dict[str, dict[str, Tensor]] = {name: {} for name in [*panel.measures, "smoothness"]}
    ends: dict[str, Tensor] = {}
    inner: dict[str, dict[str, Tensor]] = {network: {} for network in panel.known}
    own: dict[str, Tensor] = {}
    for kind, points in curves.items():
        report = None if progress is None else partial(progress, kind)
        numbers, features = _numbers(panel, _chunks(model, points, max_frames), report)
        for name, each in numbers.items():
            if name == "smoothness":
                values[name][kind] = each
            else:
                values[name][kind] = each[:, 1:-1].mean(1)
                ends.setdefault(name, each[:, [0, -1]].mean(1))
        for network, made in features.items():
            inner[network][kind] = made[:, 1:-1]
    if samples is not None:
        report = None if progress is None else partial(progress, OWN)
        numbers, own = _numbers(panel, _chunks(model, samples[0], max_frames), report)
        for name in panel.measures:
            values[name][OWN] = numbers[name].mean(1)
    judged: dict[str, Judgement | SetJudgement] = {
        name: Judgement(panel.criteria[name], value, ends.get(name)) for name, value in values.items()
    }
    return judged, {network: sets.Frames(made, own.get(network)) for network, made in inner.items()}


def _numbers(
    panel: Panel, chunks: Iterator[Tensor], report: Callable[[int], None] | None
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """By measure the number of every frame, ``(B, P)``, smoothness ``(B,)``; by network the features ``(B, P, F)``."""
    numbers: dict[str, list[Tensor]] = {name: [] for name in [*panel.measures, "smoothness"]}
    features: dict[str, list[Tensor]] = {network: [] for network in panel.known}
    done = 0
    for images in chunks:
        measured, made = panel.numbers(images.flatten(0, 1))
        for name, each in measured.items():
            numbers[name].append(each.unflatten(0, images.shape[:2]))
        jumps = chords(images.flatten(2).double()).cpu()
        numbers["smoothness"].append(jumps.amax(1) / jumps.mean(1))
        for network, each in made.items():
            features[network].append(each.unflatten(0, images.shape[:2]))
        done += len(images)
        if report is not None:
            report(done)
    joined = [{name: torch.cat(each) for name, each in parts.items()} for parts in (numbers, features)]
    return joined[0], joined[1]


def _validate(curves: Mapping[str, Tensor]) -> tuple[int, int]:
    """``B`` and ``P`` of the curves, which must be the same for all, as must be their ends."""
    if not curves:
        raise InputError("there is nothing to judge: give at least one kind of curve")
    first = next(iter(curves.values()))
    for kind, points in curves.items():
        if points.ndim not in (3, 5) or points.shape[:2] != first.shape[:2] or len(points) == 0 or points.shape[1] < 3:
            raise InputError(
                "curves must be frames (B, P, C, H, W) or latents (B, P, D), of one B >= 1 and one P >= 3, got "
                f"{tuple(points.shape)} for {kind!r} and {tuple(first.shape)} for {next(iter(curves))!r}"
            )
        if points.shape[2:] == first.shape[2:]:
            one, other = points[:, [0, -1]], first[:, [0, -1]]
            if not torch.allclose(one.float(), other.to(one.device).float(), atol=_END_TOLERANCE, equal_nan=True):
                raise InputError(f"curves must join the same pairs, and {kind!r} has other ends: give the same pairs")
    return len(first), first.shape[1]


def _images(model: Model, points: Tensor) -> Tensor:
    """Frames ``(b, P, C, H, W)`` in [-1, 1] from frames or latents."""
    if points.ndim == 5:
        return points
    low, high = model.value_range
    frames = model.generator(points.flatten(0, 1)).detach()
    if frames.ndim != 4:
        raise InputError(f"{model.name!r} makes no images (N, C, H, W), it makes {tuple(frames.shape)}")
    images: Tensor = ((frames - low) / (high - low) * 2 - 1).unflatten(0, points.shape[:2])
    return images


def _chunks(model: Model, points: Tensor, max_frames: int) -> Iterator[Tensor]:
    """`_images` of as many pairs at a time as have at most ``max_frames``, and of at least one."""
    for some in points.split(max(1, max_frames // points.shape[1])):
        yield _images(model, some)


def _frames(model: Model, points: Tensor, max_frames: int) -> Tensor:
    """Frames ``(B, P, C, H, W)`` in [-1, 1] on the CPU of all pairs together."""
    return torch.cat([images.cpu() for images in _chunks(model, points, max_frames)])
