r"""Through many latents: one path from keyframe to keyframe, open or closed, and what happens at the joints.

The legs between consecutive keyframes are pairs like any others, so all of them, of all paths, are solved in one batch.
Joined, they pass through every keyframe exactly; the points are shared out among the legs by how long these are in the
chosen spacing, so that they lie as evenly across a joint as within a leg.

**Joints.** Each leg is the best way between its ends and knows nothing of the next, so the joined curve turns sharply
at its keyframes; where both legs lead to the same likely region it even goes back where it came from. With the data
drawn at constant speed, let :math:`v_i` be the directions of consecutive steps :math:`\delta` (as long as the curve
over all its segments). The *jump of the velocity* :math:`|v_{i+1} - v_i|` is 0 on a straight line, 1 at a turn of 60
degrees, 2 where the curve goes back. Within the legs of the shipped auto-encoder it is 0.2 in the middle and 0.6 at the
most; at the joints of all shipped models that were tried it was between 1.6 and 2.

Smoothing replaces a stretch of ``h`` steps on either side of a joint by two cubics (Hermite's) in the latent space.
They meet the curve and its velocity at the far ends and go through the keyframe with one velocity: the mean of the two
there, the chord's (Catmull and Rom 1974, "A class of local interpolating splines"), or one in the direction of the
chord at the full or half the speed, which makes a loop of a place where the curve goes back. The longer the stretch,
the gentler the turn and the dearer the detour. For every joint all of these are measured for h = 2, 4, 8, ... up to
half a leg, and the cheapest is taken whose turns are within the bound; where none of those that are cheap enough is,
the gentlest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, SupportsIndex

import torch
from torch import Tensor

from ._progress import progress_bar
from ._validate import describe, real_number, whole_number
from .callables import without_autocast
from .curves import arc_length, at_arc, spaced, subdivide
from .decoding import Generator, chords, decode
from .errors import InputError, SolveError
from .evaluate import Source
from .interpolate import insist, interpolate
from .path import Path, Spacing
from .solvers import Outcome
from .solvers.configuration import config
from .verdict import TOL, gain_of_curve, outcome_of_points

__all__ = ["interpolate_through"]

_WORST = (Outcome.CONVERGED, Outcome.BUDGET_SPENT, Outcome.STALLED, Outcome.UNRESOLVED, Outcome.NON_FINITE)
_WINDOWS, _FINE = (2, 4, 8, 16, 32, 64), 4


def interpolate_through(
    generator: Generator,
    prior: Any,
    keyframes: Tensor | Sequence[Tensor],
    *,
    closed: bool = False,
    segments: SupportsIndex = 50,
    spacing: Spacing = "metric",
    smooth: float | None = None,
    most_rise: float = 0.1,
    strict: bool = False,
    progress: bool | None = None,
    **options: Any,
) -> Path:
    r"""One path through many latents: all legs solved in one batch, joined, evenly spaced across the joints.

    Args:
        generator: as for `interpolate`.
        prior: as for `interpolate`.
        keyframes: ``(N, D)``, or for B paths ``(B, N, D)`` or a list of B tensors ``(N, D)``; N at least 2. The paths
            pass through them exactly. Where the generator makes the same of a latent ``(D,)`` and of a stack of them
            ``(N, D)``, as a decoder of W+ latents does, ``(B, N, D)`` has two meanings and is refused; a list has one.
        closed: whether it goes on from the last keyframe to the first.
        segments: of each leg on average: the path has ``K = segments * legs``, shared out by the lengths of the legs.
        spacing: in which they are long, and the points of a leg lie evenly: as for `Path.at`.
        smooth: the largest jump of the velocity at a joint, in (0, 2), see `latentpath.through`; None leaves the joints
            as they are.
        most_rise: what smoothing one joint may cost, as a share of the mean cost of the two legs that meet there. Where
            the bound takes more, the joint becomes as gentle as this allows.
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
        >>> loop.latents.shape, loop.joints.tolist()
        (torch.Size([1, 81, 2]), [[0, 20, 40, 60, 80]])
    """
    stops = _checked(keyframes, closed, generator)
    segments = whole_number("segments", segments, 2)
    _check(spacing, smooth, most_rise)
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
        facts: list[_Smoothed] = []
        if smooth is not None:
            with progress_bar("Smoothing", progress, quiet=options.get("callback") is not None) as report:
                for i, each in enumerate(polylines):
                    report(i / count, f"path {i + 1} of {count}")
                    facts.append(_smoothed(each, closed, segments * legs, smooth, most_rise, found.source))
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
    seen, gain = _seen(audit.segment_cost, joints, found, count), gain_of_curve(latents, found.source, joints)
    was = found.cost.reshape(count, legs).sum(1) if smooth is None else gain.new_tensor([each.cost for each in facts])
    promised = gain if smooth is None else torch.zeros_like(gain)  # a rounded joint is meant to cost more
    outcome = outcome_of_points(
        worst, was, audit, seen, promised, found.settings["tol"] or TOL, config().refinement.gap
    )
    path = Path.measured(
        latents,
        found.source,
        audit,
        seen,
        outcome=outcome,
        evaluations=found.evaluations.reshape(count, legs).mean(1),
        gain=gain,
        settings=settings,
        joints=joints,
    )
    if strict:
        insist(path)
    return path


def _seen(costs: Tensor, joints: Tensor, found: Path, count: int) -> Tensor:
    """What was seen of the costs ``(B, K)``: of every leg's, the share that its solve saw."""
    shares = (found.seen.sum(-1) / found.cost).nan_to_num(1, 1, 1).reshape(count, -1)
    seen = costs.clone()
    for row, places in enumerate(joints.tolist()):
        for leg, (start, stop) in enumerate(pairwise(places)):
            seen[row, start:stop] *= shares[row, leg]
    return seen


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


