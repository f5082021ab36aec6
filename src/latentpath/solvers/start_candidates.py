"""The candidates of a multi-start search: starts that are solved on a coarse level and ranked for refinement.

See `latentpath.solvers.multistart` for the starts and their order. Every decision about a start depends on it and on
earlier starts, not on the number of starts, so that more starts never lead to a more expensive path.
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
    """The starts of all pairs and their solves on the coarse level.

    Args:
        objective: the energy.
        line: the straight lines ``(B, K+1, D)``.
        number: the number of starts of each pair, ``n``, the straight line included.
        graph: True for a start along a graph; None for one where it is possible and affordable.
        samples: the number of prior samples.
        seed: the seed of the samples and bends.
        index: the index, whose prior is sampled if it is a `PriorIndex`.
        callback: called after every step.

    Attributes:
        costs: the cost of every start, ``(B, n)``; infinite for dropped ones, NaN for ones not tried.
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
        callback: Callable[[Progress], bool],
    ) -> None:
        self.objective, self.number, self.samples, self.seed, self.callback = objective, number, samples, seed, callback
        self.start, self.end, self.points = line[:, 0], line[:, -1], line.shape[1]
        coarse = max(config().search.coarsest, (self.points - 1) // config().search.coarsening)
        self.segments = min(self.points - 1, coarse)
        self.evaluation_weight = (self.segments + 1) / self.points
        self.index = index if isinstance(index, PriorIndex) else None
        self.graph = self._place_of_graph(graph)
        self.costs = line.new_full((len(line), number), math.nan)
        self.evaluations = line.new_zeros(len(line))
        self._coarse = line.new_zeros(len(line), number, self.segments + 1, line.shape[-1])
        self._along_graph = line.clone()
        self._use_graph = torch.zeros(len(line), dtype=torch.bool, device=line.device)

    def _place_of_graph(self, graph: bool | None) -> int | None:
        """Returns the number of the start along the graph; None without one.

        For an index that runs the generator the default is None: a graph evaluates the index at too many points.
        """
        if self.index is None or graph is False:
            return None
        if graph:
            return min(2, self.number - 1)
        return 2 if self.number > 2 and not self.index.decodes and has_scipy() else None

    def solve(self, remaining: Tensor) -> None:
        """Solves the starts on the coarse level, of each pair as many as ``remaining`` evaluations ``(B,)`` allow."""
        counts = self._affordable(remaining)
        if not bool((counts > 0).any()):
            return
        line = lerp(self.start, self.end, self.segments)
        metric, work = self.objective.metric(line)
        self.evaluations += torch.where(counts > 0, self.evaluation_weight * work, 0)
        each, which = (torch.arange(self.number, device=line.device) < counts[:, None]).nonzero(as_tuple=True)
        begin = self._starts(line, counts)[each, which]
        before = segment_costs(self.objective, begin, config().search.ranking_parts).sum(-1)
        solver, quadrature = LBFGS(1e-3), Quadrature.plain(begin)
        state = solver.init(self.objective, begin, self.evaluation_weight, metric.rows(each), quadrature)
        limit = config().search.evaluations * self.evaluation_weight
        state = run(solver, self.objective, state, max_evaluations=limit, callback=self.callback, phase="search")
        costs = segment_costs(self.objective, state.latents, config().search.ranking_parts).sum(-1)
        better = costs < before
        self._coarse[each, which] = torch.where(better[:, None, None], state.latents, begin)
        self.costs[each, which] = torch.where(better, costs, before).nan_to_num(math.inf, math.inf)
        measured = 2 * (self.segments * config().search.ranking_parts + 1) / 2 / self.points
        self.evaluations.index_add_(0, each, state.evaluations + measured)
        self._compare_with_graph(counts)

    def polylines(self, rows: Tensor, which: Tensor) -> Tensor:
        """Returns the start number ``which`` ``(b,)`` of each of ``rows`` after the coarse level, ``(b, K+1, D)``."""
        self.evaluations[rows] += resampling_points(self.segments) / 2 / self.points
        found = resampled_by_cost(self._coarse[rows, which], self.objective, self.points - 1)
        along_graph = (which == (-1 if self.graph is None else self.graph)) & self._use_graph[rows]
        return torch.where(along_graph[:, None, None], self._along_graph[rows], found)

    def promising(self, single: Tensor, tol: float) -> Tensor:
        """Marks the starts to solve on all segments, ``(B, n)``; ``single`` is the cost from the straight line.

        These starts are cheaper than the coarse minimum of the straight line, or than ``single``, and have fewer than
        two cheaper ones before them. A start whose cost equals an earlier one's has found the same minimum.
        """
        costs = self.costs.nan_to_num(math.inf, math.inf)
        lower = (costs < (1 - config().search.lower) * costs[:, :1]) | (costs < (1 - tol) * single[:, None])
        chosen = torch.zeros_like(lower)
        for i in range(self.number):
            before, cost = torch.where(chosen[:, :i], costs[:, :i], math.inf), costs[:, i : i + 1]
            chosen[:, i] = lower[:, i] & ((before < cost).sum(-1) < config().search.refined) & ~self._same(before, cost)
        return chosen

    def next_across_a_wall(self, number: int, refined: Tensor) -> Tensor:
        """Marks pairs ``(B,)`` whose start ``number`` to refine since all refined earlier ones cross a wall.

        ``refined`` has the costs of the refined starts, ``(B, n)``, NaN for the others.
        """
        costs, earlier = self.costs.nan_to_num(math.inf, math.inf), refined[:, :number]
        failed = torch.where(earlier.isnan(), math.inf, costs[:, :number])
        cost = costs[:, number : number + 1]
        wanted = cost[:, 0].isfinite() & refined[:, number].isnan() & ~earlier.isfinite().any(-1)
        return wanted & ~self._same(failed, cost)

    @staticmethod
    def _same(before: Tensor, cost: Tensor) -> Tensor:
        return ((before - cost).abs() <= config().search.different * cost).any(-1) & cost[:, 0].isfinite()

    def _affordable(self, remaining: Tensor) -> Tensor:
        """Computes the number of starts of every pair within ``remaining``, ``(B,)``: at least two, or none."""
        each = (config().search.evaluations + 1) * self.evaluation_weight + 1
        spare = remaining - self.evaluation_weight - resampling_points(2) / 2 / self.points
        sharing = len(remaining)
        while True:
            graph = 0.0 if self.graph is None else self._graph_evaluations(sharing)
            counts = ((spare - graph) / each).clamp(0, self.number).floor()
            place = self.number if self.graph is None else self.graph
            counts = torch.where(counts > place, counts, (spare / each).floor().clamp(0, place))
            counts = torch.where(counts >= min(2, self.number), counts, 0).long()
            graphed = int((counts > place).sum())
            if graphed in (0, sharing):
                return counts
            sharing = graphed

    def _graph_evaluations(self, pairs: int) -> float:
        """Estimates the path evaluations of the graph for each of ``pairs`` that share it."""
        means = sum(len(mean) for mean in component_means(self.index and self.index.prior, self.samples))
        return points_decoded(self.samples + means, pairs) / 2 / self.points

    def _starts(self, line: Tensor, counts: Tensor) -> Tensor:
        """Computes all starts ``(B, n, k+1, D)``, the straight line first."""
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
                found[-1][rows] = self._graph_starts(rows, known, torch.cat([line[:0, 0], *means]))
        middle = torch.lerp(self.start, self.end, 0.5)
        bumps = (config().search.small_bump, config().search.large_bump)
        hump = torch.sin(math.pi * torch.linspace(0, 1, self.segments + 1, device=line.device).to(line))[:, None]
        for i in range(self.number - len(found)):
            near = line + bumps[i % 2] * hump * (known[i % len(known)] - middle)[:, None]
            found.append(with_interior(line, near[:, 1:-1]))
        return torch.stack(found, dim=1)

    def _graph_starts(self, rows: Tensor, known: Tensor, means: Tensor) -> Tensor:
        """Computes the shortest paths of ``rows`` over the graph ``(b, k+1, D)``; stores them with K segments too."""
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

    def _compare_with_graph(self, counts: Tensor) -> None:
        """Takes the path along the graph with all segments where few segments cut its corners at a higher cost."""
        if self.graph is None:
            return
        rows = (counts > self.graph).nonzero()[:, 0]
        if len(rows) == 0:
            return
        costs = segment_costs(self.objective, self._along_graph[rows], 1).sum(-1)
        self.evaluations[rows] += 0.5
        better = costs < self.costs[rows, self.graph]
        self._use_graph[rows] = better
        self.costs[rows, self.graph] = torch.where(better, costs, self.costs[rows, self.graph])


def has_scipy() -> bool:
    """Returns True if scipy, which the graph needs, is installed."""
    return importlib.util.find_spec("scipy") is not None
