"""Priors of an index: subclasses, bounded supports, other libraries, dtypes and devices."""

from __future__ import annotations

import contextlib

import pytest
import torch
import zuko
from prior_examples import halves
from torch import nn
from torch.distributions import (
    AffineTransform,
    Bernoulli,
    Beta,
    Categorical,
    Independent,
    Laplace,
    LowRankMultivariateNormal,
    MixtureSameFamily,
    Multinomial,
    MultivariateNormal,
    Normal,
    OneHotCategorical,
    Poisson,
    TransformedDistribution,
)

import latentpath as lp
from latentpath import priors
from latentpath.errors import InputError
from latentpath.index import RealismIndex, ScoreIndex, TypicalityIndex
from latentpath.index.prior_adapter import draw as draw_from
from latentpath.models.sampling import draw

F64 = torch.float64


@contextlib.contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


# ---------------------------------------------------------------------------------------------------------- subclasses


class NamedNormal(MultivariateNormal):
    pass


class NamedFactor(Normal):
    pass


class NamedLowRank(LowRankMultivariateNormal):
    pass


class NamedMixture(MixtureSameFamily):
    pass


class NamedBox(priors.UniformBox):
    pass


class Sharpened(MultivariateNormal):
    """Another density under the same parameters."""

    def log_prob(self, value):
        return 2 * super().log_prob(value)


class Shifted(MultivariateNormal):
    """Other draws under the same parameters."""

    def rsample(self, sample_shape=()):
        return super().rsample(sample_shape) + 1


ZERO, ONE, EYE = torch.zeros(3, dtype=F64), torch.ones(3, dtype=F64), torch.eye(3, dtype=F64)


@pytest.mark.parametrize(
    ("prior", "kind"),
    [
        (NamedNormal(ZERO, EYE), "normal"),
        (Independent(NamedFactor(ZERO, ONE), 1), "normal"),
        (NamedLowRank(ZERO, torch.zeros(3, 1, dtype=F64), ONE), "normal"),
        (zuko.distributions.DiagNormal(ZERO, ONE), "normal"),
        (NamedMixture(Categorical(torch.ones(1, dtype=F64)), NamedNormal(ZERO[None], EYE[None])), "normal"),
        (NamedBox(-ONE, ONE), "uniform"),
        (zuko.distributions.BoxUniform(-ONE, ONE), "uniform"),
    ],
)
def test_a_subclass_with_the_density_of_its_base_has_its_exact_index(prior, kind):
    index = RealismIndex(prior)
    assert index.kind == kind
    assert f"kind='{kind}'" in repr(index)
    assert index(ZERO) == 1
    if kind == "normal":
        z = torch.linspace(-2, 3, 15, dtype=F64).view(5, 3)
        expected = RealismIndex(priors.standard_normal(3, dtype=F64)).log(z)
        torch.testing.assert_close(index.log(z), expected, rtol=1e-12, atol=1e-13)


def test_a_subclass_of_a_normal_in_a_mixture_keeps_the_fast_density():
    means = torch.stack([ZERO, 4 * ONE])
    prior = NamedMixture(Categorical(torch.ones(2, dtype=F64)), NamedNormal(means, EYE.expand(2, 3, 3)))
    plain = MixtureSameFamily(Categorical(torch.ones(2, dtype=F64)), MultivariateNormal(means, EYE.expand(2, 3, 3)))
    index, expected = RealismIndex(prior, samples=300), RealismIndex(plain, samples=300)
    assert type(index._rule.density) is type(expected._rule.density)
    z = torch.linspace(-2, 3, 15, dtype=F64).view(5, 3)
    assert torch.equal(index.log(z), expected.log(z))


@pytest.mark.parametrize("make", [Sharpened, Shifted])
def test_a_subclass_that_changes_density_or_draws_is_estimated(make):
    assert RealismIndex(make(ZERO, EYE), samples=200).kind == "kde"


def test_a_density_put_on_an_object_is_its_density():
    prior = MultivariateNormal(ZERO, EYE)
    prior.log_prob = lambda value: -value.abs().sum(-1)
    assert RealismIndex(prior, samples=200).kind == "kde"


# ------------------------------------------------------------------------------------------------------ other libraries


