r"""The shortest path over a graph of points of the prior: where to start from when the prior falls into clusters.

**Points.** Samples of the prior, the means of its components where it has any, and more samples where the first ones
leave a part of the prior uncovered, as they do with a component of small weight (`graph_points`).

**Edges.** An edge is a straight segment in the latent space, priced at what it costs. Every point is joined to its
eight nearest neighbours *in the latent space*, since near there means a short segment, whereas points near in the data
space may have anything between them. Nearest neighbours alone leave clusters apart, and a path between two of them
would have to be the straight line. So the components of a sparser graph (three neighbours) are taken for clusters, and
joined by bridges, their shortest edges: each cluster to its eight nearest ones, and all of them by a minimum spanning
tree, which makes the graph connected. The tree alone would cut a ring of clusters open. The means are joined to their
nearest means too. The endpoints of a pair are joined to the nearest points, means and clusters and to each other, not
to those of other pairs. Edges across a wall are left out.

Shortest paths by Dijkstra's algorithm (scipy); then every path is pulled taut: corners are left out where the straight
way past them is cheaper.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .._batching import blocks
from ..index import PriorIndex
from ..index.rules import draw
from .problem import Problem
from .starts import segment_costs

__all__ = ["component_means", "graph_paths", "graph_points", "points_decoded"]

_EDGE_PARTS, _EDGE_CELLS = 2, 64
_NEIGHBOURS, _CLOSE = 8, 3  # of every point; of the sparser graph that tells clusters apart
_POOL, _ADDED = 16, 4  # samples looked through for each one taken; one more at most for so many
_FAR, _USUAL = 2.0, 0.95  # times that quantile of the nearest neighbours' distances: a sample farther off is uncovered
_AHEAD = 8  # corners that pulling a path taut leaves out at once, at most
_VALUES = 2**24


def points_decoded(points: int, pairs: int) -> int:
    """About the points that `graph_paths` decodes for each of ``pairs``, over a graph of so many ``points``.

    An undirected graph of ``k`` nearest neighbours has some ``5 k / 8`` edges to a point.
    """
    shared = (points + points // _ADDED) * _NEIGHBOURS * 3 // 4
    own = 2 * 3 * _NEIGHBOURS + 12 * _AHEAD  # the endpoints' edges; the shortcuts of a path of a dozen corners
    return (_EDGE_PARTS + 1) * (shared // pairs + own)


def component_means(prior: object, most: int) -> list[Tensor]:
    """The mean of a prior and those of its components, ``(m, D)`` each, at most ``most`` of them, evenly chosen."""
    found = []
    for part in (prior, getattr(prior, "component_distribution", None)):
        try:
            mean = getattr(part, "mean", None)
        except NotImplementedError:
            continue
        if isinstance(mean, Tensor):
            means = mean.detach().reshape(-1, mean.shape[-1])
            found.append(means[:: -(-len(means) // most)])
    return found


def graph_points(index: PriorIndex, known: Float[Tensor, "S D"], seed: int) -> Tensor:
    """Samples ``(n, D)`` of the prior, beside the ``known`` ones, where these leave a part of it uncovered.

    Of a larger draw, the sample farthest from all points is added, again and again, as long as it is much farther off
    than the points are from each other; at most a quarter of the known ones.
    """
    pool = draw(index.prior, index.dim, _POOL * len(known), seed).to(known)
    apart = torch.cat(
        [_distances(known[block], known).topk(2, largest=False).values[:, 1] for block in blocks(len(known), 1024)]
    )
    bar = _FAR * apart.quantile(_USUAL)
    distance, _ = _closest(pool, known)
    added: list[Tensor] = []
    while len(added) < len(known) // _ADDED:
        farthest = distance.argmax()
        if not bool(distance[farthest] > bar):
            break
        added.append(pool[farthest])
        distance = torch.minimum(distance, _distances(pool, pool[farthest, None])[:, 0])
    return torch.stack(added) if added else known[:0]


@torch.no_grad()
def graph_paths(
    problem: Problem,
    nodes: Float[Tensor, "S D"],
    start: Float[Tensor, "B D"],
    end: Float[Tensor, "B D"],
    centres: Float[Tensor, "C D"] | None = None,
) -> tuple[list[Tensor], int]:
    r"""The shortest paths over a graph of points, each edge priced at what the straight segment costs.

    Args:
        problem: the energy, whose generator and index price the edges.
        nodes: ``(S, D)``.
        start: ``(B, D)``.
        end: ``(B, D)``.
        centres: more points ``(C, D)``, those in the middle of clusters, which are joined to each other too.

    Returns:
        The corners of each path, ``B`` tensors ``(m+1, D)``, the straight line where there is no other way; and the
        points decoded.

    Raises:
        ImportError: scipy is not installed.
    """
    count, pairs = len(nodes) + (0 if centres is None else len(centres)), len(start)
    middle = torch.arange(len(nodes), count, device=nodes.device)
    points = torch.cat([nodes, *([] if centres is None else [centres]), start, end])
    inner, outer = _edges(points[:count], middle, start, end)
    edges = torch.cat([inner, outer], dim=1)
    costs = segment_costs(problem, points[edges.T], _EDGE_PARTS, _EDGE_CELLS)[:, 0]
    back = _predecessors(
        torch.cat([edges, inner.flip(0)], dim=1), torch.cat([costs, costs[: inner.shape[1]]]), count, pairs
    )
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


def _predecessors(edges: Tensor, costs: Tensor, count: int, pairs: int) -> Any:
    """Of every point the one before it on the cheapest way from each start, an array ``(pairs, points)``; scipy's."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra

    usable = costs.isfinite()
    weights = costs[usable].double().clamp_min(torch.finfo(torch.float64).tiny)  # an edge of no cost is an edge
    rows, columns = edges[:, usable].cpu().numpy()
    size = count + 2 * pairs
    graph = csr_array((weights.cpu().numpy(), (rows, columns)), shape=(size, size))
    _, back = dijkstra(graph, indices=list(range(count, count + pairs)), return_predecessors=True)
    return back


