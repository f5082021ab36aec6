"""The kernel distance between distributions of features (Bińkowski et al. 2018)."""

from __future__ import annotations

from torch import Tensor

from .features import CHUNK, check_features


def kernel_distance(features1: Tensor, features2: Tensor) -> float:
    r"""The squared maximum mean discrepancy of ``(N, F)`` and ``(M, F)``, kernel :math:`(x^T y / F + 1)^3`, unbiased.

    It is 0 on average where both are of one distribution, and may be below 0. Unlike the Fréchet distance it does not
    depend on the number of samples, on average (Bińkowski et al. 2018).

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0], [2.0]])
        >>> kernel_distance(x, x)  # k(0, 2) + k(0, 2) - (k(0, 0) + 2 k(0, 2) + k(2, 2)) / 2
        -62.0
    """
    check_features(features1, features2)
    x, y = features1.double(), features2.double()

    def total(a: Tensor, b: Tensor) -> float:
        return sum(float((chunk @ b.mT / a.shape[1] + 1).pow(3).sum()) for chunk in a.split(CHUNK))

    def among(a: Tensor) -> float:
        own = float((a.square().sum(1) / a.shape[1] + 1).pow(3).sum())
        return (total(a, a) - own) / (len(a) * (len(a) - 1))

    return among(x) + among(y) - 2 * total(x, y) / (len(x) * len(y))
