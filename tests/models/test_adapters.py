"""Adapters: exact answers, derivatives of every mode, paths, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import zuko
from diffusers import AutoencoderKL, AutoencoderTiny
from torch import Tensor, nn

import latentpath as lp
from latentpath import adapters, priors
from latentpath.errors import GeneratorError, InputError, MissingDataError, MissingDependencyError

F64 = torch.float64
SHAPE = (4, 4, 4)


def autoencoder(**changes: object) -> AutoencoderKL:
    """A tiny one, with attention in the middle, random but the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = AutoencoderKL(
            block_out_channels=(8, 16),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            norm_num_groups=4,
            latent_channels=4,
            sample_size=8,
            **changes,
        )
    return network.eval()


def flow(kind: str = "MAF", dim: int = 3, context: int = 0) -> zuko.flows.Flow:
    """A tiny one whose transform is far from the identity; in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = getattr(zuko.flows, kind)(dim, context, transforms=2, hidden_features=(8,))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(1.5)
    return made.double().eval()


class Conditional(nn.Module):
    """``tanh(z A + table[label] + onehot B)``: as a label, or as a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.table = nn.Linear(3, 5), nn.Embedding(4, 5)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        shift = self.table(label) if label.dtype == torch.int64 else label @ self.table.weight
        return torch.tanh(self.body(z) + shift)


