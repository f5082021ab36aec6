r"""The realism index of a latent: how likely the prior is to produce something even less likely.

Definition 1 of the paper (whose first version says realisticity index): for a prior with density :math:`f`,

.. math:: \mathrm{ri}(z) = P\bigl(f(X) \le f(z)\bigr), \qquad X \sim f,

a number in [0, 1] that is 1 at the mode only. Paths pay by its logarithm after scaling,
:math:`w(z) = -\log(\alpha\, \mathrm{ri}(z)) \ge 0`, and `RealismIndex.log` returns :math:`-w`.
By the probability integral transform :math:`\mathrm{ri}(X)` is uniform on (0, 1) when :math:`f(X)` has no atoms.

**Closed forms and the estimate**

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
C1 cubics. So the cost does not depend on the number of samples; `RealismIndex.log_direct` computes the series and sums.
Everything is computed in float64 whatever the dtype of ``z``, except on devices that lack it.

**Other indices.** The log-density is one score of a latent among many; `latentpath.index.score` has scores of what the
generator makes, `latentpath.index.typicality` the two-sided view of the density.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Independent, MixtureSameFamily

from latentpath._random import device_of, seeded
from latentpath.callables import without_autocast
from latentpath.errors import InputError

from .base import PriorIndex, Rule
from .closed_form import FlatRule, NormalRule, closed_form, mixture_density, normal_form
from .empirical_distribution import estimated
from .prior_adapter import ForeignPrior, adapted, draw, name_of
from .support import AnyDensity, anchor, lenient, unchanged


class RealismIndex(PriorIndex):
    r"""The realism index of a prior: exact for normal and uniform priors, a tabulated estimate for all others.

    .. math:: \mathrm{ri}(z) = P(f(X) \le f(z)), \quad X \sim f, \qquad
              \mathrm{log}(z) = \log(\alpha\, \mathrm{ri}(z))

    Args:
        prior: a continuous `torch.distributions.Distribution` with batch shape ``()`` and event shape ``(D,)``, or any
            object with ``log_prob: (N, D) -> (N,)`` and ``sample((N,)) -> (N, D)``, such as a flow of nflows or
            normflows (see `latentpath.index.prior_adapter`). Its parameters are taken as constants.
        alpha: the scale in (0, 1]; below 1 the price of a path stays positive at the mode.
        samples: the number of samples that the estimate is made from, at least 2; unused where there is a closed form.
        seed: the seed of these samples; the global random state stays as it was.

    It has the attributes of a `PriorIndex`.

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

    def __init__(self, prior: Any, *, alpha: float | int = 0.9, samples: int = 5000, seed: int = 0) -> None:
        super().__init__(prior, alpha=alpha, samples=samples, seed=seed)
        with torch.no_grad(), without_autocast():
            kind, rule = realism_rule(prior, self.dim, samples, seed)
        self._set(kind=kind, _rule=rule)

    @property
    def name(self) -> str:
        """The short name for tables."""
        return "density"


def realism_rule(prior: Any, dim: int, samples: int, seed: int) -> tuple[str, Rule]:
    """Returns the kind of a realism index and its rule, in float64 on the prior's device."""
    prior = adapted(prior)
    core = _core(prior)
    exact = closed_form(core, dim)
    if exact is not None:
        return "normal" if isinstance(exact, NormalRule) else "uniform", exact
    points = draw(prior, dim, samples, seed)
    density = log_density(core, dim, points, seed)
    levels = density(points.to(torch.float64))
    if levels.shape != (samples,):
        raise InputError(f"prior.log_prob must map (N, D) to (N,); got {tuple(levels.shape)} for N = {samples}.")
    if not bool(levels.isfinite().all()):
        bad = int((~levels.isfinite()).sum())
        raise InputError(
            f"prior.log_prob must be finite on the prior's own samples; got NaN or infinity for {bad} of {samples}. "
            "Make sample and log_prob agree."
        )
    if isinstance(core, ForeignPrior):
        _check_repeatable(core, points[:8])
    if float(levels.max() - levels.min()) <= 1e3 * torch.finfo(points.dtype).eps * (1 + float(levels.abs().max())):
        return "uniform", FlatRule(density)
    return "kde", estimated(density, levels)


def log_density(prior: Any, dim: int, points: Tensor, seed: int) -> Callable[[Tensor], Tensor]:
    """Returns the log-density of a prior ``(..., D) -> (...,)``, minus infinity outside the support.

    It has the dtype of its argument. The ``points``, samples of the prior, tell the prior's own dtype and device.
    """
    prior = _core(adapted(prior))
    if unchanged(prior, MixtureSameFamily):
        parts = normal_form(prior.component_distribution, dim)
        if parts is not None:
            return mixture_density(prior, *parts)
    with seeded(seed, device_of(prior)):
        return AnyDensity(lenient(prior), anchor(prior), points.dtype, points.device)


def _core(prior: Any) -> Any:
    """Returns the distribution within wrappers that change nothing."""
    while unchanged(prior, Independent) and prior.reinterpreted_batch_ndims == 0:
        prior = prior.base_dist
    return prior


def _check_repeatable(prior: ForeignPrior, points: Tensor) -> None:
    """Refuses a log-density that is random, or depends on the other points of a batch."""
    first = prior.log_prob(points)
    each = torch.stack([prior.log_prob(point) for point in points.split(1)]).reshape(first.shape)
    spread = 1e-3 * (1 + float(first.abs().max()))
    if not bool(((first - each).abs() <= spread).logical_or(first.isnan()).all()):
        raise InputError(
            f"prior.log_prob must give each point one density, whatever its batch; got a {name_of(prior)} that is "
            "random or couples the points. Call prior.eval() first."
        )
