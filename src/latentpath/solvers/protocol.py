r"""What every solver obeys, and what they share: the problem, its state, outcomes, and the loop.

A solver has three methods, ``init``, ``step`` and ``done``, and keeps everything it knows in an explicit `State`, so a
progress bar, a web page or a test can drive it step by step. One ``step`` evaluates the energy once for every path
that is still running (each path at its own trial point), and changes no other; a path that has ended costs nothing
more. `solve` is the loop around the three.

When is a path good enough? All solvers ask the same question. With the preconditioner
:math:`H \approx (\nabla^2 E)^{-1}` (see `Preconditioner`) a quasi-Newton step would lower the energy by about
:math:`\tfrac12 \nabla E^T H \nabla E`, and so the cost, :math:`\sqrt{2E}`, relatively by about
:math:`\nabla E^T H \nabla E / 4E`: the *predicted gain*. H sees neither the curvature of the index nor that of the
generator, and on the closed forms the cost still to be gained was up to ten times the predicted one; so a path has
converged when the predicted gain stays below a tenth of the solver's ``tol``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from ..energy import Embed, Generator, Index, blocks, points_to_data, prices, pushforward
from ..index import as_log_index

__all__ = [
    "CAUTION",
    "Base",
    "Callback",
    "Evaluation",
    "Outcome",
    "Preconditioner",
    "Problem",
    "Progress",
    "Solver",
    "State",
    "solve",
]

CAUTION = 0.1
"""The share of ``tol`` that the predicted gain must stay below: the prediction is optimistic by up to ten times."""

_METRIC_POINTS, _METRIC_RIDGE, _WEIGHT_FLOOR, _FULL_METRIC = 4, 0.05, 0.02, 128


class Outcome(IntEnum):
    """How the solve of one path ended."""

    RUNNING = 0
    CONVERGED = 1
    """The predicted gain fell below the tolerance."""
    BUDGET_SPENT = 2
    """The evaluations allowed were used up first, or the caller asked to stop."""
    STALLED = 3
    """No step lowers the energy any more, and yet the predicted gain is not below the tolerance."""
    NON_FINITE = 4
    """The energy of the initial path is infinite or not a number; the path was left as it was."""

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation of ``b`` paths finds.

    The energy ``(b,)``, its gradient ``(b, K-1, D)`` at the interior points, and the stiffness ``(b, K)``. The
    stiffness of a segment is its weight in the path Laplacian, ``K * price ** 2``. Where the energy is not finite
    the gradient is 0.
    """

    energy: Tensor
    gradient: Tensor
    stiffness: Tensor


