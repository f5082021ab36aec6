"""Cards of models."""

from __future__ import annotations

from pathlib import Path

import pytest

from latentpath.models import (
    available,
    load,
)
from latentpath.models.cards import make_card, table_of


def test_the_table_in_the_docs_is_what_the_cards_say() -> None:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    shown = page.split("<!-- models table: begin -->")[1].split("<!-- models table: end -->")[0]
    assert shown.strip() == table_of(load(name).card for name in available())
    assert len(shown.strip().splitlines()) == 2 + len(available())


@pytest.mark.parametrize(
    ("data", "licence"), [("mnist", "MIT"), ("celeba", "For non-commercial research"), ("cats", "not stated")]
)
def test_a_card_names_the_terms_of_the_data(data: str, licence: str) -> None:
    about = {"data": data, "seed": 0}
    card = make_card("x", "", about, command="", version="", steps=1, seconds=0.0, images=7, value_range=None)
    assert card["licence"].startswith(licence)
    assert card["data"]["images"] == 7
    assert card["data"]["licence"]
