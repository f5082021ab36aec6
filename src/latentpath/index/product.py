r"""The product of indices: realistic by every one of them.

Each index has one view of a latent: the density of the prior, the density of what is generated, a discriminator's
verdict. Their product is high only where all of them are, and its logarithm is a sum,

.. math:: \log\bigl(\alpha\, \mathrm{ri}(z)\bigr) = \log \alpha + \sum_i \log \mathrm{ri}_i(z).

A product is no longer uniform under the prior: of two independent uniform factors, :math:`P(uv \le s) = s - s \log s`.
Prices are higher than those of a single index throughout, so that the length of a path matters relatively less, and an
``alpha`` nearer to 1 is a good choice.
"""

from typing import Any

import torch
from torch import Tensor

from latentpath._validate import describe
from latentpath.errors import InputError

from .base import PriorIndex, checked_alpha


class ProductIndex(PriorIndex):
    r"""The product of indices of one latent space.

    .. math:: \log(\alpha\, \mathrm{ri}(z)) = \log \alpha + \sum_i \log \mathrm{ri}_i(z)

    It has the attributes of a `PriorIndex`, and can stand wherever a `RealismIndex` can. It is 0 where any factor is.

    Args:
        indices: the factors, one or more, over one dimension ``D``. Their own alphas are ignored. A product among them
            stands for its factors.
        alpha: the scale in (0, 1].

    Attributes:
        indices: the factors, without products.
        prior: the prior of the first factor; likewise ``samples`` and ``seed``.
        decodes: True where any factor runs the generator.

    Raises:
        InputError: no factor, a factor that is not a `PriorIndex`, factors of several dimensions, or another ``alpha``.

    Source: not in the paper; Definition 1 for several scores at once.

    Example:
        >>> from latentpath.index import RealismIndex, ScoreIndex
        >>> from latentpath.priors import standard_normal
        >>> prior = standard_normal(2)
        >>> density, right = RealismIndex(prior), ScoreIndex(prior, score=lambda z: z[:, 0])
        >>> index, z = ProductIndex(density, right), torch.tensor([[1.0, 1.0]])
        >>> bool(torch.isclose(index(z), density(z) * right(z)))
        True
    """

    indices: tuple[PriorIndex, ...]

    def __init__(self, *indices: PriorIndex, alpha: float | int = 0.9) -> None:
        alpha = checked_alpha(alpha)
        for index in indices:
            check_index("indices", index)
        nested = (index.indices if isinstance(index, ProductIndex) else (index,) for index in indices)
        factors = tuple(factor for each in nested for factor in each)
        if not factors:
            raise InputError(
                "indices must be one index or more; got none. Give ProductIndex(RealismIndex(prior), ...)."
            )
        dims = {factor.dim for factor in factors}
        if len(dims) > 1:
            raise InputError(
                "indices must be of one latent space; got dimensions "
                f"{', '.join(str(factor.dim) for factor in factors)}. Give them one prior."
            )
        first = factors[0]
        self._set(alpha=alpha, indices=factors, prior=first.prior, dim=first.dim, samples=first.samples)
        self._set(seed=first.seed, kind="product", decodes=any(factor.decodes for factor in factors))

    @property
    def is_expensive(self) -> bool:
        """True where any factor is."""
        return any(factor.is_expensive for factor in self.indices)

    @property
    def name(self) -> str:
        """The short name for tables: the names of the factors."""
        return " x ".join(factor.name for factor in self.indices)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, dim={self.dim}, alpha={self.alpha:g})"

    def _log_ri(self, z: Tensor, direct: bool) -> Tensor:
        return torch.stack([factor._log_ri(z, direct) for factor in self.indices]).sum(0)


def check_index(name: str, index: Any) -> None:
    """Refuses an object that is not a `PriorIndex`."""
    if not isinstance(index, PriorIndex):
        raise InputError(
            f"{name} must be a PriorIndex, such as a RealismIndex; got {describe(index)}. A density becomes one by "
            "RealismIndex(prior), a function of latents by ScoreIndex(prior, score=...)."
        )
