"""The realism index: laws of every prior, and validation of arguments."""

from __future__ import annotations

import math

import pytest
import torch
from prior_examples import (
    EXACT,
    F64,
    MAKERS,
    SMOOTH,
    UNIFORM,
    Opaque,
    away,
    draw,
    gradient,
    index_of,
)
from scipy.stats import kstest
from torch.distributions import (
    Dirichlet,
    Independent,
    MultivariateNormal,
    Normal,
    Uniform,
)

import latentpath as lp
from latentpath import priors
from latentpath.errors import InputError
from latentpath.index import RealismIndex, as_log_index

# ------------------------------------------------------------------------------------------------ laws of every prior


@pytest.mark.parametrize("name", MAKERS)
def test_the_kind_is_exact_wherever_a_closed_form_exists(name):
    kind = "normal" if name in EXACT else "uniform" if name in UNIFORM else "kde"
    assert index_of(name).kind == kind


@pytest.mark.parametrize("name", SMOOTH)
def test_the_index_of_a_sample_is_uniform(name):
    """The probability integral transform; the estimate is itself an empirical cdf of 5000 samples."""
    test = kstest(index_of(name)(draw(name, 4000, seed=21)).numpy(), "uniform")
    if name in EXACT:
        assert test.pvalue > 0.01
    assert test.statistic < 1.63 * math.sqrt(1 / 4000 + (0 if name in EXACT else 1 / 5000))


@pytest.mark.parametrize("name", UNIFORM)
def test_the_index_of_a_uniform_sample_is_one(name):
    """A flat density is one atom, ``f(X) <= f(z)`` always holds, and the integral transform has nothing to spread."""
    assert index_of(name)(draw(name, 500, seed=21)).eq(1).all()


@pytest.mark.parametrize("name", UNIFORM)
def test_uniform_priors_are_walls_without_a_slope(name):
    z = torch.cat([draw(name, 20), draw(name, 20) + 50]).requires_grad_()
    value = index_of(name).log(z)
    assert value[:20].tolist() == [math.log(0.9)] * 20
    assert value[20:].eq(-math.inf).all()
    assert not gradient(index_of(name).log, z).any()
    assert not gradient(index_of(name), z).any()


def test_corners_and_faces_belong_to_a_uniform_prior_in_either_dtype():
    for prior in (priors.uniform_box(2, 0.1, 0.3), Independent(Uniform(0.1 * torch.ones(2), 0.3 * torch.ones(2)), 1)):
        for corner in ([0.1, 0.1], [0.3, 0.3], [0.1, 0.2]):
            assert RealismIndex(prior)(torch.tensor(corner)) == 1
        assert RealismIndex(prior)(torch.tensor([0.1, 0.3001], dtype=F64)) == 0
    ball = priors.uniform_ball(2, 0.7, torch.tensor([0.1, 0.1]))
    assert RealismIndex(ball)(torch.tensor([[0.8, 0.1], [0.1, -0.6]])).tolist() == [1, 1]


@pytest.mark.parametrize("name", SMOOTH)
def test_higher_density_never_has_a_lower_index(name):
    z = torch.cat([draw(name, 300), away(name, 3.0, 100).detach()])
    prior = MAKERS[name]()
    if name == "dirichlet":
        z = z[:300]
    order = prior.log_prob(z).argsort()
    value = index_of(name).log(z)[order]
    assert (value.diff() >= -1e-9 * value[:-1].abs()).all()
    assert (value <= math.log(0.9)).all()


