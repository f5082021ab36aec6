r"""An approximate inverse Hessian of the energy that knows how the generator bends and turns along the path.

Let the interior points of a polyline move by :math:`v_i`. With the price held still, the energy changes to second order
by (Gauss and Newton)

.. math::
    \tfrac12 K \sum_i \bar w_i^2\, |J_{i+1} v_{i+1} - J_i v_i|^2 \approx
    \tfrac12 K \sum_i \bar w_i^2 \bigl( |v_{i+1} - v_i|_{C_i}^2 + |\tfrac{v_i + v_{i+1}}2|_{N_i}^2 \bigr),

with the pullback metric :math:`C_i`, the mean of :math:`J^T J` at the ends of the segment, and the *turn*
:math:`N_i = (J_{i+1} - J_i)^T (J_{i+1} - J_i)`. The first term alone, with one C for the whole path, is path Laplacian
:math:`\otimes` metric. It calls smooth moves almost free: the lowest eigenvalue of the Laplacian falls as
:math:`1/K^2`. But where the Jacobian turns, a move that is the same at two neighbouring points in the latent space is
not the same in the data, and costs: on a DCGAN the second term is up to forty times the first for the smoothest moves.
Both together are block-tridiagonal, and solved as that (`BlockTridiagonal`).

C and N are measured at a few segments by forward-mode products, and interpolated along the path. Up to D = 32 they are
measured in all directions; beyond, in the 16 directions that a randomised range finder sees (Halko, Martinsson and
Tropp 2011, "Finding structure with randomness", from vector-Jacobian products), and the rest of the space shares one
number of each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .._batching import blocks
from ..callables import leaf_and_view
from ..energy import jacobian_products
from .tridiagonal import BlockTridiagonal

__all__ = ["Metric", "Preconditioner"]

_WHOLE, _RANK, _TANGENTS, _FEWEST, _MOST = 32, 16, 192, 4, 8
_RIDGE, _WEIGHT_FLOOR, _VALUES = 0.05, 0.02, 2**22
_UNSEEN = 1e-4  # of the mean eigenvalue of the metric: below, the data do not see a direction


@dataclass(frozen=True)
class Metric:
    """The pullback metric and its turn at a few segments of ``b`` paths, relative to the metric's mean eigenvalue.

    Attributes:
        scale: the mean eigenvalue of the metric, ``(b,)``.
        metric: C, ``(b, s, r, r)``, with a ridge of 5 %.
        turn: N, ``(b, s, r, r)``.
        span: an orthonormal basis of the directions measured, ``(b, D, r)``; None for all.
        rest: C and N of a direction outside that span, ``(b, s, 2, 1, 1)``.
    """

    scale: Tensor
    metric: Tensor
    turn: Tensor
    span: Tensor | None = None
    rest: Tensor | None = None

    @classmethod
    def measure(
        cls, to_data: Callable[[Tensor], Tensor], latents: Tensor, max_points: int | None
    ) -> tuple[Metric, float]:
        """Of paths ``(b, K+1, D)``; and what it cost, in path evaluations of each."""
        _, points, dim = latents.shape
        rank = dim if dim <= _WHOLE else _RANK
        segments = _sites(points - 1, rank)
        at = sorted({*segments, *(i + 1 for i in segments)})
        sites = latents[:, at].detach()
        span, outside, work = None, None, 0.0
        if dim > rank:
            span, outside = _range(to_data, sites, rank, max_points)
            work = (2 + -(-rank // len(at))) * len(at) / (2 * points)
        first = torch.tensor([at.index(i) for i in segments], device=latents.device)
        metric, turn, passes = _measured(to_data, sites, first, span, max_points)
        if outside is not None:
            outside = 0.5 * (outside[:, first] + outside[:, first + 1])
        # an evaluation is two passes: backwards costs as much as forwards, since no weight needs a gradient
        return cls.of(metric, turn, span, outside), work + passes * len(at) / (2 * points)

    @classmethod
    def of(cls, metric: Tensor, turn: Tensor, span: Tensor | None = None, outside: Tensor | None = None) -> Metric:
        """From C and N ``(b, s, r, r)``, in all directions or in a ``span``; C's eigenvalue ``outside``, ``(b, s)``."""
        rank = metric.shape[-1]
        dim = rank if span is None else span.shape[1]
        total = metric.diagonal(dim1=-2, dim2=-1).sum(-1).mean(-1)
        scale = (total if outside is None else total + (dim - rank) * outside.mean(-1)) / dim
        usable = scale.isfinite() & (scale > torch.finfo(metric.dtype).tiny)
        usable &= metric.isfinite().flatten(1).all(-1) & turn.isfinite().flatten(1).all(-1)
        good, unit = usable[:, None, None, None], torch.where(usable, scale, 1)
        eye = torch.eye(rank, dtype=metric.dtype, device=metric.device)
        relative = torch.where(good, metric / unit[:, None, None, None] + _RIDGE * eye, eye)
        turned = torch.where(good, turn / unit[:, None, None, None], 0)
        if span is None or outside is None:
            return cls(unit, relative, turned)
        share = turned.diagonal(dim1=-2, dim2=-1).sum(-1) / relative.diagonal(dim1=-2, dim2=-1).sum(-1)
        rest = torch.where(usable[:, None], outside / unit[:, None] + _RIDGE, 1)
        return cls(unit, relative, turned, span, torch.stack([rest, rest * share], dim=-1)[..., None, None])

    @property
    def degenerate(self) -> Tensor:
        """True for the paths along which the data hardly see some direction of the latents, everywhere, ``(b,)``.

        The least eigenvalue of C there is below 1e-4 of its mean one; on the shipped models it is well above.
        """
        least = torch.linalg.eigvalsh(self.metric.double())[..., 0].amax(-1)
        if self.rest is not None:
            least = torch.minimum(least, self.rest[:, :, 0, 0, 0].double().amax(-1))
        unseen: Tensor = least < _RIDGE + _UNSEEN
        return unseen

    def rows(self, rows: Tensor) -> Metric:
        """That of some of the paths."""
        span, rest = (None if x is None else x[rows] for x in (self.span, self.rest))
        return Metric(self.scale[rows], self.metric[rows], self.turn[rows], span, rest)

    def finer(self, factor: float) -> Metric:
        """For segments ``factor`` times as short.

        The turn of a smooth generator falls with the square of that, the turn of one with kinks with the first power.
        """
        less = factor**-1.5
        rest = None if self.rest is None else torch.stack([self.rest[:, :, 0], self.rest[:, :, 1] * less], dim=2)
        return Metric(self.scale, self.metric, self.turn * less, self.span, rest)


