"""Priors of every kind, and their indices, for the tests of the realism index."""

from __future__ import annotations

import functools
import math

import torch
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
from latentpath.index import RealismIndex

F64 = torch.float64


def halves(count=2):
    return torch.full((count,), 0.5, dtype=F64)


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


def correlated():
    generator = torch.Generator().manual_seed(11)
    factor = torch.randn(6, 6, dtype=F64, generator=generator)
    return MultivariateNormal(torch.arange(6, dtype=F64), factor @ factor.T + 0.1 * torch.eye(6, dtype=F64))


def low_rank():
    generator = torch.Generator().manual_seed(12)
    factor = 3 * torch.randn(7, 2, dtype=F64, generator=generator)
    return LowRankMultivariateNormal(torch.ones(7, dtype=F64), factor, torch.linspace(0.1, 2, 7, dtype=F64))


def fitted():
    generator = torch.Generator().manual_seed(13)
    points = torch.randn(900, 4, dtype=F64, generator=generator)
    return priors.fit(torch.cat([points, points * torch.tensor([0.3, 1.0, 2.0, 1.0]) + 7]))


MAKERS = {
    "normal": lambda: priors.standard_normal(20, dtype=F64),
    "scaled": lambda: Independent(Normal(torch.arange(3, dtype=F64), torch.tensor([0.1, 1.0, 9.0], dtype=F64)), 1),
    "correlated": correlated,
    "low-rank": low_rank,
    "semicircle": lambda: priors.semicircle(dtype=F64),
    "fitted": fitted,
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
