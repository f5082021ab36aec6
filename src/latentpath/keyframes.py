"""Paths through many latents, from keyframe to keyframe, open or closed.

The legs between consecutive keyframes of all paths are solved in one batch. Joined, they pass through every keyframe
exactly; each leg gets points in proportion to its length in the chosen spacing, so that the spacing is as even across a
joint as within a leg.

The joined curve turns sharply at its keyframes; `latentpath.joint_smoothing` makes the joints smooth.
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
from .interpolate_arguments import GenerativeModel
from .joint_smoothing import SmoothedPath, smoothed
from .method import problem_of
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
    r"""Finds one path through many latents: all legs are solved in one batch, joined, and evenly spaced.

    Args:
        generator: as for `interpolate`: a generator, or a model, ``interpolate_through(model, keyframes)``.
        prior: as for `interpolate`.
        keyframes: ``(N, D)``, or for B paths ``(B, N, D)`` or a list of B tensors ``(N, D)``; N at least 2. The paths
            pass through them exactly. A generator that decodes a latent ``(D,)`` and a stack of them ``(N, D)`` to one
            shape, as a decoder of W+ latents does, makes ``(B, N, D)`` ambiguous, which is refused; a list is clear.
        closed: True continues from the last keyframe to the first.
        segments: the mean number for a leg: the path has ``K = segments * legs``, in proportion to the legs' lengths.
        spacing: the spacing of these lengths and of the points of a leg, as for `Path.at`.
        smooth: the largest jump of the velocity at a joint, in (0, 2), see `latentpath.joint_smoothing`; None does not
            smooth.
        max_cost_increase: the accepted cost of smoothing one joint, as a share of the mean cost of its two legs. Where
            the bound needs more, the joint becomes as gentle as this allows.
        strict: True raises `SolveError` unless every leg has converged, to a finite cost.
        progress: as for `interpolate`: progress bars of the solve and of the smoothing.
        options: any others of `interpolate`.

    Returns:
        A `Path` of B paths with ``keyframe_indices``. The outcome of a path is the worst of its legs (``UNRESOLVED``
        where its points are too few: where its audited cost is above the legs' by more than 2 %); the evaluations are
        the mean over the legs, one of each being one of the whole path. The gain is predicted at the joined points with
        fixed keyframes. ``settings["smoothed"]`` of a smoothed path has the jumps at its joints ``before`` and
        ``after``, and the relative ``rise`` of its cost.

    Raises:
        InputError: keyframes of another shape, too few, or ambiguous; a bound or a share out of its range; an argument
            that `interpolate` refuses.
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
    method: dict[str, Any] = {name: options.pop(name, None) for name in ("method", "alpha", "embed")}
    problem = problem_of(generator, prior, (keyframes,), "keyframes", **method)
    stops = _checked(problem.latents[0], closed, problem.generator)
    segments = whole_number("segments", segments, 2)
    _check(spacing, smooth, max_cost_increase)
    count, legs = len(stops), stops.shape[1] - 1
    ends = stops[:, :-1].flatten(0, 1), stops[:, 1:].flatten(0, 1)
    try:
        options |= {"segments": segments, "embed": problem.embed, "strict": strict, "progress": progress}
        found = interpolate(problem.generator, problem.index, *ends, **options)
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
    settings = {
        **found.settings,
        "method": problem.method,
        "keyframes": legs + (not closed),
        "closed": closed,
        "spacing": spacing,
    }
    if smooth is not None:
        lists = {name: [getattr(each, name) for each in facts] for name in ("before", "after", "rise")}
        settings["smoothed"] = {"bound": smooth, **lists}
    path = _measured(latents, joints, found, [each.cost for each in facts] or None, settings)
    if strict:
        insist(path)
    return path


def _measured(
    latents: Tensor, joints: Tensor, found: Path, smoothed_cost: list[float] | None, settings: dict[str, Any]
) -> Path:
    """Audits and judges the joined paths by the ``found`` paths of their legs."""
    assert found.source is not None
    count, legs = len(latents), joints.shape[1] - 1
    audit, gain = found.source.audit(latents), gain_of_curve(latents, found.source, joints)
    discrete = _discrete_costs(audit.segment_cost, joints, found, count)
    worst = [max(found.outcome[i * legs : (i + 1) * legs], key=_WORST.index) for i in range(count)]
    solved_cost, judged_gain = found.cost.reshape(count, legs).sum(1), gain
    if smoothed_cost is not None:  # smoothing raises the cost on purpose
        solved_cost, judged_gain = gain.new_tensor(smoothed_cost), torch.zeros_like(gain)
    tol = found.settings["tol"] or TOL
    outcome = outcome_of_points(worst, solved_cost, audit, discrete, judged_gain, tol, config().refinement.gap)
    return Path.measured(
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


def _discrete_costs(costs: Tensor, joints: Tensor, found: Path, count: int) -> Tensor:
    """Computes discrete costs ``(B, K)`` from audited ones: each leg has the share of its solve."""
    shares = (found.discrete_segment_cost.sum(-1) / found.cost).nan_to_num(1, 1, 1).reshape(count, -1)
    discrete = costs.clone()
    for row, places in enumerate(joints.tolist()):
        for leg, (start, stop) in enumerate(pairwise(places)):
            discrete[row, start:stop] *= shares[row, leg]
    return discrete


def _checked(keyframes: Tensor | Sequence[Tensor], closed: bool, generator: Generator) -> Tensor:
    """Validates the keyframes; returns ``(B, N, D)``, with the first one again at the end of closed paths."""
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
    """Returns a list of ``(N, D)``, one for each path, as ``(B, N, D)``."""
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
    """Returns True if the generator decodes stacks of latents ``(N, D)`` and single ones ``(D,)`` to one shape.

    Decoders of W+ latents do so. A generator that treats leading dimensions alike, such as a linear layer, decodes a
    stack to a stack; most others fail.
    """
    if not callable(generator) or getattr(generator, "training", False) or keyframes.is_meta:
        return False
    with torch.no_grad():
        try:
            stack, single = generator(keyframes[:1].detach()), generator(keyframes[0, :1].detach())
        except torch.OutOfMemoryError:
            raise
        except Exception:  # an unexpected shape may raise any error; errors of the generator itself recur in the solve
            return False
    return isinstance(stack, Tensor) and isinstance(single, Tensor) and stack.shape == single.shape


def _check(spacing: str, smooth: float | None, max_cost_increase: float) -> None:
    if spacing not in ("data", "metric", "latent"):
        raise InputError(f'spacing must be "metric", "data" or "latent"; got {spacing!r}.')
    if smooth is not None:
        advice = "0.5 is a gentle joint, 1 is a turn of 60 degrees in one step."
        real_number("smooth", smooth, above=0, below=2, advice=advice)
    advice = "It is a share of the cost, such as 0.1."
    real_number("max_cost_increase", max_cost_increase, above=0, below=math.inf, advice=advice)


def _evenly(legs: Sequence[Tensor], total: int, spacing: Spacing, source: Source) -> tuple[Tensor, list[int]]:
    """Joins ``legs`` ``(P, D)`` to one polyline ``(total + 1, D)``; also returns the indices of their ends."""
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
    """Divides ``total`` in proportion to ``sizes``, by largest remainders, at least 1 each."""
    whole = math.fsum(sizes)
    even = not 0 < whole < math.inf
    exact = [total / len(sizes) if even else total * size / whole for size in sizes]
    shares = [max(1, math.floor(value)) for value in exact]
    while sum(shares) != total:
        remainders = [value - share for value, share in zip(exact, shares, strict=True)]
        if sum(shares) < total:
            shares[remainders.index(max(remainders))] += 1
        else:  # the largest share makes up for the least shares of 1
            shares[shares.index(max(shares))] -= 1
    return shares
