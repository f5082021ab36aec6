r"""The audit inside the solve: a path is not done before its energy sees what it costs.

After the solve every path is audited. Where it costs more than :math:`\sqrt{2E}`, by more than the tolerance, it is
measured differently from then on and solved on (see `Quadrature`): every segment by its mean price, which costs the
generator nothing; one whose chord hides more than a tenth of its cost in parts; and what is known to be hidden still as
a factor, measured anew in every round. A minimiser of that energy has as much audited cost in every segment, so the
points are drawn into a barrier that the path used to jump; where the points are so uneven that the energy is far above
the cost, they are first put at equal steps of cost. This is repeated until energy and audit agree, by rounds of at most
40 path evaluations.

Where the solver can make a draft (`Multilevel`), the draft is looked at first, at the midpoints of its segments: the
usual excess, of a few per cent, shows there, and the path is measured well from the finest level on, and solved once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from typing import Any

import torch
from torch import Tensor

from ..audit import Audit, below_resolution, hides
from ..curves import arc_length, at_arc, even_arc, subdivide
from ..energy import chords, decode, times
from .grading import graded
from .holes import without_holes
from .lbfgs import LBFGS, LBFGSState
from .multilevel import Multilevel
from .problem import Problem, Quadrature
from .protocol import CAUTION, LITTLE, Callback, Listener, Outcome, Solver, State, run, solve, with_interior
from .rounding import without_jitter
from .saddles import bends_off_saddles

__all__ = ["GAP", "solve_audited"]

GAP = 0.02
"""The relative excess of the audited cost over what the energy shows that calls for refinement."""

_ROUNDS, _ROUND = 8, 40.0  # rounds of refinement, and the most path evaluations in each
_ORDER = 2.5  # by which a chord's error falls when halved: 4 where the generator is smooth, 2 where it has many kinks
_BENT, _MOST_PARTS = 0.1, 64  # of its cost: what a segment may hide that is not measured; and its most parts
_JUMP = 1.5  # of what the energy shows: above, it is a jump, which a full solve and audit should see first
_LEAST = 4  # path evaluations: another start is not begun with fewer
_STEADY = 0.9  # of the energy's cost: below, the speed is uneven
_CLEARLY, _CHEAPER, _TIE = 0.95, 1 - 1e-5, 1 - 2e-3


def solve_audited(
    solver: Solver[Any],
    problem: Problem,
    latents: Tensor,
    audit: Callable[[Tensor], Audit],
    *,
    gap: float = GAP,
    max_evaluations: float | None = None,
    callback: Callback | None = None,
) -> tuple[State, Audit]:
    """`solve`, then refines and solves on until what the energy shows and what the audit finds agree to ``gap``.

    Args:
        solver: any `Solver`, for the first solve; what follows is done by `LBFGS` with the same ``tol``.
        problem: the energy.
        latents: the initial polylines ``(B, K+1, D)``.
        audit: the audit of polylines ``(b, K+1, D)``.
        gap: the relative excess of the audited cost that is let pass.
        max_evaluations: the path evaluations each path may spend in all; None for no limit.
        callback: told after every step; a true answer stops everything.

    Returns:
        The state, whose paths are ``UNRESOLVED`` where the audit still finds more than ``gap``, and their audit.
    """
    listen = Listener(callback)
    audit = problem.watched(audit)
    most = math.inf if max_evaluations is None else max_evaluations
    state, facts = _solved(solver, problem, latents, audit, gap, most, listen)
    tol = getattr(solver, "tol", 1e-3)
    able = (state.evaluations + _LEAST <= most) & facts.cost.isfinite() & (facts.cost > 0) & (not listen.stopped)
    rows = able.nonzero()[:, 0]
    off, bent, work = bends_off_saddles(problem, state.latents[rows], tol)
    state.evaluations[rows] += work
    rows = rows[off]
    if len(rows) > 0:
        left = float((most - state.evaluations[rows]).min())
        finer, found = _solved(solver, problem, bent, audit, gap, left, listen)
        state.evaluations[rows] += finer.evaluations
        facts = _adopt(state, facts, rows, finer, found, found.cost < (1 - tol) * facts.cost[rows])
    return state, facts


def _solved(
    solver: Solver[Any],
    problem: Problem,
    latents: Tensor,
    audit: Callable[[Tensor], Audit],
    gap: float,
    most: float,
    listen: Listener,
) -> tuple[State, Audit]:
    """`solve_audited` from one start; ``most`` are the path evaluations that each path may spend."""

    def solve_on(rows: Tensor, begin: Tensor) -> LBFGSState:
        """Solve ``rows`` on from ``begin``, as finely measured as is known to be needed."""
        finer = refiner.init(problem, begin, metric=state.metric.rows(rows), rule=rule.rows(rows))
        limit = (most - state.evaluations[rows]).clamp_max(_ROUND)
        finer = run(refiner, problem, finer, max_evaluations=limit, callback=listen)
        state.evaluations[rows] += finer.evaluations
        return finer

    refiner = LBFGS(getattr(solver, "tol", 1e-3))
    rule = Quadrature.plain(latents)
    draft = solver.draft if isinstance(solver, Multilevel) else None
    state = solve(draft or solver, problem, latents, max_evaluations=most, callback=listen)
    if draft is not None and not listen.stopped:
        rows = _finish(solver, problem, state, rule, gap, most, listen)
        if len(rows) and not listen.stopped:
            finer = solve_on(rows, state.latents[rows])
            _keep(state, rows, finer, finer.energy.isfinite())
    facts = audit(state.latents)
    now, seen = _copy(state), facts
    for _ in range(_ROUNDS):
        hiding, uneven, left = _hiding(now, seen, gap), _uneven(now), most - state.evaluations
        rough = (uneven | _unfinished(now, left)) & ~seen.limited  # of rounding, no round makes anything
        rows = ((hiding | rough) & (left >= 2)).nonzero().squeeze(-1)
        if len(rows) == 0 or listen.stopped:
            break
        walled = ~seen.cost[rows].isfinite()  # drawn across a wall between its points: from the beginning, then
        begin = torch.where(walled[:, None, None], latents[rows], now.latents[rows])
        bad = rows[hiding[rows]]
        if len(bad):
            _refine(rule, bad, *_measured(problem, now.latents[bad]), seen.segment_cost[bad])
            state.evaluations[bad] += 1
        begin = torch.where((uneven[rows] & ~walled)[:, None, None], _even(begin, seen.segment_cost[rows]), begin)
        finer = solve_on(rows, begin)
        found = audit(finer.latents)
        idle = (seen.cost[rows] - found.cost).abs() <= refiner.tol * found.cost
        idle &= (finer.outcome == Outcome.BUDGET_SPENT) & ~_hiding(finer, found, gap) & ~_uneven(finer)
        # a whole round has moved its cost by less than asked for; did it promise more?
        finer.outcome[idle] = torch.where(
            finer.gain[idle] <= LITTLE * refiner.tol, int(Outcome.CONVERGED), int(Outcome.STALLED)
        )
        seen = _adopt(now, seen, rows, finer, found, torch.ones_like(idle))
        best = facts.cost[rows]
        honest = ~_hiding(finer, found, gap) & (found.cost <= (1 + gap) * best)
        facts = _adopt(state, facts, rows, finer, found, finer.energy.isfinite() & ((found.cost < best) | honest))
    facts = without_jitter(state, facts, problem, audit, rule, refiner.tol, listen)

    def measure(rows: Tensor, polylines: Tensor) -> None:
        ends, middle = _measured(problem, polylines)
        rule.parts[rows], rule.scale[rows] = 1, 1.0
        _refine(rule, rows, ends, middle, middle + (middle - ends) / (_ORDER - 1))
        state.evaluations[rows] += 1

    facts = graded(
        problem,
        state,
        facts,
        rule,
        tol=refiner.tol,
        solve_on=solve_on,
        measure=measure,
        audit=audit,
        left=lambda: most - state.evaluations if not listen.stopped else torch.zeros_like(state.evaluations),
    )
    facts = _never_worse(state, facts, problem, latents, audit, rule)
    if problem.has_holes:
        facts = without_holes(state, facts, problem, latents, audit, rule)
    stuck = facts.limited & (state.outcome == Outcome.STALLED) | facts.limited & _unfinished(
        state, most - state.evaluations
    )
    state.outcome[stuck] = int(Outcome.CONVERGED)  # as far as the generator's rounding lets the energy show
    tunnels = hides(facts.segment_cost, state.seen).any(-1)
    failed = (state.outcome == Outcome.CONVERGED) & (_hiding(state, facts, gap) | tunnels)
    if not listen.stopped:
        failed |= _unfinished(state, most - state.evaluations)
    state.outcome[failed] = int(Outcome.UNRESOLVED)
    return state, facts


def _never_worse(
    state: State, facts: Audit, problem: Problem, latents: Tensor, audit: Callable[[Tensor], Audit], rule: Quadrature
) -> Audit:
    """The initial polyline again, where the audit finds it cheaper than what was made of it: as stalled, or a tie.

    Changes ``state`` in place, and returns the audit of its polylines.
    """
    segments = latents.shape[1] - 1
    runs = next(n for n in (5, 4, 3, 2, 1) if segments % n == 0)
    with torch.no_grad():  # no more than it costs: chords are shorter than what they span
        size = chords(decode(latents[:, ::runs], problem.to_data, max_points=problem.max_points))
        lowest = problem.mean_prices(latents).unflatten(-1, (-1, runs)).amin(-1)
        apparent = times(lowest, size).sum(-1)
    doubtful = ~(facts.cost <= _CLEARLY * apparent) | facts.limited  # chords of rounding are no bound from below
    rows = (doubtful & (state.latents != latents).flatten(1).any(-1)).nonzero()[:, 0]
    if len(rows) == 0:
        return facts
    found = audit(latents[rows])
    cheaper = found.cost < _CHEAPER * facts.cost[rows]
    stalled = rows[cheaper & (found.cost < _TIE * facts.cost[rows]) & (state.outcome[rows] != Outcome.BUDGET_SPENT)]
    facts = facts.with_rows(rows[cheaper], found.rows(cheaper))
    state.outcome[stalled] = int(Outcome.STALLED)
    rows = rows[cheaper]
    if len(rows):
        rule.weight[rows] = 1.0
        _refine(rule, rows, *_measured(problem, latents[rows]), facts.segment_cost[rows])
        every = torch.ones_like(rows, dtype=torch.bool)
        state.keep(rows, every, latents[rows], problem.evaluate(latents[rows], rule.rows(rows)))
    return facts


_KEPT = ("latents", "energy", "gradient", "stiffness", "seen", "gain", "outcome")


def _copy(state: State) -> State:
    copied = copy(state)
    for name in _KEPT:
        setattr(copied, name, getattr(state, name).clone())
    return copied


def _adopt(state: State, facts: Audit, rows: Tensor, finer: State, found: Audit, chosen: Tensor) -> Audit:
    """Take over the ``chosen`` (a mask) of the refined paths ``rows`` into ``state``; returns the audit with theirs."""
    _keep(state, rows, finer, chosen)
    return facts.with_rows(rows[chosen], found.rows(chosen))


def _keep(state: State, rows: Tensor, finer: State, chosen: Tensor) -> None:
    good = state.keep(rows, chosen, finer.latents, finer)
    state.gain[good], state.outcome[good] = finer.gain[chosen], finer.outcome[chosen]


def _even(latents: Tensor, cost: Tensor) -> Tensor:
    """The same curves with points at equal steps of what their segments ``(b, K)`` cost."""
    arc = arc_length(torch.where(cost.isfinite().all(-1, keepdim=True), cost, 1))
    return with_interior(latents, at_arc(latents, arc, even_arc(arc, latents.shape[1]))[:, 1:-1])


def _unfinished(state: State, left: Tensor) -> Tensor:
    """The paths whose last round ended by the clock of the round, not of the caller."""
    return (state.outcome == Outcome.BUDGET_SPENT) & (left >= 2)


def _hiding(state: State, facts: Audit, gap: float) -> Tensor:
    """The paths of finite energy whose audited cost is above what the energy shows by more than ``gap``."""
    return state.energy.isfinite() & ~(facts.cost <= (1 + gap) * (2 * state.energy).sqrt())


def _uneven(state: State) -> Tensor:
    """The paths whose speed is far from constant: no minimum looks like that."""
    return state.energy.isfinite() & (state.seen.sum(-1) < _STEADY * (2 * state.energy).sqrt())


def _finish(
    solver: Solver[Any],
    problem: Problem,
    state: State,
    rule: Quadrature,
    gap: float,
    most: float,
    callback: Callback,
) -> Tensor:
    """Solve a draft on, but for the paths that seem to hide more than ``gap``: for those, ``rule``; returns their rows.

    A look at the midpoints is enough to see that, and spares solving twice.
    """
    ended = (state.outcome == Outcome.CONVERGED) | (state.outcome == Outcome.BUDGET_SPENT)
    rows = (ended & (state.energy > 0) & (state.evaluations + 3 <= most)).nonzero().squeeze(-1)
    if len(rows) == 0:
        return rows
    ends, middle = _measured(problem, state.latents[rows])
    state.evaluations[rows] += 1
    segments = middle + (middle - ends) / (_ORDER - 1)
    excess = segments.sum(-1) / (2 * state.energy[rows]).sqrt()
    hiding = (excess > 1 + gap) & (excess < _JUMP)
    _refine(rule, rows[hiding], ends[hiding], middle[hiding], segments[hiding])
    going = rows[~hiding & (state.gain[rows] > CAUTION**2 * solver.tol)]
    state.outcome[going] = int(Outcome.RUNNING)
    run(solver, problem, state, max_evaluations=most, callback=callback)
    return rows[hiding]


def _measured(problem: Problem, latents: Tensor) -> tuple[Tensor, Tensor]:
    """What the segments cost by the mean price, measured at their ends and at their midpoints too, ``(b, K)`` each.

    Two points are decoded for one of the path, and not gone back through: one evaluation.
    """
    with torch.no_grad():
        data = decode(subdivide(latents, 2), problem.to_data, max_points=problem.max_points)
        price = problem.mean_prices(latents)
    size, parts = chords(data[:, ::2]), chords(data)
    half = torch.where(below_resolution(data, parts)[:, None], size, parts.reshape(*price.shape, 2).sum(-1))
    return times(price, size), times(price, half)


def _refine(rule: Quadrature, rows: Tensor, ends: Tensor, middle: Tensor, cost: Tensor) -> None:
    r"""Measure the segments of ``rows``, which cost ``cost`` ``(b, K)``, so that the energy shows it.

    The mean price shows what the index hid. What a segment then still hides, :math:`h_i`, lies in its length, and falls
    as :math:`h_i / p_i` or faster: as many parts as leave a tenth of the segment's cost, and the known rest as a factor
    (deferred correction: Pereyra 1968, "Iterated deferred corrections for nonlinear boundary value problems").
    """
    share = (1 - ends / cost).nan_to_num(0, 0, 0).clamp(0, 1)
    parts = torch.maximum(rule.parts[rows], (share / _BENT).ceil().clamp(1, _MOST_PARTS).long())
    left = torch.where(parts == 2, (1 - middle / cost).nan_to_num(0, 0, 0).clamp(0, 1), share / parts)
    rule.parts[rows], rule.scale[rows] = parts, 1 / (1 - left).clamp_min(0.5)