@pytest.mark.parametrize("name", [name for name in SMOOTH if name != "dirichlet"])  # a step aside leaves the simplex
def test_derivatives_of_every_order_and_mode(name):
    z = draw(name, 3, seed=22).requires_grad_()
    index = index_of(name)
    assert torch.autograd.gradcheck(index.log, z, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(index.log, z, atol=1e-4)


@pytest.mark.parametrize("name", ["normal", "low-rank", "semicircle", "opaque normal", "ball"])
def test_torch_func_maps_and_pushes_forward(name):
    z, index = draw(name, 4, seed=23), index_of(name)
    torch.testing.assert_close(torch.func.vmap(index.log)(z), index.log(z), rtol=1e-12, atol=1e-13)
    slope = torch.func.vmap(torch.func.grad(index.log))(z)
    torch.testing.assert_close(slope, gradient(index.log, z.clone().requires_grad_()), rtol=1e-12, atol=1e-13)
    value, push = torch.func.jvp(index.log, (z,), (torch.ones_like(z),))
    torch.testing.assert_close(push, slope.sum(-1), rtol=1e-12, atol=1e-13)
    assert torch.equal(value, index.log(z))
    hessian = torch.func.hessian(index.log)(z[0])
    torch.testing.assert_close(hessian, hessian.T, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["normal", "scaled", "correlated", "low-rank", "semicircle", "fitted", "student"])
def test_float32_sixty_units_from_the_bulk_is_finite_and_points_back(name):
    z = away(name, 60.0, dtype=torch.float32)
    value = index_of(name).log(z)
    assert value.dtype == torch.float32
    assert value.isfinite().all()
    assert (value < -20).all()
    slope = gradient(index_of(name).log, z)
    assert slope.isfinite().all()
    outward = z.detach() - draw(name, 2000).mean(0)
    assert ((slope * outward).sum(-1) < 0).all()


@pytest.mark.parametrize("name", SMOOTH)
def test_float32_agrees_with_float64(name):
    z = draw(name, 50).float()
    if name != "dirichlet":  # which is bounded
        z = torch.cat([z, away(name, 5.0, 50).detach().float()])
    single, double = z.clone().requires_grad_(), z.double().requires_grad_()
    torch.testing.assert_close(index_of(name).log(single).double(), index_of(name).log(double), rtol=1e-6, atol=1e-7)
    slopes = gradient(index_of(name).log, single), gradient(index_of(name).log, double)
    assert slopes[0].dtype == torch.float32
    torch.testing.assert_close(slopes[0].double(), slopes[1], rtol=1e-5, atol=1e-6)


def test_parameters_in_float32_give_the_accuracy_of_float64():
    z = draw("semicircle", 200)
    for name in ("standard_normal", "semicircle"):
        make = getattr(priors, name)
        narrow, wide = RealismIndex(make(20)), RealismIndex(make(20, dtype=F64))
        if name == "standard_normal":
            assert torch.equal(narrow.log(z), wide.log(z))
        else:  # the samples differ, the density does not
            density, expected = narrow._rule.density(z), wide.prior.log_prob(z)
            torch.testing.assert_close(density, expected, rtol=1e-12, atol=0)
        assert narrow.log(z).dtype == F64


@pytest.mark.parametrize("name", ["semicircle", "fitted", "diagonal mixture"])
def test_the_fast_density_of_a_mixture_is_its_density(name):
    z = torch.cat([draw(name, 100), away(name, 30.0, 100).detach()])
    torch.testing.assert_close(index_of(name)._rule.density(z), MAKERS[name]().log_prob(z), rtol=1e-12, atol=1e-12)


def test_an_unknown_prior_is_asked_in_its_own_dtype():
    index = RealismIndex(Opaque(priors.standard_normal(6)), samples=500)
    z = torch.randn(5, 6, dtype=F64)
    assert index.log(z).dtype == F64
    assert index.log(z.float()).dtype == torch.float32
    torch.testing.assert_close(index.log(z), index.log(z.float()).double(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", MAKERS)
def test_nan_gives_nan_and_only_where_it_is(name):
    z = draw(name, 3)
    z[1, 0] = math.nan
    assert index_of(name).log(z).isnan().tolist() == [False, True, False]
    assert index_of(name)(z.float()).isnan().tolist() == [False, True, False]


def test_leading_dimensions_are_free():
    z = draw("semicircle", 12)
    flat = index_of("semicircle").log(z)
    torch.testing.assert_close(index_of("semicircle").log(z.view(3, 2, 2, 20)), flat.view(3, 2, 2), rtol=1e-13, atol=0)
    assert index_of("semicircle").log(z[0]).shape == ()
    assert index_of("normal").log(z[:0]).shape == (0,)


def test_log_is_scaled_by_alpha_and_the_index_is_not():
    z = draw("normal", 5)
    half = RealismIndex(MAKERS["normal"](), alpha=0.5)
    torch.testing.assert_close(half.log(z).exp(), 0.5 * half(z), rtol=1e-13, atol=0)
    assert torch.equal(half(z), index_of("normal")(z))


# ----------------------------------------------------------------------------------------------------------- arguments


class Bare:
    """No Distribution at all: two methods."""

    def log_prob(self, z):
        return -z.square().sum(-1)

    def sample(self, shape):
        return torch.randn(*shape, 3, dtype=F64) * math.sqrt(0.5)


class Broken(Bare):
    def log_prob(self, z):
        return z[:, 0].log()


class Column(Bare):
    def log_prob(self, z):
        return z[:, :1]


def test_two_methods_make_a_prior():
    index = RealismIndex(Bare())
    assert index.dim == 3
    assert index.kind == "kde"
    z = torch.randn(200, 3, dtype=F64)
    exact = RealismIndex(MultivariateNormal(torch.zeros(3, dtype=F64), 0.5 * torch.eye(3, dtype=F64)))
    assert (index(z) - exact(z)).abs().max() < 0.04


def test_a_prior_that_checks_its_arguments_is_left_as_it_was():
    prior = Dirichlet(torch.tensor([2.0, 2.0]), validate_args=True)
    RealismIndex(prior, samples=50).log(torch.tensor([0.5, math.nan]))
    with pytest.raises(ValueError, match="Simplex"):
        prior.log_prob(torch.tensor([0.5, math.nan]))


def test_an_index_tells_what_it_is_and_cannot_be_changed():
    index = index_of("semicircle")
    text = (
        "RealismIndex(MixtureSameFamily(3 x MultivariateNormal), dim=20, kind='kde', alpha=0.9, samples=5000, seed=0)"
    )
    assert repr(index) == text
    assert repr(index_of("normal")) == "RealismIndex(Independent(Normal), dim=20, kind='normal', alpha=0.9)"
    with pytest.raises(AttributeError, match="cannot be changed; make a new one"):
        index.alpha = 0.5


def test_as_log_index_takes_an_index_or_a_callable():
    z = draw("normal", 3)
    assert torch.equal(as_log_index(index_of("normal"))(z), index_of("normal").log(z))
    assert torch.equal(as_log_index(lambda points: points.sum(1))(z[:, None]), z.sum(1, keepdim=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RealismIndex(priors.semicircle(), alpha=0.0), r"alpha .*\(0, 1\].* 0.0"),
        (lambda: RealismIndex(priors.semicircle(), alpha=1.1), r"alpha .*\(0, 1\].* 1.1"),
        (lambda: RealismIndex(priors.semicircle(), alpha=math.nan), "alpha .*nan"),
        (lambda: RealismIndex(priors.semicircle(), samples=1), "samples .*at least 2.* 1"),
        (lambda: RealismIndex(torch.zeros(3)), "prior .*log_prob.*Tensor"),
        (lambda: RealismIndex(Normal), "prior .*class Normal"),
        (
            lambda: RealismIndex(Normal(torch.zeros(3), 1.0)),
            r"batch_shape \(3,\) and event_shape \(\).*Independent.*1",
        ),
        (
            lambda: RealismIndex(priors.standard_normal(3).expand((2,))),
            r"batch_shape \(2,\) and event_shape \(3,\)",
        ),
        (lambda: RealismIndex(Independent(Normal(torch.zeros(2, 3), 1.0), 2)), r"event_shape \(2, 3\)"),
        (lambda: RealismIndex(Broken()), r"finite .*\d+ of 5000"),
        (lambda: RealismIndex(Column()), r"log_prob .*\(5000, 1\)"),
        (lambda: index_of("normal").log(torch.zeros(3, 2)), r"z must .*\(\.\.\., 20\).*\(3, 2\)"),
        (lambda: index_of("normal")(torch.zeros(20).long()), "z must .*torch.int64"),
        (lambda: index_of("normal").log_direct(torch.zeros(())), r"z must .*shape \(\)"),
        (lambda: as_log_index(priors.semicircle()), r"got a prior.*RealismIndex\(Mixture"),
        (lambda: as_log_index(0.9), "index must .*0.9"),
        (lambda: as_log_index(RealismIndex), "index must .*callable"),
    ],
)
def test_errors_say_what_was_expected_and_what_came(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("alpha", [0.8, 0.9, 1.0])
def test_another_alpha_beside_an_index_always_conflicts(alpha):
    prior, ends = priors.standard_normal(2, dtype=F64), torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=F64)
    index = RealismIndex(prior, alpha=0.5)
    options = {"segments": 4, "max_evaluations": 2}
    with pytest.raises(InputError, match=f"RealismIndex.*alpha=0.5.* {alpha}"):
        lp.interpolate(lambda z: z, index, *ends, alpha=alpha, **options)
    with pytest.raises(InputError, match=f"callable index.* {alpha}"):
        lp.interpolate(lambda z: z, index.log, *ends, alpha=alpha, **options)
    with pytest.raises(InputError, match="RealismIndex"):
        lp.interpolate_through(lambda z: z, index, ends, alpha=alpha, **options)
    same = lp.interpolate(lambda z: z, index, *ends, alpha=0.5, **options)
    assert torch.equal(same.latents, lp.interpolate(lambda z: z, index, *ends, **options).latents)
    assert lp.interpolate(lambda z: z, prior, *ends, **options).settings["alpha"] == 0.9
    assert lp.interpolate(lambda z: z, prior, *ends, alpha=alpha, **options).settings["alpha"] == alpha
