"""The method of a run: the model's recommended recipe, the paper's, or the paper's density with another ruler.

=================== ======================================== ==============================================
``--method``        index                                    lengths
=================== ======================================== ==============================================
recommended         of the model's recipe                    by the recipe's ruler, with ``--mu`` another mu
paper               `RealismIndex` of the prior              in the data
left out            as recommended where the model has a     likewise; ``--mu`` and ``--embed`` take the
                    recipe, otherwise as paper               place of the data
=================== ======================================== ==============================================

``--alpha`` takes the place of the method's own alpha, and ``--embed`` that of a recipe's ruler.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..decoding import Embed
from ..errors import InputError
from ..index import PriorIndex, RealismIndex
from ..index.factors import has_surrogates
from ..models import Model
from ..recipe import Recipe
from ..ruler import Ruler

MethodName = Literal["recommended", "paper"]
Space = Literal["data", "latent"]


@dataclass(frozen=True)
class Method:
    """A method that was chosen for a model.

    Attributes:
        name: "recommended", "paper" or "custom", as in ``path.settings["method"]``.
        index: the index that prices the latents.
        embed: the space in which lengths are measured; None for the data.
        recipe: the recipe that index and ruler belong to, None without one.
    """

    name: str
    index: PriorIndex
    embed: Embed = None
    recipe: Recipe | None = None

    def __str__(self) -> str:
        if self.name == "paper":
            return f"the paper's method, alpha {self.index.alpha:g}"
        ruler = self.embed if isinstance(self.embed, Ruler) else Ruler(0.0)
        words = str(Recipe(self.index, ruler))
        if ruler is self.embed:
            return words
        return f"{words.rpartition(', mu')[0]}, lengths in the {'latents' if self.embed == 'latent' else 'data'}"

    @property
    def mu(self) -> float | None:
        """The weight of the latents in the ruler, None where lengths are measured otherwise."""
        return self.embed.mu if isinstance(self.embed, Ruler) else None

    @property
    def options(self) -> dict[str, Any]:
        """The options of `latentpath.interpolate` beside the prior or, where there is no recipe, the index."""
        return {"method": self.recipe, "embed": self.embed}

    def summary(self) -> dict[str, Any]:
        """Returns the method as plain data for ``report.json``."""
        return {"method": self.name, "in_words": str(self), "alpha": self.index.alpha, "mu": self.mu}


def paper(model: Model, alpha: float | None = None) -> Method:
    """Returns the paper's method for a model: its prior's index, lengths in the data."""
    return Method("paper", _density(model, alpha))


def choose(
    model: Model,
    *,
    method: MethodName | None = None,
    alpha: float | None = None,
    mu: float | None = None,
    embed: Space | None = None,
    polish: bool = False,
) -> Method:
    """Returns the method that the options name.

    Raises:
        InputError: options that do not go together (see `check_together`), a number out of its range, "recommended" for
            a model without a recipe, or polishing without a surrogate.
    """
    check_together(method, mu, embed)
    recipe = None if method == "paper" else model.recipe
    if method == "recommended" and recipe is None:
        raise InputError(
            f"--method must be paper for a model without a recipe; got recommended, and {model.name!r} has none. Leave "
            "it out; --mu gives its density a mixed ruler."
        )
    if recipe is not None:
        if alpha is not None or mu is not None:
            recipe = recipe.changed(alpha=alpha, mu=mu)
        chosen = Method("recommended", recipe.index, recipe.ruler if embed is None else embed, recipe)
    elif mu is not None or embed == "latent":
        chosen = Method("custom", _density(model, alpha), embed if mu is None else Ruler(mu))
    else:
        chosen = paper(model, alpha)
    if polish and not has_surrogates(chosen.index):
        raise InputError(
            f"--polish must be left out where the index is no surrogate; the method is {chosen}. Leave it out."
        )
    return chosen


def check_together(method: MethodName | None, mu: float | None, embed: Space | None) -> None:
    """Refuses options of which one takes the place of another.

    Raises:
        InputError: ``mu`` beside ``embed``, or either beside the paper's method, which measures in the data.
    """
    if mu is not None and embed is not None:
        raise InputError(
            f"--mu and --embed must not be given together; got --mu {mu:g} and --embed {embed}. --mu 0 measures in the "
            "data, --mu 1 in the latents."
        )
    if method == "paper" and (mu is not None or embed == "latent"):
        got = f"--mu {mu:g}" if mu is not None else "--embed latent"
        raise InputError(f"{got} must be left out beside --method paper, which measures in the data. Leave one out.")


def _density(model: Model, alpha: float | None) -> RealismIndex:
    """Returns the index of the model's prior, with the default alpha where none is given."""
    return RealismIndex(model.prior) if alpha is None else RealismIndex(model.prior, alpha=alpha)
