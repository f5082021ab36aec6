"""The jobs with a model's recommended recipe, between the same endpoints as the paper's path.

=========== ==============================================================================================
job         for every pair
=========== ==============================================================================================
recommended the path by the recipe
front       the path by the recipe at other alphas and mus: how direct it is against how real it looks
=========== ==============================================================================================
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..interpolate import interpolate
from ..models import Model
from ..path import Path
from ..recipe import Recipe
from .config import Config
from .jobs import ReportShare

Front = Mapping[str, tuple[float, float]]  # alpha and mu of every point, by its name


def recommended(model: Model, start: Tensor, end: Tensor, config: Config, report: ReportShare) -> dict[str, Tensor]:
    """The path by the model's recipe between ``start`` and ``end`` ``(B, D)``; its length is in the data."""
    options: dict[str, Any] = {"segments": config.segments, "tol": config.tol, "progress": False}
    path = interpolate(model, start, end, method="recommended", **options)
    report(1.0)
    return _facts(path)


def front_points(recipe: Recipe, config: Config) -> dict[str, tuple[float, float]]:
    """The points of the front but the recipe's own, which is the path of the job "recommended"."""
    every = dict.fromkeys((alpha, mu) for alpha in config.front_alphas for mu in config.front_mus)
    return {f"alpha {alpha:g}, mu {mu:g}": (alpha, mu) for alpha, mu in every if (alpha, mu) != own_point(recipe)}


def own_point(recipe: Recipe) -> tuple[float, float]:
    """The alpha and mu of a recipe."""
    return recipe.alpha, recipe.mu


def front(
    model: Model, points: Front, start: Tensor, end: Tensor, config: Config, report: ReportShare
) -> dict[str, Tensor]:
    """The path by the model's recipe at every point of the front, between ``start`` and ``end`` ``(B, D)``."""
    assert model.recipe is not None
    options: dict[str, Any] = {"segments": config.segments, "tol": config.front_tol, "progress": False}
    found: dict[str, Tensor] = {}
    for i, (name, (alpha, mu)) in enumerate(points.items()):
        recipe = model.recipe.changed(alpha=alpha, mu=mu)
        path = interpolate(model, start, end, method=recipe, **options)
        found |= {f"{name}/{fact}": value for fact, value in _facts(path).items()}
        report((i + 1) / len(points))
    return found


def _facts(path: Path) -> dict[str, Tensor]:
    return {
        "latents": path.latents,
        "length": path.length,
        "evaluations": path.evaluations,
        "outcome": torch.tensor([outcome.code for outcome in path.outcome]),
    }
