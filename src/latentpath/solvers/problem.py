r"""The energy of a batch of polylines, evaluated in blocks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from .._batching import blocks
from ..callables import leaf_and_view
from ..curves import subdivide
from ..energy import (
    ABOVE,
    Embed,
    Generator,
    Index,
    chords,
    energy,
    mean_prices,
    points_to_data,
    prices,
    times,
)
from ..index import PriorIndex, as_log_index
from .preconditioner import Metric

__all__ = ["Evaluation", "Problem", "Quadrature"]

_CELLS, _DECODED_CELLS, _VALUES = 64, 4, 2**22  # cells of a segment; few, where the index runs the generator


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation of ``b`` paths finds.

    Attributes:
        energy: ``(b,)``; infinite where a point lies where the index is 0.
        gradient: of the energy at the interior points, ``(b, K-1, D)``; 0 where the energy is not finite.
        stiffness: the weight of every segment in the path Laplacian, ``K * price ** 2``, ``(b, K)``.
        seen: the cost of every segment as the energy sees it, ``(b, K)``: ``energy = K / 2 * (seen ** 2).sum(-1)``.
    """

    energy: Tensor
    gradient: Tensor
    stiffness: Tensor
    seen: Tensor

    def put(self, rows: Tensor, other: Evaluation) -> None:
        """Replace what was found of some of the paths."""
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(other, field.name)


@dataclass(frozen=True)
class Quadrature:
    r"""How the segments of ``b`` paths are measured, where equation 3 hides something.

    Attributes:
        parts: in how many parts, ``(b, K)``, each by its chord and mean price. 1 costs the generator nothing.
        scale: what the cost so measured is multiplied by, ``(b, K)``.
        weight: of each in the energy, :math:`\tfrac12 K \sum_i weight_i\, seen_i^2`, ``(b, K)``: the mean share of the
            curve's parameter over its own. Equation 3 gives all the same, 1.
    """

    parts: Tensor
    scale: Tensor
    weight: Tensor

    @classmethod
    def plain(cls, latents: Tensor) -> Quadrature:
        """Every segment of ``latents`` ``(b, K+1, D)`` in one part."""
        one = torch.ones_like(latents[:, 1:, 0])
        return cls(one.long(), one, one.clone())

    def rows(self, rows: Tensor) -> Quadrature:
        """That of some of the paths."""
        return Quadrature(self.parts[rows], self.scale[rows], self.weight[rows])


