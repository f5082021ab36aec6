r"""An approximate inverse Hessian of the energy, with the change of the generator's Jacobian along the path.

Let the interior points of a polyline move by :math:`v_i`. At a fixed price, the energy changes to second order by
(Gauss and Newton)

.. math::
    \tfrac12 K \sum_i \bar w_i^2\, |J_{i+1} v_{i+1} - J_i v_i|^2 \approx
    \tfrac12 K \sum_i \bar w_i^2 \bigl( |v_{i+1} - v_i|_{C_i}^2 + |\tfrac{v_i + v_{i+1}}2|_{N_i}^2 \bigr),

with the pullback metric :math:`C_i`, the mean of :math:`J^T J` at the ends of the segment, and the *Jacobian change*
:math:`N_i = (J_{i+1} - J_i)^T (J_{i+1} - J_i)`. The first term alone, with one C for the whole path, is path Laplacian
:math:`\otimes` metric, in which smooth moves are almost free: the lowest eigenvalue of the Laplacian falls as
:math:`1/K^2`. But where the Jacobian changes, equal moves of neighbouring latents differ in the data, and cost: for
smooth moves through a deep generator the second term dominates. The sum of both is block-tridiagonal, and is solved by
`BlockTridiagonal`.

C and N are measured at a few segments by forward-mode products, and interpolated along the path. Up to 32 latents they
are measured in all directions; otherwise in 16 directions from a randomised range finder (Halko, Martinsson and Tropp
2011, "Finding structure with randomness", from vector-Jacobian products), with one number of each for the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .._batching import blocks
from ..callables import leaf_and_view
from ..jacobian import jacobian_products
from .block_tridiagonal import BlockTridiagonal
from .configuration import config

__all__ = ["Metric", "Preconditioner"]

_VALUES = 2**22  # values of one block


@dataclass(frozen=True)
class Metric:
    """The pullback metric and the Jacobian change at a few segments of ``b`` paths, over the metric's mean eigenvalue.

    Attributes:
        scale: the mean eigenvalue of the metric, ``(b,)``.
        metric: C, ``(b, s, r, r)``, with a ridge.
        jacobian_change: N, ``(b, s, r, r)``.
        subspace: an orthonormal basis of the measured directions, ``(b, D, r)``; None for all.
        rest: C and N of a direction outside of the subspace, ``(b, s, 2, 1, 1)``.
    """

    scale: Tensor
    metric: Tensor
    jacobian_change: Tensor
    subspace: Tensor | None = None
    rest: Tensor | None = None

    @classmethod
    def measure(
        cls, to_data: Callable[[Tensor], Tensor], latents: Tensor, max_points: int | None
    ) -> tuple[Metric, float]:
        """Measures paths ``(b, K+1, D)``; also returns the path evaluations spent on each."""
        settings = config().preconditioning
        _, points, dim = latents.shape
        rank = dim if dim <= settings.full_dim else settings.rank
        segments = _sites(points - 1, rank)
        at = sorted({*segments, *(i + 1 for i in segments)})
        sites = latents[:, at].detach()
        subspace, outside, work = None, None, 0.0
        if dim > rank:
            subspace, outside = _range(to_data, sites, rank, max_points)
            work = (2 + -(-rank // len(at))) * len(at) / (2 * points)
        first = torch.tensor([at.index(i) for i in segments], device=latents.device)
        metric, jacobian_change, passes = _measured(to_data, sites, first, subspace, max_points)
        if outside is not None:
            outside = 0.5 * (outside[:, first] + outside[:, first + 1])
        # an evaluation is two passes: a backward pass costs as much as a forward pass, since no weight needs a gradient
        return cls.of(metric, jacobian_change, subspace, outside), work + passes * len(at) / (2 * points)

    @classmethod
    def of(
        cls, metric: Tensor, jacobian_change: Tensor, subspace: Tensor | None = None, outside: Tensor | None = None
    ) -> Metric:
        """Builds the metric from C, N ``(b, s, r, r)``, and C's eigenvalue ``(b, s)`` ``outside`` a ``subspace``."""
        rank = metric.shape[-1]
        dim = rank if subspace is None else subspace.shape[1]
        total = metric.diagonal(dim1=-2, dim2=-1).sum(-1).mean(-1)
        scale = (total if outside is None else total + (dim - rank) * outside.mean(-1)) / dim
        usable = scale.isfinite() & (scale > torch.finfo(metric.dtype).tiny)
        usable &= metric.isfinite().flatten(1).all(-1) & jacobian_change.isfinite().flatten(1).all(-1)
        good, unit = usable[:, None, None, None], torch.where(usable, scale, 1)
        eye = torch.eye(rank, dtype=metric.dtype, device=metric.device)
        relative = torch.where(good, metric / unit[:, None, None, None] + config().preconditioning.ridge * eye, eye)
        change = torch.where(good, jacobian_change / unit[:, None, None, None], 0)
        if subspace is None or outside is None:
            return cls(unit, relative, change)
        share = change.diagonal(dim1=-2, dim2=-1).sum(-1) / relative.diagonal(dim1=-2, dim2=-1).sum(-1)
        rest = torch.where(usable[:, None], outside / unit[:, None] + config().preconditioning.ridge, 1)
        return cls(unit, relative, change, subspace, torch.stack([rest, rest * share], dim=-1)[..., None, None])

    @property
    def degenerate(self) -> Tensor:
        """True for the paths along which the data hardly depend on some direction of the latents, ``(b,)``.

        The least eigenvalue of C is then negligible in every measured segment.
        """
        least = torch.linalg.eigvalsh(self.metric.double())[..., 0].amax(-1)
        if self.rest is not None:
            least = torch.minimum(least, self.rest[:, :, 0, 0, 0].double().amax(-1))
        unseen: Tensor = least < config().preconditioning.ridge + config().preconditioning.unseen
        return unseen

    def rows(self, rows: Tensor) -> Metric:
        """Selects paths of the batch."""
        subspace, rest = (None if x is None else x[rows] for x in (self.subspace, self.rest))
        return Metric(self.scale[rows], self.metric[rows], self.jacobian_change[rows], subspace, rest)

    def finer(self, factor: float) -> Metric:
        """Returns the metric for segments that are ``factor`` times shorter.

        N of a smooth generator falls with the square of the factor, N of one with kinks with the factor itself.
        """
        decay = factor**-1.5
        rest = None if self.rest is None else torch.stack([self.rest[:, :, 0], self.rest[:, :, 1] * decay], dim=2)
        return Metric(self.scale, self.metric, self.jacobian_change * decay, self.subspace, rest)


