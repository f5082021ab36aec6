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

**Limits.** A score has no walls: outside the support of a uniform prior the index is whatever the score gives. It is
only as good as the score, which was trained on what the generator makes of *samples*.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from latentpath._validate import describe, whole_number
from latentpath.callables import any_precision, in_weights_dtype, without_autocast
from latentpath.errors import InputError
from latentpath.probe import check_callable, probe, tried

from .base import PriorIndex
from .empirical_distribution import estimated
from .prior_adapter import draw

_CPU_POINTS, _GPU_POINTS = 512, 4096
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
        self._set(kind="score", _score=score, _max_points=max_points)
        points = _as_weights(like, draw(self.prior, self.dim, self.samples, self.seed))
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

    def _argument(self, z: Tensor) -> Tensor:
        return self._scored(z.reshape(-1, self.dim)).reshape(z.shape[:-1])

    def _scored(self, points: Tensor) -> Tensor:
        """Computes the scores ``(N,)`` of ``points`` ``(N, D)``, at most ``max_points`` in a call."""
        size = self._max_points or (_CPU_POINTS if points.device.type == "cpu" else _GPU_POINTS)
        if len(points) <= size:
            return self._called(points) if len(points) else points.sum(-1)
        if torch.is_grad_enabled() and points.requires_grad:
            from torch.utils.checkpoint import checkpoint

            options: dict[str, Any] = {"use_reentrant": False, "preserve_rng_state": False}
            return torch.cat([checkpoint(self._called, block, **options) for block in points.split(size)])
        return torch.cat([self._called(block) for block in points.split(size)])

    def _called(self, points: Tensor) -> Tensor:
        found = self._score(points)
        fits = isinstance(found, Tensor) and found.shape[:1] == points.shape[:1] and found.numel() == len(points)
        if not fits or not found.is_floating_point():
            raise InputError(
                "score must map (N, D) to one number each, (N,), in floating point; got "
                f"{describe(found)} for {tuple(points.shape)}."
            )
        return found.reshape(-1).to(torch.promote_types(found.dtype, torch.float32))


class DiscriminatorIndex(ScoreIndex):
    r"""The index of a discriminator's verdict on what the generator makes: :math:`s(z) = d(G(z))`.

    .. math:: \mathrm{ri}_d(z) = P\bigl(d(G(X)) \le d(G(z))\bigr), \qquad X \sim \text{prior}

    A discriminator that was trained with the generator has been fooled by it; one held back, or trained against it
    afterwards, tells more. Every evaluation costs a pass of the generator and of the discriminator.

    Args:
        prior: as for `RealismIndex`.
        generator: latents ``(N, D)`` to data ``(N, ...)``; a module must be in eval mode.
        discriminator: data to one logit each, ``(N,)`` or ``(N, 1)``, more being more real. Logits, since probabilities
            bunch at 0 and 1.
        alpha: as for `ScoreIndex`; likewise ``samples``, ``seed`` and ``max_points``.

    Raises:
        InputError: as for `ScoreIndex`.
        GeneratorError: as for `ScoreIndex`, or a module is in training mode.

    Source: not in the paper; see `latentpath.index.score`.

    Example:
        >>> from latentpath.priors import standard_normal
        >>> parts = {"generator": lambda z: 3 * z, "discriminator": lambda x: -x.norm(dim=1)}
        >>> index = DiscriminatorIndex(standard_normal(20), **parts, samples=1000)
        >>> index.log(torch.zeros(2, 20)).shape
        torch.Size([2])
    """

    def __init__(
        self,
        prior: Any,
        *,
        generator: Callable[[Tensor], Tensor],
        discriminator: Callable[[Tensor], Tensor],
        alpha: float | int = 0.9,
        samples: int = 5000,
        seed: int = 0,
        max_points: int | None = None,
    ) -> None:
        PriorIndex.__init__(self, prior, alpha=alpha, samples=samples, seed=seed)
        check_callable("generator", generator)
        check_callable("discriminator", discriminator)
        decode, judge = any_precision(generator), in_weights_dtype(discriminator)
        self._estimate(lambda z: judge(decode(z)), generator, max_points)


class ClassifierIndex(ScoreIndex):
    r"""The index of a classifier's confidence in what the generator makes.

    With :math:`p(z)` the largest class probability of :math:`G(z)`,

    .. math:: s(z) = \log \frac{p(z)}{1 - p(z)} = l_{\max} - \log \sum_{c \ne \max} e^{l_c}, \qquad
              \mathrm{ri}_c(z) = P\bigl(p(X) \le p(z)\bigr),\ X \sim \text{prior}.

    The index is that of :math:`\log p`, of which s is a rising function; but :math:`\log p` bunches at 0 where a
    classifier is sure, below what floating point and smoothing can tell apart, and its logit does not. Every evaluation
    costs a pass of the generator and of the classifier.

    Args:
        prior: as for `RealismIndex`.
        generator: latents ``(N, D)`` to data ``(N, ...)``; a module must be in eval mode.
        classifier: data to logits ``(N, C)`` of at least two classes (log-probabilities are logits too).
        alpha: as for `ScoreIndex`; likewise ``samples``, ``seed`` and ``max_points``.

    Raises:
        InputError: as for `ScoreIndex`, or logits of another shape.
        GeneratorError: as for `ScoreIndex`, or a module is in training mode.

    Source: not in the paper; see `latentpath.index.score`.

    Example:
        >>> from latentpath.priors import standard_normal
        >>> parts = {"generator": lambda z: 3 * z, "classifier": lambda x: x}
        >>> index = ClassifierIndex(standard_normal(10), **parts, samples=1000)
        >>> sure, torn = 2 * torch.eye(10)[0], torch.eye(10)[0] + torch.eye(10)[1]
        >>> bool(index(sure) > index(torn))
        True
    """

    def __init__(
        self,
        prior: Any,
        *,
        generator: Callable[[Tensor], Tensor],
        classifier: Callable[[Tensor], Tensor],
        alpha: float | int = 0.9,
        samples: int = 5000,
        seed: int = 0,
        max_points: int | None = None,
    ) -> None:
        PriorIndex.__init__(self, prior, alpha=alpha, samples=samples, seed=seed)
        check_callable("generator", generator)
        check_callable("classifier", classifier)
        decode, classify = any_precision(generator), any_precision(classifier)
        self._estimate(lambda z: _confidence(classify(decode(z))), generator, max_points)


def _confidence(logits: Tensor) -> Tensor:
    """Computes the logit of the largest probability, ``(N, C) -> (N,)``."""
    if not isinstance(logits, Tensor) or not logits.is_floating_point() or logits.ndim != 2 or logits.shape[1] < 2:
        raise InputError(
            f"classifier must give floating-point logits (N, C) of at least two classes; got {describe(logits)}."
        )
    largest, which = logits.max(1, keepdim=True)
    others = logits.masked_fill(torch.zeros_like(logits, dtype=torch.bool).scatter(1, which, True), -torch.inf)
    return largest[:, 0] - others.logsumexp(1)


def _as_weights(like: object, points: Tensor) -> Tensor:
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
