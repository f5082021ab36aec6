r"""Definition 1 for any score of latents: how likely the prior is to produce something that scores less.

The realism index judges a latent by its density under the prior. The generator may map dense latents to poor things
all the same; a discriminator, a classifier or distances to real data can score what it makes. For a differentiable
score :math:`s` on the latent space,

.. math:: \mathrm{ri}_s(z) = P\bigl(s(X) \le s(z)\bigr), \qquad X \sim \text{prior},

is the probability integral transform of the score: in [0, 1], uniform on (0, 1) under the prior, the same for every
rising function of :math:`s`. With :math:`s = \log f` it is the paper's realism index.

The estimate is the paper's for priors without a closed form: the distribution function of the scores of ``n`` samples,
smoothed and tabulated in the log domain (see `latentpath.index.realism`). Far below the worst sample
:math:`\log \mathrm{ri}_s` falls like a parabola in :math:`s`, so that its gradient leads back. Smoothing is not quite
the same for every rising function of a score; a score whose values do not bunch is best.

**Cost.** A score of what the generator makes runs the generator at *every evaluation of the index*: ``samples`` times
for the estimate; at every point of a path a second time, forward and backward, in a solve; and between the points,
where a solve evaluates such an index 4 times a segment instead of 64, and the audit 16 times instead of 128, or more
where that is too little. More than ``max_points`` latents are scored in turn, and once more in the backward pass, so
that memory stays bounded.

**Surrogates.** `ScoreIndex.surrogate` fits a small network to the score once, and the index of the network runs no
generator, see `latentpath.index.surrogate`. It is an index of its own, uniform under the prior as any other; how far it
ranks latents as the score does, its held-out rank correlation tells.

**Limits.** A score has no walls: outside the support of a uniform prior the index is whatever the score gives. It is
only as good as the score, which was trained on what the generator makes of *samples*.
"""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from latentpath._batching import in_blocks
from latentpath._validate import SEED, describe, whole_number
from latentpath.callables import in_weights_dtype, without_autocast
from latentpath.errors import InputError
from latentpath.probe import check_callable, probe, tried

from .base import PriorIndex
from .empirical_distribution import estimated
from .lazy_index import LazyIndex
from .prior_adapter import draw
from .surrogate import SurrogateFit, fit_surrogate, fitting_latents, warn_if_poor
from .surrogate_file import read_surrogate, write_surrogate
from .surrogate_network import SurrogateNetwork

_CPU_POINTS, _GPU_POINTS = 512, 4096
_NETWORK_POINTS = 16_384  # the most points in a call of a surrogate's network: 0.2 GB at a width of 256
_PROBED = 8


