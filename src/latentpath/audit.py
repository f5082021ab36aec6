r"""The audit: the true cost of a polyline, between its points too.

The energy of equation 3 evaluates the index at the points of a polyline only. A segment between two good points may
*jump* a barrier of low index, or a bend of the generator; then :math:`\sqrt{2E}` is far below the cost. The audit cuts
every segment into 8, 16, ... parts until its length in data space settles, extrapolates to finer parts, and integrates
the price over each part on a grid of 128, 256, ... cells of a segment: the index is cheap beside the generator, so the
audit finds barriers much thinner than a part. The cost is infinite where the index is 0 at a point of the grid, or
where the generator gives NaN or infinity.

An index that runs the generator itself (`ScoreIndex`) is as expensive as the generator: its grid begins with twice as
many cells as parts, and is refined by the same rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ._batching import blocks, with_rows
from ._validate import check_polylines, real_number
from .callables import without_autocast
from .curves import subdivide
from .decoding import Embed, Generator, chords
from .jacobian import pushforward
from .segment_cost import Index, SegmentCost, discrete_segment_cost, integrated_segment_cost

__all__ = ["Audit", "audit", "below_resolution", "is_tunnelling"]

_PARTS, _CELLS, _DECODED_CELLS, _DOUBLINGS, _VALUES = 8, 128, 16, 6, 2**22
_RESOLVED = 300  # roundings of the data: shorter chords are not trusted (test_resolution.py)
_INSPECTED, _WHOLE, _STARTS = 64, 0.01, 3  # values inspected; of a step; times a quantised value stops or starts
_DOUBT = 0.25  # the error of the extrapolation, relative to its correction
_TUNNEL_OF_PATH, _TUNNEL_OF_SEGMENT = 0.01, 0.25


@dataclass(frozen=True)
class Audit:
    r"""The true cost of polylines ``(..., K+1, D)``, with the segments whose energy hides cost.

    Attributes:
        cost: :math:`-\log ri(\gamma)` of the polyline, between its points too, ``(...)``.
        length: the length of the decoded polyline, ``(...)``, in units of the measured space.
        energy: the energy of equation 3 at the points, ``(...)``.
        gap: :math:`cost / \sqrt{2E} - 1`, ``(...)``: above 0 where the energy hides cost, 0 at a resolved minimum,
            below 0 where the speed along the path is uneven; 0 where cost and energy are both 0.
        segment_cost: the cost of each segment, ``(..., K)``.
        segment_length: the length of each decoded segment, ``(..., K)``.
        step_lengths: the distance of the decoded ends of each segment, ``(..., K)``.
        tunnels: True where a segment hides more than 1 % of the path's cost and more than a quarter of its discrete
            cost, ``(..., K)``.
        decoded: the number of points that the audit decoded, ``(...)``.
        limited: True where chords are so short that the generator's rounding dominates them, ``(...)``: lengths are
            then measured by its Jacobian, and the energy is not reliable.
        settled: False where the cost of some segment still changed at the finest subdivision, 512 parts and 8,192
            cells, or is not a number, ``(...)``.
    """

    cost: Float[Tensor, "*batch"]
    length: Float[Tensor, "*batch"]
    energy: Float[Tensor, "*batch"]
    gap: Float[Tensor, "*batch"]
    segment_cost: Float[Tensor, "*batch K"]
    segment_length: Float[Tensor, "*batch K"]
    step_lengths: Float[Tensor, "*batch K"]
    tunnels: Bool[Tensor, "*batch K"]
    settled: Bool[Tensor, "*batch"]
    decoded: Float[Tensor, "*batch"]
    limited: Bool[Tensor, "*batch"]

    @classmethod
    def unknown(cls, latents: Tensor) -> Audit:
        """Returns an audit of polylines ``(..., K+1, D)`` with all zeros, as a placeholder or for an empty batch."""
        by_path, by_segment = latents.new_zeros(latents.shape[:-2]), latents.new_zeros(latents.shape[:-1])[..., 1:]
        marks = {"tunnels": by_segment.bool(), "settled": by_path.bool(), "limited": by_path.bool()}
        of_segments = dict.fromkeys(("segment_cost", "segment_length", "step_lengths"), by_segment)
        of_paths = dict.fromkeys(("cost", "length", "energy", "gap", "decoded"), by_path)
        return cls(**marks, **of_segments, **of_paths)

    def rows(self, rows: Tensor | list[int]) -> Audit:
        """Selects polylines of a batch ``(B, K+1, D)`` by their rows."""
        return Audit(*(getattr(self, field.name)[rows] for field in fields(self)))

    def with_rows(self, rows: Tensor, other: Audit) -> Audit:
        """Returns a copy that has the ``other`` audit in ``rows``."""
        return with_rows(self, rows, other)


@dataclass
class _Measured:
    """The measurements of ``n`` segments.

    Attributes:
        cost: the cost by all parts, by half and by a quarter of them, ``(n, 3)``.
        length: the length by all parts, by half and by a quarter of them, ``(n, 3)``.
        coarse: the cost by all parts and half the cells, ``(n,)``.
        chord: the distance of the two ends, ``(n,)``.
        limited: True where the lengths come from the Jacobian, ``(n,)``.
    """

    cost: Tensor
    length: Tensor
    coarse: Tensor
    chord: Tensor
    limited: Tensor

    def update(self, rows: Tensor, other: _Measured) -> None:
        for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True):
            mine[rows] = theirs


class _Subdivision:
    """Measures the segments of polylines ``(n, s+1, D)`` in parts, in blocks that bound the memory."""

    def __init__(self, costs: SegmentCost) -> None:
        self.costs, self.max_points = costs, costs.max_points
        self.cells = _DECODED_CELLS if costs.expensive else _CELLS

    def measure(self, latents: Tensor, parts: int, cells: int) -> _Measured:
        segments = latents.shape[1] - 1
        at_once = max(1, _VALUES // (segments * cells * latents.shape[-1]))
        if self.max_points is not None:
            at_once = min(at_once, max(1, self.max_points // (segments * parts + 1)))
        found = [vars(self._measure(latents[block], parts, cells)).values() for block in blocks(len(latents), at_once)]
        return _Measured(*(torch.cat(column) for column in zip(*found, strict=True)))

    def _measure(self, latents: Tensor, parts: int, cells: int) -> _Measured:
        segments = latents.shape[1] - 1
        data = self.costs.decoded(subdivide(latents, parts))
        logs = self.costs.log_index(subdivide(latents, cells))
        sizes = [_finite_or_wall(chords(data[:, ::step])) for step in (1, 2, 4)]
        chord = _finite_or_wall(chords(data[:, ::parts]))
        limited = below_resolution(data, sizes[0])
        if bool(limited.any()):
            speeds = self._speeds(latents[limited], parts)
            for step, size in zip((1, 2, 4), sizes, strict=True):
                size[limited] = speeds.unflatten(-1, (-1, step)).sum(-1)
            chord[limited] = speeds.unflatten(-1, (segments, -1)).sum(-1)

        def per_segment(values: Tensor) -> Tensor:
            return values.reshape(len(values) * segments, -1).sum(-1)

        return _Measured(
            cost=torch.stack([per_segment(integrated_segment_cost(logs, size)) for size in sizes], dim=-1),
            length=torch.stack([per_segment(size) for size in sizes], dim=-1),
            coarse=per_segment(integrated_segment_cost(logs[:, ::2], sizes[0])),
            chord=per_segment(chord),
            limited=limited.repeat_interleave(segments),
        )

    def _speeds(self, latents: Tensor, parts: int) -> Tensor:
        """Computes the lengths of all parts from the Jacobian at their midpoints, ``(n, s * parts)``."""
        ends = subdivide(latents, parts)
        middle, step = 0.5 * (ends[:, 1:] + ends[:, :-1]), latents.diff(dim=1).repeat_interleave(parts, 1) / parts
        points, tangents = middle.flatten(0, 1), step.flatten(0, 1)
        found = [
            pushforward(self.costs.to_data, points[b], tangents[b]).norm(dim=-1)
            for b in blocks(len(points), self.max_points)
        ]
        return _finite_or_wall(torch.cat(found).unflatten(0, middle.shape[:2]))


def below_resolution(data: Float[Tensor, "B P M"], size: Float[Tensor, "B K"]) -> Bool[Tensor, " B"]:
    """Marks the polylines whose chords are so short that the generator's rounding dominates them.

    A chord is a difference: to be accurate to a per cent, it must be about a hundred times longer than the error of the
    values, some roundings of the narrowest type that holds all values exactly.

    Args:
        data: decoded points ``(B, P, M)``.
        size: lengths of chords between some of them, ``(B, K)``.
    """
    scale = data.norm(dim=-1).mean(-1)
    rounding = torch.maximum(_precision(data) * scale, _quantum(data) * data.shape[-1] ** 0.5)
    short: Tensor = size.mean(-1) < _RESOLVED * rounding
    return short


def _precision(data: Tensor) -> float:
    """Returns the relative rounding of the narrowest type that holds all values exactly."""
    precision = torch.finfo(data.dtype).eps
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        if torch.finfo(dtype).eps > precision and torch.equal(data.to(dtype).to(data.dtype), data):
            return torch.finfo(dtype).eps
    return precision


def _quantum(data: Tensor) -> Tensor:
    """Returns the step of quantised values such as pixels, ``(B,)``; 0 for other values.

    Along a path a quantised value stays constant, then changes by a whole number of steps.
    """
    change = data[..., :: max(1, data.shape[-1] // _INSPECTED)].diff(dim=1).abs()
    change = change.nan_to_num(0.0, 0.0)
    changes = change > 0
    step = change.masked_fill(~changes, torch.inf).amin((1, 2))
    multiple = change / step[:, None, None]
    whole = ((multiple - multiple.round()).abs() <= _WHOLE).all(-1).all(-1)
    moving = changes.any(1, keepdim=True)
    starts = (changes[:, 1:] != changes[:, :-1]).sum((1, 2))
    resting = starts >= _STARTS * moving.sum((1, 2))
    return torch.where(whole & resting & step.isfinite(), step, 0)


def _finite_or_wall(size: Tensor) -> Tensor:
    """Returns the sizes, infinite where the generator gives NaN or infinity, which counts as a wall."""
    return size.nan_to_num(math.inf, math.inf)


def _excess(values: Tensor, segments: int) -> Tensor:
    """Extrapolates the correction of ``values`` ``(n, 3)``, by all, half and a quarter of the parts, to finer parts.

    When the parts are halved, the error of chords falls fourfold on a smooth curve and twofold on one with many kinks;
    the sums over each path determine the ratio.
    """
    last, before = _difference(values[:, 0], values[:, 1]), _difference(values[:, 1], values[:, 2])
    by_path = last.reshape(-1, segments).sum(-1)
    ratio = (before.reshape(-1, segments).sum(-1) / by_path).nan_to_num(4).clamp(2, 4)
    return last / (ratio.repeat_interleave(segments) - 1)


def _difference(one: Tensor, other: Tensor) -> Tensor:
    """Computes the difference of costs; 0 where both are infinite."""
    return torch.where(one == other, 0, one - other)


@without_autocast()
def audit(
    latents: Float[Tensor, "*batch P D"],
    generator: Generator,
    index: Index,
    *,
    embed: Embed = None,
    tolerance: float = 1e-3,
    max_points: int | None = None,
) -> Audit:
    r"""Audits polylines: subdivides every segment until its cost settles, and finds tunnelling segments.

    A path has settled when a quarter of the extrapolated correction, and the change on half the cells, is less than
    ``tolerance`` times its cost; until then the segments above their share are measured more finely. It keeps no graph.

    Args:
        latents: ``(..., K+1, D)``.
        generator: ``(N, D) -> (N, ...)``.
        index: a `RealismIndex`, or a callable that gives ``log(alpha * ri)``.
        embed: the space in which lengths are measured (see `latentpath.decoding`).
        tolerance: the relative accuracy of the cost.
        max_points: the most points the generator is given in one call; None for all at once.

    Returns:
        An `Audit`.

    Raises:
        InputError: latents of another shape or type, or without a segment, or ``tolerance`` not above 0.

    Example:
        >>> import torch, latentpath as lp
        >>> def barrier(z):  # a thin wall at 0.5, between the points of the path
        ...     return -0.1 - 50 * torch.exp(-(((z[..., 0] - 0.55) / 0.01) ** 2))
        >>> line = lp.lerp(torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64), segments=10)
        >>> facts = lp.audit(line, lambda z: z, barrier)
        >>> round(float(facts.energy * 2) ** 0.5, 3), round(float(facts.cost), 3), facts.tunnels.nonzero().tolist()
        (0.1, 0.986, [[5]])
    """
    check_polylines("latents", latents)
    tolerance = real_number("tolerance", tolerance, above=0)
    batch, segments = latents.shape[:-2], latents.shape[-2] - 1
    if latents.numel() == 0:
        return Audit.unknown(latents)
    costs = SegmentCost.of(generator, index, embed, max_points)
    subdivision = _Subdivision(costs)
    with torch.no_grad():
        facts = subdivision.measure(latents.reshape(-1, *latents.shape[-2:]), _PARTS, subdivision.cells)
        steps = facts.chord.reshape(*batch, segments)
        apparent = discrete_segment_cost(costs.log_index(latents), steps)
        energy = 0.5 * segments * apparent.square().sum(-1)
        ends = torch.stack([latents[..., :-1, :], latents[..., 1:, :]], dim=-2).reshape(-1, 2, latents.shape[-1])
        decoded = torch.full_like(facts.coarse, _PARTS + 1 / segments)
        for doubling in range(1, _DOUBLINGS + 2):
            excess = _excess(facts.cost, segments)
            cost = facts.cost[:, 0] + excess
            allowed = tolerance * cost.reshape(-1, segments).sum(-1)
            rough = _worst(excess.abs() * _DOUBT, allowed, segments)
            coarse = _worst(_difference(facts.cost[:, 0], facts.coarse).abs(), allowed, segments)
            if doubling > _DOUBLINGS or not bool((rough | coarse).any()):
                break
            for rows, parts in ((rough, _PARTS << doubling), (coarse & ~rough, _PARTS)):
                if bool(rows.any()):
                    facts.update(rows, subdivision.measure(ends[rows], parts, subdivision.cells << doubling))
                    decoded[rows] += parts + 1
        segment_cost = cost.reshape(*batch, segments)
        segment_length = (facts.length[:, 0] + _excess(facts.length, segments)).reshape(*batch, segments)
        total = segment_cost.sum(-1)
        discrete = (2 * energy).sqrt()
        return Audit(
            cost=total,
            length=segment_length.sum(-1),
            energy=energy,
            gap=torch.where(total == discrete, 0, total / discrete - 1),
            segment_cost=segment_cost,
            segment_length=segment_length,
            step_lengths=steps,
            tunnels=is_tunnelling(segment_cost, apparent),
            settled=~(rough | coarse).reshape(*batch, segments).any(-1),
            decoded=decoded.reshape(*batch, segments).sum(-1),
            limited=facts.limited.reshape(*batch, segments).any(-1),
        )


def is_tunnelling(
    segment_cost: Float[Tensor, "*batch K"], discrete: Float[Tensor, "*batch K"]
) -> Bool[Tensor, "*batch K"]:
    """Marks segments whose audited cost exceeds the ``discrete`` one by 1 % of the path's cost and by a quarter."""
    hidden = segment_cost - discrete
    much = (hidden > _TUNNEL_OF_PATH * segment_cost.sum(-1, keepdim=True)) & (hidden > _TUNNEL_OF_SEGMENT * discrete)
    return much | (hidden == torch.inf)


def _worst(error: Tensor, allowed: Tensor, segments: int) -> Tensor:
    """Marks the segments above their share of ``allowed`` where a path's errors sum to more, or are not numbers."""
    by_path = error.reshape(-1, segments)
    share = allowed[:, None] / segments
    return (~(by_path <= share) & ~(by_path.sum(-1, keepdim=True) <= allowed[:, None])).flatten()
