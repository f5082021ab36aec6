r"""The typicality of a latent: neither less likely than the prior's samples, nor more.

The realism index is 1 at the mode, and a path pays least there. In high dimensions no sample is ever near the mode:
samples of a normal lie on a shell, the *soap bubble* of radius about :math:`\sqrt D`, and a generator that was trained
on them has never been trained inside. With :math:`\mathrm{ri}` of Definition 1,

.. math:: t(z) = 4\, \mathrm{ri}(z)\, \bigl(1 - \mathrm{ri}(z)\bigr)

is 1 where the density is that of the median sample, and falls to 0 where it is lower *or* higher.

**A smooth maximum instead of a uniform law.** The two-sided p-value :math:`t_0 = 2 \min(\mathrm{ri}, 1 - \mathrm{ri})`
orders the latents in the same way (:math:`t = t_0 (2 - t_0)`) and is uniform under the prior, as the realism index is.
But every index that is uniform and has its maximum on a surface has a kink there, since the density of :math:`t_0` at 1
is its slope; and a cheap path runs along that surface, where solvers do not converge. The price of t is a parabola
across the shell. The two prices differ by log 2 at most, far from the shell. The law of t is known all the same: as
:math:`\mathrm{ri}(X)` is uniform,

.. math:: P\bigl(t(X) \le s\bigr) = 1 - \sqrt{1 - s}, \qquad t_0 = 1 - \sqrt{1 - t}.

**Both tails, in the log domain.** For normals :math:`\mathrm{ri} = Q(a, x)` and :math:`1 - \mathrm{ri} = P(a, x)`, with
:math:`a = D/2` and x half the squared Mahalanobis distance; both logarithms come from the table of
:math:`\log W, W = -\log Q`, as :math:`-W` and :math:`\log(1 - e^{-W})`, so that neither tail loses digits to the other.
For an estimated index :math:`1 - G_W` is the same smoothed distribution function, of the levels with their sign turned.

**At the mode** t of a normal is 0, and the price :math:`-\log t \approx -D \log r` infinite: a logarithm, whose
integral is finite, so that a path *through* the mode has a finite cost. Floating point cannot represent the tip of
this peak: within :math:`r_0 = 10^{-3} \sqrt{D/2}` of the mode (Mahalanobis) :math:`\log P` goes on along its
tangent in x,

.. math:: \log P(a, x) \to \log P(a, x_0) + a\,\frac{x - x_0}{x_0}, \qquad x_0 = r_0^2 / 2,

a paraboloid in z: finite everywhere, with a gradient that leads away from the mode and vanishes only at the mode,
where no direction is better than another. A path symmetric about the mode, in a generator that is symmetric too,
is a saddle of the energy, and a solver does not leave it by itself; ``restarts=`` starts from elsewhere. An estimate is
finite at the mode as it is: the tail of its last kernel, a parabola in the log-density.
"""

import dataclasses
import math
from typing import Any

import torch
from torch import Tensor

from latentpath.callables import without_autocast
from latentpath.errors import InputError

from .base import PriorIndex, Rule
from .closed_form import NormalRule
from .empirical_distribution import Kernel, KernelRule, smooth
from .incomplete_gamma import log_price
from .prior_adapter import name_of
from .realism import realism_rule

_TIP = 5e-7  # the end of the peak's tip, ``x_0 / a``; within it ``log P`` follows its tangent (`test_typicality.py`)


class TypicalityIndex(PriorIndex):
    r"""The index of a typical density: densities below and above those of the prior's samples are penalised.

    .. math:: t(z) = 4\, \mathrm{ri}(z)\, (1 - \mathrm{ri}(z)), \qquad \mathrm{log}(z) = \log(\alpha\, t(z))

    It is 1 on the surface of median density (for a normal a shell about the mode), and 0 at the mode and far out. Paths
    go around the mode instead of through it. It has the attributes of a `PriorIndex`, and can stand wherever a
    `RealismIndex` can.

    Args:
        prior: as for `RealismIndex`, but for uniform ones, whose samples are all equally typical.
        alpha: the scale in (0, 1]; below 1 the price of a path stays positive on the shell.
        samples: as for `RealismIndex`; likewise ``seed``.

    Raises:
        InputError: the prior is uniform, or as for `RealismIndex`.

    Source: not in the paper; Definition 1, made two-sided.

    Example:
        >>> from latentpath.priors import standard_normal
        >>> index = TypicalityIndex(standard_normal(2))
        >>> z = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 0.63], [4.0, 0.0]])
        >>> index(z)  # 4 q (1 - q) with q = exp(-|z|^2 / 2), in the plane
        tensor([0.0000, 0.9546, 1.0000, 0.0013])
    """

    def __init__(self, prior: Any, *, alpha: float | int = 0.9, samples: int = 5000, seed: int = 0) -> None:
        super().__init__(prior, alpha=alpha, samples=samples, seed=seed)
        with torch.no_grad(), without_autocast():
            kind, below = realism_rule(prior, self.dim, samples, seed)
            if isinstance(below, NormalRule):
                rule: Rule = _NormalTypicality(below)
            elif isinstance(below, KernelRule):
                rule = _KernelTypicality(below, smooth(-below.kernel.levels.flip(0), below.kernel.width))
            else:
                raise InputError(
                    f"prior must have more than one density, or none is more typical; got {name_of(prior)}, which is "
                    "uniform. RealismIndex has its walls."
                )
        self._set(kind=kind, _rule=rule)


def _two_sided(log_below: Tensor, log_above: Tensor) -> Tensor:
    """Computes ``log(4 u v)``, which is at most 0 where ``u + v`` is 1."""
    return (math.log(4) + log_below + log_above).clamp(max=0)


@dataclasses.dataclass(frozen=True)
class _NormalTypicality:
    """``log t`` of a normal, exactly but for the tip of its peak."""

    normal: NormalRule

    def __call__(self, z: Tensor, eps: float) -> Tensor:
        """Computes ``log t: (..., D) -> (...,)`` by the table."""
        x, outside, tip = self._parts(z)
        return _two_sided(self.normal.table.log_q(x), self.normal.table.log_p(outside) + tip)

    def direct(self, z: Tensor) -> Tensor:
        """Computes the same by series and continued fraction."""
        _, outside, tip = self._parts(z)
        price = log_price(self.normal.dim / 2, outside)[0]
        w = price.exp()
        small = w < 1e-5
        log_p = torch.where(small, price - w / 2, torch.log(-torch.expm1(-torch.where(small, 1.0, w))))
        return _two_sided(self.normal.direct(z), log_p + tip)

    def _parts(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Computes half the squared distance, the same bounded away from the mode, and the loss of ``log P`` within."""
        x, a = self.normal.half_distance(z), self.normal.dim / 2
        outside = x.clamp(min=_TIP * a)
        return x, outside, (x - outside) / _TIP


@dataclasses.dataclass(frozen=True)
class _KernelTypicality:
    """``log t`` of any other prior, from the estimates of both tails."""

    below: KernelRule
    above: Kernel  # of the levels with their sign turned

    def __call__(self, z: Tensor, eps: float) -> Tensor:
        """Computes ``log t: (..., D) -> (...,)`` by the tables."""
        level = self.below.level(z)
        return _two_sided(self.below.kernel.log_cdf(level), self.above.log_cdf(-level))

    def direct(self, z: Tensor) -> Tensor:
        """Computes the same by the sums over the samples."""
        level = self.below.level(z)
        return _two_sided(self.below.kernel.direct(level), self.above.direct(-level))
