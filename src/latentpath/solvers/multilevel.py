"""Coarse paths first: the default solver.

The shape of a path is settled on a few segments, where an evaluation costs a fraction of one on all of them; each
finer level starts from the one before and has only detail to add. The levels are K/8, K/4, K/2 and K segments.
Coarse paths can jump what finer ones must go around, so the finest level starts, path by path, from the better of the
refined and the initial polyline.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..curves import arc_length, at_arc, even_arc
from .lbfgs import LBFGS, LBFGSState
from .problem import Problem
from .protocol import Base, Outcome, with_interior

__all__ = ["Multilevel", "MultilevelState"]

_COARSEST, _HALVINGS = 4, 3


@dataclass
class MultilevelState(LBFGSState):
    """`LBFGSState` of the present level, and: the ``initial`` polylines ``(B, K+1, D)``, and the ``level``, from 0."""

    initial: Tensor
    level: int


class Multilevel(Base[MultilevelState]):
    """Batched, preconditioned L-BFGS from coarse to fine.

    Args:
        tol: the relative gain in cost below which a path has converged, on every level.
        memory: the number of past steps that shape the inverse Hessian.
        coarse_evaluations: the most evaluations of a coarse path on each level.

    Example:
        >>> import torch, latentpath as lp
        >>> prior = lp.priors.standard_normal(2)
        >>> path = lp.interpolate(
        ...     lambda z: z, prior, torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0]), solver=lp.solvers.Multilevel()
        ... )
        >>> str(path.outcome[0])
        'converged'
    """

    def __init__(self, tol: float = 1e-3, memory: int = 10, coarse_evaluations: int = 40) -> None:
        self.tol, self.coarse_evaluations = tol, coarse_evaluations
        self.inner = LBFGS(tol, memory)

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
        state = self.inner.init(problem, resampled(latents, first), unit=(first + 1) / (segments + 1))
        return MultilevelState(**vars(state), initial=latents, level=0)

    def step(self, problem: Problem, state: MultilevelState) -> MultilevelState:
        if bool((state.outcome == Outcome.RUNNING).any()):
            self.inner.step(problem, state)
        fine = self._last(state)
        if not fine:
            tired = (state.outcome == Outcome.RUNNING) & (state.tried >= self.coarse_evaluations)
            state.outcome[tired] = int(Outcome.BUDGET_SPENT)
        if fine or bool((state.outcome == Outcome.RUNNING).any()):
            return state
        return self._refine(problem, state)

    def done(self, state: MultilevelState) -> bool:
        return self._last(state) and super().done(state)

    def _last(self, state: MultilevelState) -> bool:
        return state.latents.shape == state.initial.shape

    def _refine(self, problem: Problem, state: MultilevelState) -> MultilevelState:
        """The state of the next level. The metric of the straight line is measured anew once, then kept."""
        segments = state.initial.shape[1] - 1
        finer = self.levels(segments)[state.level + 1]
        unit = (finer + 1) / (segments + 1)
        latents = self._spread(state, finer)
        spent = state.evaluations
        if finer == segments:
            first, refined = problem.evaluate(state.initial).energy, problem.evaluate(latents).energy
            latents = torch.where((refined < first)[:, None, None], latents, state.initial)
            spent = spent + unit
        metric = None if state.level == 0 else state.preconditioner
        new = self.inner.init(problem, latents, unit, metric)
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
