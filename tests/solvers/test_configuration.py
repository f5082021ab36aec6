"""The solvers' constants: one configuration replaces another, and a factor of two in any of them is noticed.

``python -m benchmarks --constants`` tries all of them on whole solves. Here are those that no such solve notices.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import AbstractContextManager
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal, Uniform

import latentpath as lp
from closed_forms import flat, identity, tensor
from latentpath.solvers import LBFGS, GradientDescent, Objective, Outcome, graph_paths, solve, solve_audited
from latentpath.solvers import configuration as module
from latentpath.solvers.configuration import Configuration, config, configured
from latentpath.solvers.multistart import adopt_cheaper
from latentpath.solvers.point_descent import PointDescent
from latentpath.solvers.sample_graph import graph_points
from latentpath.solvers.start_candidates import Candidates

LOW = tensor(-1, 0.5), tensor(1, 0.5)


def changed(group: str, **values: float) -> AbstractContextManager[None]:
    """Makes the default configuration with other values of a group the active one."""
    return configured(replace(config(), **{group: replace(getattr(config(), group), **values)}))


def hollow(z: Tensor) -> Tensor:
    """A price that is lowest along y = 0."""
    return -1 - 0.2 * z[..., 1].square()


def line(start: Tensor, end: Tensor, segments: int) -> Tensor:
    return lp.lerp(start[None], end[None], segments)


def test_a_configuration_holds_for_its_block_alone() -> None:
    default = config()
    with changed("levels", coarsest=8):
        assert config().levels.coarsest == 8
        with changed("levels", halvings=1):
            assert (config().levels.coarsest, config().levels.halvings) == (8, 1)
        assert config().levels.halvings == default.levels.halvings
    assert config() == default == Configuration()
    with pytest.raises(KeyError), changed("levels", coarsest=8):
        raise KeyError
    assert config() == default
    with pytest.raises(FrozenInstanceError):
        default.levels.coarsest = 8  # type: ignore[misc]


def test_every_constant_names_what_notices_it() -> None:
    """The problem that noticed it in the committed results, or this file."""
    root = Path(__file__).parents[2]
    results = json.loads((root / "benchmarks" / "results" / "constants.json").read_text(encoding="utf-8"))
    found = {one["constant"]: one["problem"] for one in results["constants"]}
    text = Path(module.__file__).read_text(encoding="utf-8")
    for group in fields(Configuration()):
        owner = type(getattr(Configuration(), group.name)).__name__
        body = re.split(r"\n@dataclass", text.split(f"class {owner}:")[1])[0]
        for field in fields(getattr(Configuration(), group.name)):
            guard = re.search(rf"^    {field.name}: .*; (.*)$", body, re.MULTILINE)
            assert guard, f"{group.name}.{field.name} has no guard"
            problem = found[f"{group.name}.{field.name}"]
            assert guard[1] == (f"benchmark, {problem}" if problem else "test_configuration.py")


# Descents


@pytest.mark.parametrize(("share", "accepted"), [(1.5e-4, True), (0.7e-4, False)])
def test_a_decrease_is_sufficient_from_a_ten_thousandth_of_the_predicted_one(share: float, accepted: bool) -> None:
    def nearly_flat(z: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        return torch.where(z[:, 0] == 0, 1.0, 1 - share).to(z), torch.ones_like(z)

    descent = PointDescent(nearly_flat, torch.zeros(1, 1, dtype=torch.float64), first=1.0)
    descent.step()
    assert bool(descent.points[0, 0] != 0) is accepted


@pytest.mark.parametrize(("refresh", "steps"), [(12, 18), (50, 40)])
def test_the_predicted_gain_follows_the_weights_of_the_segments(refresh: int, steps: int) -> None:
    """Older or newer factors promise another gain, on a path along which the price falls."""
    objective = Objective(identity, lambda z: -0.05 - 4 * z[..., 1].square())
    begin = line(tensor(-1, 1), tensor(1, 1), 10)

    def gain() -> float:
        solver = GradientDescent(tol=1e-9, step=0.05)
        return float(solve(solver, objective, begin, max_evaluations=steps).gain)

    usual = gain()
    with changed("convergence", refresh=refresh):
        assert abs(gain() / usual - 1) > 0.01


# Refinement


def test_paths_that_never_show_their_cost_get_a_number_of_rounds() -> None:
    objective, index = Objective(identity, hollow), hollow

    def audits(rounds: int) -> int:
        calls = []

        def dishonest(latents: Tensor) -> lp.Audit:
            calls.append(len(latents))
            facts = lp.audit(latents, identity, index)
            return replace(facts, cost=50 * facts.cost, segment_cost=50 * facts.segment_cost)

        with changed("refinement", rounds=rounds):
            state, _ = solve_audited(LBFGS(), objective, line(*LOW, 6), dishonest)
        assert state.outcome.tolist() == [Outcome.UNRESOLVED.code]
        return len(calls)

    usual = config().refinement.rounds
    assert audits(2 * usual) - audits(usual) == usual
    assert audits(usual) - audits(usual // 2) == usual - usual // 2


@pytest.mark.parametrize(("cheaper", "outcome"), [(0.0014, Outcome.CONVERGED), (0.0028, Outcome.STALLED)])
def test_a_line_that_is_hardly_cheaper_is_the_same_minimum(cheaper: float, outcome: Outcome) -> None:
    objective, begin = Objective(identity, hollow), line(*LOW, 10)
    best = float(solve_audited(LBFGS(), objective, begin, lambda z: lp.audit(z, identity, hollow))[1].cost)

    def flattering(latents: Tensor) -> lp.Audit:
        facts = lp.audit(latents, identity, hollow)
        straight = (latents == begin).flatten(1).all(-1)
        share = torch.where(straight, (1 - cheaper) * best / facts.cost, 1)
        return replace(facts, cost=share * facts.cost, segment_cost=share[:, None] * facts.segment_cost)

    state, facts = solve_audited(LBFGS(), objective, begin, flattering)
    assert torch.equal(state.latents, begin)
    assert float(facts.cost) == pytest.approx((1 - cheaper) * best)
    assert state.outcome.tolist() == [outcome.code]


@pytest.mark.parametrize(("left", "looked"), [(6.0, True), (3.0, False)])
def test_four_evaluations_are_worth_a_look_off_the_line_of_symmetry(left: float, looked: bool) -> None:
    def plateau(z: Tensor) -> Tensor:
        return torch.cat([z, 2 * torch.sigmoid(10 - 20 * z.norm(dim=-1, keepdim=True))], dim=-1)

    ends = tensor(-1, 0), tensor(1, 0)
    with changed("refinement", least_evaluations=1e9):
        spent = float(lp.interpolate(plateau, flat, *ends, max_evaluations=500).evaluations)
    path = lp.interpolate(plateau, flat, *ends, max_evaluations=spent + left)
    assert (float(path.evaluations) > spent) is looked


@pytest.mark.parametrize(("left", "polished"), [(30.0, True), (14.0, False)])
def test_twenty_evaluations_are_worth_a_polish(left: float, polished: bool) -> None:
    prior = Independent(Uniform(tensor(0, 0), tensor(1, 1)), 1)

    def hill(z: Tensor) -> Tensor:
        return torch.cat([z, 2 * torch.exp(-8 * (z - tensor(0.5, 0.2)).square().sum(-1, keepdim=True))], dim=-1)

    ends = tensor(0, 0), tensor(1, 0.3)
    with changed("bounded_support", least_evaluations=1e9):
        spent = float(lp.interpolate(hill, prior, *ends, max_evaluations=500).evaluations)
    path = lp.interpolate(hill, prior, *ends, max_evaluations=spent + left)
    assert (float(path.evaluations) > spent) is polished


# Multi-start


@pytest.mark.parametrize(
    ("costs", "chosen"),
    [
        ([1.0, 0.985], [1]),
        ([1.0, 0.993], []),
        ([1.0, 0.9, 0.9 * 0.9985], [1]),
        ([1.0, 0.9, 0.9 * 0.997], [1, 2]),
        ([1.0, 0.6, 0.7, 0.8, 0.9], [1, 2]),
    ],
    ids=["1.5 % lower", "0.7 % lower", "0.15 % apart", "0.3 % apart", "two cheaper ones before"],
)
def test_which_starts_are_promising(costs: list[float], chosen: list[int]) -> None:
    starts = Candidates(
        Objective(identity, flat), line(*LOW, 16), len(costs), None, 16, 0, None, callback=lambda progress: False
    )
    starts.costs = tensor(*costs)[None]
    assert starts.promising(tensor(0.5), 1e-3)[0].nonzero()[:, 0].tolist() == chosen


@pytest.mark.parametrize(("cheaper", "outcome"), [(0.007, Outcome.CONVERGED), (0.014, Outcome.STALLED)])
def test_a_stalled_path_that_is_hardly_cheaper_keeps_the_outcome(cheaper: float, outcome: Outcome) -> None:
    objective = Objective(identity, hollow)
    state, finer = (solve(LBFGS(), objective, line(*LOW, 10)) for _ in range(2))
    facts = lp.audit(state.latents, identity, hollow)
    finer.outcome[:] = Outcome.STALLED.code
    adopt_cheaper(state, facts, torch.tensor([0]), finer, replace(facts, cost=(1 - cheaper) * facts.cost))
    assert state.outcome.tolist() == [outcome.code]


# The graph of samples


def test_a_quarter_of_the_samples_may_be_added() -> None:
    wide = lp.RealismIndex(Independent(Normal(tensor(0, 0), tensor(9, 9)), 1))
    known = 0.01 * torch.randn(64, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert len(graph_points(wide, known, seed=0)) == 16


def walled(low: float, high: float):
    """A flat index with a wall across the line y = 0, between two values of x."""

    def index(z: Tensor) -> Tensor:
        inside = (z[..., 0] > low) & (z[..., 0] < high) & (z[..., 1] < 0.05)
        return torch.where(inside, -math.inf, -1.0).to(z)

    return index


def test_corners_are_left_out_eight_at_once() -> None:
    """Along a zigzag above a wall, whose corners no straight line may leave out all at once."""
    number = torch.arange(200, dtype=torch.float64)
    nodes = torch.stack([0.1 * number, torch.where(number % 2 == 0, 0.1, 0.15)], dim=1)
    objective = Objective(identity, walled(9, 11))

    def legs() -> int:
        (path,), _ = graph_paths(objective, nodes, tensor(-0.5, 0)[None], tensor(20.5, 0)[None])
        return len(path) - 1

    usual = legs()
    with changed("sample_graph", shortcut=4):
        assert legs() > 1.3 * usual
    with changed("sample_graph", shortcut=16):
        assert legs() < 0.8 * usual


def test_a_wall_of_a_hundredth_of_an_edge_is_seen() -> None:
    start, end, nodes = tensor(0, 0)[None], tensor(1, 0)[None], tensor(0.5, 0.3)[None]

    def seen() -> int:
        found = 0
        for place in torch.linspace(0.3, 0.33, 16).tolist():
            (path,), _ = graph_paths(Objective(identity, walled(place, place + 0.01)), nodes, start, end)
            found += len(path) > 2
        return found

    assert seen() == 16
    with changed("sample_graph", edge_cells=32):
        assert seen() < 16