@dataclass(frozen=True)
class Preconditioner:
    """The factorised Hessian for ``b`` paths, at certain weights of their segments.

    Attributes:
        inside: in the directions that were measured.
        span: a basis of those, ``(b, D, r)``; None for all.
        outside: in the other ones.
        unit: what the Hessian was divided by before, ``(b,)``; 0 where no segment weighs anything.
    """

    inside: BlockTridiagonal
    span: Tensor | None
    outside: BlockTridiagonal | None
    unit: Tensor

    @classmethod
    def of(cls, metric: Metric, stiffness: Tensor) -> Preconditioner:
        """For the weights ``stiffness`` ``(b, K)`` of the segments."""
        mean = stiffness.mean(-1, keepdim=True)
        weight = torch.where(mean > 0, stiffness / torch.where(mean > 0, mean, 1), 1) + _WEIGHT_FLOOR
        outside = None
        if metric.rest is not None:
            outside = _factor(weight, metric.rest[:, :, 0], metric.rest[:, :, 1])
        inside = _factor(weight, metric.metric, metric.turn)
        return cls(inside, metric.span, outside, mean[:, 0] * metric.scale)

    def rows(self, rows: Tensor) -> Preconditioner:
        """The preconditioner of some of the paths."""
        span = None if self.span is None else self.span[rows]
        outside = None if self.outside is None else self.outside.rows(rows)
        return Preconditioner(self.inside.rows(rows), span, outside, self.unit[rows])

    def put(self, rows: Tensor, other: Preconditioner) -> None:
        """Replace the factors of some of the paths; their span stays."""
        self.inside.put(rows, other.inside)
        self.unit[rows] = other.unit
        if self.outside is not None and other.outside is not None:
            self.outside.put(rows, other.outside)

    def apply(self, gradient: Tensor) -> Tensor:
        """The inverse times ``gradient`` ``(b, K-1, D)``."""
        if self.span is None or self.outside is None:
            found = self.inside.solve(gradient[..., None])[..., 0]
        else:
            load = gradient @ self.span
            rest = gradient - load @ self.span.mT
            found = self.inside.solve(load[..., None])[..., 0] @ self.span.mT
            found = found + self.outside.solve(rest[:, :, None])[:, :, 0]
        unit = self.unit[:, None, None]
        return torch.where(unit > 0, found / torch.where(unit > 0, unit, 1), 0)


