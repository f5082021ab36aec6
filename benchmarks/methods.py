"""The methods that are compared. All start from the straight line and lower the energy of equation 3."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

import latentpath as lp
from latentpath import solvers

from .counting import Meter
from .problems import MAX_POINTS, Problem
from .trace import Enough, Trace, Tracer

NEVER = 1e-12
"""A tolerance that no path reaches: a baseline goes on until it has spent its evaluations."""

RESTARTS = 8
_WALL = 1e3  # times the first energy: the value given to a line search where the energy is infinite


@dataclass(frozen=True)
class Run:
    """A run of a method: its trace, its own count of evaluations (mean over the pairs), and its outcomes."""

    trace: Trace
    own_count: float
    outcomes: dict[str, int]


Report = Callable[[float], None] | None


@dataclass(frozen=True)
class Method:
    """A method.

    Attributes:
        name: in the results, and for ``--methods`` and ``--fresh``.
        label: in tables and plots; the best of those of one label is shown.
        key: everything that its results depend on, but for the code of the library.
        solve: runs it.
        ours: whether a change of the library makes its results old.
        effort: the evaluations it is likely to take, if it does not take all that are allowed.
    """

    name: str
    label: str
    key: dict[str, Any]
    solve: Callable[[Problem, int, Report], Run]
    ours: bool = False
    effort: float | None = None

    @property
    def family(self) -> str:
        """A name for several methods in ``--methods`` and ``--fresh``: "adam" for Adam at every learning rate."""
        return self.name.split("-")[0]


def methods() -> list[Method]:
    """Returns all methods that the installed library has."""
    found = [_library(f"adam-{rate}", "Adam", solvers.Adam, lr=rate) for rate in (0.01, 0.03, 0.1)]
    found += [
        _library("gradient-descent", "gradient descent", solvers.GradientDescent),
        Method("torch-lbfgs", "torch L-BFGS", {"line_search": "strong_wolfe", "history": 10}, _torch_lbfgs),
        Method("scipy-lbfgsb", "SciPy L-BFGS-B", {"maxcor": 10}, _scipy_lbfgsb),
        Method("ours", "latentpath", {}, _interpolate(), ours=True, effort=150),
    ]
    if "restarts" in inspect.signature(lp.interpolate).parameters:
        solve = _interpolate(restarts=RESTARTS)
        found.append(Method("ours-restarts", "latentpath, restarts", {"restarts": RESTARTS}, solve, True, 600))
    return found


class _Plain(solvers.Objective):
    """The energy for the baselines; only its evaluations are counted.

    The library's stopping rule, which is out of force here, asks for a preconditioner that is not theirs.
    """

    def __init__(self, meter: Meter, problem: Problem) -> None:
        super().__init__(meter.generator, problem.index, max_points=MAX_POINTS)
        self.meter = meter

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        with self.meter.counting(True):
            return super().evaluate(*args, **kwargs)


def _library(name: str, label: str, solver: Callable[..., solvers.Solver[Any]], **options: float) -> Method:
    """A solver of the library as a baseline, all pairs together."""

    def solve(problem: Problem, limit: int, report: Report) -> Run:
        meter = Meter(problem.generator)
        tracer = Tracer(problem, meter, limit, report)

        def listen(progress: solvers.Progress) -> bool:
            tracer.take(progress.latents, progress.energy)
            return tracer.evaluations >= limit

        with meter.counting(False):
            line = tracer.latents
            state = solvers.solve(solver(tol=NEVER, **options), _Plain(meter, problem), line, callback=listen)
        outcomes = Counter(map(str, solvers.Outcome.from_codes(state.outcome)))
        return Run(tracer.finish(), float(state.evaluations.mean()), dict(outcomes))

    return Method(name, label, dict(options), solve)


def _interpolate(**options: Any) -> Callable[[Problem, int, Report], Run]:
    """Returns a method that calls `latentpath.interpolate`, its audit included."""

    def solve(problem: Problem, limit: int, report: Report) -> Run:
        meter = Meter(problem.generator)
        tracer = Tracer(problem, meter, limit, report)

        def listen(progress: solvers.Progress) -> None:
            tracer.offer(progress.latents, progress.energy)

        path = lp.interpolate(
            meter.generator,
            problem.index,
            problem.start,
            problem.end,
            segments=problem.segments,
            max_points=MAX_POINTS,
            callback=listen,
            **options,
        )
        trace = tracer.finish(path.latents)
        return Run(trace, float(path.evaluations.mean()), dict(Counter(map(str, path.outcome))))

    return solve


class _One:
    """One pair for a minimiser of vectors: the energy of its interior points, and the best points so far."""

    def __init__(self, problem: Problem, meter: Meter, limit: int, report: Report) -> None:
        self.tracer = Tracer(problem, meter, limit, report)
        self.energy, self.calls = _Plain(meter, problem), 0
        self.first = self.tracer.energy

    @property
    def begin(self) -> Tensor:
        """The interior points of the straight line, ``((K-1) * D,)``."""
        return self.tracer.latents[0, 1:-1].flatten()

    def __call__(self, interior: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the energy, ``()``, and its gradient, in the shape of ``interior``; raises `Enough` at the limit."""
        if self.calls >= self.tracer.limit:
            raise Enough
        line = self.tracer.latents
        latents = torch.cat([line[:, :1], interior.to(line).reshape_as(line[:, 1:-1]), line[:, -1:]], dim=1)
        found = self.energy.evaluate(latents)
        self.calls += 1
        better = found.energy < self.tracer.energy
        self.tracer.take(*((latents, found.energy) if better else (line, self.tracer.energy)))
        energy = torch.where(found.energy.isfinite(), found.energy, _WALL * self.first)
        return energy[0], found.gradient[0].reshape_as(interior)


