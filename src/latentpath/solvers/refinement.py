r"""The audit inside the solve: a path is refined until its energy sees what it costs.

After the solve every path is audited. Where it costs more than :math:`\sqrt{2E}`, by more than the tolerance, its
segments are measured differently from then on (see `Quadrature`), and the path is solved on: every segment by its mean
price, which costs the generator nothing; one whose chord hides more than a tenth of its cost in parts; and what is
known to be hidden still as a factor, measured anew in every round. A minimiser of that energy has as much audited cost
in every segment, so the points are drawn into a barrier that the path used to jump; where the points are so uneven that
the energy is far above the cost, they are first put at equal steps of cost.

A `Refiner` does this step by step, in *stages*. A stage begins solves, one after the other, and adopts what the audit
finds better; when it has no more to begin, the next stage follows:

1. `FirstSolve`: the solver itself, by way of a draft where it can make one (`Multilevel`): a look at the midpoints of
   its segments shows the usual excess, of a few per cent, and spares solving twice;
2. `HiddenCost`: rounds of at most 40 evaluations until energy and audit agree;
3. `MeshGrading`: more points where the data do not see every latent (`latentpath.solvers.mesh_grading`).
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
    """Solves, then refines and solves on until what the energy shows and what the audit finds agree to ``gap``.

    A path that lies in a plane of symmetry is solved again from a bend out of it, where that is cheaper.

    Args:
        solver: any `Solver`, for the first solve; what follows is done by `LBFGS` with the same ``tol``.
        objective: the energy.
        latents: the initial polylines ``(B, K+1, D)``.
        audit: the audit of polylines ``(b, K+1, D)``.
        gap: the relative excess of the audited cost that is let pass; None for the configured one.
        max_evaluations: the path evaluations each path may spend in all; None for no limit.
        callback: told after every step; a true answer stops everything.

    Returns:
        The state, whose paths are ``UNRESOLVED`` where the audit still finds more than ``gap``, and their audit.
    """
    listen = Listener(callback)
    refiner = Refiner(solver, audit, gap=gap, max_evaluations=max_evaluations)
    state, facts = _refined(refiner, objective, latents, listen)
    able = (state.evaluations + config().refinement.least_evaluations <= refiner.most) & (not listen.stopped)
    rows = (able & facts.cost.isfinite() & (facts.cost > 0)).nonzero()[:, 0]
    off, bent, work = bends_off_saddles(objective, state.latents[rows], refiner.tol)
    state.evaluations[rows] += work
    rows = rows[off]
    if len(rows) > 0:
        left = float((refiner.most - state.evaluations[rows]).min())
        refiner = Refiner(solver, audit, gap=gap, max_evaluations=left)
        finer, found = _refined(refiner, objective, bent, listen)
        state.evaluations[rows] += finer.evaluations
        cheaper = found.cost < (1 - refiner.tol) * facts.cost[rows]
        facts = facts.with_rows(state.adopt(rows, cheaper, finer), found.rows(cheaper))
    return state, facts


def _refined(refiner: Refiner, objective: Objective, latents: Tensor, listen: Listener) -> tuple[State, Audit]:
    """Runs a refiner to its end, or until a listener stops it."""
    refinement = refiner.init(objective, latents)
    while not refiner.done(refinement):
        solve = refinement.solve
        refinement = refiner.step(objective, refinement)
        if refinement.solve is solve and solve is not None and listen(solve.state.progress(solve.phase)):
            refinement.stopped = True
    return refinement.best, refinement.facts


class Refiner:
    """Solves paths and refines them, step by step: ``init``, ``step``, ``done``, as every solver.

    Args:
        solver: any `Solver`, for the first solve.
        audit: the audit of polylines ``(b, K+1, D)``.
        gap: the relative excess of the audited cost that is let pass; None for the configured one.
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
        self.most = math.inf if max_evaluations is None else max_evaluations

    def init(self, objective: Objective, latents: Tensor) -> Refinement:
        """Begins the first solve."""
        draft = self.solver.draft if isinstance(self.solver, Multilevel) else None
        solver: Solver[Any] = draft or self.solver
        first = solver.init(objective, latents)
        rows = torch.arange(len(latents), device=latents.device)
        stages: list[Stage] = [FirstSolve(self.solver if draft else None), HiddenCost(), MeshGrading()]
        solve = Solve(solver, first, rows, self.most, None)
        return Refinement.begin(self.tol, self.gap, self.most, objective.watched(self.audit), latents, solve, stages)

    def step(self, objective: Objective, refinement: Refinement) -> Refinement:
        """Makes one step of the present solve; at its end, adopts it and begins the next one."""
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
    """The solver itself; and after a draft, the rest of the solve.

    Args:
        finisher: the solver that goes on from the draft; None where the first solve was no draft.
    """

    def __init__(self, finisher: Solver[Any] | None) -> None:
        self.finisher = finisher
        self.hiding: Tensor | None = None
        self.whole = True

    def begin(self, objective: Objective, refinement: Refinement) -> Solve | None:
        """Solves a draft on; for paths that seem to hide more than the gap, by a finer quadrature."""
        if refinement.stopped:
            return None
        if self.finisher is not None:
            finisher, self.finisher = self.finisher, None
            self.hiding = self._look_at_midpoints(objective, refinement)
            rows = torch.arange(len(refinement.best.energy), device=refinement.best.energy.device)
            return Solve(finisher, refinement.best, rows, refinement.most, None)
        if self.hiding is not None and len(self.hiding) > 0:
            rows, self.hiding, self.whole = self.hiding, None, False
            return refinement.solve_on(objective, rows, refinement.best.latents[rows])
        return None

    def end(self, objective: Objective, refinement: Refinement, solve: Solve) -> None:
        """Adopts the whole solve, or the paths solved on that have a finite energy."""
        if self.whole:
            refinement.best = solve.state
        else:
            refinement.best.evaluations[solve.rows] += solve.state.evaluations
            refinement.best.adopt(solve.rows, solve.state.energy.isfinite(), solve.state)

    def _look_at_midpoints(self, objective: Objective, refinement: Refinement) -> Tensor:
        """Marks as running the paths whose draft shows little hidden cost; returns the rows of the others."""
        state, settings = refinement.best, config().refinement
        ended = (state.outcome == Outcome.CONVERGED.code) | (state.outcome == Outcome.BUDGET_SPENT.code)
        rows = (ended & (state.energy > 0) & (state.evaluations + 3 <= refinement.most)).nonzero().squeeze(-1)
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
    """Rounds in which paths that hide cost are measured more finely and solved on."""

    def __init__(self) -> None:
        self.rounds = 0

    def begin(self, objective: Objective, refinement: Refinement) -> Solve | None:
        """Begins a round for the paths that hide cost, have uneven points, or were cut off by the last round."""
        if self.rounds == 0:
            refinement.measure_best()
        now, facts = refinement.current, refinement.current_facts
        hiding, uneven = hides_cost(now, facts, refinement.gap), is_uneven(now)
        rough = (uneven | refinement.unfinished(now)) & ~facts.limited  # of rounding, no round makes anything
        rows = ((hiding | rough) & (refinement.left >= 2)).nonzero().squeeze(-1)
        if len(rows) == 0 or refinement.stopped or self.rounds >= config().refinement.rounds:
            refinement.facts = without_jitter(refinement, objective)
            return None
        self.rounds += 1
        walled = ~facts.cost[rows].isfinite()  # a path across a wall between its points begins anew
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
        """Adopts the round where the audit finds it cheaper, or where it no longer hides cost."""
        rows, finer, tol = solve.rows, solve.state, refinement.tol
        refinement.best.evaluations[rows] += finer.evaluations
        found = refinement.audit(finer.latents)
        hiding, before = hides_cost(finer, found, refinement.gap), refinement.current_facts.cost[rows]
        idle = (before - found.cost).abs() <= tol * found.cost
        idle &= (finer.outcome == Outcome.BUDGET_SPENT.code) & ~hiding & ~is_uneven(finer)
        # a whole round has moved the cost by less than the tolerance: the promise of more decides
        small = finer.gain[idle] <= config().convergence.creeping_gain * tol
        finer.outcome[idle] = torch.where(small, Outcome.CONVERGED.code, Outcome.STALLED.code)
        refinement.adopt_current(rows, finer, found)
        best = refinement.facts.cost[rows]
        honest = ~hiding & (found.cost <= (1 + refinement.gap) * best)
        refinement.adopt(rows, finer, found, finer.energy.isfinite() & ((found.cost < best) | honest))


