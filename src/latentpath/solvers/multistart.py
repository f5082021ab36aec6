r"""Several starts, cheap on a coarse level, the best one refined: which of the local minima is the lowest?

A solver finds the minimum whose valley its start lies in, and from the straight line that need not be the lowest. For
auto-encoders the energy had one minimum from every start tried; for GANs it had many, up to 20 % apart. So:

1. The straight line is solved as ever. Whatever follows, the result never costs more.
2. ``n`` starts of every pair are solved together on ``K/4`` segments, by at most 15 evaluations of such paths, with
   the mean price of every segment in the energy, so that thin barriers are seen. They are ranked by an honest
   cost, :math:`\sum_j \bar w_j |G(y_{j+1}) - G(y_j)|` over the parts :math:`y` of every segment with the mean price on
   each; a start counts as it was where the solver made it dearer.
3. Those that promise something are refined on all ``K`` segments: lower than the coarse minimum of the straight line by
   1 % or more, or lower already than the solved one is. A start with two or more cheaper ones *before it* is left
   out, since coarse ranks are right to a few per cent; so is one that costs what an earlier one does. Where all of
   them cross a wall, others follow, until one does not. The cheapest of all by the audit is kept.

What is done with a start depends on those before it and not on those after it. So more starts never find less, for a
given seed and as long as the evaluations are not limited; ``"auto"`` takes all 16, but for pairs where no path can
cost less than the straight line's does: :math:`-\log\alpha\,|G(b) - G(a)|`, the price at the mode times the distance
of the ends. Where evaluations are limited, the starts are as many as leave something for refinement.

The starts, in this order:

====================== ===============================================================================================
the straight line      as in the paper
through the mode       start, the point of highest index known (samples, means of the prior), end: straight, a kink
along a graph          the shortest path over samples of the prior (`latentpath.solvers.sample_graph`); it needs scipy
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

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from .._validate import SEED, Whole, agreed, whole_number
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
    """How to search for lower minima than the straight line's.

    Attributes:
        starts: how many, the straight line included; ``"auto"`` takes 16, but none where no path can cost less than
            the straight line's does.
        graph: whether one of them is the shortest path over samples of the prior; None: where there is a prior and
            scipy, from three starts on, but for an index that runs the generator (`ScoreIndex`).
        samples: of the prior, at least 2; the graph goes over the means of its components and, where these samples
            leave a part of the prior uncovered, over a quarter more, too.
        seed: of the samples and bends.

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
            raise InputError(f"graph must be True, False or None, got {self.graph!r}")
        if self.graph and self.starts != "auto" and self.starts < 2:
            raise InputError(f"graph=True needs at least two starts, the straight line is the first, got {self.starts}")

    @property
    def most(self) -> int:
        """The most starts that one pair gets."""
        return config().search.auto_starts if self.starts == "auto" else self.starts

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
        if not has_scipy():
            raise missing("scipy", "search", "Restarts(graph=True)")


