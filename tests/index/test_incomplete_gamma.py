"""The exact index of normal priors: 50 digits, the table, equation 1, and other forms of the same normal."""

from __future__ import annotations

import math

import mpmath
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from prior_examples import (
    F64,
    draw,
    fisher_approximation,
    index_of,
    low_rank,
)
from torch.distributions import (
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
)

from latentpath import priors
from latentpath.index import RealismIndex


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
    mean, cov = low_rank().mean, low_rank().covariance_matrix
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
