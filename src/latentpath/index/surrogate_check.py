"""The comparison of surrogates with the true index, at the points of paths that were solved under them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from latentpath._validate import check_points
from latentpath.callables import without_autocast
from latentpath.errors import InputError

from .factors import surrogates, with_targets
from .rank_correlation import rank_correlation


@dataclass(frozen=True)
class SurrogateCheck:
    """The agreement of an index of surrogates with the true one, at the points of paths ``(B, P, D)``.

    A product is compared as a whole, its other factors included.

    Attributes:
        correlation: Spearman's rank correlation of both ``log ri`` over all points of all paths; NaN where either is
            constant.
        true_ri: the mean of the true ``ri`` over all points.
        surrogate_ri: the mean of the ``ri`` that the paths were solved under.
        log_ri: the mean of the true ``log ri`` along each path, in nats, ``(B,)``, without alpha.
        points: the number of points.
    """

    correlation: float
    true_ri: float
    surrogate_ri: float
    log_ri: Tensor
    points: int

    def __str__(self) -> str:
        return (
            f"At {self.points} points of the paths the surrogate's index is {self.surrogate_ri:.2f} on average and the "
            f"true one {self.true_ri:.2f}, with a rank correlation of {self.correlation:.2f}."
        )


@torch.no_grad()
@without_autocast()
def compare_surrogate(index: Any, latents: Tensor) -> SurrogateCheck | None:
    """Compares an index of surrogates with the true index at the points of paths.

    Args:
        index: any index or callable.
        latents: the paths ``(B, P, D)``.

    Returns:
        The comparison; None where the index has no surrogate, or the true index of one is unknown.

    Raises:
        InputError: ``latents`` is not as above.

    Example:
        >>> from latentpath.index import ScoreIndex
        >>> from latentpath.priors import standard_normal
        >>> true = ScoreIndex(standard_normal(2), score=lambda z: z[:, 0] - z[:, 1], samples=500)
        >>> fast = true.surrogate(latents=300, steps=200, width=16)
        >>> compare_surrogate(fast, torch.randn(3, 11, 2)).correlation > 0.9
        True
    """
    check_points("latents", latents, "(B, P, D)")
    if latents.ndim != 3:
        raise InputError(f"latents must be paths (B, P, D); got {tuple(latents.shape)}. Give latents[None] for one.")
    parts = surrogates(index)
    if not parts or not all(part.has_target for part in parts):
        return None
    guessed, true = (each.log(latents) - math.log(each.alpha) for each in (index, with_targets(index)))
    return SurrogateCheck(
        correlation=rank_correlation(guessed.flatten(), true.flatten()),
        true_ri=float(true.exp().mean()),
        surrogate_ri=float(guessed.exp().mean()),
        log_ri=true.mean(-1),
        points=guessed.numel(),
    )
