"""The search over several starts: it finds the lower minimum, never loses, and depends on its seed alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import latentpath as lp
from closed_forms import flat, identity, normal_index, polar, tensor
from latentpath.solvers import Progress


def two_valleys(z: Tensor) -> Tensor:
    """A ridge along y = 0.3: below it the price is 0.7 and more, far above it little over 0.15."""
    y = z[..., 1]
    return -0.15 - torch.exp(-(((y - 0.3) / 0.4) ** 2)) - 0.55 * torch.sigmoid(-8 * (y - 0.5)) - 0.02 * (y - 1) ** 2


class Arch(torch.distributions.Distribution):
    """Uniform on a box with a slot: the straight line between its feet runs through the wall."""

    arg_constraints: dict[str, torch.distributions.constraints.Constraint] = {}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__(event_shape=torch.Size([2]), validate_args=False)

    @staticmethod
    def inside(z: Tensor) -> Tensor:
        box = (z.abs() <= 1).all(-1)
        return box & ~((z[..., 0].abs() < 0.3) & (z[..., 1] < 0.4))

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.where(self.inside(value), 0.0, -math.inf).to(value) + 0 * value.clamp(-1, 1).sum(-1)

    def sample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        found = 2 * torch.rand(20 * math.prod(sample_shape), 2, dtype=torch.float64) - 1
        return found[self.inside(found)][: math.prod(sample_shape)].reshape(*sample_shape, 2)


@pytest.mark.parametrize(
    ("dim", "exact", "within"), [(2, 2.666667, 1e-3), (3, 1.504304, 5e-3)], ids=["case 1", "case 2"]
)
def test_beyond_the_critical_angle_the_path_goes_through_the_origin(dim: int, exact: float, within: float) -> None:
    path = lp.interpolate(
        identity, normal_index(dim), polar(2, 0, dim), polar(2, 90, dim), restarts="auto", strict=True
    )
    assert float(path.cost) == pytest.approx(exact, rel=within)
    assert float(path.cost) > exact * (1 - 1e-5)
    assert float(path.latents.norm(dim=-1).min()) < 0.02


def test_the_lower_of_two_valleys() -> None:
    start, end = tensor(-3.0, 0.0), tensor(3.0, 0.0)
    below = 0.7 * 6  # no path that stays below the ridge costs less
    one = lp.interpolate(identity, two_valleys, start, end)
    many = lp.interpolate(identity, two_valleys, start, end, restarts=4)
    assert one.latents[0, 25, 1] < 0, "the straight line leads to the expensive valley"
    assert many.latents[0, 25, 1] > 0.3
    assert float(one.cost) >= below > 1.1 * float(many.cost)
    assert many.multistart is not None
    assert float(many.multistart.lowered) == pytest.approx(1 - float(many.cost / one.cost))
    assert float(many.multistart.spread) > 0.05
    assert many.settings["restarts"]["starts"] == 4
    assert "4 starts: 1 of 1 pair improved, by " in str(many.report())


def test_one_start_is_what_it_always_was() -> None:
    ends = polar(2, 0), polar(2, 90)
    plain = lp.interpolate(identity, normal_index(2), *ends)
    for restarts in (1, None, lp.Restarts(starts=1)):
        path = lp.interpolate(identity, normal_index(2), *ends, restarts=restarts)
        assert torch.equal(path.latents, plain.latents)
        assert path.multistart is None
        assert path.multistart is None
        assert "start" not in str(path.report())


def test_deterministic_for_a_seed_and_the_global_state_is_left_alone() -> None:
    torch.manual_seed(7)
    state = torch.get_rng_state()
    one, two = (
        lp.interpolate(identity, normal_index(2), polar(2, 0), polar(2, 80), restarts=6, seed=5) for _ in range(2)
    )
    assert torch.equal(torch.get_rng_state(), state)
    other = lp.interpolate(identity, normal_index(2), polar(2, 0), polar(2, 80), restarts=6, seed=6)
    assert torch.equal(one.latents, two.latents)
    assert one.multistart is not None
    assert two.multistart is not None
    assert other.multistart is not None
    assert torch.equal(one.multistart.relative, two.multistart.relative)
    assert not torch.equal(one.multistart.relative, other.multistart.relative)


def rbf_decoder(seed: int, centres: int = 60) -> tuple[Callable[[Tensor], Tensor], Tensor, Tensor]:
    """Mean and standard deviation of a decoder whose precision is a radial basis function network, and two centres.

    As in Arvanitidis, Hansen and Hauberg 2018, "Latent space oddity": far from the centres, which lie along five sixths
    of a circle, the standard deviation is large, and so is every step in data.
    """
    random = torch.Generator().manual_seed(seed)
    angle = 5 * torch.rand(centres, generator=random, dtype=torch.float64)
    around = torch.stack([2 * angle.cos(), 2 * angle.sin()], dim=1)
    around += 0.15 * torch.randn(centres, 2, generator=random, dtype=torch.float64)
    first = 0.7 * torch.randn(2, 16, generator=random, dtype=torch.float64)
    second = 0.25 * torch.randn(16, 10, generator=random, dtype=torch.float64)
    bias = torch.randn(16, generator=random, dtype=torch.float64)
    weights = torch.rand(centres, 10, generator=random, dtype=torch.float64) + 0.5

    def decode(z: Tensor) -> Tensor:
        near = torch.exp(-4 * (z[..., None, :] - around).square().sum(-1))
        return torch.cat([torch.tanh(z @ first + bias) @ second, (near @ weights + 0.01).rsqrt()], dim=-1)

    return decode, around[angle.argmin()], around[angle.argmax()]


@pytest.mark.parametrize("seed", [0, 2])
def test_auto_finds_what_any_number_of_starts_finds_on_a_decoder_of_variances(seed: int) -> None:
    decode, start, end = rbf_decoder(seed)
    found = {
        starts: float(lp.interpolate(decode, flat, start, end, restarts=starts).cost) for starts in (4, 8, 16, "auto")
    }
    assert found["auto"] <= min(found.values()) * (1 + 1e-6)


@settings(max_examples=3)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(["decoder", "mixture", "normal"]))
def test_more_starts_never_find_less_and_auto_finds_as_much_as_any(seed: int, kind: str) -> None:
    random = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    prior: torch.distributions.Distribution = lp.priors.standard_normal(2, dtype=torch.float64)
    one, two, bias = 1.5 * normal(2, 12), normal(12, 6), normal(12)
    generator: Callable[[Tensor], Tensor] = rbf_decoder(seed)[0]
    if kind != "decoder":
        generator = lambda z: torch.tanh(z @ one + bias) @ two  # noqa: E731
    if kind == "mixture":
        components = torch.distributions.Normal(1.5 * normal(5, 2), torch.full((5, 2), 0.35, dtype=torch.float64))
        prior = torch.distributions.MixtureSameFamily(
            torch.distributions.Categorical(torch.ones(5, dtype=torch.float64)),
            torch.distributions.Independent(components, 1),
        )
    start, end = normal(2, 2)
    index = lp.RealismIndex(prior, samples=1000)
    costs = [
        float(lp.interpolate(generator, index, start, end, segments=6, restarts=starts, seed=seed, tol=1e-2).cost)
        for starts in (1, 3, 7, "auto")
    ]
    for fewer, more in pairwise(costs):
        assert more <= fewer * (1 + 1e-6)


def test_auto_tries_nothing_where_nothing_can_be_lower() -> None:
    """A straight line at the mode's price is as cheap as any path: here along the diagonal of a box."""
    prior = lp.priors.uniform_box(2, 0.0, 1.0, dtype=torch.float64)
    generator = lambda z: z @ tensor(1, 2, -1, 0, 1, 3).view(2, 3)  # noqa: E731
    ends = tensor(0.1, 0.1), tensor(0.9, 0.9)
    path = lp.interpolate(generator, prior, *ends, restarts="auto")
    assert str(path.multistart) == "no other start was tried"
    bent = lp.interpolate(lambda z: torch.cat([z, z.square()], -1), prior, *ends, restarts="auto")
    assert "16 starts" in str(bent.multistart)


