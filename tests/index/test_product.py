"""Products of indices: sums of logarithms, walls, and paths that both factors approve of."""

from __future__ import annotations

import math

import pytest
import torch

import latentpath as lp
from latentpath.errors import InputError
from latentpath.index import CeilingIndex, ProductIndex, RealismIndex, ScoreIndex, TypicalityIndex, factor_names
from latentpath.priors import semicircle, standard_normal, uniform_ball

F64 = torch.float64
PRIOR = standard_normal(2, dtype=F64)


def gradient(function, z):
    return torch.autograd.grad(function(z).sum(), z)[0]


@pytest.fixture(scope="module")
def factors():
    """A density with alpha .5, a score with alpha .3: neither alpha counts in a product."""
    score = ScoreIndex(PRIOR, score=lambda z: torch.sin(z).sum(-1), samples=300, alpha=0.3)
    return RealismIndex(PRIOR, alpha=0.5), score


@pytest.fixture
def points():
    return (3 * torch.randn(4, 7, 2, dtype=F64)).requires_grad_()


def test_its_logarithm_and_its_gradient_are_sums(factors, points):
    index = ProductIndex(*factors, alpha=0.98)
    logs = sum(factor.log(points) - math.log(factor.alpha) for factor in factors)
    torch.testing.assert_close(index.log(points), math.log(0.98) + logs, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(index(points), factors[0](points) * factors[1](points), rtol=1e-9, atol=0)
    slopes = sum(gradient(factor.log, points) for factor in factors)
    torch.testing.assert_close(gradient(index.log, points), slopes, rtol=1e-12, atol=1e-12)
    direct = sum(factor.log_direct(points) - math.log(factor.alpha) for factor in factors)
    torch.testing.assert_close(index.log_direct(points), math.log(0.98) + direct, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("which", [0, 1])
def test_of_one_index_it_is_that_index(factors, points, which):
    index = ProductIndex(factors[which], alpha=factors[which].alpha)
    assert torch.equal(index.log(points), factors[which].log(points))


def test_of_independent_factors_it_has_the_law_of_a_product_of_uniform_numbers():
    """``P(u v <= s) = s - s log s``, for the two coordinates of a normal."""
    parts = [ScoreIndex(PRIOR, score=lambda z, i=i: z[:, i], samples=3000) for i in (0, 1)]
    u = ProductIndex(*parts)(PRIOR.sample((3000,))).sort().values
    share = torch.arange(1, 3001, dtype=F64) / 3000
    assert (u - u * u.log() - share).abs().max() < 0.05  # the errors of two estimates and of the samples


def test_a_wall_of_one_factor_is_a_wall_of_the_product():
    ball = RealismIndex(uniform_ball(2, 1.0, dtype=F64))
    z = torch.tensor([[0.2, 0.1], [0.9, 0.9], [math.nan, 0.0]], dtype=F64, requires_grad=True)
    for index in (ProductIndex(ball, RealismIndex(PRIOR)), ProductIndex(RealismIndex(PRIOR), ball)):
        value = index.log(z)
        assert value[0].isfinite()
        assert value[1] == -math.inf
        assert value[2].isnan()
        assert index(z)[1] == 0
        assert gradient(index.log, z)[:2].isfinite().all()


def test_products_of_products_are_flat(factors):
    density, score = factors
    typical = TypicalityIndex(PRIOR)
    index = ProductIndex(ProductIndex(density, ProductIndex(score)), typical)
    assert index.indices == (density, score, typical)
    assert factor_names(index) == ("density", "score", "typicality")
    assert index.name == "density x score x typicality"


def test_it_has_the_attributes_of_an_index(factors):
    density, score = factors
    index = ProductIndex(density, score)
    assert (index.kind, index.dim, index.alpha) == ("product", 2, 0.9)
    assert index.prior is PRIOR
    assert index.decodes
    assert not ProductIndex(density, TypicalityIndex(PRIOR)).decodes
    assert repr(index) == "ProductIndex(density x score, dim=2, alpha=0.9)"
    with pytest.raises(AttributeError, match="cannot be changed"):
        index.alpha = 0.5


def test_dtype_and_transforms_follow_the_latents(factors, points):
    index = ProductIndex(*factors)
    single = points.detach().float()
    assert index.log(single).dtype == torch.float32
    torch.testing.assert_close(index.log(single).double(), index.log(single.double()), rtol=1e-5, atol=1e-5)
    flat = points.detach().flatten(0, 1)
    slopes = torch.func.vmap(torch.func.grad(index.log))(flat)
    torch.testing.assert_close(slopes, gradient(index.log, points).flatten(0, 1), rtol=1e-9, atol=1e-9)


MAKERS = {
    "normal": lambda: RealismIndex(PRIOR),
    "estimate": lambda: RealismIndex(semicircle(2), samples=200),
    "typicality": lambda: TypicalityIndex(PRIOR),
    "score": lambda: ScoreIndex(PRIOR, score=lambda z: z[:, 0], samples=200),
    "product": lambda: ProductIndex(RealismIndex(PRIOR), TypicalityIndex(PRIOR)),
    "ceiling": lambda: CeilingIndex(RealismIndex(PRIOR), 0.5),
}


@pytest.mark.parametrize("name", MAKERS)
def test_another_alpha_shifts_the_logarithm_and_leaves_the_rest(name):
    index, z = MAKERS[name](), torch.randn(9, 2, dtype=F64)
    other = index.with_alpha(0.25)
    assert type(other) is type(index)
    assert (other.alpha, index.alpha) == (0.25, 0.9)
    assert torch.equal(other(z), index(z))
    torch.testing.assert_close(other.log(z), index.log(z) + math.log(0.25 / 0.9), rtol=1e-12, atol=1e-12)
    with pytest.raises(InputError, match=r"alpha .*\(0, 1\].* 2"):
        index.with_alpha(2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (ProductIndex, "one index or more; got none"),
        (lambda: ProductIndex(RealismIndex(PRIOR), PRIOR), "PriorIndex.* got Independent"),
        (lambda: ProductIndex(lambda z: -z.square().sum(-1)), "PriorIndex.*ScoreIndex"),
        (lambda: ProductIndex(RealismIndex(PRIOR), RealismIndex(standard_normal(3))), "one latent space.* 2, 3"),
        (lambda: ProductIndex(RealismIndex(PRIOR), alpha=0), r"alpha .*\(0, 1\].* 0"),
    ],
    ids=["none", "a prior", "a callable", "two dimensions", "alpha"],
)
def test_errors_say_what_was_expected_and_what_came(unchecked, call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_path_by_a_product_heeds_both_factors():
    """The density alone leads through the mode; beside it a score that dislikes the mode leads around."""
    density = RealismIndex(PRIOR)
    away = ScoreIndex(PRIOR, score=lambda z: z.square().sum(-1).sqrt(), samples=500)
    start, end = torch.tensor([2.0, 0.1], dtype=F64), torch.tensor([-2.0, 0.1], dtype=F64)
    solved = {"segments": 12, "tol": 1e-2}
    through = lp.interpolate(lambda z: z, density, start, end, **solved)
    around = lp.interpolate(lambda z: z, ProductIndex(density, away), start, end, **solved)
    assert through.latents.norm(dim=-1).amin() < 0.3
    assert around.latents.norm(dim=-1).amin() > 0.6
    assert around.ri.shape == (1, 13)
