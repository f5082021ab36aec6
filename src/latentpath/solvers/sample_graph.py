r"""Shortest paths over a graph of prior samples, as starts where the prior has clusters.

**Points.** Samples of the prior, the means of its components if it has any, and more samples where the first ones
leave a part of the prior uncovered, such as a component of small weight (`graph_points`).

**Edges.** An edge is a straight segment in the latent space, weighted by its cost. Every point is joined to its eight
nearest neighbours *in the latent space*, where near points have a short segment between them; near points of the data
space may not. Nearest neighbours alone leave clusters unconnected. So clusters, the components of a sparser graph
(three neighbours), are joined by bridges, the shortest edges between them: each cluster to its eight nearest ones, and
all by a minimum spanning tree, which makes the graph connected but would open a ring of clusters. Means are joined to
their nearest means too. The endpoints of a pair are joined to the nearest points, means and clusters, and to each
other, but not to other pairs. Edges across a wall have no finite cost and are left out.

Dijkstra's algorithm (scipy) finds the shortest paths. Then corners are left out where the direct segment is cheaper.
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
from ..index.prior_adapter import draw
from .configuration import config
from .initial_paths import segment_costs
from .objective import Objective

__all__ = ["component_means", "graph_paths", "graph_points", "points_decoded"]

_VALUES = 2**24  # distances of one block


def points_decoded(points: int, pairs: int) -> int:
    """Estimates the points that `graph_paths` decodes for each of ``pairs`` over a graph of ``points``.

    An undirected graph of ``k`` nearest neighbours has about ``5 k / 8`` edges for each point.
    """
    settings = config().sample_graph
    shared = (points + points // settings.added) * settings.neighbours * 3 // 4
    own = 2 * 3 * settings.neighbours + 12 * settings.shortcut  # the endpoints' edges; shortcuts of a dozen corners
    return (settings.edge_parts + 1) * (shared // pairs + own)


def component_means(prior: object, limit: int) -> list[Tensor]:
    """Returns the mean of a prior and the means of its components, at most ``limit`` evenly chosen, ``(m, D)`` each."""
    found = []
    for part in (prior, getattr(prior, "component_distribution", None)):
        try:
            mean = getattr(part, "mean", None)
        except NotImplementedError:
            continue
        if isinstance(mean, Tensor):
            means = mean.detach().reshape(-1, mean.shape[-1])
            found.append(means[:: -(-len(means) // limit)])
    return found


def graph_points(index: PriorIndex, known: Float[Tensor, "S D"], seed: int) -> Tensor:
    """Draws more samples ``(n, D)`` of the prior, where the ``known`` ones leave a part of it uncovered.

    Of a larger draw, the sample farthest from all points is added repeatedly, while it is much farther from them than
    they are from each other; at most a quarter of the number of known samples.
    """
    settings = config().sample_graph
    pool = draw(index.prior, index.dim, settings.pool * len(known), seed).to(known)
    apart = torch.cat(
        [_distances(known[block], known).topk(2, largest=False).values[:, 1] for block in blocks(len(known), 1024)]
    )
    threshold = settings.uncovered * apart.quantile(settings.usual_quantile)
    distance, _ = _closest(pool, known)
    added: list[Tensor] = []
    while len(added) < len(known) // settings.added:
        farthest = distance.argmax()
        if not bool(distance[farthest] > threshold):
            break
        added.append(pool[farthest])
        distance = torch.minimum(distance, _distances(pool, pool[farthest, None])[:, 0])
    return torch.stack(added) if added else known[:0]


@torch.no_grad()
def graph_paths(
    objective: Objective,
    nodes: Float[Tensor, "S D"],
    start: Float[Tensor, "B D"],
    end: Float[Tensor, "B D"],
    centres: Float[Tensor, "C D"] | None = None,
) -> tuple[list[Tensor], int]:
    r"""Computes the shortest paths over a graph of points, each edge weighted by the cost of its segment.

    Args:
        objective: the energy, whose generator and index determine the costs.
        nodes: ``(S, D)``.
        start: ``(B, D)``.
        end: ``(B, D)``.
        centres: further points ``(C, D)``, the middles of clusters, which are joined to each other too.

    Returns:
        The corners of each path, ``B`` tensors ``(m+1, D)``, the straight line if the graph has no path; and the number
        of points decoded.

    Raises:
        ImportError: scipy is not installed.
    """
    count, pairs = len(nodes) + (0 if centres is None else len(centres)), len(start)
    middle = torch.arange(len(nodes), count, device=nodes.device)
    points = torch.cat([nodes, *([] if centres is None else [centres]), start, end])
    inner, outer = _edges(points[:count], middle, start, end)
    edges = torch.cat([inner, outer], dim=1)
    settings = config().sample_graph
    costs = segment_costs(objective, points[edges.T], settings.edge_parts, settings.edge_cells)[:, 0]
    back = _predecessors(
        torch.cat([edges, inner.flip(0)], dim=1), torch.cat([costs, costs[: inner.shape[1]]]), count, pairs
    )
    found, decoded = [], edges.shape[1] * (settings.edge_parts + 1)
    for i in range(pairs):
        way = [count + pairs + i]
        while way[-1] != count + i and way[-1] >= 0:
            way.append(int(back[i, way[-1]]))
        path = points[way[::-1]] if way[-1] >= 0 else torch.stack([start[i], end[i]])
        shortened, work = _without_detours(objective, path)
        found.append(shortened)
        decoded += work
    return found, decoded


def _predecessors(edges: Tensor, costs: Tensor, count: int, pairs: int) -> Any:
    """Computes the predecessor of every point on the shortest path from each start, an array ``(pairs, points)``."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra

    usable = costs.isfinite()
    weights = costs[usable].double().clamp_min(torch.finfo(torch.float64).tiny)  # scipy drops edges of weight 0
    rows, columns = edges[:, usable].cpu().numpy()
    size = count + 2 * pairs
    graph = csr_array((weights.cpu().numpy(), (rows, columns)), shape=(size, size))
    _, back = dijkstra(graph, indices=list(range(count, count + pairs)), return_predecessors=True)
    return back