class Problem:
    """The energy of polylines between fixed endpoints, evaluated in blocks that bound the memory.

    Args:
        generator: ``(N, D) -> (N, ...)``.
        index: a `RealismIndex`, or a callable that gives ``log(alpha * ri)``.
        embed: the space in which lengths are measured (see `latentpath.energy`).
        max_points: the most points the generator is given in one call; None for all at once. A path with more points
            than that is evaluated in pieces that overlap by one point.
    """

    def __init__(self, generator: Generator, index: Index, embed: Embed = None, max_points: int | None = None) -> None:
        self.to_data = points_to_data(generator, embed)
        self.log_index = as_log_index(index)
        self.max_points = max_points

    def evaluate(self, latents: Tensor) -> Evaluation:
        """Energy, gradient and stiffness of ``latents`` ``(b, K+1, D)``: one forward and one backward pass.

        A path with a point where the index is 0 has infinite energy: a wall is never crossed, not even by one point.
        """
        count, points, _ = latents.shape
        segments = points - 1
        gradient, price = torch.zeros_like(latents), latents.new_empty(count, segments)
        energy, walled = latents.new_zeros(count), torch.zeros(count, dtype=torch.bool, device=latents.device)
        limit = self.max_points
        paths_at_once = None if limit is None else max(1, limit // points)
        segments_at_once = None if limit is None or limit >= points else max(1, limit - 1)
        for rows in blocks(count, paths_at_once):
            for piece in blocks(segments, segments_at_once):
                span = slice(piece.start, piece.stop + 1)
                with torch.enable_grad():
                    z = latents[rows, span].detach().requires_grad_()
                    data = self.to_data(z.flatten(0, 1)).unflatten(0, z.shape[:2])
                    logs = self.log_index(z)
                    each = prices(logs)
                    part = 0.5 * segments * (each.square() * data.diff(dim=1).square().sum(-1)).sum(-1)
                    (slope,) = torch.autograd.grad(part.sum(), z)
                energy[rows] += part.detach()
                gradient[rows, span] += slope
                price[rows, piece] = each.detach()
                walled[rows] |= (logs == -torch.inf).any(-1)
        bad = walled | ~energy.isfinite() | ~gradient.isfinite().flatten(1).all(-1)
        energy = torch.where(bad, torch.inf, energy)
        gradient = torch.where(bad[:, None, None], 0, gradient[:, 1:-1])
        return Evaluation(energy, gradient, segments * price.square().nan_to_num(0.0, 0.0, 0.0))

    def precondition(self, latents: Tensor) -> tuple[Preconditioner, float]:
        """The preconditioner of paths ``(b, K+1, D)``, and what it cost in path evaluations (each)."""
        _, points, dim = latents.shape
        near = [(2 * i + 1) * (points - 1) // (2 * _METRIC_POINTS) for i in range(_METRIC_POINTS // 2)]
        at = torch.tensor(near + [points - 1 - i for i in reversed(near)])  # the same from either end
        sites = latents[:, at.to(latents.device)].detach()
        flat = sites.flatten(0, 1)
        if dim <= _FULL_METRIC:
            tangents = torch.eye(dim, dtype=latents.dtype, device=latents.device)
        else:  # the metric's mean eigenvalue alone, by Hutchinson's estimator with fixed signs
            signs = torch.randint(2, (_METRIC_POINTS, dim), generator=torch.Generator().manual_seed(0))
            tangents = (2 * signs - 1).to(latents)
        pulled = []
        for block in blocks(len(flat), self.max_points):
            z = flat[block]
            moved = torch.stack([pushforward(self.to_data, z, v.expand_as(z)) for v in tangents], dim=-2)
            pulled.append(moved @ moved.mT if dim <= _FULL_METRIC else moved.square().sum(-1).mean(-1) / dim)
        metric = torch.cat(pulled).unflatten(0, sites.shape[:2]).mean(1)
        # a forward-mode pass is two forward ones, a path evaluation three
        work = _METRIC_POINTS * len(tangents) * 2 / 3 / points
        return Preconditioner.of(metric, dim), work


@dataclass(frozen=True)
class Preconditioner:
    r"""An approximate inverse Hessian of the energy, :math:`(T \otimes C)^{-1}`.

    For a fixed index and a linear generator the Hessian of the energy is the Kronecker product of the path Laplacian
    :math:`T` (tridiagonal, with the segments' stiffness :math:`K \bar w_i^2` as weights) and the pullback metric
    :math:`J^T J`. Here :math:`C` is the mean of :math:`J^T J` at a few points of the path plus a ridge of 5 % of its
    mean diagonal. :math:`T^{-1}` needs no factorisation: with both ends held fixed, :math:`T = \Delta^T W \Delta` is
    inverted by two cumulative sums.

    Attributes:
        inverse: :math:`C^{-1}`, ``(b, D, D)``, or ``(b, 1, 1)`` where C is a multiple of the identity.
    """

    inverse: Tensor

    @classmethod
    def of(cls, metric: Tensor, dim: int) -> Preconditioner:
        """From the mean metric ``(b, D, D)``, or its mean eigenvalue ``(b,)``."""
        tiny = torch.finfo(metric.dtype).tiny ** 0.5
        if metric.ndim == 1:
            return cls(1 / metric.clamp_min(tiny)[:, None, None])
        scale = metric.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None]
        usable = scale.isfinite() & (scale > tiny)
        eye = torch.eye(dim, dtype=metric.dtype, device=metric.device)
        relative = torch.where(usable, metric / scale, eye) + _METRIC_RIDGE * eye
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(relative.double())).to(metric)
        return cls(inverse / torch.where(usable, scale, 1))

    def rows(self, rows: Tensor) -> Preconditioner:
        """The preconditioner of some of the paths."""
        return Preconditioner(self.inverse[rows])

    def apply(self, gradient: Tensor, stiffness: Tensor) -> Tensor:
        r""":math:`(T \otimes C)^{-1}` times ``gradient`` ``(b, K-1, D)``, for the stiffness ``(b, K)``."""
        mean = stiffness.mean(-1, keepdim=True)
        weight = (stiffness + _WEIGHT_FLOOR * mean)[..., None]
        ease = torch.where(mean[..., None] > 0, 1 / weight.clamp_min(torch.finfo(weight.dtype).tiny), 0)
        # flux through segment i: c - (sum of the gradient before it); c makes the far end stand still
        load = torch.nn.functional.pad(gradient.cumsum(1), (0, 0, 1, 0))
        total = ease.sum(1, keepdim=True)
        constant = (ease * load).sum(1, keepdim=True) / torch.where(total > 0, total, 1)
        moved = (ease * (constant - load)).cumsum(1)[:, :-1]
        return moved * self.inverse if self.inverse.shape[-1] == 1 else moved @ self.inverse


