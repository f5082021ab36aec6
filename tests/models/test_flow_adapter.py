"""The adapters of zuko flows: as generators, as priors, with a context."""

from __future__ import annotations

import pytest
import torch
from adapter_examples import F64, flow
from torch import nn

import latentpath as lp
from latentpath import adapters
from latentpath.errors import InputError


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
