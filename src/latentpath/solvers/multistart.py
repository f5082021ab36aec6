r"""Multi-start: several starts solved on a coarse level, of which the best are refined, to find lower local minima.

The minimum that a solver finds depends on its start, and the straight line need not lead to the lowest one. So:

1. The straight line is solved as without multi-start. The result never costs more than its path.
2. ``n`` starts of every pair are solved together on ``K/4`` segments, by at most 15 evaluations each, with the mean
   price of every segment in the energy, which shows thin barriers. They are ranked by
   :math:`\sum_j \bar w_j |G(y_{j+1}) - G(y_j)|` over the parts :math:`y` of every segment with the mean price on each;
   a start that the solver made more expensive is ranked unsolved.
3. Starts that are at least 1 % cheaper than the coarse minimum of the straight line, or cheaper than its path already,
   are refined on all ``K`` segments. Coarse ranks are right to a few per cent, so a start with two or more cheaper ones
   *before it* is skipped; so is one whose cost equals an earlier one's. Where all refined paths cross a wall, further
   starts follow until one does not. The cheapest path by the audit is the result.

The treatment of a start depends on earlier starts alone. So more starts never lead to a more expensive path, for a
given seed and without a limit of evaluations. ``"auto"`` takes all 16, except for pairs whose straight line already has
the lowest possible cost :math:`-\log\alpha\,|G(b) - G(a)|`, the price at the mode times the distance of the ends. A
limit of evaluations reduces the number of starts, to leave evaluations for refinement.

The starts, in this order:

====================== ===============================================================================================
the straight line      as in the paper
through the mode       straight through the point of highest index among samples and means of the prior
along a graph          the shortest path over samples of the prior (`latentpath.solvers.sample_graph`); it needs scipy
near a sample          :math:`x(t) = (1-t)a + tb + \lambda \sin(\pi t)\,(s - \tfrac{a+b}2)`, ``s`` a sample of the
                       prior, :math:`\lambda` small (0.15 and 0.3 in turn): large ones lead to expensive paths
bends                  for an index without a prior: the line plus :math:`\pm |b - a| \sum_m c_m \sin(m \pi t)`
====================== ===============================================================================================

All pairs share the samples and the bends, which depend on the seed alone: a pair gets the same starts in any batch. A
start of infinite cost, across a wall, is dropped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from .._validate import SEED, Whole, agreed, describe, whole_number
from .._words import counted, plural
from ..audit import Audit
from ..errors import InputError, missing
from ..index import PriorIndex
from .configuration import config
from .objective import Objective
from .outcome import Outcome
from .protocol import Callback, Listener, Solver, State
from .refinement import solve_audited
from .start_candidates import Candidates, has_scipy

__all__ = ["Listener", "Multistart", "Restarts", "adopt_cheaper", "affordable", "search"]


@dataclass(frozen=True)
class Restarts:
    """The settings of a multi-start search.

    Attributes:
        starts: the number of starts, the straight line included; ``"auto"`` takes 16, or none where the straight line
            has the lowest possible cost.
        graph: True to start from the shortest path over samples of the prior too; None for True if there is a prior
            and scipy, from three starts on, but for an index that runs the generator (`ScoreIndex`).
        samples: the number of prior samples, at least 2; the graph also has the means of the prior's components, and
            up to a quarter more samples where these leave a part of the prior uncovered.
        seed: the seed of the samples and bends.

    Raises:
        InputError: a number out of range.

    Example:
        >>> import torch, latentpath as lp
        >>> index = lp.RealismIndex(lp.priors.standard_normal(2), alpha=1.0)
        >>> ends = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
        >>> path = lp.interpolate(lambda z: z, index, *ends, restarts=lp.Restarts(4, samples=64))
        >>> round(float(path.cost), 2), str(path.multistart)[:8]  # 8 / 3, through the origin
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
            raise InputError(f"graph must be True, False or None; got {self.graph!r}.")
        if self.graph and self.starts != "auto" and self.starts < 2:
            raise InputError(f"restarts must be at least 2 beside graph=True; got {self.starts}. Start 1 is the line.")

    @property
    def max_starts(self) -> int:
        """The largest number of starts of one pair."""
        return config().search.auto_starts if self.starts == "auto" else self.starts

    @classmethod
    def of(cls, restarts: object, seed: object) -> Restarts:
        """Returns the settings for the arguments ``restarts`` and ``seed`` of `latentpath.interpolate`.

        Raises:
            InputError: an argument out of range, or a seed beside a `Restarts` that carries another one.
        """
        if isinstance(restarts, Restarts):
            agreed("seed", seed, restarts.seed, restarts)
            return restarts
        return cls(1 if restarts is None else restarts, seed=0 if seed is None else seed)  # type: ignore[arg-type]

    def check(self, index: object) -> None:
        """Refuses a graph without a prior to sample, or without scipy.

        Raises:
            InputError: the index is a callable.
            MissingDependencyError: scipy is not installed.
        """
        if not self.graph:
            return
        if not isinstance(index, PriorIndex):
            raise InputError(
                f"prior must be a distribution or a RealismIndex beside graph=True; got {describe(index)}. Leave graph "
                "out for an index without samples."
            )
        if not has_scipy():
            raise missing("scipy", "search", "Restarts(graph=True)")


