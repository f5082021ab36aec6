r"""Refinement: a path is audited and solved further until its energy agrees with its audited cost.

Where the audited cost exceeds :math:`\sqrt{2E}` by more than the tolerance, a `Quadrature` replaces equation 3, and the
solve continues: every segment is measured by its mean price, which needs no further points of the generator; a segment
whose chord hides more than a tenth of its cost is measured in parts; a factor, updated in every round, covers the rest.
A minimiser of this energy has equal audited cost in every segment, so the points move into a barrier that the path had
jumped. Points so uneven that the energy is far above the cost are first spread at equal steps of cost.

A `Refiner` works step by step, in *stages*. A stage begins solves, one after the other, and adopts the paths that the
audit finds better; when it begins no more, the next stage follows:

1. `FirstSolve`: the solver itself. `Multilevel` makes a draft first, since the midpoints of its segments already show
   an excess of a few per cent;
2. `HiddenCost`: rounds of at most 40 evaluations until energy and audit agree;
3. `MeshGrading`: more points where the data do not depend on every latent (`latentpath.solvers.mesh_grading`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..audit import Audit, is_tunnelling
from ..curves import arc_length, at_arc, even_arc
from ..segment_cost import price_times_length
from .configuration import config
from .holes import without_holes
from .mesh_grading import MeshGrading
from .multilevel import Multilevel
from .objective import Objective
from .outcome import Outcome
from .protocol import Callback, Listener, Solver, State, advance, with_interior
from .refinement_state import Refinement, Solve, Stage, hides_cost, is_uneven
from .rounding import without_jitter
from .saddles import bends_off_saddles

__all__ = ["HiddenCost", "Refiner", "solve_audited"]


def solve_audited(
    solver: Solver[Any],
    objective: Objective,
    latents: Tensor,
    audit: Callable[[Tensor], Audit],
    *,
    gap: float | None = None,
    max_evaluations: float | None = None,
    callback: Callback | None = None,
) -> tuple[State, Audit]:
    """Solves, then refines until the energy and the audit agree to ``gap``.

    A path within a plane of symmetry is solved again from a bend out of the plane, where the bend is cheaper.

    Args:
        solver: any `Solver`, for the first solve; `LBFGS` with the same ``tol`` makes the further ones.
        objective: the energy.
        latents: the initial polylines ``(B, K+1, D)``.
        audit: the audit of polylines ``(b, K+1, D)``.
        gap: the accepted relative excess of the audited cost; None for the configured one.
        max_evaluations: the path evaluations each path may spend in all; None for no limit.
        callback: called after every step; a true result stops everything.

    Returns:
        The state, whose paths are ``UNRESOLVED`` where the audit still finds more than ``gap``, and their audit.
    """
    listener = Listener(callback)
    refiner = Refiner(solver, audit, gap=gap, max_evaluations=max_evaluations)
    state, facts = _refined(refiner, objective, latents, listener)
    affordable = state.evaluations + config().refinement.least_evaluations <= refiner.max_evaluations
    rows = (affordable & (not listener.stopped) & facts.cost.isfinite() & (facts.cost > 0)).nonzero()[:, 0]
    off, bent, work = bends_off_saddles(objective, state.latents[rows], refiner.tol)
    state.evaluations[rows] += work
    rows = rows[off]
    if len(rows) > 0:
        remaining = float((refiner.max_evaluations - state.evaluations[rows]).min())
        refiner = Refiner(solver, audit, gap=gap, max_evaluations=remaining)
        finer, found = _refined(refiner, objective, bent, listener)
        state.evaluations[rows] += finer.evaluations
        cheaper = found.cost < (1 - refiner.tol) * facts.cost[rows]
        facts = facts.with_rows(state.adopt(rows, cheaper, finer), found.rows(cheaper))
    return state, facts


def _refined(refiner: Refiner, objective: Objective, latents: Tensor, listener: Listener) -> tuple[State, Audit]:
    """Runs a refiner to its end, or until the listener stops it."""
    refinement = refiner.init(objective, latents)
    while not refiner.done(refinement):
        solve = refinement.solve
        refinement = refiner.step(objective, refinement)
        if refinement.solve is solve and solve is not None and listener(solve.state.progress(solve.phase)):
            refinement.stopped = True
    return refinement.best, refinement.facts


class Refiner:
    """Solves and refines paths step by step, by ``init``, ``step`` and ``done`` like a solver.

    Args:
        solver: any `Solver`, for the first solve.
        audit: the audit of polylines ``(b, K+1, D)``.
        gap: the accepted relative excess of the audited cost; None for the configured one.
        max_evaluations: the path evaluations each path may spend; None for no limit.
    """

    def __init__(
        self,
        solver: Solver[Any],
        audit: Callable[[Tensor], Audit],
        *,
        gap: float | None = None,
        max_evaluations: float | None = None,
    ) -> None:
        self.solver, self.audit = solver, audit
        self.tol: float = getattr(solver, "tol", 1e-3)
        self.gap = config().refinement.gap if gap is None else gap
        self.max_evaluations = math.inf if max_evaluations is None else max_evaluations

    def init(self, objective: Objective, latents: Tensor) -> Refinement:
        """Begins the first solve."""
        draft = self.solver.draft if isinstance(self.solver, Multilevel) else None
        solver: Solver[Any] = draft or self.solver
        first = solver.init(objective, latents)
        rows = torch.arange(len(latents), device=latents.device)
        stages: list[Stage] = [FirstSolve(self.solver if draft else None), HiddenCost(), MeshGrading()]
        solve, audit = Solve(solver, first, rows, self.max_evaluations, None), objective.watched(self.audit)
        return Refinement.begin(self.tol, self.gap, self.max_evaluations, audit, latents, solve, stages)

    def step(self, objective: Objective, refinement: Refinement) -> Refinement:
        """Makes one step of the present solve; adopts a solve at its end and begins the next one."""
        solve = refinement.solve
        assert solve is not None, "the refinement is done"
        stepped = advance(solve.solver, objective, solve.state, 0.0 if refinement.stopped else solve.limit)
        if stepped is not None:
            solve.state = stepped
            return refinement
        refinement.stages[0].end(objective, refinement, solve)
        refinement.solve = None
        while refinement.stages and refinement.solve is None:
            refinement.solve = refinement.stages[0].begin(objective, refinement)
            if refinement.solve is None:
                del refinement.stages[0]
        if refinement.solve is None:
            _conclude(objective, refinement)
        return refinement

    def done(self, refinement: Refinement) -> bool:
        """True once every stage has ended."""
        return refinement.solve is None


class FirstSolve:
    """The stage of the solver itself; after a draft, of the rest of its solve.

    Args:
        finisher: the solver that continues from a draft; None if the first solve is complete.
    """

    def __init__(self, finisher: Solver[Any] | None) -> None:
        self.finisher = finisher
        self.hiding: Tensor | None = None
        self.whole = True

    def begin(self, objective: Objective, refinement: Refinement) -> Solve | None:
        """Continues from a draft; paths that seem to hide more than the gap get a finer quadrature."""
        if refinement.stopped:
            return None
        if self.finisher is not None:
            finisher, self.finisher = self.finisher, None
            self.hiding = self._measure_midpoints(objective, refinement)
            rows = torch.arange(len(refinement.best.energy), device=refinement.best.energy.device)
            return Solve(finisher, refinement.best, rows, refinement.max_evaluations, None)
        if self.hiding is not None and len(self.hiding) > 0:
            rows, self.hiding, self.whole = self.hiding, None, False
            return refinement.solve_on(objective, rows, refinement.best.latents[rows])
        return None

    def end(self, objective: Objective, refinement: Refinement, solve: Solve) -> None:
        """Adopts the whole solve, or the continued paths of finite energy."""
        if self.whole:
            refinement.best = solve.state
        else:
            refinement.best.evaluations[solve.rows] += solve.state.evaluations
            refinement.best.adopt(solve.rows, solve.state.energy.isfinite(), solve.state)

    def _measure_midpoints(self, objective: Objective, refinement: Refinement) -> Tensor:
        """Returns the rows of drafts that hide cost, and marks the others as running."""
        state, settings = refinement.best, config().refinement
        ended = (state.outcome == Outcome.CONVERGED.code) | (state.outcome == Outcome.BUDGET_SPENT.code)
        rows = (
            (ended & (state.energy > 0) & (state.evaluations + 3 <= refinement.max_evaluations)).nonzero().squeeze(-1)
        )
        if len(rows) == 0:
            return rows
        ends, halves = objective.halved_costs(state.latents[rows])
        state.evaluations[rows] += 1
        cost = halves + (halves - ends) / (settings.chord_order - 1)
        excess = cost.sum(-1) / (2 * state.energy[rows]).sqrt()
        hiding = (excess > 1 + refinement.gap) & (excess < settings.jump)
        refinement.refine_quadrature(rows[hiding], ends[hiding], halves[hiding], cost[hiding])
        going = rows[~hiding & (state.gain[rows] > config().convergence.gain_share ** 2 * refinement.tol)]
        state.outcome[going] = Outcome.RUNNING.code
        return rows[hiding]


class HiddenCost:
    """The stage of rounds in which paths that hide cost are measured more finely and solved further."""

    def __init__(self) -> None:
        self.rounds = 0

    def begin(self, objective: Objective, refinement: Refinement) -> Solve | None:
        """Begins a round for paths that hide cost, have uneven points, or reached the limit of the last round."""
        if self.rounds == 0:
            refinement.measure_best()
        now, facts = refinement.current, refinement.current_facts
        hiding, uneven = hides_cost(now, facts, refinement.gap), is_uneven(now)
        rough = (uneven | refinement.unfinished(now)) & ~facts.limited  # no round improves a path of rounding
        rows = ((hiding | rough) & (refinement.remaining >= 2)).nonzero().squeeze(-1)
        if len(rows) == 0 or refinement.stopped or self.rounds >= config().refinement.rounds:
            refinement.facts = without_jitter(refinement, objective)
            return None
        self.rounds += 1
        walled = ~facts.cost[rows].isfinite()  # a path that jumps a wall starts again
        begin = torch.where(walled[:, None, None], refinement.initial[rows], now.latents[rows])
        bad = rows[hiding[rows]]
        if len(bad):
            costs = objective.halved_costs(now.latents[bad])
            refinement.refine_quadrature(bad, *costs, facts.segment_cost[bad])
            refinement.best.evaluations[bad] += 1
        spread = _even(begin, facts.segment_cost[rows])
        begin = torch.where((uneven[rows] & ~walled)[:, None, None], spread, begin)
        return refinement.solve_on(objective, rows, begin)

    def end(self, objective: Objective, refinement: Refinement, solve: Solve) -> None:
        """Adopts paths that the audit finds cheaper, or that no longer hide cost."""
        rows, finer, tol = solve.rows, solve.state, refinement.tol
        refinement.best.evaluations[rows] += finer.evaluations
        found = refinement.audit(finer.latents)
        hiding, before = hides_cost(finer, found, refinement.gap), refinement.current_facts.cost[rows]
        idle = (before - found.cost).abs() <= tol * found.cost
        idle &= (finer.outcome == Outcome.BUDGET_SPENT.code) & ~hiding & ~is_uneven(finer)
        # the round changed the cost by less than the tolerance: the predicted gain decides
        small = finer.gain[idle] <= config().convergence.creeping_gain * tol
        finer.outcome[idle] = torch.where(small, Outcome.CONVERGED.code, Outcome.STALLED.code)
        refinement.adopt_current(rows, finer, found)
        best = refinement.facts.cost[rows]
        resolved = ~hiding & (found.cost <= (1 + refinement.gap) * best)
        refinement.adopt(rows, finer, found, finer.energy.isfinite() & ((found.cost < best) | resolved))


def _even(latents: Tensor, cost: Tensor) -> Tensor:
    """Returns the same curves with points at equal steps of the segment costs ``(b, K)``."""
    arc = arc_length(torch.where(cost.isfinite().all(-1, keepdim=True), cost, 1))
    return with_interior(latents, at_arc(latents, arc, even_arc(arc, latents.shape[1]))[:, 1:-1])


def _conclude(objective: Objective, refinement: Refinement) -> None:
    """Returns to cheaper initial polylines, moves paths out of holes, and sets the final outcomes."""
    _never_worse(objective, refinement)
    if objective.has_holes:
        refinement.facts = without_holes(refinement, objective)
    state, facts = refinement.best, refinement.facts
    stuck = facts.limited & ((state.outcome == Outcome.STALLED.code) | refinement.unfinished(state))
    state.outcome[stuck] = Outcome.CONVERGED.code  # up to the generator's rounding
    tunnels = is_tunnelling(facts.segment_cost, state.segment_cost).any(-1)
    failed = (state.outcome == Outcome.CONVERGED.code) & (hides_cost(state, facts, refinement.gap) | tunnels)
    if not refinement.stopped:
        failed |= refinement.unfinished(state)
    state.outcome[failed] = Outcome.UNRESOLVED.code


def _never_worse(objective: Objective, refinement: Refinement) -> None:
    """Returns to the initial polyline, as stalled or as a tie, where the audit finds it cheaper than the path."""
    settings, latents, state, facts = config().refinement, refinement.initial, refinement.best, refinement.facts
    segments = latents.shape[1] - 1
    runs = next(n for n in (5, 4, 3, 2, 1) if segments % n == 0)
    size = objective.chords(latents[:, ::runs])  # chords are shorter than their curves: a lower bound
    with torch.no_grad():
        lowest = objective.mean_prices(latents).unflatten(-1, (-1, runs)).amin(-1)
    bound = price_times_length(lowest, size).sum(-1)
    doubtful = ~(facts.cost <= 0.95 * bound) | facts.limited  # rounding lengthens chords: no bound
    rows = (doubtful & (state.latents != latents).flatten(1).any(-1)).nonzero()[:, 0]
    if len(rows) == 0:
        return
    found = refinement.audit(latents[rows])
    cheaper = found.cost < (1 - 1e-5) * facts.cost[rows]  # by more than rounding
    clearly = cheaper & (found.cost < (1 - settings.tie) * facts.cost[rows])
    stalled = rows[clearly & (state.outcome[rows] != Outcome.BUDGET_SPENT.code)]
    refinement.facts = facts.with_rows(rows[cheaper], found.rows(cheaper))
    state.outcome[stalled] = Outcome.STALLED.code
    rows = rows[cheaper]
    if len(rows):
        before = refinement.quadrature.rows(rows)
        before = replace(before, weight=torch.ones_like(before.weight))
        quadrature = before.refined(*objective.halved_costs(latents[rows]), found.segment_cost[cheaper])
        every = torch.ones_like(rows, dtype=torch.bool)
        state.keep(rows, every, latents[rows], objective.evaluate(latents[rows], quadrature))
