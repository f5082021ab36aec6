"""Factors of an index: their names, and the true indices in place of surrogates."""

from typing import Any

from latentpath.errors import InputError

from .base import PriorIndex
from .ceiling import CeilingIndex
from .product import ProductIndex
from .score import SurrogateIndex


def factor_names(index: Any) -> tuple[str, ...]:
    """Returns the short names of the factors of an index: several of a product, one of any other index or callable.

    Example:
        >>> from latentpath.index import RealismIndex, TypicalityIndex
        >>> from latentpath.priors import standard_normal
        >>> prior = standard_normal(2)
        >>> factor_names(ProductIndex(RealismIndex(prior), CeilingIndex(TypicalityIndex(prior), 0.5)))
        ('density', 'typicality up to 0.5')
    """
    if isinstance(index, ProductIndex):
        return tuple(factor.name for factor in index.indices)
    return (index.name if isinstance(index, PriorIndex) else "callable",)


def surrogates(index: Any) -> tuple[SurrogateIndex, ...]:
    """Returns the surrogates within an index: itself, or those under products and ceilings; none in a callable."""
    if isinstance(index, SurrogateIndex):
        return (index,)
    if isinstance(index, ProductIndex):
        return tuple(found for factor in index.indices for found in surrogates(factor))
    return surrogates(index.index) if isinstance(index, CeilingIndex) else ()


def has_surrogates(index: Any) -> bool:
    """Returns True for a surrogate, and for products and ceilings with one."""
    return bool(surrogates(index))


def with_targets(index: PriorIndex) -> PriorIndex:
    """Returns an index with the true index in place of every surrogate, with the same alpha.

    Products and ceilings are built anew; an index without surrogates is returned as it is. Targets that were given as
    functions are built.

    Raises:
        InputError: the true index of a surrogate is unknown.

    Example:
        >>> from latentpath.index import RealismIndex, ScoreIndex
        >>> from latentpath.priors import standard_normal
        >>> prior = standard_normal(2)
        >>> true = ScoreIndex(prior, score=lambda z: z[:, 0] - z[:, 1], samples=500)
        >>> fast = true.surrogate(latents=300, steps=50, width=16)
        >>> with_targets(ProductIndex(RealismIndex(prior), fast, alpha=0.98))
        ProductIndex(density x score, dim=2, alpha=0.98)
    """
    if not has_surrogates(index):
        return index
    if isinstance(index, ProductIndex):
        return ProductIndex(*(with_targets(factor) for factor in index.indices), alpha=index.alpha)
    if isinstance(index, CeilingIndex):
        return CeilingIndex(with_targets(index.index), index.ceiling, alpha=index.alpha)
    target = index.target if isinstance(index, SurrogateIndex) else None
    if target is None:
        raise InputError(
            f"the true index of the {index.name} must be known; it was loaded without. Give it by with_target(...)."
        )
    return with_targets(target).with_alpha(index.alpha)
