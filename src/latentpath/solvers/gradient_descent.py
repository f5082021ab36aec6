"""The paper's solver: gradient descent from the straight line (Section 5), with a step size that adapts.

A fixed step size diverges on one problem and is too small for the next. Here each path has its own step size: it halves
after a refused trial, which does not lower the energy enough, and grows by a quarter after an accepted one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import SupportsFloat

import torch
from torch import Tensor

from .._validate import real_number
from .configuration import config
from .objective import Objective
from .outcome import Outcome
from .protocol import Base, State, with_interior

__all__ = ["GradientDescent", "GradientDescentState"]


@dataclass
class GradientDescentState(State):
    """The state of `GradientDescent`: also step sizes ``(B,)`` and trials refused since the last accepted ``(B,)``."""

    step: Tensor
    refused: Tensor


class GradientDescent(Base[GradientDescentState]):
    """Gradient descent with an adaptive step size per path.

    Args:
        tol: the predicted relative gain in cost below which a path has converged.
        step: the first step size, relative to the step that moves the path by its own extent.

    Raises:
        InputError: an argument that is not above 0 and finite.

    Example:
        >>> import torch, latentpath as lp
        >>> prior = lp.priors.standard_normal(2)
        >>> path = lp.interpolate(
        ...     lambda z: z,
        ...     prior,
        ...     torch.tensor([2.0, 0.0]),
        ...     torch.tensor([0.0, 2.0]),
        ...     segments=10,
        ...     solver=lp.solvers.GradientDescent(),
        ... )
        >>> str(path.outcome[0])
        'converged'
    """

    def __init__(self, tol: SupportsFloat = 1e-3, step: SupportsFloat = 0.01) -> None:
        self.tol = real_number("tol", tol, above=0, below=math.inf)
        self.first = real_number("step", step, above=0, below=math.inf)

    def init(self, objective: Objective, latents: Tensor) -> GradientDescentState:
        base = State.begin(objective, latents)
        extent = (latents - latents[:, :1]).flatten(1).norm(dim=-1)
        steepness = base.gradient.flatten(1).norm(dim=-1)
        size = self.first * torch.where(steepness > 0, extent / steepness.clamp_min(torch.finfo(latents.dtype).tiny), 1)
        base.outcome[
            (base.outcome == Outcome.RUNNING.code) & (base.gain <= config().convergence.gain_share ** 2 * self.tol)
        ] = Outcome.CONVERGED.code
        return GradientDescentState(**vars(base), step=size, refused=torch.zeros_like(base.outcome))

    def step(self, objective: Objective, state: GradientDescentState) -> GradientDescentState:
        rows = state.running
        slope = state.gradient[rows]
        size = state.step[rows]
        trial = with_interior(state.latents[rows], state.latents[rows, 1:-1] - size[:, None, None] * slope)
        found = state.evaluate(objective, rows, trial)
        state.iteration += 1
        decrease = config().line_search.sufficient_decrease * size * slope.square().flatten(1).sum(-1)
        accepted = (found.energy <= state.energy[rows] - decrease) & (found.energy < state.energy[rows])
        state.refused[rows] = torch.where(accepted, 0, state.refused[rows] + 1)
        state.step[rows] = torch.where(accepted, config().baselines.growth * size, config().baselines.shrinkage * size)
        state.judge(state.keep(rows, accepted, trial, found), config().convergence.gain_share * self.tol)
        state.outcome[rows[state.refused[rows] >= config().baselines.max_refusals]] = Outcome.STALLED.code
        return state