@dataclass(frozen=True)
class Multistart:
    """What a search found for ``B`` pairs.

    Attributes:
        relative: the coarse costs of the minima that the starts led to, sorted, over the lowest, ``(B, n)``; infinite
            for starts that were dropped, NaN for those that were not tried.
        lowered: by how much of the single start's audited cost the path is below it, ``(B,)``; 0 where nothing lower
            was found, 1 where the single start's was infinite.
    """

    relative: Float[Tensor, "B n"]
    lowered: Float[Tensor, " B"]

    @property
    def spread(self) -> Float[Tensor, " B"]:
        """The distance of the local minima of every pair: the highest over the lowest, less 1; 0 for a single one."""
        return torch.where(self.relative.isfinite(), self.relative - 1, 0).amax(-1)

    @staticmethod
    def cat(searches: Sequence[Multistart | None]) -> Multistart | None:
        """Joins the searches of batches; None where one has none, or another number of starts."""
        found = [search for search in searches if search is not None]
        if len(found) < len(searches) or len({search.relative.shape[1] for search in found}) > 1:
            return None
        return Multistart(torch.cat([each.relative for each in found]), torch.cat([each.lowered for each in found]))

    def rows(self, rows: list[int]) -> Multistart:
        """Selects some of the pairs."""
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
    """`solve_audited`, then from other starts too: the cheapest of what was found.

    Args:
        solver: any `Solver`, for the solves on all segments.
        objective: the energy.
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
    state, facts = solve_audited(solver, objective, latents, audit, max_evaluations=max_evaluations, callback=listen)
    single, total = facts.cost.nan_to_num(math.inf, math.inf), math.inf if max_total is None else max_total
    starts = Candidates(
        objective, latents, restarts.most, restarts.graph, restarts.samples, restarts.seed, index, listen
    )
    left = total - state.evaluations
    left = left - torch.minimum(state.evaluations, left / 2)  # for refinement, which takes what the first solve took
    if restarts.starts == "auto":
        state.evaluations += 1 / latents.shape[1]
        left = torch.where(single <= (1 + _tol(solver)) * _least(objective, latents, index), 0, left)
    if not listen.stopped:
        starts.solve(left)
    state.evaluations += starts.evaluations
    facts = _refine(solver, objective, starts, state, facts, audit, max_evaluations, total, listen)
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
    most: float | None,
    total: float,
    listen: Listener,
) -> Audit:
    """Solves the promising starts on all segments, cheapest first; ``state`` gets the best, whose audit is returned."""
    refined = torch.full_like(starts.costs, math.nan)
    single = facts.cost.nan_to_num(math.inf, math.inf)

    def solve(wanted: Tensor, which: Tensor) -> None:
        nonlocal facts
        for rows, limit in affordable(wanted, total - state.evaluations, most):
            if listen.stopped:
                return
            spent = starts.evaluations[rows].clone()
            begin = starts.polylines(rows, which[rows])
            state.evaluations[rows] += starts.evaluations[rows] - spent
            finer, found = solve_audited(solver, objective, begin, audit, max_evaluations=limit, callback=listen)
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


def _least(objective: Objective, latents: Tensor, index: object) -> Tensor:
    r"""A lower bound ``(B,)`` for the cost of any path: :math:`-\log\alpha` times the distance of the ends in data."""
    if not isinstance(index, PriorIndex):
        return torch.zeros_like(latents[:, 0, 0])
    return -math.log(index.alpha) * objective.chords(latents[:, [0, -1]])[:, 0]


def _tol(solver: Solver[Any]) -> float:
    return float(getattr(solver, "tol", 1e-3))


def affordable(wanted: Tensor, left: Tensor, most: float | None) -> Iterator[tuple[Tensor, float]]:
    """The rows of the paths ``wanted``, and what each may spend: together where ``most`` is left, else on their own."""
    limit = math.inf if most is None else most
    together = (wanted & (left >= limit)).nonzero()[:, 0]
    if len(together) > 0:
        yield together, limit
    for row in (wanted & (left < limit) & (left >= config().refinement.least_evaluations)).nonzero():
        yield row, float(left[row])


def adopt_cheaper(state: State, facts: Audit, rows: Tensor, finer: State, found: Audit) -> Audit:
    """Take over into ``state`` those of the paths ``rows`` that the audit finds cheaper; returns the audit with theirs.

    One that is hardly cheaper has found the same minimum again, more exactly drawn: where it has stalled, for the
    solver could not draw it any better than its start did, the outcome stays what it was.
    """
    chosen = found.cost < facts.cost[rows].nan_to_num(math.inf, math.inf)
    same = (finer.outcome == Outcome.STALLED.code) & (
        found.cost >= (1 - config().search.same_minimum) * facts.cost[rows]
    )
    outcome = torch.where(same, state.outcome[rows], finer.outcome)
    good = state.keep(rows, chosen, finer.latents, finer)
    state.gain[good], state.outcome[good] = finer.gain[chosen], outcome[chosen]
    return facts.with_rows(good, found.rows(chosen))
