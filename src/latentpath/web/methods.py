"""The method of a solve on the page: the model's recommended recipe, from direct to realistic, or the paper's."""

from __future__ import annotations

from typing import Any

from ..models import Model
from .choices import PAPER, RECOMMENDED, Choices

__all__ = ["LABELS", "has_choice", "in_code", "in_words", "solve_options"]

LABELS = {RECOMMENDED: "Recommended", PAPER: "The paper's method"}
"""The methods in words."""


def has_choice(model: Model) -> bool:
    """Returns True for a model with a recipe; any other has the paper's method alone."""
    return model.recipe is not None


def _is_recommended(choices: Choices, model: Model) -> bool:
    return has_choice(model) and choices.method == RECOMMENDED


def solve_options(choices: Choices, model: Model) -> dict[str, Any]:
    """Returns the arguments of `interpolate` that choose the method."""
    if not _is_recommended(choices, model):
        return {"alpha": choices.alpha}
    assert model.recipe is not None
    return {"method": model.recipe.changed(alpha=choices.alpha, mu=choices.mu)}


def in_code(choices: Choices, model: Model) -> str:
    """Returns the same arguments as text for the lines of Python."""
    if not _is_recommended(choices, model):
        return f"alpha={choices.alpha!r}"
    return f"method=model.recipe.changed(alpha={choices.alpha!r}, mu={choices.mu!r})"


def in_words(choices: Choices, model: Model) -> str:
    """Returns the sentence that names the method."""
    if not _is_recommended(choices, model):
        return "By the paper's method."
    assert model.recipe is not None
    words = str(model.recipe.changed(alpha=choices.alpha, mu=choices.mu)).replace("surrogate of ", "")
    return f"By the recommended recipe: {words}."