@dataclass(frozen=True)
class Multistart:
    """The result of a multi-start search for ``B`` pairs.

    Attributes:
        relative: the coarse costs after the starts, sorted, over the lowest, ``(B, n)``; infinite for dropped starts,
            NaN for starts not tried.
        lowered: the reduction of the audited cost relative to the single start, ``(B,)``; 0 without a reduction, 1
            where the single start's cost is infinite.
    """

    relative: Float[Tensor, "B n"]
    lowered: Float[Tensor, " B"]

    @property
    def spread(self) -> Float[Tensor, " B"]:
        """The highest local minimum of every pair over the lowest, minus 1; 0 for a single one."""
        return torch.where(self.relative.isfinite(), self.relative - 1, 0).amax(-1)

    @staticmethod
    def cat(searches: Sequence[Multistart | None]) -> Multistart | None:
        """Joins the searches of batches; None where one is None or the numbers of starts differ."""
        found = [search for search in searches if search is not None]
        if len(found) < len(searches) or len({search.relative.shape[1] for search in found}) > 1:
            return None
        return Multistart(torch.cat([each.relative for each in found]), torch.cat([each.lowered for each in found]))

    def rows(self, rows: list[int]) -> Multistart:
        """Selects pairs of the batch."""
        return Multistart(self.relative[rows], self.lowered[rows])

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
        return f"{tried}: {verdict}; local minima lay up to {float(self.spread.max()):.0%} apart"


def search(
    solver: Solver[Any],
    objective: Objective,
    latents: Tensor,
    audit: Callable[[Tensor], Audit],
    restarts: Restarts,
    index: object,
    *,
    max_evaluations: float | None = None,
    max_total: float | None = None,
    callback: Callback | None = None,
) -> tuple[State, Audit, Multistart]:
    """Solves from the straight line by `solve_audited`, then from other starts, and returns the cheapest paths.

    Args:
        solver: any `Solver`, for the solves on all segments.
        objective: the energy.
        latents: the straight lines ``(B, K+1, D)``.
        audit: the audit of polylines ``(b, K+1, D)``.
        restarts: the settings.
        index: the index, whose prior is sampled if it is a `PriorIndex`.
        max_evaluations: the path evaluations each path may spend from one start; None for no limit.
        max_total: the path evaluations each path may spend in all; None for no limit.
        callback: called after every step, also on the coarse level, where several paths belong to one pair; a true
            result stops everything.

    Returns:
        The state and the audit of the best path of each pair, and the result of the search. The evaluations count all
        work, shared work in equal parts: a path of ``k`` segments counts ``(k+1)/(K+1)``, a single forward pass half.
    """
    listener = Listener(callback)
    state, facts = solve_audited(solver, objective, latents, audit, max_evaluations=max_evaluations, callback=listener)
    single, total = facts.cost.nan_to_num(math.inf, math.inf), math.inf if max_total is None else max_total
    starts = Candidates(
        objective, latents, restarts.max_starts, restarts.graph, restarts.samples, restarts.seed, index, listener
    )
    remaining = total - state.evaluations
    remaining = remaining - torch.minimum(state.evaluations, remaining / 2)  # a refinement costs about the first solve
    if restarts.starts == "auto":
        state.evaluations += 1 / latents.shape[1]
        remaining = torch.where(single <= (1 + _tol(solver)) * _lower_bound(objective, latents, index), 0, remaining)
    if not listener.stopped:
        starts.solve(remaining)
    state.evaluations += starts.evaluations
    facts = _refine(solver, objective, starts, state, facts, audit, max_evaluations, total, listener)
    lowered = torch.where(facts.cost < single, torch.where(single.isfinite(), 1 - facts.cost / single, 1), 0)
    ranked = starts.costs.sort(-1).values
    relative = torch.where(ranked == ranked[:, :1], torch.where(ranked.isinf(), torch.inf, 1), ranked / ranked[:, :1])
    return state, facts, Multistart(torch.where(ranked.isnan(), torch.nan, relative), lowered)