class ScoreIndex(PriorIndex):
    r"""The index of a differentiable score of latents: how likely the prior is to produce something that scores less.

    .. math:: \mathrm{ri}_s(z) = P(s(X) \le s(z)), \quad X \sim \text{prior}, \qquad
              \mathrm{log}(z) = \log(\alpha\, \mathrm{ri}_s(z))

    It has the attributes of a `PriorIndex`, and can stand wherever a `RealismIndex` can. Every evaluation runs the
    score, and so the generator where the score runs it.

    Args:
        prior: as for `RealismIndex`.
        score: latents ``(N, D)`` to one number each, ``(N,)``, more being better: deterministic, differentiable, each
            point on its own. It is given latents in the caller's dtype.
        alpha: as for `RealismIndex`; likewise ``samples``, all of which are scored, and ``seed``.
        max_points: the most points that are scored in one call; None for 512 on a CPU and 4,096 elsewhere.

    Raises:
        InputError: an argument is not as above, or the scores of the samples are of the wrong shape, not finite, or all
            the same.
        GeneratorError: the score fails, is random, not differentiable, or couples the points of a batch.

    Source: not in the paper; Definition 1 for another score than the log-density.

    Example:
        >>> from latentpath.priors import standard_normal
        >>> index = ScoreIndex(standard_normal(2), score=lambda z: z[:, 0])  # the first coordinate: more is better
        >>> bool((index(torch.tensor([[0.0, 9.0], [1.0, 0.0]])) - torch.tensor([0.5, 0.841])).abs().max() < 0.03)
        True
    """

    decodes = True
    _score: Callable[[Tensor], Tensor]
    _max_points: int | None
    _like: Tensor  # no points, in the dtype and on the device that the score was probed with

    def __init__(
        self,
        prior: Any,
        *,
        score: Callable[[Tensor], Tensor],
        alpha: float | int = 0.9,
        samples: int = 5000,
        seed: int = 0,
        max_points: int | None = None,
    ) -> None:
        super().__init__(prior, alpha=alpha, samples=samples, seed=seed)
        check_callable("score", score)
        self._estimate(in_weights_dtype(score), score, max_points)

    @without_autocast()
    def _estimate(self, score: Callable[[Tensor], Tensor], like: object, max_points: int | None) -> None:
        """Scores the prior's samples, in the dtype and on the device of the weights of ``like``, and tabulates."""
        if max_points is not None:
            max_points = whole_number("max_points", max_points, 1)
        points = as_weights(like, draw(self.prior, self.dim, self.samples, self.seed))
        self._set(kind="score", _score=score, _max_points=max_points, _like=points[:0].clone())
        with torch.no_grad():
            levels = tried("score", self._scored, points.clone())
        if not bool(levels.isfinite().all()):
            bad = int((~levels.isfinite()).sum())
            raise InputError(
                f"score must be finite on the prior's samples; got NaN or infinity for {bad} of {self.samples}."
            )
        probe("score", self._scored, points[:_PROBED])
        if float(levels.max() - levels.min()) <= 1e3 * torch.finfo(levels.dtype).eps * float(levels.abs().max()):
            raise InputError(
                f"score must tell the prior's samples apart; it is {float(levels[0]):.6g} on all of them. Give another."
            )
        wide = torch.float32 if levels.device.type == "mps" else torch.float64
        self._set(_rule=estimated(_identity, levels.to(wide)))

    @without_autocast()
    def surrogate(
        self,
        *,
        latents: int = 9000,
        steps: int = 4000,
        width: int = 256,
        seed: int = 0,
        progress: bool | None = None,
    ) -> "SurrogateIndex":
        r"""Fits a small network to the score, and returns its index, which runs no generator.

        The score of ``latents`` points is computed once: a third are samples of the prior, a third points between two
        samples, and a third samples spread by 1.25 about their mean. A tenth is held out, and measures the rank
        correlation of network and score. The global random state stays as it was.

        Args:
            latents: the number of latents whose score is computed, at least 100.
            steps: the number of steps of the fit, of 512 latents each.
            width: the width of the network's two hidden layers.
            seed: the seed of latents and fit.
            progress: as for `latentpath.interpolate`.

        Raises:
            InputError: an argument is not as above, or the score is not finite at most of the latents.
            GeneratorError: the score fails.

        Warns:
            UserWarning: the rank correlation on held-out latents is below 0.5.

        Source: not in the paper; see `latentpath.index.surrogate`.

        Example:
            >>> from latentpath.priors import standard_normal
            >>> index = ScoreIndex(standard_normal(2), score=lambda z: torch.sin(z).sum(-1), samples=500)
            >>> fast = index.surrogate(latents=600, steps=300, width=32)
            >>> fast.decodes, fast.correlation > 0.95, fast.target is index
            (False, True, True)
        """
        size, seed = whole_number("latents", latents, 100), whole_number("seed", seed, 0, SEED)
        fit = fit_surrogate(
            lambda points: tried("score", self._scored, points),
            fitting_latents(self.prior, self.dim, size, self.seed, seed).to(self._like),
            steps=whole_number("steps", steps, 1),
            width=whole_number("width", width, 1),
            seed=seed,
            title=f"Fitting a surrogate of {self.name}",
            progress=progress,
        )
        warn_if_poor(self.name, fit.correlation, size)
        kept: dict[str, Any] = {"alpha": self.alpha, "samples": self.samples, "seed": self.seed}
        return SurrogateIndex(self.prior, fit=fit, target_name=self.name, target=self, **kept)

    def _argument(self, z: Tensor) -> Tensor:
        return self._scored(z.reshape(-1, self.dim)).reshape(z.shape[:-1])

    def _scored(self, points: Tensor) -> Tensor:
        """Computes the scores ``(N,)`` of ``points`` ``(N, D)``, at most ``max_points`` in a call."""
        size = self._max_points or (_CPU_POINTS if points.device.type == "cpu" else _GPU_POINTS)
        return in_blocks(self._called, points, size)

    def _called(self, points: Tensor) -> Tensor:
        found = self._score(points)
        fits = isinstance(found, Tensor) and found.shape[:1] == points.shape[:1] and found.numel() == len(points)
        if not fits or not found.is_floating_point():
            raise InputError(
                "score must map (N, D) to one number each, (N,), in floating point; got "
                f"{describe(found)} for {tuple(points.shape)}."
            )
        return found.reshape(-1).to(torch.promote_types(found.dtype, torch.float32))


