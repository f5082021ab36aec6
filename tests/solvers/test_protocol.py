"""The laws that every solver obeys, and the outcome of each path of a batch."""

from __future__ import annotations

import inspect
import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

import latentpath as lp
from closed_forms import Case, cases, flat, identity, sphere, stereographic, tensor
from latentpath.errors import InputError
from latentpath.solvers import LBFGS, Multilevel, Objective, Progress, Solver, solve
from latentpath.solvers.preconditioner import Preconditioner
from laws import SOLVERS, bent, curved_objective, endpoints


@pytest.fixture(params=SOLVERS, ids=str)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def make(name: str, tol: float = 1e-3) -> Solver[Any]:
    return SOLVERS[name](tol)


def test_obeys_the_protocol(name: str) -> None:
    assert isinstance(make(name), Solver)


def test_straight_line_in_a_flat_metric(name: str) -> None:
    """From a bent start, in a metric that is flat but not isotropic, every solver finds the line at constant speed."""
    torch.manual_seed(3)
    matrix = torch.eye(3, dtype=torch.float64) + 0.3 * torch.randn(3, 3, dtype=torch.float64)
    start, end = endpoints(4)
    problem = Objective(lambda z: z @ matrix, flat)
    state = solve(make(name, 1e-7), problem, bent(start, end, 8), max_evaluations=3000)
    line = lp.lerp(start, end, 8)
    assert (state.latents - line).abs().max() < 2e-3
    assert torch.allclose(state.energy, problem.evaluate(line).energy, rtol=1e-5)
    assert (state.outcome == lp.Outcome.CONVERGED.code).all()


def test_a_line_that_is_optimal_costs_next_to_nothing(name: str) -> None:
    start, end = endpoints(4)
    state = solve(make(name), Objective(lambda z: 3 * z, flat), lp.lerp(start, end, 50))
    assert torch.allclose(state.latents, lp.lerp(start, end, 50), atol=1e-12)
    assert (state.evaluations < 6).all()
    assert (state.outcome == lp.Outcome.CONVERGED.code).all()


def test_endpoints_are_bit_identical(name: str) -> None:
    start, end = endpoints(5, seed=1)
    state = solve(make(name), curved_objective(), lp.lerp(start, end, 20), max_evaluations=30)
    assert torch.equal(state.latents[:, 0], start)
    assert torch.equal(state.latents[:, -1], end)


def test_energy_is_never_above_the_starts_and_never_rises(name: str) -> None:
    start, end = endpoints(5, seed=2)
    problem, line = curved_objective(), bent(start, end, 16)
    seen: list[Progress] = []
    state = solve(make(name), problem, line, max_evaluations=80, callback=seen.append)
    assert (state.energy <= problem.evaluate(line).energy).all()
    assert torch.allclose(state.energy, problem.evaluate(state.latents).energy)
    for before, after in pairwise(seen):
        if before.latents.shape == after.latents.shape:  # levels are not comparable
            assert (after.energy <= before.energy).all()


def test_time_reversal(name: str) -> None:
    start, end = endpoints(4, seed=4)
    there = solve(make(name), curved_objective(), lp.lerp(start, end, 12), max_evaluations=100)
    back = solve(make(name), curved_objective(), lp.lerp(end, start, 12), max_evaluations=100)
    assert torch.allclose(there.energy, back.energy, rtol=1e-6)
    assert torch.allclose(there.latents, back.latents.flip(1), atol=1e-4)


def test_a_batch_equals_a_loop(name: str) -> None:
    start, end = endpoints(4, seed=5)
    together = solve(make(name), curved_objective(), lp.lerp(start, end, 12), max_evaluations=60)
    for i in range(4):
        alone = solve(make(name), curved_objective(), lp.lerp(start[i : i + 1], end[i : i + 1], 12), max_evaluations=60)
        assert torch.allclose(alone.latents[0], together.latents[i], atol=1e-6)
        assert int(alone.outcome[0]) == int(together.outcome[i])
        assert float(alone.evaluations[0]) == pytest.approx(float(together.evaluations[i]))


@pytest.mark.parametrize("case", [c for c in cases() if "sphere" not in c.name] + [sphere(3)], ids=repr)
def test_exact_answers_on_few_segments(name: str, case: Case) -> None:
    """First-order solvers too: twelve segments, a generous budget, and 3 % for the polyline itself."""
    path = lp.interpolate(
        case.generator, case.index, case.start, case.end, segments=12, solver=make(name, 1e-4), max_evaluations=4000
    )
    assert float(path.cost) == pytest.approx(case.cost, rel=0.03)


def test_a_converged_path_costs_no_more(name: str) -> None:
    """Two pairs, one of them done at once: from the second step on the generator sees the points of the other alone."""
    start, end = endpoints(2, seed=6)
    end[0] = start[0]
    seen: list[int] = []

    def generator(z: Tensor) -> Tensor:
        seen.append(len(z))
        return stereographic(z)

    problem = Objective(generator, lp.RealismIndex(lp.priors.standard_normal(3, dtype=torch.float64)))
    solver = make(name)
    state = solver.init(problem, lp.lerp(start, end, 4))
    assert int(state.outcome[0]) == lp.Outcome.CONVERGED.code
    seen.clear()
    solver.step(problem, state)
    assert seen[0] == 5


