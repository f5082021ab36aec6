"""Means with intervals, differences and shares."""

from __future__ import annotations

import math
import sys

import pytest
import torch

from latentpath.errors import InputError, MissingDependencyError
from latentpath.paper.claims.verdicts import above
from latentpath.paper.statistics import estimate, paired, proportion, unpaired

NAN = math.nan


def test_the_mean_is_exact_and_the_interval_that_of_the_normal_where_that_is_right() -> None:
    values = torch.randn(4000, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 + 5
    found = estimate(values, resamples=2000)
    assert found.mean == pytest.approx(float(values.mean()), rel=1e-12)
    half = 1.959964 * float(values.std()) / math.sqrt(4000)
    assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half), abs=0.05 * half)
    assert (found.n, found.left_out, found.note) == (4000, 0, "")


def test_the_interval_covers_the_mean_of_normals_about_as_often_as_it_says() -> None:
    random = torch.Generator().manual_seed(1)
    for n, least in ((10, 0.84), (50, 0.90)):
        samples = torch.randn(200, n, generator=random, dtype=torch.float64) + 3
        found = [estimate(sample, resamples=400) for sample in samples]
        covered = sum(each.low <= 3 <= each.high for each in found) / 200
        assert least <= covered <= 0.99


def test_one_seed_gives_one_interval_and_scaling_and_moving_the_values_does_so_with_it() -> None:
    values = torch.rand(30, generator=torch.Generator().manual_seed(2), dtype=torch.float64) ** 3
    one = estimate(values, resamples=500)
    assert one == estimate(values.tolist(), resamples=500)
    assert one != estimate(values, resamples=500, seed=1)
    moved = estimate(4 * values + 1, resamples=500)
    for name in ("mean", "low", "high"):
        assert getattr(moved, name) == pytest.approx(4 * getattr(one, name) + 1, rel=1e-9)
    assert one.high - one.mean > one.mean - one.low  # of a sample skewed to the right, so is the interval


@pytest.mark.parametrize(
    ("values", "mean", "ends", "note"),
    [
        ([], NAN, (NAN, NAN), "nothing to take a mean of"),
        ([NAN, math.inf], NAN, (NAN, NAN), "2 of 2 values are not finite and left out; nothing to take a mean of"),
        ([4.0], 4, (NAN, NAN), "no interval from 1 value"),
        ([4.0, 6.0, NAN], 5, (NAN, NAN), "1 of 3 values is not finite and left out; no interval from 2 values"),
        ([0.1, 0.1, 0.1], 0.1, (0.1, 0.1), "all values are the same: the interval shows no spread"),
        ([0.0] * 5, 0, (0, 0), "all values are the same: the interval shows no spread"),
    ],
)
def test_what_has_no_interval_says_so(values: list[float], mean: float, ends: tuple[float, float], note: str) -> None:
    found = estimate(values)
    assert found.mean == pytest.approx(mean, nan_ok=True)
    assert (found.low, found.high) == pytest.approx(ends, nan_ok=True)
    assert found.note == note
    assert found.n + found.left_out == len(values)
    if not found.decisive:
        assert above(-1e9).decide(found) == "not decided"
        assert "(no interval)" in str(found)


def test_values_that_differ_in_one_pair_only_have_an_interval() -> None:
    found = estimate([0.0] * 19 + [1.0])
    assert found.decisive
    assert found.low <= 0.05 <= found.high
    assert found.low >= 0
    assert found.high <= 1


def test_differences_are_taken_pair_by_pair() -> None:
    random = torch.Generator().manual_seed(3)
    base = 100 * torch.randn(40, generator=random, dtype=torch.float64)
    gain = 1 + 0.1 * torch.randn(40, generator=random, dtype=torch.float64)
    found = paired(base + gain, base, resamples=500)
    assert found.mean == pytest.approx(float(gain.mean()), abs=1e-9)
    assert above(0.9).decide(found) == "holds"  # though the pairs differ by a hundred times as much
    back = paired(base, base + gain, resamples=500)
    assert back.mean == pytest.approx(-found.mean)
    lost = paired([1.0, math.inf, 3.0, 5.0], [0.0, math.inf, NAN, 1.0])
    assert (lost.mean, lost.n, lost.left_out) == (2.5, 2, 2)
    with pytest.raises(InputError, match="same pairs, got 2 and 1"):
        paired([1.0, 2.0], [1.0])


def test_proportions_have_the_exact_interval() -> None:
    none, every = proportion([False] * 24), proportion(torch.ones(24, dtype=torch.bool))
    assert (none.mean, none.low) == (0, 0)
    assert none.high == pytest.approx(1 - 0.025 ** (1 / 24))  # (1 - p)^24 = 0.025
    assert (every.mean, every.low, every.high) == pytest.approx((1, 0.025 ** (1 / 24), 1))
    assert above(0.95).decide(every) == "not decided"
    assert above(0.95).decide(proportion([True] * 200)) == "holds"
    assert math.isnan(proportion([]).mean)
    with pytest.raises(InputError, match="must be bools"):
        proportion(torch.ones(3))


def test_the_difference_of_two_samples_covers_the_truth() -> None:
    random = torch.Generator().manual_seed(0)
    inside = 0
    for seed in range(60):
        one, two = torch.randn(40, generator=random), 1 + 2 * torch.randn(60, generator=random)
        found = unpaired(one, two, resamples=400, seed=seed)
        assert found.mean == pytest.approx(float(one.double().mean() - two.double().mean()), rel=1e-6)
        inside += found.low <= -1 <= found.high
    assert 50 <= inside <= 60
    assert not unpaired([1.0, 2.0], [3.0, 4.0, 5.0]).decisive


def test_invalid_arguments_are_refused() -> None:
    with pytest.raises(InputError, match=r"must be \(B,\)"):
        estimate(torch.zeros(2, 2))


def test_without_scipy_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    for ask in (lambda: estimate([1.0, 2.0, 4.0]), lambda: proportion([True])):
        with pytest.raises(MissingDependencyError, match=r"needs scipy.*latentpath\[reproduce\]"):
            ask()
