r"""The evaluation of frames: decodes curves, measures the criteria of `criteria`, and estimates the Fréchet distance.

**The interval of the Fréchet distance** is a bootstrap over pairs, since frames of one curve are not independent, with
the same resamples for every kind of curve. The distance is biased upward, the more so the fewer frames there are, and
for a resample, which has some pairs twice, once more. So its quantiles are moved by the difference of the distance and
their mean: the interval is for the distance of *this number* of pairs. Compare it only with the distance of other
curves between as many pairs.

Example:
    >>> import torch, latentpath as lp
    >>> from latentpath.paper.judges.evaluation import judge
    >>> model = lp.load("mnist-dcgan-semicircle")
    >>> ends = model.prior.sample((2, 4))
    >>> found = judge(model, {"line": lp.lerp(*ends, segments=4), "slerp": lp.slerp(*ends, segments=4)})
    >>> [each.criterion.name for each in found.judged]
    ['confidence', 'entropy', 'discriminator', 'smoothness']
    >>> tuple(found["confidence"].values["line"].shape)
    (4,)
    >>> found.missing[0].criterion.name, found.missing[0].why
    ('nearest_pixels', 'no real images were given')
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor

from ...decoding import chords
from ...errors import InputError
from ...models import Model
from ...models.metrics.distances import frechet_distances
from ...models.metrics.features import Features
from .criteria import Criterion
from .judgements import Judgement, Judgements, NotMeasured, SetJudgement
from .panel import Network, Panel, panel_of

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
    resamples: int = 500,  # the number of resamples of the pairs, for the interval of the Fréchet distance
    seed: int = 0,  # seeds that choice and the resamples
    max_frames: int = 500,  # about how many frames are decoded and judged at once
    progress: Callable[[str, int], None] | None = None,
) -> Judgements:
    """Judges the frames of several kinds of curve between the same ``B`` pairs of endpoints.

    ``curves`` are, by name, frames ``(B, P, C, H, W)`` in [-1, 1] or latents ``(B, P, D)``, of one ``B`` and one
    ``P >= 3``, evenly spaced. ``features`` and ``classifier`` are networks, or names of models; None for the shipped
    feature network, and for the classifier on the model's card.
    """
    pairs, frames = _validate(curves)
    shape = tuple(_images(model, next(iter(curves.values()))[:1]).shape[2:])
    if real is not None and (real.dtype != torch.uint8 or tuple(real.shape[1:]) != shape):
        expected = ", ".join(map(str, ("N", *shape)))
        raise InputError(f"real must be uint8 ({expected}), as the frames are, got {real.dtype} {tuple(real.shape)}")
    panel = panel_of(model, shape, real, features, classifier, neighbours, manifold, seed)
    judged, inner = _judge_frames(model, panel, curves, max_frames, progress)
    missing = dict(panel.missing)
    if panel.real_features is not None:
        frechet = _frechet(panel.criteria["frechet"], inner, panel.real_features, resamples, seed)
        if isinstance(frechet, str):
            missing["frechet"] = frechet
        else:
            judged["frechet"] = frechet
    in_order = tuple(judged[name] for name in panel.criteria if name in judged)
    left_out = tuple(NotMeasured(panel.criteria[name], missing[name]) for name in panel.criteria if name in missing)
    return Judgements(model.name, tuple(curves), pairs, frames, 0 if real is None else len(real), in_order, left_out)


def _judge_frames(
    model: Model,
    panel: Panel,
    curves: Mapping[str, Tensor],
    max_frames: int,
    progress: Callable[[str, int], None] | None,
) -> tuple[dict[str, Judgement | SetJudgement], dict[str, Tensor]]:
    """The judgements by frame, and by kind of curve the features of the inner frames ``(B, P - 2, F)``."""
    values: dict[str, dict[str, Tensor]] = {name: {} for name in [*panel.measures, "smoothness"]}
    ends: dict[str, Tensor] = {}
    inner: dict[str, Tensor] = {}
    for kind, points in curves.items():
        report = None if progress is None else partial(progress, kind)
        numbers, features = _numbers(panel, _chunks(model, points, max_frames), report)
        for name, each in numbers.items():
            if name == "smoothness":
                values[name][kind] = each
            else:
                values[name][kind] = each[:, 1:-1].mean(1)
                ends.setdefault(name, each[:, [0, -1]].mean(1))
        if features is not None:
            inner[kind] = features[:, 1:-1]
    return {name: Judgement(panel.criteria[name], value, ends.get(name)) for name, value in values.items()}, inner


def _numbers(
    panel: Panel, chunks: Iterator[Tensor], report: Callable[[int], None] | None
) -> tuple[dict[str, Tensor], Tensor | None]:
    """By every measure the number of every frame, ``(B, P)``, smoothness ``(B,)``, and the features ``(B, P, F)``."""
    numbers: dict[str, list[Tensor]] = {name: [] for name in [*panel.measures, "smoothness"]}
    features: list[Tensor] = []
    done = 0
    for images in chunks:
        measured, made = panel.numbers(images.flatten(0, 1))
        for name, each in measured.items():
            numbers[name].append(each.unflatten(0, images.shape[:2]))
        jumps = chords(images.flatten(2).double()).cpu()
        numbers["smoothness"].append(jumps.amax(1) / jumps.mean(1))
        if made is not None:
            features.append(made.unflatten(0, images.shape[:2]))
        done += len(images)
        if report is not None:
            report(done)
    return {name: torch.cat(each) for name, each in numbers.items()}, torch.cat(features) if features else None


def _frechet(
    criterion: Criterion, inner: Mapping[str, Tensor], known: Tensor, resamples: int, seed: int
) -> SetJudgement | str:
    """The distance of all inner frames ``(B, n, F)`` of each kind, and of resampled pairs; or the reason why none."""
    finite_pairs = torch.stack([made.isfinite().all(2).all(1) for made in inner.values()]).all(0)
    n, per_pair = int(finite_pairs.sum()), next(iter(inner.values())).shape[1]
    if n * per_pair < 2 or len(known) < 2:
        return f"a covariance needs two frames and two real images, there are {n * per_pair} and {len(known)}"
    random = torch.Generator().manual_seed(seed)
    drawn = torch.randint(n, (resamples if n > 1 else 0, n), generator=random)
    weights = torch.zeros(len(drawn), n).scatter_add_(1, drawn, torch.ones(drawn.shape))
    weights = torch.cat([torch.ones(1, n), weights])
    found = {kind: frechet_distances(made[finite_pairs], known, weights) for kind, made in inner.items()}
    values, resampled = {k: float(each[0]) for k, each in found.items()}, {k: each[1:] for k, each in found.items()}
    return SetJudgement(criterion, values, resampled, n, len(finite_pairs) - n)


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
