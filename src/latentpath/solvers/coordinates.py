r"""Unconstrained coordinates of a prior's bounded support, in which a solver cannot step across a wall.

Outside the support of its prior (a simplex, a box, a half-line in every coordinate) a `RealismIndex` is 0 and the
energy infinite. A solver that moves the latents themselves must shorten every step that crosses, for all points of the
path at once, and stalls where the cheapest path runs along the wall; on a simplex no step at all stays on the support.
So the unknowns are :math:`u_i = T^{-1}(x_i)`, with the bijection :math:`T` from :math:`\mathbb R^d` that
`torch.distributions.biject_to` knows for the support (:math:`d = D - 1` on a simplex):

.. math:: E(u) = E\bigl(T(u_0), \dots, T(u_K)\bigr), \qquad \nabla_u E = J_T^T\, \nabla_x E.

The polyline stays one of straight segments in the latents: energy, mean prices and audit are those of the latents
:math:`T(u_i)`, from the straight line on. These supports are convex, so no segment leaves them.

Near a wall :math:`J_T` tends to 0, and a path may end before the points there have found their place. Where the solver
has not clearly converged, the path is solved on, in coordinates of the smallest affine space around the support.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.distributions import (
    ComposeTransform,
    Independent,
    IndependentTransform,
    MixtureSameFamily,
    Transform,
    TransformedDistribution,
    biject_to,
    constraints,
)

from ..audit import Audit
from ..index import PriorIndex, RealismIndex, TypicalityIndex
from ..index.rules import draw
from ..priors import UniformBox
from .audited import solve_audited
from .multilevel import Multilevel
from .problem import Evaluation, Problem, Quadrature
from .protocol import CAUTION, Callback, Outcome, Solver, State, with_interior
from .restarts import Listener, Minima, adopt_cheaper, affordable

__all__ = ["Coordinates", "solve_within"]

_AFFINE = 1e-9  # relative: the second difference of a bijection that is a mere change of scale
_PULLED = 0.5  # a point that a hair moves this far in the coordinates lies on the wall
_LOWER = 0.01  # relative: what a polish brings that a converged path should not have left
_POLISH = 60.0  # path evaluations in the affine coordinates


@dataclass(frozen=True)
class Coordinates:
    """Coordinates ``(..., d)`` of latents ``(..., D)``, computed in float64 where the device has it.

    Attributes:
        to_latents: the map, in its own dtype and on its own device.
        to_coordinates: its inverse, likewise.
        dim: ``d``.
        device: of the parameters of both.
    """

    to_latents: Callable[[Tensor], Tensor]
    to_coordinates: Callable[[Tensor], Tensor]
    dim: int
    device: torch.device

    @classmethod
    def of(cls, index: object) -> Coordinates | None:
        """The unconstrained coordinates of the support of an index's prior; None where nothing bounds it.

        Other indices than that of the density have no walls where the prior ends.
        """
        if not isinstance(index, RealismIndex | TypicalityIndex):
            return None
        bijection = _bijection(index.prior)
        if bijection is None:
            return None
        (dim,) = bijection.inverse_shape(torch.Size([index.dim]))
        device = draw(index.prior, index.dim, 2, index.seed).device
        probe = torch.linspace(-1, 1, dim, dtype=_wide(device), device=device)
        low, middle, high = bijection(probe - 1), bijection(probe), bijection(probe + 1)
        straight = (low + high - 2 * middle).abs() <= _AFFINE * (1 + middle.abs())
        if middle.shape != (index.dim,) or bool(straight.all()):
            return None
        return cls(bijection, bijection.inv, dim, device)

    def latents(self, u: Tensor) -> Tensor:
        """The latents ``(..., D)`` of coordinates ``(..., d)``, in their dtype and on their device."""
        return self.to_latents(u.to(self.device, _wide(self.device))).to(u)

    @torch.no_grad()
    def of_latents(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The coordinates ``(..., d)`` of latents, and which points ``(...)`` lie on the wall.

        Those are moved a hair towards the point of coordinates 0: on the wall itself the coordinates are infinite.
        """
        wide = z.to(self.device, _wide(self.device))
        centre = self.to_latents(wide.new_zeros(self.dim))
        pulled = self.to_coordinates(torch.lerp(wide, centre, torch.finfo(z.dtype).eps ** 0.6))
        found = self.to_coordinates(wide)
        walled = ~((found - pulled).abs().amax(-1) <= _PULLED)
        return torch.where(walled[..., None], pulled, found).to(z), walled.to(z.device)

    def around(self) -> Coordinates | None:
        """Coordinates of the smallest affine space around the support; None where these are the latents."""
        random = torch.Generator().manual_seed(0)
        u = torch.randn(4 * self.dim + 4, self.dim, generator=random, dtype=torch.float64)
        points = self.to_latents(u.to(self.device, _wide(self.device)))
        if points.shape[-1] == self.dim:
            return None
        middle = points.mean(0)
        span = torch.linalg.svd(points - middle, full_matrices=False).Vh[: self.dim]
        return Coordinates(lambda y: middle + y @ span, lambda z: (z - middle) @ span.mT, self.dim, self.device)


