"""The two-sided index: exact answers in both tails, its law, and paths that go around the mode."""

from __future__ import annotations

import math

import mpmath
import pytest
import torch
from scipy.stats import kstest
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

import latentpath as lp
from latentpath.errors import InputError
from latentpath.index import TypicalityIndex
from latentpath.priors import semicircle, standard_normal, uniform_ball, uniform_box

F64 = torch.float64


def normal(dim, **options):
    return TypicalityIndex(standard_normal(dim, dtype=F64), **options)


def at_radii(radii, dim):
    z = torch.zeros(len(radii), dim, dtype=F64)
    z[:, 0] = torch.as_tensor(radii, dtype=F64)
    return z.requires_grad_()


def mixture():
    """Two normals in three dimensions, of which only an estimate is known."""
    middles = torch.tensor([[0.0, 0.0, 0.0], [3.0, 1.0, 0.0]], dtype=F64)
    parts = Independent(Normal(middles, torch.ones(2, 3, dtype=F64)), 1)
    return MixtureSameFamily(Categorical(torch.tensor([0.3, 0.7], dtype=F64)), parts)


def gradient(function, z):
    return torch.autograd.grad(function(z).sum(), z)[0]


def exact(dim, radius):
    """``log(4 Q P)`` and its derivative in the radius, in 60 digits."""
    with mpmath.workdps(60):
        a, r = mpmath.mpf(dim) / 2, mpmath.mpf(radius)
        x = r * r / 2
        p = mpmath.gammainc(a, 0, x, regularized=True)
        q = mpmath.gammainc(a, x, regularized=True)
        density = mpmath.exp((a - 1) * mpmath.log(x) - x - mpmath.loggamma(a))
        return float(mpmath.log(4 * p * q)), float(r * density * (1 / p - 1 / q))


