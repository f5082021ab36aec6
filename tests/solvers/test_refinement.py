"""The audit inside the solve: what tunnels is priced right, and gone around where there is a way around."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields

import pytest
import torch
from torch import Tensor

import latentpath as lp
from closed_forms import identity, sphere, tensor
from latentpath.solvers import Multilevel, Objective, search, solve, solve_audited
from latentpath.solvers.quadrature import Quadrature


def ridge(width: float, height: float, end: float) -> Callable[[Tensor], Tensor]:
    """Good everywhere, but for a thin ridge of low index across the way, which ends at ``|y| = end``."""

    def log_index(z: Tensor) -> Tensor:
        across = torch.exp(-(((z[..., 0] - 0.013) / width) ** 2))
        return -0.3 - height * across * torch.sigmoid(8 * (end - z[..., 1].abs()))

    return log_index


START, END = tensor(-1.0, 0.3), tensor(1.0, 0.2)


@pytest.mark.parametrize(("width", "height"), [(0.01, 50.0), (0.001, 500.0)])
def test_a_thin_barrier_is_gone_around_and_not_jumped(width: float, height: float) -> None:
    """Equation 3 sees next to nothing of the barrier: its solution jumps it, at a cost that it does not know."""
    index = ridge(width, height, end=1.2)
    line = lp.lerp(START, END)[None]
    jumped = lp.audit(solve(Multilevel(), Objective(identity, index), line).latents, identity, index)
    assert float((2 * jumped.energy).sqrt()) < 0.5 * float(jumped.cost)

    path = lp.interpolate(identity, index, START, END)
    assert path.outcome[0] in (lp.Outcome.CONVERGED, lp.Outcome.STALLED)
    assert float(path.cost) <= 1.05 * float(jumped.cost)  # priced right, whichever local minimum it is

    path = lp.interpolate(identity, index, START, END, restarts=8)
    assert path.outcome[0] in (lp.Outcome.CONVERGED, lp.Outcome.STALLED)
    assert float(path.cost) < 0.8 * float(jumped.cost)
    assert float(path.latents[0, :, 1].max()) > 1.2
    # straight to beyond the end of the ridge and back is a path too
    corner = torch.stack([START, tensor(0.013, 1.6), END])[None]
    assert float(path.cost) < 1.02 * float(lp.audit(corner, identity, index).cost)


def test_a_barrier_without_a_way_around_is_priced_right() -> None:
    """Across the whole plane: the cheapest crossing is straight, and costs what the integral of the price says."""
    width, height = 0.05, 10.0
    index = ridge(width, height, end=100.0)
    path = lp.interpolate(identity, index, START, END)
    exact = lp.audit(lp.lerp(START, END), identity, index, tolerance=1e-6).cost
    assert float(path.cost) == pytest.approx(float(exact), rel=0.01)
    assert path.outcome[0] is lp.Outcome.CONVERGED


@pytest.mark.parametrize("dim", [3, 5, 10])
def test_where_energy_and_audit_agree_nothing_is_spent(dim: int) -> None:
    case = sphere(dim)
    problem = Objective(case.generator, case.index)
    plain = solve(Multilevel(), problem, lp.lerp(case.start, case.end)[None], max_evaluations=1000)
    path = lp.interpolate(case.generator, case.index, case.start, case.end)
    assert float(path.cost) <= 1.05 * float((2 * plain.energy).sqrt())
    assert float(path.evaluations) <= float(plain.evaluations) + 3  # the looks at the midpoints and off the plane


def test_one_hard_pair_costs_the_others_nothing() -> None:
    index = ridge(0.01, 50.0, end=1.2)
    starts, ends = torch.stack([START, tensor(0.5, 0.0)]), torch.stack([END, tensor(0.9, 0.3)])
    together = lp.interpolate(identity, index, starts, ends)
    alone = lp.interpolate(identity, index, starts[1], ends[1])
    assert float(together.evaluations[1]) == pytest.approx(float(alone.evaluations[0]))
    assert float(together.evaluations[0]) > 2 * float(together.evaluations[1])
    assert torch.allclose(together.latents[1], alone.latents[0], atol=1e-9)


@pytest.mark.parametrize("parts", [1, 2, 8])
def test_the_refined_energy_is_half_the_squared_cost_at_constant_speed(parts: int) -> None:
    """On a straight line through a smooth index, cut at equal cost: 2E = cost^2, and the gradient is the derivative."""
    index = ridge(0.3, 3.0, end=100.0)
    path = lp.interpolate(identity, index, START, END, segments=24, tol=1e-5)
    line = path.resample(24, "metric").latents
    problem = Objective(identity, index)
    one = torch.ones(1, 24, dtype=torch.float64)
    measured = Quadrature(torch.full((1, 24), parts), one, one)
    found = problem.evaluate(line, measured)
    cost = lp.audit(line, identity, index, tolerance=1e-6).cost
    assert float((2 * found.energy).sqrt()) == pytest.approx(float(cost), rel=5e-3)
    assert float(found.segment_cost.sum()) == pytest.approx(float(cost), rel=1e-3)

    step = 1e-6
    direction = torch.zeros_like(line)
    direction[:, 7, 0] = 1.0
    ahead = problem.evaluate(line + step * direction, measured).energy
    behind = problem.evaluate(line - step * direction, measured).energy
    assert float(found.gradient[0, 6, 0]) == pytest.approx(float((ahead - behind) / (2 * step)), rel=1e-4, abs=1e-6)


def test_a_path_beside_a_wall_ends_finite_and_outside() -> None:
    def disk(z: Tensor) -> Tensor:
        square = z.square().sum(-1)
        return (-0.2 - square).masked_fill(square < 0.25, -torch.inf)

    path = lp.interpolate(identity, disk, tensor(-1.0, 1.0), tensor(1.0, 1.0), segments=9)
    line = lp.audit(lp.lerp(tensor(-1.0, 1.0), tensor(1.0, 1.0), 9), identity, disk)
    assert float(path.cost) < float(line.cost)
    assert torch.isfinite(path.cost).all()


def test_a_path_that_ends_dearer_than_the_line_is_the_line() -> None:
    """A step in the index has no slope that could tell a solver of it."""

    def step(z: Tensor) -> Tensor:
        return torch.where(z[..., 0].abs() < 0.3, -50.0, -0.1) + 0 * z.sum(-1)

    start, end = tensor(-2.0, 0.0), tensor(2.0, 0.1)
    path = lp.interpolate(identity, step, start, end, solver="lbfgs")
    line = lp.audit(lp.lerp(start, end), identity, step)
    assert float(path.cost) <= float(line.cost) * (1 + 1e-5)
    assert path.outcome[0] is not lp.Outcome.CONVERGED


def test_points_end_up_at_constant_speed() -> None:
    """From a coarse level with one huge segment the finer ones once started, and ended, at a false minimum."""
    torch.manual_seed(0)
    model = lp.load("mnist-dcgan-semicircle")
    layers = torch.nn.Linear(20, 256), torch.nn.Tanh(), torch.nn.Linear(256, 784)
    generator = torch.nn.Sequential(*layers).eval()
    assert model.prior is not None
    start, end = model.prior.sample(torch.Size([2, 60]))
    path = lp.interpolate(generator, model.prior, start, end)
    assert path.gap.abs().max() < 0.05
    assert not path.tunnels.any()
    assert set(path.outcome) == {lp.Outcome.CONVERGED}


def test_a_bounded_support_is_not_left() -> None:
    """Outside its support torch's log-density without checks can be anything; the index there is 0."""
    one = torch.distributions.Exponential(torch.ones(2, dtype=torch.float64))
    prior = torch.distributions.Independent(one, 1)
    assert torch.equal(lp.RealismIndex(prior)(tensor(-0.5, 1.0)), tensor(0.0)[0])
    path = lp.interpolate(identity, prior, tensor(3.0, 0.1), tensor(0.1, 3.0))
    assert (path.latents >= 0).all()


