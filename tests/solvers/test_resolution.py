"""The printed cost is the true one, in any precision and however near the ends are."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import latentpath as lp
from closed_forms import flat
from latentpath.audit import below_resolution
from latentpath.priors import standard_normal

ALPHA = 0.9
HALF = [torch.float16, torch.bfloat16]


def network(seed: int, dim: int, hidden: int, outputs: int) -> nn.Module:
    random = torch.Generator().manual_seed(seed)
    found = nn.Sequential(nn.Linear(dim, hidden), nn.Tanh(), nn.Linear(hidden, outputs), nn.Tanh()).eval()
    with torch.no_grad():
        for values in found.parameters():
            values.copy_(torch.randn(values.shape, generator=random) / values.shape[-1] ** 0.5)
    return found


def ends(seed: int, dim: int, apart: float | None, pairs: int = 3) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    start, other = torch.randn(2, pairs, dim, generator=random)
    return start, other if apart is None else start + apart * other / other.norm(dim=-1, keepdim=True)


def true_cost(latents: Tensor, generator: nn.Module) -> Tensor:
    """The audited cost of the same points with the same weights, in float64."""
    exact = copy.deepcopy(generator).double()
    index = lp.RealismIndex(standard_normal(latents.shape[-1], dtype=torch.float64), alpha=ALPHA)
    return lp.audit(latents.double(), exact, index).cost


def best_cost(start: Tensor, end: Tensor, generator: nn.Module) -> Tensor:
    exact = copy.deepcopy(generator).double()
    prior = standard_normal(start.shape[-1], dtype=torch.float64)
    return lp.interpolate(exact, prior, start.double(), end.double()).cost


@pytest.mark.parametrize("apart", [1e-2, 1e-3, 1e-4, 1e-5])
def test_near_ends_in_float32(apart: float) -> None:
    generator = network(0, 8, 32, 192)
    start, end = ends(1, 8, apart)
    path = lp.interpolate(generator, standard_normal(8), start, end)
    true = true_cost(path.latents, generator)
    assert torch.allclose(path.cost.double(), true, rtol=0.01)
    if apart >= 1e-4:  # nearer, the latents' own rounding bends the polyline
        assert bool((true <= 1.01 * best_cost(start, end, generator)).all())
    assert float(path.evaluations.max()) < 60
    assert bool(path.audit.limited.all()) or apart == 1e-2


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("hidden_in_a_function", [False, True])
def test_half_precision(dtype: torch.dtype, hidden_in_a_function: bool) -> None:
    low = network(1, 8, 32, 192).to(dtype)
    generator = (lambda z: low(z.to(dtype)).float()) if hidden_in_a_function else low
    start, end = ends(2, 8, None)
    path = lp.interpolate(generator, standard_normal(8), start, end)
    true = true_cost(path.latents, low)
    assert torch.allclose(path.cost.double(), true, rtol=0.01)
    assert bool((true <= 1.03 * best_cost(start, end, low)).all())
    assert float(path.evaluations.max()) < 100
    assert bool(path.audit.limited.all())
    assert "rounding" in repr(path)


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 1000),
    dim=st.integers(2, 6),
    outputs=st.sampled_from([8, 64]),
    dtype=st.sampled_from([torch.float64, torch.float32, *HALF]),
    apart=st.sampled_from([None, 1.0, 1e-2, 1e-3]),
)
def test_the_printed_cost_is_the_true_one(
    seed: int, dim: int, outputs: int, dtype: torch.dtype, apart: float | None
) -> None:
    generator = network(seed, dim, 16, outputs).to(dtype)
    start, end = ends(seed, dim, apart, pairs=2)
    if dtype == torch.float64:
        start, end = start.double(), end.double()
    path = lp.interpolate(generator, standard_normal(dim, dtype=start.dtype), start, end, segments=12)
    assert torch.allclose(path.cost.double(), true_cost(path.latents, generator), rtol=0.05)


def test_lengths_by_the_jacobian_are_those_of_chords() -> None:
    generator = network(3, 4, 16, 32).double()
    start, end = (values.double() for values in ends(4, 4, 1.0, pairs=1))

    def rounding(z: Tensor) -> Tensor:
        return generator(z).float().double()

    line = lp.lerp(start, end, 20)
    rounded = lp.audit(
        line, lambda z: generator(z).float().double(), lambda z: -torch.ones(z.shape[:-1], dtype=z.dtype)
    )
    exact = lp.audit(line, generator, flat)
    assert not rounded.limited.any()
    assert torch.allclose(rounded.cost, exact.cost, rtol=1e-4)
    near = lp.lerp(start, start + 1e-4 * (end - start), 20)
    rounded = lp.audit(
        near, lambda z: generator(z).float().double(), lambda z: -torch.ones(z.shape[:-1], dtype=z.dtype)
    )
    exact = lp.audit(near, generator, flat)
    assert bool(rounded.limited.all())
    assert not exact.limited.any()
    assert torch.allclose(rounded.cost, exact.cost, rtol=1e-6)


def test_the_precision_of_data_shows_in_their_values() -> None:
    data = torch.linspace(1, 1.1, 11, dtype=torch.float64)[None, :, None] * torch.ones(4, dtype=torch.float64).sqrt()
    data = data * torch.tensor([1.0, 1 / 3, 0.7, 0.9], dtype=torch.float64)
    size = data.diff(dim=1).norm(dim=-1)
    assert not below_resolution(data, size).any()
    assert not below_resolution(data.float().double(), size).any()
    assert bool(below_resolution(data.half().double(), size).all())
    assert bool(below_resolution(data.bfloat16().double(), size).all())


@pytest.mark.parametrize(("seed", "dtype"), [(5, torch.float16), (11, torch.bfloat16)])
def test_half_precision_is_never_worse_than_the_line(seed: int, dtype: torch.dtype) -> None:
    generator = network(seed, 6, 24, 96).to(dtype)
    for apart in (1.0, 1e-2, 1e-4):
        start, end = ends(seed, 6, apart)
        path = lp.interpolate(generator, standard_normal(6), start, end)
        line = lp.audit(lp.lerp(start, end), generator, path.source.index)
        assert bool((path.cost <= line.cost * (1 + 1e-3)).all())
        if apart == 1.0:
            assert bool((true_cost(path.latents, generator) <= 1.03 * best_cost(start, end, generator)).all())


def test_quantised_values_limit_the_resolution() -> None:
    network_of_pixels = network(7, 4, 16, 48).double()

    def pixels(z: Tensor) -> Tensor:
        data = network_of_pixels(z)
        return data + ((127.5 * data).round() / 127.5 - data).detach()

    start, end = (values.double() for values in ends(8, 4, 1.0, pairs=2))
    index = lp.RealismIndex(standard_normal(4, dtype=torch.float64), alpha=ALPHA)
    path = lp.interpolate(pixels, index, start, end)
    assert bool(path.audit.limited.all())
    exact = lp.audit(path.latents, network_of_pixels, index)
    assert not exact.limited.any()
    assert torch.allclose(path.cost, exact.cost, rtol=0.01)
    best = lp.interpolate(network_of_pixels, index, start, end)
    assert bool((exact.cost <= 1.03 * best.cost).all())


def test_even_steps_and_dead_values_are_no_quantisation() -> None:
    line = lp.lerp(torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64), 40)[None]
    dead = torch.cat([line, line.clamp_min(0.5), torch.zeros_like(line)], dim=-1)
    assert not below_resolution(dead, dead.diff(dim=1).norm(dim=-1)).any()
