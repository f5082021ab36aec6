r"""Batched, preconditioned L-BFGS: what the default solver does on every level.

Limited-memory BFGS (`latentpath.solvers.lbfgs_core`) whose initial inverse Hessian is the one of Gauss and Newton,
block-tridiagonal, from the metric at a few points of the path (`Preconditioner`). Every
path of a batch has its own history, direction and step length; one evaluation of the batch tries them all, and a path
whose trial was refused tries a shorter step in the next evaluation while the others go on. On a generator with kinks
whole steps are often too long; the next one then starts at twice the length that was accepted.

A path ends when its predicted gain stays low (`protocol`), or when more work is not worth it: the next step promises
less than ``tol`` (twenty times that, where the last three accepted ones brought no more than ``tol`` each) and not much
less than it did three steps ago. The second is how paths end on a generator with kinks (ReLU): there the gradient does
not vanish at a minimum, and no prediction made from it ever becomes small. On the shipped DCGAN, 300 evaluations more
lower the cost by another one or two per cent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import SupportsFloat, SupportsIndex

import torch
from torch import Tensor

from .._validate import real_number, whole_number
from .configuration import config
from .lbfgs_core import Pair, backtracked, curvature_pair, two_loop
from .objective import Evaluation, Objective
from .outcome import Outcome
from .preconditioner import Metric, Preconditioner
from .protocol import Base, State, predicted_gain, with_interior
from .quadrature import Quadrature

__all__ = ["LBFGS", "LBFGSState"]


@dataclass
class LBFGSState(State):
    """`State`, and for each path: its direction, step length and history.

    What is large is kept for the ``n`` paths that still run; so is the preconditioner.

    Attributes:
        active_rows: the rows of these paths, ``(n,)``.
        direction: ``(n, N)`` with ``N = (K-1) * D``.
        history: the last steps, the newest one last.
        step: the length of the next trial along the direction, ``(B,)``.
        refusals: trials refused since the last accepted one, ``(B,)``.
        small_gain_steps: accepted steps in a row with a predicted gain below the tolerance, ``(B,)``.
        window_energy: the energy at the beginning of the window of steps, ``(B,)``.
        window_gain: the gain predicted there, ``(B,)``.
        trials: evaluations since the first, ``(B,)``.
        accepted_steps: their number, ``(B,)``.
    """

    active_rows: Tensor
    direction: Tensor
    history: list[Pair]
    step: Tensor
    refusals: Tensor
    small_gain_steps: Tensor
    window_energy: Tensor
    window_gain: Tensor
    trials: Tensor
    accepted_steps: Tensor

    def preconditioned(self, rows: Tensor) -> Tensor:
        """The preconditioned gradients of ``rows``, of paths that have ended, too: ``preconditioner`` lacks these."""
        return Preconditioner.of(self.metric.rows(rows), self.stiffness[rows]).apply(self.gradient[rows])


class LBFGS(Base[LBFGSState]):
    """Batched, preconditioned L-BFGS with a line search per path.

    Args:
        tol: the relative gain in cost below which a path has converged.
        memory: the number of past steps that shape the inverse Hessian, at least 1.

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
        ...     solver=lp.solvers.LBFGS(memory=5),
        ... )
        >>> str(path.outcome[0])
        'converged'
    """

    def __init__(self, tol: SupportsFloat = 1e-3, memory: SupportsIndex = 6) -> None:
        self.tol = real_number("tol", tol, above=0, below=math.inf)
        self.memory = whole_number("memory", memory, 1)

    def init(
        self,
        objective: Objective,
        latents: Tensor,
        evaluation_weight: float = 1.0,
        metric: Metric | None = None,
        quadrature: Quadrature | None = None,
        found: Evaluation | None = None,
    ) -> LBFGSState:
        base = State.begin(objective, latents, evaluation_weight, metric, quadrature, found)
        zero = torch.zeros(len(latents), dtype=torch.long, device=latents.device)
        state = LBFGSState(
            **vars(base),
            active_rows=torch.arange(len(latents), device=latents.device),
            direction=latents.new_zeros(len(latents), base.gradient[0].numel()),
            history=[],
            step=latents.new_ones(len(latents)),
            refusals=zero.clone(),
            small_gain_steps=zero.clone(),
            window_energy=base.energy.clone(),
            window_gain=base.gain.clone(),
            trials=zero.clone(),
            accepted_steps=zero.clone(),
        )
        rows = self._running(state)
        self._set_direction(state, rows, torch.ones_like(rows, dtype=torch.bool))
        state.outcome[rows[state.gain[rows] <= config().convergence.gain_share ** 2 * self.tol]] = (
            Outcome.CONVERGED.code
        )
        return state

    def step(self, objective: Objective, state: LBFGSState) -> LBFGSState:
        rows = self._running(state)
        latents, old, before = state.latents[rows], state.gradient[rows].flatten(1), state.energy[rows]
        size, slope = state.step[rows], (old * state.direction).sum(-1)
        move = size[:, None] * state.direction
        interior = latents[:, 1:-1] + move.view(len(rows), -1, latents.shape[-1])
        trial = with_interior(latents, interior)
        found = state.evaluate(objective, rows, trial)
        state.iteration += 1

        sufficient = before + config().line_search.sufficient_decrease * size * slope
        accepted = (found.energy <= sufficient) & (found.energy < before)
        state.history.append(curvature_pair(move, found.gradient.flatten(1) - old, accepted))
        del state.history[: -self.memory]
        state.keep(rows, accepted, trial, found)
        self._set_direction(state, rows, accepted)
        state.step[rows] = torch.where(accepted, (config().path_descent.growth * size).clamp_max(1.0), size)
        state.refusals[rows] = torch.where(accepted, 0, state.refusals[rows])

        self._judge(state, rows, accepted)
        self._shorten(state, rows, ~accepted, found.energy, slope)
        return state

    def _running(self, state: LBFGSState) -> Tensor:
        """The rows of the paths still running; what is kept for the others is let go."""
        rows = state.running
        if torch.equal(rows, state.active_rows):
            return rows
        at = torch.searchsorted(state.active_rows, rows).clamp_max(max(len(state.active_rows) - 1, 0))
        if len(state.active_rows) and torch.equal(state.active_rows[at], rows):
            state.preconditioner, state.direction = state.preconditioner.rows(at), state.direction[at]
            state.history = [pair.rows(at) for pair in state.history]
            state.active_rows = rows
            return rows
        # some run again that had ended
        state.active_rows, state.history = rows, []
        state.preconditioner = Preconditioner.of(state.metric.rows(rows), state.stiffness[rows])
        state.direction = torch.zeros_like(state.gradient[rows].flatten(1))
        self._set_direction(state, rows, torch.ones_like(rows, dtype=torch.bool))
        return rows

    def _judge(self, state: LBFGSState, rows: Tensor, accepted: Tensor) -> None:
        """Ends the paths whose predicted gain stays small, or whose observed gain is not worth more work."""
        descent, convergence = config().path_descent, config().convergence
        small, count = state.gain[rows] <= convergence.gain_share * self.tol, state.small_gain_steps[rows]
        state.small_gain_steps[rows] = torch.where(accepted, torch.where(small, count + 1, 0), count)
        state.trials[rows] += 1
        state.accepted_steps[rows] += accepted
        due = accepted & (state.accepted_steps[rows] % descent.window == 0)
        decrease = state.window_energy[rows] - state.energy[rows]
        observed = decrease / (2 * self.tol * state.energy[rows])  # relative gain in cost, in units of the tolerance
        gain = state.gain[rows]
        idle = (gain <= self.tol) & (observed <= 20)  # any limit well above the tolerance
        idle |= (gain <= convergence.creeping_gain * self.tol) & (observed <= descent.window)
        idle &= due & (gain >= descent.slow_ratio * state.window_gain[rows])
        ended = (state.small_gain_steps[rows] >= descent.small_gain_steps) | idle | (state.energy[rows] == 0)
        state.outcome[rows[ended]] = Outcome.CONVERGED.code
        state.window_energy[rows[due]], state.window_gain[rows[due]] = state.energy[rows[due]], state.gain[rows[due]]

    def _set_direction(self, state: LBFGSState, rows: Tensor, chosen: Tensor) -> None:
        """New directions for the ``chosen`` (a mask) of ``rows``: the two-loop recursion; and their predicted gains."""
        gradient = state.gradient[rows]

        def precondition(direction: Tensor) -> Tensor:
            return state.preconditioner.apply(direction.view_as(gradient)).flatten(1)

        q = two_loop(gradient.flatten(1), state.history, precondition)
        slope = (gradient.flatten(1) * q).sum(-1)
        q = torch.where((slope < 0)[:, None], q, -q)  # uphill by rounding alone
        state.direction = torch.where(chosen[:, None], q, state.direction)
        gain = predicted_gain(state.energy[rows], gradient, -q)
        state.gain[rows] = torch.where(chosen, gain, state.gain[rows])

    def _shorten(self, state: LBFGSState, rows: Tensor, refused: Tensor, trial_energy: Tensor, slope: Tensor) -> None:
        """Shortens the steps of ``refused`` trials (a mask).

        After too many refusals the history is forgotten once; where even the preconditioned gradient leads nowhere, the
        path has stalled.
        """
        step = state.step[rows]
        shorter = backtracked(step, slope * step, trial_energy - state.energy[rows])
        state.step[rows] = torch.where(refused, shorter, step)
        state.refusals[rows] += refused
        exhausted = refused & (state.refusals[rows] >= config().line_search.max_refusals)
        if not bool(exhausted.any()):
            return
        known = torch.stack([pair.curvature for pair in state.history]).any(0)
        state.outcome[rows[exhausted & ~known]] = Outcome.STALLED.code
        again = exhausted & known
        state.history = [pair._replace(curvature=torch.where(again, 0, pair.curvature)) for pair in state.history]
        self._set_direction(state, rows, again)
        state.step[rows[again]], state.refusals[rows[again]] = 1.0, 0
