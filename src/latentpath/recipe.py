r"""A recipe: the index and the ruler with which in-betweens of one generator look real.

The paper prices the density of latents and measures length in the data. What makes in-betweens look real depends on
the generator: which factors the index multiplies, how much likelihood counts (`CeilingIndex`), how much length costs
(alpha), and how far lengths are measured in the latents (mu, see `latentpath.ruler`). A recipe is that choice, with the
numbers it was chosen by. Shipped models carry one in their card; `latentpath.recommend` finds one for any generator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ._validate import describe
from .errors import InputError
from .index import CeilingIndex, PriorIndex, ProductIndex
from .index.factors import factor_names
from .index.lazy_index import LazyIndex
from .ruler import Ruler

__all__ = ["Recipe", "product_of_factors"]


@dataclass(frozen=True, init=False)
class Recipe:
    r"""The recommended index and ruler of a generator; ``interpolate(..., method=recipe)`` uses them.

    Args:
        index: the index that prices the latents, with its alpha; or a function without arguments that builds it, which
            is called on first use.
        ruler: the `Ruler` that measures lengths.
        evidence: the procedure and the numbers that chose it, as plain data; may be empty.

    Raises:
        InputError: an index or a ruler of another kind.

    Source: not in the paper.

    Example:
        >>> import torch, latentpath as lp
        >>> prior = lp.priors.standard_normal(2)
        >>> recipe = lp.Recipe(lp.RealismIndex(prior, alpha=0.98), lp.Ruler(0.8))
        >>> path = lp.interpolate(lambda z: z, prior, torch.ones(2), -torch.ones(2), method=recipe, segments=10)
        >>> print(recipe)
        density, alpha 0.98, mu 0.8
    """

    ruler: Ruler
    evidence: Mapping[str, Any]
    _source: LazyIndex

    def __init__(
        self,
        index: PriorIndex | Callable[[], PriorIndex],
        ruler: Ruler,
        evidence: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(ruler, Ruler):
            raise InputError(f"ruler must be a latentpath.Ruler; got {describe(ruler)}.")
        for name, value in (
            ("ruler", ruler),
            ("evidence", evidence or {}),
            ("_source", LazyIndex(index, name="index")),
        ):
            object.__setattr__(self, name, value)

    @property
    def index(self) -> PriorIndex:
        """The index that prices the latents, built on first use where a function was given."""
        return self._source.get()

    def __str__(self) -> str:
        factors = " x ".join(factor_names(self.index))
        return f"{factors}, alpha {self.index.alpha:g}, mu {self.ruler.mu:g}"

    @property
    def mu(self) -> float:
        """The weight of the latents in the ruler."""
        return self.ruler.mu

    @property
    def alpha(self) -> float:
        """The scale of the index."""
        return self.index.alpha

    def changed(self, *, alpha: float | None = None, mu: float | None = None) -> Recipe:
        """Returns the recipe with another alpha or mu; its evidence belongs to the original and is left out.

        Raises:
            InputError: a number out of its range.
        """
        index = self.index if alpha is None else self.index.with_alpha(alpha)
        return Recipe(index, self.ruler if mu is None else replace(self.ruler, mu=mu))


def product_of_factors(factors: Sequence[PriorIndex], *, alpha: float, ceiling: float | None = None) -> PriorIndex:
    """Returns the product of factors, the density first; the others count up to ``ceiling`` where it is given."""
    density, *others = factors
    capped = [other if ceiling is None else CeilingIndex(other, ceiling) for other in others]
    return ProductIndex(density, *capped, alpha=alpha)
