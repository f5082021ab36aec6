"""A path through keyframes: exact at them, even across them, no other than its legs, and gentle where asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as FilePath

import pytest
import torch
from torch import Tensor

import latentpath as lp
from latentpath.errors import InputError, SolveError

SQUARE = torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 1.0], [0.0, 1.0]], dtype=torch.float64)


def flat(z: Tensor) -> Tensor:
    """A log index of -1 everywhere: cost is length."""
    return z.new_full(z.shape[:-1], -1.0)


def bent(z: Tensor) -> Tensor:
    return torch.stack([z[:, 0] + 0.3 * z[:, 1].square(), z[:, 1], (z[:, 0] * z[:, 1]).sin()], dim=1)


def twice(z: Tensor) -> Tensor:
    return 2 * z


def drawn(count: int, seed: int = 0, dim: int = 2) -> Tensor:
    return torch.randn(count, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def jumps(data: Tensor) -> Tensor:
    v = data.diff(dim=0)
    return (v / v.norm(dim=1, keepdim=True)).diff(dim=0).norm(dim=1)


@pytest.mark.parametrize("spacing", ["metric", "data", "latent"])
def test_in_a_flat_metric_it_is_the_polygon_evenly_spaced(spacing: str) -> None:
    path = lp.interpolate_through(twice, flat, SQUARE, closed=True, segments=20, spacing=spacing)
    assert path.latents.shape == (1, 81, 2)
    # 30 + 10 + 30 + 10 segments, each of a tenth: legs of 3 and 1
    assert path.keyframe_indices.tolist() == [[0, 30, 40, 70, 80]]
    torch.testing.assert_close(path.latents[0].diff(dim=0).norm(dim=1), torch.full((80,), 0.1, dtype=torch.float64))
    assert float(path.cost) == pytest.approx(16.0)
    assert path.closed


def test_it_goes_through_its_keyframes_bit_for_bit() -> None:
    stops = drawn(15).reshape(3, 5, 2)
    path = lp.interpolate_through(bent, lp.priors.standard_normal(2), stops, segments=12)
    assert torch.equal(path.keyframes, stops)
    assert torch.equal(path.start, stops[:, 0])
    assert torch.equal(path.end, stops[:, -1])
    assert not path.closed


def test_one_leg_is_a_path_of_interpolate() -> None:
    stops, prior = drawn(2), lp.priors.standard_normal(2)
    through = lp.interpolate_through(bent, prior, stops, segments=30)
    pair = lp.interpolate(bent, prior, stops[0], stops[1], segments=30)
    torch.testing.assert_close(through.latents, pair.at(31, "metric"))
    assert through.outcome == pair.outcome
    torch.testing.assert_close(through.evaluations, pair.evaluations)
    torch.testing.assert_close(through.gain, pair.resample(30).gain)


def test_costs_of_the_legs_add_up_and_the_worst_outcome_counts() -> None:
    stops, prior = drawn(4, 1), lp.priors.standard_normal(2)
    legs = lp.interpolate(bent, prior, stops[:-1], stops[1:], segments=40)
    path = lp.interpolate_through(bent, prior, stops, segments=40)
    assert float(path.cost) == pytest.approx(float(legs.cost.sum()), rel=2e-3)
    assert float(path.length) == pytest.approx(float(legs.length.sum()), rel=2e-3)
    short = lp.interpolate_through(bent, prior, stops, segments=40, max_evaluations=3, tol=1e-6)
    assert str(short.outcome[0]) != "converged"


def test_a_batch_is_its_paths() -> None:
    stops, prior = drawn(8, 2).reshape(2, 4, 2), lp.priors.standard_normal(2)
    how = {"closed": True, "segments": 16, "smooth": 0.8, "tol": 1e-8}
    both = lp.interpolate_through(bent, prior, stops, **how)
    for i in range(2):
        alone = lp.interpolate_through(bent, prior, stops[i], **how)
        assert torch.equal(alone.keyframe_indices[0], both.keyframe_indices[i])
        torch.testing.assert_close(alone.latents[0], both.latents[i], rtol=1e-5, atol=1e-6)
        assert alone.settings["smoothed"]["rise"][0] == pytest.approx(both.settings["smoothed"]["rise"][i], rel=1e-3)


def test_points_lie_evenly_across_the_joints() -> None:
    path = lp.interpolate_through(bent, lp.priors.standard_normal(2), drawn(5, 3), segments=40, spacing="data")
    steps = path.step_lengths[0]
    # legs get whole numbers of points: half a step of the shortest leg's is the most that rounding moves
    fewest = int(path.keyframe_indices[0].diff().min())
    assert float(steps.max() / steps.min()) < (1 + 0.5 / fewest) ** 2 / (1 - 0.5 / fewest) ** 2


def test_the_first_keyframe_of_a_closed_path_is_one_like_any_other() -> None:
    stops, prior = drawn(4, 4), lp.priors.standard_normal(2)
    one = lp.interpolate_through(bent, prior, stops, closed=True, segments=24)
    other = lp.interpolate_through(bent, prior, stops.roll(1, 0), closed=True, segments=24)
    assert float(one.cost) == pytest.approx(float(other.cost), rel=1e-3)
    shift = int(other.keyframe_indices[0, 1])
    torch.testing.assert_close(one.latents[0, 0], other.latents[0, shift])


@pytest.mark.parametrize("bound", [1.0, 0.5])
def test_a_smooth_corner_is_within_the_bound_and_its_price_is_the_one_reported(bound: float) -> None:
    sharp = lp.interpolate_through(twice, flat, SQUARE, closed=True, segments=100, spacing="data")
    path = lp.interpolate_through(twice, flat, SQUARE, closed=True, segments=100, spacing="data", smooth=bound)
    facts = path.settings["smoothed"]
    assert facts["before"][0] == pytest.approx([2**0.5] * 4, abs=1e-6)  # right angles
    assert max(facts["after"][0]) <= bound
    assert float(jumps(twice(path.latents[0])).max()) <= 1.1 * bound  # at the path's own points, too
    assert 0 < facts["rise"][0] < 0.05
    assert float(path.cost) == pytest.approx(float(sharp.cost) * (1 + facts["rise"][0]), rel=1e-3)
    assert torch.equal(path.keyframes[0, :-1], SQUARE)


def test_a_tighter_bound_costs_more_and_none_costs_nothing() -> None:
    stops, prior = drawn(4, 5), lp.priors.standard_normal(2)
    costs = [
        float(lp.interpolate_through(bent, prior, stops, segments=40, smooth=smooth, max_cost_increase=5.0).cost)
        for smooth in (None, 1.9, 1.0, 0.4)
    ]
    assert costs[0] < costs[1] < costs[2] < costs[3]
    wide = lp.interpolate_through(twice, flat, SQUARE, segments=40)
    same = lp.interpolate_through(twice, flat, SQUARE, segments=40, smooth=1.5)  # right angles are within this
    torch.testing.assert_close(wide.latents, same.latents)
    assert same.settings["smoothed"]["rise"] == [0.0]


def test_no_joint_costs_more_than_allowed() -> None:
    there_and_back = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    path = lp.interpolate_through(twice, flat, there_and_back, segments=40, smooth=0.1, max_cost_increase=0.01)
    facts = path.settings["smoothed"]
    assert facts["before"][0] == pytest.approx([2.0])
    assert facts["after"][0][0] <= 2.0 + 1e-12
    assert float(path.cost) <= 8 * 1.01


def test_it_can_be_saved_cut_reversed_and_compared(tmp_path: FilePath) -> None:
    stops, prior = drawn(6, 6).reshape(2, 3, 2), lp.priors.standard_normal(2)
    path = lp.interpolate_through(bent, prior, stops, segments=10, smooth=1.0)
    path.save(tmp_path / "p.safetensors")
    again = lp.Path.load(tmp_path / "p.safetensors")
    assert torch.equal(again.keyframes, stops)
    assert again.settings["smoothed"] == path.settings["smoothed"]
    assert torch.equal(path[1].keyframes[0], stops[1])
    assert torch.equal(path.reversed().keyframes, stops.flip(1))
    lines = path.baselines(["lerp"])["lerp"]
    assert lines.shape == path.latents.shape
    for b in range(2):
        for i, at in enumerate(path.keyframe_indices[b].tolist()):
            assert torch.equal(lines[b, at], stops[b, i])
    middle = int(path.keyframe_indices[0, 1])
    torch.testing.assert_close(lines[0, : middle + 1], lp.lerp(stops[0, 0], stops[0, 1], middle))
    assert path.report(["lerp", "slerp"])["lerp"].cost[0] > 0


def test_equal_neighbours_are_a_leg_of_no_length() -> None:
    stops = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    path = lp.interpolate_through(twice, flat, stops, segments=10, smooth=0.5)
    assert float(path.cost) < 4.5
    assert torch.equal(path.keyframes[0], stops)


@pytest.mark.parametrize(
    ("keyframes", "options", "said"),
    [
        (torch.zeros(2), {}, "(N, D) or (B, N, D)"),
        (torch.zeros(1, 2), {}, "at least 2 keyframes"),
        (torch.zeros(0, 3, 2), {}, "at least 2 keyframes"),
        (torch.zeros(2, 3), {}, "D = 2"),
        (torch.tensor([[0.0, 0.0], [float("nan"), 1.0]]), {}, "NaN"),
        (torch.rand(3, 2), {"segments": 1}, "segments"),
        (torch.rand(3, 2), {"smooth": 2.0}, "smooth"),
        (torch.rand(3, 2), {"smooth": True}, "smooth"),
        (torch.rand(3, 2), {"smooth": 0.5, "max_cost_increase": 0.0}, "max_cost_increase"),
    ],
)
def test_what_cannot_be_done_is_said(keyframes: Tensor, options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as caught:
        lp.interpolate_through(lambda z: 3 * z, lp.priors.standard_normal(2), keyframes, **options)
    assert said in str(caught.value)


def styled(z: Tensor) -> Tensor:
    """Makes frames ``(n, 4)`` of W+ latents ``(n, 3, D)``, and of latents ``(n, D)``: the same one for each layer."""
    layers = z if z.ndim == 3 else z[:, None].expand(-1, 3, -1)
    mix = torch.linspace(-1, 1, layers.shape[1] * layers.shape[2] * 4, dtype=z.dtype).reshape(-1, 4)
    return torch.tanh(layers.flatten(1) @ mix)


def test_keyframes_of_two_meanings_are_refused_and_both_can_be_said() -> None:
    prior, wide = lp.priors.standard_normal(2, dtype=torch.float64), lp.priors.standard_normal(6, dtype=torch.float64)
    layered = drawn(6, 3).reshape(2, 3, 2)
    with pytest.raises(InputError) as caught:
        lp.interpolate_through(styled, prior, layered, segments=6)
    for words in ("2 paths", "3 latents (2,)", "list(keyframes)", "2 latents (3, 2)", "flatten"):
        assert words in str(caught.value)
    paths = lp.interpolate_through(styled, prior, list(layered), segments=6)
    assert torch.equal(paths.keyframes, layered)
    one = lp.interpolate_through(lambda z: styled(z.unflatten(1, (3, 2))), wide, layered.flatten(1), segments=6)
    assert torch.equal(one.keyframes[0], layered.flatten(1))
    assert one.latents.shape == (1, 7, 6)


@pytest.mark.parametrize(
    "generator", [bent, twice, torch.nn.Linear(2, 3, dtype=torch.float64).eval()], ids=["bent", "twice", "linear"]
)
def test_a_list_is_the_stack_where_only_one_meaning_is_possible(generator: Callable[[Tensor], Tensor]) -> None:
    stops, prior = drawn(6, 6).reshape(2, 3, 2), lp.priors.standard_normal(2, dtype=torch.float64)
    stacked = lp.interpolate_through(generator, prior, stops, segments=6)
    assert torch.equal(lp.interpolate_through(generator, prior, list(stops), segments=6).latents, stacked.latents)


@pytest.mark.parametrize(
    "keyframes",
    [
        torch.zeros(2, 3, 4, 2),
        [],
        [torch.zeros(2), torch.zeros(2)],
        [torch.zeros(2, 2), torch.zeros(3, 2)],
        [torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.float64)],
        [torch.zeros(1, 2)],
        (torch.zeros(2, 2, 2),),
    ],
    ids=["4-d", "none", "latents", "other counts", "other dtypes", "one keyframe", "stacks"],
)
def test_keyframes_of_no_meaning_are_refused(keyframes: object) -> None:
    with pytest.raises(InputError, match="keyframes"):
        lp.interpolate_through(twice, flat, keyframes)


def test_strict_says_which_leg() -> None:
    with pytest.raises(SolveError, match="legs"):
        lp.interpolate_through(
            bent, lp.priors.standard_normal(2), drawn(4, 7), segments=40, tol=1e-9, max_evaluations=4, strict=True
        )


@pytest.mark.parametrize("smooth", [None, 0.8])
def test_what_is_called_converged_does_not_tunnel(smooth: float | None) -> None:
    model = lp.load("mnist-dcgan-semicircle")
    stops = torch.randn(2, 4, 20, generator=torch.Generator().manual_seed(0))
    path = lp.interpolate_through(model.generator, model.prior, stops, segments=20, spacing="data", smooth=smooth)
    for i in range(2):
        assert not bool(path.tunnels[i].any()) or str(path.outcome[i]) != "converged"
    assert float(path.gap.max()) < 0.02


def test_too_few_points_for_a_curve_are_not_called_converged() -> None:
    def wall(z: Tensor) -> Tensor:  # a ring: the way around it is bent
        return -0.1 - 8 * torch.exp(-((z.norm(dim=-1) / 0.5) ** 2))

    def ends(far: float) -> Tensor:
        return torch.tensor([[-1.0, 0.02], [1.0, 0.0], [far, 0.0]], dtype=torch.float64)

    # spacing in the data leaves a point or two for the way around
    few = lp.interpolate_through(twice, wall, ends(20), segments=6, spacing="data")
    legs = lp.interpolate(twice, wall, ends(20)[:-1], ends(20)[1:], segments=6)
    assert [str(outcome) for outcome in legs.outcome] == ["converged"] * 2
    assert float(few.cost) > 1.3 * float(legs.cost.sum())
    assert str(few.outcome[0]) == "unresolved"
    with pytest.raises(SolveError):
        lp.interpolate_through(twice, wall, ends(20), segments=6, spacing="data", strict=True)
    enough = lp.interpolate_through(twice, wall, ends(5), segments=10, spacing="data")
    assert str(enough.outcome[0]) == "converged"
