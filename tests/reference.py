"""A reference solver for two-dimensional problems, which shares nothing with the solvers of the library.

Dijkstra's algorithm on a fine grid finds the valley of the cheapest path, whatever its shape; scipy's L-BFGS-B then
lowers the energy of a polyline along it, within the walls. The cost is the library's audit of the result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import gcd

import numpy as np
import torch
from scipy.optimize import Bounds, minimize
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

import latentpath as lp

_REACH = 3  # grid steps in each direction: 32 neighbours
_PARTS, _ROUNDS = 4, (20, 60)  # of a segment; segments of the polyline in each round


@dataclass(frozen=True)
class Chart:
    """A rectangle and its map onto the latents: ``(N, 2) -> (N, D)``."""

    low: tuple[float, float]
    high: tuple[float, float]
    to_latents: Callable[[Tensor], Tensor]
    from_latents: Callable[[Tensor], Tensor]


def rectangle(low: tuple[float, float], high: tuple[float, float]) -> Chart:
    """Latents in the plane, within a rectangle."""
    return Chart(low, high, lambda p: p, lambda z: z)


def graded(low: float, size: float, power: int = 6) -> Chart:
    """Latents above ``low`` in both coordinates, ever denser towards the walls: for densities with poles there."""
    return Chart((0.01, 0.01), (1.0, 1.0), lambda p: low + size * p**power, lambda z: ((z - low) / size) ** (1 / power))


def graded_square(power: int = 6) -> Chart:
    """Latents in the unit square, ever denser towards its four sides."""

    def to_latents(p: Tensor) -> Tensor:
        return torch.where(p < 0.5, (2 * p) ** power / 2, 1 - (2 - 2 * p) ** power / 2)

    def from_latents(z: Tensor) -> Tensor:
        return torch.where(z < 0.5, (2 * z) ** (1 / power) / 2, 1 - (2 - 2 * z) ** (1 / power) / 2)

    return Chart((0.01, 0.01), (0.99, 0.99), to_latents, from_latents)


def triangle(margin: float = 1e-6) -> Chart:
    """The simplex in three dimensions: the share of the first coordinate, and of the rest that of the second."""

    def to_latents(p: Tensor) -> Tensor:
        first, rest = p[..., 0], 1 - p[..., 0]
        return torch.stack([first, rest * p[..., 1], rest * (1 - p[..., 1])], dim=-1)

    def from_latents(z: Tensor) -> Tensor:
        return torch.stack([z[..., 0], z[..., 1] / (1 - z[..., 0])], dim=-1)

    return Chart((margin, margin), (1 - margin, 1 - margin), to_latents, from_latents)


def reference_path(
    generator: Callable[[Tensor], Tensor],
    index: Callable[[Tensor], Tensor],
    start: Tensor,
    end: Tensor,
    chart: Chart,
    points: int = 110,
) -> Tensor:
    """The cheapest polyline found from ``start`` to ``end`` ``(D,)``, in latents ``(1, n + 1, D)``."""
    ends = chart.from_latents(torch.stack([start, end]))
    way = _along_grid(generator, index, ends, chart, points)
    for segments in _ROUNDS:
        way = _polished(generator, index, _even(generator, index, way, chart, segments), chart)
    return chart.to_latents(_subdivided(way, _PARTS))[None]


def reference_cost(
    generator: Callable[[Tensor], Tensor],
    index: Callable[[Tensor], Tensor],
    start: Tensor,
    end: Tensor,
    chart: Chart,
    points: int = 110,
) -> float:
    """The audited cost of `reference_path`."""
    return float(lp.audit(reference_path(generator, index, start, end, chart, points), generator, index).cost)


@torch.no_grad()
def _along_grid(
    generator: Callable[[Tensor], Tensor],
    index: Callable[[Tensor], Tensor],
    ends: Tensor,
    chart: Chart,
    points: int,
) -> Tensor:
    """The shortest path over the grid ``(m, 2)``: an edge costs its length in data times the mean of two prices."""
    low, high = torch.tensor(chart.low).to(ends), torch.tensor(chart.high).to(ends)
    steps = torch.linspace(0, 1, points).to(ends)
    share = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), dim=-1)
    grid = (low + (high - low) * share).reshape(-1, 2)
    nodes = chart.to_latents(grid)
    data, price = generator(nodes), -index(nodes)
    at = torch.arange(points * points).reshape(points, points)
    from_, to = [], []
    for i in range(_REACH + 1):
        for j in range(-_REACH, _REACH + 1):
            if gcd(i, abs(j)) == 1 and (i, j) > (0, 0):
                left, right = max(0, -j), points - max(0, j)
                from_.append(at[: points - i, left:right].flatten())
                to.append(at[i:, left + j : right + j].flatten())
    one, other = torch.cat(from_), torch.cat(to)
    cost = 0.5 * (price[one] + price[other]) * (data[one] - data[other]).norm(dim=-1)
    keep = cost.isfinite()
    matrix = csr_array(
        (cost[keep].clamp_min(1e-300).numpy(), (one[keep].numpy(), other[keep].numpy())), shape=(len(grid), len(grid))
    )
    usable = torch.where(price.isfinite()[:, None], grid, torch.inf)
    first, last = (int((usable - p).norm(dim=-1).argmin()) for p in ends)
    _, back = dijkstra(matrix, directed=False, indices=first, return_predecessors=True)
    way = [last]
    while way[-1] != first:
        way.append(int(back[way[-1]]))
    return torch.cat([ends[:1], grid[way[::-1]], ends[1:]])


def _segment_costs(
    generator: Callable[[Tensor], Tensor], index: Callable[[Tensor], Tensor], way: Tensor, chart: Chart
) -> Tensor:
    """By the midpoint rule on the parts of every segment of ``way`` ``(n + 1, 2)``."""
    fine = _subdivided(way, 2 * _PARTS)
    price = -index(chart.to_latents(fine[1::2]))
    square = generator(chart.to_latents(fine[::2])).diff(dim=0).square().sum(-1)
    return (price * square.clamp_min(1e-300).sqrt()).unflatten(0, (-1, _PARTS)).sum(-1)


def _subdivided(way: Tensor, parts: int) -> Tensor:
    """The same polyline ``(n + 1, 2)`` in ``parts`` times as many segments."""
    share = torch.arange(parts).to(way)[:, None] / parts
    return torch.cat([torch.lerp(way[:-1, None], way[1:, None], share).flatten(0, 1), way[-1:]])


@torch.no_grad()
def _even(
    generator: Callable[[Tensor], Tensor], index: Callable[[Tensor], Tensor], way: Tensor, chart: Chart, segments: int
) -> Tensor:
    """The same curve in segments of equal cost."""
    cost = _segment_costs(generator, index, way, chart)
    arc = torch.nn.functional.pad(torch.where(cost.isfinite().all(), cost, 1.0).cumsum(0), (1, 0))
    targets = arc[-1] * torch.linspace(0, 1, segments + 1).to(arc)
    even = torch.from_numpy(np.stack([np.interp(targets, arc, column) for column in way.T], axis=-1))
    return torch.cat([way[:1], even[1:-1], way[-1:]])


def _polished(
    generator: Callable[[Tensor], Tensor], index: Callable[[Tensor], Tensor], way: Tensor, chart: Chart
) -> Tensor:
    """The polyline of locally least energy within the rectangle."""
    inner = len(way) - 2

    def energy(flat: np.ndarray) -> tuple[float, np.ndarray]:
        free = torch.from_numpy(flat).reshape(inner, 2).requires_grad_()
        cost = _segment_costs(generator, index, torch.cat([way[:1], free, way[-1:]]), chart)
        value = len(cost) / 2 * cost.square().sum()
        (slope,) = torch.autograd.grad(value, free)
        good = bool(value.isfinite()) and bool(slope.isfinite().all())
        return (float(value.detach()), slope.flatten().numpy()) if good else (1e12, np.zeros_like(flat))

    low, high = (np.tile(np.asarray(side), inner) for side in (chart.low, chart.high))
    begin = way[1:-1].flatten().numpy().clip(low, high)
    found = minimize(
        energy, begin, jac=True, method="L-BFGS-B", bounds=Bounds(low, high), options={"maxiter": 200, "maxcor": 30}
    )
    return torch.cat([way[:1], torch.from_numpy(found.x).reshape(inner, 2), way[-1:]])
