r"""Batched L-BFGS for points that have nothing to do with one another.

Every point of a batch ``(n, D)`` lowers an evaluate of its own, with its own history, direction and step length; one
`step` evaluates the evaluate once for each that still runs. The value never rises: a trial that does not lower it
enough (Armijo), or whose value is not finite, is refused, and the next one is shorter. The first direction is the
gradient's, of a length that the caller gives; after that the newest pair scales the inverse Hessian.

A point has converged when its last ten evaluations lowered the value by less than ``tol`` of it, or when not even a
tiny step along the gradient lowers it, as happens at a kink.

Where the evaluate is infinite outside a set (a wall), a step that would cross has the coordinates shortened that lead
out by themselves, so that a point slides along the sides of a box instead of sticking to the first one it meets.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .configuration import config
from .lbfgs_core import Pair, backtracked, curvature_pair, two_loop

__all__ = ["PointDescent", "PointObjective"]

PointObjective = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Points ``(m, D)`` and their rows in the batch ``(m,)`` to values ``(m,)`` and gradients ``(m, D)``."""


class PointDescent:
    """The points, and what is known of each; everything but the history can be read at any time.

    Args:
        evaluate: see `PointObjective`.
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
        evaluate: PointObjective,
        points: Tensor,
        *,
        first: float,
        tol: float = 1e-3,
        memory: int = 10,
        inside: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self._evaluate, self._first, self._tol, self._memory = evaluate, first, tol, memory
        self._inside = inside
        self.points = points.clone()
        count = len(points)
        self.value, self._gradient = evaluate(points, torch.arange(count, device=points.device))
        self.running = self.value.isfinite() & self._gradient.isfinite().all(-1)
        self.converged = torch.zeros_like(self.running)
        self.steps = torch.zeros(count, dtype=torch.long, device=points.device)
        self._history: list[Pair] = []  # of all n points
        self._size = torch.ones_like(self.value)
        self._refused = torch.zeros_like(self.steps)
        self._marked = self.value.clone()
        self._direction = torch.zeros_like(points)
        self._set_direction(torch.arange(count, device=points.device))

    def step(self) -> None:
        """One evaluation of every point that still runs."""
        rows = self.running.nonzero()[:, 0]
        if len(rows) == 0:
            return
        size, old, before = self._size[rows], self._gradient[rows], self.value[rows]
        move = self._shortened(rows, size[:, None] * self._direction[rows])
        slope = (move * old).sum(-1)
        value, gradient = self._evaluate(self.points[rows] + move, rows)
        usable = value.isfinite() & gradient.isfinite().all(-1)
        good = usable & (value <= before + config().line_search.sufficient_decrease * slope) & (value < before)
        accepted = rows[good]
        self._store(accepted, curvature_pair(move, gradient - old, good).rows(good))
        self.points[accepted] += move[good]
        self.value[accepted], self._gradient[accepted] = value[good], gradient[good]
        self._size[accepted], self._refused[accepted] = 1.0, 0
        self._set_direction(accepted)
        self._shorten(rows[~good], value[~good] - before[~good], slope[~good])
        self._judge(rows)

    def _shortened(self, rows: Tensor, move: Tensor) -> Tensor:
        """The moves, with the coordinates shortened that lead through a wall by themselves."""
        if self._inside is None:
            return move
        for _ in range(config().point_search.halvings):
            out = ~self._inside(self.points[rows, None] + torch.diag_embed(move))
            if not bool(out.any()):
                return move
            move = torch.where(out, move / 2, move)
        return torch.where(out, 0.0, move)

    def _store(self, rows: Tensor, pair: Pair) -> None:
        """Adds the pair of ``rows`` to the history of all points."""
        every = Pair(*(torch.zeros_like(values) for values in (self.points, self.points, self.value)))
        for mine, theirs in zip(every, pair, strict=True):
            mine[rows] = theirs
        self._history.append(every)
        del self._history[: -self._memory]

    def _set_direction(self, rows: Tensor) -> None:
        """Sets new directions for ``rows``, where the newest pair scales the initial inverse Hessian."""
        gradient, history = self._gradient[rows], [pair.rows(rows) for pair in self._history]
        scale = self._first / gradient.norm(dim=-1).clamp_min(torch.finfo(gradient.dtype).tiny)
        for pair in history:
            newest = 1 / (pair.curvature * pair.gradient_change.square().sum(-1))
            scale = torch.where(pair.curvature > 0, newest, scale)
        q = two_loop(gradient, history, lambda direction: scale[:, None] * direction)
        down = (q * gradient).sum(-1) > 0
        self._direction[rows] = -torch.where(down[:, None], q, gradient * scale.abs()[:, None])

    def _shorten(self, rows: Tensor, rise: Tensor, slope: Tensor) -> None:
        """Shortens the steps of refused trials.

        After too many refusals the history is forgotten once; where even the gradient leads nowhere, the point has
        ended.
        """
        self._size[rows] = backtracked(self._size[rows], slope, rise)
        self._refused[rows] += 1
        exhausted = rows[self._refused[rows] >= config().line_search.max_refusals]
        if len(exhausted) == 0:
            return
        known = torch.zeros_like(self.running)
        for pair in self._history:
            known |= pair.curvature > 0
        ended, again = exhausted[~known[exhausted]], exhausted[known[exhausted]]
        self.running[ended], self.converged[ended] = False, True
        for pair in self._history:
            pair.curvature[again] = 0.0
        self._set_direction(again)
        self._size[again], self._refused[again] = 1.0, 0

    def _judge(self, rows: Tensor) -> None:
        """End the points that the last window of evaluations brought little."""
        self.steps[rows] += 1
        due = rows[self.steps[rows] % config().point_search.window == 0]
        ended = due[
            self._marked[due] - self.value[due]
            <= self._tol * self.value[due].abs() + 1e-12  # a value of 0 has no relative decrease
        ]
        self._marked[due] = self.value[due]
        self.running[ended], self.converged[ended] = False, True
