r"""The metric tensor of Theorem 1 of the paper, from directional derivatives of the generator."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ._batching import blocks
from ._validate import check_points
from .callables import without_autocast
from .decoding import Embed, Generator, points_to_data
from .index import as_log_index
from .jacobian import jacobian_products
from .segment_cost import Index

__all__ = ["metric_tensor"]


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
