r"""The protocol of all solvers, and their common state and loop.

A solver has three methods, ``init``, ``step`` and ``done``, and an explicit `State`, so a progress bar, a web page or a
test can drive it step by step. One ``step`` evaluates the energy once for every running path, each at its own trial
point; a path that has ended costs nothing more. `solve` is the loop around the three.

All solvers share the criterion of convergence. With the preconditioner :math:`H \approx (\nabla^2 E)^{-1}` (see
`Preconditioner`) a quasi-Newton step would lower the energy by about :math:`\tfrac12 \nabla E^T H \nabla E`, and so the
cost, :math:`\sqrt{2E}`, relatively by about :math:`\nabla E^T H \nabla E / 4E`: the *predicted gain*. H ignores the
curvature of the index, and the true gain can be much larger; so a path has converged when the predicted gain stays
below a fiftieth of the solver's ``tol``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from .configuration import config
from .objective import Evaluation, Objective
from .outcome import Outcome
from .preconditioner import Metric, Preconditioner
from .quadrature import Quadrature

__all__ = [
    "Base",
    "Callback",
    "Listener",
    "Progress",
    "Solver",
    "State",
    "advance",
    "predicted_gain",
    "run",
    "solve",
    "with_interior",
]


@dataclass
class State:
    """The state of a solve of ``B`` paths; changed in place.

    Attributes:
        latents: the best polylines so far, ``(B, K+1, D)``.
        energy: the energy of the polylines, ``(B,)``.
        gradient: the gradient of the energy, ``(B, K-1, D)``.
        stiffness: the weights of the segments, ``(B, K)``.
        gain: the predicted relative gain in cost, ``(B,)``.
        outcome: `Outcome` codes, ``(B,)``; 0 while a path is running.
        evaluations: path evaluations spent, ``(B,)``.
        metric: the metric along every path, as last measured.
        preconditioner: the inverse Hessian from the metric and earlier weights of the segments.
        evaluation_weight: the path evaluations that one evaluation of a path counts for, ``(B,)``: 1, less on a coarser
            level, more where segments are measured in parts.
        quadrature: the measurement of every segment; None for equation 3.
        segment_cost: the discrete cost of every segment, ``(B, K)``.
        iteration: steps taken.
    """

    latents: Tensor
    energy: Tensor
    gradient: Tensor
    stiffness: Tensor
    gain: Tensor
    outcome: Tensor
    evaluations: Tensor
    metric: Metric
    preconditioner: Preconditioner
    evaluation_weight: Tensor
    quadrature: Quadrature | None
    segment_cost: Tensor
    iteration: int

    @classmethod
    def begin(
        cls,
        objective: Objective,
        latents: Tensor,
        evaluation_weight: float = 1.0,
        metric: Metric | None = None,
        quadrature: Quadrature | None = None,
        found: Evaluation | None = None,
    ) -> State:
        """Begins at the initial polylines, evaluated unless ``found`` is given; energies of 0 or not finite end."""
        found, work = found or objective.evaluate(latents, quadrature), 0.0
        if metric is None:
            metric, work = objective.metric(latents)
        preconditioner = Preconditioner.of(metric, found.stiffness)
        each = torch.full_like(found.energy, evaluation_weight)
        if quadrature is not None:
            each *= (quadrature.parts.sum(-1) + 1) / latents.shape[1]
        finite = found.energy.isfinite()
        outcome = torch.where(finite, Outcome.RUNNING.code, Outcome.NON_FINITE.code)
        outcome = torch.where(found.energy == 0, Outcome.CONVERGED.code, outcome)
        return cls(
            latents=latents.detach().clone(),
            energy=found.energy,
            gradient=found.gradient,
            stiffness=found.stiffness,
            gain=predicted_gain(found.energy, found.gradient, preconditioner.apply(found.gradient)),
            outcome=outcome,
            evaluations=each + evaluation_weight * work,
            metric=metric,
            preconditioner=preconditioner,
            evaluation_weight=each,
            quadrature=quadrature,
            segment_cost=found.segment_cost,
            iteration=0,
        )

    def evaluate(self, objective: Objective, rows: Tensor, latents: Tensor) -> Evaluation:
        """Evaluates and counts trials ``latents`` of ``rows``."""
        self.evaluations[rows] += self.evaluation_weight[rows]
        return objective.evaluate(latents, None if self.quadrature is None else self.quadrature.rows(rows))

    @property
    def phase(self) -> Phase:
        """The phase of a `Progress`: the finest level, unless a solver's state overrides it."""
        return "fine level"

    def progress(self, phase: Phase | None = None) -> Progress:
        """Returns the report for a callback."""
        return Progress(
            iteration=self.iteration,
            evaluations=float(self.evaluations.mean()),
            running=len(self.running),
            energy=self.energy,
            gain=self.gain,
            latents=self.latents,
            phase=phase or self.phase,
        )

    @property
    def running(self) -> Tensor:
        """The rows of the running paths, ``(b,)``."""
        return (self.outcome == Outcome.RUNNING.code).nonzero().squeeze(-1)

    def keep(self, rows: Tensor, chosen: Tensor, latents: Tensor, found: Evaluation | State) -> Tensor:
        """Adopts the ``chosen`` (a mask) of the trials ``latents`` of ``rows`` as the best; returns their rows."""
        good = rows[chosen]
        self.latents[good], self.energy[good] = latents[chosen], found.energy[chosen]
        self.gradient[good], self.stiffness[good] = found.gradient[chosen], found.stiffness[chosen]
        self.segment_cost[good] = found.segment_cost[chosen]
        return good

    def adopt(self, rows: Tensor, chosen: Tensor, finer: State) -> Tensor:
        """Adopts the ``chosen`` (a mask) of the paths ``rows``, outcomes included; returns their rows."""
        good = self.keep(rows, chosen, finer.latents, finer)
        self.gain[good], self.outcome[good] = finer.gain[chosen], finer.outcome[chosen]
        return good

    def judge(self, rows: Tensor, tol: float) -> None:
        """Predicts the gain of a preconditioned step of ``rows``; ends the paths whose gain is at most ``tol``."""
        self.gain[rows] = predicted_gain(self.energy[rows], self.gradient[rows], self.preconditioned(rows))
        self.outcome[rows[self.gain[rows] <= tol]] = Outcome.CONVERGED.code

    def preconditioned(self, rows: Tensor) -> Tensor:
        """Computes the preconditioned gradients of ``rows``, ``(n, K-1, D)``."""
        if self.iteration % config().convergence.refresh == 0:
            self.preconditioner.put(rows, Preconditioner.of(self.metric.rows(rows), self.stiffness[rows]))
        return self.preconditioner.rows(rows).apply(self.gradient[rows])