def _factor(weight: Tensor, metric: Tensor, turn: Tensor) -> BlockTridiagonal:
    """The Hessian for weights ``(b, K)``, from C and N ``(b, s, r, r)``, with the two ends held fixed."""
    wide = torch.float32 if weight.device.type == "mps" else torch.float64
    segments, found = weight.shape[1], []
    at_once = max(1, _VALUES // (segments * metric.shape[-1] ** 2))
    for rows in [*blocks(len(weight), at_once)] or [slice(0)]:
        heavy = weight[rows].to(wide)[..., None, None]
        C, N = _between(metric[rows], segments).to(wide), _between(turn[rows], segments).to(wide)
        own, cross = heavy * (C + N / 4), -heavy * (C - N / 4)
        found.append(BlockTridiagonal.factor(own[:, :-1] + own[:, 1:], cross[:, 1:-1], metric.dtype))
    return found[0] if len(found) == 1 else BlockTridiagonal.cat(found)


def _between(measured: Tensor, segments: int) -> Tensor:
    """What was measured at ``s`` segments ``(b, s, r, r)``, evenly placed, at all of them."""
    count = measured.shape[1]
    at = (torch.arange(segments, dtype=measured.dtype, device=measured.device) + 0.5) / segments * count - 0.5
    low = at.floor().clamp(0, max(count - 2, 0)).long()
    high = (low + 1).clamp_max(count - 1)
    return torch.lerp(measured[:, low], measured[:, high], (at - low).clamp(0, 1)[:, None, None])


def _sites(segments: int, rank: int) -> list[int]:
    """The segments at whose ends the Jacobian is measured: few, and the same from either end of the path."""
    few = min(max(segments // 4, _FEWEST), _MOST, segments)
    half = max(1, min(few, _TANGENTS // rank) // 2)
    near = [(2 * i + 1) * segments // (4 * half) for i in range(half)]
    return near + [segments - 1 - i for i in reversed(near)]


def _measured(
    to_data: Callable[[Tensor], Tensor], sites: Tensor, first: Tensor, span: Tensor | None, max_points: int | None
) -> tuple[Tensor, Tensor, int]:
    """C and N ``(b, s, r, r)`` between ``sites`` ``(b, p, D)`` number ``first`` and the next; and the passes."""
    count, points, dim = sites.shape
    eye = torch.eye(dim, dtype=sites.dtype, device=sites.device)
    rank = dim if span is None else span.shape[-1]
    metric, turn, passes = [], [], 0
    for rows in blocks(count, None if max_points is None else max_points // (points * rank)):
        z = sites[rows]
        directions = (eye.expand(len(z), dim, dim) if span is None else span[rows]).mT
        directions = directions[:, None].expand(-1, points, -1, -1).flatten(0, 1)
        jacobian, passes = jacobian_products(to_data, z.flatten(0, 1), directions, max_points)
        jacobian = jacobian.unflatten(0, (len(z), points))
        square = jacobian @ jacobian.mT
        change = jacobian[:, first + 1] - jacobian[:, first]
        metric.append(0.5 * (square[:, first] + square[:, first + 1]))
        turn.append(change @ change.mT)
    return torch.cat(metric), torch.cat(turn), passes


def _range(
    to_data: Callable[[Tensor], Tensor], sites: Tensor, rank: int, max_points: int | None
) -> tuple[Tensor, Tensor]:
    """By random probes, a basis ``(b, D, r)`` of what the metric sees; by others, its mean eigenvalue elsewhere."""
    count, points, dim = sites.shape
    flat, each, pulled = sites.flatten(0, 1), -(-rank // points), []
    for block in blocks(len(flat), max_points):
        with torch.enable_grad():
            leaf, view = leaf_and_view(flat[block])
            data = to_data(view)
            random = torch.Generator("cpu").manual_seed(0)
            signs = 2 * torch.randint(2, (each + 1, points, data.shape[-1]), generator=random, device="cpu") - 1
            of = torch.arange(len(flat), device="cpu")[block] % points  # every path is probed alike
            rows = [
                torch.autograd.grad(data, leaf, signs[k, of].to(data), retain_graph=k < each)[0]
                for k in range(each + 1)
            ]
        pulled.append(torch.stack(rows, dim=1))
    probes = torch.cat(pulled).unflatten(0, (count, points))
    near = torch.linspace(0, points * each - 1, rank, device=sites.device).long()
    span = torch.linalg.qr(probes[:, :, :each].flatten(1, 2)[:, near].mT)[0]
    others = probes[:, :, each]
    outside = others - (others @ span) @ span.mT
    return span, outside.square().sum(-1) / (dim - rank)
