r"""What every solver obeys, and what they share: the state, the outcomes, and the loop.

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
from enum import IntEnum
from typing import Generic, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from .preconditioner import Metric, Preconditioner
from .problem import Evaluation, Problem, Quadrature

__all__ = [
    "CAUTION",
    "LITTLE",
    "Base",
    "Callback",
    "Listener",
    "Outcome",
    "Progress",
    "Solver",
    "State",
    "predicted_gain",
    "run",
    "solve",
    "with_interior",
]

_REFRESH = 25

CAUTION = 0.02
"""The share of ``tol`` that the predicted gain must stay below: the prediction is optimistic by up to fifty times."""


LITTLE = 20
"""Times ``tol``: what a path that creeps may still promise."""


class Outcome(IntEnum):
    """How the solve of one path ended."""

    RUNNING = 0
    CONVERGED = 1
    """The predicted gain, or the observed one, fell below the tolerance, and the audit agrees with the energy; or the
    energy shows nothing but the generator's rounding, which ``audit.limited`` says."""
    BUDGET_SPENT = 2
    """The evaluations allowed were used up first, or the caller asked to stop."""
    STALLED = 3
    """No step lowers the energy any more, and yet the predicted gain is not below the tolerance; or all that was found
    costs more than the initial path, which is what is returned."""
    NON_FINITE = 4
    """The energy of the initial path is infinite or not a number; the path was left as it was."""
    UNRESOLVED = 5
    """The audit finds cost that the energy hides, after all refinement that the budget allowed; or the points
    moved after the solve (resampled, joined), and cost more, hide cost, or promise more gain than a converged path."""

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")

    @classmethod
    def named(cls, text: str) -> Outcome:
        """The outcome that prints as ``text``; a KeyError where none does."""
        return cls[text.upper().replace(" ", "_")]

    @property
    def advice(self) -> str:
        """What to try next, in a sentence; empty where there is nothing to do.

        Example:
            >>> from latentpath.solvers import Outcome
            >>> Outcome.UNRESOLVED.advice, Outcome.CONVERGED.advice
            ('Give it more segments, and more evaluations if they were limited.', '')
        """
        return _ADVICE.get(self, "")


_ADVICE = {
    Outcome.BUDGET_SPENT: "Allow more evaluations, or a larger tol.",
    Outcome.STALLED: "Compute in float64, allow a larger tol, or smooth the kinks of the generator (ReLU, clamp).",
    Outcome.NON_FINITE: "Search from several starts (restarts), or lead the path around by a keyframe: the line "
    "meets points where the index is 0 or the generator is not finite.",
    Outcome.UNRESOLVED: "Give it more segments, and more evaluations if they were limited.",
}


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
        unit: path evaluations that one evaluation of every path counts for, ``(B,)``: 1, less on a coarser level, more
            where segments are measured in parts.
        rule: how every segment is measured; None for equation 3.
        seen: the cost of every segment as the energy sees it, ``(B, K)``.
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
    unit: Tensor
    rule: Quadrature | None
    seen: Tensor
    iteration: int

    @classmethod
    def begin(
        cls,
        problem: Problem,
        latents: Tensor,
        unit: float = 1.0,
        metric: Metric | None = None,
        rule: Quadrature | None = None,
        found: Evaluation | None = None,
    ) -> State:
        """Evaluate the initial polylines, unless it is known what is ``found``.

        Those of non-finite energy end here, as those of energy 0 do.
        """
        found, work = found or problem.evaluate(latents, rule), 0.0
        if metric is None:
            metric, work = problem.metric(latents)
        preconditioner = Preconditioner.of(metric, found.stiffness)
        each = torch.full_like(found.energy, unit)
        if rule is not None:
            each *= (rule.parts.sum(-1) + 1) / latents.shape[1]
        finite = found.energy.isfinite()
        outcome = torch.where(finite, int(Outcome.RUNNING), int(Outcome.NON_FINITE))
        outcome = torch.where(found.energy == 0, int(Outcome.CONVERGED), outcome)
        return cls(
            latents=latents.detach().clone(),
            energy=found.energy,
            gradient=found.gradient,
            stiffness=found.stiffness,
            gain=predicted_gain(found.energy, found.gradient, preconditioner.apply(found.gradient)),
            outcome=outcome,
            evaluations=each + unit * work,
            metric=metric,
            preconditioner=preconditioner,
            unit=each,
            rule=rule,
            seen=found.seen,
            iteration=0,
        )

    def evaluate(self, problem: Problem, rows: Tensor, latents: Tensor) -> Evaluation:
        """Evaluate trials ``latents`` of ``rows``, and count it."""
        self.evaluations[rows] += self.unit[rows]
        return problem.evaluate(latents, None if self.rule is None else self.rule.rows(rows))

    @property
    def running(self) -> Tensor:
        """The rows of the paths still running, ``(b,)``."""
        return (self.outcome == Outcome.RUNNING).nonzero().squeeze(-1)

    def keep(self, rows: Tensor, chosen: Tensor, latents: Tensor, found: Evaluation | State) -> Tensor:
        """Make the ``chosen`` (a mask) of the trials ``latents`` of ``rows`` the best polylines; returns their rows."""
        good = rows[chosen]
        self.latents[good], self.energy[good] = latents[chosen], found.energy[chosen]
        self.gradient[good], self.stiffness[good] = found.gradient[chosen], found.stiffness[chosen]
        self.seen[good] = found.seen[chosen]
        return good

    def judge(self, rows: Tensor, tol: float) -> None:
        """Predict the gain of a preconditioned step for ``rows``; end those where it is below ``tol``."""
        self.gain[rows] = predicted_gain(self.energy[rows], self.gradient[rows], self.preconditioned(rows))
        self.outcome[rows[self.gain[rows] <= tol]] = int(Outcome.CONVERGED)

    def preconditioned(self, rows: Tensor) -> Tensor:
        """The preconditioned gradients of ``rows``, ``(n, K-1, D)``."""
        if self.iteration % _REFRESH == 0:
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

    def init(self, problem: Problem, latents: Tensor) -> StateT: ...

    def step(self, problem: Problem, state: StateT) -> StateT: ...

    def done(self, state: StateT) -> bool: ...


