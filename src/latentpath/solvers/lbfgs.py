r"""Batched, preconditioned L-BFGS: what the default solver does on every level.

Limited-memory BFGS (Nocedal 1980, "Updating quasi-Newton matrices with limited storage") whose initial inverse Hessian
is that of Gauss and Newton, block-tridiagonal, from the metric at a few points of the path (`Preconditioner`); it is
factorised anew every eight evaluations, as the weights of the segments change. Every path of a batch has its own
history, direction and step length; one evaluation of the batch tries them all, and a path whose trial was refused
tries a shorter step in the next evaluation while the others go on.

A path ends when its predicted gain stays low (`protocol`), or when more work is not worth it: the next step promises
less than ``tol``, and not much less than it did four accepted steps ago. The second is how paths
end on a generator with kinks (ReLU): there the gradient does not vanish at a minimum, and no prediction made from it
ever becomes small. On the shipped DCGAN, 300 evaluations more lower the cost by another one or two per cent.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .preconditioner import Metric
from .problem import Problem, Quadrature
from .protocol import CAUTION, Base, Outcome, State, predicted_gain, with_interior

__all__ = ["LBFGS", "LBFGSState"]

_SLOW = 0.2  # of the gain predicted a window of steps ago: above, the path no longer converges fast
_SUFFICIENT, _SHORTEST, _PATIENCE, _WINDOW, _IDLE, _CALM, _REFRESH = 1e-4, 0.1, 12, 4, 20.0, 2, 8


@dataclass
class LBFGSState(State):
    """`State`, and for each path: its direction, step length and history.

    Attributes:
        direction: ``(B, N)`` with ``N = (K-1) * D``.
        step: the length of the next trial along it, ``(B,)``.
        refused: trials refused since the last accepted one, ``(B,)``.
        calm: accepted steps in a row with a predicted gain below the tolerance, ``(B,)``.
        moves: the last accepted steps, ``(B, memory, N)``, in a ring.
        turns: the changes of the gradient over them, ``(B, memory, N)``.
        curvature: ``1 / (move . turn)``, 0 where the ring is empty, ``(B, memory)``.
        stored: pairs stored since the last reset, ``(B,)``; the next goes to ``stored % memory``.
        marked: the energy when the observed gain was last looked at, ``(B,)``.
        promised: the gain predicted then, ``(B,)``.
        tried: evaluations since the first, ``(B,)``.
        taken: accepted steps, ``(B,)``.
    """

    direction: Tensor
    step: Tensor
    refused: Tensor
    calm: Tensor
    moves: Tensor
    turns: Tensor
    curvature: Tensor
    stored: Tensor
    marked: Tensor
    promised: Tensor
    tried: Tensor
    taken: Tensor


def copy_history(state: State, rows: Tensor, past: State, of: Tensor) -> None:
    """Give ``rows`` of one state what the paths ``of`` of another remember, where both remember as many steps."""
    if isinstance(state, LBFGSState) and isinstance(past, LBFGSState) and state.moves.shape[1] == past.moves.shape[1]:
        for name in ("moves", "turns", "curvature", "stored"):
            getattr(state, name)[rows] = getattr(past, name)[of]


class LBFGS(Base[LBFGSState]):
    """Batched, preconditioned L-BFGS with a line search per path.

    Args:
        tol: the relative gain in cost below which a path has converged.
        memory: the number of past steps that shape the inverse Hessian.

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

    def __init__(self, tol: float = 1e-3, memory: int = 10) -> None:
        self.tol, self.memory = tol, memory

    def init(
        self,
        problem: Problem,
        latents: Tensor,
        unit: float = 1.0,
        metric: Metric | None = None,
        rule: Quadrature | None = None,
    ) -> LBFGSState:
        base = State.begin(problem, latents, unit, metric, rule)
        count, size = len(latents), base.gradient[0].numel()
        state = LBFGSState(
            **vars(base),
            direction=latents.new_zeros(count, size),
            step=latents.new_ones(count),
            refused=torch.zeros(count, dtype=torch.long, device=latents.device),
            calm=torch.zeros(count, dtype=torch.long, device=latents.device),
            moves=latents.new_zeros(count, self.memory, size),
            turns=latents.new_zeros(count, self.memory, size),
            curvature=latents.new_zeros(count, self.memory),
            stored=torch.zeros(count, dtype=torch.long, device=latents.device),
            marked=base.energy.clone(),
            promised=base.gain.clone(),
            tried=torch.zeros(count, dtype=torch.long, device=latents.device),
            taken=torch.zeros(count, dtype=torch.long, device=latents.device),
        )
        rows = state.running
        self._turn(state, rows)
        state.outcome[rows[state.gain[rows] <= CAUTION**2 * self.tol]] = int(Outcome.CONVERGED)
        return state

    def recall(self, state: LBFGSState, rows: Tensor, past: State, of: Tensor) -> None:
        """Give ``rows`` of a fresh state the history that the paths ``of`` of another had gathered, if it has one."""
        copy_history(state, rows, past, of)
        self._turn(state, rows)

    def step(self, problem: Problem, state: LBFGSState) -> LBFGSState:
        rows = state.running
        size = state.step[rows, None]
        interior = state.latents[rows, 1:-1].flatten(1)
        move = size * state.direction[rows]
        trial = with_interior(state.latents[rows], (interior + move).reshape_as(state.gradient[rows]))
        found = state.evaluate(problem, rows, trial)
        state.iteration += 1

        before, old = state.energy[rows], state.gradient[rows].flatten(1)
        slope = (old * state.direction[rows]).sum(-1)
        accepted = (found.energy <= before + _SUFFICIENT * state.step[rows] * slope) & (found.energy < before)
        good, bad = accepted.nonzero().squeeze(-1), (~accepted).nonzero().squeeze(-1)
        self._remember(state, rows[good], move[good], (found.gradient.flatten(1) - old)[good])
        state.keep(rows, accepted, trial, found)
        state.refresh(rows[good][state.tried[rows[good]] % _REFRESH == _REFRESH - 1])
        self._turn(state, rows[good])
        state.step[rows[good]], state.refused[rows[good]] = 1.0, 0

        self._judge(state, rows, accepted)
        self._shorten(state, rows[bad], found.energy[bad], slope[bad])
        return state

    def _judge(self, state: LBFGSState, rows: Tensor, accepted: Tensor) -> None:
        """End the paths that promise no more, or have brought no more."""
        calm = state.gain[rows] <= CAUTION * self.tol
        state.calm[rows] = torch.where(accepted, torch.where(calm, state.calm[rows] + 1, 0), state.calm[rows])
        state.tried[rows] += 1
        state.taken[rows] += accepted
        due = accepted & (state.taken[rows] % _WINDOW == 0)
        gained = state.marked[rows] - state.energy[rows]
        idle = due & (gained <= 2 * _IDLE * self.tol * state.energy[rows]) & (state.gain[rows] <= self.tol)
        idle &= state.gain[rows] >= _SLOW * state.promised[rows]
        ended = (state.calm[rows] >= _CALM) | idle | (state.energy[rows] == 0)
        state.outcome[rows[ended]] = int(Outcome.CONVERGED)
        state.marked[rows[due]], state.promised[rows[due]] = state.energy[rows[due]], state.gain[rows[due]]

    def _remember(self, state: LBFGSState, rows: Tensor, move: Tensor, turn: Tensor) -> None:
        """Store the pairs of positive curvature; the others would spoil the inverse Hessian."""
        product = (move * turn).sum(-1)
        fit = product > 1e-10 * move.norm(dim=-1) * turn.norm(dim=-1)
        rows, slot = rows[fit], state.stored[rows[fit]] % self.memory
        state.moves[rows, slot], state.turns[rows, slot] = move[fit], turn[fit]
        state.curvature[rows, slot] = 1 / product[fit]
        state.stored[rows] += 1

    def _turn(self, state: LBFGSState, rows: Tensor) -> None:
        """New directions for ``rows``: the two-loop recursion; and their predicted gains."""
        shape = state.gradient[rows].shape
        q = state.gradient[rows].flatten(1)
        order = [(state.stored[rows] - 1 - k) % self.memory for k in range(self.memory)]
        weights = []
        for slot in order:
            weight = state.curvature[rows, slot] * (state.moves[rows, slot] * q).sum(-1)
            q = q - weight[:, None] * state.turns[rows, slot]
            weights.append(weight)
        q = state.preconditioner.rows(rows).apply(q.reshape(shape)).flatten(1)
        for slot, weight in zip(reversed(order), reversed(weights), strict=True):
            back = state.curvature[rows, slot] * (state.turns[rows, slot] * q).sum(-1)
            q = q + (weight - back)[:, None] * state.moves[rows, slot]
        uphill = (state.gradient[rows].flatten(1) * q).sum(-1) < 0  # by rounding alone
        q = torch.where(uphill[:, None], -q, q)
        state.direction[rows] = -q
        state.gain[rows] = predicted_gain(state.energy[rows], state.gradient[rows], q)

    def _shorten(self, state: LBFGSState, rows: Tensor, tried: Tensor, slope: Tensor) -> None:
        """Refused: the minimum of the parabola through what is known, between a tenth and half of the step.

        After too many refusals the history is forgotten once; if even the preconditioned gradient leads nowhere, the
        path has stalled.
        """
        step = state.step[rows]
        rise = tried - state.energy[rows] - step * slope
        parabola = torch.where(rise > 0, -0.5 * slope * step / rise.clamp_min(torch.finfo(step.dtype).tiny), 0.5)
        state.step[rows] = step * parabola.nan_to_num(_SHORTEST).clamp(_SHORTEST, 0.5)
        state.refused[rows] += 1
        tired = rows[state.refused[rows] >= _PATIENCE]
        fresh = state.stored[tired] == 0
        state.outcome[tired[fresh]] = int(Outcome.STALLED)
        again = tired[~fresh]
        state.curvature[again], state.stored[again], state.refused[again] = 0.0, 0, 0
        self._turn(state, again)
        state.step[again] = 1.0