def _edges(nodes: Tensor, middle: Tensor, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """The edges among ``nodes``, each once, and those of the endpoints, which come after the nodes, ``(2, E)`` each."""
    labels = _clusters(nodes)
    among = [_joined(nodes, _NEIGHBOURS), middle[_joined(nodes[middle], _NEIGHBOURS)], _bridges(nodes, labels)]
    inner = torch.cat(among, dim=1).sort(0).values.unique(dim=1)
    outer = []
    for i, (a, b) in enumerate(zip(start, end, strict=True)):
        first, last = len(nodes) + i, len(nodes) + len(start) + i
        for out, into in ((True, a), (False, b)):
            near = _reached(nodes, middle, labels, into)
            own = torch.full_like(near, first if out else last)
            outer.append(torch.stack([own, near] if out else [near, own]))
        outer.append(torch.tensor([[first], [last]], device=nodes.device))
    return inner, torch.cat(outer, dim=1)


def _clusters(nodes: Tensor) -> Tensor:
    """The number of the cluster of every node ``(n,)``: a component of the graph of few nearest neighbours."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = _joined(nodes, _CLOSE).cpu().numpy()
    graph = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(nodes), len(nodes)))
    labels = connected_components(graph, directed=False)[1]
    return torch.as_tensor(labels, device=nodes.device).long()


def _bridges(nodes: Tensor, labels: Tensor) -> Tensor:
    """The shortest edges ``(2, E)`` from each cluster to its nearest ones, and those of a minimum spanning tree."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    number = int(labels.max()) + 1 if len(labels) else 0
    if number < 2:
        return labels.new_zeros(2, 0)
    gaps = nodes.new_full((number, number), math.inf)
    ends = labels.new_zeros(number, number, 2)
    for cluster in range(number):
        own = (labels == cluster).nonzero()[:, 0]
        gap, nearest = _closest(nodes, nodes[own])
        others = _first_of_each(labels, gap)
        others = others[labels[others] != cluster]
        gaps[cluster, labels[others]] = gap[others]
        ends[cluster, labels[others]] = torch.stack([own[nearest[others]], others], dim=1)
    near = gaps.topk(min(_NEIGHBOURS, number - 1), largest=False).indices
    each = torch.arange(number, device=nodes.device).repeat_interleave(near.shape[1])
    lengths = gaps.fill_diagonal_(0.0).double().clamp_min(torch.finfo(torch.float64).tiny).cpu().numpy()
    tree = torch.as_tensor(np.stack(minimum_spanning_tree(csr_array(lengths)).nonzero()), device=nodes.device).long()
    return torch.cat([ends[each, near.flatten()], ends[tree[0], tree[1]]]).T


def _reached(nodes: Tensor, middle: Tensor, labels: Tensor, point: Tensor) -> Tensor:
    """The nodes that an endpoint ``(D,)`` is joined to: the nearest, the nearest means, and of the nearest clusters."""
    distance = _distances(nodes, point[None])[:, 0]
    order = distance.argsort()
    central = middle[distance[middle].argsort()]
    apart = _first_of_each(labels, distance)
    joined: Tensor = torch.cat([order[:_NEIGHBOURS], central[:_NEIGHBOURS], apart[:_NEIGHBOURS]]).unique()
    return joined


def _first_of_each(labels: Tensor, values: Tensor) -> Tensor:
    """For every label the place of its lowest value, by rising value."""
    order = values.argsort(stable=True)
    _, first = np.unique(labels[order].cpu().numpy(), return_index=True)
    places: Tensor = order[torch.as_tensor(np.sort(first), device=order.device)]
    return places


def _pulled(problem: Problem, path: Tensor) -> tuple[Tensor, int]:
    """The cheapest way along some of the corners ``(m+1, D)``, in their order; and the points decoded."""
    last = len(path) - 1
    if last < 2:
        return path, 0
    ahead = torch.combinations(torch.arange(last + 1, device=path.device))
    ahead = ahead[ahead[:, 1] - ahead[:, 0] <= _AHEAD]
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


def _joined(points: Tensor, number: int) -> Tensor:
    """The edges ``(2, E)`` from every point to its nearest ones, each once, the lower number first."""
    if len(points) < 2:
        return torch.zeros(2, 0, dtype=torch.long, device=points.device)
    found = []
    for block in blocks(len(points), max(1, _VALUES // len(points))):
        far = _distances(points[block], points)
        found.append(far.topk(min(number + 1, len(points)), largest=False).indices)
    nearest = torch.cat(found)
    own = torch.arange(len(points), device=points.device).repeat_interleave(nearest.shape[1])
    edges: Tensor = torch.stack([own, nearest.flatten()]).sort(0).values.unique(dim=1)
    return edges[:, edges[0] != edges[1]]


def _closest(points: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """The distance of every point ``(n, D)`` to the nearest of ``others``, and the number of that, ``(n,)`` each."""
    found = [_distances(points[block], others).min(-1) for block in blocks(len(points), max(1, _VALUES // len(others)))]
    return torch.cat([part.values for part in found]), torch.cat([part.indices for part in found])


def _distances(points: Tensor, others: Tensor) -> Tensor:
    """The distances of points ``(n, D)`` from ``others`` ``(m, D)``, ``(n, m)``, without cancellation."""
    far: Tensor = torch.cdist(points, others, compute_mode="donot_use_mm_for_euclid_dist")
    return far