def predicted_gain(energy: Tensor, gradient: Tensor, direction: Tensor) -> Tensor:
    r"""Computes the predicted relative gain in cost, :math:`\nabla E^T d / 4E`, of the step :math:`-d`."""
    slope = (gradient * direction.reshape_as(gradient)).flatten(1).sum(-1)
    return torch.where(energy > 0, slope / (4 * energy), 0)


def with_interior(latents: Tensor, interior: Tensor) -> Tensor:
    """Returns the polylines with other interior points; the endpoints are copied, never computed."""
    return torch.cat([latents[:, :1], interior, latents[:, -1:]], dim=1)


StateT = TypeVar("StateT", bound=State)


@runtime_checkable
class Solver(Protocol[StateT]):
    """Lowers the energy of a batch of polylines.

    ``init`` evaluates the initial polylines; ``step`` makes one evaluation of every running path, updates the state in
    place and returns it; ``done`` is True when no path is running.
    """

    tol: float

    def init(self, objective: Objective, latents: Tensor) -> StateT: ...

    def step(self, objective: Objective, state: StateT) -> StateT: ...

    def done(self, state: StateT) -> bool: ...


class Base(Generic[StateT]):
    """The base of the solvers of this package."""

    def done(self, state: StateT) -> bool:
        return not bool((state.outcome == Outcome.RUNNING.code).any())


Phase = Literal["coarse level", "fine level", "refinement", "search", "audit"]
"""The phase of a solve: a coarse or the finest level, a round of refinement, other starts, or the audit."""


@dataclass(frozen=True)
class Progress:
    """The report that a callback gets after every step.

    Attributes:
        iteration: steps taken.
        evaluations: path evaluations spent, mean over the batch.
        running: the number of paths still running.
        energy: the energy of the best polylines so far, ``(B,)``.
        gain: the predicted relative gain in cost, ``(B,)``.
        latents: the best polylines so far, ``(B, P, D)``, with fewer points on a coarser level; not to be changed.
        phase: the phase of the solve.
    """

    iteration: int
    evaluations: float
    running: int
    energy: Tensor
    gain: Tensor
    latents: Tensor
    phase: Phase = "fine level"


Callback = Callable[[Progress], bool | None]
"""Called after every step; a true result stops the solve, and every path keeps its best polyline."""


class Listener:
    """Wraps a callback; after its first true result every result is true."""

    def __init__(self, callback: Callback | None) -> None:
        self.callback, self.stopped = callback, False

    def __call__(self, progress: Progress) -> bool:
        self.stopped = self.stopped or bool(self.callback is not None and self.callback(progress))
        return self.stopped


def solve(
    solver: Solver[StateT],
    objective: Objective,
    latents: Tensor,
    *,
    max_evaluations: float | None = None,
    callback: Callback | None = None,
) -> StateT:
    """Runs ``solver`` from the polylines ``latents`` ``(B, K+1, D)`` until every path has an outcome.

    Args:
        solver: any `Solver`.
        objective: the energy.
        latents: the initial polylines; their endpoints stay fixed.
        max_evaluations: the path evaluations each path may spend; None for no limit.
        callback: called after every step; a true result stops the solve.
    """
    return run(solver, objective, solver.init(objective, latents), max_evaluations=max_evaluations, callback=callback)


def run(
    solver: Solver[StateT],
    objective: Objective,
    state: StateT,
    *,
    max_evaluations: float | Tensor | None = None,
    callback: Callback | None = None,
    phase: Phase | None = None,
) -> StateT:
    """Runs ``solver`` from a state of its ``init``, with one limit or limits ``(B,)``.

    ``phase`` is the phase of each `Progress`; None for the level of the state.
    """
    limit: float | Tensor = math.inf if max_evaluations is None else max_evaluations
    while (stepped := advance(solver, objective, state, limit)) is not None:
        state = stepped
        if callback is not None and callback(state.progress(phase)):
            limit, callback = 0.0, None
    return state


def advance(solver: Solver[StateT], objective: Objective, state: StateT, limit: float | Tensor) -> StateT | None:
    """Makes one step of the paths within the limit; returns None when every path has ended."""
    spent = (state.outcome == Outcome.RUNNING.code) & (state.evaluations + state.evaluation_weight > limit)
    state.outcome[spent] = Outcome.BUDGET_SPENT.code
    if solver.done(state):
        return None
    return solver.step(objective, state)