def _check(spacing: str, smooth: float | None, most_rise: float) -> None:
    if spacing not in ("data", "metric", "latent"):
        raise InputError(f'spacing must be "metric", "data" or "latent", got {spacing!r}')
    if smooth is not None:
        gentle = (
            "It is the largest jump of the velocity at a joint: 0.5 is gentle, 1 is a turn of 60 degrees in one step."
        )
        real_number("smooth", smooth, above=0, below=2, advice=gentle)
    real_number("most_rise", most_rise, above=0, below=math.inf, advice="It is a share of the cost, such as 0.1.")


def _evenly(legs: Sequence[Tensor], total: int, spacing: Spacing, source: Source) -> tuple[Tensor, list[int]]:
    """One polyline ``(total + 1, D)`` of ``legs`` ``(P, D)``, and where these begin and end in it."""
    sizes = [float(source.steps(subdivide(leg, 2), spacing).sum()) for leg in legs]
    shares = _shares(sizes, total)
    parts = [spaced(leg, n + 1, lambda fine: source.steps(fine, spacing)) for leg, n in zip(legs, shares, strict=True)]
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


@dataclass(frozen=True)
class _Smoothed:
    """Legs of one path, the jumps at its joints before and after, the relative rise of its cost, and its cost."""

    legs: list[Tensor]
    before: list[float]
    after: list[float]
    rise: float
    cost: float


def _smoothed(
    legs: list[Tensor], closed: bool, total: int, bound: float, most_rise: float, source: Source
) -> _Smoothed:
    """Every joint of ``legs`` ``(P, D)`` as gentle as ``bound`` asks and ``most_rise`` allows."""
    lengths = [float(source.steps(subdivide(leg, 2), "data").sum()) for leg in legs]
    step = math.fsum(lengths) / total
    if not 0 < step < math.inf:
        return _Smoothed(legs, [], [], 0.0, 0.0 if step == 0 else math.inf)
    even = [
        spaced(leg, max(2, round(length / step)) + 1, lambda fine: source.steps(fine, "data"))
        for leg, length in zip(legs, lengths, strict=True)
    ]
    costs = [float(source.audit(leg[None]).cost) for leg in even]
    before, after, extra = [], [], 0.0
    for left, right in _joints(len(even), closed):
        found = _gentlest(even[left], even[right], step, bound, most_rise * (costs[left] + costs[right]) / 2, source)
        before.append(found[0].jump)
        after.append(found[-1].jump)
        extra += found[-1].cost
        even[left], even[right] = found[-1].left, found[-1].right
    whole = math.fsum(costs)
    return _Smoothed(even, before, after, extra / whole if 0 < whole < math.inf else 0.0, whole + extra)


def _joints(legs: int, closed: bool) -> Iterator[tuple[int, int]]:
    """The legs that meet, as pairs."""
    yield from pairwise(range(legs))
    if closed:
        yield legs - 1, 0


