r"""The audit inside the solve: a path is not done before its energy sees what it costs.

After the solve every path is audited. Where the audited cost is above :math:`\sqrt{2E}` by more than the tolerance, the
path is measured more finely from then on and solved on (see `Problem`): in a first round every segment by its mean
price, which costs the generator nothing; then the segments that still hide something, and their neighbours, in parts.
A minimiser of the refined energy has as much audited cost in every segment, so the points are drawn into a barrier that
the path used to jump; where the points are so uneven that the energy is far above the cost, they are first put at equal
steps of cost. This is repeated until energy and audit agree, by rounds of at most 40 path evaluations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from ..audit import Audit
from ..curves import arc_length, at_arc, even_arc, subdivide
from ..energy import chords, cost, decode, mean_prices, times
from .lbfgs import LBFGS
from .problem import Problem
from .protocol import Callback, Outcome, Progress, Solver, State, run, solve, with_interior

__all__ = ["GAP", "solve_audited"]

GAP = 0.02
"""The relative excess of the audited cost over what the energy shows that calls for refinement."""

_ROUNDS, _ROUND = 12, 40.0  # rounds of refinement, and the most path evaluations in each
_FINE, _PARTS, _MOST_PARTS = 16, 8, 64
_SHARE = 0.1  # of the most hidden cost: what a segment must hide to be measured in parts
_STEADY = 0.9  # of the energy's cost: below, the speed is uneven
_CLEARLY, _CHEAPER = 0.95, 1 - 1e-5


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
    """`solve`, then refine and solve on until what the energy shows and what the audit finds agree to ``gap``.

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
    stopped = False

    def listen(progress: Progress) -> bool:
        nonlocal stopped
        stopped = stopped or bool(callback is not None and callback(progress))
        return stopped

    state = solve(solver, problem, latents, max_evaluations=max_evaluations, callback=listen)
    facts = audit(state.latents)
    now, seen = _copy(state), Audit(*(getattr(facts, field.name).clone() for field in fields(Audit)))
    parts = torch.zeros_like(facts.segment_cost, dtype=torch.long)
    refiner = LBFGS(getattr(solver, "tol", 1e-3))
    left = torch.full_like(state.energy, math.inf if max_evaluations is None else max_evaluations) - state.evaluations
    for _ in range(_ROUNDS):
        hiding, uneven = _hiding(now, seen, gap), _uneven(now)
        rows = ((hiding | uneven | _unfinished(now, left)) & (left >= 2)).nonzero().squeeze(-1)
        if len(rows) == 0 or stopped:
            break
        refined = _refined(parts[rows], now.seen[rows], seen.segment_cost[rows])
        parts[rows] = torch.where(hiding[rows, None], refined, parts[rows])
        walled = ~seen.cost[rows].isfinite()  # drawn across a wall between its points: from the beginning, then
        begin = torch.where(walled[:, None, None], latents[rows], now.latents[rows])
        begin = torch.where(uneven[rows, None, None], _even(begin, problem), begin)
        finer = refiner.init(problem, begin, parts=parts[rows])
        finer = run(
            refiner, problem, finer, max_evaluations=left[rows].clamp_max(_ROUND), callback=None if stopped else listen
        )
        state.evaluations[rows] += finer.evaluations
        left[rows] -= finer.evaluations
        found = audit(finer.latents)
        idle = (seen.cost[rows] - found.cost).abs() <= refiner.tol * found.cost
        idle &= (finer.outcome == Outcome.BUDGET_SPENT) & ~_hiding(finer, found, gap) & ~_uneven(finer)
        finer.outcome[idle] = int(Outcome.CONVERGED)  # a whole round has moved its cost by less than asked for
        _adopt(now, seen, rows, finer, found, torch.ones_like(idle))
        best = facts.cost[rows]
        honest = ~_hiding(finer, found, gap) & (found.cost <= (1 + gap) * best)
        _adopt(state, facts, rows, finer, found, finer.energy.isfinite() & ((found.cost < best) | honest))
    failed = (state.outcome == Outcome.CONVERGED) & _hiding(state, facts, gap)
    if not stopped:
        failed |= _unfinished(state, left)
    state.outcome[failed] = int(Outcome.UNRESOLVED)
    _never_worse(state, facts, problem, latents, audit)
    return state, facts


