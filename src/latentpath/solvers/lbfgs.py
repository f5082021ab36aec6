r"""Batched, preconditioned L-BFGS: what the default solver does on every level.

Limited-memory BFGS (Nocedal 1980, "Updating quasi-Newton matrices with limited storage") whose initial inverse Hessian
is that of Gauss and Newton, block-tridiagonal, from the metric at a few points of the path (`Preconditioner`). Every
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
from typing import NamedTuple, SupportsFloat, SupportsIndex

import torch
from torch import Tensor

from .._validate import real_number, whole_number
from .preconditioner import Metric, Preconditioner
from .problem import Evaluation, Problem, Quadrature
from .protocol import CAUTION, LITTLE, Base, Outcome, State, predicted_gain, with_interior

__all__ = ["LBFGS", "LBFGSState"]

_SLOW = 0.3  # of the gain predicted a window of steps ago: above, the path no longer converges fast
_GROWTH = 2.0  # of the accepted step: the next trial, up to 1
_SUFFICIENT, _SHORTEST, _PATIENCE, _WINDOW, _IDLE, _CALM = 1e-4, 0.1, 12, 3, 20.0, 2


class Pair(NamedTuple):
    """A step of ``n`` paths and what it did: the ``move`` and the ``turn`` of the gradient over it, both ``(n, N)``.

    ``curvature`` is ``1 / (move . turn)``, ``(n,)``, and 0 where there is nothing to learn from it.
    """

    move: Tensor
    turn: Tensor
    curvature: Tensor


@dataclass
class LBFGSState(State):
    """`State`, and for each path: its direction, step length and history.

    What is large is kept for the ``n`` paths that still run, and for no other; so is the preconditioner.

    Attributes:
        live: their rows, ``(n,)``.
        direction: ``(n, N)`` with ``N = (K-1) * D``.
        history: the last steps, the newest one last.
        step: the length of the next trial along the direction, ``(B,)``.
        refused: trials refused since the last accepted one, ``(B,)``.
        calm: accepted steps in a row with a predicted gain below the tolerance, ``(B,)``.
        marked: the energy when the observed gain was last looked at, ``(B,)``.
        promised: the gain predicted then, ``(B,)``.
        tried: evaluations since the first, ``(B,)``.
        taken: accepted steps, ``(B,)``.
    """

    live: Tensor
    direction: Tensor
    history: list[Pair]
    step: Tensor
    refused: Tensor
    calm: Tensor
    marked: Tensor
    promised: Tensor
    tried: Tensor
    taken: Tensor

    def preconditioned(self, rows: Tensor) -> Tensor:
        """The preconditioned gradients of ``rows``, which may have ended: ``preconditioner`` has the live ones only."""
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
        problem: Problem,
        latents: Tensor,
        unit: float = 1.0,
        metric: Metric | None = None,
        rule: Quadrature | None = None,
        found: Evaluation | None = None,
    ) -> LBFGSState:
        base = State.begin(problem, latents, unit, metric, rule, found)
        zero = torch.zeros(len(latents), dtype=torch.long, device=latents.device)
        state = LBFGSState(
            **vars(base),
            live=torch.arange(len(latents), device=latents.device),
            direction=latents.new_zeros(len(latents), base.gradient[0].numel()),
            history=[],
            step=latents.new_ones(len(latents)),
            refused=zero.clone(),
            calm=zero.clone(),
            marked=base.energy.clone(),
            promised=base.gain.clone(),
            tried=zero.clone(),
            taken=zero.clone(),
        )
        rows = self._running(state)
        self._turn(state, rows, torch.ones_like(rows, dtype=torch.bool))
        state.outcome[rows[state.gain[rows] <= CAUTION**2 * self.tol]] = int(Outcome.CONVERGED)
        return state

    def step(self, problem: Problem, state: LBFGSState) -> LBFGSState:
        rows = self._running(state)
        latents, old, before = state.latents[rows], state.gradient[rows].flatten(1), state.energy[rows]
        size, slope = state.step[rows], (old * state.direction).sum(-1)
        move = size[:, None] * state.direction
        interior = latents[:, 1:-1] + move.view(len(rows), -1, latents.shape[-1])
        trial = with_interior(latents, interior)
        found = state.evaluate(problem, rows, trial)
        state.iteration += 1

        accepted = (found.energy <= before + _SUFFICIENT * size * slope) & (found.energy < before)
        self._remember(state, accepted, move, found.gradient.flatten(1) - old)
        state.keep(rows, accepted, trial, found)
        self._turn(state, rows, accepted)
        state.step[rows] = torch.where(accepted, (_GROWTH * size).clamp_max(1.0), size)
        state.refused[rows] = torch.where(accepted, 0, state.refused[rows])

        self._judge(state, rows, accepted)
        self._shorten(state, rows, ~accepted, found.energy, slope)
        return state

    def _running(self, state: LBFGSState) -> Tensor:
        """The rows of the paths still running; what is kept for the others is let go."""
        rows = state.running
        if torch.equal(rows, state.live):
            return rows
        at = torch.searchsorted(state.live, rows).clamp_max(max(len(state.live) - 1, 0))
        if len(state.live) and torch.equal(state.live[at], rows):
            state.preconditioner, state.direction = state.preconditioner.rows(at), state.direction[at]
            state.history = [Pair(*(values[at] for values in pair)) for pair in state.history]
            state.live = rows
            return rows
        # some run again that had ended
        state.live, state.history = rows, []
        state.preconditioner = Preconditioner.of(state.metric.rows(rows), state.stiffness[rows])
        state.direction = torch.zeros_like(state.gradient[rows].flatten(1))
        self._turn(state, rows, torch.ones_like(rows, dtype=torch.bool))
        return rows

    def _judge(self, state: LBFGSState, rows: Tensor, accepted: Tensor) -> None:
        """End the paths that promise no more, or have brought no more."""
        calm = state.gain[rows] <= CAUTION * self.tol
        state.calm[rows] = torch.where(accepted, torch.where(calm, state.calm[rows] + 1, 0), state.calm[rows])
        state.tried[rows] += 1
        state.taken[rows] += accepted
        due = accepted & (state.taken[rows] % _WINDOW == 0)
        gained = state.marked[rows] - state.energy[rows]
        brought = gained / (2 * self.tol * state.energy[rows])  # off the cost, in units of the tolerance
        gain = state.gain[rows]
        idle = (gain <= self.tol) & (brought <= _IDLE) | (gain <= LITTLE * self.tol) & (brought <= _WINDOW)
        idle &= due & (gain >= _SLOW * state.promised[rows])
        ended = (state.calm[rows] >= _CALM) | idle | (state.energy[rows] == 0)
        state.outcome[rows[ended]] = int(Outcome.CONVERGED)
        state.marked[rows[due]], state.promised[rows[due]] = state.energy[rows[due]], state.gain[rows[due]]

    def _remember(self, state: LBFGSState, accepted: Tensor, move: Tensor, turn: Tensor) -> None:
        """Store the pairs of positive curvature; the others would spoil the inverse Hessian."""
        product = (move * turn).sum(-1)
        fit = accepted & (product > 1e-10 * move.norm(dim=-1) * turn.norm(dim=-1))
        move, turn = (torch.where(fit[:, None], values, 0) for values in (move, turn))
        state.history.append(Pair(move, turn, torch.where(fit, 1 / product, 0)))
        del state.history[: -self.memory]

    def _turn(self, state: LBFGSState, rows: Tensor, chosen: Tensor) -> None:
        """New directions for the ``chosen`` (a mask) of ``rows``: the two-loop recursion; and their predicted gains."""
        gradient = state.gradient[rows]
        q, weights = gradient.flatten(1), []
        for pair in reversed(state.history):
            weight = pair.curvature * (pair.move * q).sum(-1)
            q = torch.addcmul(q, weight[:, None], pair.turn, value=-1)
            weights.append(weight)
        q = state.preconditioner.apply(q.view_as(gradient)).flatten(1)
        for pair, weight in zip(state.history, reversed(weights), strict=True):
            back = pair.curvature * (pair.turn * q).sum(-1)
            q = torch.addcmul(q, (weight - back)[:, None], pair.move)
        slope = (gradient.flatten(1) * q).sum(-1)
        q = torch.where((slope < 0)[:, None], q, -q)  # uphill by rounding alone
        state.direction = torch.where(chosen[:, None], q, state.direction)
        gain = predicted_gain(state.energy[rows], gradient, -q)
        state.gain[rows] = torch.where(chosen, gain, state.gain[rows])

    def _shorten(self, state: LBFGSState, rows: Tensor, bad: Tensor, tried: Tensor, slope: Tensor) -> None:
        """Refused: the minimum of the parabola through what is known, between a tenth and half of the step.

        After too many refusals the history is forgotten once; if even the preconditioned gradient leads nowhere, the
        path has stalled.
        """
        step = state.step[rows]
        rise = tried - state.energy[rows] - step * slope
        parabola = torch.where(rise > 0, -0.5 * slope * step / rise.clamp_min(torch.finfo(step.dtype).tiny), 0.5)
        state.step[rows] = torch.where(bad, step * parabola.nan_to_num(_SHORTEST).clamp(_SHORTEST, 0.5), step)
        state.refused[rows] += bad
        tired = bad & (state.refused[rows] >= _PATIENCE)
        if not bool(tired.any()):
            return
        known = torch.stack([pair.curvature for pair in state.history]).any(0)
        state.outcome[rows[tired & ~known]] = int(Outcome.STALLED)
        again = tired & known
        state.history = [Pair(p.move, p.turn, torch.where(again, 0, p.curvature)) for p in state.history]
        self._turn(state, rows, again)
        state.step[rows[again]], state.refused[rows[again]] = 1.0, 0
