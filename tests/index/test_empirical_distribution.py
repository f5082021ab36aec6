"""The estimated index: agreement with exact ones, its table, its tails, and its seed."""

from __future__ import annotations

import math

import pytest
import torch
from prior_examples import (
    F64,
    MAKERS,
    Opaque,
    away,
    draw,
    gradient,
    index_of,
)

from latentpath import priors
from latentpath.index import RealismIndex


@pytest.mark.parametrize(("dim", "bound"), [(1, 0.03), (2, 0.03), (3, 0.03), (20, 0.02), (64, 0.02)])
def test_the_estimate_agrees_with_the_exact_index(dim, bound):
    """Within what 5000 samples allow (1.36 / sqrt(5000) = 0.02), and half of that for what smoothing moves.

    The log-density of a normal in the plane is an exponential variable with a jump at the mode; one bandwidth for all
    of it would blur it by 0.07.
    """
    z = torch.zeros(400, dim, dtype=F64)
    z[:, -1] = torch.linspace(0, math.sqrt(dim) + 8, 400, dtype=F64)
    prior = priors.standard_normal(dim, dtype=F64)
    assert (RealismIndex(Opaque(prior))(z) - RealismIndex(prior)(z)).abs().max() < bound


@pytest.mark.parametrize("name", ["semicircle", "fitted", "opaque normal", "student"])
def test_the_table_agrees_with_the_sum_from_the_bulk_to_the_far_tail(name):
    z = torch.cat([draw(name, 200), *(away(name, 2.0**k, 20).detach() for k in range(-1, 8))]).requires_grad_()
    table, direct = index_of(name).log(z), index_of(name).log_direct(z)
    if name != "student":  # whose log-density falls but slowly
        assert direct.min() < -1e4
    assert ((table - direct).abs() < 1e-6 + 1e-10 * direct.abs()).all()
    slopes = gradient(index_of(name).log, z), gradient(index_of(name).log_direct, z)
    torch.testing.assert_close(*slopes, rtol=1e-5, atol=1e-5)


def test_the_estimate_rises_from_minus_infinity_to_zero():
    kernel = index_of("semicircle")._rule.kernel
    span = float(kernel.levels[-1]) - kernel.lowest
    x = torch.cat([kernel.lowest - torch.logspace(12, -3, 4000, dtype=F64), kernel.levels, kernel.levels[-1:] + span])
    value = kernel.log_cdf(x.sort().values)
    assert (value.diff() >= 0).all()
    assert (value <= 0).all()
    assert value[-1] > -1e-15
    assert value[0] < -1e20


def test_the_table_is_continuous_with_its_slope_where_its_parts_meet():
    kernel = index_of("semicircle")._rule.kernel
    edge = kernel.lowest - 20 * kernel.width
    x = torch.tensor([edge - 1e-7, edge + 1e-7], dtype=F64, requires_grad=True)
    value = kernel.log_cdf(x)
    slope = torch.autograd.grad(value.sum(), x)[0]
    assert abs(slope[1] / slope[0] - 1) < 1e-6
    assert abs(value[1] - value[0]) < 1e-4


def test_looking_up_costs_the_same_however_many_samples_there_are():
    """The table has nodes per bandwidth, whose number grows like the fifth root of the samples; a look-up reads one."""
    small, large = (RealismIndex(MAKERS["semicircle"](), samples=n)._rule.kernel for n in (500, 5000))
    assert small.cells.shape[0] < large.cells.shape[0] < 1.4 * small.cells.shape[0]


def test_outside_the_support_of_an_estimated_prior_is_a_wall():
    index = index_of("dirichlet")
    assert torch.equal(
        index._rule.kernel.log_cdf(torch.tensor([-math.inf], dtype=F64)), -torch.tensor([math.inf]).to(F64)
    )


def test_the_seed_fixes_the_index_and_the_random_state_is_left_alone():
    z = draw("semicircle", 10)
    torch.manual_seed(31)
    state = torch.get_rng_state()
    first, same, other = (RealismIndex(MAKERS["semicircle"](), samples=400, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.log(z), same.log(z))
    assert not torch.equal(first.log(z), other.log(z))
