"""Material of the laws of all solvers. A new solver joins `SOLVERS` and inherits every law in `test_protocol.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import latentpath as lp
from closed_forms import normal_index, stereographic
from latentpath.solvers import LBFGS, Adam, GradientDescent, Multilevel, Objective, Solver

SOLVERS: dict[str, Callable[[float], Solver[Any]]] = {
    "multilevel": Multilevel,
    "lbfgs": LBFGS,
    "adam": lambda tol: Adam(tol, lr=0.02),
    "gradient descent": GradientDescent,
}


def curved_objective(dim: int = 3) -> Objective:
    """A curved generator and an index with a mode."""
    return Objective(stereographic, lp.RealismIndex(normal_index(dim).prior, alpha=0.9))


def endpoints(pairs: int, dim: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(2, pairs, dim, generator=random, dtype=torch.float64))  # type: ignore[return-value]


def bent(start: Tensor, end: Tensor, segments: int, seed: int = 0) -> Tensor:
    """A polyline that is anything but straight, with the same ends."""
    line = lp.lerp(start, end, segments)
    random = torch.Generator().manual_seed(seed)
    line[:, 1:-1] += 0.3 * torch.randn(line[:, 1:-1].shape, generator=random, dtype=line.dtype)
    return line
