r"""The energy of a batch of polylines, evaluated in blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from .._batching import blocks, with_rows
from ..audit import Audit, below_resolution
from ..callables import leaf_and_view
from ..curves import subdivide
from ..decoding import Embed, Generator, chords
from ..segment_cost import (
    LOG_INDEX_ROUNDING,
    Index,
    SegmentCost,
    discrete_price,
    discrete_segment_cost,
    mean_price,
    price_times_length,
)
from .preconditioner import Metric
from .quadrature import Quadrature

__all__ = ["Evaluation", "Objective"]

_CELLS, _DECODED_CELLS = 64, 4  # of the index on a segment; the second where it runs networks (test_audit.py)
_VALUES = 2**22  # values of one block


@dataclass(frozen=True)
class Evaluation:
    """The result of one evaluation of ``b`` paths.

    Attributes:
        energy: ``(b,)``; infinite where the index is 0 at a point.
        gradient: the gradient of the energy at the interior points, ``(b, K-1, D)``; 0 where the energy is not finite.
        stiffness: the weight of every segment in the path Laplacian, ``K * price ** 2``, ``(b, K)``.
        segment_cost: the discrete cost of every segment, ``(b, K)``: ``energy = K / 2 * (segment_cost ** 2).sum(-1)``.
    """

    energy: Tensor
    gradient: Tensor
    stiffness: Tensor
    segment_cost: Tensor

    def with_rows(self, rows: Tensor, other: Evaluation) -> Evaluation:
        """Returns a copy that has the ``other`` evaluation in ``rows``."""
        return with_rows(self, rows, other)


class Objective:
    r"""The energy of polylines between fixed endpoints, evaluated in blocks that bound the memory.

    Equation 3 evaluates a segment at its ends alone. Where this hides cost, a `Quadrature` measures the segment: its
    :math:`\bar w_i |\Delta G_i|` then becomes the sum over its parts of their length in data space times their mean
    price on a fine grid of the index, as in the audit, times a fixed factor.

    Args:
        generator: ``(N, D) -> (N, ...)``.
        index: a `RealismIndex`, another index under a prior, or a callable that gives ``log(alpha * ri)``.
        embed: the space in which lengths are measured (see `latentpath.energy`).
        max_points: the most points the generator is given in one call; None for all at once. A path with more points
            is evaluated in pieces that overlap by one point.

    Attributes:
        has_holes: True once the generator was not finite somewhere.
    """

    def __init__(self, generator: Generator, index: Index, embed: Embed = None, max_points: int | None = None) -> None:
        self.costs = SegmentCost.of(generator, index, embed, max_points)
        self.to_data, self.log_index, self.max_points = self.costs.to_data, self.costs.log_index, max_points
        self.cells = _DECODED_CELLS if self.costs.expensive else _CELLS
        self.has_holes = False

    def evaluate(self, latents: Tensor, quadrature: Quadrature | None = None) -> Evaluation:
        """Evaluates ``latents`` ``(b, K+1, D)`` by one forward and one backward pass.

        ``quadrature`` measures the segments; None for equation 3. A path with a point where the index is 0 (or, against
        its definition, above 1) has infinite energy, so that no step crosses a wall.
        """
        count, points, dim = latents.shape
        segments = points - 1
        work = _Work(
            gradient=torch.zeros_like(latents),
            segment_cost=latents.new_zeros(count, segments),
            price=latents.new_zeros(count, segments),
            walled=torch.zeros(count, dtype=torch.bool, device=latents.device),
        )
        if quadrature is None:
            for rows in blocks(count, max(1, _VALUES // (points * dim))):
                self._at_ends(latents[rows], work.rows(rows))
        else:
            for piece in self._pieces(quadrature.parts, dim):
                self._in_parts(latents, piece, quadrature, work)
        weight = 1.0 if quadrature is None else quadrature.weight
        energy = 0.5 * segments * (weight * work.segment_cost.square()).sum(-1)
        bad = work.walled | ~energy.isfinite() | ~work.gradient.isfinite().flatten(1).all(-1)
        return Evaluation(
            energy=torch.where(bad, torch.inf, energy),
            gradient=torch.where(bad[:, None, None], 0, work.gradient[:, 1:-1]),
            stiffness=segments * weight * work.price.square().nan_to_num(0.0, 0.0, 0.0),
            segment_cost=work.segment_cost,
        )

    def energy(self, latents: Tensor) -> Tensor:
        """Computes equation 3 ``(b,)`` without its gradient; infinite where the index is 0 at a point."""
        with torch.no_grad():
            logs = self.log_index(latents)
            cost = discrete_segment_cost(logs, chords(self.costs.decoded(latents)))
            found = 0.5 * cost.shape[-1] * cost.square().sum(-1)
        return torch.where(_walled(logs) | ~found.isfinite(), torch.inf, found)

    def watched(self, audit: Callable[[Tensor], Audit]) -> Callable[[Tensor], Audit]:
        """Returns ``audit`` as a function that sets ``has_holes`` for infinite lengths."""

        def watching(latents: Tensor) -> Audit:
            found = audit(latents)
            self._watch(found.length)
            return found

        return watching

    def _watch(self, length: Tensor) -> None:
        self.has_holes = self.has_holes or not bool(length.isfinite().all())

    def _at_ends(self, latents: Tensor, work: _Work) -> None:
        """Evaluates equation 3; its gradient down to data and prices is explicit, which saves passes over the data."""
        (count, points, _), limit = latents.shape, self.max_points
        with torch.enable_grad():
            leaf, view = leaf_and_view(latents)
            logs = self.log_index(view)
            price = discrete_price(logs)
            stiffness = (points - 1) * price.square()
        length = torch.empty_like(work.segment_cost)
        for rows in blocks(count, None if limit is None else max(1, limit // points)):
            for piece in blocks(points - 1, None if limit is None or limit >= points else max(1, limit - 1)):
                span = slice(piece.start, piece.stop + 1)
                length[rows, piece], slope = self._pulled(latents[rows, span], stiffness[rows, piece].detach())
                work.gradient[rows, span] += slope
        if logs.requires_grad:
            work.gradient += torch.autograd.grad(0.5 * (stiffness * length.square()).sum(), leaf)[0]
        self._watch(length)
        work.price[:] = price.detach()
        work.segment_cost[:] = price_times_length(work.price, length)
        work.walled |= _walled(logs) | (work.price == torch.inf).any(-1)

    def _pulled(self, latents: Tensor, stiffness: Tensor) -> tuple[Tensor, Tensor]:
        """Computes chords of ``latents`` ``(b, k+1, D)``, and the gradient of half their weighted sum of squares."""
        with torch.enable_grad():
            leaf, view = leaf_and_view(latents)
            data = self.to_data(view.flatten(0, 1))
        chord = data.detach().unflatten(0, latents.shape[:2]).diff(dim=1)
        length = chord.norm(dim=-1)
        if not data.requires_grad:
            return length, torch.zeros_like(latents)
        chord *= stiffness[..., None]
        pull = torch.cat([-chord[:, :1], chord[:, :-1] - chord[:, 1:], chord[:, -1:]], dim=1)
        return length, torch.autograd.grad(data, leaf, pull.flatten(0, 1))[0]

    def _pieces(self, parts: Tensor, dim: int) -> list[slice]:
        """Divides the segments of all paths into runs whose points fit in a block."""
        number = parts.flatten()
        limit = _VALUES // (self.cells * dim)
        if self.max_points is not None:
            limit = min(limit, self.max_points - int(number.max()) - 2)
        ends = torch.zeros_like(parts)
        ends[:, -1] = 1
        before = (number + ends.flatten()).cumsum(0) - number
        sizes = torch.bincount((before // max(1, limit)).cpu()).tolist()
        stops = list(accumulate(size for size in sizes if size > 0))
        return [slice(start, stop) for start, stop in pairwise([0, *stops])]

    def _in_parts(self, latents: Tensor, piece: slice, quadrature: Quadrature, work: _Work) -> None:
        """Evaluates the segments ``piece``, counted over all paths, in parts; neighbours share their points."""
        number, scale, weight = (
            values.flatten()[piece] for values in (quadrature.parts, quadrature.scale, quadrature.weight)
        )
        segments, dim = work.segment_cost.shape[1], latents.shape[-1]
        which = torch.arange(piece.start, piece.stop, device=latents.device)
        row, segment = which // segments, which % segments
        last = segment == segments - 1  # an end of a path or of the piece follows, which is one more point
        last[-1] = True
        of = torch.arange(len(which), device=latents.device).repeat_interleave(number + last)
        nth = torch.arange(len(of), device=latents.device) - (number + last).cumsum(0)[of] + (number + last)[of]
        share = (nth / number[of]).to(latents)
        with torch.enable_grad():
            ends = torch.stack([latents[row, segment], latents[row, segment + 1]], dim=1).requires_grad_()
            size = chords(self.to_data(torch.lerp(ends[of, 0], ends[of, 1], share[:, None])))
            begins = (nth < number[of])[:-1].nonzero().squeeze(-1)
            logs = self.log_index(subdivide(ends, self.cells))
            of, begin = of[begins], share[begins]
            price = self._mean_prices(logs, of, begin, begin + number[of].to(begin).reciprocal()) * scale[of]
            segment_cost = torch.zeros_like(scale).index_add(0, of, price_times_length(price, size[begins]))
            (slope,) = torch.autograd.grad(0.5 * segments * (weight * segment_cost.square()).sum(), ends)
        flat = work.gradient.view(-1, dim)
        flat.index_add_(0, row * (segments + 1) + segment, slope[:, 0])
        flat.index_add_(0, row * (segments + 1) + segment + 1, slope[:, 1])
        length, found = torch.zeros_like(scale).index_add(0, of, size.detach()[begins]), segment_cost.detach()
        work.segment_cost.view(-1)[piece] = found
        self._watch(size.detach())
        still = scale * discrete_price(logs.detach()[:, [0, -1]])[:, 0]
        work.price.view(-1)[piece] = torch.where(length > 0, found / length, still)
        work.walled[row[_walled(logs)]] = True

    def _mean_prices(self, logs: Tensor, of: Tensor, start: Tensor, stop: Tensor) -> Tensor:
        """Computes the mean price from ``start`` to ``stop`` (shares of the segment ``of``) by logs on a fine grid."""
        total = torch.nn.functional.pad(mean_price(logs, 1).cumsum(-1), (1, 0)).flatten()

        def until(share: Tensor) -> Tensor:
            at = share * self.cells
            low = at.floor().clamp(0, self.cells - 1).long()
            first = of * (self.cells + 1) + low
            return torch.lerp(total[first], total[first + 1], at - low)

        return (until(stop) - until(start)) / (self.cells * (stop - start))

    def mean_prices(self, latents: Tensor) -> Tensor:
        """Computes the mean price ``(b, K)`` on the segments of ``latents`` ``(b, K+1, D)``, from the index alone."""
        return self.costs.mean_price(latents, self.cells)

    def chords(self, latents: Tensor) -> Tensor:
        """Computes the lengths ``(b, K)`` of the decoded chords; keeps no graph."""
        with torch.no_grad():
            return self.costs.chords(latents)

    def halved_costs(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Computes segment costs ``(b, K)`` by the mean price, from whole chords and from the chords of halves.

        It decodes two points for each of the path without a backward pass, which counts as one evaluation.
        """
        with torch.no_grad():
            data = self.costs.decoded(subdivide(latents, 2))
            price = self.mean_prices(latents)
        size, parts = chords(data[:, ::2]), chords(data)
        half = torch.where(below_resolution(data, parts)[:, None], size, parts.reshape(*price.shape, 2).sum(-1))
        return price_times_length(price, size), price_times_length(price, half)

    def metric(self, latents: Tensor) -> tuple[Metric, float]:
        """Measures the metric along paths ``(b, K+1, D)``; also returns the path evaluations spent on each."""
        return Metric.measure(self.to_data, latents, self.max_points)


def _walled(logs: Tensor) -> Tensor:
    """Marks rows with a point where the index is 0 or, against its definition, above 1."""
    return ((logs == -torch.inf) | (logs > LOG_INDEX_ROUNDING)).any(-1)


@dataclass
class _Work:
    """The results of an evaluation, filled block by block: ``(b, K+1, D)``, ``(b, K)``, ``(b, K)`` and ``(b,)``."""

    gradient: Tensor
    segment_cost: Tensor
    price: Tensor
    walled: Tensor

    def rows(self, rows: slice) -> _Work:
        """Returns a view of ``rows``."""
        return _Work(*(getattr(self, field.name)[rows] for field in fields(self)))
