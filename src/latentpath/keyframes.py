"""Paths through many latents, from keyframe to keyframe, open or closed.

The legs between consecutive keyframes are pairs like any others, so all of them, of all paths, are solved in one batch.
Joined, they pass through every keyframe exactly; the points are shared out among the legs by how long these are in the
chosen spacing, so that they lie as evenly across a joint as within a leg.

At its keyframes the joined curve turns sharply; `latentpath.joint_smoothing` makes the joints smooth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, SupportsIndex

import torch
from torch import Tensor

from ._progress import progress_bar
from ._validate import describe, real_number, whole_number
from .callables import without_autocast
from .curves import spaced, subdivide
from .decoding import Generator
from .errors import InputError, SolveError
from .interpolate import insist, interpolate
from .interpolate_arguments import GenerativeModel, split_model
from .joint_smoothing import SmoothedPath, smoothed
from .path import Path, Spacing
from .solvers import Outcome
from .solvers.configuration import config
from .source import Source
from .verdict import TOL, gain_of_curve, outcome_of_points

__all__ = ["interpolate_through"]

_WORST = (Outcome.CONVERGED, Outcome.BUDGET_SPENT, Outcome.STALLED, Outcome.UNRESOLVED, Outcome.NON_FINITE)


def interpolate_through(
    generator: Generator | GenerativeModel,
    prior: Any = None,
    keyframes: Tensor | Sequence[Tensor] | None = None,
    *,
    closed: bool = False,
    segments: SupportsIndex = 50,
    spacing: Spacing = "metric",
    smooth: float | None = None,
    max_cost_increase: float = 0.1,
    strict: bool = False,
    progress: bool | None = None,
    **options: Any,
) -> Path:
    r"""One path through many latents: all legs solved in one batch, joined, evenly spaced across the joints.

    Args:
        generator: as for `interpolate`: a generator, or a model, ``interpolate_through(model, keyframes)``.
        prior: as for `interpolate`.
        keyframes: ``(N, D)``, or for B paths ``(B, N, D)`` or a list of B tensors ``(N, D)``; N at least 2. The paths
            pass through them exactly. Where the generator makes the same of a latent ``(D,)`` and of a stack of them
            ``(N, D)``, as a decoder of W+ latents does, ``(B, N, D)`` has two meanings and is refused; a list has one.
        closed: whether it goes on from the last keyframe to the first.
        segments: of each leg on average: the path has ``K = segments * legs``, shared out by the lengths of the legs.
        spacing: in which they are long, and the points of a leg lie evenly: as for `Path.at`.
        smooth: the largest jump of the velocity at a joint, in (0, 2), see `latentpath.joint_smoothing`; None leaves
            the joints as they are.
        max_cost_increase: the cost of smoothing one joint, as a share of the mean cost of the two legs that meet
            there. Where the bound takes more, the joint becomes as gentle as this allows.
        strict: raise `SolveError` unless every leg has converged, to a finite cost.
        progress: as for `interpolate`: progress bars of the solve and of the smoothing.
        options: any others of `interpolate`.

    Returns:
        A `Path` of B paths with ``joints``, the places of their keyframes. Of each path's legs it has the worst
        outcome (``UNRESOLVED`` where its points are too few for its curve: where its audited cost is above that of the
        legs by more than 2 %), and the mean evaluations (which is what counts as one of the whole path). The gain is
        predicted at the joined points, the keyframes held fixed. Where it was smoothed, ``settings["smoothed"]`` has
        for every path the jumps at its joints ``before`` and ``after``, and the ``rise`` of its cost, relatively.

    Raises:
        InputError: keyframes of another shape, too few, or of two meanings; a bound or a share out of its range; and
            what `interpolate` refuses.
        GeneratorError: as for `interpolate`.
        SolveError: see ``strict``.

    Source: not in the paper.

    Example:
        >>> import torch, latentpath as lp
        >>> prior = lp.priors.standard_normal(2)
        >>> corners = torch.tensor([[1.5, 0.0], [0.0, 1.5], [-1.5, 0.0], [0.0, -1.5]])
        >>> loop = lp.interpolate_through(lambda z: 3 * z, prior, corners, closed=True, segments=20)
        >>> loop.latents.shape, loop.keyframe_indices.tolist()
        (torch.Size([1, 81, 2]), [[0, 20, 40, 60, 80]])
    """
    generator, prior, (keyframes,) = split_model(generator, prior, (keyframes,), "keyframes")
    stops = _checked(keyframes, closed, generator)
    segments = whole_number("segments", segments, 2)
    _check(spacing, smooth, max_cost_increase)
    count, legs = len(stops), stops.shape[1] - 1
    try:
        found = interpolate(
            generator,
            prior,
            stops[:, :-1].flatten(0, 1),
            stops[:, 1:].flatten(0, 1),
            segments=segments,
            strict=strict,
            progress=progress,
            **options,
        )
    except SolveError as error:
        raise SolveError(f"of the {legs} legs of each path, counted path by path: {error}", error.path) from None
    assert found.source is not None
    with torch.no_grad(), without_autocast():
        polylines: list[list[Tensor]] = [list(found.latents[i * legs : (i + 1) * legs]) for i in range(count)]
        facts: list[SmoothedPath] = []
        if smooth is not None:
            with progress_bar("Smoothing", progress, quiet=options.get("callback") is not None) as report:
                for i, each in enumerate(polylines):
                    report(i / count, f"path {i + 1} of {count}")
                    facts.append(smoothed(each, closed, segments * legs, smooth, max_cost_increase, found.source))
            polylines = [each.legs for each in facts]
        joined = [_evenly(each, segments * legs, spacing, found.source) for each in polylines]
        latents = torch.stack([latents for latents, _ in joined])
        joints = torch.tensor([places for _, places in joined], device=latents.device)
        latents[torch.arange(count, device=latents.device)[:, None], joints] = stops
    settings = {**found.settings, "keyframes": legs + (not closed), "closed": closed, "spacing": spacing}
    if smooth is not None:
        settings["smoothed"] = {
            "bound": smooth,
            "before": [each.before for each in facts],
            "after": [each.after for each in facts],
            "rise": [each.rise for each in facts],
        }
    worst = [max(found.outcome[i * legs : (i + 1) * legs], key=_WORST.index) for i in range(count)]
    audit = found.source.audit(latents)
    discrete, gain = (
        _discrete_costs(audit.segment_cost, joints, found, count),
        gain_of_curve(latents, found.source, joints),
    )
    was = found.cost.reshape(count, legs).sum(1) if smooth is None else gain.new_tensor([each.cost for each in facts])
    promised = gain if smooth is None else torch.zeros_like(gain)  # a rounded joint is meant to cost more
    outcome = outcome_of_points(
        worst, was, audit, discrete, promised, found.settings["tol"] or TOL, config().refinement.gap
    )
    path = Path.measured(
        latents,
        found.source,
        audit,
        discrete,
        outcome=outcome,
        evaluations=found.evaluations.reshape(count, legs).mean(1),
        gain=gain,
        settings=settings,
        keyframe_indices=joints,
    )
    if strict:
        insist(path)
    return path


def _discrete_costs(costs: Tensor, joints: Tensor, found: Path, count: int) -> Tensor:
    """What was discrete of the costs ``(B, K)``: of every leg's, the share that its solve saw."""
    shares = (found.discrete_segment_cost.sum(-1) / found.cost).nan_to_num(1, 1, 1).reshape(count, -1)
    discrete = costs.clone()
    for row, places in enumerate(joints.tolist()):
        for leg, (start, stop) in enumerate(pairwise(places)):
            discrete[row, start:stop] *= shares[row, leg]
    return discrete


