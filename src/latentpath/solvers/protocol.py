r"""The protocol of all solvers, and what they share: the state and the loop.

A solver has three methods, ``init``, ``step`` and ``done``, and keeps everything it knows in an explicit `State`, so a
progress bar, a web page or a test can drive it step by step. One ``step`` evaluates the energy once for every path
that is still running (each path at its own trial point), and changes no other; a path that has ended costs nothing
more. `solve` is the loop around the three.

When is a path good enough? All solvers ask the same question. With the preconditioner
:math:`H \approx (\nabla^2 E)^{-1}` (see `Preconditioner`) a quasi-Newton step would lower the energy by about
:math:`\tfrac12 \nabla E^T H \nabla E`, and so the cost, :math:`\sqrt{2E}`, relatively by about
:math:`\nabla E^T H \nabla E / 4E`: the *predicted gain*. H knows nothing of the curvature of the index, and on the
closed forms the cost still to be gained was up to fifty times the predicted one; so a path has converged when the
predicted gain stays below a fiftieth of the solver's ``tol``. There, that takes one or two steps more.
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
    """What a solver knows, for all ``B`` paths of a batch.

    Attributes:
        latents: the best polylines so far, ``(B, K+1, D)``.
        energy: theirs, ``(B,)``.
        gradient: of the energy there, ``(B, K-1, D)``.
        stiffness: of their segments, ``(B, K)``.
        gain: the predicted relative gain in cost, ``(B,)``.
        outcome: `Outcome` codes, ``(B,)``; 0 while a path is running.
        evaluations: path evaluations spent, ``(B,)``.
        metric: along every path, as last measured.
        preconditioner: from that and the weights that the segments had.
        evaluation_weight: path evaluations that one evaluation of every path counts for, ``(B,)``: 1, less on a coarser
            level, more where segments are measured in parts.
        quadrature: how every segment is measured; None for equation 3.
        segment_cost: the cost of every segment as the energy sees it, ``(B, K)``.
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
        """Evaluate the initial polylines, unless it is known what is ``found``.

        Those of non-finite energy end here, as those of energy 0 do.
        """
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
        """Evaluate trials ``latents`` of ``rows``, and count it."""
        self.evaluations[rows] += self.evaluation_weight[rows]
        return objective.evaluate(latents, None if self.quadrature is None else self.quadrature.rows(rows))

    @property
    def phase(self) -> Phase:
        """The phase that a callback is told: the finest level, unless the state knows better."""
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
        """The rows of the paths still running, ``(b,)``."""
        return (self.outcome == Outcome.RUNNING.code).nonzero().squeeze(-1)

    def keep(self, rows: Tensor, chosen: Tensor, latents: Tensor, found: Evaluation | State) -> Tensor:
        """Make the ``chosen`` (a mask) of the trials ``latents`` of ``rows`` the best polylines; returns their rows."""
        good = rows[chosen]
        self.latents[good], self.energy[good] = latents[chosen], found.energy[chosen]
        self.gradient[good], self.stiffness[good] = found.gradient[chosen], found.stiffness[chosen]
        self.segment_cost[good] = found.segment_cost[chosen]
        return good

    def adopt(self, rows: Tensor, chosen: Tensor, finer: State) -> Tensor:
        """Takes over the ``chosen`` (a mask) of the paths ``rows``, outcomes included; returns the rows of these."""
        good = self.keep(rows, chosen, finer.latents, finer)
        self.gain[good], self.outcome[good] = finer.gain[chosen], finer.outcome[chosen]
        return good

    def judge(self, rows: Tensor, tol: float) -> None:
        """Predict the gain of a preconditioned step for ``rows``; end those where it is below ``tol``."""
        self.gain[rows] = predicted_gain(self.energy[rows], self.gradient[rows], self.preconditioned(rows))
        self.outcome[rows[self.gain[rows] <= tol]] = Outcome.CONVERGED.code

    def preconditioned(self, rows: Tensor) -> Tensor:
        """The preconditioned gradients of ``rows``, ``(n, K-1, D)``."""
        if self.iteration % config().convergence.refresh == 0:
            self.preconditioner.put(rows, Preconditioner.of(self.metric.rows(rows), self.stiffness[rows]))
        return self.preconditioner.rows(rows).apply(self.gradient[rows])


def predicted_gain(energy: Tensor, gradient: Tensor, direction: Tensor) -> Tensor:
    r"""The predicted relative gain in cost, :math:`\nabla E^T d / 4E`, of the step :math:`-d = -H \nabla E`."""
    slope = (gradient * direction.reshape_as(gradient)).flatten(1).sum(-1)
    return torch.where(energy > 0, slope / (4 * energy), 0)


def with_interior(latents: Tensor, interior: Tensor) -> Tensor:
    """The polylines with other interior points; the endpoints are copied, never computed."""
    return torch.cat([latents[:, :1], interior, latents[:, -1:]], dim=1)


StateT = TypeVar("StateT", bound=State)


@runtime_checkable
class Solver(Protocol[StateT]):
    """Lowers the energy of a batch of polylines.

    ``init`` evaluates the initial polylines; ``step`` makes one evaluation of every running path, updates the state in
    place and returns it; ``done`` says whether no path is running.
    """

    tol: float

    def init(self, objective: Objective, latents: Tensor) -> StateT: ...

    def step(self, objective: Objective, state: StateT) -> StateT: ...

    def done(self, state: StateT) -> bool: ...


class Base(Generic[StateT]):
    """``done`` as every solver here has it."""

    def done(self, state: StateT) -> bool:
        return not bool((state.outcome == Outcome.RUNNING.code).any())


Phase = Literal["coarse level", "fine level", "refinement", "search", "audit"]
"""Where a solve is: on a coarse or the finest level, in a round of refinement, in other starts, or in the audit."""


@dataclass(frozen=True)
class Progress:
    """The report that a callback gets after every step.

    Attributes:
        iteration: steps taken.
        evaluations: path evaluations spent, mean over the batch.
        running: the number of paths still running.
        energy: of the best polylines so far, ``(B,)``.
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
"""Called after every step; a true answer stops the solve, and every path keeps the best it has."""


class Listener:
    """A callback that remembers whether it was asked to stop, and then keeps saying so."""

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
    """Run ``solver`` from the polylines ``latents`` ``(B, K+1, D)`` until every path has an outcome.

    Args:
        solver: any `Solver`.
        objective: the energy.
        latents: the initial polylines; their endpoints stay as they are.
        max_evaluations: the path evaluations each path may spend; None for no limit.
        callback: told after every step; a true answer stops.
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
    """`solve` from a state that the solver's ``init`` made; the budget may differ from path to path, ``(B,)``.

    ``phase`` is what the callback is told; None for the level that the state is on.
    """
    limit: float | Tensor = math.inf if max_evaluations is None else max_evaluations
    while (stepped := advance(solver, objective, state, limit)) is not None:
        state = stepped
        if callback is not None and callback(state.progress(phase)):
            limit, callback = 0.0, None
    return state


def advance(solver: Solver[StateT], objective: Objective, state: StateT, limit: float | Tensor) -> StateT | None:
    """Makes one step of the paths whose budget allows it; returns None where every path has ended."""
    spent = (state.outcome == Outcome.RUNNING.code) & (state.evaluations + state.evaluation_weight > limit)
    state.outcome[spent] = Outcome.BUDGET_SPENT.code
    if solver.done(state):
        return None
    return solver.step(objective, state)
