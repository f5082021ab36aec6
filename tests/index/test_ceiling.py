"""An index with a ceiling: its closed form, its slope, its far tail, its law."""

from __future__ import annotations

import math

import mpmath
import pytest
import torch
from scipy.stats import kstest

import latentpath as lp
from latentpath.errors import InputError
from latentpath.index import CeilingIndex, ProductIndex, RealismIndex, ScoreIndex, TypicalityIndex
from latentpath.priors import standard_normal

F64 = torch.float64
PRIOR = standard_normal(2, dtype=F64)
DENSITY = RealismIndex(PRIOR)  # exp(-r^2 / 2) in the plane


def gradient(function, z):
    return torch.autograd.grad(function(z).sum(), z)[0]


def at_radii(radii):
    return torch.stack([radii, torch.zeros_like(radii)], -1).to(F64).requires_grad_()


@pytest.mark.parametrize("ceiling", [0.1, 0.5, 1])
def test_it_is_a_parabola_below_the_ceiling_and_1_beyond(ceiling):
    z = at_radii(torch.linspace(0, 6, 61))
    u = (DENSITY(z) / ceiling).clamp(max=1)
    torch.testing.assert_close(CeilingIndex(DENSITY, ceiling)(z), u * (2 - u), rtol=1e-9, atol=1e-15)
    index = CeilingIndex(DENSITY, ceiling, alpha=0.7)
    torch.testing.assert_close(index.log(z), (u * (2 - u)).log() + math.log(0.7), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(index.log_direct(z), index.log(z), rtol=1e-9, atol=1e-9)


def test_in_the_far_tail_it_loses_no_digits():
    """``log u + log(2 - u)`` at 100 and 1000 times the radius of the ceiling, where u underflows."""
    radii = [1.18, 2.0, 10.0, 100.0, 1000.0]
    with mpmath.workdps(40):
        u = [mpmath.exp(-(mpmath.mpf(r) ** 2) / 2) / mpmath.mpf("0.5") for r in radii]
        exact = torch.tensor([float(mpmath.log(x * (2 - x))) for x in u], dtype=F64)
    z = at_radii(torch.tensor(radii, dtype=F64))
    value = CeilingIndex(DENSITY, 0.5, alpha=1.0).log(z)
    torch.testing.assert_close(value.detach(), exact, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(gradient(CeilingIndex(DENSITY, 0.5).log, z)[2:, 0], -z[2:, 0], rtol=1e-9, atol=1e-9)


def test_it_is_continuously_differentiable_at_the_ceiling():
    edge = math.sqrt(2 * math.log(2))
    z = at_radii(edge + torch.tensor([-1e-3, -1e-6, 0.0, 1e-6, 1e-3], dtype=F64))
    slope = gradient(CeilingIndex(DENSITY, 0.5).log, z)[:, 0]
    assert (slope[:2] == 0).all()
    assert abs(slope[2]) < 1e-9
    curvature = -2 * edge**2  # of -(1 - u)^2, u = exp(-r^2 / 2) / c, at u = 1
    torch.testing.assert_close(slope[3:], curvature * torch.tensor([1e-6, 1e-3], dtype=F64), rtol=1e-2, atol=0)


def test_its_law_under_the_prior_is_known():
    """``P(ri_c <= s) = c (1 - sqrt(1 - s))`` below 1, and the share ``1 - c`` of the prior is at 1."""
    value = CeilingIndex(DENSITY, 0.3)(PRIOR.sample((4000,)))
    below = value[value < 1]
    assert abs(len(below) / 4000 - 0.3) < 4 * math.sqrt(0.3 * 0.7 / 4000)
    assert kstest((1 - (1 - below).sqrt()).numpy(), "uniform").pvalue > 0.01


def test_at_one_half_it_is_the_lower_half_of_typicality():
    z = 2 * torch.randn(500, 2, dtype=F64)
    below = DENSITY(z) < 0.5
    value, typical = CeilingIndex(DENSITY, 0.5)(z), TypicalityIndex(PRIOR)(z)
    torch.testing.assert_close(value[below], typical[below], rtol=1e-9, atol=1e-12)
    assert (value[~below] == 1).all()
    assert below.any()
    assert (~below).any()


def test_walls_and_nan_stay():
    z = torch.tensor([[2.0, 2.0], [math.nan, 0.0], [0.1, 0.1]], dtype=F64, requires_grad=True)
    index = CeilingIndex(RealismIndex(lp.priors.uniform_ball(2, 1.0, dtype=F64)), 0.5)
    value = index.log(z)
    assert value[0] == -math.inf
    assert value[1].isnan()
    assert value[2].item() == pytest.approx(math.log(0.9))
    assert gradient(index.log, z)[[0, 2]].isfinite().all()


def test_alpha_is_that_of_the_index_unless_given_and_counts_once():
    z = torch.zeros(2, dtype=F64)
    half = RealismIndex(PRIOR, alpha=0.5)
    assert CeilingIndex(half, 0.5).log(z) == pytest.approx(math.log(0.5))
    assert CeilingIndex(half, 0.5, alpha=0.8).log(z) == pytest.approx(math.log(0.8))
    assert ProductIndex(CeilingIndex(half, 0.5), half, alpha=0.8).log(z) == pytest.approx(math.log(0.8))


def test_it_has_the_attributes_of_an_index():
    score = ScoreIndex(PRIOR, score=lambda z: z[:, 0], samples=200)
    index = CeilingIndex(score, 0.5)
    assert (index.kind, index.dim, index.ceiling, index.index) == ("ceiling", 2, 0.5, score)
    assert index.decodes
    assert not CeilingIndex(DENSITY, 0.5).decodes
    assert repr(index) == "CeilingIndex(score up to 0.5, dim=2, alpha=0.9)"
    assert CeilingIndex(ProductIndex(DENSITY, score), 0.5).name == "(density x score) up to 0.5"


@pytest.mark.parametrize("ceiling", [0, -1, 1.5, "a", None])
def test_a_ceiling_is_in_the_unit_interval(unchecked, ceiling):
    with pytest.raises(InputError, match=r"ceiling must be .*\(0, 1\]"):
        CeilingIndex(DENSITY, ceiling)


def test_only_an_index_has_a_ceiling(unchecked):
    with pytest.raises(InputError, match="index must be a PriorIndex.*RealismIndex"):
        CeilingIndex(PRIOR, 0.5)


def test_derivatives_agree_with_differences():
    z = (torch.randn(5, 2, dtype=F64) * 2).requires_grad_()
    index = CeilingIndex(DENSITY, 0.4)
    assert torch.autograd.gradcheck(index.log, z, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(index.log, z)
