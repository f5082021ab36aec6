r"""The energy of a batch of polylines, evaluated in blocks, and the preconditioner that knows its shape."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..curves import subdivide
from ..energy import (
    ABOVE,
    Embed,
    Generator,
    Index,
    blocks,
    chords,
    mean_prices,
    points_to_data,
    prices,
    pushforward,
    times,
)
from ..index import as_log_index

__all__ = ["Evaluation", "Preconditioner", "Problem"]

_METRIC_POINTS, _METRIC_RIDGE, _WEIGHT_FLOOR, _FULL_METRIC, _CELLS = 4, 0.05, 0.02, 128, 64


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


class Problem:
    r"""The energy of polylines between fixed endpoints, evaluated in blocks that bound the memory.

    Equation 3 sees a segment at its ends. Where that hides something, a segment can be measured in ``parts``: its
    :math:`\bar w_i |\Delta G_i|` then becomes the sum over its parts of their length in data space times the mean of
    the price on a fine grid of the index, which is what the audit measures.

    Args:
        generator: ``(N, D) -> (N, ...)``.
        index: a `RealismIndex`, or a callable that gives ``log(alpha * ri)``.
        embed: the space in which lengths are measured (see `latentpath.energy`).
        max_points: the most points the generator is given in one call; None for all at once. A path with more points
            than that is evaluated in pieces that overlap by one point.
    """

    def __init__(self, generator: Generator, index: Index, embed: Embed = None, max_points: int | None = None) -> None:
        self.to_data = points_to_data(generator, embed)
        self.log_index = as_log_index(index)
        self.max_points, self.cells = max_points, _CELLS

    def evaluate(self, latents: Tensor, parts: Tensor | None = None) -> Evaluation:
        """Energy, gradient and stiffness of ``latents`` ``(b, K+1, D)``: one forward and one backward pass.

        ``parts`` ``(b, K)`` says in how many parts each segment is measured: 0 (or None for all) as in equation 3; 1
        takes the mean price along the segment, from the index alone, and costs the generator nothing. A path with a
        point where the index is 0 (or, against its definition, above 1) has infinite energy: a wall is never crossed.
        """
        count, points, _ = latents.shape
        segments = points - 1
        work = _Work(
            gradient=torch.zeros_like(latents),
            seen=latents.new_zeros(count, segments),
            price=latents.new_zeros(count, segments),
            walled=torch.zeros(count, dtype=torch.bool, device=latents.device),
        )
        limit = self.max_points
        paths_at_once = None if limit is None else max(1, limit // points)
        segments_at_once = None if limit is None or limit >= points else max(1, limit - 1)
        for rows in blocks(count, paths_at_once):
            for piece in blocks(segments, segments_at_once):
                self._at_ends(latents, rows, piece, None if parts is None else parts[rows, piece], work)
        if parts is not None:
            for number in parts[parts > 1].unique().tolist():
                self._in_parts(latents, (parts == number).nonzero(), number, work)
        energy = 0.5 * segments * work.seen.square().sum(-1)
        bad = work.walled | ~energy.isfinite() | ~work.gradient.isfinite().flatten(1).all(-1)
        return Evaluation(
            energy=torch.where(bad, torch.inf, energy),
            gradient=torch.where(bad[:, None, None], 0, work.gradient[:, 1:-1]),
            stiffness=segments * work.price.square().nan_to_num(0.0, 0.0, 0.0),
            seen=work.seen,
        )

    def _at_ends(self, latents: Tensor, rows: slice, piece: slice, parts: Tensor | None, work: _Work) -> None:
        """The segments ``piece`` of the paths ``rows``, as far as they are measured in one part or as in equation 3."""
        span = slice(piece.start, piece.stop + 1)
        with torch.enable_grad():
            z = latents[rows, span].detach().requires_grad_()
            data = self.to_data(z.flatten(0, 1)).unflatten(0, z.shape[:2])
            logs = self.log_index(z)
            price, square = prices(logs), data.diff(dim=1).square().sum(-1)
            if parts is not None:  # what is measured in several parts is left to those
                mean = torch.where(parts == 1, self._mean_price(z, 1), price)
                price, square = torch.where(parts > 1, 0, mean), torch.where(parts > 1, 0, square)
            energy = 0.5 * work.seen.shape[1] * (price.square() * square).sum()
            (slope,) = torch.autograd.grad(energy, z)
        work.gradient[rows, span] += slope
        work.price[rows, piece] = price.detach()
        work.seen[rows, piece] = times(price, square.sqrt()).detach()
        work.walled[rows] |= ((logs == -torch.inf) | (logs > ABOVE)).any(-1) | (price == torch.inf).any(-1)

    def _in_parts(self, latents: Tensor, where: Tensor, parts: int, work: _Work) -> None:
        """The segments ``where`` ``(n, 2)`` (path, segment), each measured in ``parts``."""
        for block in blocks(len(where), None if self.max_points is None else self.max_points // (parts + 1)):
            row, segment = where[block].unbind(-1)
            with torch.enable_grad():
                ends = torch.stack([latents[row, segment], latents[row, segment + 1]], dim=1).requires_grad_()
                points = subdivide(ends, parts)
                size = chords(self.to_data(points.flatten(0, 1)).unflatten(0, points.shape[:2]))
                price = self._mean_price(ends, parts)
                seen = times(price, size).sum(-1)
                (slope,) = torch.autograd.grad(0.5 * work.seen.shape[1] * seen.square().sum(), ends)
            work.gradient.index_put_((row, segment), slope[:, 0], accumulate=True)
            work.gradient.index_put_((row, segment + 1), slope[:, 1], accumulate=True)
            work.seen[row, segment] = seen.detach()
            length = size.detach().sum(-1)
            work.price[row, segment] = torch.where(length > 0, seen.detach() / length, price.detach().mean(-1))
            work.walled[row[(price == torch.inf).any(-1)]] = True

    def _mean_price(self, z: Tensor, parts: int) -> Tensor:
        """The mean price ``(n, k * parts)`` on each part of the segments of polylines ``(n, k+1, D)``."""
        cells = max(self.cells // parts, 1)
        return mean_prices(self.log_index(subdivide(z, parts * cells)), cells)

    def precondition(self, latents: Tensor) -> tuple[Preconditioner, float]:
        """The preconditioner of paths ``(b, K+1, D)``, and what it cost in path evaluations (each)."""
        _, points, dim = latents.shape
        near = [(2 * i + 1) * (points - 1) // (2 * _METRIC_POINTS) for i in range(_METRIC_POINTS // 2)]
        at = torch.tensor(near + [points - 1 - i for i in reversed(near)])  # the same from either end
        sites = latents[:, at.to(latents.device)].detach().flatten(0, 1)
        if dim <= _FULL_METRIC:
            tangents = torch.eye(dim, dtype=latents.dtype, device=latents.device)
        else:  # the metric's mean eigenvalue alone, by Hutchinson's estimator with fixed signs
            signs = torch.randint(2, (_METRIC_POINTS, dim), generator=torch.Generator().manual_seed(0))
            tangents = (2 * signs - 1).to(latents)
        number, pulled = len(tangents), []
        for block in blocks(len(sites), None if self.max_points is None else self.max_points // number):
            z = sites[block]
            every = z.repeat_interleave(number, 0), tangents.repeat(len(z), 1)
            moved = pushforward(self.to_data, *every).unflatten(0, (len(z), number))
            pulled.append(moved @ moved.mT if dim <= _FULL_METRIC else moved.square().sum(-1).mean(-1) / dim)
        metric = torch.cat(pulled).unflatten(0, (len(latents), _METRIC_POINTS)).mean(1)
        # a forward-mode pass is two forward ones, a path evaluation three
        work = _METRIC_POINTS * number * 2 / 3 / points
        return Preconditioner.of(metric, dim), work


@dataclass
class _Work:
    """What an evaluation gathers, block by block: ``(b, K+1, D)``, ``(b, K)``, ``(b, K)`` and ``(b,)``."""

    gradient: Tensor
    seen: Tensor
    price: Tensor
    walled: Tensor


@dataclass(frozen=True)
class Preconditioner:
    r"""An approximate inverse Hessian of the energy, :math:`(T \otimes C)^{-1}`.

    For a fixed index and a linear generator the Hessian of the energy is the Kronecker product of the path Laplacian
    :math:`T` (tridiagonal, with the segments' stiffness :math:`K \bar w_i^2` as weights) and the pullback metric
    :math:`J^T J`. Here :math:`C` is the mean of :math:`J^T J` at a few points of the path plus a ridge of 5 % of its
    mean diagonal. :math:`T^{-1}` needs no factorisation: with both ends held fixed, :math:`T = \Delta^T W \Delta` is
    inverted by two cumulative sums.

    Attributes:
        inverse: :math:`C^{-1}`, ``(b, D, D)``, or ``(b, 1, 1)`` where C is a multiple of the identity.
    """

    inverse: Tensor

    @classmethod
    def of(cls, metric: Tensor, dim: int) -> Preconditioner:
        """From the mean metric ``(b, D, D)``, or its mean eigenvalue ``(b,)``."""
        tiny = torch.finfo(metric.dtype).tiny
        if metric.ndim == 1:
            return cls(1 / metric.clamp_min(tiny)[:, None, None])
        scale = metric.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None]
        usable = scale.isfinite() & (scale > tiny)
        eye = torch.eye(dim, dtype=metric.dtype, device=metric.device)
        relative = torch.where(usable, metric / scale, eye) + _METRIC_RIDGE * eye
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(relative.double())).to(metric)
        return cls(inverse / torch.where(usable, scale, 1))

    def rows(self, rows: Tensor) -> Preconditioner:
        """The preconditioner of some of the paths."""
        return Preconditioner(self.inverse[rows])

    def apply(self, gradient: Tensor, stiffness: Tensor) -> Tensor:
        r""":math:`(T \otimes C)^{-1}` times ``gradient`` ``(b, K-1, D)``, for the stiffness ``(b, K)``."""
        mean = stiffness.mean(-1, keepdim=True)
        weight = (stiffness + _WEIGHT_FLOOR * mean)[..., None]
        ease = torch.where(mean[..., None] > 0, 1 / weight.clamp_min(torch.finfo(weight.dtype).tiny), 0)
        # flux through segment i: c - (sum of the gradient before it); c makes the far end stand still
        load = torch.nn.functional.pad(gradient.cumsum(1), (0, 0, 1, 0))
        total = ease.sum(1, keepdim=True)
        constant = (ease * load).sum(1, keepdim=True) / torch.where(total > 0, total, 1)
        moved = (ease * (constant - load)).cumsum(1)[:, :-1]
        return moved * self.inverse if self.inverse.shape[-1] == 1 else moved @ self.inverse
