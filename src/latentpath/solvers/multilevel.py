"""The default solver: L-BFGS on coarse levels of a path first.

Few segments determine the shape of a path, at a fraction of the evaluation cost; each finer level starts from the
previous one and adds detail. The levels have K/8, K/4, K/2 and K segments. Coarse paths can jump barriers that finer
ones must avoid, so every path starts on the finest level from the better of the refined and the initial polyline.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from typing import SupportsFloat, SupportsIndex

import torch
from torch import Tensor

from .._validate import real_number, whole_number
from ..curves import arc_length, at_arc, even_arc, resampled
from .configuration import config
from .lbfgs import LBFGS, LBFGSState
from .objective import Objective
from .outcome import Outcome
from .protocol import Base, Phase, with_interior

__all__ = ["Multilevel", "MultilevelState"]


@dataclass
class MultilevelState(LBFGSState):
    """The state of L-BFGS on the present level.

    Attributes:
        initial: the initial polylines, ``(B, K+1, D)``.
        levels: the segments of every level, coarsest first.
        level: the number of the present level, from 0.
    """

    initial: Tensor
    levels: list[int]
    level: int

    @property
    def on_finest_level(self) -> bool:
        """True on the level of all segments."""
        return self.level == len(self.levels) - 1

    @property
    def phase(self) -> Phase:
        """The phase of a `Progress`."""
        return "fine level" if self.on_finest_level else "coarse level"


class Multilevel(Base[MultilevelState]):
    """Batched, preconditioned L-BFGS from coarse to fine.

    Args:
        tol: the relative gain in cost below which a path has converged; five times larger on the coarse levels.
        memory: the number of past steps that shape the inverse Hessian, at least 1.
        coarse_evaluations: the limit of evaluations on each coarse level, at least 1.

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
        self.inner, self.coarse = LBFGS(self.tol, memory), LBFGS(config().levels.coarse_tol * self.tol, memory)
        self.fine_evaluations: int | None = None

    @property
    def draft(self) -> Multilevel:
        """The same solver with a coarse tolerance and few evaluations on the finest level."""
        draft = copy(self)
        draft.inner, draft.fine_evaluations = self.coarse, config().levels.draft_evaluations
        return draft

    @staticmethod
    def levels(segments: int) -> list[int]:
        """Returns the segments of every level, coarsest first.

        Example:
            >>> Multilevel.levels(50), Multilevel.levels(5)
            ([6, 12, 25, 50], [5])
        """
        coarse = [segments >> k for k in range(config().levels.halvings, 0, -1)]
        return [k for k in coarse if k >= config().levels.coarsest] + [segments]

    def init(self, objective: Objective, latents: Tensor) -> MultilevelState:
        segments = latents.shape[1] - 1
        levels = self.levels(segments)
        inner = self.inner if len(levels) == 1 else self.coarse
        weight = (levels[0] + 1) / (segments + 1)
        state = inner.init(objective, resampled(latents, levels[0]), evaluation_weight=weight)
        return MultilevelState(**vars(state), initial=latents, levels=levels, level=0)

    def step(self, objective: Objective, state: MultilevelState) -> MultilevelState:
        fine = state.on_finest_level
        if len(state.running):
            (self.inner if fine else self.coarse).step(objective, state)
        limit = self.fine_evaluations if fine else self.coarse_evaluations
        if limit is not None:
            exhausted = (state.outcome == Outcome.RUNNING.code) & (state.trials >= limit)
            state.outcome[exhausted] = Outcome.BUDGET_SPENT.code
        if fine or len(state.running):
            return state
        return self._next_level(objective, state)

    def done(self, state: MultilevelState) -> bool:
        return state.on_finest_level and super().done(state)

    def _next_level(self, objective: Objective, state: MultilevelState) -> MultilevelState:
        """Begins the next level; the metric is measured anew, except on the last level before the finest."""
        level, segments = state.level + 1, state.levels[-1]
        coarser, finer = state.levels[state.level], state.levels[level]
        weight = (finer + 1) / (segments + 1)
        latents, spent = self._spread(state, finer), state.evaluations
        found = objective.evaluate(latents)
        if finer == segments:
            tie = 1 + 64 * torch.finfo(latents.dtype).eps
            better = (found.energy <= tie * objective.energy(state.initial)) & found.energy.isfinite()
            worse = (~better).nonzero().squeeze(-1)
            latents[worse] = state.initial[worse]
            found = found.with_rows(worse, objective.evaluate(latents[worse]))
            spent = spent + weight / 2  # one forward pass
            spent[worse] += weight
        kept = state.level == config().levels.halvings - 2
        metric = state.metric.finer(finer / coarser) if kept else None
        new = (self.inner if finer == segments else self.coarse).init(objective, latents, weight, metric, found=found)
        new.evaluations += spent
        new.iteration = state.iteration
        return MultilevelState(**vars(new), initial=state.initial, levels=state.levels, level=level)

    @staticmethod
    def _spread(state: MultilevelState, segments: int) -> Tensor:
        """Returns the present polylines with ``segments`` segments of equal discrete cost."""
        arc = arc_length(torch.where(state.segment_cost.sum(-1, keepdim=True).isfinite(), state.segment_cost, 1))
        points = at_arc(state.latents, arc, even_arc(arc, segments + 1))
        return with_interior(state.latents, points[:, 1:-1])
