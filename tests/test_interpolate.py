"""The path that `interpolate` returns, and the evaluations that it takes."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

import latentpath as lp
from interpolate_examples import END, F64, PRIOR, START, Counted, curved, flat, model, randn, refused, solve
from latentpath import priors
from latentpath.errors import LatentPathError, SolveError


def test_a_single_endpoint_serves_all_pairs():
    ends = randn(3, 2, seed=1)
    together = solve(start=START, end=ends)
    assert len(together) == 3
    assert torch.equal(together.latents[:, 0], START.expand(3, 2))
    assert torch.equal(together.latents[:, -1], ends)
    spelled = solve(start=START.expand(3, 2).clone(), end=ends)
    assert torch.equal(together.latents, spelled.latents)
    torch.testing.assert_close(solve(start=ends, end=START).cost, together.cost, rtol=2e-3, atol=0)
    assert solve().latents.shape == (1, 9, 2)


def test_a_batch_is_a_loop():
    starts, ends = randn(3, 2, seed=3), randn(3, 2, seed=4)
    whole = solve(start=starts, end=ends)
    for i in range(3):
        torch.testing.assert_close(solve(start=starts[i], end=ends[i]).latents, whole[i].latents, rtol=0, atol=1e-9)


def test_a_straight_line_in_a_flat_metric_is_found_at_once():
    A = randn(2, 5, seed=5)
    path = solve(lambda z: z @ A, flat, strict=True)
    torch.testing.assert_close(path.latents, lp.lerp(START, END, 8)[None], rtol=0, atol=1e-12)
    torch.testing.assert_close(path.cost[0], ((END - START) @ A).norm(), rtol=1e-9, atol=0)


@pytest.mark.parametrize("solver", [None, "multilevel", "lbfgs", "adam", "gradient_descent", lp.solvers.LBFGS(1e-4)])
def test_every_solver_lowers_the_cost_of_the_line(solver):
    path = solve(solver=solver)
    line = lp.lerp(START, END, 8)[None]
    index = lp.RealismIndex(PRIOR)
    assert float(path.energy) < float(lp.energy(line, curved, index))
    assert float(path.cost) < 0.97 * float(lp.audit(line, curved, index).cost)
    expected = type(solver).__name__ if isinstance(solver, lp.solvers.LBFGS) else solver or "multilevel"
    assert path.settings["solver"].lower() == expected.lower().replace("_", "")
    assert path.settings["tol"] == (1e-4 if isinstance(solver, lp.solvers.LBFGS) else 1e-3)


def test_the_papers_own_metric():
    """Notes 5.1: radius 2, 45 degrees."""
    a, b = torch.tensor([2.0, 0.0], dtype=F64), torch.tensor([math.sqrt(2), math.sqrt(2)], dtype=F64)
    path = lp.interpolate(lambda z: z, PRIOR, a, b, alpha=1.0, strict=True)
    assert float(path.cost) == pytest.approx(2.463679, rel=1e-2)
    assert float(path.cost) > 2.463679 * (1 - 1e-3)


def test_identical_endpoints_cost_nothing_and_do_not_disturb_the_others():
    starts, ends = torch.stack([START, START]), torch.stack([START, END])
    path = solve(start=starts, end=ends, strict=True)
    assert torch.equal(path.latents[0], START.expand(9, 2))
    assert float(path.cost[0]) == float(path.length[0]) == float(path.energy[0]) == float(path.gap[0]) == 0
    torch.testing.assert_close(path.latents[1], solve().latents[0], rtol=0, atol=1e-9)


def test_float32_agrees_with_float64():
    prior = priors.standard_normal(2)
    path = solve(prior=prior, start=START.float(), end=END.float(), strict=True)
    for fact in (path.latents, path.cost, path.energy, path.ri, path.step_lengths, path.length, path.gap):
        assert fact.dtype == torch.float32
    assert torch.equal(path.start[0], START.float())
    assert torch.equal(path.end[0], END.float())
    torch.testing.assert_close(path.cost.double(), solve().cost, rtol=2e-3, atol=0)


def test_embed_is_the_space_in_which_the_path_is_shortest():
    def first_two(x):
        return x[:, :2]

    features = solve(embed=first_two)
    assert features.settings["embed"] == "first_two"
    torch.testing.assert_close(features.latents, solve(lambda z: curved(z)[:, :2]).latents, rtol=0, atol=1e-12)
    literal = solve(embed="latent")
    assert literal.settings["embed"] == "latent"
    torch.testing.assert_close(literal.latents, solve(lambda z: z).latents, rtol=0, atol=1e-12)
    assert literal.frames(4).shape == (1, 4, 3)


def test_strict_raises_with_the_path_that_was_found():
    error = refused(SolveError, ["strict", "path 0: budget spent", ".path"], max_evaluations=2, strict=True)
    assert torch.equal(error.path.start[0], START)
    assert error.path.outcome == (lp.Outcome.BUDGET_SPENT,)
    assert solve(strict=True).outcome == (lp.Outcome.CONVERGED,)


def test_strict_refuses_a_path_that_tunnels():
    def barrier(z):  # along the whole plane, and thin: there is no way around
        return -0.1 - 60 * torch.exp(-(((z[..., 0] - 0.77) / 0.004) ** 2))

    error = refused(SolveError, ["strict", "unresolved"], lambda z: z, barrier, strict=True)
    assert float(error.path.gap) > 0.1


def test_strict_refuses_a_path_that_jumps_a_wall():
    def wall(z):
        return torch.where((z[..., 0] - 0.77).abs() < 0.02, -torch.inf, -0.1 - 0 * z[..., 0])

    path = solve(lambda z: z, wall)
    assert float(path.cost) == torch.inf
    refused(SolveError, ["strict"], lambda z: z, wall, strict=True)


def test_a_pair_whose_line_meets_a_wall_is_left_as_it_was_and_the_others_are_solved():
    def disk(z):
        return torch.full_like(z[..., 0], -0.2).masked_fill(z.square().sum(-1) < 0.25, -torch.inf)

    starts = torch.tensor([[-1.0, 0.0], [-1.0, 1.0]], dtype=F64)
    path = solve(lambda z: z, disk, starts, -starts * torch.tensor([1.0, -1.0], dtype=F64), segments=9)
    assert path.outcome == (lp.Outcome.NON_FINITE, lp.Outcome.CONVERGED)
    assert torch.equal(path.latents[0], lp.lerp(starts[0], -starts[0], 9))
    assert path.cost.isfinite().tolist() == [False, True]


@pytest.mark.parametrize("segments", [5, 8, 9, 12])
def test_a_path_beside_a_wall_does_not_cut_it(segments):
    """The line is clear of the disk; the index draws the path towards it, and round its edge on few points."""

    def disk(z):
        return (-0.2 - z.square().sum(-1)).masked_fill(z.square().sum(-1) < 0.25, -torch.inf)

    a, b = torch.tensor([-1.0, 1.0], dtype=F64), torch.tensor([1.0, 1.0], dtype=F64)
    assert bool(lp.audit(lp.lerp(a, b, segments), lambda z: z, disk).cost.isfinite())
    path = solve(lambda z: z, disk, a, b, segments=segments)
    assert bool(path.cost.isfinite()), f"{path.outcome[0]}, and yet it crosses the wall"


def test_a_generator_that_fails_on_one_pair_spoils_no_other():
    def half(z):
        return torch.where(z[:, :1] > 1.5, math.nan, z)

    starts, ends = 0.5 * randn(6, 2, seed=6), 0.5 * randn(6, 2, seed=7)
    starts[5, 0] = 2
    path = solve(half, start=starts, end=ends)
    assert path.outcome[5] is lp.Outcome.NON_FINITE
    assert set(path.outcome[:5]) == {lp.Outcome.CONVERGED}
    torch.testing.assert_close(path[:5].latents, solve(start=starts[:5], end=ends[:5], generator=lambda z: z).latents)


SOLVERS = ["multilevel", "lbfgs", "adam", "gradient_descent"]


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_callback_hears_of_every_step_and_stops(solver):
    heard = []

    def listen(progress):
        heard.append((progress.iteration, progress.evaluations, progress.energy.clone(), progress.latents.shape[1]))
        assert progress.running <= 2
        assert torch.equal(progress.latents[:, 0], START.expand(2, 2))
        return len(heard) >= 4

    path = solve(solver=solver, start=START, end=torch.stack([END, -END]), segments=16, tol=1e-8, callback=listen)
    assert [iteration for iteration, *_ in heard] == [1, 2, 3, 4], "after a true answer it is asked no more"
    assert all(before[1] < after[1] for before, after in itertools.pairwise(heard))
    for before, after in itertools.pairwise(heard):
        if before[3] == after[3]:
            assert bool((after[2] <= before[2]).all())
    assert path.outcome == (lp.Outcome.BUDGET_SPENT,) * 2
    assert torch.equal(path.start, START.expand(2, 2))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("budget", [1, 5, 12.5])
def test_the_budget_is_kept(solver, budget):
    counted = Counted(curved)
    path = solve(counted, solver=solver, segments=32, tol=1e-9, max_evaluations=budget)
    assert float(path.evaluations) <= budget + 5  # the finest level is always reached
    assert path.outcome == (lp.Outcome.BUDGET_SPENT,)


def test_the_budget_is_what_the_generator_was_asked():
    """One evaluation is one pass over all points of a path; the audit and the checks come on top."""
    counted, points = Counted(curved), 33
    state = lp.solvers.solve(
        lp.solvers.GradientDescent(1e-9),
        lp.solvers.Objective(counted, lp.RealismIndex(PRIOR)),
        lp.lerp(START, END, points - 1)[None],
        max_evaluations=20,
    )
    assert sum(n for n in counted.calls if n == points) == points * math.floor(float(state.evaluations))


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_path_that_has_converged_costs_no_more(solver):
    """Beside a hard pair: one that stands still and one that is short."""
    starts = torch.stack([START, START, START])
    ends = torch.stack([END, START, START + 1e-3])
    counted, running = Counted(curved), []

    def listen(progress):
        running.append((progress.running, progress.latents.shape[1], counted.calls[-1], len(counted.calls)))

    path = solve(counted, solver=solver, start=starts, end=ends, segments=10, tol=1e-2, callback=listen)
    assert float(path.evaluations[0]) > float(path.evaluations[1])
    assert any(row[0] == 1 for row in running)  # only the hard one is left
    for before, after in itertools.pairwise(running):
        if before[1] == after[1] and after[3] == before[3] + 1:  # one call, on the same level
            assert after[2] == before[0] * before[1]


@pytest.mark.parametrize("max_points", [2, 5, 9, 10, 25])
def test_max_points_bounds_every_call_and_changes_nothing(max_points):
    starts, ends = randn(3, 2, seed=8), randn(3, 2, seed=9)
    counted = Counted(curved)
    bounded, free = (
        solve(g, start=starts, end=ends, tol=1e-2, max_points=n) for g, n in ((counted, max_points), (curved, None))
    )
    torch.testing.assert_close(bounded.latents, free.latents, rtol=0, atol=1e-8)
    torch.testing.assert_close(bounded.cost, free.cost, rtol=1e-9, atol=0)
    bounded.frames(7)
    bounded.resample(5)
    bounded.report()
    assert max(counted.calls) <= max_points


def test_inputs_are_left_alone_and_unlinked():
    start, end = START.clone().requires_grad_(), END.clone()[None].requires_grad_()
    path = solve(start=start, end=end)
    assert torch.equal(start, START)
    assert torch.equal(end[0], END)
    assert start.grad is None
    assert not path.latents.requires_grad
    path.latents.zero_()
    assert torch.equal(start, START)


def test_nothing_is_left_on_the_generator():
    net = model()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    path = solve(net)
    assert path.frames(3).shape == (1, 3, 3, 4)
    for parameter in net.parameters():
        assert parameter.requires_grad
        assert parameter.grad is None
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    for fact in (path.latents, path.energy, path.cost, path.step_lengths, path.ri, path.gain, path.frames(3)):
        assert not fact.requires_grad
    torch.testing.assert_close(solve(model().requires_grad_(False)).latents, path.latents, rtol=0, atol=1e-12)


def test_under_no_grad_it_is_the_same():
    expected = solve(model())
    with torch.no_grad():
        found = solve(model())
        assert not torch.is_grad_enabled()
    assert torch.equal(found.latents, expected.latents)
    assert torch.equal(found.cost, expected.cost)


def test_under_inference_mode_it_is_solved_or_says_so():
    with torch.inference_mode():
        try:
            path = solve()
        except LatentPathError as error:
            assert "inference_mode" in str(error)  # noqa: PT017
        else:
            torch.testing.assert_close(path.cost, solve().cost)


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    solve(prior=lp.RealismIndex(priors.semicircle(2, dtype=F64), samples=200))
    assert torch.equal(torch.rand(3), expected)


def test_settings_say_how_the_path_was_made():
    assert solve(max_evaluations=300, alpha=0.8).settings == {
        "segments": 8,
        "alpha": 0.8,
        "embed": None,
        "solver": "Multilevel",
        "tol": 1e-3,
        "max_evaluations": 300,
        "method": "paper",
    }


def test_a_callable_index_is_asked_for_points_only():
    """As a flow's log_prob would be: (N, D) to (N,), whatever the shape of the path."""

    def index(z):
        assert z.ndim == 2
        return -0.1 - z.square().sum(1)

    assert solve(prior=index).outcome == (lp.Outcome.CONVERGED,)


def test_a_batch_of_one_endpoint_serves_all_pairs_too():
    ends = randn(3, 2, seed=1)
    assert torch.equal(solve(start=START[None], end=ends).latents, solve(start=START, end=ends).latents)