class Problem:
    r"""The energy of polylines between fixed endpoints, evaluated in blocks that bound the memory.

    Equation 3 sees a segment at its ends. Where that hides something, a segment can be measured by a `Quadrature`: its
    :math:`\bar w_i |\Delta G_i|` then becomes the sum over its parts of their length in data space times the mean of
    the price on a fine grid of the index, which is what the audit measures, times a fixed factor.

    Args:
        generator: ``(N, D) -> (N, ...)``.
        index: a `RealismIndex`, another index under a prior, or a callable that gives ``log(alpha * ri)``.
        embed: the space in which lengths are measured (see `latentpath.energy`).
        max_points: the most points the generator is given in one call; None for all at once. A path with more points
            than that is evaluated in pieces that overlap by one point.
    """

    def __init__(self, generator: Generator, index: Index, embed: Embed = None, max_points: int | None = None) -> None:
        self.to_data = points_to_data(generator, embed)
        self.log_index = as_log_index(index)
        self.max_points = max_points
        self.cells = _DECODED_CELLS if isinstance(index, PriorIndex) and index.decodes else _CELLS

    def evaluate(self, latents: Tensor, rule: Quadrature | None = None) -> Evaluation:
        """Energy, gradient and stiffness of ``latents`` ``(b, K+1, D)``: one forward and one backward pass.

        ``rule`` says how each segment is measured; None for equation 3. A path with a point where the index is 0 (or,
        against its definition, above 1) has infinite energy: a wall is never crossed.
        """
        count, points, dim = latents.shape
        segments = points - 1
        work = _Work(
            gradient=torch.zeros_like(latents),
            seen=latents.new_zeros(count, segments),
            price=latents.new_zeros(count, segments),
            walled=torch.zeros(count, dtype=torch.bool, device=latents.device),
        )
        if rule is None:
            for rows in blocks(count, max(1, _VALUES // (points * dim))):
                self._at_ends(latents[rows], work.rows(rows))
        else:
            for piece in self._pieces(rule.parts, dim):
                self._in_parts(latents, piece, rule, work)
        weight = 1.0 if rule is None else rule.weight
        energy = 0.5 * segments * (weight * work.seen.square()).sum(-1)
        bad = work.walled | ~energy.isfinite() | ~work.gradient.isfinite().flatten(1).all(-1)
        return Evaluation(
            energy=torch.where(bad, torch.inf, energy),
            gradient=torch.where(bad[:, None, None], 0, work.gradient[:, 1:-1]),
            stiffness=segments * weight * work.price.square().nan_to_num(0.0, 0.0, 0.0),
            seen=work.seen,
        )

    def energy(self, latents: Tensor) -> Tensor:
        """Equation 3 alone ``(b,)``, without its gradient; infinite where a point lies where the index is 0."""
        with torch.no_grad():
            found = energy(latents, self.to_data, self.log_index, max_points=self.max_points)
            logs = self.log_index(latents)
        return torch.where(_walled(logs) | ~found.isfinite(), torch.inf, found)

    def _at_ends(self, latents: Tensor, work: _Work) -> None:
        """Some paths, as in equation 3.

        The gradient is led by hand as far as the data and the prices: that takes far fewer passes over the data.
        """
        (count, points, _), limit = latents.shape, self.max_points
        with torch.enable_grad():
            leaf, view = leaf_and_view(latents)
            logs = self.log_index(view)
            price = prices(logs)
            stiffness = (points - 1) * price.square()
        length = torch.empty_like(work.seen)
        for rows in blocks(count, None if limit is None else max(1, limit // points)):
            for piece in blocks(points - 1, None if limit is None or limit >= points else max(1, limit - 1)):
                span = slice(piece.start, piece.stop + 1)
                length[rows, piece], slope = self._pulled(latents[rows, span], stiffness[rows, piece].detach())
                work.gradient[rows, span] += slope
        if logs.requires_grad:
            work.gradient += torch.autograd.grad(0.5 * (stiffness * length.square()).sum(), leaf)[0]
        work.price[:] = price.detach()
        work.seen[:] = times(work.price, length)
        work.walled |= _walled(logs) | (work.price == torch.inf).any(-1)

    def _pulled(self, latents: Tensor, stiffness: Tensor) -> tuple[Tensor, Tensor]:
        """The chords of ``latents`` ``(b, k+1, D)``; and of half the weighted sum of their squares, the gradient."""
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
        """Runs of segments, of all paths in a row, whose parts have not too many points."""
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

    def _in_parts(self, latents: Tensor, piece: slice, rule: Quadrature, work: _Work) -> None:
        """The segments ``piece`` of all paths in a row, in parts; neighbours share their points."""
        number, scale, weight = (values.flatten()[piece] for values in (rule.parts, rule.scale, rule.weight))
        segments, dim = work.seen.shape[1], latents.shape[-1]
        which = torch.arange(piece.start, piece.stop, device=latents.device)
        row, segment = which // segments, which % segments
        last = segment == segments - 1  # after these comes the end of a path; after the last of the piece an end, too
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
            seen = torch.zeros_like(scale).index_add(0, of, times(price, size[begins]))
            (slope,) = torch.autograd.grad(0.5 * segments * (weight * seen.square()).sum(), ends)
        flat = work.gradient.view(-1, dim)
        flat.index_add_(0, row * (segments + 1) + segment, slope[:, 0])
        flat.index_add_(0, row * (segments + 1) + segment + 1, slope[:, 1])
        length, found = torch.zeros_like(scale).index_add(0, of, size.detach()[begins]), seen.detach()
        work.seen.view(-1)[piece] = found
        still = scale * prices(logs.detach()[:, [0, -1]])[:, 0]
        work.price.view(-1)[piece] = torch.where(length > 0, found / length, still)
        work.walled[row[_walled(logs)]] = True

    def _mean_prices(self, logs: Tensor, of: Tensor, start: Tensor, stop: Tensor) -> Tensor:
        """The mean price between ``start`` and ``stop`` (shares of the segment ``of``), from logs on a fine grid."""
        total = torch.nn.functional.pad(mean_prices(logs, 1).cumsum(-1), (1, 0)).flatten()

        def until(share: Tensor) -> Tensor:
            at = share * self.cells
            low = at.floor().clamp(0, self.cells - 1).long()
            first = of * (self.cells + 1) + low
            return torch.lerp(total[first], total[first + 1], at - low)

        return (until(stop) - until(start)) / (self.cells * (stop - start))

    def mean_prices(self, latents: Tensor) -> Tensor:
        """The mean price ``(b, K)`` on the segments of ``latents`` ``(b, K+1, D)``, from the index alone."""
        at_once = max(1, _VALUES // (self.cells * latents[0].numel()))
        found = [
            mean_prices(self.log_index(subdivide(latents[rows], self.cells)), self.cells)
            for rows in blocks(len(latents), at_once)
        ]
        return torch.cat(found)

    def metric(self, latents: Tensor) -> tuple[Metric, float]:
        """The metric along paths ``(b, K+1, D)``, and what it cost in path evaluations of each."""
        return Metric.measure(self.to_data, latents, self.max_points)


def _walled(logs: Tensor) -> Tensor:
    """Which rows have a point where the index is 0 or, against its definition, above 1."""
    return ((logs == -torch.inf) | (logs > ABOVE)).any(-1)


@dataclass
class _Work:
    """What an evaluation gathers, block by block: ``(b, K+1, D)``, ``(b, K)``, ``(b, K)`` and ``(b,)``."""

    gradient: Tensor
    seen: Tensor
    price: Tensor
    walled: Tensor

    def rows(self, rows: slice) -> _Work:
        """A view of that of some of the paths."""
        return _Work(*(getattr(self, field.name)[rows] for field in fields(self)))