def _one_by_one(problem: Problem, limit: int, report: Report, minimise: Callable[[_One], str]) -> Run:
    """Solves one pair after the other."""
    traces, calls, outcomes = [], 0, Counter[str]()
    meter = Meter(problem.generator)
    for row in range(problem.pairs):

        def told(spent: float, row: int = row) -> None:
            if report is not None:
                report((row * limit + spent) / problem.pairs)

        one = _One(problem.pair(row), meter, limit, told)
        try:
            outcomes[minimise(one)] += 1
        except Enough:
            outcomes["budget spent"] += 1
        traces.append(one.tracer.finish())
        calls += one.calls
    return Run(Trace.joined(traces), calls / problem.pairs, dict(outcomes))


def _torch_lbfgs(problem: Problem, limit: int, report: Report) -> Run:
    def minimise(one: _One) -> str:
        point = one.begin.clone().requires_grad_()
        optimiser = torch.optim.LBFGS(
            [point],
            max_iter=2 * limit,
            max_eval=2 * limit,
            history_size=10,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )

        def closure() -> float:
            energy, point.grad = one(point.detach())
            return float(energy)

        optimiser.step(closure)
        return "ended"

    return _one_by_one(problem, limit, report, minimise)


def _scipy_lbfgsb(problem: Problem, limit: int, report: Report) -> Run:
    from scipy.optimize import minimize

    def minimise(one: _One) -> str:
        def value_and_slope(x: np.ndarray) -> tuple[float, np.ndarray]:
            energy, slope = one(torch.from_numpy(x))
            return float(energy), slope.cpu().double().numpy()

        options = {"maxcor": 10, "maxiter": 2 * limit, "maxfun": 2 * limit, "ftol": 0, "gtol": 0}
        begin = one.begin.cpu().double().numpy()
        found = minimize(value_and_slope, begin, jac=True, method="L-BFGS-B", options=options)
        return str(found.message).lower()

    return _one_by_one(problem, limit, report, minimise)
