r"""Stochastic Lanczos quadrature of :math:`\tfrac12 \log\det(J^T J + \epsilon c I)`, by products with J and J^T.

`latentpath.volume` has the formulas. The Lanczos vectors of every probe are orthogonalised twice against all earlier
ones; where a Krylov space is exhausted, the rest of its tridiagonal matrix is 0 and has weight 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ._batching import blocks
from .jacobian import jacobian_products, transposed_products

__all__ = ["lanczos_log_volume"]


def lanczos_log_volume(
    to_data: Callable[[Tensor], Tensor], points: Tensor, probes: Tensor, steps: int, ridge: float, max_points: int
) -> tuple[Tensor, Tensor]:
    """Estimates log-volumes of points ``(N, D)`` from orthonormal probes ``(P, D)``: values ``(N,)``, standard errors.

    The values can be differentiated once, in ``points``. The generator is given at most ``max_points`` latents times
    tangents at once, or all tangents of one latent.
    """
    value, error = _LogVolume.apply(points, to_data, probes, steps, ridge, max_points)  # type: ignore[no-untyped-call]
    return value, error


class _LogVolume(torch.autograd.Function):
    """The estimate, with the gradient of its quadrature; blocks bound the memory of both."""

    @staticmethod
    def forward(
        ctx: Any,
        points: Tensor,
        to_data: Callable[[Tensor], Tensor],
        probes: Tensor,
        steps: int,
        ridge: float,
        max_points: int,
    ) -> tuple[Tensor, Tensor]:
        """Computes values and standard errors; keeps the factors of the gradient where it is needed."""
        values, errors, factors = [], [], []
        for block in blocks(len(points), max(1, max_points // len(probes))):
            diagonal, off_diagonal, basis = _tridiagonal(to_data, points[block], probes, steps)
            value, error, factor = _estimate(diagonal, off_diagonal, basis, ridge, ctx.needs_input_grad[0])
            values.append(value)
            errors.append(error)
            factors.append(factor)
        ctx.to_data, ctx.max_points = to_data, max_points
        ctx.save_for_backward(points, torch.cat(factors))
        value, error = torch.cat(values).to(points.dtype), torch.cat(errors).to(points.dtype)
        ctx.mark_non_differentiable(error)
        return value, error

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        """Computes the gradient of ``|J R|^2`` for the factors ``R`` held constant."""
        points, factors = ctx.saved_tensors
        gradient = torch.zeros_like(points)
        for rows in blocks(len(points), max(1, ctx.max_points // factors.shape[1])):
            for columns in blocks(factors.shape[1], ctx.max_points):
                with torch.enable_grad():
                    leaf = points[rows].detach().requires_grad_()
                    moved = jacobian_products(ctx.to_data, leaf, factors[rows, columns], create_graph=True)[0]
                    total = (moved.square().sum((-2, -1)) * slope[rows]).sum()
                if total.requires_grad:  # a linear generator has a constant Jacobian
                    (part,) = torch.autograd.grad(total, leaf, allow_unused=True)
                    if part is not None:
                        gradient[rows] += part
        return gradient, None, None, None, None, None


def _tridiagonal(
    to_data: Callable[[Tensor], Tensor], points: Tensor, probes: Tensor, steps: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Computes diagonals ``(N, P, k)``, off-diagonals ``(N, P, k-1)`` and Lanczos vectors ``(N, P, k, D)``."""
    pull = transposed_products(to_data, points)
    vector = probes.expand(len(points), -1, -1)
    basis, diagonal, off_diagonal = [vector], [], []
    for step in range(steps):
        moved = pull(jacobian_products(to_data, points, vector)[0])
        diagonal.append((moved * vector).sum(-1))
        if step + 1 == steps:
            break
        earlier = torch.stack(basis, -2)
        for _ in range(2):
            moved = moved - ((earlier @ moved[..., None]) * earlier).sum(-2)
        norm = moved.norm(dim=-1)
        largest = torch.stack(diagonal).amax(0)
        exhausted = norm <= 10 * torch.finfo(points.dtype).eps * largest
        off_diagonal.append(torch.where(exhausted, 0, norm))
        vector = torch.where(exhausted[..., None], 0, moved / norm[..., None])
        basis.append(vector)
    empty = diagonal[0][..., None][..., :0]
    return (
        torch.stack(diagonal, -1),
        torch.stack(off_diagonal, -1) if off_diagonal else empty,
        torch.stack(basis, -2),
    )


def _estimate(
    diagonal: Tensor, off_diagonal: Tensor, basis: Tensor, ridge: float, differentiate: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Computes values ``(N,)``, standard errors ``(N,)`` and factors ``(N, r, D)`` of the gradient from the quadrature.

    The gradient of a value is that of ``|J R|^2`` for its factor R, which is empty where it is not needed.
    """
    wide = torch.float32 if basis.device.type == "mps" else torch.float64
    count, dim = basis.shape[1], basis.shape[-1]
    matrix = diagonal.diag_embed() + off_diagonal.diag_embed(1) + off_diagonal.diag_embed(-1)
    valid = matrix.isfinite().flatten(1).all(-1)
    matrix = torch.where(valid[:, None, None, None], matrix, 0).to(wide)
    nodes, vectors = torch.linalg.eigh(matrix)
    first = vectors[..., 0, :]
    start = matrix[..., 0, 0]  # (N, P), the mean eigenvalue of J^T J as each probe sees it
    shift = ridge * start.mean(1)[:, None, None]
    shifted = nodes.clamp_min(0) + shift
    each = dim / 2 * torch.special.xlogy(first.square(), shifted).sum(-1)
    inverse = 1 / shifted.clamp_min(torch.finfo(wide).tiny)
    by_shift = ridge * dim / 2 * (first.square() * inverse).sum(-1).mean(1)
    value = torch.where(valid, each.mean(1), torch.nan)
    spread = each + by_shift[:, None] * (start - start.mean(1, keepdim=True))
    error = torch.zeros_like(value)
    if count < dim:
        error = spread.std(1) * (1 / count - 1 / dim) ** 0.5
    error = torch.where(valid, error, torch.nan)
    if not differentiate:
        return value, error, basis[:, 0, :0]
    outer = first[..., None] * first[..., None, :]
    weights = outer * (dim / 2 * _log_quotients(shifted) + by_shift[:, None, None, None]) / count
    ritz = vectors.mT @ torch.where(valid[:, None, None, None], basis, 0).to(wide)
    strengths, axes = torch.linalg.eigh((ritz.mT @ weights @ ritz).sum(1))
    rank = min(dim, count * basis.shape[2])
    factor = strengths[:, -rank:, None].clamp_min(0).sqrt() * axes[..., -rank:].mT
    return value, error, torch.where(valid[:, None, None], factor, torch.nan).to(basis.dtype)


def _log_quotients(values: Tensor) -> Tensor:
    """Computes the divided differences ``(log s - log t) / (s - t)`` of values ``(..., k)``: ``(..., k, k)``."""
    values = values.clamp_min(torch.finfo(values.dtype).tiny)
    s, t = values[..., None], values[..., None, :]
    ratio = (s - t) / (s + t)
    near = ratio.abs() < 1e-4
    quotient = (s.log() - t.log()) / torch.where(near, 1, s - t)
    return torch.where(near, 2 / (s + t) * (1 + ratio.square() / 3), quotient)
