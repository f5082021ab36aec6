"""The realism index: exact answers, laws of every prior, the estimate, and validation of arguments."""

from __future__ import annotations

import functools
import math

import mpmath
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest
from torch.distributions import (
    AffineTransform,
    Dirichlet,
    Distribution,
    Independent,
    LowRankMultivariateNormal,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    StudentT,
    TransformedDistribution,
    Uniform,
    constraints,
)

from latentpath import priors
from latentpath.errors import InputError
from latentpath.index import RealismIndex, as_log_index

F64 = torch.float64


class Opaque(Distribution):
    """A prior of which the index may know nothing but ``log_prob`` and ``sample``."""

    arg_constraints: dict = {}  # noqa: RUF012
    support = constraints.real_vector

    def __init__(self, inside):
        self.inside = inside
        super().__init__(inside.batch_shape, inside.event_shape, validate_args=False)

    def log_prob(self, z):
        return self.inside.log_prob(z)

    def sample(self, shape=()):
        return self.inside.sample(shape)


def fisher_approximation(z):
    """Equation 1 of the paper."""
    return 0.5 + 0.5 * torch.special.erf(math.sqrt(z.shape[-1] - 0.5) - z.norm(dim=-1))


def _correlated():
    generator = torch.Generator().manual_seed(11)
    factor = torch.randn(6, 6, dtype=F64, generator=generator)
    return MultivariateNormal(torch.arange(6, dtype=F64), factor @ factor.T + 0.1 * torch.eye(6, dtype=F64))


def _low_rank():
    generator = torch.Generator().manual_seed(12)
    factor = 3 * torch.randn(7, 2, dtype=F64, generator=generator)
    return LowRankMultivariateNormal(torch.ones(7, dtype=F64), factor, torch.linspace(0.1, 2, 7, dtype=F64))


def _fitted():
    generator = torch.Generator().manual_seed(13)
    points = torch.randn(900, 4, dtype=F64, generator=generator)
    return priors.fit(torch.cat([points, points * torch.tensor([0.3, 1.0, 2.0, 1.0]) + 7]))


MAKERS = {
    "normal": lambda: priors.standard_normal(20, dtype=F64),
    "scaled": lambda: Independent(Normal(torch.arange(3, dtype=F64), torch.tensor([0.1, 1.0, 9.0], dtype=F64)), 1),
    "correlated": _correlated,
    "low-rank": _low_rank,
    "semicircle": lambda: priors.semicircle(dtype=F64),
    "fitted": _fitted,
    "diagonal mixture": lambda: MixtureSameFamily(
        torch.distributions.Categorical(torch.tensor([0.3, 0.7], dtype=F64)),
        Independent(Normal(torch.tensor([[0.0], [4.0]], dtype=F64).expand(2, 8), torch.ones(2, 8, dtype=F64)), 1),
    ),
    "opaque normal": lambda: Opaque(priors.standard_normal(20, dtype=F64)),
    "student": lambda: Independent(StudentT(torch.full((5,), 4.0, dtype=F64)), 1),
    "dirichlet": lambda: Dirichlet(torch.tensor([0.7, 2.0, 3.0], dtype=F64)),
    "ball": lambda: priors.uniform_ball(3, 2.0, torch.ones(3, dtype=F64)),
    "box": lambda: priors.uniform_box(3, -1.0, torch.arange(1, 4, dtype=F64)),
    "independent uniform": lambda: Independent(Uniform(-torch.ones(3, dtype=F64), torch.ones(3, dtype=F64)), 1),
    "moved uniform": lambda: TransformedDistribution(
        Independent(Uniform(torch.zeros(2, dtype=F64), torch.ones(2, dtype=F64)), 1), AffineTransform(1.0, 3.0)
    ),
}
EXACT = ["normal", "scaled", "correlated", "low-rank"]
UNIFORM = ["ball", "box", "independent uniform", "moved uniform"]
KERNEL = [name for name in MAKERS if name not in EXACT + UNIFORM]
SMOOTH = EXACT + KERNEL


@functools.cache
def index_of(name):
    return RealismIndex(MAKERS[name]())


def draw(name, count, seed=0):
    torch.manual_seed(seed)
    return MAKERS[name]().sample((count,))


def away(name, distance, count=8, seed=0, dtype=F64):
    """Points of the prior, and the same moved ``distance`` along directions that leave its mean."""
    z = draw(name, count, seed)
    out = z - z.mean(0)
    return (z + distance * out / out.norm(dim=-1, keepdim=True)).to(dtype).requires_grad_()


def gradient(function, z):
    return torch.autograd.grad(function(z).sum(), z)[0]


# -------------------------------------------------------------------------------------------------- normal: exact


def exact_log_ri(dim, radius):
    """``log Q(D/2, r^2/2)`` and its derivative in ``r``, in 50 digits."""
    with mpmath.workdps(50):
        a, r = mpmath.mpf(dim) / 2, mpmath.mpf(radius)
        x = r * r / 2
        if x < a:
            p = mpmath.gammainc(a, 0, x, regularized=True)
            q, log_q = 1 - p, mpmath.log1p(-p)
        else:
            q = mpmath.gammainc(a, x, regularized=True)
            log_q = mpmath.log(q)
        slope = -r * mpmath.exp((a - 1) * mpmath.log(x) - x - mpmath.loggamma(a)) / q
        return float(log_q), float(slope)


