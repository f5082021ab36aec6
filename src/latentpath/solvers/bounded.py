r"""The solve within a bounded support, where a solver of latents would stop at the walls.

Outside the support of its prior (a simplex, a box, a half-line in every coordinate) a `RealismIndex` is 0 and the
energy infinite. A solver that moves the latents themselves must shorten every step that crosses, for all points of the
path at once, and stalls where the cheapest path runs along the wall; on a simplex no step at all stays on the support.
So the unknowns are unconstrained `Coordinates`, :math:`u_i = T^{-1}(x_i)`:

.. math:: E(u) = E\bigl(T(u_0), \dots, T(u_K)\bigr), \qquad \nabla_u E = J_T^T\, \nabla_x E.

The polyline stays one of straight segments in the latents: energy, mean prices and audit are those of the latents
:math:`T(u_i)`, from the straight line on. These supports are convex, so no segment leaves them.

Near a wall :math:`J_T` tends to 0, and a path may end before the points there have found their place. Where the solver
has not clearly converged, the path is solved on, in coordinates of the smallest affine space around the support.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..audit import Audit, hides
from ..index import PriorIndex
from .audited import GAP, solve_audited
from .coordinates import Coordinates
from .multilevel import Multilevel
from .problem import Evaluation, Problem, Quadrature
from .protocol import CAUTION, Callback, Outcome, Solver, State, with_interior
from .restarts import Listener, Minima, adopt_cheaper, affordable

__all__ = ["solve_bounded"]

_LOWER = 0.01  # relative: what a polish brings that a converged path should not have left
_TIE = 2e-3  # relative: a straight line cheaper by less is the minimum that was found
_POLISH, _LEAST = 60.0, 20.0  # path evaluations in the affine coordinates: the most, and those worth a beginning


class _Drawn:
    """Samples of a prior in coordinates ``(n, d)``."""

    def __init__(self, prior: Any, coordinates: Coordinates) -> None:
        self.base_dist, self.coordinates = prior, coordinates

    def sample(self, shape: tuple[int, ...]) -> Tensor:
        return self.coordinates.of_latents(self.base_dist.sample(shape))[0]


class _CoordinateIndex(PriorIndex):
    """An index of latents, asked in coordinates."""

    _coordinates: Coordinates

    def __init__(self, coordinates: Coordinates) -> None:
        facts = {name: getattr(coordinates.index, name) for name in ("alpha", "samples", "seed", "kind")}
        prior = _Drawn(coordinates.index.prior, coordinates)
        self._set(prior=prior, dim=coordinates.dim, _coordinates=coordinates, **facts)

    def log(self, z: Tensor) -> Tensor:
        return self._coordinates.index.log(self._coordinates.latents(z))


class _CoordinateProblem(Problem):
    """A problem whose unknowns are coordinates; the segments of a polyline stay straight in the latents."""

    def __init__(self, problem: Problem, coordinates: Coordinates) -> None:
        def to_data(u: Tensor) -> Tensor:
            return problem.to_data(coordinates.latents(u))

        self.index = _CoordinateIndex(coordinates)
        super().__init__(to_data, self.index, None, problem.max_points)
        self.problem, self.coordinates = problem, coordinates

    def evaluate(self, latents: Tensor, rule: Quadrature | None = None) -> Evaluation:
        with torch.enable_grad():
            u = latents.detach().requires_grad_()
            z = self.coordinates.latents(u)
        found = self.problem.evaluate(z.detach(), rule)
        (slope,) = torch.autograd.grad(z[:, 1:-1], u, found.gradient)
        bad = ~slope.isfinite().flatten(1).all(-1)
        return replace(
            found,
            energy=torch.where(bad, torch.inf, found.energy),
            gradient=torch.where(bad[:, None, None], 0, slope[:, 1:-1]),
        )

    def energy(self, latents: Tensor) -> Tensor:
        return self.problem.energy(self.coordinates.latents(latents))

    def mean_prices(self, latents: Tensor) -> Tensor:
        return self.problem.mean_prices(self.coordinates.latents(latents))


Solve = Callable[[Problem, Tensor, Callable[[Tensor], Audit], Any, Callback | None], tuple[State, Audit, Minima | None]]
"""A solve of a problem from polylines, by an audit and an index, told to a callback; the minima that it found."""


def solve_bounded(
    coordinates: Coordinates,
    solve: Solve,
    solver: Solver[Any],
    problem: Problem,
    line: Tensor,
    audit: Callable[[Tensor], Audit],
    *,
    max_total: float | None = None,
    callback: Callback | None = None,
) -> tuple[State, Audit, Minima | None]:
    """``solve`` in unconstrained coordinates, from the straight lines ``line`` ``(B, K+1, D)``; the state in latents.

    Args:
        coordinates: of the prior's support.
        solve: the solve, from one start or several.
        solver: the one that ``solve`` uses.
        problem: the energy, of latents.
        line: the straight lines.
        audit: the audit of polylines of latents.
        max_total: the path evaluations each path may spend in all; None for no limit.
        callback: told after every step, with latents; a true answer stops everything.
    """
    listen = Listener(callback)
    begin, walled = coordinates.of_latents(line)
    inside = _CoordinateProblem(problem, coordinates)
    state, facts, minima = solve(
        inside, begin, lambda u: audit(coordinates.latents(u)), inside.index, _told(coordinates, listen)
    )
    same = (state.latents == begin).flatten(1).all(-1)
    found = with_interior(line, coordinates.latents(state.latents)[:, 1:-1])
    state.latents = torch.where(same[:, None, None], line, found)
    doubtful = walled.any(-1)
    facts = _measure_anew(doubtful.nonzero()[:, 0], state, facts, problem, line, audit)
    tol = getattr(solver, "tol", 1e-3)
    doubtful |= (state.outcome != Outcome.CONVERGED) | (state.gain > CAUTION * tol)
    doubtful &= (state.outcome != Outcome.NON_FINITE) & (state.outcome != Outcome.BUDGET_SPENT)
    left = (math.inf if max_total is None else max_total) - state.evaluations
    doubtful &= left >= _LEAST
    for rows, most in affordable(doubtful, left, _POLISH):
        if listen.stopped:
            break
        facts = _polish(rows, Multilevel(tol), state, facts, problem, audit, coordinates.around(), most, listen)
    return state, facts, minima


def _measure_anew(
    rows: Tensor, state: State, facts: Audit, problem: Problem, line: Tensor, audit: Callable[[Tensor], Audit]
) -> Audit:
    """Audits the paths ``rows``, whose points on the wall the solve has seen a hair inside; returns the ``facts``."""
    if len(rows) == 0:
        return facts
    found, straight = audit(state.latents[rows]), audit(line[rows])
    above = ~(found.cost <= straight.cost)
    state.outcome[rows[above & ~(straight.cost >= (1 - _TIE) * found.cost)]] = int(Outcome.STALLED)
    for chosen, measured, latents in ((~above, found, state.latents[rows]), (above, straight, line[rows])):
        state.keep(rows, chosen, latents, replace(problem.evaluate(latents), gradient=state.gradient[rows]))
        facts = facts.with_rows(rows[chosen], measured.rows(chosen))
    hidden = _hidden(state.seen, facts)[rows]
    state.outcome[rows[hidden & (state.outcome[rows] == Outcome.CONVERGED)]] = int(Outcome.UNRESOLVED)
    return facts


def _hidden(seen: Tensor, facts: Audit) -> Tensor:
    """Which paths ``(b,)`` hide cost from the energy that the solver saw ``(b, K)``."""
    energy_cost = (seen.shape[-1] * seen.square().sum(-1)).sqrt()
    return hides(facts.segment_cost, seen).any(-1) | ~(facts.cost <= (1 + GAP) * energy_cost)


def _polish(
    rows: Tensor,
    solver: Multilevel,
    state: State,
    facts: Audit,
    problem: Problem,
    audit: Callable[[Tensor], Audit],
    around: Coordinates | None,
    max_evaluations: float,
    listen: Listener,
) -> Audit:
    """Solves the paths ``rows`` on in coordinates of the affine space ``around`` the support, or in the latents."""
    begin, inside, measure = state.latents[rows], problem, audit
    if around is not None:
        inside = _CoordinateProblem(problem, around)
        begin, measure = around.of_latents(begin)[0], lambda y: audit(around.latents(y))
    finer, found = solve_audited(
        solver, inside, begin, measure, max_evaluations=max_evaluations, callback=_told(around, listen)
    )
    state.evaluations[rows] += finer.evaluations
    if around is not None:
        finer.latents = with_interior(state.latents[rows], around.latents(finer.latents)[:, 1:-1])
    hidden = _hidden(finer.seen, found)
    settled = (state.outcome[rows] == Outcome.CONVERGED) & (found.cost > (1 - _LOWER) * facts.cost[rows])
    # a little cheaper, and seen less well: no better
    found = replace(found, cost=torch.where(settled & hidden, torch.inf, found.cost))
    finer.outcome[settled] = int(Outcome.CONVERGED)
    ended = (finer.outcome == Outcome.BUDGET_SPENT) & (max_evaluations >= _POLISH)  # the polish, not what it may spend
    if not listen.stopped:
        finer.outcome[ended] = torch.where(hidden[ended], int(Outcome.UNRESOLVED), int(Outcome.STALLED))
    return adopt_cheaper(state, facts, rows, finer, found)


def _told(coordinates: Coordinates | None, callback: Callback) -> Callback:
    """The callback, which is told latents whatever coordinates a solver moves."""
    if coordinates is None:
        return callback
    return lambda progress: callback(replace(progress, latents=coordinates.latents(progress.latents)))
