r"""Definition 1 for the density of what the generator makes, in place of the density of its latents.

A prior's density says how often a *latent* is drawn, and nothing of how the generator stretches latents. Between two
kinds of things a generator passes, in a short stretch of latents, through things that it almost never makes; their
latents are as dense as any. The things themselves, :math:`G(X)` with :math:`X \sim f`, have on the image of G the
density

.. math:: p_G(G(z)) = \frac{f(z)}{\sqrt{\det J^T J}}, \qquad J = \frac{dG}{dz},

with respect to the D-dimensional volume there (where G maps several latents to one thing, each branch has its own).
The paper's realism index, Definition 1, of this density is that of the score

.. math:: s(z) = \log p_G(G(z)) = \log f(z) - V(z), \qquad \mathrm{ri}_G(z) = P\bigl(s(X) \le s(z)\bigr),\ X \sim f,

with V the log-volume of `latentpath.log_volume`, ridge included.

* **A flow**: s is the log-likelihood of the data, exactly.
* **A linear generator**: V is constant, and the index is the prior's own.
* **Invariance**: after a change of latents :math:`z = h(u)`, h a diffeomorphism, the density of u and the Jacobian of
  :math:`G \circ h` change by the same factor. Score, metric and paths are the same curves in the data (up to the ridge,
  which a linear h of unequal stretches changes where it acts). The density's index is not invariant.

**Walls.** The density is minus infinity outside the support of the prior, and so is the score: the index is 0 there.

**Cost.** An exact score costs D forward products of the generator, and its gradient about as much again; see
`latentpath.log_volume` for the estimate beyond D = 128. So this index is expensive at the points of a path, and between
them.

**What likelihood gets wrong.** The likeliest things are the simplest. A path under this index alone may lead over them.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from latentpath.callables import any_precision, without_autocast
from latentpath.probe import check_callable, probe
from latentpath.volume import estimate_log_volume, is_estimated, log_volume

from .base import PriorIndex
from .prior_adapter import draw
from .realism import log_density
from .score import ScoreIndex, as_weights

_MEASURED, _PROBED = 64, 8  # samples that tell the mean standard error, and samples of the generator's probe


class PushforwardIndex(ScoreIndex):
    r"""The realism index of the density of what the generator makes.

    .. math:: s(z) = \log f(z) - \tfrac12 \log\det\bigl(J^T J + \epsilon c I\bigr), \qquad
              \mathrm{ri}_G(z) = P\bigl(s(X) \le s(z)\bigr),\ X \sim f

    It has the attributes of a `PriorIndex`, and can stand wherever a `RealismIndex` can. The score is an estimate where
    the log-volume is; it is minus infinity, and the index 0, outside the prior's support.

    Args:
        generator: latents ``(N, D)`` to data ``(N, ...)``, each point on its own, differentiable; a module must be in
            eval mode. A flow with a method ``log_volume``, ``(N, D) -> (N,)``, such as those of `adapters.zuko_flow`,
            is asked for its log-determinant.
        prior: as for `RealismIndex`, uniform ones and those of other libraries included.
        alpha: as for `RealismIndex`; likewise ``seed``.
        samples: the number of samples that the distribution of the score is estimated from, at least 2.
        ridge: :math:`\epsilon`, in units of the mean eigenvalue c of :math:`J^T J`; see `log_volume`.
        method: ``"auto"``, ``"exact"`` or ``"lanczos"``; see `log_volume`.
        max_points: the most latents times directions that the generator is given at once; see `log_volume`.

    Attributes:
        volume_error: the mean standard error of the log-volume, in nats, over samples of the prior; 0.0 where it is
            exact.

    Raises:
        InputError: an argument is not as above, or the scores of the samples are not finite, or all the same.
        GeneratorError: the generator fails, is random, not differentiable, or couples the points of a batch.

    Source: not in the paper; Definition 1 for the density of data that its introduction speaks of.

    Example:
        >>> import torch, latentpath as lp
        >>> prior, bent = lp.priors.standard_normal(2), lambda z: torch.cat([z, z.square()], 1)
        >>> index = lp.PushforwardIndex(bent, prior, samples=500)  # stretches the more, the farther from 0
        >>> bool(index(torch.tensor([1.0, 1.0])) < lp.RealismIndex(prior)(torch.tensor([1.0, 1.0])))
        True
        >>> index.volume_error
        0.0
    """

    volume_error: float

    def __init__(
        self,
        generator: Callable[[Tensor], Tensor],
        prior: Any,
        *,
        alpha: float | int = 0.9,
        samples: int = 2000,
        seed: int = 0,
        ridge: float | int = 1e-3,
        method: str = "auto",
        max_points: int | None = None,
    ) -> None:
        PriorIndex.__init__(self, prior, alpha=alpha, samples=samples, seed=seed)
        check_callable("generator", generator)
        drawn = draw(prior, self.dim, min(self.samples, _MEASURED), self.seed)
        density, points = log_density(prior, self.dim, drawn, self.seed), as_weights(generator, drawn)
        options: dict[str, Any] = {"ridge": ridge, "method": method, "seed": self.seed, "max_points": max_points}

        def score(latents: Tensor) -> Tensor:
            return density(latents) - log_volume(latents, generator, **options)

        error = 0.0
        if is_estimated(method, generator, self.dim):
            with torch.no_grad():
                error = float(estimate_log_volume(points, generator, **options)[1].mean())
        self._set(volume_error=error)
        with without_autocast():
            probe("generator", any_precision(generator), points[:_PROBED])
        self._estimate(score, generator, None)

    def __repr__(self) -> str:
        error = f", volume_error={self.volume_error:.2g}" if self.volume_error else ""
        return f"{super().__repr__()[:-1]}{error})"

    def _scored(self, points: Tensor) -> Tensor:
        """Computes the scores ``(N,)`` of ``points``; the log-volume bounds the memory itself."""
        return self._called(points) if len(points) else points.sum(-1)