class Base(Generic[StateT]):
    """``done`` as every solver here has it."""

    def done(self, state: StateT) -> bool:
        return not bool((state.outcome == Outcome.RUNNING).any())


@dataclass(frozen=True)
class Progress:
    """What a callback is told after every step.

    Attributes:
        iteration: steps taken.
        evaluations: path evaluations spent, mean over the batch.
        running: the number of paths still running.
        energy: of the best polylines so far, ``(B,)``.
        gain: the predicted relative gain in cost, ``(B,)``.
        latents: the best polylines so far, ``(B, P, D)``, with fewer points on a coarser level; not to be changed.
    """

    iteration: int
    evaluations: float
    running: int
    energy: Tensor
    gain: Tensor
    latents: Tensor


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
    problem: Problem,
    latents: Tensor,
    *,
    max_evaluations: float | None = None,
    callback: Callback | None = None,
) -> StateT:
    """Run ``solver`` from the polylines ``latents`` ``(B, K+1, D)`` until every path has an outcome.

    Args:
        solver: any `Solver`.
        problem: the energy.
        latents: the initial polylines; their endpoints stay as they are.
        max_evaluations: the path evaluations each path may spend; None for no limit.
        callback: told after every step; a true answer stops.
    """
    return run(solver, problem, solver.init(problem, latents), max_evaluations=max_evaluations, callback=callback)


def run(
    solver: Solver[StateT],
    problem: Problem,
    state: StateT,
    *,
    max_evaluations: float | Tensor | None = None,
    callback: Callback | None = None,
) -> StateT:
    """`solve` from a state that the solver's ``init`` made; the budget may differ from path to path, ``(B,)``."""
    limit: float | Tensor = math.inf if max_evaluations is None else max_evaluations
    while True:
        spent = (state.outcome == Outcome.RUNNING) & (state.evaluations + state.unit > limit)
        state.outcome[spent] = int(Outcome.BUDGET_SPENT)
        if solver.done(state):
            return state
        state = solver.step(problem, state)
        if callback is not None:
            progress = Progress(
                iteration=state.iteration,
                evaluations=float(state.evaluations.mean()),
                running=int((state.outcome == Outcome.RUNNING).sum()),
                energy=state.energy,
                gain=state.gain,
                latents=state.latents,
            )
            if callback(progress):
                limit, callback = 0.0, None
