"""Every operation that returns a path judges the points that are there: the law, and exact predicted gains."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical, Independent, Laplace, MixtureSameFamily, Normal

import latentpath as lp
from latentpath.errors import SolveError
from latentpath.solvers.configuration import config
from latentpath.verdict import gain_of_curve

F64 = torch.float64
TOL = 1e-3


def mixture(dim: int, dtype: torch.dtype) -> MixtureSameFamily:
    means = 1.5 * torch.randn(3, dim, dtype=dtype, generator=torch.Generator().manual_seed(7))
    return MixtureSameFamily(Categorical(torch.ones(3, dtype=dtype)), Independent(Normal(means, means.abs() + 0.3), 1))


PRIORS: dict[str, Callable[[int, torch.dtype], torch.distributions.Distribution]] = {
    "normal": lambda dim, dtype: lp.priors.standard_normal(dim, dtype=dtype),
    "mixture": mixture,
    "Laplace": lambda dim, dtype: Independent(Laplace(torch.zeros(dim, dtype=dtype), torch.ones(dim, dtype=dtype)), 1),
}


def net(dim: int, dtype: torch.dtype, seed: int, steep: float) -> Callable[[torch.Tensor], torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(*s, generator=random, dtype=F64).to(dtype) for s in ((dim, 12), (12, 6)))
    return lambda z: torch.tanh(steep * z @ first) @ second + z.sum(-1, keepdim=True)


def ring(z: torch.Tensor) -> torch.Tensor:
    """A log index with a barrier in the middle: the way around it is bent."""
    return -0.1 - 8 * torch.exp(-((z.norm(dim=-1) / 0.5) ** 2))


OPERATIONS: dict[str, Callable[[lp.Path, int], lp.Path]] = {
    "resampled, evenly in the metric": lambda path, n: path.resample(n, "metric"),
    "resampled, evenly in the data": lambda path, n: path.resample(n, "data"),
    "resampled, evenly in the latents": lambda path, n: path.resample(n, "latent"),
    "resampled twice": lambda path, n: path.resample(n).resample(2 * n),
    "reversed": lambda path, n: path.reversed(),
    "reversed, then resampled": lambda path, n: path.reversed().resample(n),
    "one": lambda path, n: path[n % len(path)],
    "a slice, backwards": lambda path, n: path[::-1],
    "a list": lambda path, n: path[[0, -1, 0]],
    "a mask": lambda path, n: path[torch.arange(len(path)) != n % len(path)],
    "another index": lambda path, n: path.bind(replace(path.source, index=ring)),
    "other data": lambda path, n: path.bind(replace(path.source, generator=lambda z: torch.sin(n * z))),
    "replaced": lambda path, n: replace(path, outcome=(lp.Outcome.CONVERGED,) * len(path)),
}


def assert_belongs(path: lp.Path, tol: float = TOL, gain: float = config().convergence.creeping_gain * TOL) -> None:
    """Audit, segment costs and index are those of the points; what is called converged is."""
    source, close = path.source, {"rtol": 1e-8 if path.latents.dtype == F64 else 2e-3, "atol": 1e-6, "equal_nan": True}
    facts = source.audit(path.latents)
    for field in fields(lp.Audit):
        if field.name not in ("tunnels", "settled", "decoded", "gap"):
            torch.testing.assert_close(getattr(path.audit, field.name), getattr(facts, field.name), **close)
    torch.testing.assert_close(path.ri, source.ri(path.latents), **close)
    assert len(path) == len(path.outcome) == len(path.gain) == len(path.evaluations) == len(path.discrete_segment_cost)
    for i, outcome in enumerate(path.outcome):
        if outcome is lp.Outcome.CONVERGED:
            assert not bool(path.tunnels[i].any())
            assert float(path.gap[i]) <= config().refinement.gap + 1e-6
            assert not float(path.gain[i]) > gain


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@settings(max_examples=5)
@given(
    seed=st.integers(0, 10**6),
    dim=st.integers(1, 4),
    prior=st.sampled_from([*PRIORS]),
    dtype=st.sampled_from([torch.float32, F64]),
    steep=st.sampled_from([0.3, 1.0, 3.0]),
    n=st.integers(2, 40),
)
def test_the_verdict_belongs_to_the_points(operation, seed, dim, prior, dtype, steep, n):
    ends = torch.randn(2, 3, dim, generator=torch.Generator().manual_seed(seed), dtype=F64).to(dtype)
    index = lp.RealismIndex(PRIORS[prior](dim, dtype), samples=500)
    path = lp.interpolate(net(dim, dtype, seed, steep), index, *ends, segments=16, max_evaluations=60)
    assert_belongs(path)
    found = operation(path, n)
    # a path that `replace` calls converged keeps the gain of its solve
    assert_belongs(
        found, gain=math.inf if found.settings == path.settings else config().convergence.creeping_gain * TOL
    )


@settings(max_examples=6)
@given(
    seed=st.integers(0, 10**6),
    closed=st.booleans(),
    smooth=st.sampled_from([None, 0.8]),
    spacing=st.sampled_from(["metric", "data"]),
)
def test_joined_legs_are_judged_at_their_new_points(seed, closed, smooth, spacing):
    stops = torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(seed), dtype=F64)
    prior, generator = lp.priors.standard_normal(2, dtype=F64), net(2, F64, seed, 1.0)
    options = {"closed": closed, "segments": 10, "spacing": spacing, "smooth": smooth, "max_evaluations": 60}
    path = lp.interpolate_through(generator, prior, stops, **options)
    assert_belongs(path, gain=config().convergence.creeping_gain * TOL if smooth is None else math.inf)
    torch.testing.assert_close(path.gain, gain_of_curve(path.latents, path.source, path.keyframe_indices))
    one = path[[1]]
    assert_belongs(one, gain=math.inf)
    if smooth is not None:
        for name in ("before", "after", "rise"):
            assert one.settings["smoothed"][name] == path.settings["smoothed"][name][1:]
    back = path.reversed()
    torch.testing.assert_close(
        gain_of_curve(back.latents, back.source, back.keyframe_indices), path.gain, rtol=1e-4, atol=1e-12
    )


def test_a_path_of_a_network_with_too_few_points_is_not_called_converged():
    model = lp.load("mnist-dcgan-semicircle")
    ends = torch.randn(2, 3, 20, generator=torch.Generator().manual_seed(0))
    path = lp.interpolate(model.generator, model.prior, *ends, segments=24)
    few = path.resample(6)
    assert_belongs(few)
    costs_more = few.cost > (1 + TOL) * path.cost
    assert bool(costs_more.all())
    assert lp.Outcome.CONVERGED in path.outcome
    assert lp.Outcome.CONVERGED not in few.outcome


def test_what_stays_as_good_stays_converged_in_every_spacing():
    ends = torch.tensor([[1.2, 0.3], [-0.4, 1.1]], dtype=F64)
    path = lp.interpolate(lambda z: torch.cat([z, z.square()], -1), lp.priors.standard_normal(2, dtype=F64), *ends)
    assert path.outcome == (lp.Outcome.CONVERGED,)
    for spacing in ("metric", "data", "latent"):
        for segments in (40, 50, 120):
            same = path.resample(segments, spacing)
            assert same.outcome == (lp.Outcome.CONVERGED,)
            torch.testing.assert_close(same.cost, path.cost, rtol=TOL, atol=0)
            assert float(same.gain) < 1e-4


def test_a_curve_that_was_cut_is_unresolved_though_nothing_is_hidden_at_its_points():
    ends = torch.tensor([[-1.0, 0.02], [1.0, 0.0]], dtype=F64)
    path = lp.interpolate(lambda z: 2 * z, ring, *ends)
    assert path.outcome == (lp.Outcome.CONVERGED,)
    cut = path.resample(3)
    assert float(cut.cost) > 1.1 * float(path.cost)
    assert cut.outcome == (lp.Outcome.UNRESOLVED,)


def test_no_outcome_improves():
    ends = torch.tensor([[1.2, 0.3], [-0.4, 1.1]], dtype=F64)
    path = lp.interpolate(lambda z: torch.cat([z, z.square()], -1), ring, *ends)
    for outcome in lp.Outcome:
        given_up = replace(path, outcome=(outcome,))
        assert given_up.resample(50).outcome == (outcome,)


# ---------------------------------------------------------------------------------------------------------------------
# The predicted gain.


def flat(z: torch.Tensor) -> torch.Tensor:
    return torch.full_like(z[..., 0], -1.0)


PLANE = lp.Source(lambda z: 3 * z, flat)


def bow(height: float, power: float = 1.0, segments: int = 40) -> torch.Tensor:
    """A low arc from (-1, 0) to (1, 0), its points uneven where ``power`` is not 1."""
    t = torch.linspace(0, 1, segments + 1, dtype=F64) ** power
    return torch.stack([2 * t - 1, height * torch.sin(math.pi * t)], -1)[None]


@pytest.mark.parametrize("power", [1.0, 1.7, 0.6])
def test_the_gain_is_how_much_shorter_the_straight_line_is(power):
    """In a flat metric an arc of length 2 (1 + e) has the gain e, wherever its points lie on it."""
    arc = bow(0.05, power)
    excess = float(arc.diff(dim=1).norm(dim=-1).sum() / 2 - 1)
    assert excess > 1e-3
    assert float(gain_of_curve(arc, PLANE)) == pytest.approx(excess, rel=0.25)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_moving_points_along_their_curve_gains_nothing(power):
    assert float(gain_of_curve(bow(0.0, power), PLANE)) == pytest.approx(0, abs=1e-12)


def test_keyframes_stay_so_what_they_cost_is_no_gain():
    there = lp.lerp(torch.tensor([0.0, 0.0], dtype=F64), torch.tensor([1.0, 0.0], dtype=F64), 8)
    back = lp.lerp(torch.tensor([1.0, 0.0], dtype=F64), torch.tensor([0.0, 1.0], dtype=F64), 5)
    corner = torch.cat([there[:-1], back])[None]
    assert float(gain_of_curve(corner, PLANE, torch.tensor([[0, 8, 13]]))) == pytest.approx(0, abs=1e-12)
    assert float(gain_of_curve(corner, PLANE)) > 0.05
    arcs = torch.cat([bow(0.05)[0, :-1], bow(0.0)[0] + torch.tensor([2.0, 0.0], dtype=F64)])[None]
    both = gain_of_curve(arcs, PLANE, torch.tensor([[0, 40, 80]]))
    torch.testing.assert_close(both, gain_of_curve(bow(0.05), PLANE) / 2, rtol=1e-2, atol=0)


def test_a_gain_that_cannot_be_known_is_not_a_number():
    def cut(z: torch.Tensor) -> torch.Tensor:
        return torch.full_like(z[..., 0], -1.0).masked_fill(z[..., 0].abs() < 0.1, -torch.inf)

    assert gain_of_curve(bow(0.05), lp.Source(lambda z: z, cut)).isnan().all()
    assert gain_of_curve(bow(0.05), lp.Source(lambda z: z.detach(), flat)).isnan().all()
    assert gain_of_curve(bow(0.05, segments=1), PLANE).tolist() == [0.0]
    assert gain_of_curve(bow(0.05)[:0], PLANE).tolist() == []


def test_resampling_works_where_gradients_are_switched_off():
    path = lp.interpolate(lambda z: 2 * z, ring, *torch.tensor([[-1.0, 0.5], [1.0, 0.4]], dtype=F64))
    expected = path.resample(60)
    for off in (torch.no_grad, torch.inference_mode):
        with off():
            found = path.resample(60)
            again = path.reversed().resample(60)
        assert torch.equal(found.gain, expected.gain)
        assert found.outcome == again.outcome == expected.outcome


def test_strict_refuses_joined_points_that_are_too_few():
    ends = torch.tensor([[-1.0, 0.02], [1.0, 0.0], [20.0, 0.0]], dtype=F64)
    with pytest.raises(SolveError):
        lp.interpolate_through(lambda z: 2 * z, ring, ends, segments=6, spacing="data", strict=True)
