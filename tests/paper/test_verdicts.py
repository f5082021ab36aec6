"""Verdicts read off intervals, by every rule and for claims of parts."""

from __future__ import annotations

import itertools
import json
import math

import pytest

from latentpath.errors import DataError, InputError
from latentpath.paper.claims.verdicts import Claim, Rule, Verdict, above, below, within
from latentpath.paper.statistics import Estimate

NAN = math.nan
HOLDS = Estimate(1, 0.5, 2, n=9)
FAILS = Estimate(-1, -2, -0.5, n=9)
OPEN = Estimate(0, -1, 1, n=9)


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
    stored["parts"][0]["verdict"] = "does not hold"
    with pytest.raises(DataError, match="stored as 'does not hold', and its numbers say 'holds'"):
        Claim.from_dict(stored)
    for broken in ({}, {"text": "x", "verdict": "holds", "measured": {"mean": 1}, "rule": {}}, {"parts": 3}):
        with pytest.raises(DataError, match="this is no"):
            Claim.from_dict(broken)


def test_invalid_rules_and_claims_are_refused() -> None:
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
