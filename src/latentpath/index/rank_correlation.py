"""Spearman's rank correlation of two lists of numbers."""

import torch
from torch import Tensor


def rank_correlation(first: Tensor, second: Tensor) -> float:
    """Computes Spearman's correlation of ``(n,)`` and ``(n,)``: that of their ranks, equal values sharing a mean rank.

    It is NaN where either is constant, or holds NaN.

    Example:
        >>> rank_correlation(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.1, 5.0, 9.0]))
        1.0
    """
    if bool(first.isnan().any() | second.isnan().any()):
        return float("nan")
    a, b = (ranks - ranks.mean() for ranks in (_ranks(first), _ranks(second)))
    scale = float(a.square().sum() * b.square().sum()) ** 0.5
    return float((a * b).sum()) / scale if scale > 0 else float("nan")


def _ranks(values: Tensor) -> Tensor:
    """Computes the ranks ``(n,)`` from 1 on, in float64 on the CPU."""
    _, which, counts = values.detach().cpu().unique(return_inverse=True, return_counts=True)
    ranks: Tensor = counts.cumsum(0) - (counts - 1) / 2
    return ranks.to(torch.float64)[which]