@dataclass
class State:
    """What a solver knows, for all ``B`` paths of a batch.

    Attributes:
        latents: the best polylines so far, ``(B, K+1, D)``.
        energy: theirs, ``(B,)``.
        gradient: of the energy there, ``(B, K-1, D)``.
        stiffness: of their segments, ``(B, K)``.
        gain: the predicted relative gain in cost, ``(B,)``.
        outcome: `Outcome` codes, ``(B,)``; 0 while a path is running.
        evaluations: path evaluations spent, ``(B,)``.
        preconditioner: of every path.
        unit: path evaluations that one evaluation of these polylines counts for: 1, or less on a coarser level.
        iteration: steps taken.
    """

    latents: Tensor
    energy: Tensor
    gradient: Tensor
    stiffness: Tensor
    gain: Tensor
    outcome: Tensor
    evaluations: Tensor
    preconditioner: Preconditioner
    unit: float
    iteration: int

    @classmethod
    def begin(
        cls, problem: Problem, latents: Tensor, unit: float = 1.0, preconditioner: Preconditioner | None = None
    ) -> State:
        """Evaluate the initial polylines. Those of non-finite energy end here, as those of energy 0 do."""
        found, work = problem.evaluate(latents), 0.0
        if preconditioner is None:
            preconditioner, work = problem.precondition(latents)
        finite = found.energy.isfinite()
        outcome = torch.where(finite, int(Outcome.RUNNING), int(Outcome.NON_FINITE))
        outcome = torch.where(found.energy == 0, int(Outcome.CONVERGED), outcome)
        return cls(
            latents=latents.detach().clone(),
            energy=found.energy,
            gradient=found.gradient,
            stiffness=found.stiffness,
            gain=predicted_gain(found.energy, found.gradient, preconditioner.apply(found.gradient, found.stiffness)),
            outcome=outcome,
            evaluations=torch.full_like(found.energy, unit * (1 + work)),
            preconditioner=preconditioner,
            unit=unit,
            iteration=0,
        )

    @property
    def running(self) -> Tensor:
        """The rows of the paths still running, ``(b,)``."""
        return (self.outcome == Outcome.RUNNING).nonzero().squeeze(-1)

    def keep(self, rows: Tensor, chosen: Tensor, latents: Tensor, found: Evaluation) -> Tensor:
        """Make the ``chosen`` (a mask) of the trials ``latents`` of ``rows`` the best polylines; returns their rows."""
        good = rows[chosen]
        self.latents[good], self.energy[good] = latents[chosen], found.energy[chosen]
        self.gradient[good], self.stiffness[good] = found.gradient[chosen], found.stiffness[chosen]
        return good

    def judge(self, rows: Tensor, tol: float) -> None:
        """Predict the gain of a preconditioned step for ``rows``; end those where it is below ``tol``."""
        direction = self.preconditioner.rows(rows).apply(self.gradient[rows], self.stiffness[rows])
        self.gain[rows] = predicted_gain(self.energy[rows], self.gradient[rows], direction)
        self.outcome[rows[self.gain[rows] <= tol]] = int(Outcome.CONVERGED)