@dataclass
class Preconditioner:
    """The factorised Hessian of ``b`` paths for given weights of their segments; `put` replaces rows in place.

    Attributes:
        inside: the factors in the measured directions.
        subspace: a basis of the measured directions, ``(b, D, r)``; None for all.
        outside: the factors in the other directions.
        unit: the divisor of the Hessian before the factorisation, ``(b,)``; 0 where every weight is 0.
    """

    inside: BlockTridiagonal
    subspace: Tensor | None
    outside: BlockTridiagonal | None
    unit: Tensor

    @classmethod
    def of(cls, metric: Metric, stiffness: Tensor) -> Preconditioner:
        """Factorises the Hessian for the weights ``stiffness`` ``(b, K)`` of the segments."""
        mean = stiffness.mean(-1, keepdim=True)
        relative = torch.where(mean > 0, stiffness / torch.where(mean > 0, mean, 1), 1)
        weight = relative + config().preconditioning.weight_floor
        outside = None
        if metric.rest is not None:
            outside = _factor(weight, metric.rest[:, :, 0], metric.rest[:, :, 1])
        inside = _factor(weight, metric.metric, metric.jacobian_change)
        return cls(inside, metric.subspace, outside, mean[:, 0] * metric.scale)

    def rows(self, rows: Tensor) -> Preconditioner:
        """Selects paths of the batch."""
        subspace = None if self.subspace is None else self.subspace[rows]
        outside = None if self.outside is None else self.outside.rows(rows)
        return Preconditioner(self.inside.rows(rows), subspace, outside, self.unit[rows])

    def put(self, rows: Tensor, other: Preconditioner) -> None:
        """Replaces the factors of the paths ``rows``; their subspace stays."""
        self.inside.put(rows, other.inside)
        self.unit[rows] = other.unit
        if self.outside is not None and other.outside is not None:
            self.outside.put(rows, other.outside)

    def apply(self, gradient: Tensor) -> Tensor:
        """Computes the inverse times ``gradient`` ``(b, K-1, D)``."""
        if self.subspace is None or self.outside is None:
            found = self.inside.solve(gradient[..., None])[..., 0]
        else:
            load = gradient @ self.subspace
            rest = gradient - load @ self.subspace.mT
            found = self.inside.solve(load[..., None])[..., 0] @ self.subspace.mT
            found = found + self.outside.solve(rest[:, :, None])[:, :, 0]
        unit = self.unit[:, None, None]
        return torch.where(unit > 0, found / torch.where(unit > 0, unit, 1), 0)


