r"""Is it more realistic? What networks and images that the method never saw say of the frames of several curves.

A path is found by the prior's density and the generator alone, so that a higher index along it proves nothing: that is
what was asked for. The criteria here had no part in it (but for those marked as not independent):

================== =============================================================== ============== =====================
name               of a frame ``x`` with features :math:`\phi(x)`                  better         needs
================== =============================================================== ============== =====================
`confidence`       :math:`\max_k p_k(x)`, the classifier's largest probability     higher         classifier
`entropy`          :math:`-\sum_k p_k \log p_k`, in nats                           lower          classifier
`nearest_pixels`   :math:`\min_r |x - r|` over real images, pixels in [-1, 1]      lower          real images
`nearest_features` :math:`\min_r |\phi(x) - \phi(r)|`                              lower          real, features
`precision`        1 where :math:`\phi(x)` lies in the manifold of the real        higher         real, features
                   images' features, else 0 (Kynkäänniemi et al. 2019, k = 3)
`frechet`          squared Fréchet distance of all frames to all real images       lower          real, features
                   (Heusel et al. 2017), not of a frame but of the set
`discriminator`    logit of the model's own discriminator; *not independent*       higher         discriminator
`smoothness`       largest over mean distance of consecutive frames, of a curve    lower, least 1
================== =============================================================== ============== =====================

Each but `frechet` is a number for each pair: the mean over the *inner* frames of its curve, since the endpoints are the
same for every kind of curve; what is said of these stands beside it. Frames that a judge finds *better* than those show
what the judge likes (a distance in pixels: blur), and are no more real for it. `smoothness` is taken
of the frames as they come, endpoints included: it speaks of the curve where they are evenly spaced in the data
(`even_in_data`), and elsewhere of their spacing too.

**Not independent** are the model's own discriminator, which taught the generator, and features that are the model's own
encoder's, as for the shipped auto-encoder of faces. Real images are those that the model was trained on: a curve may
be near them because the generator is.

**The interval of the Fréchet distance** is a bootstrap over pairs, since frames of one curve are anything but
independent, with the same resamples for every kind of curve. The distance is biased upward, the more so the fewer
frames there are, and a resample, which has some pairs twice, once more. So its quantiles are moved by the difference of
the distance and their mean: the interval is for the distance that *so many* pairs have, which compares with that of
other curves between as many pairs, and with no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from ..energy import chords, even_in_data
from ..errors import InputError
from ..models import Model, load
from ..models.metrics.features import Features, feature_network, over
from ..models.metrics.frechet import frechet_distances
from ..models.metrics.nearest import nearest_distances
from ..models.metrics.precision import neighbour_radii, within_manifold
from .judgements import Criterion, Judgement, Judgements, NotMeasured, SetJudgement

__all__ = ["even_in_data", "judge"]

_REAL, _CLASSIFIER, _FEATURES, _DISCRIMINATOR = "real images", "classifier", "feature network", "discriminator"
_SAME = 1e-3
"""By how much the ends of two curves of a pair may differ: rounding, of batches of other sizes."""
_Measure = Callable[[Tensor], Tensor]
"""Images ``(N, C, H, W)`` in [-1, 1], or features or logits of them ``(N, F)``, to one number each ``(N,)``."""


def _criteria(features: str, independent: bool) -> dict[str, Criterion]:
    """All of them by name, given whose features and whether these are independent of the model."""
    space = f"features of {features}"
    seen = (_REAL, _FEATURES)
    every = (
        Criterion("confidence", "classifier's confidence", "probability", True, needs=(_CLASSIFIER,)),
        Criterion("entropy", "classifier's entropy", "nats", False, needs=(_CLASSIFIER,)),
        Criterion(
            "nearest_pixels", "nearest real image, pixels", "Euclidean, pixels in [-1, 1]", False, needs=(_REAL,)
        ),
        Criterion("nearest_features", "nearest real image, features", f"Euclidean, {space}", False, independent, seen),
        Criterion("precision", "precision", f"share of frames, {space}", True, independent, seen),
        Criterion("frechet", "Fréchet distance", f"squared, {space}", False, independent, seen),
        Criterion("discriminator", "own discriminator", "logit", True, False, (_DISCRIMINATOR,)),
        Criterion("smoothness", "largest over mean jump", "ratio", False),
    )
    return {criterion.name: criterion for criterion in every}


@torch.no_grad()
def judge(
    model: Model,
    curves: Mapping[str, Tensor],
    real: Tensor | None = None,
    *,
    features: str | Features | None = None,
    classifier: str | Callable[[Tensor], Tensor] | None = None,
    neighbours: int = 3,
    manifold: int = 10_000,
    resamples: int = 500,
    seed: int = 0,
    max_frames: int = 500,
    progress: Callable[[str, int], None] | None = None,
) -> Judgements:
    """Judge the frames of several kinds of curve between the same ``B`` pairs of endpoints.

    Args:
        model: that the curves are of.
        curves: by name, either frames ``(B, P, C, H, W)`` in [-1, 1] or latents ``(B, P, D)``, which are decoded a few
            pairs at a time and never held together; one ``B`` and ``P`` for all, ``P >= 3``, evenly spaced.
        real: the images that the model was trained on, ``uint8 (N, C, H, W)``; None where there are none here.
        features: of images, ``(N, F)``, or the name of the model whose they are; None for the shipped ones (see
            `latentpath.models.metrics.features.feature_network`).
        classifier: images to logits ``(N, classes)``, or the name of one; None for that which the model's card names.
        neighbours: ``k`` of the real manifold.
        manifold: of how many real images, chosen at random, it is made; all are used for the rest.
        resamples: of the pairs, for the interval of the Fréchet distance.
        seed: of that choice and of the resamples.
        max_frames: about how many frames are decoded and judged at once.
        progress: called with the name of a curve and how many of its pairs are judged.

    Returns:
        What each criterion says, and which were left out for want of what they need.

    Raises:
        InputError: shapes that do not fit each other or the model, or curves with other endpoints.

    Example:
        >>> import torch, latentpath as lp
        >>> from latentpath.reproduction.judges import judge
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
    pairs, frames = _check(curves)
    shape = tuple(_images(model, next(iter(curves.values()))[:1]).shape[2:])
    if real is not None and (real.dtype != torch.uint8 or tuple(real.shape[1:]) != shape):
        expected = ", ".join(map(str, ("N", *shape)))
        raise InputError(f"real must be uint8 ({expected}), as the frames are, got {real.dtype} {tuple(real.shape)}")
    bench = _bench(model, shape, real, features, classifier, neighbours, manifold, seed)
    values: dict[str, dict[str, Tensor]] = {name: {} for name in [*bench.measures, "smoothness"]}
    ends: dict[str, Tensor] = {}
    inner: dict[str, Tensor] = {}
    for kind, points in curves.items():
        told = None if progress is None else partial(progress, kind)
        found, made = _of_frames(bench, _chunks(model, points, max_frames), told)
        for name, each in found.items():
            if name == "smoothness":
                values[name][kind] = each
            else:
                values[name][kind] = each[:, 1:-1].mean(1)
                ends.setdefault(name, each[:, [0, -1]].mean(1))
        if made is not None:
            inner[kind] = made[:, 1:-1]
    judged: dict[str, Judgement | SetJudgement] = {
        name: Judgement(bench.criteria[name], value, ends.get(name)) for name, value in values.items()
    }
    missing = dict(bench.missing)
    if bench.known is not None:
        whole = _frechet(bench.criteria["frechet"], inner, bench.known, resamples, seed)
        if isinstance(whole, str):
            missing["frechet"] = whole
        else:
            judged["frechet"] = whole
    return Judgements(
        model=model.name,
        kinds=tuple(curves),
        pairs=pairs,
        frames=frames,
        real=0 if real is None else len(real),
        judged=tuple(judged[name] for name in bench.criteria if name in judged),
        missing=tuple(NotMeasured(bench.criteria[name], missing[name]) for name in bench.criteria if name in missing),
    )