@dataclass(frozen=True)
class _Turn:
    """Two legs that meet, ``(P, D)`` and ``(Q, D)``; the largest jump there, and what it cost to make it gentle."""

    left: Tensor
    right: Tensor
    jump: float
    cost: float


def _gentlest(left: Tensor, right: Tensor, step: float, bound: float, most: float, source: Source) -> tuple[_Turn, ...]:
    """The joint as it is, and the cheapest one within ``bound``; or, where that is none, the gentlest within ``most``.

    If that is the joint as it is, it is the only one.
    """
    plain = _Turn(left, right, _jump(left[-5:], right[:5], step, source), 0.0)
    if plain.jump <= bound:
        return (plain,)
    room = (min(len(left), len(right)) - 1) // 2
    tried = []
    for size in (size for size in _WINDOWS if size <= room):
        was = source.audit(torch.cat([left[-size - 1 :], right[1 : size + 1]])[None]).cost
        for before, after in _rounded(left, right, size):
            now = source.audit(torch.cat([before, after[1:]])[None]).cost
            legs = torch.cat([left[: -size - 1], before]), torch.cat([after, right[size + 1 :]])
            jump = _jump(legs[0][-size - 4 :], legs[1][: size + 4], step, source)
            tried.append(_Turn(*legs, jump, float(now - was)))
    affordable = [turn for turn in tried if turn.cost <= most and turn.jump < plain.jump]
    within = [turn for turn in affordable if turn.jump <= bound]
    if within:
        return plain, min(within, key=lambda turn: turn.cost)
    return (plain, min(affordable, key=lambda turn: turn.jump)) if affordable else (plain,)


def _rounded(left: Tensor, right: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The last ``size`` steps of one leg and the first of the next as cubics, ``(size + 1, D)`` each, in some ways."""
    middle = left[-1]
    begin, end = left[-size - 1], right[size]
    # velocities by the step, from both sides where there are points on both
    arriving = left[-size] - begin if len(left) == size + 1 else (left[-size] - left[-size - 2]) / 2
    leaving = end - right[size - 1] if len(right) == size + 1 else (right[size + 1] - right[size - 1]) / 2
    chord = (end - begin) / (2 * size)
    mean = (right[1] - left[-2]) / 2
    speed = (arriving.norm() + leaving.norm()) / 2
    across = chord * (speed / chord.norm()).nan_to_num(0.0, 0.0, 0.0)
    for through in (chord, mean, across, across / 2):
        yield _cubic(begin, arriving, middle, through, size), _cubic(middle, through, end, leaving, size)


def _cubic(start: Tensor, velocity: Tensor, end: Tensor, final: Tensor, size: int) -> Tensor:
    """Hermite's cubic from ``start`` to ``end`` ``(D,)`` in ``size`` steps, with the velocities by the step."""
    s = torch.linspace(0, 1, size + 1, dtype=start.dtype, device=start.device)[:, None]
    curve = (
        (2 * s**3 - 3 * s**2 + 1) * start
        + (s**3 - 2 * s**2 + s) * size * velocity
        + (3 * s**2 - 2 * s**3) * end
        + (s**3 - s**2) * size * final
    )
    return torch.cat([start[None], curve[1:-1], end[None]])


def _jump(left: Tensor, right: Tensor, step: float, source: Source) -> float:
    """The largest jump of the velocity, in steps counted from where the legs ``(P, D)`` and ``(Q, D)`` meet."""
    fine = [subdivide(leg, _FINE) for leg in (left, right)]
    data = [decode(leg, source.generator, source.embed, source.max_points) for leg in fine]
    sides = []
    for points in (data[0].flip(0), data[1]):
        arc = arc_length(chords(points))
        targets = torch.arange(math.floor(float(arc[-1]) / step + 1e-3) + 1, device=arc.device) * step
        sides.append(at_arc(points, arc, targets.to(arc)))
    moves = torch.cat([sides[0].flip(0), sides[1][1:]]).diff(dim=0)
    directions = moves / moves.norm(dim=1, keepdim=True).clamp_min(torch.finfo(moves.dtype).tiny)
    jumps = directions.diff(dim=0).norm(dim=1)
    return float(jumps.max()) if len(jumps) else 0.0