def _factor(weight: Tensor, metric: Tensor, jacobian_change: Tensor) -> BlockTridiagonal:
    """Factorises the Hessian of weights ``(b, K)`` and of C and N ``(b, s, r, r)``, with fixed ends."""
    wide = torch.float32 if weight.device.type == "mps" else torch.float64
    segments, found = weight.shape[1], []
    at_once = max(1, _VALUES // (segments * metric.shape[-1] ** 2))
    for rows in [*blocks(len(weight), at_once)] or [slice(0)]:
        heavy = weight[rows].to(wide)[..., None, None]
        C, N = _between(metric[rows], segments).to(wide), _between(jacobian_change[rows], segments).to(wide)
        own, cross = heavy * (C + N / 4), -heavy * (C - N / 4)
        found.append(BlockTridiagonal.factor(own[:, :-1] + own[:, 1:], cross[:, 1:-1], metric.dtype))
    return found[0] if len(found) == 1 else BlockTridiagonal.cat(found)


def _between(measured: Tensor, segments: int) -> Tensor:
    """Interpolates the matrices of ``s`` evenly placed segments ``(b, s, r, r)`` to all segments."""
    count = measured.shape[1]
    at = (torch.arange(segments, dtype=measured.dtype, device=measured.device) + 0.5) / segments * count - 0.5
    low = at.floor().clamp(0, max(count - 2, 0)).long()
    high = (low + 1).clamp_max(count - 1)
    return torch.lerp(measured[:, low], measured[:, high], (at - low).clamp(0, 1)[:, None, None])


def _sites(segments: int, rank: int) -> list[int]:
    """Returns the few segments at whose ends the Jacobian is measured, symmetric about the middle of the path."""
    settings = config().preconditioning
    few = min(max(segments // 4, settings.fewest_sites), settings.most_sites, segments)
    half = max(1, min(few, settings.tangents // rank) // 2)
    near = [(2 * i + 1) * segments // (4 * half) for i in range(half)]
    return near + [segments - 1 - i for i in reversed(near)]


def _measured(
    to_data: Callable[[Tensor], Tensor], sites: Tensor, first: Tensor, subspace: Tensor | None, max_points: int | None
) -> tuple[Tensor, Tensor, int]:
    """Measures C and N ``(b, s, r, r)`` between ``sites`` ``(b, p, D)`` ``first`` and the next; counts passes."""
    count, points, dim = sites.shape
    eye = torch.eye(dim, dtype=sites.dtype, device=sites.device)
    rank = dim if subspace is None else subspace.shape[-1]
    metric, jacobian_change, passes = [], [], 0
    for rows in blocks(count, None if max_points is None else max_points // (points * rank)):
        z = sites[rows]
        directions = (eye.expand(len(z), dim, dim) if subspace is None else subspace[rows]).mT
        directions = directions[:, None].expand(-1, points, -1, -1).flatten(0, 1)
        jacobian, passes = jacobian_products(to_data, z.flatten(0, 1), directions, max_points)
        jacobian = jacobian.unflatten(0, (len(z), points))
        square = jacobian @ jacobian.mT
        change = jacobian[:, first + 1] - jacobian[:, first]
        metric.append(0.5 * (square[:, first] + square[:, first + 1]))
        jacobian_change.append(change @ change.mT)
    return torch.cat(metric), torch.cat(jacobian_change), passes


def _range(
    to_data: Callable[[Tensor], Tensor], sites: Tensor, rank: int, max_points: int | None
) -> tuple[Tensor, Tensor]:
    """Probes the metric at random: a basis ``(b, D, r)`` of its range, and its mean eigenvalue outside of it."""
    count, points, dim = sites.shape
    flat, each, pulled = sites.flatten(0, 1), -(-rank // points), []
    for block in blocks(len(flat), max_points):
        with torch.enable_grad():
            leaf, view = leaf_and_view(flat[block])
            data = to_data(view)
            random = torch.Generator("cpu").manual_seed(0)
            signs = 2 * torch.randint(2, (each + 1, points, data.shape[-1]), generator=random, device="cpu") - 1
            of = torch.arange(len(flat), device="cpu")[block] % points  # the same probes for every path
            rows = [
                torch.autograd.grad(data, leaf, signs[k, of].to(data), retain_graph=k < each)[0]
                for k in range(each + 1)
            ]
        pulled.append(torch.stack(rows, dim=1))
    probes = torch.cat(pulled).unflatten(0, (count, points))
    near = torch.linspace(0, points * each - 1, rank, device=sites.device).long()
    subspace = torch.linalg.qr(probes[:, :, :each].flatten(1, 2)[:, near].mT)[0]
    others = probes[:, :, each]
    outside = others - (others @ subspace) @ subspace.mT
    return subspace, outside.square().sum(-1) / (dim - rank)