def _checked(keyframes: Tensor | Sequence[Tensor], closed: bool, generator: Generator) -> Tensor:
    """The keyframes of every path, ``(B, N, D)``, the first one again at the end where it is closed."""
    if not isinstance(closed, bool):
        raise InputError(f"closed must be True or False; got {describe(closed)}.")
    if isinstance(keyframes, Tensor):
        if keyframes.ndim not in (2, 3):
            raise InputError(
                f"keyframes must be (N, D) or (B, N, D); got {tuple(keyframes.shape)}. A latent is a "
                "vector (D,): flatten latents of another shape, and unflatten them in the generator."
            )
        stops = keyframes[None] if keyframes.ndim == 2 else keyframes
    else:
        stops = _stacked(keyframes)
    if stops.shape[1] < 2 or len(stops) == 0:
        raise InputError(
            f"a path needs at least 2 keyframes: (N, D) or (B, N, D) with N >= 2; got {tuple(stops.shape)}."
        )
    if isinstance(keyframes, Tensor) and keyframes.ndim == 3 and _takes_stacks(generator, keyframes):
        paths, count, dim = keyframes.shape
        raise InputError(
            f"keyframes {(paths, count, dim)} have two meanings, because the generator takes both latents ({dim},) and "
            f"latents ({count}, {dim}). For {paths} paths through {count} latents ({dim},) each, pass a list: "
            f"list(keyframes). For one path through {paths} latents ({count}, {dim}), pass keyframes.flatten(1), and "
            "unflatten them in the generator."
        )
    return torch.cat([stops, stops[:, :1]], dim=1) if closed else stops