def predicted_gain(energy: Tensor, gradient: Tensor, direction: Tensor) -> Tensor:
    r"""The predicted relative gain in cost, :math:`\nabla E^T d / 4E`, of the step :math:`-d = -H \nabla E`."""
    slope = (gradient * direction.reshape_as(gradient)).flatten(1).sum(-1)
    return torch.where(energy > 0, slope / (4 * energy), 0)


def with_interior(latents: Tensor, interior: Tensor) -> Tensor:
    """The polylines with other interior points; the endpoints are copied, never computed."""
    return torch.cat([latents[:, :1], interior, latents[:, -1:]], dim=1)


StateT = TypeVar("StateT", bound=State)


@runtime_checkable
class Solver(Protocol[StateT]):
    """Lowers the energy of a batch of polylines.

    ``init`` evaluates the initial polylines; ``step`` makes one evaluation of every running path, updates the state in
    place and returns it; ``done`` says whether no path is running.
    """

    tol: float

    def init(self, problem: Problem, latents: Tensor) -> StateT: ...

    def step(self, problem: Problem, state: StateT) -> StateT: ...

    def done(self, state: StateT) -> bool: ...


class Base(Generic[StateT]):
    """``done`` as every solver here has it."""

    def done(self, state: StateT) -> bool:
        return not bool((state.outcome == Outcome.RUNNING).any())


@dataclass(frozen=True)
class Progress:
    """What a callback is told after every step.

    Attributes:
        iteration: steps taken.
        evaluations: path evaluations spent, mean over the batch.
        running: the number of paths still running.
        energy: of the best polylines so far, ``(B,)``.
        gain: the predicted relative gain in cost, ``(B,)``.
        latents: the best polylines so far, ``(B, P, D)``, with fewer points on a coarser level; not to be changed.
    """

    iteration: int
    evaluations: float
    running: int
    energy: Tensor
    gain: Tensor
    latents: Tensor


Callback = Callable[[Progress], bool | None]
"""Called after every step; a true answer stops the solve, and every path keeps the best it has."""


def solve(
    solver: Solver[StateT],
    problem: Problem,
    latents: Tensor,
    *,
    max_evaluations: float | None = None,
    callback: Callback | None = None,
) -> StateT:
    """Run ``solver`` from the polylines ``latents`` ``(B, K+1, D)`` until every path has an outcome.

    Args:
        solver: any `Solver`.
        problem: the energy.
        latents: the initial polylines; their endpoints stay as they are.
        max_evaluations: the path evaluations each path may spend; None for no limit.
        callback: told after every step; a true answer stops.
    """
    state = solver.init(problem, latents)
    limit = math.inf if max_evaluations is None else max_evaluations
    while True:
        spent = (state.outcome == Outcome.RUNNING) & (state.evaluations + state.unit > limit)
        state.outcome[spent] = int(Outcome.BUDGET_SPENT)
        if solver.done(state):
            return state
        state = solver.step(problem, state)
        if callback is not None:
            progress = Progress(
                iteration=state.iteration,
                evaluations=float(state.evaluations.mean()),
                running=int((state.outcome == Outcome.RUNNING).sum()),
                energy=state.energy,
                gain=state.gain,
                latents=state.latents,
            )
            if callback(progress):
                limit, callback = 0.0, None
