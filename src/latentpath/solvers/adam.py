"""Adam (Kingma and Ba 2015) on the latents of the path, as most published geodesic solvers use it: a baseline.

Adam does not descend at every step, so its state holds the best polyline beside the moving one. The step size halves
when a path has had no new best polyline for some steps; a path with a negligible step size has stalled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import SupportsFloat

import torch
from torch import Tensor

from .._validate import real_number
from ..errors import InputError
from .configuration import config
from .objective import Objective
from .outcome import Outcome
from .protocol import Base, State, with_interior

__all__ = ["Adam", "AdamState"]


@dataclass
class AdamState(State):
    """The state of `Adam`: for each path also the moving polyline, its moments and its step size.

    Attributes:
        moving: the interior points of the moving polyline, ``(B, K-1, D)``.
        slope: the gradient at these points, ``(B, K-1, D)``.
        first: the running mean of the gradient, ``(B, K-1, D)``.
        second: the running mean of the squared gradient, ``(B, K-1, D)``.
        step_size: ``(B,)``.
        since: steps since the last new best polyline or change of the step size, ``(B,)``.
    """

    moving: Tensor
    slope: Tensor
    first: Tensor
    second: Tensor
    step_size: Tensor
    since: Tensor


class Adam(Base[AdamState]):
    """Adam on the latents, all paths of the batch together.

    Args:
        tol: the predicted relative gain in cost below which a path has converged.
        lr: the first step size, in latent units.
        betas: the decay rates of the two moments, in [0, 1).

    Raises:
        InputError: an argument out of range.

    Example:
        >>> import torch, latentpath as lp
        >>> prior = lp.priors.standard_normal(2)
        >>> path = lp.interpolate(
        ...     lambda z: z,
        ...     prior,
        ...     torch.tensor([2.0, 0.0]),
        ...     torch.tensor([0.0, 2.0]),
        ...     segments=10,
        ...     solver=lp.solvers.Adam(lr=0.02),
        ... )
        >>> str(path.outcome[0])
        'converged'
    """

    def __init__(
        self, tol: SupportsFloat = 1e-3, lr: SupportsFloat = 0.02, betas: tuple[float, float] = (0.9, 0.999)
    ) -> None:
        pair = isinstance(betas, tuple | list) and len(betas) == 2
        if not pair or not all(isinstance(beta, int | float) and 0 <= beta < 1 for beta in betas):
            raise InputError(f"`betas` must be two numbers of at least 0 and below 1; got {betas!r}.")
        self.tol = real_number("tol", tol, above=0, below=math.inf)
        self.lr, self.betas = real_number("lr", lr, above=0, below=math.inf), betas

    def init(self, objective: Objective, latents: Tensor) -> AdamState:
        base = State.begin(objective, latents)
        base.outcome[
            (base.outcome == Outcome.RUNNING.code) & (base.gain <= config().convergence.gain_share ** 2 * self.tol)
        ] = Outcome.CONVERGED.code
        return AdamState(
            **vars(base),
            moving=base.latents[:, 1:-1].clone(),
            slope=base.gradient.clone(),
            first=torch.zeros_like(base.gradient),
            second=torch.zeros_like(base.gradient),
            step_size=torch.full_like(base.energy, self.lr),
            since=torch.zeros_like(base.outcome),
        )

    def step(self, objective: Objective, state: AdamState) -> AdamState:
        rows = state.running
        b1, b2 = self.betas
        time = state.iteration + 1
        slope = state.slope[rows]
        state.first[rows] = b1 * state.first[rows] + (1 - b1) * slope
        state.second[rows] = b2 * state.second[rows] + (1 - b2) * slope.square()
        scaled = state.first[rows] / (1 - b1**time) / ((state.second[rows] / (1 - b2**time)).sqrt() + 1e-12)
        moved = state.moving[rows] - state.step_size[rows, None, None] * scaled
        trial = with_interior(state.latents[rows], moved)
        found = state.evaluate(objective, rows, trial)
        state.iteration = time

        finite = found.energy.isfinite()
        state.moving[rows] = torch.where(finite[:, None, None], moved, state.moving[rows])
        state.slope[rows] = torch.where(finite[:, None, None], found.gradient, state.slope[rows])
        better = found.energy < state.energy[rows]
        state.since[rows] = torch.where(better, 0, state.since[rows] + 1)
        state.judge(state.keep(rows, better, trial, found), config().convergence.gain_share * self.tol)

        late = rows[(state.since[rows] >= config().baselines.adam_patience) | ~finite]
        state.step_size[late], state.since[late] = 0.5 * state.step_size[late], 0
        state.outcome[late[state.step_size[late] < config().baselines.adam_negligible * self.lr]] = Outcome.STALLED.code
        return state
