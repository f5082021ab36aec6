r"""Indices of scores: how likely the prior is to produce something that scores even less.

The realism index asks one thing of a latent, its density under the prior. The generator may map dense latents to poor
things all the same; whoever can *score* what it makes (a discriminator, a classifier, distances to real data) may ask
that instead. The idea is that of Definition 1: for a differentiable score :math:`s` on the latent space,

.. math:: \mathrm{ri}_s(z) = P\bigl(s(X) \le s(z)\bigr), \qquad X \sim \text{prior},

the probability integral transform of the score: in [0, 1], uniform on (0, 1) under the prior, the same for every rising
function of :math:`s`. With :math:`s = \log f` it is the paper's realism index; whatever the scale of a score, its index
is a number that alpha and the price :math:`-\log(\alpha\,\mathrm{ri}_s)` know how to take.

It is estimated as the paper does for priors without a closed form: the score of ``n`` samples, their distribution
function smoothed (with Silverman's bandwidth, or a narrower one where that blurs too much) and tabulated, in the log
domain, with the same tails (see `latentpath.index`). Far below the worst sample :math:`\log \mathrm{ri}_s` falls like a
parabola in :math:`s`, so that its gradient leads back. Smoothing is not quite the same for every rising function of a
score: one whose values do not bunch is best.

**What it costs.** The scores of this page see what the generator makes, and so *every evaluation of such an index
runs the generator*: ``samples`` times when it is made; for every point of a path a second time, forward and backward,
in a solve; and between the points, where a solve looks at it 4 times a segment where it looks at a density 64 times,
and the audit 16 times, not 128, and more where that is too little. Where more than ``max_points`` latents come at
once they are scored in turn, and once more on the way back, so that memory stays bounded.

**What it does not see.** A score has no walls: outside the support of a uniform prior the index is whatever the score
says. And it is only as good as its score, which was trained on what the generator makes of *samples*.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from latentpath.callables import any_precision, in_weights_dtype, without_autocast
from latentpath.errors import InputError
from latentpath.probe import as_weights, check_parts, kind_of, probe

from .base import PriorIndex
from .closed_form import draw
from .empirical_distribution import estimated

__all__ = ["ClassifierIndex", "DiscriminatorIndex", "ScoreIndex"]

_CPU_POINTS, _GPU_POINTS = 512, 4096
_TRIED = 8


class ScoreIndex(PriorIndex):
    r"""The index of any differentiable score of latents: how likely the prior is to produce what scores even less.

    .. math:: \mathrm{ri}_s(z) = P(s(X) \le s(z)), \quad X \sim \text{prior}, \qquad
              \mathrm{log}(z) = \log(\alpha\, \mathrm{ri}_s(z))

    It can stand wherever a `RealismIndex` can. Every evaluation runs the score, and so the generator where the score
    runs it.

    Args:
        score: latents ``(N, D)`` to one number each, ``(N,)``, more being better: deterministic, differentiable, each
            point on its own. It is given latents in the caller's dtype.
        prior: as for `RealismIndex`; what its samples score is what an index is made from.
        alpha: the scale in (0, 1].
        samples: how many samples are scored, at least 2.
        seed: of those samples; the global random state is left as it was.
        max_points: the most points that are scored in one call; None for 512 on a CPU and 4,096 elsewhere.

    Attributes:
        prior: as given.
        alpha: as given.
        samples: as given.
        seed: as given.
        dim: ``D``.
        kind: ``"score"``.

    Raises:
        InputError: an argument is not as above, or the scores of the samples are of the wrong shape, not finite, or all
            the same.
        GeneratorError: the score fails, is random, not differentiable, or couples the points of a batch.

    Source: not in the paper; Definition 1 for another score than the log-density.

    Example:
        >>> from latentpath.priors import standard_normal
        >>> index = ScoreIndex(lambda z: z[:, 0], standard_normal(2))  # the first coordinate: more is better
        >>> bool((index(torch.tensor([[0.0, 9.0], [1.0, 0.0]])) - torch.tensor([0.5, 0.841])).abs().max() < 0.03)
        True
    """

    decodes = True
    _score: Callable[[Tensor], Tensor]
    _max_points: int | None

    def __init__(
        self,
        score: Callable[[Tensor], Tensor],
        prior: Any,
        alpha: float | int = 0.9,
        samples: int = 5000,
        seed: int = 0,
        max_points: int | None = None,
    ) -> None:
        super().__init__(prior, alpha, samples, seed)
        check_parts(score=score)
        self._estimate(in_weights_dtype(score), score, max_points)

    @without_autocast()
    def _estimate(self, score: Callable[[Tensor], Tensor], like: object, max_points: int | None) -> None:
        """Score the prior's samples, in the dtype and on the device of the weights of ``like``, and tabulate."""
        if max_points is not None and (
            isinstance(max_points, bool) or not isinstance(max_points, int) or max_points < 1
        ):
            raise InputError(f"max_points must be a whole number of at least 1, got {max_points!r}")
        self._set(kind="score", _score=score, _max_points=max_points)
        points = as_weights(like, draw(self.prior, self.dim, self.samples, self.seed))
        probe(self._scored, points[:_TRIED])
        with torch.no_grad():
            levels = self._scored(points)
        if not bool(levels.isfinite().all()):
            bad = int((~levels.isfinite()).sum())
            raise InputError(
                f"the score must be finite on the prior's samples, but {bad} of {self.samples} values are NaN or "
                "infinite"
            )
        if float(levels.max() - levels.min()) <= 1e3 * torch.finfo(levels.dtype).eps * float(levels.abs().max()):
            raise InputError(
                f"the score is {float(levels[0]):.6g} on all of the prior's samples, so it tells none of them apart; "
                "give one that does"
            )
        wide = torch.float32 if levels.device.type == "mps" else torch.float64
        self._set(_rule=estimated(_same, levels.to(wide)))

    def _argument(self, z: Tensor) -> Tensor:
        return self._scored(z.reshape(-1, self.dim)).reshape(z.shape[:-1])

    def _scored(self, points: Tensor) -> Tensor:
        """The scores ``(N,)`` of ``points`` ``(N, D)``, so many at a time."""
        size = self._max_points or (_CPU_POINTS if points.device.type == "cpu" else _GPU_POINTS)
        if len(points) <= size:
            return self._called(points) if len(points) else points.sum(-1)
        if torch.is_grad_enabled() and points.requires_grad:
            from torch.utils.checkpoint import checkpoint

            found = [
                checkpoint(self._called, block, use_reentrant=False, preserve_rng_state=False)
                for block in points.split(size)
            ]
            return torch.cat(found)
        return torch.cat([self._called(block) for block in points.split(size)])

    def _called(self, points: Tensor) -> Tensor:
        found = self._score(points)
        if not isinstance(found, Tensor) or found.shape[:1] != points.shape[:1] or found.numel() != len(points):
            got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise InputError(
                f"the score must map (N, D) to one number each, (N,), it gave {got} for {tuple(points.shape)}"
            )
        if not found.is_floating_point():
            raise InputError(
                "the score must be floating point, to have a gradient, it gave "
                f"{found.dtype} {tuple(found.shape)}: leave out comparisons, argmax and rounding"
            )
        return found.reshape(-1).to(torch.promote_types(found.dtype, torch.float32))


