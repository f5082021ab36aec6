r"""The cost of a segment: the one integral that energy, solvers, audit and comparisons evaluate.

A unit of length in the measured space at :math:`z` has the *price* :math:`w(z) = -\log(\alpha\, ri(z)) \ge 0`. A
segment of a polyline costs :math:`\int w\, |(G\gamma)'|\, dt`, which is evaluated in two ways:

* **discrete** (paper, equation 3): :math:`c_i = \bar w_i\, |G(x_{i+1}) - G(x_i)|` with
  :math:`\bar w_i = -\log\bigl(\alpha\,\tfrac{ri(x_i) + ri(x_{i+1})}{2}\bigr)`, from the two ends alone;
* **integrated**: the segment is cut into parts, and each part costs the length of its chord times the mean price on a
  still finer grid of the index. The index is cheap beside the generator, so a thin barrier is found between decoded
  points.

A segment of length 0 costs 0, even where the price is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ._batching import blocks
from .curves import subdivide
from .decoding import Embed, Generator, chords, decode, decoded_chords, points_to_data
from .index import PriorIndex, as_log_index

__all__ = [
    "LOG_INDEX_ROUNDING",
    "Index",
    "SegmentCost",
    "discrete_price",
    "discrete_segment_cost",
    "integrated_segment_cost",
    "mean_price",
    "price_times_length",
]

Index = PriorIndex | Callable[[Tensor], Tensor]
"""A `RealismIndex`, another `PriorIndex`, or any callable ``(..., D) -> (...)`` that gives ``log(alpha * ri)``."""

LOG_INDEX_ROUNDING = 1e-6
"""A log index, which is at most 0, may exceed 0 by this much."""

_VALUES = 2**24  # values of one block of the index's grid


def discrete_price(log_index: Float[Tensor, "*batch P"]) -> Float[Tensor, "*batch K"]:
    r"""Computes the price :math:`\bar w_i` of each segment from the log index at its ends (paper, equation 3)."""
    return math.log(2) - torch.logaddexp(log_index[..., :-1], log_index[..., 1:])


def mean_price(log_index: Float[Tensor, "*batch P"], cells: int) -> Float[Tensor, "*batch K"]:
    """Computes the mean price of every ``cells`` steps of a grid by the trapezoidal rule on the price itself.

    Unlike `discrete_price` it is infinite where a single point has index 0, and of second order elsewhere.
    """
    mean: Tensor = -(0.5 * (log_index[..., 1:] + log_index[..., :-1])).unflatten(-1, (-1, cells)).mean(-1)
    return mean


def price_times_length(price: Tensor, length: Tensor) -> Tensor:
    """Computes ``price * length``, 0 where the length is 0 even if the price is infinite."""
    return torch.where(length == 0, 0, price) * length


def discrete_segment_cost(
    log_index: Float[Tensor, "*batch P"], length: Float[Tensor, "*batch K"]
) -> Float[Tensor, "*batch K"]:
    """Computes the cost of segments from the log index at their ends and the lengths of their chords (equation 3)."""
    return price_times_length(discrete_price(log_index), length)


def integrated_segment_cost(
    log_index: Float[Tensor, "*batch P"], length: Float[Tensor, "*batch K"]
) -> Float[Tensor, "*batch K"]:
    """Computes the cost of segments from the log index on a grid of ``P - 1 = K * cells`` steps, and their lengths."""
    return price_times_length(mean_price(log_index, (log_index.shape[-1] - 1) // length.shape[-1]), length)


@dataclass(frozen=True)
class SegmentCost:
    """Evaluates the cost of segments for one generator, index and embedding, in blocks that bound the memory.

    Attributes:
        to_data: latents ``(N, D)`` to points ``(N, M)`` of the measured space.
        log_index: latents ``(..., D)`` to ``log(alpha * ri)``, ``(...)``.
        expensive: True if the index runs networks, so that it is evaluated on few cells of a segment.
        max_points: the most points the generator is given in one call; None for all at once.
    """

    to_data: Callable[[Tensor], Tensor]
    log_index: Callable[[Tensor], Tensor]
    expensive: bool = False
    max_points: int | None = None

    @classmethod
    def of(cls, generator: Generator, index: Index, embed: Embed = None, max_points: int | None = None) -> SegmentCost:
        """Builds the evaluator for a generator, an index and an embedding (see `latentpath.decoding`)."""
        expensive = isinstance(index, PriorIndex) and index.is_expensive
        return cls(points_to_data(generator, embed), as_log_index(index), expensive, max_points)

    def discrete(self, latents: Float[Tensor, "*batch P D"]) -> Float[Tensor, "*batch K"]:
        """Computes equation 3's cost of each segment; differentiable in ``latents``."""
        return discrete_segment_cost(self.log_index(latents), chords(self.decoded(latents)))

    def integrated(self, latents: Float[Tensor, "N P D"], parts: int = 1, cells: int = 1) -> Float[Tensor, "N K"]:
        """Computes the cost of segments cut into ``parts``, each with its mean price on ``cells``; keeps no graph."""
        found = []
        with torch.no_grad():
            for block in blocks(len(latents), max(1, _VALUES // (latents[:1].numel() * parts * cells))):
                fine = subdivide(latents[block], parts)
                cost = integrated_segment_cost(
                    self.log_index(subdivide(latents[block], parts * cells)), chords(self.decoded(fine))
                )
                found.append(cost.unflatten(-1, (-1, parts)).sum(-1))
        return torch.cat(found)

    def mean_price(self, latents: Float[Tensor, "N P D"], cells: int) -> Float[Tensor, "N K"]:
        """Computes the mean price on each segment from ``cells`` cells of the index; the generator is not called."""
        at_once = max(1, _VALUES // 4 // (cells * latents[0].numel())) if len(latents) else 1
        found = [
            mean_price(self.log_index(subdivide(latents[rows], cells)), cells) for rows in blocks(len(latents), at_once)
        ]
        return torch.cat(found)

    def decoded(self, latents: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch M"]:
        """Computes the points of the measured space."""
        return decode(latents, self.to_data, max_points=self.max_points)

    def chords(self, latents: Float[Tensor, "*batch P D"]) -> Float[Tensor, "*batch K"]:
        """Computes the lengths of the decoded chords, holding at most ``max_points`` decoded points."""
        return decoded_chords(latents, self.to_data, None, self.max_points)
