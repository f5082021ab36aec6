r"""Where else to start from: bends of the straight line, and the shortest path over a graph of points.

Both give curves that `resampled` turns into polylines of as many segments as are wanted, without cutting a corner.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..curves import arc_length, at_arc, subdivide
from ..energy import blocks, chords, decode, mean_prices, times
from .problem import Problem
from .protocol import with_interior

__all__ = ["bends", "graph_edges", "graph_paths", "resampled", "resampling_points", "segment_costs"]

_CELLS, _FINE = 16, 16  # cells of a part, to rank by cost; parts of a polyline, to make it even
_EDGE_PARTS, _EDGE_CELLS, _NEIGHBOURS = 2, 64, 8
_WAVES, _AMPLITUDES = 3, (0.35, 0.1)
_VALUES = 2**24


def graph_edges(nodes: int) -> int:
    """About the points that `graph_paths` decodes for ``nodes``."""
    return nodes * _NEIGHBOURS * (_EDGE_PARTS + 1) * 3 // 4


def resampling_points(legs: int) -> int:
    """The points that `resampled` decodes for a polyline of ``legs`` segments."""
    return legs * max(1, -(-_FINE // legs)) + 1


def bends(line: Float[Tensor, "B P D"], count: int, seed: int) -> Float[Tensor, "n B P D"]:
    r"""Smooth random bends of straight lines, in pairs of opposite ones, of about the endpoints' distance in size.

    .. math:: x(t) \pm s\,|b - a| \sum_{m=1}^3 \frac{c_m}{m} \sin(m \pi t), \qquad c_m \sim \mathcal N(0, I / D)

    with :math:`s` in turn 0.35 and 0.1, for two bends each.
    """
    points, dim = line.shape[-2:]
    random = torch.Generator("cpu").manual_seed(seed)
    options: dict[str, Any] = {"dtype": torch.float64, "device": "cpu"}  # where the generator is
    waves = torch.arange(1, _WAVES + 1, **options)
    shape = torch.sin(math.pi * waves * torch.linspace(0, 1, points, **options)[:, None]) / waves
    size = (line[:, -1] - line[:, 0]).norm(dim=-1)[:, None, None]
    found = []
    for i in range(count):
        if i % 2 == 0:
            turn = torch.randn(_WAVES, dim, generator=random, **options) / math.sqrt(dim)
        bent = line + (-1) ** i * _AMPLITUDES[i // 2 % 2] * size * (shape @ turn).to(line)
        found.append(with_interior(line, bent[:, 1:-1]))
    return torch.stack(found) if found else line.new_zeros(0, *line.shape)


@torch.no_grad()
def segment_costs(
    problem: Problem, latents: Float[Tensor, "N P D"], parts: int, cells: int = _CELLS
) -> Float[Tensor, "N K"]:
    """What the segments of polylines cost, measured in ``parts``, each at its mean price on ``cells`` at most."""
    found, cells = [], min(cells, max(1, 2 * problem.cells // parts))  # fewer where the index runs the generator
    for block in blocks(len(latents), max(1, _VALUES // (latents[:1].numel() * parts * cells))):
        size = chords(decode(subdivide(latents[block], parts), problem.to_data, max_points=problem.max_points))
        price = mean_prices(problem.log_index(subdivide(latents[block], parts * cells)), cells)
        found.append(times(price, size).unflatten(-1, (-1, parts)).sum(-1))
    return torch.cat(found)


@torch.no_grad()
def resampled(latents: Float[Tensor, "N P D"], problem: Problem, segments: int) -> Float[Tensor, "N Q D"]:
    """Polylines of more segments, at about equal steps of cost; corners stay points as long as there are enough.

    So nothing is cut: a path around the corner of a wall stays on its side, and one through the mode goes through it.
    """
    legs = latents.shape[1] - 1
    parts = max(1, -(-_FINE // legs))
    fine = subdivide(latents, parts)
    size = segment_costs(problem, fine, 1)
    usable = size.sum(-1, keepdim=True).isfinite() & (size.sum(-1, keepdim=True) > 0)
    arc = arc_length(torch.where(usable, size, chords(fine)))
    knots = arc[:, ::parts]
    if legs > segments:
        t = torch.linspace(0, 1, segments + 1, dtype=arc.dtype, device=arc.device)
        targets = arc[:, -1:] * t
    else:
        counts = _shares(knots.diff(dim=-1), segments)
        before = torch.nn.functional.pad(counts.cumsum(-1), (1, 0))
        i = torch.arange(segments + 1, device=arc.device).expand(len(latents), -1).contiguous()
        leg = (torch.searchsorted(before, i, right=True) - 1).clamp(0, legs - 1)
        share = (i - before.gather(-1, leg)) / counts.gather(-1, leg)
        low, high = knots.gather(-1, leg), knots.gather(-1, leg + 1)
        targets = torch.where(share == 1, high, torch.lerp(low, high, share.to(arc)))
    points = at_arc(fine, arc, targets)
    return torch.cat([latents[:, :1], points[:, 1:-1], latents[:, -1:]], dim=1)


def _shares(sizes: Tensor, total: int) -> Tensor:
    """Whole numbers ``(N, m)``, at least 1, that add up to ``total``: in proportion to ``sizes`` but for that."""
    whole = sizes.sum(-1, keepdim=True)
    part = torch.where(whole > 0, sizes / torch.where(whole > 0, whole, 1), 1 / sizes.shape[-1])
    wanted = (total - sizes.shape[-1]) * part
    counts = wanted.floor().long()
    order = (counts - wanted).argsort(dim=-1, stable=True).argsort(dim=-1)
    lacking = total - sizes.shape[-1] - counts.sum(-1, keepdim=True)
    shares: Tensor = 1 + counts + (order < lacking)
    return shares


@torch.no_grad()
def graph_paths(
    problem: Problem, nodes: Float[Tensor, "S D"], start: Float[Tensor, "B D"], end: Float[Tensor, "B D"]
) -> tuple[list[Tensor], int]:
    r"""The shortest paths over a graph of points, each edge priced at what the straight segment costs.

    Every point is joined to its eight nearest neighbours *in the latent space*, since an edge is a straight segment
    there: near in the latent space means a short one, whereas points near in the data space may have anything between
    them. The endpoints of a pair are joined to their nearest neighbours and to each other, not to those of other
    pairs. Edges across a wall are left out. Shortest paths by Dijkstra's algorithm (scipy); then every path is pulled
    taut: corners are left out where the straight way past them is cheaper.

    Args:
        problem: the energy, whose generator and index price the edges.
        nodes: ``(S, D)``.
        start: ``(B, D)``.
        end: ``(B, D)``.

    Returns:
        The corners of each path, ``B`` tensors ``(m+1, D)``, the straight line where there is no other way; and the
        points decoded.

    Raises:
        ImportError: scipy is not installed.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra

    count, pairs = len(nodes), len(start)
    among = _nearest(nodes, nodes, _NEIGHBOURS + 1)
    pair = torch.arange(pairs, device=nodes.device)
    inner = torch.stack([torch.arange(count, device=nodes.device).repeat_interleave(among.shape[1]), among.flatten()])
    inner = inner.sort(0).values.unique(dim=1)
    inner = inner[:, inner[0] != inner[1]]
    out, into = _nearest(start, nodes, _NEIGHBOURS), _nearest(end, nodes, _NEIGHBOURS)
    leave = torch.stack([count + pair.repeat_interleave(out.shape[1]), out.flatten()])
    arrive = torch.stack([into.flatten(), count + pairs + pair.repeat_interleave(into.shape[1])])
    direct = torch.stack([count + pair, count + pairs + pair])
    edges = torch.cat([inner, leave, arrive, direct], dim=1)
    points = torch.cat([nodes, start, end])
    costs = segment_costs(problem, points[edges.T], _EDGE_PARTS, _EDGE_CELLS)[:, 0]
    both = torch.cat([edges, inner.flip(0)], dim=1)
    weights = torch.cat([costs, costs[: inner.shape[1]]]).double()
    usable = weights.isfinite()
    weights = weights[usable].clamp_min(torch.finfo(torch.float64).tiny)  # an edge of no cost is an edge
    rows, columns = both[:, usable].cpu().numpy()
    graph = csr_array((weights.cpu().numpy(), (rows, columns)), shape=(len(points), len(points)))
    _, back = dijkstra(graph, indices=list(range(count, count + pairs)), return_predecessors=True)
    found, decoded = [], edges.shape[1] * (_EDGE_PARTS + 1)
    for i in range(pairs):
        way = [count + pairs + i]
        while way[-1] != count + i and way[-1] >= 0:
            way.append(int(back[i, way[-1]]))
        path = points[way[::-1]] if way[-1] >= 0 else torch.stack([start[i], end[i]])
        pulled, work = _pulled(problem, path)
        found.append(pulled)
        decoded += work
    return found, decoded


