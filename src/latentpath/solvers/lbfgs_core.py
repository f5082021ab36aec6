r"""Limited-memory BFGS: the two-loop recursion and the backtracking that descents on paths and on points share.

Limited-memory BFGS (Nocedal 1980, "Updating quasi-Newton matrices with limited storage") keeps the last steps
:math:`s` of every unknown and the changes :math:`y` of its gradient over them. From an initial inverse Hessian
:math:`H_0` and these pairs it makes the direction :math:`H \nabla f` by products of vectors alone. Everything here is
batched: ``n`` problems of ``N`` unknowns, each with a history of its own; a pair of curvature 0 says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .configuration import config

__all__ = ["Pair", "backtracked", "curvature_pair", "two_loop"]


class Pair(NamedTuple):
    """Steps ``(n, N)``, the changes of the gradients over them ``(n, N)``, and ``1 / (step . change)``, ``(n,)``."""

    step: Tensor
    gradient_change: Tensor
    curvature: Tensor

    def rows(self, rows: Tensor) -> Pair:
        """Selects some of the problems."""
        return Pair(*(values[rows] for values in self))


def curvature_pair(step: Tensor, gradient_change: Tensor, accepted: Tensor) -> Pair:
    """Builds the pair of ``accepted`` steps ``(n,)``; without positive curvature it would spoil the inverse Hessian."""
    product = (step * gradient_change).sum(-1)
    size = step.norm(dim=-1) * gradient_change.norm(dim=-1)
    usable = accepted & (product > 1e-10 * size)  # a curvature below is rounding
    step, gradient_change = (torch.where(usable[:, None], values, 0) for values in (step, gradient_change))
    return Pair(step, gradient_change, torch.where(usable, 1 / product, 0))


def two_loop(gradient: Tensor, history: Sequence[Pair], precondition: Callable[[Tensor], Tensor]) -> Tensor:
    """Computes the quasi-Newton direction ``H gradient`` ``(n, N)``; ``precondition`` applies the initial ``H``."""
    direction, weights = gradient, []
    for pair in reversed(history):
        weight = pair.curvature * (pair.step * direction).sum(-1)
        direction = torch.addcmul(direction, weight[:, None], pair.gradient_change, value=-1)
        weights.append(weight)
    direction = precondition(direction)
    for pair, weight in zip(history, reversed(weights), strict=True):
        back = pair.curvature * (pair.gradient_change * direction).sum(-1)
        direction = torch.addcmul(direction, (weight - back)[:, None], pair.step)
    return direction


def backtracked(length: Tensor, predicted: Tensor, rise: Tensor) -> Tensor:
    """Computes the step lengths ``(n,)`` after refused trials: the minimum of the parabola through what is known.

    Args:
        length: the refused step lengths, ``(n,)``.
        predicted: the change of the value that the slope predicts for them, below 0, ``(n,)``.
        rise: the change of the value that was found, ``(n,)``.
    """
    search = config().line_search
    over = rise - predicted
    share = torch.where(over > 0, -0.5 * predicted / over.clamp_min(torch.finfo(length.dtype).tiny), search.longest_cut)
    return length * share.nan_to_num(search.shortest_cut).clamp(search.shortest_cut, search.longest_cut)