@pytest.mark.parametrize("dim", [1, 2, 3, 20, 64, 512, 4096])
def test_normal_index_agrees_with_50_digits_from_the_mode_to_the_far_tail(dim):
    """The radii reach from ri = 1 - 1e-200 over the bulk to ri = 1e-300 and on to exp(-5e9)."""
    bulk = math.sqrt(dim)
    start = bulk * 10 ** (-100 / dim) if dim > 20 else 1e-5 * bulk
    radii = torch.cat([torch.linspace(start, bulk, 12, dtype=F64), bulk + torch.linspace(0.1, 40, 18, dtype=F64)])
    radii = torch.cat([radii, bulk * torch.tensor([5.0, 40.0, 300.0, 1e4], dtype=F64), radii.new_tensor([1e5])])
    z = torch.zeros(len(radii), dim, dtype=F64)
    z[:, -1] = radii
    z.requires_grad_()
    index = RealismIndex(priors.standard_normal(dim, dtype=F64), alpha=1.0)
    value, direct = index.log(z), index.log_direct(z)
    slope = torch.autograd.grad(value.sum(), z)[0][:, -1]
    answer = [exact_log_ri(dim, radius) for radius in radii.tolist()]
    expected = torch.tensor(answer, dtype=F64)
    assert expected[:, 0].max() > -1e-4
    assert expected[:, 0].min() < -1e9
    torch.testing.assert_close(value.detach(), expected[:, 0], rtol=1e-10, atol=0)
    torch.testing.assert_close(direct.detach(), expected[:, 0], rtol=1e-10, atol=0)
    torch.testing.assert_close(slope, expected[:, 1], rtol=1e-7, atol=0)


@given(st.integers(1, 300), st.floats(0.01, 2.0), st.floats(0.0, 60.0))
def test_table_of_the_normal_index_agrees_with_its_series(dim, fraction, beyond):
    z = torch.zeros(2, dim, dtype=F64)
    z[0, 0], z[1, 0] = fraction * math.sqrt(dim), math.sqrt(dim) + beyond
    index = RealismIndex(priors.standard_normal(dim, dtype=F64), alpha=1.0)
    torch.testing.assert_close(index.log(z), index.log_direct(z), rtol=1e-9, atol=1e-300)


def test_equation_1_agrees_with_the_exact_index_within_its_known_error():
    """It is off by 1 / (12 sqrt(pi D)) at most, the first term of its expansion, and so by less the larger D is."""
    errors = []
    for dim in (20, 64, 512):
        radii = math.sqrt(dim) + torch.linspace(-4, 4, 2001, dtype=F64)
        z = torch.zeros(2001, dim, dtype=F64)
        z[:, 0] = radii
        error = (RealismIndex(priors.standard_normal(dim, dtype=F64))(z) - fisher_approximation(z)).abs().max()
        errors.append(float(error))
        assert 0.99 < error * 12 * math.sqrt(math.pi * dim) < 1.001
    assert errors == sorted(errors, reverse=True)


def test_the_plane_and_the_line_have_elementary_answers():
    z = torch.tensor([[0.3, -0.4], [2.0, 1.0], [30.0, -40.0]], dtype=F64)
    plane = RealismIndex(priors.standard_normal(2, dtype=F64), alpha=0.5).log(z)
    torch.testing.assert_close(plane, -z.square().sum(-1) / 2 + math.log(0.5), rtol=1e-14, atol=0)
    line = RealismIndex(priors.standard_normal(1, dtype=F64), alpha=1.0)
    torch.testing.assert_close(line(z[:, :1]), torch.special.erfc(z[:, 0].abs() / math.sqrt(2)), rtol=1e-10, atol=0)


def test_every_form_of_the_same_normal_has_the_same_index():
    mean, cov = _low_rank().mean, _low_rank().covariance_matrix
    z = draw("low-rank", 50) * 2
    weights = torch.distributions.Categorical(torch.ones(1, dtype=F64))
    forms = [
        MultivariateNormal(mean, cov),
        MultivariateNormal(mean, precision_matrix=cov.inverse()),
        MultivariateNormal(mean, scale_tril=torch.linalg.cholesky(cov)),
        Independent(MultivariateNormal(mean, cov), 0),
        MixtureSameFamily(weights, MultivariateNormal(mean[None], cov[None])),
    ]
    expected = index_of("low-rank").log(z)
    for form in forms:
        index = RealismIndex(form)
        assert index.kind == "normal"
        torch.testing.assert_close(index.log(z), expected, rtol=1e-9, atol=1e-12)
    chi2 = (torch.linalg.solve(cov, (z - mean).T).T * (z - mean)).sum(-1)
    torch.testing.assert_close(index_of("low-rank")(z), torch.special.gammaincc(torch.full_like(chi2, 3.5), chi2 / 2))


@pytest.mark.parametrize("dim", [1, 2, 3, 20, 64])
def test_at_the_mode_the_index_is_one_and_its_gradient_zero(dim):
    z = torch.zeros(2, dim, dtype=F64, requires_grad=True)
    index = RealismIndex(priors.standard_normal(dim, dtype=F64), alpha=1.0)
    assert index(z).tolist() == [1, 1]
    slope = torch.autograd.grad(index.log(z).sum(), z, create_graph=True)[0]
    assert not slope.any()
    assert torch.autograd.grad(slope.sum(), z)[0].isfinite().all()


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


# ----------------------------------------------------------------------------------------------------------- estimate


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


# --------------------------------------------------------------------------------------------------------------- doors


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
