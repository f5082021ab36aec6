"""Bounded supports: outside them the index is 0, and never NaN."""

from __future__ import annotations

import math

import pytest
import torch
from prior_examples import halves
from torch.distributions import (
    AffineTransform,
    Beta,
    Categorical,
    ComposeTransform,
    ExpTransform,
    Gamma,
    HalfNormal,
    Independent,
    LogNormal,
    MixtureSameFamily,
    Normal,
    Pareto,
    SigmoidTransform,
    StickBreakingTransform,
    TransformedDistribution,
    Uniform,
)

import latentpath as lp
from latentpath.errors import InputError
from latentpath.index import RealismIndex

F64 = torch.float64


def betas():
    return Independent(Beta(4 * halves(), 4 * halves()), 1)


def normals():
    return Independent(Normal(0 * halves(), 2 * halves()), 1)


SHIFT = AffineTransform(1.0, 3.0)
BOUNDED = {
    "affine beta": (lambda: TransformedDistribution(betas(), SHIFT), [1.5, 2.0], [0.5, 2.0]),
    "nested": (
        lambda: TransformedDistribution(TransformedDistribution(betas(), SHIFT), ExpTransform()),
        [5.0, 6.0],
        [2.0, 6.0],
    ),
    "composed": (
        lambda: TransformedDistribution(betas(), ComposeTransform([SHIFT, ExpTransform(), AffineTransform(1.0, -2.0)])),
        [-9.0, -9.0],
        [3.0, -9.0],
    ),
    "logit normal, wider": (
        lambda: TransformedDistribution(normals(), [SigmoidTransform(), AffineTransform(0.0, 2.0)]),
        [1.5, 0.5],
        [2.5, 0.5],
    ),
    "shifted gammas": (
        lambda: Independent(TransformedDistribution(Gamma(4 * halves(), 2 * halves()), AffineTransform(1.0, 1.0)), 1),
        [1.5, 1.5],
        [0.5, 1.5],
    ),
    "log-normal": (lambda: Independent(LogNormal(halves(), halves()), 1), [1.5, 1.5], [-0.5, 1.5]),
    "pareto": (lambda: Independent(Pareto(2 * halves(), 6 * halves()), 1), [1.5, 1.5], [0.5, 1.5]),
    "half normal": (lambda: Independent(HalfNormal(2 * halves()), 1), [0.5, 0.5], [-1.5, 0.5]),
    "stick": (
        lambda: TransformedDistribution(normals(), StickBreakingTransform()),
        [0.2, 0.3, 0.5],
        [1.2, 0.3, -0.5],
    ),
    "mixture of shifted betas": (
        lambda: MixtureSameFamily(
            Categorical(halves()),
            TransformedDistribution(
                Independent(Beta(torch.full((2, 2), 2.0, dtype=F64), torch.full((2, 2), 3.0, dtype=F64)), 1),
                AffineTransform(torch.tensor([[0.0], [5.0]], dtype=F64), 1.0),
            ),
        ),
        [0.5, 0.4],
        [3.0, 3.0],
    ),
    "mixture of boxes": (
        lambda: MixtureSameFamily(
            Categorical(halves()),
            Independent(Uniform(torch.tensor([[0.0, 0.0], [5.0, 5.0]]), torch.tensor([[1.0, 1.0], [7.0, 7.0]])), 1),
        ),
        [0.5, 0.4],
        [3.0, 3.0],
    ),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_outside_a_support_the_index_is_0_and_never_nan(name):
    make, inside, outside = BOUNDED[name]
    prior = make()
    z = torch.tensor([inside, outside, [math.nan] * len(inside)], dtype=F64).requires_grad_()
    index = RealismIndex(prior, samples=300)
    value = index.log(z)
    assert value[0].isfinite()
    assert value[1] == -math.inf
    assert value[2].isnan()
    slope = torch.autograd.grad(value[:2].sum(), z)[0]
    assert slope[0].isfinite().all()
    assert not slope[1].any()
    torch.testing.assert_close(index.log(z.view(3, 1, -1)).flatten(), value, equal_nan=True)
    with torch.no_grad():
        torch.testing.assert_close(
            torch.func.vmap(index.log)(z.detach()), value.detach(), equal_nan=True, rtol=1e-12, atol=1e-12
        )


def test_inside_it_the_density_of_a_mixture_is_pytorchs():
    prior = BOUNDED["mixture of shifted betas"][0]()
    torch.manual_seed(80)
    z = prior.sample((50,))
    expected = torch.stack(
        [prior.component_distribution.expand((2,)).log_prob(point.expand(2, 2)).nan_to_num(-math.inf) for point in z]
    )
    expected = torch.logsumexp(expected + math.log(0.5), -1)
    torch.testing.assert_close(RealismIndex(prior, samples=100)._rule.density(z), expected)


@pytest.mark.parametrize("name", ["affine beta", "composed", "mixture of boxes"])
def test_an_end_outside_a_support_is_refused_as_such(name):
    make, inside, outside = BOUNDED[name]
    with pytest.raises(InputError, match="prior's support"):
        lp.interpolate(lambda z: z, make(), torch.tensor(inside, dtype=F64), torch.tensor(outside, dtype=F64))


class Logs:
    """No support is known; the formula is NaN outside."""

    def log_prob(self, z):
        return z.log().sum(-1) - z.sum(-1)

    def sample(self, shape):
        return Gamma(torch.full((2,), 2.0, dtype=F64), 1.0).sample(shape)


def test_a_density_that_is_not_a_number_is_outside():
    index = RealismIndex(Logs(), samples=300)
    assert index(torch.tensor([[1.0, 1.0], [-1.0, 1.0]], dtype=F64))[1] == 0
