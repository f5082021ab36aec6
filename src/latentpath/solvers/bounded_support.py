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

from ..audit import Audit, is_tunnelling
from ..index import PriorIndex
from .configuration import config
from .coordinates import Coordinates
from .multilevel import Multilevel
from .multistart import Listener, Multistart, adopt_cheaper, affordable
from .objective import Evaluation, Objective
from .outcome import Outcome
from .protocol import Callback, Solver, State, with_interior
from .quadrature import Quadrature
from .refinement import solve_audited

__all__ = ["solve_bounded"]


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


class _CoordinateObjective(Objective):
    """A objective whose unknowns are coordinates; the segments of a polyline stay straight in the latents."""

    def __init__(self, objective: Objective, coordinates: Coordinates) -> None:
        def to_data(u: Tensor) -> Tensor:
            return objective.to_data(coordinates.latents(u))

        self.index = _CoordinateIndex(coordinates)
        super().__init__(to_data, self.index, None, objective.max_points)
        self.objective, self.coordinates = objective, coordinates

    def evaluate(self, latents: Tensor, quadrature: Quadrature | None = None) -> Evaluation:
        with torch.enable_grad():
            u = latents.detach().requires_grad_()
            z = self.coordinates.latents(u)
        found = self.objective.evaluate(z.detach(), quadrature)
        (slope,) = torch.autograd.grad(z[:, 1:-1], u, found.gradient)
        bad = ~slope.isfinite().flatten(1).all(-1)
        return replace(
            found,
            energy=torch.where(bad, torch.inf, found.energy),
            gradient=torch.where(bad[:, None, None], 0, slope[:, 1:-1]),
        )

    def energy(self, latents: Tensor) -> Tensor:
        return self.objective.energy(self.coordinates.latents(latents))

    def mean_prices(self, latents: Tensor) -> Tensor:
        return self.objective.mean_prices(self.coordinates.latents(latents))


Solve = Callable[
    [Objective, Tensor, Callable[[Tensor], Audit], Any, Callback | None], tuple[State, Audit, Multistart | None]
]
"""A solve of a objective from polylines, by an audit and an index, told to a callback; the minima that it found."""


def solve_bounded(
    coordinates: Coordinates,
    solve: Solve,
    solver: Solver[Any],
    objective: Objective,
    line: Tensor,
    audit: Callable[[Tensor], Audit],
    *,
    max_total: float | None = None,
    callback: Callback | None = None,
) -> tuple[State, Audit, Multistart | None]:
    """``solve`` in unconstrained coordinates, from the straight lines ``line`` ``(B, K+1, D)``; the state in latents.

    Args:
        coordinates: of the prior's support.
        solve: the solve, from one start or several.
        solver: the one that ``solve`` uses.
        objective: the energy, of latents.
        line: the straight lines.
        audit: the audit of polylines of latents.
        max_total: the path evaluations each path may spend in all; None for no limit.
        callback: told after every step, with latents; a true answer stops everything.
    """
    listen = Listener(callback)
    begin, walled = coordinates.of_latents(line)
    inside = _CoordinateObjective(objective, coordinates)
    state, facts, minima = solve(
        inside, begin, lambda u: audit(coordinates.latents(u)), inside.index, _told(coordinates, listen)
    )
    same = (state.latents == begin).flatten(1).all(-1)
    found = with_interior(line, coordinates.latents(state.latents)[:, 1:-1])
    state.latents = torch.where(same[:, None, None], line, found)
    doubtful = walled.any(-1)
    facts = _measure_anew(doubtful.nonzero()[:, 0], state, facts, objective, line, audit)
    tol = getattr(solver, "tol", 1e-3)
    doubtful |= (state.outcome != Outcome.CONVERGED.code) | (state.gain > config().convergence.gain_share * tol)
    doubtful &= (state.outcome != Outcome.NON_FINITE.code) & (state.outcome != Outcome.BUDGET_SPENT.code)
    left = (math.inf if max_total is None else max_total) - state.evaluations
    doubtful &= left >= config().bounded_support.least_evaluations
    for rows, most in affordable(doubtful, left, config().bounded_support.polish_evaluations):
        if listen.stopped:
            break
        facts = _polish(rows, Multilevel(tol), state, facts, objective, audit, coordinates.around(), most, listen)
    return state, facts, minima


