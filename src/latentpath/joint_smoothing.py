r"""Smooth joints: the places where two legs of a path through keyframes meet.

Each leg is the best path between its ends alone, so the joined curve turns sharply at its keyframes, and even goes back
where both legs lead to the same likely region. Let the data move at constant speed, and let
:math:`v_i` be the directions of consecutive steps :math:`\delta` (as long as the curve over all its segments). The
*jump of the velocity* :math:`|v_{i+1} - v_i|` is 0 on a straight line, 1 at a turn of 60 degrees, 2 where the curve
goes back.

Smoothing replaces a stretch of ``h`` steps on either side of a joint by two cubics (Hermite's) in the latent space.
They meet the curve and its velocity at the far ends and go through the keyframe with one velocity: the mean of the two
there, the chord's (Catmull and Rom 1974, "A class of local interpolating splines"), or one in the direction of the
chord at the full or half the speed, which turns a reversal into a loop. A longer stretch gives a gentler turn and a
more expensive detour. For every joint all candidates are measured for h = 2, 4, 8, ... up to half a leg. The cheapest
candidate within the bound is taken; where no affordable candidate meets the bound, the gentlest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from .curves import arc_length, at_arc, spaced, subdivide
from .decoding import chords, decode
from .source import Source

__all__ = ["SmoothedPath", "smoothed"]

_WINDOWS = (2, 4, 8, 16, 32, 64)
"""The lengths of a stretch, in steps on either side of a joint."""

_FINE = 4
"""The parts of a segment for measuring velocities."""


@dataclass(frozen=True)
class SmoothedPath:
    """The legs of one path after smoothing.

    Attributes:
        legs: the polylines ``(P, D)``.
        before: the jump of the velocity at every joint before.
        after: the jump of the velocity at every joint after.
        rise: the relative rise of the cost.
        cost: the cost of the path.
    """

    legs: list[Tensor]
    before: list[float]
    after: list[float]
    rise: float
    cost: float


def smoothed(
    legs: list[Tensor], closed: bool, total: int, bound: float, max_cost_increase: float, source: Source
) -> SmoothedPath:
    """Smooths every joint of ``legs`` ``(P, D)`` to ``bound``, or as far as ``max_cost_increase`` allows."""
    lengths = [float(source.step_lengths(subdivide(leg, 2), "data").sum()) for leg in legs]
    step = math.fsum(lengths) / total
    if not 0 < step < math.inf:
        return SmoothedPath(legs, [], [], 0.0, 0.0 if step == 0 else math.inf)
    even = [
        spaced(leg, max(2, round(length / step)) + 1, lambda fine: source.step_lengths(fine, "data"))
        for leg, length in zip(legs, lengths, strict=True)
    ]
    costs = [float(source.audit(leg[None]).cost) for leg in even]
    before, after, extra = [], [], 0.0
    for left, right in _joints(len(even), closed):
        found = _gentlest(
            even[left], even[right], step, bound, max_cost_increase * (costs[left] + costs[right]) / 2, source
        )
        before.append(found[0].jump)
        after.append(found[-1].jump)
        extra += found[-1].cost
        even[left], even[right] = found[-1].left, found[-1].right
    whole = math.fsum(costs)
    return SmoothedPath(even, before, after, extra / whole if 0 < whole < math.inf else 0.0, whole + extra)


def _joints(legs: int, closed: bool) -> Iterator[tuple[int, int]]:
    """Yields the pairs of legs that meet."""
    yield from pairwise(range(legs))
    if closed:
        yield legs - 1, 0


@dataclass(frozen=True)
class _Joint:
    """Two legs that meet, ``(P, D)`` and ``(Q, D)``, the largest jump there, and the rise of the cost by smoothing."""

    left: Tensor
    right: Tensor
    jump: float
    cost: float


def _gentlest(
    left: Tensor, right: Tensor, step: float, bound: float, max_rise: float, source: Source
) -> tuple[_Joint, ...]:
    """Returns the joint before smoothing and the cheapest one within ``bound``, or the gentlest within ``max_rise``.

    A joint that stays unchanged is returned alone.
    """
    plain = _Joint(left, right, _jump(left[-5:], right[:5], step, source), 0.0)
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
            tried.append(_Joint(*legs, jump, float(now - was)))
    affordable = [joint for joint in tried if joint.cost <= max_rise and joint.jump < plain.jump]
    within = [joint for joint in affordable if joint.jump <= bound]
    if within:
        return plain, min(within, key=lambda joint: joint.cost)
    return (plain, min(affordable, key=lambda joint: joint.jump)) if affordable else (plain,)


def _rounded(left: Tensor, right: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields cubics, ``(size + 1, D)`` each, for the last ``size`` steps of one leg and the first of the next."""
    middle = left[-1]
    begin, end = left[-size - 1], right[size]
    # velocities for each step, from both sides where both have points
    arriving = left[-size] - begin if len(left) == size + 1 else (left[-size] - left[-size - 2]) / 2
    leaving = end - right[size - 1] if len(right) == size + 1 else (right[size + 1] - right[size - 1]) / 2
    chord = (end - begin) / (2 * size)
    mean = (right[1] - left[-2]) / 2
    speed = (arriving.norm() + leaving.norm()) / 2
    across = chord * (speed / chord.norm()).nan_to_num(0.0, 0.0, 0.0)
    for through in (chord, mean, across, across / 2):
        yield _cubic(begin, arriving, middle, through, size), _cubic(middle, through, end, leaving, size)


def _cubic(start: Tensor, velocity: Tensor, end: Tensor, final: Tensor, size: int) -> Tensor:
    """Computes Hermite's cubic from ``start`` to ``end`` ``(D,)`` in ``size`` steps, with velocities for each step."""
    s = torch.linspace(0, 1, size + 1, dtype=start.dtype, device=start.device)[:, None]
    curve = (
        (2 * s**3 - 3 * s**2 + 1) * start
        + (s**3 - 2 * s**2 + s) * size * velocity
        + (3 * s**2 - 2 * s**3) * end
        + (s**3 - s**2) * size * final
    )
    return torch.cat([start[None], curve[1:-1], end[None]])


def _jump(left: Tensor, right: Tensor, step: float, source: Source) -> float:
    """Computes the largest jump of the velocity, in steps from the joint of the legs ``(P, D)`` and ``(Q, D)``."""
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
