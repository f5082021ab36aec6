"""Walls of the generator, latents that the data do not see, and saddles."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import latentpath as lp
from closed_forms import flat, tensor
from latentpath.priors import standard_normal
from latentpath.solvers import Objective
from latentpath.solvers.saddles import bends_off_saddles

NORMAL = standard_normal(2, dtype=torch.float64)
UNSEEN = -2 * math.log(0.9) + 1 / 3
"""From (-1, y) to (1, y') where the data are the first coordinate: along y = 0, whatever y and y' are."""


def punched(centre: Tensor, radius: float, value: float = math.nan):
    """A curved generator that gives ``value`` in a disk."""

    def generator(z: Tensor) -> Tensor:
        inside = (z - centre).norm(dim=-1, keepdim=True) < radius
        return torch.where(inside, value, torch.cat([z, z.sin()], dim=-1))

    return generator


# Where the generator is not finite there is a wall


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_hole_beside_the_line_is_gone_around(value: float) -> None:
    start, end, generator = tensor(-1.2, 0.4), tensor(1.3, 0.3), punched(tensor(0.3, 0.1), 0.15, value)
    path = lp.interpolate(generator, NORMAL, start, end)
    line = lp.audit(lp.lerp(start, end), generator, path.source.index)
    assert float(line.cost) == pytest.approx(1.2902, abs=1e-4)
    assert float(path.cost) < 0.97 * float(line.cost)
    assert not path.tunnels.any()


def test_a_curve_through_a_hole_costs_infinitely_much() -> None:
    line = lp.lerp(tensor(-1.0, 0.0), tensor(1.0, 0.0), 5)
    facts = lp.audit(line, punched(tensor(0.05, 0.0), 0.04), lp.RealismIndex(NORMAL, alpha=0.9))
    assert float(facts.cost) == float(facts.length) == math.inf
    assert facts.tunnels.tolist() == [False, False, True, False, False]


def test_a_hole_that_the_audit_steps_over_is_found() -> None:
    start, end = tensor(-1.2, 0.4), tensor(1.3, 0.3)
    wide, narrow = punched(tensor(0.3, 0.1), 0.15), punched(tensor(0.0, 0.31), 0.003)

    def generator(z: Tensor) -> Tensor:
        return wide(z) + 0 * narrow(z)

    path = lp.interpolate(generator, NORMAL, start, end)
    assert path.cost.isfinite().all()
    assert generator(lp.curves.subdivide(path.latents[0], 1000)).isfinite().all()


@settings(max_examples=15, deadline=None)
@given(st.floats(-1, 1), st.floats(-0.8, 0.8), st.floats(0.05, 0.3), st.integers(0, 100))
def test_a_path_never_costs_more_than_the_line(x: float, y: float, radius: float, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    start, end = torch.randn(2, 2, generator=random, dtype=torch.float64)
    generator = punched(tensor(x, y), radius)
    index = lp.RealismIndex(NORMAL, alpha=0.9)
    straight = lp.audit(lp.lerp(start, end, 20), generator, index).cost
    if not (generator(lp.lerp(start, end, 300)).isfinite().all() and straight.isfinite()):
        return  # ends in the hole, or on both sides of it: refused, or nothing to compare with
    path = lp.interpolate(generator, index, start, end, segments=20)
    assert float(path.cost) <= float(straight) * (1 + 1e-9)


# Latents that the data do not see


@pytest.mark.parametrize(("segments", "within"), [(20, 2e-3), (50, 1e-3), (200, 1e-3)])
def test_a_dead_latent_is_free(segments: int, within: float) -> None:
    path = lp.interpolate(lambda z: z[:, :1], NORMAL, tensor(-1, 1.5), tensor(1, 1.5), segments=segments)
    assert float(path.cost) == pytest.approx(UNSEEN, rel=within)
    assert path.outcome[0] is lp.Outcome.CONVERGED


@pytest.mark.parametrize("ends", [(1.5, -1.0), (0.0, 2.0), (-2.0, -0.5)])
def test_a_dead_latent_is_free_in_any_direction(ends: tuple[float, float]) -> None:
    turn = tensor(0.6, 0.8)
    across = tensor(-0.8, 0.6)
    start, end = -turn + ends[0] * across, turn + ends[1] * across
    path = lp.interpolate(lambda z: z @ turn[:, None], NORMAL, start, end)
    assert float(path.cost) == pytest.approx(UNSEEN, rel=2e-3)


def test_a_network_with_fewer_outputs_than_latents_comes_near_its_finer_solve() -> None:
    random = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4)).double().eval()
    with torch.no_grad():
        for values in network.parameters():
            bound = values.shape[-1] ** -0.5 if values.ndim == 2 else 0.3
            values.uniform_(-bound, bound, generator=random)
    start, end = torch.randn(2, 3, 8, generator=random, dtype=torch.float64)
    prior = standard_normal(8, dtype=torch.float64)
    coarse, fine = (lp.interpolate(network, prior, start, end, segments=k) for k in (50, 150))
    assert all(outcome is lp.Outcome.CONVERGED for outcome in coarse.outcome)
    assert float((coarse.cost / fine.cost - 1).mean()) < 0.02
    plain = lp.interpolate(network, prior, start, end, solver=lp.solvers.LBFGS())
    assert float((coarse.cost / plain.cost).amax()) < 1.01


# Saddles


def test_opposite_latents_of_a_radial_generator_go_around_the_origin() -> None:
    def radius(z: Tensor) -> Tensor:
        return z.norm(dim=-1, keepdim=True).expand(-1, 3)

    path = lp.interpolate(radius, NORMAL, tensor(-1, 0), tensor(1, 0))
    assert float(path.cost) < 0.15  # the line: 0.940
    start = tensor(-1.0, 0.0, 0.2, 0.0, 0.3)
    path = lp.interpolate(radius, standard_normal(5, dtype=torch.float64), start, -start)
    assert float(path.cost) < 0.15


def test_a_hill_on_the_line_of_symmetry_is_gone_around() -> None:
    def hill(z: Tensor) -> Tensor:
        height = 2 * torch.exp(-z.square().sum(-1, keepdim=True) / 0.08)
        return torch.cat([z, height], dim=-1)

    start, end = tensor(-1.0, 0.0), tensor(1.0, 0.0)
    path = lp.interpolate(hill, flat, start, end)
    assert float(lp.audit(lp.lerp(start, end), hill, flat).cost) > 4
    assert float(path.cost) < 2.4


def test_paths_that_use_every_direction_are_not_probed() -> None:
    random = torch.Generator().manual_seed(0)
    problem = Objective(lambda z: z, flat)
    bent = torch.randn(3, 21, 4, generator=random, dtype=torch.float64)
    rows, _, work = bends_off_saddles(problem, bent, 1e-3)
    assert len(rows) == 0
    assert not work.any()
    rows, _, work = bends_off_saddles(problem, lp.lerp(bent[:, 0], bent[:, -1], 20), 1e-3)
    assert len(rows) == 0  # a straight line in a flat metric is the minimum
    assert bool((work > 0).all())
