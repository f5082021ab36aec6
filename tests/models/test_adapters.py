"""Adapters: exact answers, derivatives of every mode, paths, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import torch
from adapter_examples import F64, Conditional, Noisy, autoencoder, flow, on_sphere
from torch import Tensor, nn

import latentpath as lp
from latentpath import adapters, priors
from latentpath.errors import GeneratorError, InputError, MissingDependencyError

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


def test_missing_libraries_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    network = flow()
    monkeypatch.setitem(sys.modules, "zuko.distributions", None)
    with pytest.raises(MissingDependencyError, match=r"pip install .*\[flows\]'"):
        adapters.zuko_flow(network)
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(MissingDependencyError, match=r"pip install .*\[diffusers\]'"):
        adapters.diffusers_autoencoder("some/where")
