r"""What a polyline really costs.

The energy of equation 3 sees the index at the points of a polyline only. Both ends of a segment can lie in good
regions while the segment *jumps* a barrier of low index, or a bend of the generator; then :math:`\sqrt{2E}` is far
below the cost, and a solver that reports it reports success for a bad path. The audit cuts every segment into 8, 16,
... parts until its length in data space settles, and integrates the price over each part on a grid of its own, of
128, 256, ... cells to a segment: the index costs next to nothing beside the generator, so a barrier is found even
where it is much thinner than a part. A point of the grid where the index is 0 makes the cost infinite.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .curves import subdivide
from .energy import Embed, Generator, Index, blocks, chords, decode, mean_prices, prices, times
from .errors import InputError
from .index import as_log_index

__all__ = ["Audit", "audit"]

_PARTS, _CELLS, _DOUBLINGS, _VALUES = 8, 128, 6, 2**24
_TUNNEL_OF_PATH, _TUNNEL_OF_SEGMENT = 0.01, 0.25


@dataclass(frozen=True)
class Audit:
    r"""The true cost of polylines ``(..., K+1, D)``, and where their energy hides it.

    Attributes:
        cost: :math:`-\log ri(\gamma)`, ``(...)``, of the polyline itself, between its points too.
        length: of the decoded polyline, ``(...)``, in units of the measured space.
        energy: of equation 3 at the polyline's own points, ``(...)``.
        gap: :math:`cost / \sqrt{2E} - 1`, ``(...)``: above 0 where the energy hides cost, 0 at a resolved minimum,
            below 0 where the speed along the path is uneven; 0 where cost and energy are both 0.
        segment_cost: of each segment, ``(..., K)``.
        segment_length: of each decoded segment, ``(..., K)``.
        tunnels: True where a segment hides, behind its endpoints, more than 1 % of the path's cost and more than a
            quarter of what it seems to cost, ``(..., K)``.
        settled: False where the cost of some segment still moved at the finest subdivision, 512 parts and 8,192 cells,
            or is not a number, ``(...)``.
    """

    cost: Float[Tensor, "*batch"]
    length: Float[Tensor, "*batch"]
    energy: Float[Tensor, "*batch"]
    gap: Float[Tensor, "*batch"]
    segment_cost: Float[Tensor, "*batch K"]
    segment_length: Float[Tensor, "*batch K"]
    tunnels: Bool[Tensor, "*batch K"]
    settled: Bool[Tensor, "*batch"]


@dataclass
class _Measured:
    """Of ``n`` segments: the cost and length, and how far halving the parts or the cells moves the cost; each (n,)."""

    cost: Tensor
    length: Tensor
    by_parts: Tensor
    by_cells: Tensor

    def update(self, rows: Tensor, other: _Measured) -> None:
        for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True):
            mine[rows] = theirs


class _Ruler:
    """Measures segments ``(n, 2, D)`` in blocks that bound the memory."""

    def __init__(self, generator: Generator, index: Index, embed: Embed, max_points: int | None) -> None:
        self.generator, self.embed, self.max_points = generator, embed, max_points
        self.log_index = as_log_index(index)

    def measure(self, ends: Tensor, parts: int, cells: int) -> _Measured:
        at_once = max(1, _VALUES // ((cells + 1) * ends.shape[-1]))
        if self.max_points is not None:
            at_once = min(at_once, max(1, self.max_points // (parts + 1)))
        found = [vars(self._measure(ends[block], parts, cells)).values() for block in blocks(len(ends), at_once)]
        return _Measured(*(torch.cat(column) for column in zip(*found, strict=True)))

    def _measure(self, ends: Tensor, parts: int, cells: int) -> _Measured:
        data = decode(subdivide(ends, parts), self.generator, self.embed, self.max_points)
        logs = self.log_index(subdivide(ends, cells))
        size, half = chords(data), chords(data[:, ::2])
        cost = self._integral(logs, size)
        return _Measured(
            cost=cost,
            length=size.sum(-1),
            by_parts=_moved(cost, self._integral(logs, half)) / 3,  # the error of the finer of the two
            by_cells=_moved(cost, self._integral(logs[:, ::2], size)),
        )

    @staticmethod
    def _integral(logs: Tensor, size: Tensor) -> Tensor:
        """The sum over the parts of their size ``(n, parts)`` times their mean price, from logs ``(n, cells + 1)``."""
        return times(mean_prices(logs, (logs.shape[1] - 1) // size.shape[1]), size).sum(-1)


def _moved(one: Tensor, other: Tensor) -> Tensor:
    """How far two costs are apart; 0 where both are infinite."""
    return torch.where(one == other, 0, (one - other).abs())


def audit(
    latents: Float[Tensor, "*batch P D"],
    generator: Generator,
    index: Index,
    *,
    embed: Embed = None,
    tolerance: float = 1e-3,
    max_points: int | None = None,
) -> Audit:
    r"""Subdivide every segment until its cost settles; say what the polyline truly costs and where it tunnels.

    A segment has settled when taking half the parts, or half the cells, moves its cost by less than its share of
    ``tolerance`` times the cost of the path. No graph is kept.

    Args:
        latents: ``(..., K+1, D)``.
        generator: ``(N, D) -> (N, ...)``.
        index: a `RealismIndex`, or a callable that gives ``log(alpha * ri)``.
        embed: the space in which lengths are measured (see `latentpath.energy`).
        tolerance: the relative accuracy of the cost.
        max_points: the most points the generator is given in one call; None for all at once.

    Returns:
        An `Audit`.

    Raises:
        InputError: latents without a segment, or ``tolerance`` not above 0.

    Example:
        >>> import torch, latentpath as lp
        >>> def barrier(z):  # a thin wall at 0.5, between the points of the path
        ...     return -0.1 - 50 * torch.exp(-(((z[..., 0] - 0.55) / 0.01) ** 2))
        >>> line = lp.lerp(torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64), segments=10)
        >>> facts = lp.audit(line, lambda z: z, barrier)
        >>> round(float(facts.energy * 2) ** 0.5, 3), round(float(facts.cost), 3), facts.tunnels.nonzero().tolist()
        (0.1, 0.986, [[5]])
    """
    if latents.ndim < 2 or latents.shape[-2] < 2:
        raise InputError(f"latents must be (..., K+1, D) with at least one segment, got {tuple(latents.shape)}")
    if not tolerance > 0:
        raise InputError(f"tolerance must be above 0, got {tolerance}")
    batch, segments = latents.shape[:-2], latents.shape[-2] - 1
    ruler = _Ruler(generator, index, embed, max_points)
    with torch.no_grad():
        size = chords(decode(latents, generator, embed, max_points))
        apparent = times(prices(ruler.log_index(latents)), size)
        energy = 0.5 * segments * apparent.square().sum(-1)
        ends = torch.stack([latents[..., :-1, :], latents[..., 1:, :]], dim=-2).reshape(-1, 2, latents.shape[-1])
        facts = ruler.measure(ends, _PARTS, _CELLS)
        for doubling in range(1, _DOUBLINGS + 2):
            total = facts.cost.reshape(-1, segments).sum(-1)
            allowed = (tolerance / segments * total).repeat_interleave(segments)
            rough, coarse = ~(facts.by_parts <= allowed), ~(facts.by_cells <= allowed)
            if doubling > _DOUBLINGS or not bool((rough | coarse).any()):
                break
            for rows, parts in ((rough, _PARTS << doubling), (coarse & ~rough, _PARTS)):
                if bool(rows.any()):
                    facts.update(rows, ruler.measure(ends[rows], parts, _CELLS << doubling))
        total = facts.cost.reshape(*batch, segments).sum(-1)
        segment_cost = facts.cost.reshape(*batch, segments)
        hidden = segment_cost - apparent
        much = (hidden > _TUNNEL_OF_PATH * total[..., None]) & (hidden > _TUNNEL_OF_SEGMENT * apparent)
        seen = (2 * energy).sqrt()
        return Audit(
            cost=total,
            length=facts.length.reshape(*batch, segments).sum(-1),
            energy=energy,
            gap=torch.where(total == seen, 0, total / seen - 1),
            segment_cost=segment_cost,
            segment_length=facts.length.reshape(*batch, segments),
            tunnels=much | (hidden == torch.inf),
            settled=~(rough | coarse).reshape(*batch, segments).any(-1),
        )
