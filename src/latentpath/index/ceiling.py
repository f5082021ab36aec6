r"""An index with a ceiling: beyond it, likelier counts no more.

The likeliest things that a generator makes are the simplest, such as the digit 1 among all digits; an index that
rises up to the mode leads paths over them. With :math:`u = \mathrm{ri} / c` for a ceiling c,

.. math:: \mathrm{ri}_c = u\,(2 - u) \text{ for } u < 1, \qquad 1 \text{ beyond},

rises as the index does, levels out at c with a continuous slope, and treats everything beyond alike. At c = 1/2 it is
:math:`4\, \mathrm{ri}\,(1 - \mathrm{ri})`, the lower half of `TypicalityIndex`, without the fall towards the mode.

Where ri is uniform under the prior, the law is known: :math:`P(\mathrm{ri}_c(X) \le s) = c\,(1 - \sqrt{1 - s})` for
:math:`s < 1`, and the remaining share :math:`1 - c` of the prior is at 1.

In the log domain :math:`\log u + \log(2 - u)` loses no digits in the far tail.
"""

import math

import torch
from torch import Tensor

from latentpath._validate import real_number

from .base import PriorIndex, checked_alpha
from .product import check_index


class CeilingIndex(PriorIndex):
    r"""An index that rises up to a ceiling of another, and is 1 beyond.

    .. math:: \mathrm{ri}_c(z) = u\,(2 - u), \quad u = \min(\mathrm{ri}(z) / c, 1), \qquad
              \mathrm{log}(z) = \log(\alpha\, \mathrm{ri}_c(z))

    It has the attributes of a `PriorIndex`, and can stand wherever a `RealismIndex` can.

    Args:
        index: the index below the ceiling, whose own alpha is ignored.
        ceiling: c in (0, 1], on the scale of ``index(z)``: of an index that is uniform under the prior, the share of
            the prior below it.
        alpha: the scale in (0, 1]; None for that of ``index``.

    Attributes:
        index: as given; likewise ``ceiling``.

    Raises:
        InputError: an argument is not as above.

    Source: not in the paper; Definition 1, made flat at the top.

    Example:
        >>> from latentpath.index import RealismIndex
        >>> from latentpath.priors import standard_normal
        >>> index = CeilingIndex(RealismIndex(standard_normal(2)), 0.5)
        >>> index(torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [4.0, 0.0]]))  # 1 within a radius of 1.18
        tensor([1.0000, 1.0000, 0.9302, 0.0013])
    """

    index: PriorIndex
    ceiling: float

    def __init__(self, index: PriorIndex, ceiling: float | int, alpha: float | int | None = None) -> None:
        check_index("index", index)
        ceiling = float(real_number("ceiling", ceiling, above=0, most=1, advice="0.5 is the median of the prior."))
        self._set(
            index=index,
            ceiling=ceiling,
            alpha=index.alpha if alpha is None else checked_alpha(alpha),
            prior=index.prior,
            dim=index.dim,
            samples=index.samples,
            seed=index.seed,
            kind="ceiling",
            decodes=index.decodes,
        )

    @property
    def is_expensive(self) -> bool:
        """True where the index below the ceiling is."""
        return self.index.is_expensive

    @property
    def name(self) -> str:
        """The short name for tables."""
        inner = f"({self.index.name})" if self.index.kind == "product" else self.index.name
        return f"{inner} up to {self.ceiling:g}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, dim={self.dim}, alpha={self.alpha:g})"

    def _log_ri(self, z: Tensor, direct: bool) -> Tensor:
        log_u = (self.index._log_ri(z, direct) - math.log(self.ceiling)).clamp(max=0)
        return log_u + torch.log1p(-torch.expm1(log_u))