def _never_worse(
    state: State, facts: Audit, problem: Problem, latents: Tensor, audit: Callable[[Tensor], Audit]
) -> None:
    """The initial polyline again, as stalled, where the audit finds it cheaper than what was made of it."""
    with torch.no_grad():
        apparent = cost(latents, problem.to_data, problem.log_index, max_points=problem.max_points)
    doubtful = ~(facts.cost <= _CLEARLY * apparent)
    rows = (doubtful & (state.latents != latents).flatten(1).any(-1)).nonzero()[:, 0]
    if len(rows) == 0:
        return
    found = audit(latents[rows])
    cheaper = found.cost < _CHEAPER * facts.cost[rows]
    back = state.keep(rows, cheaper, latents[rows], problem.evaluate(latents[rows]))
    state.outcome[back[state.outcome[back] != Outcome.BUDGET_SPENT]] = int(Outcome.STALLED)
    _take(facts, rows, found, cheaper)


_KEPT = ("latents", "energy", "gradient", "stiffness", "seen", "gain", "outcome")


def _copy(state: State) -> State:
    copied = copy(state)
    for name in _KEPT:
        setattr(copied, name, getattr(state, name).clone())
    return copied


def _adopt(state: State, facts: Audit, rows: Tensor, finer: State, found: Audit, chosen: Tensor) -> None:
    """Take over the ``chosen`` (a mask) of the refined paths ``rows``, and what was found about them."""
    good = state.keep(rows, chosen, finer.latents, finer)
    state.gain[good], state.outcome[good] = finer.gain[chosen], finer.outcome[chosen]
    _take(facts, rows, found, chosen)


def _take(facts: Audit, rows: Tensor, found: Audit, chosen: Tensor) -> None:
    for field in fields(Audit):
        getattr(facts, field.name)[rows[chosen]] = getattr(found, field.name)[chosen]


def _even(latents: Tensor, problem: Problem) -> Tensor:
    """The same curves with points at equal steps of what they cost, between the points too; walled ones as they are."""
    with torch.no_grad():
        fine = subdivide(latents, _FINE)
        size = chords(decode(fine, problem.to_data, max_points=problem.max_points))
        arc = arc_length(times(mean_prices(problem.log_index(subdivide(fine, _FINE)), _FINE), size))
        usable = arc[:, -1:].isfinite() & (arc[:, -1:] > 0)
        points = at_arc(fine, torch.where(usable, arc, 0), even_arc(torch.where(usable, arc, 0), latents.shape[1]))
        return with_interior(latents, torch.where(usable[..., None], points, latents)[:, 1:-1])


def _unfinished(state: State, left: Tensor) -> Tensor:
    """The paths whose last round ended by the clock of the round, not of the caller."""
    return (state.outcome == Outcome.BUDGET_SPENT) & (left >= 2)


def _hiding(state: State, facts: Audit, gap: float) -> Tensor:
    """The paths of finite energy whose audited cost is above what the energy shows by more than ``gap``."""
    return state.energy.isfinite() & ~(facts.cost <= (1 + gap) * (2 * state.energy).sqrt())


def _uneven(state: State) -> Tensor:
    """The paths whose speed is far from constant: no minimum looks like that."""
    return state.energy.isfinite() & (state.seen.sum(-1) < _STEADY * (2 * state.energy).sqrt())


def _refined(parts: Tensor, seen: Tensor, cost: Tensor) -> Tensor:
    """At first the mean price for every segment; then more parts for those that hide most, and for their neighbours."""
    hidden = (cost - seen).clamp_min(0)
    worst = hidden > _SHARE * hidden.amax(-1, keepdim=True)
    near = torch.nn.functional.max_pool1d(worst.to(seen.dtype)[:, None], 3, stride=1, padding=1)[:, 0] > 0
    first = (parts == 0).all(-1, keepdim=True)
    return torch.where(first, 1, torch.where(near, (2 * parts).clamp(_PARTS, _MOST_PARTS), parts))
