"""Geodesics whose cost is known exactly, to score any solver against.

The generator is the identity unless said; every number can be derived by hand from the formula beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

import latentpath as lp


@dataclass(frozen=True)
class Case:
    """A pair of endpoints, what lies between, the exact cost, and how close the audited one must come by default."""

    name: str
    generator: Callable[[Tensor], Tensor]
    index: Callable[[Tensor], Tensor] | lp.RealismIndex
    start: Tensor
    end: Tensor
    cost: float
    within: float = 0.001

    def __repr__(self) -> str:
        return self.name


def identity(z: Tensor) -> Tensor:
    return z


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def polar(radius: float, degrees: float, dim: int = 2) -> Tensor:
    angle = math.radians(degrees)
    return tensor(radius * math.cos(angle), radius * math.sin(angle), *[0.0] * (dim - 2))


def flat(z: Tensor) -> Tensor:
    """The log index of a price of 1 everywhere."""
    return -torch.ones(z.shape[:-1], dtype=z.dtype, device=z.device)


def stereographic(z: Tensor) -> Tensor:
    """The inverse stereographic projection, from ``R^D`` onto the unit sphere in ``R^(D+1)``."""
    square = z.square().sum(-1, keepdim=True)
    return torch.cat([2 * z, 1 - square], dim=-1) / (1 + square)


def cylinder(z: Tensor) -> Tensor:
    """An isometry of the plane into space: pulled back, the metric of the half-plane is the same."""
    return torch.stack([z[..., 0].cos(), z[..., 0].sin(), z[..., 1]], dim=-1)


def half_plane(z: Tensor) -> Tensor:
    return -1 / z[..., 1]


def poincare(z: Tensor) -> Tensor:
    """With `stereographic`, the price that turns the unit disk into the hyperbolic plane."""
    square = z.square().sum(-1)
    return -(1 + square) / (1 - square)


def cubic_cost(start: Tensor, end: Tensor) -> float:
    """In the paper's own metric for N(0, I) in the plane, ``w = |z|^2 / 2``, the map ``u = z^3 / 6`` is an isometry."""
    a, b = complex(*start.tolist()), complex(*end.tolist())
    return abs(a**3 - b**3) / 6


def great_circle(start: Tensor, end: Tensor) -> float:
    return math.acos(float(stereographic(start) @ stereographic(end)))


def half_plane_distance(start: Tensor, end: Tensor) -> float:
    return math.acosh(1 + float((start - end).square().sum()) / (2 * float(start[1] * end[1])))


def poincare_distance(a: Tensor, b: Tensor) -> float:
    gap = float((a - b).square().sum())
    return math.acosh(1 + 2 * gap / ((1 - float(a @ a)) * (1 - float(b @ b))))


def sphere(dim: int) -> Case:
    start, end = -torch.linspace(0, 1, dim, dtype=torch.float64), torch.full((dim,), 0.5, dtype=torch.float64)
    return Case(f"sphere, D = {dim}", stereographic, flat, start, end, great_circle(start, end))


def normal_index(dim: int) -> lp.RealismIndex:
    return lp.RealismIndex(lp.priors.standard_normal(dim, dtype=torch.float64), alpha=1.0)


def cases() -> list[Case]:
    found = [
        Case(
            f"paper's metric, {degrees} degrees",
            identity,
            normal_index(2),
            polar(2, 0),
            polar(2, degrees),
            cubic_cost(polar(2, 0), polar(2, degrees)),
        )
        for degrees in (20, 45, 55)
    ]
    # no formula below the critical angle in three dimensions: from the geodesic equation in the plane of the endpoints
    found += [
        Case(
            f"radial, D = 3, {degrees} degrees",
            identity,
            normal_index(3),
            polar(2, 0, 3),
            polar(2, degrees, 3),
            cost,
            0.005,
        )
        for degrees, cost in ((30, 1.217911), (45, 1.495087))
    ]
    a, b = tensor(-1.0, 0.5), tensor(1.0, 1.0)
    found += [
        Case("half-plane", identity, half_plane, a, b, half_plane_distance(a, b)),
        Case("half-plane on a cylinder", cylinder, half_plane, a, b, half_plane_distance(a, b)),
    ]
    found += [sphere(dim) for dim in (2, 3, 5, 10, 20)]
    a, b = tensor(-0.6, 0.0), tensor(0.3, 0.7)
    found.append(Case("Poincare disk", stereographic, poincare, a, b, poincare_distance(a, b)))
    return found
