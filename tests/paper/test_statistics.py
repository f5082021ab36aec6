"""Means with intervals, and the verdicts read off them."""

from __future__ import annotations

import itertools
import json
import math
import sys

import pytest
import torch

from latentpath.errors import DataError, InputError, MissingDependencyError
from latentpath.paper.claims.verdicts import Claim, Rule, Verdict, above, below, within
from latentpath.paper.statistics import Estimate, estimate, paired, proportion

NAN = math.nan
HOLDS = Estimate(1, 0.5, 2, n=9)
FAILS = Estimate(-1, -2, -0.5, n=9)
OPEN = Estimate(0, -1, 1, n=9)


def test_the_mean_is_exact_and_the_interval_that_of_the_normal_where_that_is_right() -> None:
    values = torch.randn(4000, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 + 5
    found = estimate(values, resamples=2000)
    assert found.mean == pytest.approx(float(values.mean()), rel=1e-12)
    half = 1.959964 * float(values.std()) / math.sqrt(4000)
    assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half), abs=0.05 * half)
    assert (found.n, found.left_out, found.note) == (4000, 0, "")
    narrower = estimate(values, resamples=2000, confidence=0.5)
    assert narrower.high - narrower.low == pytest.approx(2 * 0.6745 * half / 1.96, rel=0.07)


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


def test_verdicts_of_every_rule_at_every_place() -> None:
    """Against the definition: of the numbers in the interval, all, none or some are in the region."""
    places = [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0]
    regions = {
        above(1): lambda x: x > 1,
        below(-1): lambda x: x < -1,
        within(1): lambda x: abs(x) <= 1,
        within(1, around=1): lambda x: 0 <= x <= 2,
        within(0): lambda x: x == 0,
    }
    for rule, inside in regions.items():
        for low, high in itertools.combinations_with_replacement(places, 2):
            points = [x / 8 for x in range(int(8 * low), int(8 * high) + 1)]
            among = {inside(x) for x in points}
            expected = {(True,): "holds", (False,): "does not hold"}.get(tuple(among), "not decided")
            assert rule.decide(Estimate((low + high) / 2, low, high, n=5)) == expected, (rule, low, high)
        for low, high in ((NAN, 9.0), (0.0, math.inf), (-math.inf, 0.0), (NAN, NAN)):
            assert rule.decide(Estimate(0, low, high, n=5)) == "not decided"


def test_a_claim_of_parts_holds_with_all_of_them_and_falls_with_one() -> None:
    parts = {"holds": HOLDS, "does not hold": FAILS, "not decided": OPEN}
    for names in itertools.product(parts, repeat=3):
        claim = Claim("all", parts=tuple(Claim(name, parts[name], above(0)) for name in names))
        assert [part.verdict for part in claim.parts] == list(names)
        expected: Verdict = (
            "does not hold" if "does not hold" in names else "holds" if set(names) == {"holds"} else "not decided"
        )
        assert claim.verdict == expected
        assert Claim("nested", parts=(claim,)).verdict == expected


def test_claims_survive_json_and_a_verdict_that_was_edited_is_refused() -> None:
    nothing = Estimate(3, NAN, math.inf, n=2, left_out=1, note="no interval from 2 values")
    claim = Claim(
        "both",
        parts=(
            Claim("more", HOLDS, above(0)),
            Claim("inner", parts=(Claim("near", OPEN, within(0.5, 1)), Claim("?", nothing, below(2)))),
        ),
    )
    stored = json.loads(json.dumps(claim.to_dict(), allow_nan=False))
    assert stored["parts"][1]["parts"][1]["measured"]["high"] is None
    again = Claim.from_dict(stored)
    assert again.to_dict() == claim.to_dict()
    assert again.verdict == "not decided"
    assert "more: holds (1 [0.5, 2], n = 9; above 0)" in str(again)
    stored["parts"][0]["verdict"] = "does not hold"
    with pytest.raises(DataError, match="stored as 'does not hold', and its numbers say 'holds'"):
        Claim.from_dict(stored)
    for broken in ({}, {"text": "x", "verdict": "holds", "measured": {"mean": 1}, "rule": {}}, {"parts": 3}):
        with pytest.raises(DataError, match="this is no"):
            Claim.from_dict(broken)


def test_errors_at_the_door() -> None:
    with pytest.raises(InputError, match=r"must be \(B,\)"):
        estimate(torch.zeros(2, 2))
    with pytest.raises(InputError, match="confidence must lie in"):
        estimate([1.0, 2.0, 4.0], confidence=1.0)
    with pytest.raises(InputError, match="margin not negative"):
        within(-1)
    with pytest.raises(InputError, match="must be finite"):
        above(math.inf)
    with pytest.raises(InputError, match="either a number and its rule, or parts"):
        Claim("nothing")
    with pytest.raises(InputError, match="either a number and its rule, or parts"):
        Claim("half", HOLDS)
    with pytest.raises(InputError, match="and 1 parts"):
        Claim("too much", HOLDS, Rule("above", 0), (Claim("more", HOLDS, above(0)),))


def test_without_scipy_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    for ask in (lambda: estimate([1.0, 2.0, 4.0]), lambda: proportion([True])):
        with pytest.raises(MissingDependencyError, match=r"needs scipy.*latentpath\[reproduce\]"):
            ask()
