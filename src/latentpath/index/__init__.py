r"""The realism index of a latent: how likely the prior is to produce something even less likely.

Definition 1 of the paper (whose first version says realisticity index): for a prior with density :math:`f`,

.. math:: \mathrm{ri}(z) = P\bigl(f(X) \le f(z)\bigr), \qquad X \sim f,

a number in [0, 1] that is 1 at the mode only. Paths pay by its logarithm after scaling,
:math:`w(z) = -\log(\alpha\, \mathrm{ri}(z)) \ge 0`, and `RealismIndex.log` returns :math:`-w`.
By the probability integral transform :math:`\mathrm{ri}(X)` is uniform on (0, 1) when :math:`f(X)` has no atoms.

**Closed forms, and what is done elsewhere**

============================================= ========= ========================================================
prior                                         kind      :math:`\log \mathrm{ri}(z)`
============================================= ========= ========================================================
any multivariate normal                       normal    :math:`\log Q(D/2, m/2)`, :math:`m = |\Sigma^{-1/2}(z-\mu)|^2`
uniform on a set                              uniform   0 inside, :math:`-\infty` outside: a wall
anything with ``log_prob`` and ``sample``     kde       :math:`\log G_W(\log f(z))`
============================================= ========= ========================================================

:math:`Q` is the regularised upper incomplete gamma function, and :math:`G_W` the empirical distribution function of
the log-densities :math:`l_i = \log f(w_i)` of ``n`` samples, smoothed with Silverman's bandwidth, as in the paper:

.. math:: G_W(x) = \frac1n \sum_{i=1}^n \Phi\Bigl(\frac{x - l_i}{h}\Bigr), \qquad
          h = \Bigl(\frac4{3n}\Bigr)^{1/5} \hat\sigma.

**Tails.** ``ri`` underflows a few units outside the bulk, so nothing is ever computed but its logarithm, and the price
:math:`W = -\log \mathrm{ri}` is held to full *relative* accuracy at both ends: near the mode of a normal it vanishes
like :math:`x^a / \Gamma(a+1)`, with :math:`a = D/2, x = m/2`; far out it grows like
:math:`x - (a-1)\log x + \log\Gamma(a) - (a-1)/x`. In the far left tail of the estimate only the smallest :math:`l_i`
matter: :math:`\log G_W = \log\Phi((x - l_{\min})/h) + e(x)` with :math:`e` bounded, so that it falls like
:math:`-(x - l_{\min})^2 / 2h^2` and its gradient always points back to the bulk. To the right it reaches 0 from below.

**Bias.** One bandwidth blurs edges and gaps of the distribution of :math:`\log f(X)`, which mixtures of wide and narrow
parts have, and all priors of few dimensions. Where it would move the empirical function by more than 2.5 standard
errors the bandwidth changes with the level, see `latentpath.index.bandwidth`; the bias is :math:`1.25/\sqrt n` at most.

**Speed.** Both are functions of one scalar and are tabulated once, on grids on which a look-up is a multiplication:
:math:`\log W - a \log x` in :math:`r/(r + c), r = \sqrt{2x}` by quintics (exact first and second derivatives at the
nodes, relative error of ``W`` below 1e-10); :math:`\log G_W`, and :math:`e` in :math:`\log(l_{\min} - x)`, by monotone
C1 cubics. So the cost does not depend on the number of samples; `RealismIndex.log_direct` keeps the series and sums.
Everything is computed in float64 whatever the dtype of ``z``, except on devices that lack it.

**Others.** The log-density is one score of a latent among many; `latentpath.index.score` has those that look at what
the generator makes, `latentpath.index.typicality` the two-sided view of the density.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from latentpath.callables import without_autocast
from latentpath.errors import InputError

from .base import PriorIndex
from .closed_form import choose, name_of
from .knn import KNNIndex
from .score import ClassifierIndex, DiscriminatorIndex, ScoreIndex
from .typicality import TypicalityIndex

__all__ = [
    "ClassifierIndex",
    "DiscriminatorIndex",
    "KNNIndex",
    "PriorIndex",
    "RealismIndex",
    "ScoreIndex",
    "TypicalityIndex",
    "as_log_index",
    "log_index",
]


class RealismIndex(PriorIndex):
    r"""The realism index of a prior: exact for normal and uniform priors, a tabulated estimate for all others.

    .. math:: \mathrm{ri}(z) = P(f(X) \le f(z)), \quad X \sim f, \qquad
              \mathrm{log}(z) = \log(\alpha\, \mathrm{ri}(z))

    Args:
        prior: a continuous `torch.distributions.Distribution` with batch shape ``()`` and event shape ``(D,)``, or any
            object with ``log_prob: (N, D) -> (N,)`` and ``sample((N,)) -> (N, D)``, such as a flow of nflows or
            normflows (see `latentpath.index.prior_adapter`). Its parameters are taken as constants.
        alpha: the scale in (0, 1]; below 1 the price of a path stays positive at the mode.
        samples: how many samples the estimate is made from, at least 2; unused where there is a closed form.
        seed: of those samples; the global random state is left as it was.

    Attributes:
        prior: as given.
        alpha: as given.
        samples: as given.
        seed: as given.
        dim: ``D``.
        kind: ``"normal"``, ``"uniform"`` or ``"kde"``: how the index is computed.

    Raises:
        InputError: ``alpha``, ``samples`` or the prior is not as above, or log-densities of samples are not finite.

    Source: Definition 1, Example 1 and section 3 of the paper.

    Example:
        >>> from latentpath.priors import standard_normal
        >>> index = RealismIndex(standard_normal(2))
        >>> z = torch.tensor([[0.0, 0.0], [1.0, 1.0], [10.0, 0.0]])
        >>> index(z)  # exp(-|z|^2 / 2) in the plane
        tensor([1.0000e+00, 3.6788e-01, 1.9287e-22])
        >>> index.log(z)
        tensor([ -0.1054,  -1.1054, -50.1054])
    """

    def __init__(self, prior: Any, alpha: float | int = 0.9, samples: int = 5000, seed: int = 0) -> None:
        super().__init__(prior, alpha, samples, seed)
        with torch.no_grad(), without_autocast():
            kind, rule = choose(prior, self.dim, samples, seed)
        self._set(kind=kind, _rule=rule)


def as_log_index(index: Any) -> Callable[[Tensor], Tensor]:
    r"""The function ``z -> log ri`` of an index: a `PriorIndex` gives its ``log``, any other callable itself.

    A callable is given points ``(N, D)``, whatever the shape of ``z``, and gives ``(N,)``.

    Args:
        index: a `PriorIndex`, such as `RealismIndex`, or a callable ``(N, D) -> (N,)`` of
            :math:`\log(\alpha\, \mathrm{ri}(z))`.

    Raises:
        InputError: ``index`` is neither; a prior, for example.

    Example:
        >>> as_log_index(lambda z: -z.square().sum(-1))(torch.ones(2, 3))
        tensor([-3., -3.])
    """
    if isinstance(index, PriorIndex):
        return index.log
    if isinstance(index, Distribution):
        raise InputError(f"index must be a RealismIndex or a callable, got a prior; use RealismIndex({name_of(index)})")
    if not callable(index) or isinstance(index, type):
        raise InputError(
            f"index must be a RealismIndex or a callable z -> log ri, got {index!r}; make one with RealismIndex(prior)"
        )

    def by_points(z: Tensor) -> Any:
        points = z.reshape(-1, z.shape[-1])
        value = index(points)
        fits = isinstance(value, Tensor) and value.shape == points.shape[:1]
        return value.reshape(z.shape[:-1]) if fits else value

    return by_points


def log_index(index: Any, z: Tensor) -> Tensor:
    r"""The value :math:`\log(\alpha\, \mathrm{ri}(z))` of a `RealismIndex` or a callable: ``(..., D) -> (...,)``.

    Raises:
        InputError: ``index`` is neither, or refuses ``z``.

    Example:
        >>> from latentpath.priors import uniform_box
        >>> log_index(RealismIndex(uniform_box(2), alpha=1.0), torch.tensor([[0.5, 0.5], [0.5, 1.5]]))
        tensor([0., -inf])
    """
    return as_log_index(index)(z)
