r"""How the segments of paths are measured in the energy, where equation 3 hides cost."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from .configuration import config

__all__ = ["Quadrature"]


@dataclass(frozen=True)
class Quadrature:
    r"""The measurement of the segments of ``b`` paths.

    Attributes:
        parts: the number of parts of each segment, ``(b, K)``, each with its chord and mean price. One part costs the
            generator nothing.
        scale: the factor of the cost so measured, ``(b, K)``.
        weight: of each segment in the energy, :math:`\tfrac12 K \sum_i weight_i\, c_i^2`, ``(b, K)``: the mean share of
            the curve's parameter over its own. Equation 3 gives all the same, 1.
    """

    parts: Tensor
    scale: Tensor
    weight: Tensor

    @classmethod
    def plain(cls, latents: Tensor) -> Quadrature:
        """Builds the quadrature of ``latents`` ``(b, K+1, D)`` with every segment in one part."""
        one = torch.ones_like(latents[:, 1:, 0])
        return cls(one.long(), one, one.clone())

    def rows(self, rows: Tensor) -> Quadrature:
        """Selects some of the paths."""
        return Quadrature(*(getattr(self, field.name)[rows] for field in fields(self)))

    def with_rows(self, rows: Tensor, other: Quadrature) -> Quadrature:
        """Returns a copy that holds the ``other`` quadrature of some of the paths."""
        found = [getattr(self, field.name).clone() for field in fields(self)]
        for mine, field in zip(found, fields(self), strict=True):
            mine[rows] = getattr(other, field.name)
        return Quadrature(*found)

    def refined(self, ends: Tensor, halves: Tensor, cost: Tensor) -> Quadrature:
        r"""Returns the quadrature that shows the ``cost`` ``(b, K)`` of the segments in the energy.

        The mean price shows what the index hid. What a segment then still hides, :math:`h_i`, lies in its length, and
        falls as :math:`h_i / p_i` or faster: as many parts as leave a tenth of the segment's cost, and the known rest
        as a factor (deferred correction: Pereyra 1968, "Iterated deferred corrections for nonlinear boundary value
        problems").

        Args:
            ends: the costs of the segments by their chords, ``(b, K)``.
            halves: likewise by the chords of their halves.
            cost: the costs to show.
        """
        refinement = config().refinement
        share = (1 - ends / cost).nan_to_num(0, 0, 0).clamp(0, 1)
        wanted = (share / refinement.hidden_share).ceil().clamp(1, 64).long()
        parts = torch.maximum(self.parts, wanted)
        left = torch.where(parts == 2, (1 - halves / cost).nan_to_num(0, 0, 0).clamp(0, 1), share / parts)
        return Quadrature(parts, 1 / (1 - left).clamp_min(0.5), self.weight)