def test_a_generator_of_any_scale_gives_the_same_path() -> None:
    prior = lp.priors.standard_normal(2)
    start, end = torch.tensor([2.0, 0.0]), torch.tensor([1.0, 1.8])
    costs = [float(lp.interpolate(lambda z, s=s: s * z, prior, start, end).cost) / s for s in (1e-12, 1.0, 1e12)]
    assert costs == pytest.approx([costs[1]] * 3, rel=1e-3)


def test_energy_gap_and_tunnels_are_of_what_was_minimised() -> None:
    """A barrier that cannot be gone around is crossed at its price, and seen, though equation 3 would hide it."""

    def index(z: Tensor) -> Tensor:
        return -(1 + 200 * torch.exp(-(((z[..., 0] - 0.313) / 0.001) ** 2)))

    path = lp.interpolate(identity, index, tensor(-1.0, 0.0), tensor(1.0, 0.0), strict=True)
    exact = 2 + 200 * 0.001 * math.pi**0.5
    assert float(path.cost) == pytest.approx(exact, rel=1e-3)
    assert float((2 * path.energy).sqrt()) >= 0.98 * exact
    assert float(path.gap) <= 0.02  # below 0: the line's points are not at equal steps of cost
    assert not path.tunnels.any()
    assert int(path.audit.tunnels.sum()) == 1
    assert float(path.audit.gap) > 0.1


@pytest.mark.parametrize("restarts", [None, 4])
def test_the_audits_that_a_caller_holds_stay_as_they_were(restarts: int | None) -> None:
    """Refinement, search and the way back to the line all adopt other paths; the audits of before are not theirs."""
    index, held = ridge(0.01, 50.0, end=1.2), []

    def audit(latents: Tensor) -> lp.Audit:
        facts = lp.audit(latents, identity, index)
        held.append((facts, {field.name: getattr(facts, field.name).clone() for field in fields(lp.Audit)}))
        return facts

    starts, ends = torch.stack([START, tensor(0.5, 0.0)]), torch.stack([END, tensor(0.9, 0.3)])
    line, problem = lp.lerp(starts, ends, 12), Objective(identity, index)
    if restarts is None:
        _, facts = solve_audited(Multilevel(), problem, line, audit, max_evaluations=200)
    else:
        plan = lp.Restarts(restarts)
        _, facts, _ = search(Multilevel(), problem, line, audit, plan, index, max_evaluations=200)
    assert len(held) > 1
    for given, copy in held:
        for name, value in copy.items():
            assert torch.equal(getattr(given, name), value)
    assert not torch.equal(facts.cost, held[0][0].cost)
