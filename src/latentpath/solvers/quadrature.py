r"""The quadrature of segments in the energy, where equation 3 hides cost."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from .._batching import with_rows
from .configuration import config

__all__ = ["Quadrature"]


@dataclass(frozen=True)
class Quadrature:
    r"""The measurement of the segments of ``b`` paths.

    Attributes:
        parts: the number of parts of each segment, ``(b, K)``, each with its chord and mean price; one part needs no
            further points of the generator.
        scale: the factor of the measured cost, ``(b, K)``.
        weight: the weight of each segment in the energy, :math:`\tfrac12 K \sum_i weight_i\, c_i^2`, ``(b, K)``: the
            mean time of a segment over its own time; 1 in equation 3.
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
        """Selects paths of the batch."""
        return Quadrature(*(getattr(self, field.name)[rows] for field in fields(self)))

    def with_rows(self, rows: Tensor, other: Quadrature) -> Quadrature:
        """Returns a copy that has the ``other`` quadrature in ``rows``."""
        return with_rows(self, rows, other)

    def refined(self, ends: Tensor, halves: Tensor, cost: Tensor) -> Quadrature:
        r"""Returns a quadrature by which the energy has the ``cost`` ``(b, K)`` of the segments.

        By the mean price, a segment hides cost :math:`h_i` in its length alone, which falls with the number of parts as
        :math:`h_i / p_i` or faster. The parts are enough to leave a tenth of the segment's cost; a factor covers the
        known rest (deferred correction: Pereyra 1968, "Iterated deferred corrections for nonlinear boundary value
        problems").

        Args:
            ends: the costs of the segments by their chords, ``(b, K)``.
            halves: the costs by the chords of their halves, ``(b, K)``.
            cost: the true costs, ``(b, K)``.
        """
        refinement = config().refinement
        share = (1 - ends / cost).nan_to_num(0, 0, 0).clamp(0, 1)
        needed = (share / refinement.hidden_share).ceil().clamp(1, 64).long()
        parts = torch.maximum(self.parts, needed)
        hidden = torch.where(parts == 2, (1 - halves / cost).nan_to_num(0, 0, 0).clamp(0, 1), share / parts)
        return Quadrature(parts, 1 / (1 - hidden).clamp_min(0.5), self.weight)
