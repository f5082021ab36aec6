r"""The Jacobian :math:`J = dG/dz` of a generator: directional derivatives, and the metric tensor of Theorem 1."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ._batching import blocks
from ._validate import check_points
from .callables import lacks_rule, leaf_and_view, without_autocast
from .decoding import Embed, Generator, points_to_data
from .index import as_log_index
from .segment_cost import Index

__all__ = ["jacobian_products", "metric_tensor", "pushforward"]


def pushforward(to_data: Callable[[Tensor], Tensor], points: Tensor, tangents: Tensor) -> Tensor:
    r"""Computes directional derivatives :math:`J(z)\,v`, points and tangents ``(N, D)`` to ``(N, M)``, without a graph.

    It uses forward mode where every operation of the generator has it; otherwise two backward passes (the derivative of
    the vector-Jacobian product, which is linear in its vector); without a second backward pass, central differences.
    Other errors reach the caller, see `latentpath.callables.lacks_rule`.
    """
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*torch.jit.script", DeprecationWarning)  # raised by torch on first use
            moved: Tensor = torch.func.jvp(to_data, (points,), (tangents,))[1]
            return moved
    except (RuntimeError, ValueError) as error:
        if not lacks_rule(error):
            raise
    try:
        with torch.enable_grad():
            leaf, view = leaf_and_view(points)
            data = to_data(view)
            probe = torch.zeros_like(data, requires_grad=True)
            (pulled,) = torch.autograd.grad(data, leaf, probe, create_graph=True)
            pushed: Tensor = torch.autograd.grad(pulled, probe, tangents)[0].detach()
            return pushed
    except (RuntimeError, ValueError) as error:
        if not lacks_rule(error):
            raise
        step = torch.finfo(points.dtype).eps ** (1 / 3) * points.norm(dim=-1, keepdim=True).clamp_min(1)
        step = step / tangents.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(points.dtype).tiny)
        with torch.no_grad():
            slope: Tensor = (to_data(points + step * tangents) - to_data(points - step * tangents)) / (2 * step)
            return slope


def jacobian_products(
    to_data: Callable[[Tensor], Tensor], points: Tensor, tangents: Tensor, max_points: int | None = None
) -> tuple[Tensor, int]:
    r"""Computes several derivatives :math:`J(z)\,v` at every point: ``(N, D)`` and ``(N, r, D)`` to ``(N, r, M)``.

    Where the generator can be vectorised over tangents, each point is decoded once. Also returns the number of forward
    passes of each point.
    """
    count = tangents.shape[1]

    def push(z: Tensor, v: Tensor) -> Tensor:
        moved: Tensor = torch.func.vmap(lambda one: torch.func.jvp(to_data, (z,), (one,))[1], 1, 1)(v)
        return moved

    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*torch.jit.script", DeprecationWarning)  # raised by torch on first use
            size = None if max_points is None else max(1, max_points // count)
            return torch.cat([push(points[block], tangents[block]) for block in blocks(len(points), size)]), 2 + count
    except (RuntimeError, ValueError) as error:
        if not lacks_rule(error):
            raise
    every = points.repeat_interleave(count, 0), tangents.flatten(0, 1)
    moved = [pushforward(to_data, every[0][block], every[1][block]) for block in blocks(len(every[0]), max_points)]
    return torch.cat(moved).unflatten(0, (len(points), count)), 3 * count


@without_autocast()
def metric_tensor(
    points: Float[Tensor, "*batch D"],
    generator: Generator,
    index: Index,
    *,
    embed: Embed = None,
    max_points: int | None = None,
) -> Float[Tensor, "*batch D D"]:
    r"""The metric :math:`A_z = \log^2(\alpha\, ri(z))\, J(z)^T J(z)` of Theorem 1.

    It is computed from D directional derivatives, without a graph.

    Args:
        points: ``(..., D)``.
        generator: ``(N, D) -> (N, ...)``.
        index: a `RealismIndex`, or a callable that gives ``log(alpha * ri)``.
        embed: the space in which lengths are measured.
        max_points: the most points the generator is given in one call; None for all at once.

    Returns:
        ``(..., D, D)``, symmetric and positive semi-definite.

    Raises:
        InputError: points of another shape or type.

    Example:
        >>> import torch, latentpath as lp
        >>> lp.metric_tensor(torch.zeros(2), lambda z: 3 * z, lambda z: -2 * torch.ones(z.shape[:-1]))
        tensor([[36.,  0.],
                [ 0., 36.]])
    """
    check_points("points", points)
    if points.numel() == 0:
        return points.new_zeros(*points.shape, points.shape[-1])
    to_data, flat = points_to_data(generator, embed), points.detach().reshape(-1, points.shape[-1])
    axes = torch.eye(flat.shape[-1], dtype=flat.dtype, device=flat.device)
    pulled = []
    for block in blocks(len(flat), max_points):
        z = flat[block]
        jacobian, _ = jacobian_products(to_data, z, axes.expand(len(z), -1, -1), max_points)
        pulled.append(jacobian @ jacobian.mT)
    with torch.no_grad():
        square = as_log_index(index)(points).square()
    return square[..., None, None] * torch.cat(pulled).reshape(*points.shape, points.shape[-1])