def _pulled(problem: Problem, path: Tensor) -> tuple[Tensor, int]:
    """The cheapest way along some of the corners ``(m+1, D)``, in their order; and the points decoded."""
    last = len(path) - 1
    if last < 2:
        return path, 0
    ahead = torch.combinations(torch.arange(last + 1, device=path.device))
    price = path.new_full((last + 1, last + 1), math.inf)
    price[ahead[:, 0], ahead[:, 1]] = segment_costs(problem, path[ahead], _EDGE_PARTS, _EDGE_CELLS)[:, 0]
    lowest, via = path.new_zeros(last + 1), [0]
    for j in range(1, last + 1):
        lowest[j], i = (lowest[:j] + price[:j, j]).min(0)
        via.append(int(i))
    way = [last]
    while way[-1] > 0:
        way.append(via[way[-1]])
    return path[way[::-1]], len(ahead) * (_EDGE_PARTS + 1)


def _nearest(points: Tensor, others: Tensor, number: int) -> Tensor:
    """The indices ``(n, number)`` of the nearest of ``others``, in blocks that bound the memory."""
    found = []
    for block in blocks(len(points), max(1, _VALUES // len(others))):
        far = torch.cdist(points[block], others, compute_mode="donot_use_mm_for_euclid_dist")
        found.append(far.topk(min(number, len(others)), largest=False).indices)
    return torch.cat(found)