def _refine(
    solver: Solver[Any],
    objective: Objective,
    starts: Candidates,
    state: State,
    facts: Audit,
    audit: Callable[[Tensor], Audit],
    max_evaluations: float | None,
    total: float,
    listener: Listener,
) -> Audit:
    """Solves the promising starts on all segments, cheapest first; updates ``state`` and returns its audit."""
    refined = torch.full_like(starts.costs, math.nan)
    single = facts.cost.nan_to_num(math.inf, math.inf)

    def solve(wanted: Tensor, which: Tensor) -> None:
        nonlocal facts
        for rows, limit in affordable(wanted, total - state.evaluations, max_evaluations):
            if listener.stopped:
                return
            spent = starts.evaluations[rows].clone()
            begin = starts.polylines(rows, which[rows])
            state.evaluations[rows] += starts.evaluations[rows] - spent
            finer, found = solve_audited(solver, objective, begin, audit, max_evaluations=limit, callback=listener)
            state.evaluations[rows] += finer.evaluations
            refined[rows, which[rows]] = found.cost.nan_to_num(math.inf, math.inf)
            facts = adopt_cheaper(state, facts, rows, finer, found)

    chosen = starts.promising(single, _tol(solver))
    for _ in range(int(chosen.sum(-1).max())):
        cost, which = torch.where(chosen, starts.costs, math.inf).min(-1)
        solve(cost.isfinite(), which)
        chosen[torch.arange(len(which), device=which.device), which] = False
    for number in range(1, starts.number):
        wanted = single.isinf() & starts.next_across_a_wall(number, refined)
        if bool(wanted.any()):
            solve(wanted, torch.full_like(wanted, number, dtype=torch.long))
    return facts


def _lower_bound(objective: Objective, latents: Tensor, index: object) -> Tensor:
    r"""Computes a lower bound of the cost ``(B,)``: :math:`-\log\alpha` times the distance of the decoded ends."""
    if not isinstance(index, PriorIndex):
        return torch.zeros_like(latents[:, 0, 0])
    return -math.log(index.alpha) * objective.chords(latents[:, [0, -1]])[:, 0]


def _tol(solver: Solver[Any]) -> float:
    return float(getattr(solver, "tol", 1e-3))


def affordable(wanted: Tensor, remaining: Tensor, max_evaluations: float | None) -> Iterator[tuple[Tensor, float]]:
    """Yields rows of the paths ``wanted`` and their limit: all that can afford ``max_evaluations``, then single ones.

    Args:
        wanted: a mask of paths, ``(B,)``.
        remaining: the path evaluations that each may still spend, ``(B,)``.
        max_evaluations: the limit of a solve; None for no limit.
    """
    limit = math.inf if max_evaluations is None else max_evaluations
    together = (wanted & (remaining >= limit)).nonzero()[:, 0]
    if len(together) > 0:
        yield together, limit
    for row in (wanted & (remaining < limit) & (remaining >= config().refinement.least_evaluations)).nonzero():
        yield row, float(remaining[row])


def adopt_cheaper(state: State, facts: Audit, rows: Tensor, finer: State, found: Audit) -> Audit:
    """Adopts the paths of ``finer`` for ``rows`` where the audit finds them cheaper, and returns the updated audit.

    A stalled path that is hardly cheaper has found the same minimum again, and keeps the earlier outcome.
    """
    chosen = found.cost < facts.cost[rows].nan_to_num(math.inf, math.inf)
    same = (finer.outcome == Outcome.STALLED.code) & (
        found.cost >= (1 - config().search.same_minimum) * facts.cost[rows]
    )
    outcome = torch.where(same, state.outcome[rows], finer.outcome)
    good = state.keep(rows, chosen, finer.latents, finer)
    state.gain[good], state.outcome[good] = finer.gain[chosen], outcome[chosen]
    return facts.with_rows(good, found.rows(chosen))
