"""The method of a solve on the page: the model's recommended recipe, from direct to realistic, or the paper's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..models import Model
from ..recipe import Recipe
from .choices import PAPER, RECOMMENDED, Choices

__all__ = [
    "LABELS",
    "NONE",
    "RECIPES",
    "beside_options",
    "completed",
    "in_code",
    "in_words",
    "paper_in_code",
    "solve_options",
]

LABELS = {RECOMMENDED: "Recommended", PAPER: "The paper's method"}
"""The methods in words."""

RECIPES = "recipe"
"""In place of an alpha or mu: the recipe's."""

NONE = "This model has no recommended recipe: the path is by the paper's method."
"""The sentence in place of the choice."""


def completed(values: Mapping[str, Any], model: Model) -> dict[str, Any]:
    """Returns the values of `Choices`, an alpha or mu of `RECIPES` replaced by the recipe's, or by the usual one."""
    usual: Any = Choices() if model.recipe is None else model.recipe
    return {
        name: getattr(usual, name) if name in ("alpha", "mu") and value == RECIPES else value
        for name, value in values.items()
    }


def _recipe(choices: Choices, model: Model) -> Recipe | None:
    """Returns the recipe of the solve; None for the paper's method."""
    if model.recipe is None or choices.method != RECOMMENDED:
        return None
    return model.recipe.changed(alpha=choices.alpha, mu=choices.mu)


def solve_options(choices: Choices, model: Model) -> dict[str, Any]:
    """Returns the arguments of `interpolate` that choose the method."""
    recipe = _recipe(choices, model)
    return {"alpha": choices.alpha} if recipe is None else {"method": recipe}


def beside_options(choices: Choices, model: Model) -> dict[str, Any] | None:
    """Returns the arguments for the paper's path beside the recommended one; None where it is not shown."""
    return {"alpha": choices.alpha} if choices.beside and _recipe(choices, model) is not None else None


def in_code(choices: Choices, model: Model) -> str:
    """Returns the arguments of `solve_options` as text for the lines of Python."""
    if _recipe(choices, model) is None:
        return f"alpha={choices.alpha!r}"
    return f"method=model.recipe.changed(alpha={choices.alpha!r}, mu={choices.mu!r})"


def paper_in_code(choices: Choices, model: Model) -> str:
    """Returns the arguments of `beside_options` as text for the lines of Python; empty for None."""
    return "" if beside_options(choices, model) is None else f"alpha={choices.alpha!r}"


def in_words(choices: Choices, model: Model) -> str:
    """Returns the sentence that names the method."""
    recipe = _recipe(choices, model)
    if recipe is None:
        return "By the paper's method."
    return f"By the recommended recipe: {recipe}.".replace("surrogate of ", "")
