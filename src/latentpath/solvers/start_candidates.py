"""The starts of a multi-start search, solved on a coarse level, and which of them are worth a solve on all segments.

See `latentpath.solvers.multistart` for the starts and their order. Everything that is decided about a start depends on
it and on the starts before it, never on how many follow: the first eight of sixteen starts are what eight starts are,
and so are the ones that are refined. That is why more starts never find less.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..curves import lerp
from ..index import PriorIndex
from ..index.prior_adapter import draw
from .configuration import config
from .initial_paths import bends, resampled_by_cost, resampling_points, segment_costs
from .lbfgs import LBFGS
from .objective import Objective
from .protocol import Progress, run, with_interior
from .quadrature import Quadrature
from .sample_graph import component_means, graph_paths, graph_points, points_decoded

__all__ = ["Candidates", "has_scipy"]


class Candidates:
    """The starts of all pairs and what became of them on the coarse level.

    Args:
        objective: the energy.
        line: the straight lines ``(B, K+1, D)``.
        number: the starts of each pair, ``n``, the straight line included.
        graph: whether one of them goes along a graph; None where that is possible and affordable.
        samples: of the prior.
        seed: of the samples and bends.
        index: of the prior whose samples the starts go through, if it is a `PriorIndex`.
        listen: told after every step.

    Attributes:
        costs: of every start, ``(B, n)``; infinite where it was dropped, NaN where it was not tried.
        evaluations: path evaluations spent, ``(B,)``.
    """

    def __init__(
        self,
        objective: Objective,
        line: Tensor,
        number: int,
        graph: bool | None,
        samples: int,
        seed: int,
        index: object,
        listen: Callable[[Progress], bool],
    ) -> None:
        self.objective, self.number, self.samples, self.seed, self.listen = objective, number, samples, seed, listen
        self.start, self.end, self.points = line[:, 0], line[:, -1], line.shape[1]
        self.segments = min(
            self.points - 1, max(config().search.coarsest, (self.points - 1) // config().search.coarsening)
        )
        self.evaluation_weight = (self.segments + 1) / self.points
        self.index = index if isinstance(index, PriorIndex) else None
        self.graph = self._place_of_graph(graph)
        self.costs = line.new_full((len(line), number), math.nan)
        self.evaluations = line.new_zeros(len(line))
        self._coarse = line.new_zeros(len(line), number, self.segments + 1, line.shape[-1])
        self._along_graph = line.clone()
        self._graph_counts = torch.zeros(len(line), dtype=torch.bool, device=line.device)

    def _place_of_graph(self, graph: bool | None) -> int | None:
        """The number of the start along the graph; None where there is none.

        An index that runs the generator has none unless it is asked for: a graph asks the index ten thousand times.
        """
        if self.index is None or graph is False:
            return None
        if graph:
            return min(2, self.number - 1)
        return 2 if self.number > 2 and not self.index.decodes and has_scipy() else None

    def solve(self, left: Tensor) -> None:
        """Solve the starts on the coarse level, of each pair as many as evaluations ``left`` ``(B,)`` allow."""
        counts = self._affordable(left)
        if not bool((counts > 0).any()):
            return
        line = lerp(self.start, self.end, self.segments)
        metric, work = self.objective.metric(line)
        self.evaluations += torch.where(counts > 0, self.evaluation_weight * work, 0)
        each, which = (torch.arange(self.number, device=line.device) < counts[:, None]).nonzero(as_tuple=True)
        begin = self._starts(line, counts)[each, which]
        before = segment_costs(self.objective, begin, config().search.ranking_parts).sum(-1)
        solver, quadrature = LBFGS(1e-3), Quadrature.plain(begin)
        state = solver.init(
            self.objective,
            begin,
            evaluation_weight=self.evaluation_weight,
            metric=metric.rows(each),
            quadrature=quadrature,
        )
        state = run(
            solver,
            self.objective,
            state,
            max_evaluations=config().search.evaluations * self.evaluation_weight,
            callback=self.listen,
            phase="search",
        )
        costs = segment_costs(self.objective, state.latents, config().search.ranking_parts).sum(-1)
        better = costs < before
        self._coarse[each, which] = torch.where(better[:, None, None], state.latents, begin)
        self.costs[each, which] = torch.where(better, costs, before).nan_to_num(math.inf, math.inf)
        measured = 2 * (self.segments * config().search.ranking_parts + 1) / 2 / self.points
        self.evaluations.index_add_(0, each, state.evaluations + measured)
        self._compare_graph(counts)

    def polylines(self, rows: Tensor, which: Tensor) -> Tensor:
        """The start number ``which`` ``(b,)`` of each of ``rows`` as it is after the coarse level, ``(b, K+1, D)``."""
        self.evaluations[rows] += resampling_points(self.segments) / 2 / self.points
        found = resampled_by_cost(self._coarse[rows, which], self.objective, self.points - 1)
        raw = (which == (-1 if self.graph is None else self.graph)) & self._graph_counts[rows]
        return torch.where(raw[:, None, None], self._along_graph[rows], found)

    def promising(self, single: Tensor, tol: float) -> Tensor:
        """Which starts are worth a solve on all segments, ``(B, n)``, where the straight line's ended at ``single``.

        Those that are lower than the coarse minimum of the straight line, or than ``single`` already, and have fewer
        than two cheaper ones before them. One of them that costs what an earlier one does has found the same minimum.
        """
        costs = self.costs.nan_to_num(math.inf, math.inf)
        lower = (costs < (1 - config().search.lower) * costs[:, :1]) | (costs < (1 - tol) * single[:, None])
        chosen = torch.zeros_like(lower)
        for i in range(self.number):
            before, cost = torch.where(chosen[:, :i], costs[:, :i], math.inf), costs[:, i : i + 1]
            chosen[:, i] = lower[:, i] & ((before < cost).sum(-1) < config().search.refined) & ~self._same(before, cost)
        return chosen

    def next_across_a_wall(self, number: int, refined: Tensor) -> Tensor:
        """Which pairs ``(B,)`` should have start ``number`` refined, since all earlier ones that were cross a wall.

        ``refined`` has the costs of those that were refined, ``(B, n)``, NaN for the others.
        """
        costs, earlier = self.costs.nan_to_num(math.inf, math.inf), refined[:, :number]
        failed = torch.where(earlier.isnan(), math.inf, costs[:, :number])
        cost = costs[:, number : number + 1]
        wanted = cost[:, 0].isfinite() & refined[:, number].isnan() & ~earlier.isfinite().any(-1)
        return wanted & ~self._same(failed, cost)

    @staticmethod
    def _same(before: Tensor, cost: Tensor) -> Tensor:
        return ((before - cost).abs() <= config().search.different * cost).any(-1) & cost[:, 0].isfinite()

    def _affordable(self, left: Tensor) -> Tensor:
        """How many starts of every pair ``left`` pays for, ``(B,)``: at least two, or none."""
        each = (config().search.evaluations + 1) * self.evaluation_weight + 1
        spare = left - self.evaluation_weight - resampling_points(2) / 2 / self.points
        sharing = len(left)
        while True:
            graph = 0.0 if self.graph is None else self._graph_price(sharing)
            counts = ((spare - graph) / each).clamp(0, self.number).floor()
            place = self.number if self.graph is None else self.graph
            counts = torch.where(counts > place, counts, (spare / each).floor().clamp(0, place))
            counts = torch.where(counts >= min(2, self.number), counts, 0).long()
            graphed = int((counts > place).sum())
            if graphed in (0, sharing):
                return counts
            sharing = graphed

    def _graph_price(self, pairs: int) -> float:
        """About the path evaluations that the graph takes of each of ``pairs`` that share it."""
        means = sum(len(mean) for mean in component_means(self.index and self.index.prior, self.samples))
        return points_decoded(self.samples + means, pairs) / 2 / self.points

    def _starts(self, line: Tensor, counts: Tensor) -> Tensor:
        """All starts ``(B, n, k+1, D)``, the straight line first."""
        if self.index is None:
            return torch.stack([line, *bends(line, self.number - 1, self.seed)], dim=1)
        known = draw(self.index.prior, self.index.dim, self.samples, self.seed).to(line)
        means = [mean.to(line) for mean in component_means(self.index.prior, self.samples)]
        found = [line]
        if self.number > 1 and self.graph != 1:
            nodes = torch.cat([known, *means])
            mode = nodes[self.objective.log_index(nodes).argmax()].expand_as(self.start)
            kinked = torch.stack([self.start, mode, self.end], dim=1)
            found.append(resampled_by_cost(kinked, self.objective, self.segments))
            self.evaluations += torch.where(counts > 1, resampling_points(2) / 2 / self.points, 0)
        if self.graph is not None:
            found.append(line.clone())
            rows = (counts > self.graph).nonzero()[:, 0]
            if len(rows) > 0:
                found[-1][rows] = self._graphed(rows, known, torch.cat([line[:0, 0], *means]))
        middle = torch.lerp(self.start, self.end, 0.5)
        bumps = (config().search.small_bump, config().search.large_bump)
        hump = torch.sin(math.pi * torch.linspace(0, 1, self.segments + 1, device=line.device).to(line))[:, None]
        for i in range(self.number - len(found)):
            near = line + bumps[i % 2] * hump * (known[i % len(known)] - middle)[:, None]
            found.append(with_interior(line, near[:, 1:-1]))
        return torch.stack(found, dim=1)

    def _graphed(self, rows: Tensor, known: Tensor, means: Tensor) -> Tensor:
        """The shortest paths over the graph of ``rows``, with ``k`` segments ``(b, k+1, D)``; kept with ``K``, too."""
        assert self.index is not None
        nodes = torch.cat([known, graph_points(self.index, known, self.seed)])
        paths, decoded = graph_paths(self.objective, nodes, self.start[rows], self.end[rows], means)
        found, share = [], 1 / 2 / self.points / len(rows)
        for row, path in zip(rows.tolist(), paths, strict=True):
            found.append(resampled_by_cost(path[None], self.objective, self.segments)[0])
            self._along_graph[row] = resampled_by_cost(path[None], self.objective, self.points - 1)[0]
            decoded += 2 * resampling_points(len(path) - 1)
        self.evaluations[rows] += decoded * share
        return torch.stack(found)

    def _compare_graph(self, counts: Tensor) -> None:
        """Where few segments cut the corners of the way along the graph, take the way itself, with all segments."""
        if self.graph is None:
            return
        rows = (counts > self.graph).nonzero()[:, 0]
        if len(rows) == 0:
            return
        costs = segment_costs(self.objective, self._along_graph[rows], 1).sum(-1)
        self.evaluations[rows] += 0.5
        better = costs < self.costs[rows, self.graph]
        self._graph_counts[rows] = better
        self.costs[rows, self.graph] = torch.where(better, costs, self.costs[rows, self.graph])


def has_scipy() -> bool:
    """Whether scipy, which the graph needs, is installed."""
    return importlib.util.find_spec("scipy") is not None
