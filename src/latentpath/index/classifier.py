"""The index of a classifier's confidence in what the generator makes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from latentpath._validate import describe
from latentpath.callables import any_precision
from latentpath.errors import InputError
from latentpath.probe import check_callable

from .base import PriorIndex
from .score import ScoreIndex


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