class NFlow(nn.Module):
    """Has the methods of nflows' ``Flow``: ``sample`` takes a number, and raises a TypeError for anything else."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([1.0, 2.0], dtype=F64))

    def log_prob(self, inputs, context=None):
        assert inputs.dim() == 2
        return Normal(0 * self.scale, self.scale).log_prob(inputs).sum(-1)

    def sample(self, num_samples, context=None, batch_size=None):
        if not isinstance(num_samples, int) or num_samples < 1:
            raise TypeError("Number of samples must be a positive integer.")
        return self.scale.detach() * torch.randn(num_samples, 2, dtype=F64)


class NormFlow(NFlow):
    """Has the methods of normflows' ``NormalizingFlow``: latents come with their log-density."""

    def log_prob(self, x):
        return super().log_prob(x)

    def sample(self, num_samples=1):
        z = self.scale * torch.randn((num_samples, 2), dtype=F64)
        return z, self.log_prob(z)


class Pairs:
    """By shapes, but a pair."""

    def log_prob(self, z):
        return NFlow().log_prob(z.reshape(-1, 2)).reshape(z.shape[:-1]).detach()

    def sample(self, shape):
        z = torch.tensor([1.0, 2.0], dtype=F64) * torch.randn(*shape, 2, dtype=F64)
        return z, None


@pytest.mark.parametrize("make", [NFlow, NormFlow, Pairs])
def test_priors_of_other_libraries_work_as_they_are(make):
    prior = make()
    exact = RealismIndex(Independent(Normal(torch.zeros(2, dtype=F64), torch.tensor([1.0, 2.0], dtype=F64)), 1))
    index = RealismIndex(prior)
    assert index.prior is prior
    assert type(prior).__name__ in repr(index)
    torch.manual_seed(81)
    z = exact.prior.sample((4, 50))
    assert (index(z) - exact(z)).abs().max() < 0.03
    start, end = torch.tensor([1.0, -2.0], dtype=F64), torch.tensor([-0.5, 2.5], dtype=F64)
    paths = [lp.interpolate(lambda z: z, given, start, end, segments=8, restarts=3) for given in (prior, index)]
    assert torch.equal(paths[0].latents, paths[1].latents)
    assert TypicalityIndex(prior, samples=300).log(z).isfinite().all()
    assert ScoreIndex(prior, score=lambda z: -z.square().sum(-1), samples=300).dim == 2


class Random(NFlow):
    def log_prob(self, inputs):
        return super().log_prob(inputs) + torch.randn(len(inputs), dtype=F64)


class Coupled(NFlow):
    def log_prob(self, inputs):
        return super().log_prob(inputs - inputs.mean(0))


class Wordless(NFlow):
    def sample(self, num_samples):
        raise TypeError("unsupported")


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (Random(), "eval"),
        (Coupled(), "eval"),
        (Wordless(), "sample.*unsupported.*log_prob"),
        (OneHotCategorical(torch.ones(3)), "continuous.*OneHotCategorical"),
        (Independent(Bernoulli(halves()), 1), "continuous"),
        (Independent(Poisson(halves()), 1), "continuous"),
        (Multinomial(3, torch.ones(3)), "continuous"),
        (Categorical(torch.ones(3)), "continuous"),
        (TransformedDistribution(Independent(Bernoulli(halves()), 1), AffineTransform(0.0, 2.0)), "continuous"),
        (MixtureSameFamily(Categorical(halves()), Independent(Bernoulli(torch.full((2, 3), 0.5)), 1)), "continuous"),
        (zuko.flows.MAF(2), "zuko_prior"),
    ],
)
def test_what_cannot_be_a_prior_is_refused_with_what_to_do(prior, message):
    with pytest.raises(InputError, match=message):
        RealismIndex(prior)
    with pytest.raises(InputError, match=message):
        lp.interpolate(lambda z: z, prior, torch.zeros(2), torch.ones(2))


def test_an_error_never_shows_the_data():
    with pytest.raises(InputError) as caught:
        RealismIndex(torch.randn(5000, 20))
    assert len(str(caught.value)) < 400


# ------------------------------------------------------------------------------------------- default dtype and device


def net(dim, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(dim, 8), nn.Tanh(), nn.Linear(8, 12)).eval()