def _wide(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64


def _bijection(prior: Any) -> Transform | None:
    """From unconstrained coordinates to the support of ``prior``; None where torch knows none.

    `TransformedDistribution` tells the range of its last transform alone, so for transforms of single coordinates the
    support is that of the base, transformed.
    """
    if type(prior) is Independent:
        inner = _bijection(prior.base_dist)
        events = prior.reinterpreted_batch_ndims
        return inner if inner is None or events == 0 else IndependentTransform(inner, events)
    if type(prior) is MixtureSameFamily:  # of one support: where it depends on the component, the shapes tell
        return _bijection(prior.component_distribution)
    if type(prior) is UniformBox:
        return biject_to(constraints.independent(constraints.interval(prior.low, prior.high), 1))
    if type(prior) is TransformedDistribution and _elementwise(prior.transforms):
        base = _bijection(prior.base_dist)
        if base is not None and not _is_identity(base):
            return ComposeTransform([base, *prior.transforms])
    try:
        found: Transform = biject_to(prior.support)
    except (NotImplementedError, AttributeError):  # no support, or one without a bijection
        return None
    return found


def _elementwise(transforms: list[Transform]) -> bool:
    return all(part.bijective and part.domain.event_dim == part.codomain.event_dim == 0 for part in transforms)


def _is_identity(transform: Transform) -> bool:
    if isinstance(transform, IndependentTransform):
        return _is_identity(transform.base_transform)
    return isinstance(transform, ComposeTransform) and not transform.parts


class _Drawn:
    """Samples of a prior in coordinates ``(n, d)``."""

    def __init__(self, prior: Any, coordinates: Coordinates) -> None:
        self.base_dist, self.coordinates = prior, coordinates

    def sample(self, shape: tuple[int, ...]) -> Tensor:
        return self.coordinates.of_latents(self.base_dist.sample(shape))[0]


class _CoordinateIndex(PriorIndex):
    """An index of latents, asked in coordinates."""

    _index: PriorIndex
    _coordinates: Coordinates

    def __init__(self, index: PriorIndex, coordinates: Coordinates) -> None:
        facts = {name: getattr(index, name) for name in ("alpha", "samples", "seed", "kind")}
        prior = _Drawn(index.prior, coordinates)
        self._set(prior=prior, dim=coordinates.dim, _index=index, _coordinates=coordinates, **facts)

    def log(self, z: Tensor) -> Tensor:
        return self._index.log(self._coordinates.latents(z))


class _CoordinateProblem(Problem):
    """A problem whose unknowns are coordinates; the segments of a polyline stay straight in the latents."""

    def __init__(self, problem: Problem, index: PriorIndex, coordinates: Coordinates) -> None:
        def to_data(u: Tensor) -> Tensor:
            return problem.to_data(coordinates.latents(u))

        super().__init__(to_data, index, None, problem.max_points)
        self.problem, self.coordinates = problem, coordinates

    def evaluate(self, latents: Tensor, rule: Quadrature | None = None) -> Evaluation:
        with torch.enable_grad():
            u = latents.detach().requires_grad_()
            z = self.coordinates.latents(u)
        found = self.problem.evaluate(z.detach(), rule)
        (slope,) = torch.autograd.grad(z[:, 1:-1], u, found.gradient)
        bad = ~slope.isfinite().flatten(1).all(-1)
        return replace(
            found,
            energy=torch.where(bad, torch.inf, found.energy),
            gradient=torch.where(bad[:, None, None], 0, slope[:, 1:-1]),
        )

    def energy(self, latents: Tensor) -> Tensor:
        return self.problem.energy(self.coordinates.latents(latents))

    def mean_prices(self, latents: Tensor) -> Tensor:
        return self.problem.mean_prices(self.coordinates.latents(latents))


Solve = Callable[[Problem, Tensor, Callable[[Tensor], Audit], Any, Callback | None], tuple[State, Audit, Minima | None]]
"""A solve of a problem from polylines, by an audit and an index, told to a callback; the minima that it found."""


def solve_within(
    coordinates: Coordinates,
    solve: Solve,
    solver: Solver[Any],
    problem: Problem,
    line: Tensor,
    audit: Callable[[Tensor], Audit],
    index: PriorIndex,
    *,
    max_total: float | None = None,
    callback: Callback | None = None,
) -> tuple[State, Audit, Minima | None]:
    """``solve`` in unconstrained coordinates, from the straight lines ``line`` ``(B, K+1, D)``; the state in latents.

    Args:
        coordinates: of the prior's support.
        solve: the solve, from one start or several.
        solver: the one that ``solve`` uses.
        problem: the energy, of latents.
        line: the straight lines.
        audit: the audit of polylines of latents.
        index: the index of latents.
        max_total: the path evaluations each path may spend in all; None for no limit.
        callback: told after every step, with latents; a true answer stops everything.
    """
    listen = Listener(_told(coordinates, callback))
    begin, walled = coordinates.of_latents(line)
    inside = _CoordinateIndex(index, coordinates)
    state, facts, minima = solve(
        _CoordinateProblem(problem, inside, coordinates),
        begin,
        lambda u: audit(coordinates.latents(u)),
        inside,
        listen,
    )
    same = (state.latents == begin).flatten(1).all(-1)
    found = with_interior(line, coordinates.latents(state.latents)[:, 1:-1])
    state.latents = torch.where(same[:, None, None], line, found)
    doubtful = walled.any(-1)
    _measure_anew(doubtful.nonzero()[:, 0], state, facts, problem, line, audit)
    tol = getattr(solver, "tol", 1e-3)
    doubtful |= (state.outcome != Outcome.CONVERGED) | (state.gain > CAUTION * tol)
    doubtful &= state.outcome != Outcome.NON_FINITE
    left = (math.inf if max_total is None else max_total) - state.evaluations
    for rows, most in affordable(doubtful, left, _POLISH):
        if listen.stopped:
            break
        _polish(rows, Multilevel(tol), state, facts, problem, audit, index, coordinates.around(), most, callback)
    return state, facts, minima


def _measure_anew(
    rows: Tensor, state: State, facts: Audit, problem: Problem, line: Tensor, audit: Callable[[Tensor], Audit]
) -> None:
    """The audit of paths ``rows`` of which the solve has seen the points on the wall a hair inside."""
    if len(rows) == 0:
        return
    found, straight = audit(state.latents[rows]), audit(line[rows])
    above = ~(found.cost <= straight.cost)
    state.outcome[rows[above]] = int(Outcome.STALLED)
    for chosen, measured, latents in ((~above, found, state.latents[rows]), (above, straight, line[rows])):
        state.keep(rows, chosen, latents, replace(problem.evaluate(latents), gradient=state.gradient[rows]))
        for field in fields(Audit):
            getattr(facts, field.name)[rows[chosen]] = getattr(measured, field.name)[chosen]


def _polish(
    rows: Tensor,
    solver: Multilevel,
    state: State,
    facts: Audit,
    problem: Problem,
    audit: Callable[[Tensor], Audit],
    index: PriorIndex,
    around: Coordinates | None,
    max_evaluations: float,
    callback: Callback | None,
) -> None:
    """Solve the paths ``rows`` on in coordinates of the affine space ``around`` the support, or in the latents."""
    begin, inside, measure = state.latents[rows], problem, audit
    if around is not None:
        inside = _CoordinateProblem(problem, _CoordinateIndex(index, around), around)
        begin, measure = around.of_latents(begin)[0], lambda y: audit(around.latents(y))
    finer, found = solve_audited(
        solver, inside, begin, measure, max_evaluations=max_evaluations, callback=_told(around, callback)
    )
    state.evaluations[rows] += finer.evaluations
    if around is not None:
        finer.latents = with_interior(state.latents[rows], around.latents(finer.latents)[:, 1:-1])
    settled = (state.outcome[rows] == Outcome.CONVERGED) & (found.cost > (1 - _LOWER) * facts.cost[rows])
    finer.outcome[settled] = int(Outcome.CONVERGED)
    adopt_cheaper(state, facts, rows, finer, found)


def _told(coordinates: Coordinates | None, callback: Callback | None) -> Callback | None:
    """The callback, which is told latents whatever coordinates a solver moves."""
    if coordinates is None or callback is None:
        return callback
    return lambda progress: callback(replace(progress, latents=coordinates.latents(progress.latents)))
