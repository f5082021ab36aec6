r"""Several starts, cheap on a coarse level, the best one refined: which of the local minima is the lowest?

A solver finds the minimum whose valley its start lies in, and from the straight line that need not be the lowest. For
auto-encoders the energy had one minimum from every start tried; for GANs it had many, up to 20 % apart. So:

1. The straight line is solved as ever. Whatever follows, the result never costs more.
2. ``n`` starts of every pair are solved together on ``K/4`` segments, by at most 15 evaluations of such paths, with
   the mean price of every segment in the energy, so that thin barriers are seen. They are ranked by an honest
   cost, :math:`\sum_j \bar w_j |G(y_{j+1}) - G(y_j)|` over the parts :math:`y` of every segment with the mean price on
   each; a start counts as it was where the solver made it dearer.
3. The two best are refined on all ``K`` segments where they promise something: lower than the coarse minimum of the
   straight line by 1 % or more, or lower already than the solved one is. The cheapest of all by the audit is kept.
   (Two, since the coarse ranks are right to a few per cent only; more while all of them cross a wall.)

The starts, in this order:

====================== ===============================================================================================
the straight line      as in the paper
through the mode       start, the point of highest index known (samples, means of the prior), end: straight, a kink
along a graph          the shortest path over samples of the prior (see `graph_paths`); it needs scipy
near a sample          :math:`x(t) = (1-t)a + tb + \lambda \sin(\pi t)\,(s - \tfrac{a+b}2)`, ``s`` a sample of the
                       prior, :math:`\lambda` in turn 0.15 and 0.3
bends                  for an index without a prior: the line plus :math:`\pm |b - a| \sum_m c_m \sin(m \pi t)`
====================== ===============================================================================================

On a DCGAN the small bumps led to the lower minima; starts through the samples (:math:`\lambda = 1`) and large bends
ended about twice as dear as the straight line.

All pairs share the samples and the bends, which depend on the seed alone: a pair gets the same starts in any batch. A
start of infinite cost, across a wall, is dropped.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from .._validate import SEED, Whole, agreed, whole_number
from ..audit import Audit
from ..counts import counted, plural
from ..curves import lerp
from ..errors import InputError, missing
from ..index import PriorIndex
from ..index.rules import draw
from .audited import solve_audited
from .lbfgs import LBFGS
from .preconditioner import Metric
from .problem import Problem, Quadrature
from .protocol import Callback, Outcome, Progress, Solver, State, run, with_interior
from .starts import bends, graph_edges, graph_paths, resampled, resampling_points, segment_costs

__all__ = ["Minima", "Restarts", "search", "spread"]

_COARSER, _COARSEST, _EVALUATIONS = 4, 4, 15.0
_PARTS = 4  # of a segment, to rank by cost
_LOWER, _DIFFERENT = 0.01, 0.002  # relative: what is worth a solve on all segments; what is another minimum
_REFINED, _LEAST = 2, 4  # the most that are refined, and the fewest path evaluations that is begun with
_MOST, _ROUND = 16, 4  # "auto": the most starts, and how many at a time
_BUMPS = (0.15, 0.3)


@dataclass(frozen=True)
class Restarts:
    """How to search for lower minima than the straight line's.

    Attributes:
        starts: how many, the straight line included; ``"auto"`` takes four at a time, until four more have found
            nothing lower by 1 %, and at most 16.
        graph: whether one of them is the shortest path over samples of the prior; None: where there is a prior and
            scipy, from three starts on, but for an index that runs the generator (`ScoreIndex`).
        samples: of the prior, at least 2.
        seed: of the samples and bends.

    Raises:
        InputError: a number out of range.

    Example:
        >>> import torch, latentpath as lp
        >>> index = lp.RealismIndex(lp.priors.standard_normal(2), alpha=1.0)
        >>> ends = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
        >>> path = lp.interpolate(lambda z: z, index, *ends, restarts=lp.Restarts(4, samples=64))
        >>> round(float(path.cost), 2), str(path.found)[:8]  # 8 / 3, through the origin
        (2.67, '4 starts')
    """

    starts: Whole | Literal["auto"] = 8
    graph: bool | None = None
    samples: Whole = 256
    seed: Whole = 0

    def __post_init__(self) -> None:
        whole = {"samples": whole_number("samples", self.samples, 2), "seed": whole_number("seed", self.seed, 0, SEED)}
        if self.starts != "auto":
            whole["starts"] = whole_number("restarts", self.starts, 1, advice='Or "auto", or None for one start.')
        for name, value in whole.items():
            object.__setattr__(self, name, value)
        if self.graph not in (None, True, False):
            raise InputError(f"graph must be True, False or None, got {self.graph!r}")
        if self.graph and self.starts != "auto" and self.starts < 2:
            raise InputError(f"graph=True needs at least two starts, the straight line is the first, got {self.starts}")

    @property
    def most(self) -> int:
        """The most starts that one pair gets."""
        return _MOST if self.starts == "auto" else self.starts

    @classmethod
    def of(cls, asked: object, seed: object) -> Restarts:
        """The search that the arguments ``restarts`` and ``seed`` of `latentpath.interpolate` ask for.

        Raises:
            InputError: an argument out of range, or a seed beside a `Restarts` that carries another one.
        """
        if isinstance(asked, Restarts):
            agreed("seed", seed, asked.seed, asked)
            return asked
        return cls(1 if asked is None else asked, seed=0 if seed is None else seed)  # type: ignore[arg-type]

    def check(self, index: object) -> None:
        """Refuse a graph where there is no prior to sample, or no scipy.

        Raises:
            InputError: the index is a callable.
            MissingDependencyError: scipy is not installed.
        """
        if not self.graph:
            return
        if not isinstance(index, PriorIndex):
            raise InputError(
                "graph=True needs a prior that can be sampled, and a callable index has none: pass the distribution "
                "or a RealismIndex as the prior, or leave graph out"
            )
        if not _has_scipy():
            raise missing("scipy", "search", "Restarts(graph=True)")


@dataclass(frozen=True)
class Minima:
    """What a search found for ``B`` pairs.

    Attributes:
        relative: the coarse costs of the minima that the starts led to, sorted, over the lowest, ``(B, n)``; infinite
            for starts that were dropped, NaN for those that were not tried.
        lowered: by how much of the single start's audited cost the path is below it, ``(B,)``; 0 where nothing lower
            was found, 1 where the single start's was infinite.
    """

    relative: Float[Tensor, "B n"]
    lowered: Float[Tensor, " B"]

    def rows(self, rows: list[int]) -> Minima:
        """That of some of the pairs."""
        return Minima(self.relative[rows], self.lowered[rows])

    def __str__(self) -> str:
        pairs, starts = len(self.lowered), (~self.relative.isnan()).sum(-1).tolist()
        few, many = min(starts), max(starts)
        if many == 0:
            return "no other start was tried"
        tried = counted(many, "start") if few == many else f"{few} to {many} starts"
        better = self.lowered[self.lowered > 0]
        if len(better) == 0:
            verdict = "found nothing lower"
        else:
            verdict = (
                f"{len(better)} of {pairs} {plural(pairs, 'pair')} improved, by {float(better.mean()):.1%} on average"
            )
        return f"{tried}: {verdict}; local minima lay up to {float(spread(self.relative).max()):.0%} apart"


def spread(relative: Float[Tensor, "B n"]) -> Float[Tensor, " B"]:
    """How far apart the local minima of every pair were: the highest over the lowest, less 1; 0 for a single one."""
    return torch.where(relative.isfinite(), relative - 1, 0).amax(-1)


def search(
    solver: Solver[Any],
    problem: Problem,
    latents: Tensor,
    audit: Callable[[Tensor], Audit],
    restarts: Restarts,
    index: object,
    *,
    max_evaluations: float | None = None,
    max_total: float | None = None,
    callback: Callback | None = None,
) -> tuple[State, Audit, Minima]:
    """`solve_audited`, then from other starts too: the cheapest of what was found.

    Args:
        solver: any `Solver`, for the solves on all segments.
        problem: the energy.
        latents: the straight lines ``(B, K+1, D)``.
        audit: the audit of polylines ``(b, K+1, D)``.
        restarts: how many starts, and which.
        index: of the prior whose samples the starts go through, if it is a `PriorIndex`.
        max_evaluations: the path evaluations each path may spend from one start; None for no limit.
        max_total: those it may spend in all; None for no limit.
        callback: told after every step, in the search too, where the paths are coarse and several belong to one pair;
            a true answer stops everything.

    Returns:
        The state and the audit of the best path of each pair, and how far apart the minima were. The evaluations
        count all work, what all pairs share in equal parts: a path of ``k`` segments counts ``(k+1)/(K+1)``, a forward
        pass alone half as much.
    """
    listen = Listener(callback)
    state, facts = solve_audited(solver, problem, latents, audit, max_evaluations=max_evaluations, callback=listen)
    single, total = facts.cost.clone(), math.inf if max_total is None else max_total
    hunt = _Hunt(problem, latents, restarts, index, listen)
    hunt.run(total - state.evaluations)
    state.evaluations += hunt.evaluations
    tol = getattr(solver, "tol", 1e-3)
    for number, (best, costs) in enumerate(hunt.best(restarts.most)):
        promising = (costs < (1 - _LOWER) * hunt.costs[:, 0]) | (costs < (1 - tol) * single)
        if number >= _REFINED:  # only where those before are drawn across a wall on K segments
            promising &= facts.cost.isinf() & costs.isfinite()
        for rows, most in affordable(promising, total - state.evaluations, max_evaluations):
            if listen.stopped:
                break
            begin = resampled(best[rows], problem, latents.shape[1] - 1)
            finer, found = solve_audited(solver, problem, begin, audit, max_evaluations=most, callback=listen)
            state.evaluations[rows] += finer.evaluations
            facts = adopt_cheaper(state, facts, rows, finer, found)
    lowered = torch.where(facts.cost < single, torch.where(single.isfinite(), 1 - facts.cost / single, 1), 0)
    ranked = hunt.costs.sort(-1).values
    relative = torch.where(ranked == ranked[:, :1], torch.where(ranked.isinf(), torch.inf, 1), ranked / ranked[:, :1])
    return state, facts, Minima(torch.where(ranked.isnan(), torch.nan, relative), lowered)


def affordable(wanted: Tensor, left: Tensor, most: float | None) -> Iterator[tuple[Tensor, float]]:
    """The rows of the paths ``wanted``, and what each may spend: together where ``most`` is left, else on their own."""
    limit = math.inf if most is None else most
    together = (wanted & (left >= limit)).nonzero()[:, 0]
    if len(together) > 0:
        yield together, limit
    for row in (wanted & (left < limit) & (left >= _LEAST)).nonzero():
        yield row, float(left[row])


class Listener:
    """A callback that remembers whether it was asked to stop, and then keeps saying so."""

    def __init__(self, callback: Callback | None) -> None:
        self.callback, self.stopped = callback, False

    def __call__(self, progress: Progress) -> bool:
        self.stopped = self.stopped or bool(self.callback is not None and self.callback(progress))
        return self.stopped


def adopt_cheaper(state: State, facts: Audit, rows: Tensor, finer: State, found: Audit) -> Audit:
    """Take over into ``state`` those of the paths ``rows`` that the audit finds cheaper; returns the audit with theirs.

    One that is hardly cheaper has found the same minimum again, more exactly drawn: where it has stalled, for the
    solver could not draw it any better than its start did, the outcome stays what it was.
    """
    chosen = found.cost < facts.cost[rows]
    same = (finer.outcome == Outcome.STALLED) & (found.cost >= (1 - _LOWER) * facts.cost[rows])
    outcome = torch.where(same, state.outcome[rows], finer.outcome)
    good = state.keep(rows, chosen, finer.latents, finer)
    state.gain[good], state.outcome[good] = finer.gain[chosen], outcome[chosen]
    return facts.with_rows(good, found.rows(chosen))


class _Hunt:
    """The starts of all pairs and what became of them on the coarse level.

    Attributes:
        costs: of every start, ``(B, n)``; infinite where it was dropped, NaN where it was not tried.
        found: the coarse polylines, ``(B, n, k+1, D)``.
        evaluations: path evaluations spent, ``(B,)``.
    """

    def __init__(self, problem: Problem, line: Tensor, restarts: Restarts, index: object, listen: Listener) -> None:
        self.problem, self.restarts, self.listen = problem, restarts, listen
        self.start, self.end, self.points = line[:, 0], line[:, -1], line.shape[1]
        self.segments = min(self.points - 1, max(_COARSEST, (self.points - 1) // _COARSER))
        self.unit = (self.segments + 1) / self.points
        self.index = index if isinstance(index, PriorIndex) else None
        count, most = len(line), restarts.most
        self.costs = line.new_full((count, most), math.nan)
        self.found = line.new_zeros(count, most, self.segments + 1, line.shape[-1])
        self.evaluations = line.new_zeros(count)

    def run(self, left: Tensor) -> None:
        """Try the starts of the pairs that have evaluations ``left`` ``(B,)``, as many at a time as are asked for."""
        line = lerp(self.start, self.end, self.segments)
        most = self.restarts.most
        at_once = _ROUND if self.restarts.starts == "auto" else most
        rows = torch.arange(len(line), device=line.device)
        tries: Tensor | None = None
        for first in range(0, most, at_once):
            last = min(first + at_once, most)
            rows = rows[left[rows] - self.evaluations[rows] >= self._price(last - first, first == 0, len(line))]
            if len(rows) == 0 or self.listen.stopped:
                return
            if tries is None:  # what follows is needed at all
                metric, work = self.problem.metric(line)
                self.evaluations += self.unit * work
                tries = self._starts(line)
            before = self._lowest(rows)
            self._solve(rows, first, tries[rows, first:last], metric.rows(rows))
            bar = self.costs[rows, 0] if first == 0 else before
            rows = rows[self._lowest(rows) < (1 - _LOWER) * bar]
            if self.restarts.starts != "auto":
                return

    def best(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """One after the other the cheapest coarse polylines ``(B, k+1, D)`` of each pair, and their cost ``(B,)``.

        The cost is infinite where there is none any more; one that costs what a cheaper one does is passed over.
        """
        costs = self.costs.nan_to_num(math.inf, math.inf)
        every = torch.arange(len(costs), device=costs.device)
        for _ in range(number):
            cheapest, which = costs.min(-1)
            yield self.found[every, which], cheapest
            costs = torch.where(costs <= (1 + _DIFFERENT) * cheapest[:, None], torch.inf, costs)

    def _lowest(self, rows: Tensor) -> Tensor:
        return self.costs[rows].nan_to_num(math.inf, math.inf).amin(-1)

    def _price(self, starts: int, first: bool, pairs: int) -> float:
        """About the path evaluations of the next round."""
        graph = graph_edges(self.restarts.samples) / 2 / self.points / pairs if first and self._graphed() else 0.0
        return starts * (_EVALUATIONS + 1) * self.unit + starts + graph

    def _solve(self, rows: Tensor, first: int, starts: Tensor, metric: Metric) -> None:
        """The starts ``(b, n, k+1, D)`` of ``rows``, all in one batch, ``first`` the number of the first of them."""
        count, number = starts.shape[:2]
        flat = starts.flatten(0, 1)
        costs = segment_costs(self.problem, flat, _PARTS).sum(-1)
        each = torch.arange(count, device=flat.device).repeat_interleave(number)
        solver = LBFGS(1e-3)
        state = solver.init(self.problem, flat, unit=self.unit, metric=metric.rows(each), rule=Quadrature.plain(flat))
        state = run(solver, self.problem, state, max_evaluations=_EVALUATIONS * self.unit, callback=self.listen)
        solved = segment_costs(self.problem, state.latents, _PARTS).sum(-1)
        better = solved < costs
        last = first + number
        self.found[rows, first:last] = torch.where(better[:, None, None], state.latents, flat).unflatten(0, (count, -1))
        costs = torch.where(better, solved, costs).nan_to_num(math.inf, math.inf)
        self.costs[rows, first:last] = costs.unflatten(0, (count, -1))
        measured = 2 * (self.segments * _PARTS + 1) / 2 / self.points
        self.evaluations[rows] += state.evaluations.unflatten(0, (count, -1)).sum(-1) + number * measured

    def _starts(self, line: Tensor) -> Tensor:
        """All starts ``(B, n, k+1, D)``, the straight line first."""
        most, found = self.restarts.most, [line]
        if self.index is None:
            found += list(bends(line, most - 1, self.restarts.seed))
            return torch.stack(found, dim=1)
        known = draw(self.index.prior, self.index.dim, self.restarts.samples, self.restarts.seed).to(line)
        nodes = torch.cat([known, *(mean.to(line) for mean in _means(self.index.prior))])
        if most > 1 + (self.restarts.graph is True):
            mode = nodes[self.problem.log_index(nodes).argmax()].expand_as(self.start)
            kinked = torch.stack([self.start, mode, self.end], dim=1)
            found.append(resampled(kinked, self.problem, self.segments))
            self.evaluations += resampling_points(2) / 2 / self.points
        if self._graphed():
            found.append(self._along_graph(nodes))
        middle = torch.lerp(self.start, self.end, 0.5)
        hump = torch.sin(math.pi * torch.linspace(0, 1, self.segments + 1, device=line.device).to(line))[:, None]
        for i in range(most - len(found)):
            near = line + _BUMPS[i % 2] * hump * (known[i % len(known)] - middle)[:, None]
            found.append(with_interior(line, near[:, 1:-1]))
        return torch.stack(found, dim=1)

    def _graphed(self) -> bool:
        if self.index is None or self.restarts.graph is False:
            return False
        cheap = not self.index.decodes  # a graph asks it some ten thousand times
        return self.restarts.graph is True or (cheap and self.restarts.most >= 3 and _has_scipy())

    def _along_graph(self, nodes: Tensor) -> Tensor:
        """The shortest paths over the graph, with ``k`` segments ``(B, k+1, D)``."""
        paths, decoded = graph_paths(self.problem, nodes, self.start, self.end)
        self.evaluations += decoded / 2 / self.points / len(paths)
        found = []
        for path in paths:
            found.append(resampled(path[None], self.problem, self.segments)[0])
            self.evaluations += resampling_points(len(path) - 1) / 2 / self.points / len(paths)
        return torch.stack(found)


def _has_scipy() -> bool:
    return importlib.util.find_spec("scipy") is not None


def _means(prior: object) -> list[Tensor]:
    """The mean of a prior and those of its components, ``(m, D)`` each, as far as it has any."""
    found = []
    for part in (prior, getattr(prior, "component_distribution", None)):
        try:
            mean = getattr(part, "mean", None)
        except NotImplementedError:
            continue
        if isinstance(mean, Tensor):
            found.append(mean.detach().reshape(-1, mean.shape[-1]))
    return found