@dataclass(frozen=True)
class _Bench:
    """The judges that there are.

    Each measure is of images, or of what the first network that its criterion needs makes of them.
    """

    criteria: Mapping[str, Criterion]
    measures: Mapping[str, _Measure]
    missing: Mapping[str, str]
    networks: Mapping[str, Callable[[Tensor], Tensor]]
    known: Tensor | None  # the features of the real images


def _bench(
    model: Model,
    shape: tuple[int, ...],
    real: Tensor | None,
    features: str | Features | None,
    classifier: str | Callable[[Tensor], Tensor] | None,
    neighbours: int,
    manifold: int,
    seed: int,
) -> _Bench:
    """Whatever can be measured, and why the rest cannot."""
    measures: dict[str, _Measure] = {}
    missing: dict[str, str] = {}
    network, named, why = _features(model, shape, features)
    logits = _classifier(model, classifier)
    if isinstance(logits, str):
        missing |= dict.fromkeys(("confidence", "entropy"), logits)
    else:
        measures["confidence"] = lambda told: told.softmax(1).amax(1)
        measures["entropy"] = lambda told: torch.special.entr(told.softmax(1)).sum(1)
    known = None
    if real is None or len(real) == 0:
        names = ("nearest_pixels", "nearest_features", "precision", "frechet")
        missing |= dict.fromkeys(names, "no real images were given")
    else:
        measures["nearest_pixels"] = lambda images: nearest_distances(images.cpu(), real.cpu())
        if network is None:
            missing |= dict.fromkeys(("nearest_features", "precision", "frechet"), why)
        else:
            known = over(network, real)
            measures["nearest_features"] = lambda made: nearest_distances(made, known)
            chosen = known[torch.randperm(len(known), generator=torch.Generator().manual_seed(seed))[:manifold]]
            if len(chosen) > neighbours:
                radii = neighbour_radii(chosen, neighbours)
                measures["precision"] = lambda made: torch.where(
                    made.isfinite().all(1), within_manifold(made, chosen, radii).double(), torch.nan
                )
            else:
                missing["precision"] = (
                    f"a manifold of {neighbours} neighbours needs more than {len(chosen)} real images"
                )
    discriminator = model.discriminator
    if discriminator is None:
        missing["discriminator"] = f"{model.name!r} has no discriminator"
    else:
        score, (low, high) = _placed(discriminator), model.value_range
        measures["discriminator"] = lambda images: (
            score((images + 1) / 2 * (high - low) + low).reshape(len(images), -1).mean(1)
        )
    criteria = _criteria(named, named != model.name)
    networks = {} if isinstance(logits, str) else {_CLASSIFIER: logits}
    if network is not None and known is not None:
        networks[_FEATURES] = network
    return _Bench(criteria, measures, missing, networks, known)