@pytest.mark.parametrize(
    ("seed", "budget"), [(3, 30), (3, 60), (3, 90), (3, 120), (3, 200), (1, 60), (2, 90), (4, 120)]
)
def test_a_limited_auto_finds_as_much_as_limited_numbers(seed: int, budget: int) -> None:
    decode, start, end = rbf_decoder(seed)
    index = normal_index(2)
    found = {
        starts: float(
            lp.interpolate(decode, index, start, end, segments=20, restarts=starts, max_evaluations=budget).cost
        )
        for starts in (1, 2, 4, 8, "auto")
    }
    assert found["auto"] <= min(found.values()) * 1.05


def test_single_precision_under_a_default_of_double_precision() -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        prior = lp.priors.semicircle(dtype=torch.float32)
        start, end = prior.component_distribution.mean[[0, 2]].float()
        path = lp.interpolate(lambda z: torch.sin(z[:, :5]), prior, start, end, segments=12, restarts=5)
    finally:
        torch.set_default_dtype(before)
    assert path.latents.dtype == torch.float32
    assert path.multistart is not None
    assert path.multistart.relative.shape == (1, 5)


def test_never_worse_and_a_batch_is_a_loop() -> None:
    torch.manual_seed(3)
    prior = lp.priors.standard_normal(3, dtype=torch.float64)
    index = lp.RealismIndex(prior)
    matrix = torch.randn(3, 6, dtype=torch.float64)

    def generator(z: Tensor) -> Tensor:
        return torch.sin(0.5 * z @ matrix)

    start, end = prior.sample((2, 3))
    single = lp.interpolate(generator, index, start, end, segments=10)
    batch = lp.interpolate(generator, index, start, end, segments=10, restarts=5)
    assert (batch.cost <= single.cost).all()
    assert (batch.evaluations > single.evaluations).all()
    alone = lp.interpolate(generator, index, start[1], end[1], segments=10, restarts=5)
    assert float(alone.cost) == pytest.approx(float(batch.cost[1]), rel=1e-4)
    assert batch.multistart is not None
    assert alone.multistart is not None
    assert torch.allclose(alone.multistart.relative[0], batch.multistart.relative[1], rtol=1e-4)


