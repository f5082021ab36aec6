"""The index of the density of what the generator makes: exact scores, invariance, uniformity, walls."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import kstest
from torch import Tensor
from torch.distributions import AffineTransform, ComposeTransform, SigmoidTransform, TransformedDistribution

import latentpath as lp
from closed_forms import stereographic
from latentpath.index import PushforwardIndex, RealismIndex
from latentpath.priors import semicircle, standard_normal, uniform_box

zuko = pytest.importorskip("zuko")

F64 = torch.float64
PRIOR = standard_normal(3, dtype=F64)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


INNER, OUTER = normal(3, 8, seed=1), normal(8, 5, seed=2)


def bent(z: Tensor) -> Tensor:
    return torch.cat([z + 0.4 * torch.sin(2 * z), torch.tanh(z @ INNER) @ OUTER], 1)


@pytest.fixture(scope="module")
def index() -> PushforwardIndex:
    return PushforwardIndex(bent, PRIOR)


@pytest.fixture(scope="module")
def flow() -> lp.Model:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = zuko.flows.MAF(3, transforms=2, hidden_features=(8,))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(1.5)
    return lp.adapters.zuko_flow(made.double().eval())


def score(index: PushforwardIndex, z: Tensor) -> Tensor:
    return index._argument(z).detach()


# ------------------------------------------------------------------------------------------------------- exact answers


@pytest.mark.parametrize("outputs", [3, 7])
def test_a_linear_generator_has_the_index_of_the_density(outputs: int) -> None:
    """With the same samples and smoothing up to rounding: the score is the log-density and a constant."""
    A, prior, z = normal(20, outputs + 17), semicircle(dtype=F64), 1.5 * semicircle(dtype=F64).sample((40,))
    pushed = PushforwardIndex(lambda z: z @ A, prior, samples=300)
    expected = RealismIndex(prior, samples=300)
    torch.testing.assert_close(pushed.log(z), expected.log(z), rtol=1e-6, atol=1e-6)
    exact, volume = RealismIndex(PRIOR), 0.5 * torch.logdet(A[:3] @ A[:3].T)
    pushed = PushforwardIndex(lambda z: z @ A[:3], PRIOR, ridge=0, samples=300)
    torch.testing.assert_close(score(pushed, z[:, :3]), PRIOR.log_prob(z[:, :3]) - volume)
    assert (pushed(normal(200, 3)) - exact(normal(200, 3))).abs().max() < 1.63 / math.sqrt(300)


def test_on_the_sphere_the_score_is_the_density_there() -> None:
    """A prior whose density is the volume of the stereographic projection makes the uniform law on the sphere."""
    z = normal(20, 3)
    pushed = PushforwardIndex(stereographic, PRIOR, ridge=0, samples=200)
    expected = PRIOR.log_prob(z) - 3 * (2 / (1 + z.square().sum(-1))).log()
    torch.testing.assert_close(score(pushed, z), expected)


def test_a_flow_scores_by_its_likelihood_exactly_and_without_products(flow: lp.Model) -> None:
    z = normal(200, 3)
    data = flow.generator(z)
    likelihood = flow.generator.distribution().log_prob(data).detach()
    pushed = PushforwardIndex(flow.generator, flow.prior, samples=400)
    torch.testing.assert_close(score(pushed, z), likelihood, rtol=1e-8, atol=1e-8)
    assert pushed.volume_error == 0.0
    by_products = lp.log_volume(z, flow.generator, ridge=0, method="exact")
    torch.testing.assert_close(flow.generator.log_volume(z), by_products, rtol=1e-8, atol=1e-8)
    slopes = [torch.autograd.grad(v(leaf).sum(), leaf)[0] for v in (flow.generator.log_volume, by_exact(flow))
              for leaf in [z[:5].clone().requires_grad_()]]  # fmt: skip
    torch.testing.assert_close(*slopes, rtol=1e-7, atol=1e-7)


def by_exact(flow: lp.Model):
    return lambda z: lp.log_volume(z, flow.generator, ridge=0, method="exact")


# ---------------------------------------------------------------------------------------------------------------- laws


@pytest.mark.parametrize("change", ["affine", "sigmoid"])
def test_a_change_of_latents_changes_nothing(change: str) -> None:
    """With z = h(u) and the prior of u = h^-1(z): the same scores, and the same index at the same data."""
    parts = [AffineTransform(1.0, torch.tensor([0.5, 2.0, 3.0], dtype=F64))]
    parts += [SigmoidTransform()] * (change == "sigmoid")  # u in the unit cube
    of_u, h = TransformedDistribution(PRIOR, parts), ComposeTransform(parts).inv
    pushed, of_z = (
        PushforwardIndex(lambda u: bent(h(u)), of_u, ridge=0, samples=300),
        PushforwardIndex(bent, PRIOR, ridge=0, samples=300),
    )
    z = normal(30, 3)
    torch.testing.assert_close(score(pushed, h.inv(z)), score(of_z, z), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(pushed.log(h.inv(z)), of_z.log(z), rtol=1e-6, atol=1e-6)
    # the density's own index is another one in the new latents
    if change == "sigmoid":
        assert (RealismIndex(of_u)(h.inv(z)) - RealismIndex(PRIOR)(z)).abs().max() > 0.1


def test_the_index_of_a_sample_is_uniform(index: PushforwardIndex) -> None:
    """Within what 2000 samples at either end allow (Kolmogorov and Smirnov, 1 %)."""
    found = index(normal(2000, 3, seed=51)).detach()
    assert kstest(found.numpy(), "uniform").statistic < 1.63 * math.sqrt(2 / 2000)


def test_derivatives_agree_with_differences(index: PushforwardIndex) -> None:
    z = normal(3, 3).requires_grad_()
    assert torch.autograd.gradcheck(index.log, z)
    (slope,) = torch.autograd.grad(index.log(z).sum(), z)
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(index.log))(z), slope, rtol=1e-9, atol=1e-9)
    whole, few = PushforwardIndex(bent, PRIOR, samples=60), PushforwardIndex(bent, PRIOR, samples=60, max_points=4)
    torch.testing.assert_close(*(torch.autograd.grad(i.log(z).sum(), z)[0] for i in (whole, few)), rtol=1e-9, atol=1e-9)


def test_shapes_nan_dtype_and_repetition(index: PushforwardIndex) -> None:
    z = normal(2, 3, 3)
    assert index.log(z).shape == (2, 3)
    assert index.log(z[:0]).shape == (0, 3)
    z[0, 1, 2] = math.nan
    assert index.log(z).isnan().flatten().tolist() == [False, True, False, False, False, False]
    again = PushforwardIndex(bent, PRIOR)
    assert torch.equal(again.log(z[1]), index.log(z[1]))
    assert "volume_error" not in repr(index)
    assert (index.kind, index.decodes, index.volume_error) == ("score", True, 0.0)


def test_of_many_latents_the_volume_is_an_estimate_whose_error_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentpath.volume._EXACT", 64)
    prior = standard_normal(70, dtype=F64)
    stretch = torch.logspace(-0.3, 0.3, 70, dtype=F64)

    def generator(z: Tensor) -> Tensor:
        return torch.sinh(z * stretch)

    pushed = PushforwardIndex(generator, prior, samples=50)
    assert pushed.volume_error > 0
    assert "volume_error" in repr(pushed)
    z = normal(4, 70)
    exact = PushforwardIndex(generator, prior, samples=50, method="exact")
    assert exact.volume_error == 0
    gap = (score(pushed, z) - score(exact, z)).abs()
    assert (gap < 4 * pushed.volume_error).all()


# --------------------------------------------------------------------------------------------------------------- priors


def test_outside_the_support_the_index_is_0() -> None:
    """The wall of a uniform prior stays; inside, the score is minus the log-volume."""
    box = uniform_box(3, -1.0, 1.0, dtype=F64)
    pushed = PushforwardIndex(bent, box, samples=300)
    z = torch.tensor([[0.0, 0.5, -0.5], [0.0, 0.5, -1.5]], dtype=F64, requires_grad=True)
    found = pushed(z)
    assert found[0] > 0
    assert found[1] == 0
    (slope,) = torch.autograd.grad(pushed.log(z)[:1].sum(), z)
    assert slope.isfinite().all()
    assert (torch.autograd.grad(found.sum(), z)[0][1] == 0).all()
    inside = normal(20, 3).clamp(-0.9, 0.9)
    expected = -lp.log_volume(inside, bent) - 3 * math.log(2)
    torch.testing.assert_close(score(pushed, inside), expected)


class Foreign:
    """A prior in the manner of other libraries: ``sample`` takes a number."""

    def log_prob(self, z: Tensor) -> Tensor:
        return PRIOR.log_prob(z)

    def sample(self, count: int) -> Tensor:
        if not isinstance(count, int):
            raise TypeError("a number, please")
        return PRIOR.sample((count,))


def test_a_prior_of_another_library_works() -> None:
    pushed, own = PushforwardIndex(bent, Foreign(), samples=200), PushforwardIndex(bent, PRIOR, samples=200)
    z = normal(5, 3)
    torch.testing.assert_close(pushed.log(z), own.log(z))


# --------------------------------------------------------------------------------------------------- paths, arguments


def test_a_path_goes_where_the_generator_stretches_less() -> None:
    """A ridge of large stretch between the ends: the line crosses it, the path goes around, where data are denser."""

    def hill(z: Tensor) -> Tensor:
        return torch.cat([z, 1.5 * torch.exp(-4 * z.square().sum(-1, keepdim=True))], 1)

    prior = standard_normal(2, dtype=F64)
    pushed = PushforwardIndex(hill, prior, alpha=0.98, samples=500)
    start, end = torch.tensor([[-1.2, 0.1], [1.2, 0.1]], dtype=F64)
    path = lp.interpolate(hill, pushed, start, end, segments=8)
    line = lp.audit(lp.lerp(start, end, 8), hill, pushed)
    assert path.cost < line.cost
    torch.testing.assert_close(path.ri, pushed(path.latents), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"generator": 3}, "generator must be a callable"),
        ({"prior": 3}, "prior must be a torch.distributions.Distribution"),
        ({"alpha": 0}, "alpha must be a number"),
        ({"samples": 1}, "samples must be a whole number"),
        ({"ridge": -1}, "ridge must be a number"),
        ({"method": "guess"}, "method must be one of"),
        ({"max_points": 0}, "max_points must be a whole number"),
        ({"generator": lambda z: 0 * z}, "score must be finite"),
        ({"generator": lambda z: 2 * z, "prior": uniform_box(3)}, "score must tell the prior's samples apart"),
    ],
)
def test_bad_arguments_are_refused(plain, changes: dict, message: str) -> None:
    options = {"generator": bent, "prior": PRIOR, "samples": 20} | changes
    with pytest.raises(plain.errors.InputError, match=message):
        plain.PushforwardIndex(options.pop("generator"), options.pop("prior"), **options)


def test_a_random_or_coupled_generator_is_refused() -> None:
    with pytest.raises(lp.errors.GeneratorError, match="random"):
        PushforwardIndex(lambda z: z * (1 + torch.rand(len(z), 1, dtype=F64)), PRIOR, samples=20)
    with pytest.raises(lp.errors.GeneratorError, match="couples"):
        PushforwardIndex(lambda z: torch.sinh(z - z.mean(0)), PRIOR, samples=20)