def _stacked(keyframes: Sequence[Tensor]) -> Tensor:
    """A list of ``(N, D)``, one for each path, as ``(B, N, D)``."""
    paths = list(keyframes) if isinstance(keyframes, list | tuple) else []
    first = paths[0] if paths else None
    if not isinstance(first, Tensor) or first.ndim != 2:
        raise InputError(
            "keyframes must be a tensor (N, D), or a list of them for several paths; got "
            f"{type(keyframes).__name__}{' of ' + describe(first) if paths else ''}. torch.stack(...) makes "
            "a tensor of latents (D,)."
        )
    kinds = {(tuple(p.shape), p.dtype, p.device) if isinstance(p, Tensor) else (type(p).__name__,) for p in paths}
    if len(kinds) > 1:
        raise InputError(
            "every path needs as many keyframes, of one dtype and on one device; got "
            f"{', '.join(describe(path) for path in paths[:4])}."
        )
    return torch.stack(paths)


def _takes_stacks(generator: Generator, keyframes: Tensor) -> bool:
    """Whether the generator makes frames of one shape of a stack of latents ``(N, D)`` and of one ``(D,)``.

    Decoders of W+ latents do that. One that treats leading dimensions alike, as a linear layer does, makes a stack of
    frames of a stack of latents; most others fail.
    """
    if not callable(generator) or getattr(generator, "training", False) or keyframes.is_meta:
        return False
    with torch.no_grad():
        try:
            stack, single = generator(keyframes[:1].detach()), generator(keyframes[0, :1].detach())
        except torch.OutOfMemoryError:
            raise
        except Exception:  # whatever it raises for a shape that it was not made for; its own faults show in the solve
            return False
    return isinstance(stack, Tensor) and isinstance(single, Tensor) and stack.shape == single.shape


def _check(spacing: str, smooth: float | None, max_cost_increase: float) -> None:
    if spacing not in ("data", "metric", "latent"):
        raise InputError(f'spacing must be "metric", "data" or "latent", got {spacing!r}')
    if smooth is not None:
        gentle = (
            "It is the largest jump of the velocity at a joint: 0.5 is gentle, 1 is a turn of 60 degrees in one step."
        )
        real_number("smooth", smooth, above=0, below=2, advice=gentle)
    real_number(
        "max_cost_increase",
        max_cost_increase,
        above=0,
        below=math.inf,
        advice="It is a share of the cost, such as 0.1.",
    )


def _evenly(legs: Sequence[Tensor], total: int, spacing: Spacing, source: Source) -> tuple[Tensor, list[int]]:
    """One polyline ``(total + 1, D)`` of ``legs`` ``(P, D)``, and where these begin and end in it."""
    sizes = [float(source.step_lengths(subdivide(leg, 2), spacing).sum()) for leg in legs]
    shares = _shares(sizes, total)
    parts = [
        spaced(leg, n + 1, lambda fine: source.step_lengths(fine, spacing)) for leg, n in zip(legs, shares, strict=True)
    ]
    places = [0]
    for n in shares:
        places.append(places[-1] + n)
    return torch.cat([*(part[:-1] for part in parts), parts[-1][-1:]]), places


def _shares(sizes: Sequence[float], total: int) -> list[int]:
    """``total`` shared out in proportion, by largest remainders, at least 1 each."""
    whole = math.fsum(sizes)
    even = not 0 < whole < math.inf
    exact = [total / len(sizes) if even else total * size / whole for size in sizes]
    shares = [max(1, math.floor(value)) for value in exact]
    while sum(shares) != total:
        wanting = [value - share for value, share in zip(exact, shares, strict=True)]
        if sum(shares) < total:
            shares[wanting.index(max(wanting))] += 1
        else:  # those that got their 1 for nothing take it from whoever has most
            shares[shares.index(max(shares))] -= 1
    return shares