def test_around_a_wall_that_the_straight_line_crosses() -> None:
    ends = tensor(-0.8, -0.5), tensor(0.8, -0.5)
    one = lp.interpolate(identity, Arch(), *ends, segments=32)
    many = lp.interpolate(
        identity, Arch(), *ends, segments=32, restarts=lp.Restarts(3, samples=128), max_evaluations=150
    )
    assert math.isinf(float(one.cost))
    around = -math.log(0.9) * (2 * math.dist((0.8, -0.5), (0.3, 0.4)) + 0.6)
    assert around <= float(many.cost) < 1.15 * around
    assert many.multistart is not None
    assert many.multistart.lowered.tolist() == [1.0]
    assert math.isinf(float(many.multistart.relative[0, -1])), "the straight line was dropped"


def test_there_is_nothing_lower_in_a_ball() -> None:
    prior = lp.priors.uniform_ball(3, dtype=torch.float64)
    path = lp.interpolate(identity, prior, tensor(0.9, 0.3, 0), tensor(-0.2, 0.95, 0), restarts=8)
    assert path.multistart is not None
    assert path.multistart.lowered.tolist() == [0.0]
    assert torch.allclose(path.latents[0], lp.lerp(tensor(0.9, 0.3, 0), tensor(-0.2, 0.95, 0)))
    assert "8 starts: found nothing lower" in str(path.multistart)


def test_a_search_survives_a_file(tmp_path: Path) -> None:
    ends = torch.stack([polar(2, 0), polar(1, 10)]), torch.stack([polar(2, 90), polar(2, 50)])
    path = lp.interpolate(identity, normal_index(2), *ends, restarts="auto")
    assert path.multistart is not None
    assert path.multistart is not None
    assert path.multistart.relative.shape == (2, 16)
    path.save(tmp_path / "path.safetensors")
    loaded = lp.Path.load(tmp_path / "path.safetensors")
    assert loaded.multistart is not None
    assert torch.equal(loaded.multistart.lowered, path.multistart.lowered)
    assert torch.allclose(loaded.multistart.relative, path.multistart.relative, rtol=0, atol=0, equal_nan=True)
    assert loaded.settings["restarts"] == {"starts": "auto", "graph": None, "samples": 256, "seed": 0}
    assert path[1].multistart is not None
    assert torch.allclose(path[1].multistart.relative, path.multistart.relative[1:], equal_nan=True)
    assert path.resample(10).multistart is path.multistart
    single = lp.interpolate(identity, normal_index(2), *ends)
    single.save(tmp_path / "single.safetensors")
    assert lp.Path.load(tmp_path / "single.safetensors").multistart is None


def test_a_true_answer_stops_the_search_and_keeps_the_best() -> None:
    single = lp.interpolate(identity, normal_index(2), polar(2, 0), polar(2, 90))
    told: list[Progress] = []

    def stop_in_the_search(progress: Progress) -> bool:
        told.append(progress)
        return progress.latents.shape[1] == 13 and len(progress.latents) > 1

    path = lp.interpolate(identity, normal_index(2), polar(2, 0), polar(2, 90), restarts=4, callback=stop_in_the_search)
    assert told[-1].latents.shape == (4, 13, 2)
    assert sum(len(progress.latents) == 4 for progress in told) == 1
    assert torch.equal(path.latents, single.latents)
    assert path.multistart is not None


@pytest.mark.parametrize("budget", [5, 20, 60, 200])
def test_the_budget_bounds_everything(budget: int) -> None:
    ends = polar(2, 0), polar(2, 90)
    single = lp.interpolate(identity, normal_index(2), *ends, max_evaluations=budget)
    path = lp.interpolate(identity, normal_index(2), *ends, max_evaluations=budget, restarts=6)
    assert float(path.evaluations) <= max(budget, float(single.evaluations))
    assert float(path.cost) <= float(single.cost)


@pytest.mark.parametrize("starts", [6, 16])
def test_a_minimum_that_crosses_a_wall_when_refined_gives_way_to_the_next(starts: int) -> None:
    def slit(z: Tensor) -> Tensor:  # open above 0.3
        return torch.where(((z[..., 0] - 0.313).abs() < 0.1) & (z[..., 1] < 0.3), -torch.inf, -1.0)

    path = lp.interpolate(lambda z: z, slit, torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 0.0]), restarts=starts)
    around = math.hypot(1.213, 0.3) + 0.2 + math.hypot(0.587, 0.3)  # over the two corners
    assert around <= float(path.cost) <= 1.2 * around


def test_a_search_that_was_stopped_at_once_says_so() -> None:
    path = lp.interpolate(
        lambda z: z,
        lp.priors.standard_normal(2),
        torch.tensor([2.0, 0.0]),
        torch.tensor([0.0, 2.0]),
        restarts=4,
        callback=lambda progress: True,
    )
    assert str(path.multistart) == "no other start was tried"
