"""The method of a solve: a model's recommended recipe, the paper's, or what the arguments say.

======================= ======================================= ===========================================
``method``              index                                   lengths
======================= ======================================= ===========================================
"recommended"           of the model's recipe                   by the recipe's ruler
"paper"                 `RealismIndex` of the prior             in the data
a `latentpath.Recipe`   of the recipe                           by the recipe's ruler
None                    as "recommended" where a model has a    likewise
                        recipe and no index or other prior
                        stands beside it, otherwise as given
======================= ======================================= ===========================================

An ``alpha`` or ``embed`` that is given replaces the method's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from ._validate import describe
from .decoding import Embed, Generator
from .errors import InputError
from .index import PriorIndex, RealismIndex
from .interpolate_arguments import GenerativeModel, checked_index, split_model
from .recipe import Recipe

__all__ = ["Method", "Problem", "problem_of"]

Method = Literal["recommended", "paper"] | Recipe
"""A model's recommended recipe, the paper's method, or a recipe."""


@dataclass(frozen=True)
class Problem:
    """The parts of a solve between latents.

    Attributes:
        generator: latents ``(N, D)`` to data.
        index: the index that prices the latents.
        embed: the space in which lengths are measured.
        latents: the latents given, not yet validated.
        method: "recommended" where a recipe chose index and ruler, "paper" for the paper's choice, otherwise "custom".
    """

    generator: Generator
    index: PriorIndex | Callable[[Tensor], Tensor]
    embed: Embed
    latents: tuple[Any, ...]
    method: str


def problem_of(
    generator: Generator | GenerativeModel,
    prior: Any,
    latents: Sequence[Any],
    names: str,
    *,
    method: Method | None,
    alpha: float | None,
    embed: Embed,
) -> Problem:
    """Returns the parts of a solve, given (generator, prior, *latents) or (model, *latents) and a method.

    Raises:
        InputError: an argument is missing, an unknown method, an index beside a method that brings its own, or
            ``"recommended"`` for a generator without a recipe, or beside another prior than the model's.
    """
    if method is not None and not isinstance(method, Recipe) and method not in ("recommended", "paper"):
        raise InputError(f'method must be "recommended", "paper" or a latentpath.Recipe; got {describe(method)}.')
    function, density, given = split_model(generator, prior, latents, names)
    recipe = getattr(generator, "recipe", None) if function is not generator else None
    own = recipe is not None and density is getattr(generator, "prior", None)
    if isinstance(method, Recipe):
        recipe = method
    elif method == "paper" or (method is None and not own):
        recipe = None
    elif recipe is None:
        raise InputError(
            'method must be "paper" or None for a generator without a recipe; got "recommended". '
            "lp.recommend(generator, prior) finds a recipe, which method= takes."
        )
    if recipe is not None:
        if isinstance(density, PriorIndex) or not hasattr(density, "log_prob"):
            raise InputError(
                f"method must be left out beside an index; got {describe(method)} and {type(density).__name__}. "
                "A recipe has its own index: give the prior, or the index alone."
            )
        if recipe is not method and not own:
            raise InputError(
                "method must be left out beside another prior than the model's, to which its recipe belongs; got "
                '"recommended". lp.recommend(generator, prior) finds a recipe for another prior.'
            )
        recipe = recipe if alpha is None else recipe.changed(alpha=alpha)
        return Problem(function, recipe.index, recipe.ruler if embed is None else embed, given, "recommended")
    index = checked_index(density, alpha)
    papers = isinstance(index, RealismIndex) and (embed is None or embed == "data")
    if method == "paper" and not papers:
        raise InputError(
            'method must be left out beside another index or embed than the paper\'s; got "paper". Give a prior or a '
            "RealismIndex, and embed=None."
        )
    return Problem(function, index, embed, given, "paper" if papers else "custom")
