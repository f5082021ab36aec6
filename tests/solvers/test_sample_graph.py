"""The search over priors that fall into clusters: the graph of samples is connected, and finds the way through them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal, constraints

import latentpath as lp
from closed_forms import flat, identity, tensor
from latentpath.solvers import Objective, graph_paths
from latentpath.solvers.sample_graph import _bridges, _clusters, _edges, component_means, graph_points


def mixture(means: Tensor, width: float, weights: Tensor | None = None) -> MixtureSameFamily:
    """A mixture of round normals."""
    weights = torch.ones(len(means), dtype=means.dtype) if weights is None else weights
    return MixtureSameFamily(Categorical(weights), Independent(Normal(means, torch.full_like(means, width)), 1))


def arc(count: int, degrees: float, radius: float = 2.0) -> Tensor:
    angle = torch.linspace(0, math.radians(degrees), count, dtype=torch.float64)
    return radius * torch.stack([angle.cos(), angle.sin()], dim=1)


def spiral(count: int) -> Tensor:
    angle = 4 * math.pi * torch.linspace(0.1, 1, count, dtype=torch.float64).sqrt()
    return (0.25 * angle)[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)


def moons() -> Tensor:
    """Two half circles that reach into each other, far enough apart for the way to follow one of them."""
    upper = arc(12, 180, 1.5)
    return torch.cat([upper, tensor(1.5, 0.75) - upper])


def walk(count: int, dim: int) -> Tensor:
    """Clusters in many dimensions, each near the one before."""
    random = torch.Generator().manual_seed(1)
    return 0.35 * torch.randn(count, dim, generator=random, dtype=torch.float64).cumsum(0)


class Opaque(Distribution):
    """A prior of which nothing is known but its density and its samples."""

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012

    def __init__(self, inner: Distribution) -> None:
        super().__init__(event_shape=inner.event_shape, validate_args=False)
        self._inner = [inner]

    def log_prob(self, value: Tensor) -> Tensor:
        found: Tensor = self._inner[0].log_prob(value)
        return found

    def sample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        found: Tensor = self._inner[0].sample(torch.Size(sample_shape))
        return found


@pytest.mark.parametrize(
    ("means", "width", "last", "restarts"),
    [
        (arc(24, 320), 0.1, 23, "auto"),
        (moons(), 0.08, 11, 3),
        (spiral(22), 0.12, 21, 3),
        (walk(8, 10), 0.1, 7, 3),
    ],
    ids=["arc, auto", "moons", "spiral", "ten dimensions"],
)
def test_the_search_finds_the_way_from_cluster_to_cluster(
    means: Tensor, width: float, last: int, restarts: Any
) -> None:
    """The path is at most as expensive as the straight pieces between the centres, in the order of the clusters."""
    index = lp.RealismIndex(mixture(means, width))
    along = lp.audit(means[None, : last + 1], identity, index).cost
    path = lp.interpolate(identity, index, means[0], means[last], restarts=restarts)
    assert float(path.cost) <= float(along) * 1.001


def test_a_ring_of_clusters_is_not_cut_open() -> None:
    """From the first cluster to the twelfth of twenty, the shorter way leads over the gap between first and last."""
    means = arc(20, 342)
    index = lp.RealismIndex(mixture(means, 0.09))
    around = means[[0, *range(19, 10, -1)]]
    path = lp.interpolate(identity, index, means[0], means[11], restarts=lp.Restarts(3))
    assert float(path.cost) <= float(lp.audit(around[None], identity, index).cost) * 1.001
    assert float(path.latents[0, :, 1].min()) < -1.8, "round the other side"


def test_a_cluster_of_small_weight_is_a_stepping_stone_even_if_its_mean_is_unknown() -> None:
    means = arc(7, 200)
    weights = torch.ones(7, dtype=torch.float64)
    weights[3] = 0.06  # a hundredth of all
    index = lp.RealismIndex(Opaque(mixture(means, 0.12, weights)))
    assert component_means(index.prior, 10) == []
    along = lp.audit(means[None], identity, index).cost
    path = lp.interpolate(identity, index, means[0], means[-1], segments=30, restarts=lp.Restarts(3, samples=64))
    assert float(path.cost) <= float(along) * 1.01


def test_samples_are_added_where_the_known_ones_leave_a_cluster_out() -> None:
    means = torch.stack([tensor(0, 0), tensor(6, 0)])
    prior = mixture(means, 0.3, tensor(0.99, 0.01))
    index = lp.RealismIndex(prior)
    known = 0.3 * torch.randn(64, 2, dtype=torch.float64)  # none of the small cluster
    added = graph_points(index, known, seed=0)
    assert 0 < len(added) <= 16
    assert (added[:, 0] > 4).any()
    covered = graph_points(lp.RealismIndex(mixture(means[:1], 0.3)), known, seed=0)
    assert (covered.norm(dim=1) > 0.3).all(), "what is added lies at the rim"


@pytest.mark.parametrize("dim", [1, 2, 10])
@pytest.mark.parametrize("count", [2, 5, 30])
def test_the_graph_is_connected_and_both_ends_are_in_it(count: int, dim: int) -> None:
    random = torch.Generator().manual_seed(count * dim)
    centres = 50 * torch.randn(count, 1, dim, generator=random, dtype=torch.float64)
    nodes = (centres + torch.randn(count, 12, dim, generator=random, dtype=torch.float64)).flatten(0, 1)
    start, end = 60 * torch.randn(2, 3, dim, generator=random, dtype=torch.float64)
    inner, outer = _edges(nodes, torch.arange(0), start, end)
    rows, columns = torch.cat([inner, outer], dim=1).numpy()
    size = len(nodes) + 6
    graph = csr_array((torch.ones(len(rows)).numpy(), (rows, columns)), shape=(size, size))
    assert connected_components(graph, directed=False)[0] == 1
    for place in range(len(nodes), size):
        assert (outer == place).sum() > 1, "an end has more edges than the one to its partner"


def test_bridges_are_the_shortest_edges_between_clusters() -> None:
    random = torch.Generator().manual_seed(3)
    nodes = torch.cat([torch.rand(20, 2, generator=random, dtype=torch.float64) + tensor(x, 0) for x in (0, 4, 9)])
    labels = _clusters(nodes)
    assert labels.unique().tolist() == [0, 1, 2]
    far = torch.cdist(nodes, nodes)
    for one, other in _bridges(nodes, labels).T.tolist():
        between = far[labels == labels[one]][:, labels == labels[other]]
        assert float(far[one, other]) == pytest.approx(float(between.min()))


def test_one_cluster_has_no_bridges_and_repeated_points_do_no_harm() -> None:
    nodes = torch.rand(40, 2, dtype=torch.float64)
    assert _bridges(nodes, torch.zeros(40, dtype=torch.long)).shape == (2, 0)
    repeated = torch.cat([tensor(0, 0).expand(9, 2), tensor(3, 0).expand(9, 2)])
    (path,), _ = graph_paths(Objective(identity, flat), repeated, tensor(-1, 0)[None], tensor(4, 0)[None])
    assert float(path.diff(dim=0).norm(dim=1).sum()) == pytest.approx(5.0)


def test_the_means_of_a_mixture_of_very_many_are_thinned_out() -> None:
    means = torch.arange(5000.0)[:, None].expand(-1, 2)
    found = component_means(mixture(means, 1.0), 256)
    assert len(found) == 2
    assert len(found[0]) == 1
    assert 128 < len(found[1]) <= 256
    assert float(found[1].max()) > 4900


def test_a_graph_over_a_flat_plane_gives_the_straight_line() -> None:
    nodes = torch.rand(60, 2, dtype=torch.float64)
    start, end = torch.rand(2, 5, 2, dtype=torch.float64)
    paths, _ = graph_paths(Objective(identity, flat), nodes, start, end)
    for path, a, b in zip(paths, start, end, strict=True):
        assert torch.equal(path, torch.stack([a, b]))


def test_a_graph_finds_the_cheapest_way_through_given_points() -> None:
    """Price 1 on the corners of a detour, 10 elsewhere: by hand the detour costs less."""

    def log_index(z: Tensor) -> Tensor:
        return torch.where(z[..., 1] >= 1, -1.0, -10.0).to(z)

    nodes = torch.stack([tensor(0, 1), tensor(2, 1), tensor(4, 1), tensor(2, 0.5)])
    (path,), _ = graph_paths(Objective(identity, log_index), nodes, tensor(-0.1, 1)[None], tensor(4.1, 1.2)[None])
    direct = float(torch.cat([path.diff(dim=0).norm(dim=-1).sum()[None]]))
    assert direct == pytest.approx(math.hypot(4.2, 0.2))
    (path,), _ = graph_paths(Objective(identity, log_index), nodes, tensor(0, 0)[None], tensor(4, 0)[None])
    assert path.tolist() == [[0, 0], [0, 1], [4, 1], [4, 0]] or path.tolist() == [
        [0, 0],
        [0, 1],
        [2, 1],
        [4, 1],
        [4, 0],
    ]