@pytest.mark.parametrize("dim", [1, 2, 3, 20, 64, 512])
def test_both_tails_of_a_normal_agree_with_60_digits(dim):
    """From the edge of the tip, where ``1 - ri`` is down to 1e-1500, to a hundred times the radius of the shell."""
    radii = [share * math.sqrt(dim) for share in (1e-3, 0.01, 0.1, 0.3, 0.6, 0.8, 1.3, 2, 5, 100)]
    z, index = at_radii(radii, dim), normal(dim, alpha=1.0)
    expected = torch.tensor([exact(dim, radius) for radius in radii], dtype=F64)
    torch.testing.assert_close(index.log(z).detach(), expected[:, 0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(index.log_direct(z).detach(), expected[:, 0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradient(index.log, z)[:, 0], expected[:, 1], rtol=1e-6, atol=1e-6)


def test_in_the_plane_it_is_elementary():
    z = torch.randn(200, 2, dtype=F64)
    q = torch.exp(-z.square().sum(-1) / 2)
    torch.testing.assert_close(normal(2)(z), 4 * q * (1 - q), rtol=1e-9, atol=1e-12)
    assert normal(2)(at_radii([math.sqrt(2 * math.log(2))], 2)).item() == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize("dim", [2, 20])
def test_its_law_is_known_and_the_p_value_uniform(dim):
    """``P(t <= s) = 1 - sqrt(1 - s)``, so that ``1 - sqrt(1 - t) = 2 min(ri, 1 - ri)`` is uniform."""
    torch.manual_seed(41)
    z = standard_normal(dim, dtype=F64).sample((4000,))
    p_value = 1 - (1 - normal(dim)(z)).clamp(min=0).sqrt()
    ri = lp.RealismIndex(standard_normal(dim, dtype=F64))(z)
    torch.testing.assert_close(p_value, 2 * torch.minimum(ri, 1 - ri), rtol=1e-6, atol=1e-6)
    assert kstest(p_value.numpy(), "uniform").pvalue > 0.01


def test_an_estimate_has_the_same_law_and_the_quantiles_of_the_density():
    prior = semicircle(dtype=F64)
    index = TypicalityIndex(prior)
    assert index.kind == "kde"
    torch.manual_seed(42)
    z = prior.sample((4000,))
    p_value = 1 - (1 - index(z)).clamp(min=0).sqrt()
    assert kstest(p_value.numpy(), "uniform").statistic < 1.63 * math.sqrt(1 / 4000 + 1 / 5000)
    share = prior.log_prob(z).argsort().argsort() / len(z)  # the numerical quantile of each sample
    assert (index(z) - 4 * share * (1 - share)).abs().max() < 0.05


def test_the_estimates_table_agrees_with_its_sum_in_both_tails():
    prior = semicircle(dtype=F64)
    index = TypicalityIndex(prior, samples=500)
    torch.manual_seed(43)
    z = torch.cat([prior.sample((100,)) * scale for scale in (0.0, 0.1, 1.0, 3.0, 30.0)])
    assert ((index.log(z) - index.log_direct(z)).abs() < 1e-5 + 1e-9 * index.log_direct(z).abs()).all()


def test_the_tip_is_finite_rises_to_the_mode_and_pushes_away():
    for dim in (1, 2, 20, 512, 4096):
        tip = 1e-3 * math.sqrt(dim / 2)
        z = at_radii([0.0, 0.01 * tip, 0.5 * tip, (1 - 1e-9) * tip, (1 + 1e-9) * tip, 2 * tip], dim)
        for points in (z, z.detach().float().requires_grad_()):
            value, slope = normal(dim).log(points), gradient(normal(dim).log, points)
            assert value.isfinite().all()
            assert (value.diff() >= 0).all()
            assert slope.isfinite().all()
            assert slope[0].eq(0).all()
            assert (slope[1:, 0] > 0).all()
        assert abs(slope[4, 0] / slope[3, 0] - 1) < 1e-5  # C1 where the paraboloid begins


def test_a_path_through_the_mode_has_the_cost_of_its_integral():
    """``integral of -log(4 q (1 - q)) dr`` along a diameter of the plane, the logarithmic peak included."""
    end = torch.tensor([2.0, 0.0], dtype=F64)
    line = lp.lerp(-end, end, 50)
    facts = lp.audit(line, lambda z: z, normal(2, alpha=1.0))
    with mpmath.workdps(20):
        whole = 2 * mpmath.quad(lambda r: r**2 / 2 - mpmath.log(-4 * mpmath.expm1(-(r**2) / 2)), [0, 0.1, 1, 2])
    assert facts.settled.all()
    assert float(facts.cost) == pytest.approx(float(whole), rel=2e-3)


@pytest.mark.parametrize("make", [lambda: normal(3), lambda: TypicalityIndex(mixture(), samples=500)])
def test_derivatives_agree_with_differences(make):
    index = make()
    torch.manual_seed(44)
    z = index.prior.sample((2,)).requires_grad_()
    assert torch.autograd.gradcheck(index.log, z, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(index.log, z, atol=1e-3)
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(index.log))(z), gradient(index.log, z))


def net(dim, values, seed):
    random = torch.Generator().manual_seed(seed)
    inner = torch.randn(dim, 64, generator=random, dtype=F64) / math.sqrt(dim)
    outer = torch.randn(64, values, generator=random, dtype=F64) / 8
    return lambda z: torch.tanh(z @ inner) @ outer


def test_between_antipodes_the_path_goes_around_the_mode_and_the_realism_path_through_it():
    prior, generator = standard_normal(20, dtype=F64), net(20, 40, 1)
    torch.manual_seed(45)
    start = prior.sample((2,))
    end = 0.1 * prior.sample((2,)) - start
    through = lp.interpolate(generator, prior, start, end, segments=24)
    index = normal(20)
    around = lp.interpolate(generator, index, start, end, segments=24, strict=True)
    line = lp.audit(lp.lerp(start, end, 24), generator, index)
    assert (through.latents.norm(dim=-1).amin(-1) < 0.5).all()
    assert (around.latents.norm(dim=-1).amin(-1) > 3).all()
    assert (around.cost < 0.1 * line.cost).all()
    assert around.ri[:, 1:-1].median() > 0.9


def test_exact_antipodes_of_a_symmetric_generator_need_restarts():
    """A saddle: nothing tells the two ways around apart. The result is finite all the same, and restarts find one."""
    end = torch.zeros(3, dtype=F64)
    end[0] = math.sqrt(3)
    stuck = lp.interpolate(lambda z: z, normal(3), -end, end, segments=16, max_evaluations=30)
    free = lp.interpolate(lambda z: z, normal(3), -end, end, segments=16, restarts=lp.Restarts(3, graph=False))
    for path in (stuck, free):
        assert path.latents.isfinite().all()
        assert path.cost.isfinite().all()
    assert free.cost < 0.9 * stuck.cost
    assert free.latents.norm(dim=-1).amin() > 1


def test_float32_agrees_with_float64_and_nan_stays_where_it_is():
    torch.manual_seed(46)
    z = torch.randn(50, 20)
    z[1, 0] = math.nan
    assert normal(20).log(z).isnan().nonzero().tolist() == [[1]]
    torch.testing.assert_close(normal(20).log(z).double(), normal(20).log(z.double()), equal_nan=True)


def test_it_tells_what_it_is_and_cannot_be_changed():
    assert repr(normal(20)) == "TypicalityIndex(Independent(Normal), dim=20, kind='normal', alpha=0.9)"
    with pytest.raises(AttributeError, match="a TypicalityIndex cannot be changed"):
        normal(20).alpha = 0.5


@pytest.mark.parametrize(
    "prior",
    [uniform_ball(3, 2.0), uniform_box(3), Independent(torch.distributions.Uniform(torch.zeros(2), torch.ones(2)), 1)],
)
def test_a_uniform_prior_has_no_typicality(prior):
    with pytest.raises(InputError, match="more than one density.* uniform"):
        TypicalityIndex(prior)


def test_arguments_are_validated_as_by_the_realism_index():
    with pytest.raises(InputError, match=r"alpha .*\(0, 1\]"):
        normal(2, alpha=0)
    with pytest.raises(InputError, match="batch_shape"):
        TypicalityIndex(Normal(torch.zeros(3), 1.0))
    with pytest.raises(InputError, match=r"TypicalityIndex.*alpha=0.9.* 0.5"):
        lp.interpolate(lambda z: z, normal(2), torch.zeros(2), torch.ones(2), alpha=0.5)