def _edges(nodes: Tensor, middle: Tensor, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Computes the edges among ``nodes``, each once, and the edges of the endpoints, ``(2, E)`` each."""
    labels, neighbours = _clusters(nodes), config().sample_graph.neighbours
    among = [_joined(nodes, neighbours), middle[_joined(nodes[middle], neighbours)], _bridges(nodes, labels)]
    inner = torch.cat(among, dim=1).sort(0).values.unique(dim=1)
    outer = []
    for i, (a, b) in enumerate(zip(start, end, strict=True)):
        first, last = len(nodes) + i, len(nodes) + len(start) + i
        for out, into in ((True, a), (False, b)):
            near = _endpoint_neighbours(nodes, middle, labels, into)
            own = torch.full_like(near, first if out else last)
            outer.append(torch.stack([own, near] if out else [near, own]))
        outer.append(torch.tensor([[first], [last]], device=nodes.device))
    return inner, torch.cat(outer, dim=1)


def _clusters(nodes: Tensor) -> Tensor:
    """Computes the cluster of every node ``(n,)``, a component of the graph of few nearest neighbours."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = _joined(nodes, config().sample_graph.cluster_neighbours).cpu().numpy()
    graph = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(nodes), len(nodes)))
    labels = connected_components(graph, directed=False)[1]
    return torch.as_tensor(labels, device=nodes.device).long()


def _bridges(nodes: Tensor, labels: Tensor) -> Tensor:
    """Computes the shortest edges ``(2, E)`` from each cluster to its nearest ones, and of a minimum spanning tree."""
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
    near = gaps.topk(min(config().sample_graph.neighbours, number - 1), largest=False).indices
    each = torch.arange(number, device=nodes.device).repeat_interleave(near.shape[1])
    lengths = gaps.fill_diagonal_(0.0).double().clamp_min(torch.finfo(torch.float64).tiny).cpu().numpy()
    tree = torch.as_tensor(np.stack(minimum_spanning_tree(csr_array(lengths)).nonzero()), device=nodes.device).long()
    return torch.cat([ends[each, near.flatten()], ends[tree[0], tree[1]]]).T


def _endpoint_neighbours(nodes: Tensor, middle: Tensor, labels: Tensor, point: Tensor) -> Tensor:
    """Returns the nodes joined to an endpoint ``(D,)``: nearest nodes, nearest means, and nodes of nearest clusters."""
    distance = _distances(nodes, point[None])[:, 0]
    nearest = (distance.argsort(), middle[distance[middle].argsort()], _first_of_each(labels, distance))
    joined: Tensor = torch.cat([order[: config().sample_graph.neighbours] for order in nearest]).unique()
    return joined


def _first_of_each(labels: Tensor, values: Tensor) -> Tensor:
    """Returns the position of the lowest value of each label, in the order of these values."""
    order = values.argsort(stable=True)
    _, first = np.unique(labels[order].cpu().numpy(), return_index=True)
    places: Tensor = order[torch.as_tensor(np.sort(first), device=order.device)]
    return places


def _without_detours(objective: Objective, path: Tensor) -> tuple[Tensor, int]:
    """Computes the cheapest path along some of the corners ``(m+1, D)`` in order, and the number of points decoded."""
    last, settings = len(path) - 1, config().sample_graph
    if last < 2:
        return path, 0
    ahead = torch.combinations(torch.arange(last + 1, device=path.device))
    ahead = ahead[ahead[:, 1] - ahead[:, 0] <= settings.shortcut]
    cost = path.new_full((last + 1, last + 1), math.inf)
    cost[ahead[:, 0], ahead[:, 1]] = segment_costs(objective, path[ahead], settings.edge_parts, settings.edge_cells)[
        :, 0
    ]
    lowest, via = path.new_zeros(last + 1), [0]
    for j in range(1, last + 1):
        lowest[j], i = (lowest[:j] + cost[:j, j]).min(0)
        via.append(int(i))
    way = [last]
    while way[-1] > 0:
        way.append(via[way[-1]])
    return path[way[::-1]], len(ahead) * (settings.edge_parts + 1)


def _joined(points: Tensor, number: int) -> Tensor:
    """Computes the edges ``(2, E)`` from every point to its nearest ones, each once, the lower number first."""
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
    """Computes the distance of every point ``(n, D)`` to the nearest of ``others``, and its number, ``(n,)`` each."""
    found = [_distances(points[block], others).min(-1) for block in blocks(len(points), max(1, _VALUES // len(others)))]
    return torch.cat([part.values for part in found]), torch.cat([part.indices for part in found])


def _distances(points: Tensor, others: Tensor) -> Tensor:
    """Computes the distances ``(n, m)`` of points ``(n, D)`` from ``others`` ``(m, D)`` without cancellation."""
    far: Tensor = torch.cdist(points, others, compute_mode="donot_use_mm_for_euclid_dist")
    return far
