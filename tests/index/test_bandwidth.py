"""The estimated distribution function against exact ones: many scales, edges, gaps and jumps."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import kstest
from torch.distributions import Categorical, Dirichlet, Gamma, Independent, Laplace, MixtureSameFamily, Normal, Uniform

from latentpath import priors
from latentpath.index import RealismIndex, ScoreIndex, TypicalityIndex
from latentpath.index.bandwidth import adapted_scale
from latentpath.index.prior_adapter import draw

F64 = torch.float64
SAMPLES = 5000
SCATTER = 1.63 / math.sqrt(SAMPLES)  # Kolmogorov and Smirnov, 1 %
MOVED = 1.25 / math.sqrt(SAMPLES)  # the documented bias


def mixture(weights, middles, widths, dim):
    middles, widths = (torch.tensor(values, dtype=F64)[:, None].expand(-1, dim) for values in (middles, widths))
    return MixtureSameFamily(Categorical(torch.tensor(weights, dtype=F64)), Independent(Normal(middles, widths), 1))


def boxes(dtype=F64):
    corners = torch.tensor([[0.0, 0.0], [5.0, 5.0]], dtype=dtype)
    sizes = torch.tensor([[3.0, 3.0], [1.0, 2.0]], dtype=dtype)
    weights = torch.tensor([0.3, 0.7], dtype=dtype)
    return MixtureSameFamily(Categorical(weights), Independent(Uniform(corners, corners + sizes), 1))


MAKERS = {
    "semicircle": lambda: priors.semicircle(dtype=F64),
    "semicircle in the plane": lambda: priors.semicircle(2, dtype=F64),
    "widths 1 and .01": lambda: mixture([0.5, 0.5], [0.0, 5.0], [1.0, 0.01], 2),
    "on a line": lambda: mixture([0.5, 0.5], [0.0, 5.0], [1.0, 0.01], 1),
    "D = 20": lambda: mixture([0.5, 0.5], [0.0, 5.0], [1.0, 0.01], 20),
    "D = 64, rarely narrow": lambda: mixture([0.9, 0.1], [0.0, 5.0], [1.0, 0.01], 64),
    "rarely wide": lambda: mixture([0.02, 0.98], [0.0, 5.0], [1.0, 0.01], 3),
    "three widths": lambda: mixture([0.2, 0.3, 0.5], [0.0, 5.0, 9.0], [1.0, 0.1, 0.001], 2),
    "widths 1 and .5": lambda: mixture([0.5, 0.5], [0.0, 5.0], [1.0, 0.5], 2),
    "laplace": lambda: Independent(Laplace(torch.zeros(1, dtype=F64), torch.ones(1, dtype=F64)), 1),
    "dirichlet": lambda: Dirichlet(torch.tensor([0.7, 2.0, 3.0], dtype=F64)),
    "gammas": lambda: Independent(Gamma(torch.full((2,), 0.5, dtype=F64), 1.0), 1),
    "boxes": boxes,
}
KEPT = ["semicircle", "dirichlet", "gammas"]


def brute_force(density, prior, levels, draws=200_000):
    """``P(f(X) <= level)``, to 0.001."""
    torch.manual_seed(90)
    found = torch.cat([density(prior.sample((10_000,))) for _ in range(draws // 10_000)]).sort().values
    return torch.searchsorted(found, levels + 1e-9 * (1 + levels.abs()), right=True) / draws


@pytest.mark.parametrize("name", MAKERS)
def test_the_index_is_off_by_no_more_than_samples_scatter_and_the_documented_bias(name):
    prior = MAKERS[name]()
    index = RealismIndex(prior, samples=SAMPLES)
    density = index._rule.density
    torch.manual_seed(91)
    z = prior.sample((2000,))
    exact = brute_force(density, prior, density(z))
    assert (index(z) - exact).abs().max() < SCATTER + MOVED + 0.003
    if name != "boxes":  # whose index has two values
        statistic = kstest(index(z).numpy(), "uniform").statistic
        assert statistic < 1.63 * math.sqrt(1 / 2000 + 1 / SAMPLES) + MOVED


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("widths 1 and .01", [0.5, 1.0]),
        ("on a line", [0.5, 1.0]),
        ("D = 20", [0.5, 1.0]),
        ("D = 64, rarely narrow", [0.9, 1.0]),
        ("three widths", [0.2, 0.5, 1.0]),
        ("boxes", [0.3, 1.0]),
    ],
)
def test_at_a_centre_the_index_is_the_weight_of_what_is_wider(name, expected):
    """Within three standard errors of the samples, plus half the bias that a single bandwidth may have."""
    prior = MAKERS[name]()
    centres = prior.component_distribution.mean
    share = torch.tensor(expected, dtype=F64)
    error = 3 * (share * (1 - share) / SAMPLES).sqrt() + MOVED / 2
    for seed in range(3):
        assert ((RealismIndex(prior, samples=SAMPLES, seed=seed)(centres) - share).abs() < error).all()


def test_a_density_of_steps_has_the_upper_value_in_float32_too():
    index = RealismIndex(boxes(torch.float32))
    z = torch.tensor([[1.0, 1.0], [5.5, 6.0], [4.0, 4.0]])
    torch.testing.assert_close(index(z), torch.tensor([0.3, 1.0, 0.0]), rtol=0, atol=0.02)


@pytest.mark.parametrize("name", MAKERS)
def test_silvermans_bandwidth_stays_where_it_is_good(name):
    scale = RealismIndex(MAKERS[name](), samples=SAMPLES)._rule.scale
    assert (scale is None) == (name in KEPT)


@pytest.mark.parametrize("count", [50, 500, 20_000])
def test_the_papers_prior_keeps_silvermans_bandwidth(count):
    for seed in range(3):
        levels = priors.semicircle().log_prob(draw(priors.semicircle(), 20, count, seed)).double()
        assert adapted_scale(levels.sort().values)[0] is None


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in KEPT])
def test_the_change_of_scale_rises_and_is_c1_from_end_to_end(name):
    index = RealismIndex(MAKERS[name](), samples=1000)
    scale = index._rule.scale
    first, last = float(scale.knots[0]), float(scale.knots[-1])
    reach = last - first
    grid = torch.linspace(first - reach, last + reach, 2001, dtype=F64)
    x = torch.cat([grid, scale.knots, *(scale.knots + side for side in (-1e-12, 1e-12))]).sort().values.requires_grad_()
    value = scale(x)
    assert (value.diff() >= 0).all()
    slope = torch.autograd.grad(value.sum(), x)[0]
    assert (slope > 0).all()
    at = scale.knots.clone().requires_grad_()
    here = torch.autograd.grad(scale(at).sum(), at)[0]
    for side in (-1e-3, 1e-3):  # a thousandth of a bandwidth to either side
        beside = (scale.knots + side / here).requires_grad_()
        torch.testing.assert_close(torch.autograd.grad(scale(beside).sum(), beside)[0], here, rtol=2e-3, atol=0)


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in [*KEPT, "boxes"]])
def test_the_log_is_monotone_finite_and_leads_back_from_far_away(name):
    prior = MAKERS[name]()
    index = RealismIndex(prior, samples=1000)
    rule = index._rule
    torch.manual_seed(92)
    levels = torch.cat([rule.density(prior.sample((500,))), rule.density(prior.sample((50,)) * 100)]).sort().values
    value = rule.kernel.log_cdf(rule.scale(levels))
    assert value.isfinite().all()
    assert (value.diff() >= 0).all()
    z = (prior.sample((20,)) + 60 * torch.randn(20, index.dim, dtype=F64)).requires_grad_()
    slope = torch.autograd.grad(index.log(z).sum(), z)[0]
    assert slope.isfinite().all()
    uphill = torch.autograd.grad(rule.density(z).sum(), z)[0]
    assert ((slope * uphill).sum(-1) > 0).all()
    torch.testing.assert_close(index.log(z), index.log_direct(z), rtol=1e-9, atol=1e-5)


def test_derivatives_across_a_change_of_scale_agree_with_differences():
    prior = MAKERS["widths 1 and .5"]()
    index = RealismIndex(prior, samples=500)
    torch.manual_seed(93)
    z = prior.sample((3,)).requires_grad_()
    assert torch.autograd.gradcheck(index.log, z, check_forward_ad=True, check_batched_grad=True)
    slope = torch.autograd.grad(index.log(z).sum(), z)[0]
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(index.log))(z.detach()), slope)


def test_both_sides_of_typicality_are_one_estimate():
    """``t = 4 G (1 - G)``, with the same G as the realism index."""
    prior = MAKERS["widths 1 and .01"]()
    torch.manual_seed(94)
    z = prior.sample((500,))
    ri = RealismIndex(prior)(z)
    torch.testing.assert_close(TypicalityIndex(prior)(z), 4 * ri * (1 - ri), rtol=1e-4, atol=1e-6)


def test_a_score_whose_values_bunch_is_uniform_too():
    """A logistic curve that is steep: most values are near 0 or 1."""
    prior = priors.standard_normal(4, dtype=F64)
    index = ScoreIndex(prior, score=lambda z: torch.sigmoid(8 * z[:, 0]))
    torch.manual_seed(95)
    z = prior.sample((4000,))
    exact = torch.special.ndtr(z[:, 0])
    assert (index(z) - exact).abs().max() < SCATTER + MOVED


def test_few_samples_have_a_scale():
    for count in (2, 3, 10):
        levels = torch.logspace(0, 6, count, dtype=F64)
        scale, moved = adapted_scale(levels)
        assert (moved.diff() > 0).all()
        assert scale is None or scale(levels).isfinite().all()