def _features(
    model: Model, shape: tuple[int, ...], features: str | Features | None
) -> tuple[Features | None, str, str]:
    """The feature network, whose it is, and why there is none."""
    if features is not None and not isinstance(features, str):
        return _placed(features), "the network given", ""
    try:
        network, named = feature_network(model, shape, features)
    except InputError as error:
        if features is not None:
            raise
        return None, "none", str(error)
    return _placed(network), named, ""


def _classifier(model: Model, classifier: str | Callable[[Tensor], Tensor] | None) -> Callable[[Tensor], Tensor] | str:
    """The network to logits, or why there is none."""
    if classifier is None:
        classifier = (model.card.get("quality") or {}).get("judge")
        if classifier is None:
            return f"the card of {model.name!r} names no classifier of its images"
    if isinstance(classifier, str):
        judge = load(classifier)
        if judge.prior is not None:
            raise InputError(f"{classifier!r} is a generator, no classifier: name one, such as mnist-classifier")
        classifier = judge.generator
    return _placed(classifier)


def _placed(network: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """``network`` on images from any device, its answer on the CPU."""
    owner = getattr(network, "__self__", network)
    parameter = next(owner.parameters(), None) if isinstance(owner, nn.Module) else None
    device = None if parameter is None else parameter.device
    return lambda images: network(images if device is None else images.to(device)).cpu()


def _of_frames(
    bench: _Bench, chunks: Iterator[Tensor], told: Callable[[int], None] | None
) -> tuple[dict[str, Tensor], Tensor | None]:
    """By every measure the number of every frame, ``(B, P)``, and smoothness ``(B,)``; and features ``(B, P, F)``."""
    found: dict[str, list[Tensor]] = {name: [] for name in [*bench.measures, "smoothness"]}
    seen: list[Tensor] = []
    done = 0
    for images in chunks:
        flat, size = images.flatten(0, 1), images.shape[:2]
        made = {name: over(network, flat) for name, network in bench.networks.items()}
        for name, measure in bench.measures.items():
            given = next((made[need] for need in bench.criteria[name].needs if need in made), flat)
            found[name].append(measure(given).double().unflatten(0, size))
        jumps = chords(images.flatten(2).double()).cpu()
        found["smoothness"].append(jumps.amax(1) / jumps.mean(1))
        if _FEATURES in made:
            seen.append(made[_FEATURES].unflatten(0, size))
        done += len(images)
        if told is not None:
            told(done)
    return {name: torch.cat(each) for name, each in found.items()}, torch.cat(seen) if seen else None


def _frechet(
    criterion: Criterion, inner: Mapping[str, Tensor], known: Tensor, resamples: int, seed: int
) -> SetJudgement | str:
    """The distance of all inner frames ``(B, n, F)`` of each kind of curve, and of resampled pairs; or why none."""
    finite_pairs = torch.stack([made.isfinite().all(2).all(1) for made in inner.values()]).all(0)
    n, per_pair = int(finite_pairs.sum()), next(iter(inner.values())).shape[1]
    if n * per_pair < 2 or len(known) < 2:
        return f"a covariance needs two frames and two real images, there are {n * per_pair} and {len(known)}"
    random = torch.Generator().manual_seed(seed)
    drawn = torch.randint(n, (resamples if n > 1 else 0, n), generator=random)
    weights = torch.zeros(len(drawn), n).scatter_add_(1, drawn, torch.ones(drawn.shape))
    weights = torch.cat([torch.ones(1, n), weights])
    found = {kind: frechet_distances(made[finite_pairs], known, weights) for kind, made in inner.items()}
    return SetJudgement(
        criterion,
        {kind: float(each[0]) for kind, each in found.items()},
        {kind: each[1:] for kind, each in found.items()},
        n,
        len(finite_pairs) - n,
    )


def _check(curves: Mapping[str, Tensor]) -> tuple[int, int]:
    """``B`` and ``P`` of the curves, which must be the same, as must be their ends."""
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
            if not torch.allclose(one.float(), other.to(one.device).float(), atol=_SAME, equal_nan=True):
                raise InputError(f"curves must join the same pairs, and {kind!r} has other ends: give the same pairs")
    return len(first), first.shape[1]


def _images(model: Model, points: Tensor) -> Tensor:
    """Frames ``(b, P, C, H, W)`` in [-1, 1] of frames or latents."""
    if points.ndim == 5:
        return points
    low, high = model.value_range
    frames = model.generator(points.flatten(0, 1)).detach()
    if frames.ndim != 4:
        raise InputError(f"{model.name!r} makes no images (N, C, H, W), it makes {tuple(frames.shape)}")
    images: Tensor = ((frames - low) / (high - low) * 2 - 1).unflatten(0, points.shape[:2])
    return images


def _chunks(model: Model, points: Tensor, max_frames: int) -> Iterator[Tensor]:
    """`_images`, so many pairs at a time that they have at most ``max_frames``, or one."""
    for some in points.split(max(1, max_frames // points.shape[1])):
        yield _images(model, some)
