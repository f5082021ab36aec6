r"""Batched L-BFGS for points that have nothing to do with one another.

Every point of a batch ``(n, D)`` lowers an objective of its own, with its own history, direction and step length; one
`step` evaluates the objective once for each that still runs. The value never rises: a trial that does not lower it
enough (Armijo), or whose value is not finite, is refused, and the next one is shorter. The first direction is the
gradient's, of a length that the caller gives; after that the newest pair scales the inverse Hessian.

A point has converged when its last ten evaluations lowered the value by less than ``tol`` of it, or when not even a
tiny step along the gradient lowers it, as happens at a kink.

Where the objective is infinite outside a set (a wall), a step that would cross has the coordinates shortened that lead
out by themselves, so that a point slides along the sides of a box instead of sticking to the first one it meets.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["Objective", "PointDescent"]

Objective = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Points ``(m, D)`` and their rows in the batch ``(m,)`` to values ``(m,)`` and gradients ``(m, D)``."""

_SUFFICIENT, _SHORTEST, _PATIENCE, _WINDOW, _HALVINGS, _NOTHING = 1e-4, 0.1, 12, 10, 10, 1e-12


class PointDescent:
    """The points, and what is known of each; everything but the history can be read at any time.

    Args:
        objective: see `Objective`.
        points: ``(n, D)``; where the value is not finite the point stays, and has ended.
        first: the length of the first step.
        tol: see above.
        memory: the number of past steps that shape the inverse Hessian.
        inside: points ``(..., D)`` to whether they are within the walls ``(...)``; None where there are none.

    Attributes:
        points: the best so far, ``(n, D)``.
        value: there, ``(n,)``.
        running: which go on, ``(n,)``; whoever drops one sets it to False.
        converged: which have ended as above, ``(n,)``.
        steps: evaluations after the first, ``(n,)``.

    Example:
        >>> def bowl(z, rows):
        ...     return (z - 3).square().sum(-1), 2 * (z - 3)
        >>> descent = PointDescent(bowl, torch.zeros(4, 2), first=1.0)
        >>> while descent.running.any():
        ...     descent.step()
        >>> descent.points[0]
        tensor([3., 3.])
    """

    def __init__(
        self,
        objective: Objective,
        points: Tensor,
        *,
        first: float,
        tol: float = 1e-3,
        memory: int = 10,
        inside: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self._objective, self._first, self._tol, self._memory = objective, first, tol, memory
        self._inside = inside
        self.points = points.clone()
        count = len(points)
        self.value, self._gradient = objective(points, torch.arange(count, device=points.device))
        self.running = self.value.isfinite() & self._gradient.isfinite().all(-1)
        self.converged = torch.zeros_like(self.running)
        self.steps = torch.zeros(count, dtype=torch.long, device=points.device)
        self._history: list[tuple[Tensor, Tensor, Tensor]] = []  # move (n, D), turn (n, D), 1 / (move . turn) (n,)
        self._size = torch.ones_like(self.value)
        self._refused = torch.zeros_like(self.steps)
        self._marked = self.value.clone()
        self._direction = torch.zeros_like(points)
        self._turn(torch.arange(count, device=points.device))

    def step(self) -> None:
        """One evaluation of every point that still runs."""
        rows = self.running.nonzero()[:, 0]
        if len(rows) == 0:
            return
        size, old, before = self._size[rows], self._gradient[rows], self.value[rows]
        move = self._shortened(rows, size[:, None] * self._direction[rows])
        slope = (move * old).sum(-1)
        value, gradient = self._objective(self.points[rows] + move, rows)
        usable = value.isfinite() & gradient.isfinite().all(-1)
        good = usable & (value <= before + _SUFFICIENT * slope) & (value < before)
        self._remember(rows[good], move[good], (gradient - old)[good])
        taken = rows[good]
        self.points[taken] += move[good]
        self.value[taken], self._gradient[taken] = value[good], gradient[good]
        self._size[taken], self._refused[taken] = 1.0, 0
        self._turn(taken)
        self._shorten(rows[~good], value[~good] - before[~good], slope[~good])
        self._judge(rows)

    def _shortened(self, rows: Tensor, move: Tensor) -> Tensor:
        """The moves, with the coordinates shortened that lead through a wall by themselves."""
        if self._inside is None:
            return move
        for _ in range(_HALVINGS):
            out = ~self._inside(self.points[rows, None] + torch.diag_embed(move))
            if not bool(out.any()):
                return move
            move = torch.where(out, move / 2, move)
        return torch.where(out, 0.0, move)

    def _remember(self, rows: Tensor, move: Tensor, turn: Tensor) -> None:
        """Store the pairs of positive curvature; the others would spoil the inverse Hessian."""
        product = (move * turn).sum(-1)
        fit = product > 1e-10 * move.norm(dim=-1) * turn.norm(dim=-1)
        moves, turns, curvature = (torch.zeros_like(x) for x in (self.points, self.points, self.value))
        rows = rows[fit]
        moves[rows], turns[rows], curvature[rows] = move[fit], turn[fit], 1 / product[fit]
        self._history.append((moves, turns, curvature))
        del self._history[: -self._memory]

    def _turn(self, rows: Tensor) -> None:
        """New directions for ``rows``: the two-loop recursion (Nocedal 1980)."""
        gradient = self._gradient[rows]
        q, weights = gradient, []
        history = [tuple(part[rows] for part in pair) for pair in self._history]
        scale = self._first / gradient.norm(dim=-1).clamp_min(torch.finfo(gradient.dtype).tiny)
        for move, turn, curvature in reversed(history):
            weight = curvature * (move * q).sum(-1)
            q = q - weight[:, None] * turn
            weights.append(weight)
        for _, turn, curvature in history:  # the newest one counts
            newest = 1 / (curvature * turn.square().sum(-1))
            scale = torch.where(curvature > 0, newest, scale)
        q = scale[:, None] * q
        for (move, turn, curvature), weight in zip(history, reversed(weights), strict=True):
            q = q + (weight - curvature * (turn * q).sum(-1))[:, None] * move
        down = (q * gradient).sum(-1) > 0
        self._direction[rows] = -torch.where(down[:, None], q, gradient * scale.abs()[:, None])

    def _shorten(self, rows: Tensor, rise: Tensor, slope: Tensor) -> None:
        """Refused: the minimum of the parabola through what is known, between a tenth and half of the step.

        After too many refusals the history is forgotten once; if even the gradient leads nowhere, the point has ended.
        """
        size = self._size[rows]
        over = rise - slope
        parabola = torch.where(over > 0, -0.5 * slope / over, 0.5)
        self._size[rows] = size * parabola.nan_to_num(_SHORTEST).clamp(_SHORTEST, 0.5)
        self._refused[rows] += 1
        tired = rows[self._refused[rows] >= _PATIENCE]
        if len(tired) == 0:
            return
        known = torch.zeros_like(self.running)
        for _, _, curvature in self._history:
            known |= curvature > 0
        ended, again = tired[~known[tired]], tired[known[tired]]
        self.running[ended], self.converged[ended] = False, True
        for moves, turns, curvature in self._history:
            moves[again], turns[again], curvature[again] = 0.0, 0.0, 0.0
        self._turn(again)
        self._size[again], self._refused[again] = 1.0, 0

    def _judge(self, rows: Tensor) -> None:
        """End the points that the last window of evaluations brought little."""
        self.steps[rows] += 1
        due = rows[self.steps[rows] % _WINDOW == 0]
        ended = due[self._marked[due] - self.value[due] <= self._tol * self.value[due].abs() + _NOTHING]
        self._marked[due] = self.value[due]
        self.running[ended], self.converged[ended] = False, True