SINGLE = {
    "normal": lambda: priors.standard_normal(3),
    "semicircle": lambda: priors.semicircle(3),
    "laplace": lambda: Independent(Laplace(torch.zeros(3), torch.ones(3)), 1),
    "box": lambda: priors.uniform_box(3),
}


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("restarts", [None, 4])
def test_float32_models_work_under_a_default_of_float64(name, restarts):
    """The solve is the one that is found under the usual default, to rounding."""
    generator, prior = net(3), SINGLE[name]()
    torch.manual_seed(82)
    start, end = prior.sample((2, 3))
    options = {"segments": 6, "max_evaluations": 20, "restarts": restarts}
    for index in (RealismIndex, TypicalityIndex)[: 1 if name == "box" else 2]:
        expected = lp.interpolate(generator, index(prior), start, end, **options)
        with default_dtype(F64):
            found = lp.interpolate(generator, index(prior), start, end, **options)
        assert found.latents.dtype == torch.float32
        torch.testing.assert_close(found.cost, expected.cost, rtol=1e-2, atol=1e-3)


def test_a_path_that_needs_finer_parts_works_under_a_default_of_float64():
    prior = priors.standard_normal(3)
    stops = torch.tensor([[1.0, 2.0, 0.0], [-2.0, 1.0, 1.0], [0.0, -3.0, 1.0]])
    generator = net(3)
    with default_dtype(F64):
        wall = lambda z: -z.square().sum(-1) - 0.1  # noqa: E731
        path = lp.interpolate(generator, wall, stops[:2], stops[1:], segments=6, max_evaluations=20, restarts=4)
        loop = lp.interpolate_through(generator, prior, stops, segments=6, restarts=3, smooth=0.5)
    assert path.latents.dtype == loop.latents.dtype == torch.float32
    assert path.cost.isfinite().all()


ON_CPU = {
    "normal": lambda: priors.standard_normal(3, device="cpu"),
    "semicircle": lambda: priors.semicircle(3, device="cpu"),
    "box": lambda: priors.uniform_box(3, device="cpu"),
    "ball": lambda: priors.uniform_ball(3, device="cpu"),
    "laplace": lambda: Independent(Laplace(torch.zeros(3, device="cpu"), torch.ones(3, device="cpu")), 1),
    "betas": lambda: TransformedDistribution(
        Independent(Beta(torch.full((3,), 2.0, device="cpu"), torch.full((3,), 2.0, device="cpu")), 1),
        AffineTransform(-3.0, 6.0),
    ),
    "flow": NFlow,
}


class Careless:
    """Draws without saying where."""

    def log_prob(self, z):
        return -z.square().sum(-1)

    def sample(self, shape):
        return torch.randn(*shape, 3)


@pytest.mark.parametrize("name", [*ON_CPU, "careless"])
def test_whatever_the_default_device_all_draws_land_on_that_of_the_prior(name):
    with torch.device("cpu"):
        prior = Careless() if name == "careless" else ON_CPU[name]()
        index = RealismIndex(prior, samples=100)
        z = draw_from(prior, index.dim, 6, 0)
        expected = index.log(z)
    with torch.device("meta"):
        prior = prior if name in ("careless", "flow") else ON_CPU[name]()
        again = RealismIndex(prior, samples=100)
        assert torch.equal(draw_from(prior, again.dim, 6, 0), z)
        assert torch.equal(again.log(z), expected)
        if name not in ("box", "ball"):
            assert TypicalityIndex(prior, samples=100).log(z).isfinite().all()
        random = torch.Generator("cpu").manual_seed(0)
        assert name in ("flow", "careless") or draw(prior, 4, random).device.type == "cpu"
        path = lp.interpolate(lambda z: 3 * z, prior, z[:2], z[2:4], segments=6, max_evaluations=10, restarts=5)
    assert path.latents.device.type == "cpu"
    assert path.cost.isfinite().all()


@pytest.mark.parametrize("dim", [7, 40])
def test_tables_and_probes_are_made_on_the_latents_device(dim):
    """In dimensions that no other test has a table for, and where the preconditioner probes at random."""
    with torch.device("meta"):
        prior = priors.standard_normal(dim, device="cpu", dtype=F64)
        ends = draw(prior, 2, torch.Generator("cpu").manual_seed(1))
        wall = lambda z: -z.square().sum(-1) / dim - 0.1  # noqa: E731
        for index in (RealismIndex(prior), TypicalityIndex(prior), wall):
            path = lp.interpolate(lambda z: z.sin(), index, ends[:1], ends[1:], segments=6, restarts=4)
            assert path.cost.isfinite().all()
