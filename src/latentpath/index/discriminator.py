"""The index of a discriminator's verdict on what the generator makes."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from latentpath.callables import any_precision, in_weights_dtype
from latentpath.probe import check_callable

from .base import PriorIndex
from .score import ScoreIndex


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
        >>> import torch
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
