r"""Products with the Jacobian :math:`J = dG/dz` of a generator: forward ones :math:`Jv`, and transposed ones.

Forward products use forward mode where every operation of the generator has it; otherwise two backward passes (the
derivative of the vector-Jacobian product, which is linear in its vector); without a second backward pass, central
differences. Other errors reach the caller, see `latentpath.callables.lacks_rule`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ._batching import blocks
from .callables import forward_mode, lacks_rule, leaf_and_view

__all__ = ["jacobian_products", "pushforward", "transposed_products"]


def pushforward(
    to_data: Callable[[Tensor], Tensor], points: Tensor, tangents: Tensor, create_graph: bool = False
) -> Tensor:
    r"""Computes directional derivatives :math:`J(z)\,v`, points and tangents ``(N, D)`` to ``(N, M)``.

    They can be differentiated in ``points`` with ``create_graph``, and have no graph without.
    """
    try:
        with torch.set_grad_enabled(create_graph), forward_mode():
            moved: Tensor = torch.func.jvp(to_data, (points,), (tangents,))[1]
            return moved
    except (RuntimeError, ValueError) as error:
        if not lacks_rule(error):
            raise
    try:
        with torch.enable_grad():
            leaf, view = (points, points) if create_graph and points.requires_grad else leaf_and_view(points)
            data = to_data(view)
            probe = torch.zeros_like(data, requires_grad=True)
            (pulled,) = torch.autograd.grad(data, leaf, probe, create_graph=True)
            pushed: Tensor = torch.autograd.grad(pulled, probe, tangents, create_graph=create_graph)[0]
            return pushed if create_graph else pushed.detach()
    except (RuntimeError, ValueError) as error:
        if not lacks_rule(error):
            raise
        length = points.detach().norm(dim=-1, keepdim=True).clamp_min(1)
        step = torch.finfo(points.dtype).eps ** (1 / 3) * length
        step = step / tangents.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(points.dtype).tiny)
        with torch.set_grad_enabled(create_graph):
            slope: Tensor = (to_data(points + step * tangents) - to_data(points - step * tangents)) / (2 * step)
            return slope


def jacobian_products(
    to_data: Callable[[Tensor], Tensor],
    points: Tensor,
    tangents: Tensor,
    max_points: int | None = None,
    create_graph: bool = False,
) -> tuple[Tensor, int]:
    r"""Computes several derivatives :math:`J(z)\,v` at every point: ``(N, D)`` and ``(N, r, D)`` to ``(N, r, M)``.

    Where the generator can be vectorised over tangents, each point is decoded once. Also returns the number of forward
    passes of each point. The derivatives have a graph to ``points`` with ``create_graph`` only.
    """
    count = tangents.shape[1]

    def push(z: Tensor, v: Tensor) -> Tensor:
        moved: Tensor = torch.func.vmap(lambda one: torch.func.jvp(to_data, (z,), (one,))[1], 1, 1)(v)
        return moved

    try:
        with torch.set_grad_enabled(create_graph), forward_mode():
            size = None if max_points is None else max(1, max_points // count)
            return torch.cat([push(points[block], tangents[block]) for block in blocks(len(points), size)]), 2 + count
    except (RuntimeError, ValueError) as error:
        if not lacks_rule(error):
            raise
    every = points.repeat_interleave(count, 0), tangents.flatten(0, 1)
    moved = [
        pushforward(to_data, every[0][block], every[1][block], create_graph)
        for block in blocks(len(every[0]), max_points)
    ]
    return torch.cat(moved).unflatten(0, (len(points), count)), 3 * count


def transposed_products(to_data: Callable[[Tensor], Tensor], points: Tensor) -> Callable[[Tensor], Tensor]:
    r"""Returns the map of several covectors at every point :math:`w \mapsto J(z)^T w`: ``(N, r, M)`` to ``(N, r, D)``.

    The points ``(N, D)`` are decoded once, here; the products have no graph.
    """
    with torch.enable_grad():
        leaf, view = leaf_and_view(points)
        data = to_data(view)

    def pull(covectors: Tensor, batched: bool) -> Tensor:
        pulled: Tensor = torch.autograd.grad(data, leaf, covectors, retain_graph=True, is_grads_batched=batched)[0]
        return pulled

    def pulled(covectors: Tensor) -> Tensor:
        try:
            return pull(covectors.movedim(1, 0), True).movedim(0, 1)
        except (RuntimeError, ValueError) as error:
            if not lacks_rule(error):
                raise
        return torch.stack([pull(one, False) for one in covectors.unbind(1)], 1)

    return pulled