def _even(latents: Tensor, cost: Tensor) -> Tensor:
    """The same curves with points at equal steps of what their segments ``(b, K)`` cost."""
    arc = arc_length(torch.where(cost.isfinite().all(-1, keepdim=True), cost, 1))
    return with_interior(latents, at_arc(latents, arc, even_arc(arc, latents.shape[1]))[:, 1:-1])


def _conclude(objective: Objective, refinement: Refinement) -> None:
    """Returns to initial polylines that are cheaper, leaves holes, and sets the final outcomes."""
    _never_worse(objective, refinement)
    if objective.has_holes:
        refinement.facts = without_holes(refinement, objective)
    state, facts = refinement.best, refinement.facts
    stuck = facts.limited & ((state.outcome == Outcome.STALLED.code) | refinement.unfinished(state))
    state.outcome[stuck] = Outcome.CONVERGED.code  # as far as the generator's rounding lets the energy show
    tunnels = is_tunnelling(facts.segment_cost, state.segment_cost).any(-1)
    failed = (state.outcome == Outcome.CONVERGED.code) & (hides_cost(state, facts, refinement.gap) | tunnels)
    if not refinement.stopped:
        failed |= refinement.unfinished(state)
    state.outcome[failed] = Outcome.UNRESOLVED.code


def _never_worse(objective: Objective, refinement: Refinement) -> None:
    """Adopts the initial polyline again, as stalled or as a tie, where the audit finds it cheaper than the path."""
    settings, latents, state, facts = config().refinement, refinement.initial, refinement.best, refinement.facts
    segments = latents.shape[1] - 1
    runs = next(n for n in (5, 4, 3, 2, 1) if segments % n == 0)
    size = objective.chords(latents[:, ::runs])  # chords are shorter than what they span: a bound from below
    with torch.no_grad():
        lowest = objective.mean_prices(latents).unflatten(-1, (-1, runs)).amin(-1)
    bound = price_times_length(lowest, size).sum(-1)
    doubtful = ~(facts.cost <= 0.95 * bound) | facts.limited  # chords of rounding are no bound
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
