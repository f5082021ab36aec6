"""The methods of the page: the recipe's numbers where none is given, the paper's where there is no recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from page_server import grey
from PIL import Image

import latentpath as lp
from latentpath.web import views
from latentpath.web.choices import Choices
from latentpath.web.methods import beside_options, completed, in_code, in_words, paper_in_code, solve_options
from latentpath.web.sessions import Session
from latentpath.web.solving import Glimpse, Solved, solve
from latentpath.web.studio import Studio


def with_recipe() -> lp.Model:
    model = grey()
    assert model.prior is not None
    return replace(model, recipe=lp.Recipe(lp.RealismIndex(model.prior, alpha=0.95), lp.Ruler(0.8)))


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(["test_page_methods:with_recipe", "page_server:grey"], tmp_path)


@pytest.fixture
def session(studio: Studio) -> Session:
    return studio.sessions.of("a visitor")


def solved(studio: Studio, session: Session, **chosen: object) -> Solved:
    *_, last = solve(studio, session, Choices.of({"segments": 10, **chosen}))
    assert isinstance(last, Solved)
    return last


def test_numbers_that_are_left_out_are_the_recipes() -> None:
    assert completed({"alpha": "recipe", "mu": "recipe", "fps": 5}, with_recipe()) == {
        "alpha": 0.95,
        "mu": 0.8,
        "fps": 5,
    }
    assert completed({"alpha": 0.5, "mu": 0.25}, with_recipe()) == {"alpha": 0.5, "mu": 0.25}
    assert completed({"alpha": "recipe", "mu": "recipe"}, grey()) == {"alpha": Choices().alpha, "mu": Choices().mu}


def test_a_model_without_a_recipe_has_the_papers_method_alone() -> None:
    choices = Choices(alpha=0.8, beside=True)
    assert solve_options(choices, grey()) == {"alpha": 0.8}
    assert beside_options(choices, grey()) is None
    assert in_code(choices, grey()) == "alpha=0.8"
    assert paper_in_code(choices, grey()) == ""
    assert in_words(choices, grey()) == "By the paper's method."


def test_the_words_name_the_recipe_as_it_was_changed() -> None:
    model = with_recipe()
    assert in_words(Choices(alpha=0.95, mu=0.4), model) == "By the recommended recipe: density, alpha 0.95, mu 0.4."
    assert in_words(Choices("paper"), model) == "By the paper's method."
    assert beside_options(Choices("paper", beside=True), model) is None


def test_what_is_seen_between_two_methods_is_a_beginning() -> None:
    between = Glimpse((), running=1, legs=1, latents=torch.zeros(1, 3, 2), seconds=2.0, stopping=False)
    assert "Starting (2 s)" in views.glimpse(between, grey())


@pytest.mark.parametrize("closed", [False, True])
def test_the_papers_path_beside_it_is_the_papers(studio: Studio, session: Session, closed: bool) -> None:
    last = solved(studio, session, beside=True, closed=closed, mu=1, alpha=0.9)
    alone = solved(studio, session, method="paper", closed=closed, alpha=0.9)
    assert alone.others == {}
    assert list(last.others) == ["paper"]
    assert last.path.settings["method"] == "recommended"
    assert last.others["paper"].settings["method"] == "paper"
    torch.testing.assert_close(last.others["paper"].latents, alone.path.latents)
    assert not torch.allclose(last.path.latents, alone.path.latents)


def test_it_is_a_row_of_the_table_and_of_the_strips_and_a_pane_of_the_film(
    studio: Studio, session: Session, tmp_path: Path
) -> None:
    choices, model = Choices(segments=10, seconds=1, fps=5, beside=True), studio.model(session.model)
    last = solved(studio, session, beside=True)
    assert views.numbers(last, choices).count("<tr>") == 5  # heading, straight line, slerp, the paper's, path
    assert "the paper&#x27;s</th>" in views.numbers(last, choices)
    sizes = []
    for others in ({}, last.others):
        views.strips(last.path, model, choices, tmp_path / "strip.png", others)
        views.films(last.path, model, choices, tmp_path / "film.gif", others=others)
        with Image.open(tmp_path / "strip.png") as strip, Image.open(tmp_path / "film.gif") as film:
            sizes.append((strip.height, film.width))
    (rows, columns), (more_rows, more_columns) = sizes
    assert rows < more_rows < 1.5 * rows
    assert more_columns > 1.8 * columns
