"""The settings of a reproduction."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from latentpath.errors import InputError
from latentpath.paper.config import MODELS, Config


class TestConfig:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"pairs": 1}, r"\(--pairs\) must be a whole number from 2 to 100,000, got 1$"),
            ({"pairs": 10**12}, r"\(--pairs\) must be a whole number from 2 to 100,000, got 1000000000000"),
            ({"face_pairs": 0}, r"\(--face-pairs\) must be a whole number from 2"),
            ({"seed": -1}, "seed"),
            ({"alpha": 0.0}, "alpha"),
            ({"frames": 2}, "frames"),
        ],
    )
    def test_too_few_and_too_many_of_anything_are_refused(self, wrong: dict[str, Any], message: str) -> None:
        with pytest.raises(InputError, match=message):
            dataclasses.replace(Config(), **wrong)

    def test_faces_have_their_own_number_and_few_are_never_more_than_all(self) -> None:
        plan = Config(pairs=5, face_pairs=3)
        assert [plan.pairs_of(name) for name in MODELS] == [5, 5, 3, 3, 3]
        assert (plan.digit_pairs(3), plan.digit_pairs(16)) == (3, 5)
