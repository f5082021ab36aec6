"""In which precision things are computed: under the caller's autocast, by networks in half, from odd dtypes."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
import zuko
from diffusers import AutoencoderKL
from torch import Tensor, nn

import latentpath as lp
from latentpath import adapters, priors
from latentpath.callables import any_precision, in_weights_dtype
from latentpath.energy import even_in_data
from latentpath.errors import InputError

PRIOR = priors.standard_normal(3)
START, END = torch.tensor([1.2, -0.4, 0.3]), torch.tensor([-0.8, 0.9, 0.5])
HALF = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])


def network(dim: int = 3, values: int = 8) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(dim, 16), nn.Tanh(), nn.Linear(16, values)).eval()


def solve(generator: Callable[[Tensor], Tensor], prior: object = PRIOR, **options: object) -> lp.Path:
    return lp.interpolate(generator, prior, START, END, **{"segments": 4, "max_evaluations": 20, **options})


# ---------------------------------------------------------------------------------------------------------------------
# The caller's autocast.

NET, JUDGE = network(), network(8, 1)
INDEX = lp.RealismIndex(PRIOR)
LINE = lp.lerp(START, END, 4)[None]
PATH = solve(NET)
REAL = NET(torch.eye(3)).detach()


def kde() -> lp.RealismIndex:
    return lp.RealismIndex(priors.semicircle(3), samples=200)


def bound(name: str) -> Callable[[], Tensor]:
    """The path of ``PATH``'s source, solved without autocast, asked for more."""
    asked = {
        "at": lambda: PATH.at(7),
        "frames": lambda: PATH.frames(7),
        "resample": lambda: PATH.resample(6).cost,
        "report": lambda: torch.tensor(PATH.report()["slerp"].cost),
    }
    return asked[name]


UNDER_AUTOCAST: dict[str, Callable[[], Tensor]] = {
    "interpolate": lambda: solve(NET).latents,
    "with restarts": lambda: solve(NET, restarts=3).latents,
    "interpolate_through": lambda: (
        lp.interpolate_through(NET, PRIOR, torch.eye(3), segments=4, smooth=0.5, max_evaluations=9).latents
    ),
    "invert": lambda: lp.invert(lp.Model(NET, PRIOR), torch.ones(1, 8) / 4, steps=5, starts=2).latents,
    "encode": lambda: lp.Model(NET, PRIOR, encoder=network(8, 3)).encode(REAL),
    "audit": lambda: lp.audit(LINE, NET, INDEX).segment_cost,
    "energy": lambda: lp.energy(LINE, NET, INDEX),
    "cost": lambda: lp.discrete_cost(LINE, NET, INDEX),
    "length": lambda: lp.length(LINE, NET),
    "even_in_data": lambda: even_in_data(LINE, NET, 7),
    "metric_tensor": lambda: lp.metric_tensor(LINE, NET, INDEX),
    "a callable index": lambda: lp.energy(LINE, NET, lambda z: -nn.functional.softplus(JUDGE(NET(z)))[:, 0]),
    **{name: bound(name) for name in ("at", "frames", "resample", "report")},
    "an index of density": lambda: kde().log(LINE),
    "an index of typicality": lambda: lp.TypicalityIndex(priors.semicircle(3), samples=200).log(LINE),
    "an index of scores": lambda: lp.DiscriminatorIndex(PRIOR, generator=NET, discriminator=JUDGE, samples=100).log(
        LINE
    ),
    "an index of neighbours": lambda: lp.KNNIndex(PRIOR, generator=NET, references=REAL, neighbours=1, samples=100).log(
        LINE
    ),
    "a normal prior that is not round": lambda: lp.RealismIndex(
        torch.distributions.MultivariateNormal(torch.zeros(3), torch.eye(3) + 0.3 * torch.ones(3, 3))
    ).log(LINE),
}


@pytest.mark.parametrize("measure", UNDER_AUTOCAST.values(), ids=UNDER_AUTOCAST)
def test_the_callers_autocast_changes_nothing(measure: Callable[[], Tensor]) -> None:
    plain = measure()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(measure(), plain)
        assert torch.is_autocast_enabled("cpu")