def _measure_anew(
    rows: Tensor, state: State, facts: Audit, objective: Objective, line: Tensor, audit: Callable[[Tensor], Audit]
) -> Audit:
    """Audits the paths ``rows``, whose points on the wall were solved for a hair inside; returns their audit."""
    if len(rows) == 0:
        return facts
    found, straight = audit(state.latents[rows]), audit(line[rows])
    above = ~(found.cost <= straight.cost)
    state.outcome[rows[above & ~(straight.cost >= (1 - config().refinement.tie) * found.cost)]] = Outcome.STALLED.code
    for chosen, measured, latents in ((~above, found, state.latents[rows]), (above, straight, line[rows])):
        state.keep(rows, chosen, latents, replace(objective.evaluate(latents), gradient=state.gradient[rows]))
        facts = facts.with_rows(rows[chosen], measured.rows(chosen))
    hidden = _hidden(state.segment_cost, facts)[rows]
    state.outcome[rows[hidden & (state.outcome[rows] == Outcome.CONVERGED.code)]] = Outcome.UNRESOLVED.code
    return facts


def _hidden(segment_cost: Tensor, facts: Audit) -> Tensor:
    """Which paths ``(b,)`` hide cost from the energy that the solver saw ``(b, K)``."""
    energy_cost = (segment_cost.shape[-1] * segment_cost.square().sum(-1)).sqrt()
    return is_tunnelling(facts.segment_cost, segment_cost).any(-1) | ~(
        facts.cost <= (1 + config().refinement.gap) * energy_cost
    )


def _polish(
    rows: Tensor,
    solver: Multilevel,
    state: State,
    facts: Audit,
    objective: Objective,
    audit: Callable[[Tensor], Audit],
    around: Coordinates | None,
    max_evaluations: float,
    listen: Listener,
) -> Audit:
    """Solves the paths ``rows`` on in coordinates of the affine space ``around`` the support, or in the latents."""
    begin, inside, measure = state.latents[rows], objective, audit
    if around is not None:
        inside = _CoordinateObjective(objective, around)
        begin, measure = around.of_latents(begin)[0], lambda y: audit(around.latents(y))
    finer, found = solve_audited(
        solver, inside, begin, measure, max_evaluations=max_evaluations, callback=_told(around, listen)
    )
    state.evaluations[rows] += finer.evaluations
    if around is not None:
        finer.latents = with_interior(state.latents[rows], around.latents(finer.latents)[:, 1:-1])
    hidden = _hidden(finer.segment_cost, found)
    settled = (state.outcome[rows] == Outcome.CONVERGED.code) & (
        found.cost > (1 - config().bounded_support.polish_gain) * facts.cost[rows]
    )
    # a little cheaper, and segment_cost less well: no better
    found = replace(found, cost=torch.where(settled & hidden, torch.inf, found.cost))
    finer.outcome[settled] = Outcome.CONVERGED.code
    ended = (finer.outcome == Outcome.BUDGET_SPENT.code) & (
        max_evaluations >= config().bounded_support.polish_evaluations
    )  # the polish, not what it may spend
    if not listen.stopped:
        finer.outcome[ended] = torch.where(hidden[ended], Outcome.UNRESOLVED.code, Outcome.STALLED.code)
    return adopt_cheaper(state, facts, rows, finer, found)


def _told(coordinates: Coordinates | None, callback: Callback) -> Callback:
    """The callback, which is told latents whatever coordinates a solver moves."""
    if coordinates is None:
        return callback
    return lambda progress: callback(replace(progress, latents=coordinates.latents(progress.latents)))