def test_one_step_is_one_evaluation_of_what_runs(name: str) -> None:
    start, end = endpoints(3, seed=7)
    solver, problem = make(name), curved_objective()
    state = solver.init(problem, lp.lerp(start, end, 4))  # too few segments for coarser levels
    for _ in range(5):
        running = state.outcome == lp.Outcome.RUNNING.code
        before = state.evaluations.clone()
        state = solver.step(problem, state)
        assert torch.allclose(state.evaluations - before, running.double())


def test_ends_when_the_budget_is_spent(name: str) -> None:
    start, end = endpoints(3, seed=8)
    state = solve(make(name, 1e-12), curved_objective(), lp.lerp(start, end, 12), max_evaluations=9)
    assert (state.outcome == lp.Outcome.BUDGET_SPENT.code).all()
    assert (state.evaluations <= 9 + 5).all()
    assert torch.isfinite(state.energy).all()


def test_a_callback_can_stop_it(name: str) -> None:
    start, end = endpoints(3, seed=8)
    state = solve(make(name, 1e-12), curved_objective(), lp.lerp(start, end, 16), callback=lambda p: p.iteration >= 3)
    assert (state.outcome == lp.Outcome.BUDGET_SPENT.code).all()
    assert state.latents.shape == (3, 17, 3)
    assert (state.evaluations < 14).all()


def test_ends_as_non_finite_where_the_start_is(name: str) -> None:
    """A line across a region of index 0 has infinite cost; its neighbour in the batch is solved all the same."""

    def walled(z: Tensor) -> Tensor:
        inside = (z[..., 0].abs() > 0.1) | (z[..., 1] > 5)
        return torch.where(inside, -0.5 - 0.1 * z[..., 1].square(), -torch.inf)

    start, end = tensor(-1.0, 1.0).repeat(2, 1), torch.stack([tensor(1.0, 1.0), tensor(-1.0, -1.5)])
    state = solve(make(name), Objective(identity, walled), lp.lerp(start, end, 16), max_evaluations=500)
    assert int(state.outcome[0]) == lp.Outcome.NON_FINITE.code
    assert torch.equal(state.latents[0], lp.lerp(start, end, 16)[0])
    assert int(state.outcome[1]) == lp.Outcome.CONVERGED.code
    assert (state.latents[1, :, 0] < -0.1).all()


class _Backwards(torch.autograd.Function):
    """The identity, with a gradient of the wrong sign: nothing that a solver tries goes down."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        return z.clone()

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        return -slopes[0]


def test_ends_as_stalled_where_no_step_goes_down(name: str) -> None:
    def price(z: Tensor) -> Tensor:
        return -torch.ones(z.shape[:-1], dtype=z.dtype)

    start, end = endpoints(1, seed=9)
    problem = Objective(_Backwards.apply, price)
    begin = bent(start, end, 6)
    state = solve(make(name), problem, begin, max_evaluations=20_000)
    assert int(state.outcome[0]) == lp.Outcome.STALLED.code
    assert float(state.energy) <= float(problem.evaluate(begin).energy)


@pytest.mark.parametrize("tol", [math.nan, math.inf, 0, -1, True, "1e-3", None])
def test_a_solver_refuses_a_tolerance_that_is_not_above_0_and_finite(name: str, tol: Any) -> None:
    with pytest.raises(InputError, match="tol"):
        inspect.unwrap(type(make(name)).__init__)(object.__new__(type(make(name))), tol)


def test_judging_predicts_the_gain_of_a_preconditioned_step(name: str) -> None:
    """For paths that have ended too, whose preconditioner a solver may have dropped."""
    start, end = endpoints(4, seed=13)
    end[2] = start[2]
    problem, solver = curved_objective(), make(name, 1e-12)
    state = solver.init(problem, lp.lerp(start, end, 4))
    for _ in range(4):
        solver.step(problem, state)
    assert int(state.outcome[2]) == lp.Outcome.CONVERGED.code
    rows = torch.tensor([3, 1])
    state.outcome[rows] = lp.Outcome.BUDGET_SPENT.code
    state.iteration = 25  # preconditioners are made anew in this iteration
    state.judge(rows, math.inf)
    direction = Preconditioner.of(state.metric.rows(rows), state.stiffness[rows]).apply(state.gradient[rows])
    slope = (state.gradient[rows] * direction).flatten(1).sum(-1)
    assert torch.allclose(state.gain[rows], slope / (4 * state.energy[rows]))
    assert (state.outcome[rows] == lp.Outcome.CONVERGED.code).all()


def test_a_tolerance_beside_a_solver_that_carries_another_is_refused() -> None:
    case = sphere(3)

    def solve_with(**options: Any) -> lp.Path:
        return lp.interpolate(case.generator, case.index, case.start, case.end, segments=12, **options)

    with pytest.raises(InputError, match="tol=0.01"):
        solve_with(solver=LBFGS(1e-2), tol=1e-3)
    with pytest.raises(InputError, match="tol"):
        lp.interpolate_through(
            case.generator, case.index, torch.stack([case.start, case.end]), solver=Multilevel(), tol=1e-2
        )
    assert solve_with(solver=LBFGS(1e-2), tol=1e-2).settings["tol"] == 1e-2
    assert solve_with(solver=LBFGS(1e-2)).settings["tol"] == 1e-2
    assert solve_with(solver="lbfgs", tol=1e-2).settings["tol"] == 1e-2
    assert solve_with().settings["tol"] == 1e-3