class Noisy(nn.Module):
    """In the manner of StyleGAN: noise of two resolutions; drawn anew where none is given."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 8)

    def forward(self, z: Tensor, noise: list[Tensor] | None = None) -> Tensor:
        small, large = noise or [torch.randn(len(z), 1, 1, 1), torch.randn(len(z), 1, 2, 2)]
        return torch.tanh(self.body(z).unflatten(1, (2, 2, 2)) + 0.3 * small + 0.3 * large)


def on_sphere() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 6)).double().eval()


CASES: dict[str, Callable[[], lp.Model]] = {
    "autoencoder": lambda: adapters.diffusers_autoencoder(autoencoder().double()),
    "conditional": lambda: lp.Model(
        adapters.conditional(Conditional().double().eval(), 2), priors.standard_normal(3, dtype=F64)
    ),
    "fixed_noise": lambda: lp.Model(
        adapters.fixed_noise(Noisy().double().eval(), [torch.ones(1, 1, 1).double(), torch.randn(1, 2, 2).double()]),
        priors.standard_normal(3, dtype=F64),
    ),
    "hypersphere": lambda: lp.Model(adapters.hypersphere(on_sphere()), priors.uniform_ball(3, 2.0, dtype=F64)),
    "MAF": lambda: adapters.zuko_flow(flow("MAF")),
    "NSF": lambda: adapters.zuko_flow(flow("NSF")),
    "conditional flow": lambda: adapters.zuko_flow(flow("MAF", context=2), torch.tensor([0.5, -1.0], dtype=F64)),
}


@pytest.fixture(params=CASES)
def model(request: pytest.FixtureRequest) -> lp.Model:
    return CASES[request.param]()


def test_forward_reverse_and_both_agree_with_differences(model: lp.Model) -> None:
    assert model.prior is not None
    generator, z = model.generator, model.prior.sample(torch.Size([2]))
    v = torch.randn(2, 2, z.shape[1], dtype=F64) / z.shape[1] ** 0.5

    def push(direction: Tensor) -> Tensor:
        return torch.func.jvp(generator, (z,), (direction,))[1]

    h = 1e-5
    differences = torch.stack([(generator(z + h * v[:, i]) - generator(z - h * v[:, i])) / (2 * h) for i in (0, 1)], 1)
    differences = differences.detach()
    scale = float(differences.abs().max())
    forward = torch.func.vmap(push, 1, 1)(v)
    torch.testing.assert_close(forward, differences, rtol=0, atol=1e-6 * scale)
    torch.testing.assert_close(push(v[:, 1]), forward[:, 1], rtol=0, atol=1e-10 * scale)
    leaf = z.clone().requires_grad_()
    data = generator(leaf)
    weights = torch.randn_like(data)
    (pulled,) = torch.autograd.grad((data * weights).sum(), leaf)
    torch.testing.assert_close(
        (pulled * v[:, 0]).flatten(1).sum(1), (weights * forward[:, 0]).flatten(1).sum(1), rtol=1e-8, atol=1e-10
    )
    both = torch.func.jvp(generator, (leaf := z.clone().requires_grad_(),), (v[:, 0],))[1]
    assert torch.autograd.grad(both.square().sum(), leaf)[0].isfinite().all()


def test_paths_converge_and_cost_no_more_than_the_line(model: lp.Model) -> None:
    assert model.prior is not None
    ends = model.prior.sample(torch.Size([2]))
    path = lp.interpolate(model.generator, model.prior, ends[0], ends[1], segments=4, tol=1e-2)
    line = lp.audit(lp.lerp(ends[:1], ends[1:], 4), model.generator, lp.RealismIndex(model.prior)).cost
    assert str(path.outcome[0]) == "converged"
    assert path.cost.isfinite().all()
    assert float(path.cost) <= float(line) * (1 + 1e-3)


def test_what_is_adapted_moves_with_the_adapter_and_is_not_changed() -> None:
    network = Conditional().eval()
    adapted = adapters.conditional(network, torch.tensor([0.0, 1.0, 0.0, 0.0]))
    assert not any(part.training for part in adapted.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert adapted.double()(torch.zeros(2, 3, dtype=F64)).dtype == F64
    again = adapters.conditional(Conditional().eval(), torch.zeros(4)).double()
    again.load_state_dict(adapted.state_dict())
    z = torch.randn(3, 3, dtype=F64)
    assert torch.equal(again(z), adapted(z))
    autoencoded = adapters.diffusers_autoencoder(autoencoder())
    assert isinstance(autoencoded.generator, nn.Module)
    assert autoencoded.generator.double()(torch.zeros(1, 64, dtype=F64)).dtype == F64


def test_a_condition_is_held_as_a_label_a_vector_or_a_list() -> None:
    network, z = Conditional().eval(), torch.randn(5, 3)
    labels = torch.full((5,), 2)
    expected = network(z, labels)
    assert torch.equal(adapters.conditional(network, 2)(z), expected)
    assert torch.equal(adapters.conditional(network, torch.tensor(2), as_="label")(z), expected)
    torch.testing.assert_close(adapters.conditional(network, [0.0, 0.0, 1.0, 0.0])(z), expected)


def test_a_condition_that_does_not_fit_is_explained() -> None:
    network = Conditional().eval()
    for condition, shape in ((torch.zeros(3), r"\(5, 3\)"), (torch.zeros(2, 3, 1), r"\(5, 2, 3, 1\)")):
        adapted = adapters.conditional(network, condition)
        with pytest.raises(GeneratorError, match=f"with condition {shape}.*of one point, without a batch dimension"):
            adapted(torch.zeros(5, 3))
        with pytest.raises(GeneratorError, match="of one point, without a batch dimension"):
            lp.interpolate(adapted, priors.standard_normal(3), torch.zeros(3), torch.ones(3))
    with pytest.raises(GeneratorError, match="unexpected keyword argument 'class_labels'"):
        adapters.conditional(network, 2, as_="class_labels")(torch.zeros(5, 3))
    with pytest.raises(InputError, match="as_ must be the name of a parameter"):
        adapters.conditional(network, 2, as_="class labels")
    with pytest.raises(InputError, match="condition must be a tensor or a number; got list: expected sequence"):
        adapters.conditional(network, [[1.0], [1.0, 2.0]])  # type: ignore[list-item]


def test_an_operation_without_forward_derivative_stays_a_case_for_the_solver() -> None:
    class Reverse(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, z: Tensor) -> Tensor:
            return 2 * z

        @staticmethod
        def backward(ctx: object, grad: Tensor) -> Tensor:
            return 2 * grad

    def generator(z: Tensor, label: Tensor) -> Tensor:
        found: Tensor = Reverse.apply(z + label[:, None])
        return found

    path = lp.interpolate(
        adapters.conditional(generator, 1.0), priors.standard_normal(2), torch.zeros(2), torch.ones(2), segments=4
    )
    assert str(path.outcome[0]) == "converged"


def test_noise_is_held_and_without_it_the_generator_is_refused() -> None:
    network, z = Noisy().eval(), torch.randn(4, 3)
    noise = [torch.randn(1, 1, 1), torch.randn(1, 2, 2)]
    expected = network(z, [one.expand(4, *one.shape) for one in noise])
    assert torch.equal(adapters.fixed_noise(network, noise)(z), expected)
    assert torch.equal(adapters.fixed_noise(lambda z, n: z + n, torch.ones(3), as_=None)(z), z + 1)
    with pytest.raises(GeneratorError, match="hold its noise inputs fixed"):
        lp.interpolate(network, priors.standard_normal(3), torch.zeros(3), torch.ones(3))
    with pytest.raises(GeneratorError, match=r"with noise \(4, 1, 1, 1\): not enough values"):
        adapters.fixed_noise(network, noise[:1])(z)
    with pytest.raises(InputError, match="got an empty list"):
        adapters.fixed_noise(network, [])


def test_the_sphere_is_exact_everywhere_but_at_the_origin() -> None:
    network, z = on_sphere(), torch.randn(6, 3, dtype=F64)
    unit = z / z.norm(dim=1, keepdim=True)
    torch.testing.assert_close(adapters.hypersphere(network, 2.0)(z), network(2 * unit))
    torch.testing.assert_close(adapters.hypersphere(network)(1e-3 * z), network(3**0.5 * unit))
    adapted = adapters.hypersphere(network)
    for origin in (torch.zeros(1, 3, dtype=F64), torch.full((1, 3), 1e-300, dtype=F64)):
        torch.testing.assert_close(adapted(origin), network(torch.zeros(1, 3, dtype=F64)))
        assert torch.func.jacfwd(adapted)(origin).isfinite().all()
    # radial steps change nothing
    still = torch.func.jvp(adapted, (z,), (z,))[1]
    torch.testing.assert_close(still, torch.zeros_like(still), rtol=0, atol=1e-12)


def test_the_shortest_path_of_a_sphere_is_the_great_circle() -> None:
    prior = priors.uniform_ball(3, 2.0, dtype=F64)
    ends = torch.eye(3, dtype=F64)[:2]
    path = lp.interpolate(adapters.hypersphere(lambda z: 5 * z, 1.0), prior, ends[0], ends[1], segments=32, tol=1e-5)
    assert float(path.length) == pytest.approx(5 * torch.pi / 2, rel=2e-4)
    # log(0.9) is all the index there is
    assert float(path.cost) == pytest.approx(-torch.tensor(0.9).log().item() * 5 * torch.pi / 2, rel=2e-4)


@pytest.mark.parametrize("radius", [0.0, -1.0, float("inf"), float("nan"), True])
def test_other_radii_are_refused(radius: object) -> None:
    with pytest.raises(InputError, match="radius must be a positive, finite number"):
        adapters.hypersphere(on_sphere(), radius)  # type: ignore[arg-type]


def test_only_callables_in_eval_mode_are_adapted() -> None:
    made: list[Callable[[object], object]] = [
        lambda g: adapters.conditional(g, 1),  # type: ignore[arg-type]
        lambda g: adapters.fixed_noise(g, torch.ones(1)),  # type: ignore[arg-type]
        adapters.hypersphere,  # type: ignore[list-item]
    ]
    for adapt in made:
        with pytest.raises(InputError, match="must be a callable"):
            adapt(nn.Tanh)
        with pytest.raises(GeneratorError, match=r"\(Sequential\) must be in eval mode; .*Call \.eval\(\)"):
            adapt(nn.Sequential(nn.Tanh()))
    with pytest.raises(GeneratorError, match=r"the autoencoder \(AutoencoderKL\) must be in eval mode"):
        adapters.diffusers_autoencoder(autoencoder().train())
    with pytest.raises(GeneratorError, match=r"the flow \(MAF\) must be in eval mode"):
        adapters.zuko_flow(flow().train())


def test_an_autoencoder_decodes_and_encodes_as_diffusers_does() -> None:
    network = autoencoder(scaling_factor=0.5, shift_factor=0.25)
    z = torch.randn(2, 64)
    for model, raw in (
        (adapters.diffusers_autoencoder(network), z.reshape(2, *SHAPE) / 0.5 + 0.25),
        (adapters.diffusers_autoencoder(network, SHAPE, scaled=False), z.reshape(2, *SHAPE)),
    ):
        assert model.prior is not None
        assert model.prior.event_shape == (64,)
        images = model.generator(z)
        assert images.shape == (2, 3, 8, 8)
        torch.testing.assert_close(images, network.decode(raw).sample, rtol=0, atol=1e-5)
    mean = network.encode(images).latent_dist.mean
    torch.testing.assert_close(model.encode(images), mean.flatten(1), rtol=0, atol=1e-5)
    scaled = adapters.diffusers_autoencoder(network).encode(images)
    torch.testing.assert_close(scaled, ((mean - 0.25) * 0.5).flatten(1), rtol=0, atol=1e-5)


def test_scales_of_every_channel_are_undone_by_each_other() -> None:
    network = autoencoder(latents_mean=[1.0, 2.0, 3.0, 4.0], latents_std=[0.5, 1.0, 2.0, 4.0], scaling_factor=2.0)
    model, z = adapters.diffusers_autoencoder(network), torch.randn(1, 64)
    column = torch.tensor([0.5, 1.0, 2.0, 4.0]).reshape(4, 1, 1)
    raw = z.reshape(1, *SHAPE) * column / 2 + torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(4, 1, 1)
    torch.testing.assert_close(model.generator(z), network.decode(raw).sample, rtol=0, atol=1e-5)
    images = torch.rand(1, 3, 8, 8)
    back = model.encode(images).reshape(1, *SHAPE) * column / 2 + torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(4, 1, 1)
    torch.testing.assert_close(back, network.encode(images).latent_dist.mean, rtol=1e-4, atol=1e-5)


def test_an_autoencoder_without_a_posterior_works_too() -> None:
    network = AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    ).eval()
    model, images = adapters.diffusers_autoencoder(network, SHAPE), torch.rand(2, 3, 8, 8)
    latents = model.encode(images)
    torch.testing.assert_close(latents, network.encode(images).latents.flatten(1))
    torch.testing.assert_close(model.generator(latents), network.decode(network.encode(images).latents).sample)
    with pytest.raises(InputError, match="does not say how large its latents are: give latent_shape"):
        adapters.diffusers_autoencoder(network)


def test_shapes_of_an_autoencoder_that_do_not_fit_are_refused() -> None:
    network = autoencoder()
    for shape in ((3, 4, 4), (4, 4), (4, 0, 4), (4, 4.0, 4), (4, 4, 4, 4)):
        with pytest.raises(InputError, match=r"latent_shape.*\(C, h, w\)"):
            adapters.diffusers_autoencoder(network, shape)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"prior must be over vectors \(64,\), C h w = \(4, 4, 4\); got \(9,\)"):
        adapters.diffusers_autoencoder(network, prior=priors.standard_normal(9))
    model = adapters.diffusers_autoencoder(network, SHAPE)
    with pytest.raises(InputError, match=r"images \(3, 16, 16\) have latents \(4, 8, 8\).*resize the images"):
        model.encode(torch.zeros(1, 3, 16, 16))
    with pytest.raises(InputError, match="autoencoder must be one of diffusers', with encode, decode, config"):
        adapters.diffusers_autoencoder(nn.Linear(2, 2))


def test_an_autoencoder_is_read_from_safetensors_only(tmp_path: Path) -> None:
    network, z = autoencoder(), torch.randn(1, 64)
    network.save_pretrained(tmp_path / "whole" / "vae")
    model = adapters.diffusers_autoencoder(tmp_path / "whole", subfolder="vae")
    torch.testing.assert_close(model.generator(z), adapters.diffusers_autoencoder(network).generator(z))
    network.save_pretrained(tmp_path / "pickled", safe_serialization=False)
    with pytest.raises(MissingDataError, match="no AutoencoderKL with safetensors in .*pickled"):
        adapters.diffusers_autoencoder(tmp_path / "pickled")
    with pytest.raises(MissingDataError, match="no AutoencoderKL with safetensors in .*nowhere', subfolder 'vae'"):
        adapters.diffusers_autoencoder(str(tmp_path / "nowhere"), subfolder="vae")


@pytest.mark.parametrize("kind", ["MAF", "NSF", "RealNVP", "NICE"])
def test_a_flow_as_generator_inverts_its_transform(kind: str) -> None:
    network = flow(kind)
    model = adapters.zuko_flow(network)
    assert model.prior is not None
    assert lp.RealismIndex(model.prior).kind == "normal"
    z = model.prior.sample(torch.Size([20]))
    x = model.generator(z)
    torch.testing.assert_close(model.encode(x), z, rtol=0, atol=1e-6)
    torch.testing.assert_close(network().transform(x), z, rtol=0, atol=1e-6)
    if kind != "NICE":  # whose volume is constant
        assert float((x - z).detach().abs().max()) > 0.1
    # p(G(z)) = p_0(z) / |det G'(z)|, the determinant from derivatives of the generator alone
    jacobian = torch.func.vmap(torch.func.jacfwd(lambda one: model.generator(one[None])[0]))(z)
    expected = model.prior.log_prob(z) - torch.linalg.slogdet(jacobian).logabsdet
    torch.testing.assert_close(adapters.zuko_prior(network).log_prob(x), expected, rtol=0, atol=1e-6)


def test_a_flow_as_prior_prices_the_latents_of_another_generator() -> None:
    prior = adapters.zuko_prior(flow("MAF"))
    samples = prior.sample(torch.Size([4000]))
    index = lp.RealismIndex(prior)
    assert (prior.event_shape, index.dim, index.kind, samples.shape) == ((3,), 3, "kde", (4000, 3))
    # the index of samples is uniform, up to the bias of the estimate
    assert float(index(samples).sort().values.sub(torch.linspace(0, 1, 4000)).abs().max()) < 0.06
    again = lp.RealismIndex(prior)
    assert torch.equal(index.log(samples), again.log(samples))
    path = lp.interpolate(lambda z: 2 * z, prior, samples[0], samples[1], segments=8)
    line = lp.audit(lp.lerp(samples[:1], samples[1:2], 8), lambda z: 2 * z, index).cost
    assert str(path.outcome[0]) == "converged"
    assert float(path.cost) <= float(line) * (1 + 1e-3)


def test_a_prior_does_not_follow_further_training() -> None:
    network = flow("MAF", 2)
    prior, x = adapters.zuko_prior(network), torch.zeros(1, 2, dtype=F64)
    before = prior.log_prob(x)
    assert not before.requires_grad
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    assert torch.equal(prior.log_prob(x), before)
    assert not torch.equal(adapters.zuko_prior(network).log_prob(x), before)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_a_context_is_held() -> None:
    network, context = flow("NSF", context=2), torch.tensor([1.0, -2.0], dtype=F64)
    model, z = adapters.zuko_flow(network, context), torch.randn(5, 3, dtype=F64)
    torch.testing.assert_close(model.generator(z), network(context).transform.inv(z))
    x = model.generator(z)
    torch.testing.assert_close(adapters.zuko_prior(network, context).log_prob(x), network(context).log_prob(x).detach())
    other = adapters.zuko_flow(network, -context)
    assert float((other.generator(z) - x).detach().abs().max()) > 0.01
    # the distribution that the flow gives, itself
    torch.testing.assert_close(adapters.zuko_flow(network(context)).generator(z), x)


def test_flows_that_are_none_or_lack_their_context_are_refused() -> None:
    with pytest.raises(InputError, match="flow must be a zuko.flows.Flow or a zuko NormalizingFlow; got Linear"):
        adapters.zuko_flow(nn.Linear(2, 2))
    with pytest.raises(InputError, match="the flow fails without a context"):
        adapters.zuko_flow(flow("MAF", context=2))
    with pytest.raises(InputError, match=r"the flow fails with context \(3,\)"):
        adapters.zuko_prior(flow("MAF", context=2), torch.zeros(3, dtype=F64))
    with pytest.raises(InputError, match=r"context must be one vector \(C,\).*got a tensor \(5, 2\) for MAF"):
        adapters.zuko_flow(flow("MAF", context=2), torch.zeros(5, 2))
    batched = flow("MAF", context=2)(torch.zeros(5, 2, dtype=F64))
    with pytest.raises(InputError, match=r"batch shape is \(5,\)|the flow fails"):
        adapters.zuko_flow(batched)


def test_missing_libraries_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    network = flow()
    monkeypatch.setitem(sys.modules, "zuko.distributions", None)
    with pytest.raises(MissingDependencyError, match=r"pip install .*\[flows\]'"):
        adapters.zuko_flow(network)
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(MissingDependencyError, match=r"pip install .*\[diffusers\]'"):
        adapters.diffusers_autoencoder("some/where")
