"""The state of a refinement, with its solves and stages."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from ..audit import Audit
from .configuration import config
from .lbfgs import LBFGS
from .objective import Objective
from .outcome import Outcome
from .protocol import Phase, Solver, State
from .quadrature import Quadrature

__all__ = ["Refinement", "Solve", "Stage", "hides_cost", "is_uneven"]


@dataclass
class Solve:
    """A solve of some of the paths, in progress.

    Attributes:
        solver: the solver that makes the steps.
        state: the state of the solver.
        rows: the rows of the paths, ``(b,)``.
        limit: the path evaluations that each may spend.
        phase: the phase of each `Progress`; None for the level of the state.
    """

    solver: Solver[Any]
    state: State
    rows: Tensor
    limit: float | Tensor
    phase: Phase | None


@runtime_checkable
class Stage(Protocol):
    """A part of a refinement: begins solves one after the other, and adopts their results."""

    def begin(self, objective: Objective, refinement: Refinement) -> Solve | None:
        """Returns the next solve; None where the stage has ended."""

    def end(self, objective: Objective, refinement: Refinement, solve: Solve) -> None:
        """Adopts the results of a solve that has ended."""


@dataclass
class Refinement:
    """The state of the refinement of ``B`` paths; changed in place.

    Attributes:
        tol: the relative tolerance of the solves.
        gap: the accepted relative excess of the audited cost.
        max_evaluations: the path evaluations each path may spend.
        audit: the audit of polylines ``(b, K+1, D)``.
        initial: the initial polylines, ``(B, K+1, D)``.
        quadrature: the measurement of every segment.
        best: the best paths so far.
        facts: the audit of ``best``.
        current: the paths of the last round, better or not.
        current_facts: the audit of ``current``.
        solve: the solve in progress; None once the refinement is done.
        stages: the present stage and the following ones.
        stopped: True once the caller stopped the solve.
    """

    tol: float
    gap: float
    max_evaluations: float
    audit: Callable[[Tensor], Audit]
    initial: Tensor
    quadrature: Quadrature
    best: State
    facts: Audit
    current: State
    current_facts: Audit
    solve: Solve | None
    stages: list[Stage]
    stopped: bool = False

    @classmethod
    def begin(
        cls,
        tol: float,
        gap: float,
        max_evaluations: float,
        audit: Callable[[Tensor], Audit],
        latents: Tensor,
        solve: Solve,
        stages: list[Stage],
    ) -> Refinement:
        """Builds the state before the first solve, with an empty audit."""
        quadrature, facts, state = Quadrature.plain(latents), Audit.unknown(latents), solve.state
        return cls(tol, gap, max_evaluations, audit, latents, quadrature, state, facts, state, facts, solve, stages)

    @property
    def remaining(self) -> Tensor:
        """The path evaluations that each path may still spend, ``(B,)``; 0 after a stop."""
        remaining = self.max_evaluations - self.best.evaluations
        return torch.zeros_like(remaining) if self.stopped else remaining

    def unfinished(self, state: State) -> Tensor:
        """Marks paths whose last round ended by the limit of the round, not of the caller."""
        return (state.outcome == Outcome.BUDGET_SPENT.code) & (self.max_evaluations - self.best.evaluations >= 2)

    def measure_best(self) -> None:
        """Audits the best paths, and copies them to the current ones."""
        self.facts = self.current_facts = self.audit(self.best.latents)
        self.current = copy(self.best)
        for name in ("latents", "energy", "gradient", "stiffness", "segment_cost", "gain", "outcome"):
            setattr(self.current, name, getattr(self.best, name).clone())

    def solve_on(self, objective: Objective, rows: Tensor, begin: Tensor) -> Solve:
        """Begins a solve of ``rows`` from the polylines ``begin`` by their quadrature."""
        solver = LBFGS(self.tol)
        metric, quadrature = self.best.metric.rows(rows), self.quadrature.rows(rows)
        state = solver.init(objective, begin, metric=metric, quadrature=quadrature)
        limit = (self.max_evaluations - self.best.evaluations[rows]).clamp_max(config().refinement.round_evaluations)
        return Solve(solver, state, rows, limit, "refinement")

    def refine_quadrature(self, rows: Tensor, ends: Tensor, halves: Tensor, cost: Tensor) -> None:
        """Refines the quadrature of ``rows`` so that the energy has their ``cost`` (see `Quadrature.refined`)."""
        self.quadrature = self.quadrature.with_rows(rows, self.quadrature.rows(rows).refined(ends, halves, cost))

    def adopt(self, rows: Tensor, finer: State, found: Audit, chosen: Tensor) -> None:
        """Makes the ``chosen`` (a mask) of the solved paths ``rows`` the best ones, with their audit."""
        self.facts = self.facts.with_rows(self.best.adopt(rows, chosen, finer), found.rows(chosen))

    def adopt_current(self, rows: Tensor, finer: State, found: Audit) -> None:
        """Makes the solved paths ``rows`` the current ones."""
        self.current.adopt(rows, torch.ones_like(rows, dtype=torch.bool), finer)
        self.current_facts = self.current_facts.with_rows(rows, found)


def hides_cost(state: State, facts: Audit, gap: float) -> Tensor:
    """Marks paths of finite energy whose audited cost exceeds the energy's by more than ``gap``."""
    return state.energy.isfinite() & ~(facts.cost <= (1 + gap) * (2 * state.energy).sqrt())


def is_uneven(state: State) -> Tensor:
    """Marks paths whose speed is far from constant, which a minimum excludes."""
    even = config().refinement.even_speed * (2 * state.energy).sqrt()
    return state.energy.isfinite() & (state.segment_cost.sum(-1) < even)