class DiscriminatorIndex(ScoreIndex):
    r"""The index of a discriminator's verdict on what the generator makes: :math:`s(z) = d(G(z))`.

    .. math:: \mathrm{ri}_d(z) = P\bigl(d(G(X)) \le d(G(z))\bigr), \qquad X \sim \text{prior}

    A discriminator that was trained with the generator has been fooled by it; one held back, or trained against it
    afterwards, tells more. Every evaluation costs a pass of the generator and of the discriminator.

    Args:
        generator: latents ``(N, D)`` to data ``(N, ...)``; a module must be in eval mode.
        discriminator: data to one logit each, ``(N,)`` or ``(N, 1)``, more being more real. Logits, since probabilities
            bunch at 0 and 1.
        prior: as for `RealismIndex`.
        alpha: the scale in (0, 1].
        samples: how many samples are decoded and scored when the index is made.
        seed: of those samples.
        max_points: the most points in one call; None for 512 on a CPU and 4,096 elsewhere.

    Attributes:
        prior: as given; ``alpha``, ``samples``, ``seed``, ``dim`` and ``kind`` as for `ScoreIndex`.

    Raises:
        InputError: as for `ScoreIndex`.
        GeneratorError: as for `ScoreIndex`, or a module is in training mode.

    Source: not in the paper; see `latentpath.index.score`.

    Example:
        >>> from latentpath.priors import standard_normal
        >>> index = DiscriminatorIndex(lambda z: 3 * z, lambda x: -x.norm(dim=1), standard_normal(20), samples=1000)
        >>> index.log(torch.zeros(2, 20)).shape
        torch.Size([2])
    """

    def __init__(
        self,
        generator: Callable[[Tensor], Tensor],
        discriminator: Callable[[Tensor], Tensor],
        prior: Any,
        alpha: float | int = 0.9,
        samples: int = 5000,
        seed: int = 0,
        max_points: int | None = None,
    ) -> None:
        PriorIndex.__init__(self, prior, alpha, samples, seed)
        check_parts(generator=generator, discriminator=discriminator)
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
        generator: latents ``(N, D)`` to data ``(N, ...)``; a module must be in eval mode.
        classifier: data to logits ``(N, C)`` of at least two classes (log-probabilities are logits too).
        prior: as for `RealismIndex`.
        alpha: the scale in (0, 1].
        samples: how many samples are decoded and scored when the index is made.
        seed: of those samples.
        max_points: the most points in one call; None for 512 on a CPU and 4,096 elsewhere.

    Attributes:
        prior: as given; ``alpha``, ``samples``, ``seed``, ``dim`` and ``kind`` as for `ScoreIndex`.

    Raises:
        InputError: as for `ScoreIndex`, or logits of another shape.
        GeneratorError: as for `ScoreIndex`, or a module is in training mode.

    Source: not in the paper; see `latentpath.index.score`.

    Example:
        >>> from latentpath.priors import standard_normal
        >>> index = ClassifierIndex(lambda z: 3 * z, lambda x: x, standard_normal(10), samples=1000)
        >>> sure, torn = 2 * torch.eye(10)[0], torch.eye(10)[0] + torch.eye(10)[1]
        >>> bool(index(sure) > index(torn))
        True
    """

    def __init__(
        self,
        generator: Callable[[Tensor], Tensor],
        classifier: Callable[[Tensor], Tensor],
        prior: Any,
        alpha: float | int = 0.9,
        samples: int = 5000,
        seed: int = 0,
        max_points: int | None = None,
    ) -> None:
        PriorIndex.__init__(self, prior, alpha, samples, seed)
        check_parts(generator=generator, classifier=classifier)
        decode, classify = any_precision(generator), any_precision(classifier)
        self._estimate(lambda z: _confidence(classify(decode(z))), generator, max_points)


def _confidence(logits: Tensor) -> Tensor:
    """The logit of the largest probability, ``(N, C) -> (N,)``."""
    if not isinstance(logits, Tensor) or not logits.is_floating_point() or logits.ndim != 2 or logits.shape[1] < 2:
        raise InputError(
            f"the classifier must give logits (N, C) of at least two classes, floating point, it gave {kind_of(logits)}"
        )
    largest, which = logits.max(1, keepdim=True)
    others = logits.masked_fill(torch.zeros_like(logits, dtype=torch.bool).scatter(1, which, True), -torch.inf)
    return largest[:, 0] - others.logsumexp(1)


def _same(levels: Tensor) -> Tensor:
    return levels