class SurrogateIndex(ScoreIndex):
    r"""The index of a small network in place of a score: `ScoreIndex.surrogate` fits one, `load` reads one.

    .. math:: \mathrm{ri}_n(z) = P(n(X) \le n(z)), \quad X \sim \text{prior}, \qquad n \approx s

    It is an index of its own, uniform under the prior, and runs no generator: its evaluations cost next to nothing.

    Args:
        prior: as for `RealismIndex`.
        fit: the network, its rank correlation with the score, and the settings of the fit.
        target_name: the name of the true index.
        target: the true index, a function without arguments that builds it on first use, or None.
        alpha: as for `ScoreIndex`; likewise ``samples``, all of which the network scores, and ``seed``.

    Attributes:
        correlation: Spearman's rank correlation of network and score on held-out latents.
        fitted: the settings of the fit: ``latents``, ``steps``, ``seed`` and ``width``.
        target_name: as given.

    Raises:
        InputError: an argument is not as above, or the network is of another dimension than the prior.

    Source: not in the paper; see `latentpath.index.surrogate`.
    """

    decodes = False
    correlation: float
    fitted: dict[str, int]
    target_name: str
    _network: SurrogateNetwork
    _target: LazyIndex | None

    def __init__(
        self,
        prior: Any,
        *,
        fit: SurrogateFit,
        target_name: str = "score",
        target: PriorIndex | Callable[[], Any] | None = None,
        alpha: float | int = 0.9,
        samples: int = 5000,
        seed: int = 0,
    ) -> None:
        PriorIndex.__init__(self, prior, alpha=alpha, samples=samples, seed=seed)
        if fit.network.dim != self.dim:
            raise InputError(
                f"prior must have D = {fit.network.dim}, as the surrogate's network has; got {self.dim}. Give the "
                "prior that it was fitted with."
            )
        self._set(correlation=fit.correlation, fitted=dict(fit.settings), target_name=target_name, _network=fit.network)
        self._set(_target=None if target is None else LazyIndex(target, self.dim))
        self._estimate(fit.network, None, _NETWORK_POINTS)

    @property
    def is_expensive(self) -> bool:
        """True: its network is small beside the generator, but not beside a look-up, and smooth between points."""
        return True

    @property
    def name(self) -> str:
        """The short name for tables."""
        return f"surrogate of {self.target_name}"

    @property
    def target(self) -> PriorIndex | None:
        """The true index, built on first use where a function was given; None where it is unknown."""
        return None if self._target is None else self._target.get()

    @property
    def has_target(self) -> bool:
        """True where the true index is known; it is not built."""
        return self._target is not None

    def __repr__(self) -> str:
        facts = f"{self.name}, dim={self.dim}, correlation={self.correlation:.2f}, alpha={self.alpha:g}"
        return f"{type(self).__name__}({facts}, samples={self.samples}, seed={self.seed})"

    def with_target(self, target: PriorIndex | Callable[[], Any]) -> "SurrogateIndex":
        """Returns a copy with a true index: a `PriorIndex`, or a function that builds it on first use.

        Raises:
            InputError: ``target`` is neither, or of another dimension; of a function, on first use.
        """
        found = self.with_alpha(self.alpha)
        found._set(_target=LazyIndex(target, self.dim))
        return found

    def save(self, file: str | os.PathLike[str]) -> None:
        """Writes the network as safetensors, atomically, in float16 where its numbers are; the target is not saved.

        Raises:
            InputError: ``file`` is not a path.
            DataError: the file cannot be written.
        """
        about = {"target_name": self.target_name, "samples": self.samples, "seed": self.seed}
        write_surrogate(file, SurrogateFit(self._network, self.correlation, self.fitted), about)

    @classmethod
    def load(
        cls,
        file: str | os.PathLike[str],
        prior: Any,
        target: PriorIndex | Callable[[], Any] | None = None,
        *,
        alpha: float | int = 0.9,
    ) -> "SurrogateIndex":
        """Reads an index that `save` wrote; with the same prior it has the same values, bit for bit.

        Args:
            file: the file.
            prior: the prior that the surrogate was fitted with.
            target: the true index, a function without arguments that builds it on first use, or None.
            alpha: the scale in (0, 1].

        Raises:
            MissingDataError: no such file.
            DataError: the file is damaged, or is not a saved surrogate.
            InputError: the prior is of another dimension, or an argument is not as above.
        """
        fit, about = read_surrogate(file)
        return cls(prior, fit=fit, target=target, alpha=alpha, **about)


def as_weights(like: object, points: Tensor) -> Tensor:
    """Returns points in the dtype and on the device of a module's weights; points alone for any other ``like``.

    Latents for weights in half precision are float32, and the module rounds them itself.
    """
    weights = like.parameters() if isinstance(like, nn.Module) else iter(())
    weight = next((p for p in weights if p.is_floating_point()), None)
    if weight is None:
        return points
    return points.to(weight.device, torch.promote_types(weight.dtype, torch.float32))


def _identity(levels: Tensor) -> Tensor:
    return levels
