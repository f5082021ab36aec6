"""Coarse paths first: the default solver.

The shape of a path is settled on a few segments, where an evaluation costs a fraction of one on all of them; each
finer level starts from the one before and has only detail to add. The levels are K/8, K/4, K/2 and K segments.
Coarse paths can jump what finer ones must go around, so the finest level starts, path by path, from the better of the
refined and the initial polyline.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from typing import SupportsFloat, SupportsIndex

import torch
from torch import Tensor

from .._validate import real_number, whole_number
from ..curves import arc_length, at_arc, even_arc
from .lbfgs import LBFGS, LBFGSState
from .problem import Problem
from .protocol import Base, Outcome, with_interior

__all__ = ["Multilevel", "MultilevelState"]

_COARSEST, _HALVINGS, _COARSER, _DRAFT = 4, 3, 5.0, 3


@dataclass
class MultilevelState(LBFGSState):
    """`LBFGSState` of the present level, and: the ``initial`` polylines ``(B, K+1, D)``, and the ``level``, from 0."""

    initial: Tensor
    level: int


class Multilevel(Base[MultilevelState]):
    """Batched, preconditioned L-BFGS from coarse to fine.

    Args:
        tol: the relative gain in cost below which a path has converged; five times that on the coarse levels.
        memory: the number of past steps that shape the inverse Hessian, at least 1.
        coarse_evaluations: the most evaluations of a coarse path on each level, at least 1.

    Raises:
        InputError: an argument out of range.

    Example:
        >>> import torch, latentpath as lp
        >>> prior = lp.priors.standard_normal(2)
        >>> path = lp.interpolate(
        ...     lambda z: z, prior, torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0]), solver=lp.solvers.Multilevel()
        ... )
        >>> str(path.outcome[0])
        'converged'
    """

    def __init__(
        self, tol: SupportsFloat = 1e-3, memory: SupportsIndex = 6, coarse_evaluations: SupportsIndex = 16
    ) -> None:
        self.tol = real_number("tol", tol, above=0, below=math.inf)
        self.coarse_evaluations = whole_number("coarse_evaluations", coarse_evaluations, 1)
        self.inner, self.coarse = LBFGS(self.tol, memory), LBFGS(_COARSER * self.tol, memory)
        self.fine_evaluations: int | None = None

    @property
    def draft(self) -> Multilevel:
        """The same, as rough on the finest level as on the others."""
        rough = copy(self)
        rough.inner, rough.fine_evaluations = self.coarse, _DRAFT
        return rough

    @staticmethod
    def levels(segments: int) -> list[int]:
        """The segments of every level, coarsest first.

        Example:
            >>> Multilevel.levels(50), Multilevel.levels(5)
            ([6, 12, 25, 50], [5])
        """
        coarse = [segments >> k for k in range(_HALVINGS, 0, -1)]
        return [k for k in coarse if k >= _COARSEST] + [segments]

    def init(self, problem: Problem, latents: Tensor) -> MultilevelState:
        segments = latents.shape[1] - 1
        first = self.levels(segments)[0]
        inner = self.inner if first == segments else self.coarse
        state = inner.init(problem, resampled(latents, first), unit=(first + 1) / (segments + 1))
        return MultilevelState(**vars(state), initial=latents, level=0)

    def step(self, problem: Problem, state: MultilevelState) -> MultilevelState:
        fine = self._last(state)
        if bool((state.outcome == Outcome.RUNNING).any()):
            (self.inner if fine else self.coarse).step(problem, state)
        most = self.fine_evaluations if fine else self.coarse_evaluations
        if most is not None:
            tired = (state.outcome == Outcome.RUNNING) & (state.tried >= most)
            state.outcome[tired] = int(Outcome.BUDGET_SPENT)
        if fine or bool((state.outcome == Outcome.RUNNING).any()):
            return state
        return self._refine(problem, state)

    def done(self, state: MultilevelState) -> bool:
        return self._last(state) and super().done(state)

    def _last(self, state: MultilevelState) -> bool:
        return state.latents.shape == state.initial.shape

    def _refine(self, problem: Problem, state: MultilevelState) -> MultilevelState:
        """The state of the next level. Its metric is measured anew, but on the last level before the finest."""
        segments = state.initial.shape[1] - 1
        coarser, finer = self.levels(segments)[state.level : state.level + 2]
        unit = (finer + 1) / (segments + 1)
        latents = self._spread(state, finer)
        spent = state.evaluations
        found = problem.evaluate(latents)
        if finer == segments:
            worse = (~(found.energy < problem.energy(state.initial))).nonzero().squeeze(-1)
            latents[worse] = state.initial[worse]
            found.put(worse, problem.evaluate(latents[worse]))
            spent = spent + unit / 2  # there, and not back
            spent[worse] += unit
        kept = state.level == _HALVINGS - 2
        metric = state.metric.finer(finer / coarser) if kept else None
        new = (self.inner if finer == segments else self.coarse).init(problem, latents, unit, metric, found=found)
        new.evaluations += spent
        new.iteration = state.iteration
        return MultilevelState(**vars(new), initial=state.initial, level=state.level + 1)

    @staticmethod
    def _spread(state: MultilevelState, segments: int) -> Tensor:
        """The present polylines with ``segments`` segments, at equal steps of what the energy sees them cost."""
        arc = arc_length(torch.where(state.seen.sum(-1, keepdim=True).isfinite(), state.seen, 1))
        points = at_arc(state.latents, arc, even_arc(arc, segments + 1))
        return with_interior(state.latents, points[:, 1:-1])


def resampled(latents: Tensor, segments: int) -> Tensor:
    """Polylines ``(B, K+1, D)`` with ``segments`` segments, at evenly spaced indices; the endpoints are copied."""
    last = latents.shape[1] - 1
    at = torch.linspace(0, last, segments + 1, dtype=latents.dtype, device=latents.device)
    low = at.floor().long().clamp_max(last - 1)
    points = torch.lerp(latents[:, low], latents[:, low + 1], (at - low)[:, None])
    return torch.cat([latents[:, :1], points[:, 1:-1], latents[:, -1:]], dim=1)