def test_a_generators_own_autocast_is_its_own() -> None:
    def generator(z: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return NET(z)

    plain = lp.length(LINE, generator)
    assert not torch.equal(plain, lp.length(LINE, NET))
    with torch.autocast("cpu", dtype=torch.float16):
        assert torch.equal(lp.length(LINE, generator), plain)


def test_an_error_under_autocast_leaves_it_as_it_was() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with pytest.raises(InputError):
            lp.interpolate(NET, PRIOR, START, END, segments=0)
        assert torch.is_autocast_enabled("cpu")


# ---------------------------------------------------------------------------------------------------------------------
# Half precision.


@HALF
@pytest.mark.parametrize("latents", [torch.float32, torch.float64])
def test_a_linear_network_in_half_precision_has_the_exact_metric_and_length(
    dtype: torch.dtype, latents: torch.dtype
) -> None:
    net = nn.Linear(2, 3, bias=False)
    net.weight.data = torch.tensor([[1.0, 0.5], [-2.0, 0.0], [0.0, 4.0]])  # which both dtypes hold exactly
    net = net.eval().to(dtype).requires_grad_(False)
    matrix = net.weight.to(latents).T @ net.weight.to(latents)
    flat = lambda z: -2 * torch.ones_like(z[..., 0])  # noqa: E731
    points = torch.tensor([[0.3, -0.7], [0.1, 0.2]], dtype=latents)
    torch.testing.assert_close(lp.metric_tensor(points, net, flat), 4 * matrix.expand(2, 2, 2))
    line = lp.lerp(torch.zeros(2, dtype=latents), torch.tensor([1.0, -0.5], dtype=latents), 4)
    assert lp.length(line, net).dtype == latents
    assert float(lp.length(line, net)) == pytest.approx((0.75**2 + 2**2 + 2**2) ** 0.5, rel=1e-6)
    assert float(lp.energy(line, net, flat)) == pytest.approx(2 * (0.75**2 + 2**2 + 2**2), rel=1e-6)


@HALF
def test_a_network_in_half_precision_is_solved_shown_and_inverted_in_the_latents_dtype(dtype: torch.dtype) -> None:
    net = network().to(dtype)
    path = solve(net)
    assert {x.dtype for x in (path.latents, path.cost, path.frames(3), path.ri)} == {torch.float32}
    assert float(path.cost) <= 1.001 * float(lp.audit(lp.lerp(START, END, 4), net, INDEX).cost)
    assert torch.equal(path.latents[0, [0, -1]], torch.stack([START, END]))
    model = lp.Model(net, PRIOR, encoder=network(8, 3).to(dtype))
    images = path.frames(3)[0]
    assert model.encode(images).dtype == torch.float32
    assert model.encode(images.to(dtype)).dtype == torch.float32
    assert lp.invert(model, images, steps=3, starts=2).latents.dtype == torch.float32


@HALF
def test_networks_of_an_index_and_an_embedding_may_be_in_half_precision_or_not(dtype: torch.dtype) -> None:
    whole, half = network(8, 4), network(8, 4).to(dtype)
    net, score = network().to(dtype), network(3, 1).to(dtype)
    for features in (whole, half):
        assert lp.ClassifierIndex(PRIOR, generator=net, classifier=features, samples=50)(LINE).dtype == torch.float32
        assert (
            lp.KNNIndex(PRIOR, generator=net, references=torch.randn(9, 8), features=features, samples=50)(LINE).dtype
            == torch.float32
        )
        assert bool(solve(net, embed=features).cost.isfinite().all())
    assert bool(solve(net, lp.ScoreIndex(PRIOR, score=score, samples=50)).cost.isfinite().all())


class Upcast(nn.Linear):
    """Weights stored in half precision, products in that of the latents."""

    def forward(self, z: Tensor) -> Tensor:
        self.given = z.dtype
        return nn.functional.linear(z, self.weight.to(z.dtype), self.bias.to(z.dtype))


@HALF
def test_a_network_that_takes_latents_as_they_are_gets_them_as_they_are(dtype: torch.dtype) -> None:
    net = Upcast(3, 2).eval().to(dtype)
    assert torch.equal(any_precision(net)(LINE), net(LINE))
    assert net.given == torch.float32
    exact = torch.nn.functional.linear(LINE.double(), net.weight.double(), net.bias.double())
    torch.testing.assert_close(lp.length(LINE, net), exact.diff(dim=1).norm(dim=-1).sum(-1).float())


@HALF
def test_what_is_no_network_in_half_precision_is_left_as_it_is(dtype: torch.dtype) -> None:
    net, half = network(), network().to(dtype)
    assert in_weights_dtype(net) is net
    assert in_weights_dtype(torch.sin) is torch.sin
    assert in_weights_dtype(half.__call__)(START[None]).dtype == dtype
    assert in_weights_dtype(half)(START[None].to(dtype)).dtype == dtype
    with pytest.raises(lp.LatentPathError, match="half precision"):
        solve(lambda z: half(z) + 0)
    assert bool(solve(lambda z: half(z.to(dtype))).cost.isfinite().all())
    index = lp.ScoreIndex(PRIOR, score=network(3, 1), samples=50)
    assert torch.equal(pickle.loads(pickle.dumps(index))(LINE), index(LINE))


def tiny_autoencoder() -> AutoencoderKL:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoencoderKL(
            block_out_channels=(8,), norm_num_groups=4, latent_channels=4, sample_size=4, scaling_factor=0.18215
        ).eval()


@HALF
@pytest.mark.filterwarnings("ignore")
def test_an_autoencoder_in_half_precision_works_with_its_own_prior_and_encoder(dtype: torch.dtype) -> None:
    whole = adapters.diffusers_autoencoder(tiny_autoencoder())
    model = adapters.diffusers_autoencoder(tiny_autoencoder().to(dtype))
    images = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    start, end = model.encode(images)
    torch.testing.assert_close(torch.stack([start, end]), whole.encode(images), rtol=0.1, atol=0.02)
    path = lp.interpolate(model.generator, model.prior, start, end, segments=3, max_evaluations=3)
    assert path.frames(2).dtype == model.prior.sample().dtype == torch.float32
    expected = whole.generator(torch.stack([start, end]))
    torch.testing.assert_close(path.frames(2)[0], expected, rtol=0.1, atol=0.1)


class Told(nn.Module):
    """``z A + h B``, with whatever it is told beside the latents."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.other = nn.Linear(3, 4), nn.Linear(2, 4)

    def forward(self, z: Tensor, told: Tensor) -> Tensor:
        return self.body(z) + self.other(told)


def adapted(dtype: torch.dtype) -> dict[str, lp.Model]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        told, flow = Told().eval().to(dtype), zuko.flows.MAF(3, transforms=1, hidden_features=(8,)).eval().to(dtype)
    ball = priors.uniform_ball(3, 2.0)
    return {
        "conditional": lp.Model(adapters.conditional(told, [1.0, 2.0]), PRIOR),
        "fixed_noise": lp.Model(adapters.fixed_noise(told, torch.ones(2), as_="told"), PRIOR),
        "hypersphere": lp.Model(adapters.hypersphere(network().to(dtype)), ball),
        "zuko_flow": adapters.zuko_flow(flow),
        "zuko_prior": lp.Model(lambda z: z, adapters.zuko_prior(flow)),
    }


@HALF
@pytest.mark.parametrize("name", ["conditional", "fixed_noise", "hypersphere", "zuko_flow", "zuko_prior"])
def test_every_adapter_takes_a_network_in_half_precision(dtype: torch.dtype, name: str) -> None:
    half, whole = adapted(dtype)[name], adapted(torch.float32)[name]
    points = torch.stack([START, END])
    assert half.prior is not None
    assert half.prior.sample().dtype == torch.float32
    made = any_precision(half.generator)(points)
    torch.testing.assert_close(made, whole.generator(points), rtol=0.05, atol=0.05)
    path = solve(half.generator, half.prior)
    assert path.frames(3).dtype == torch.float32
    assert bool(path.cost.isfinite().all())


@HALF
def test_a_latent_of_many_large_values_in_half_precision_finds_its_place_on_the_sphere(dtype: torch.dtype) -> None:
    z = torch.full((1, 400), 40.0, dtype=dtype)  # whose squares sum to more than float16 holds
    torch.testing.assert_close(adapters.hypersphere(lambda z: z)(z), torch.ones(1, 400, dtype=dtype))


# ---------------------------------------------------------------------------------------------------------------------
# Odd dtypes and devices.

REFUSED = {
    "bytes": (START.byte(), "uint8.*float()"),
    "truth values": (START > 0, "bool.*float()"),
    "complex": (START.to(torch.complex64), "complex64.*view_as_real"),
    "half": (START.half(), "float16.*float().*half precision"),
    "brain": (START.bfloat16(), "bfloat16.*float().*half precision"),
    "eight bits": (START.to(torch.float8_e4m3fn), "float8_e4m3fn.*float()"),
    "no numbers": (START.to("meta"), "meta"),
    "sparse": (START.to_sparse(), "sparse.*to_dense"),
}


@pytest.mark.parametrize(("start", "says"), REFUSED.values(), ids=REFUSED)
def test_endpoints_without_usable_numbers_are_refused(start: Tensor, says: str) -> None:
    with pytest.raises(InputError, match=says):
        lp.interpolate(NET, PRIOR, start, start)


def test_weights_without_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="meta.*load_state_dict"):
        solve(copy.deepcopy(NET).to("meta"))


def test_endpoints_below_the_normal_numbers_are_points_like_others() -> None:
    tiny = torch.finfo(torch.float32).smallest_normal / 8
    path = lp.interpolate(NET, PRIOR, torch.full((3,), tiny), torch.full((3,), 1.0), segments=4)
    assert torch.equal(path.start[0], torch.full((3,), tiny))
    assert bool(path.cost.isfinite().all())


# ---------------------------------------------------------------------------------------------------------------------
# Where the adapters are.


def test_adapters_are_a_module_that_loads_none_of_their_libraries() -> None:
    code = (
        "import sys; from latentpath.adapters import zuko_flow; import latentpath as lp; "
        "import latentpath.adapters as module; assert module is lp.adapters and zuko_flow is lp.adapters.zuko_flow; "
        "assert not {'zuko', 'diffusers', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)
    assert set(adapters.__all__) == set(lp.models.adapters.__all__)
