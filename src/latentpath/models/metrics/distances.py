"""Distances: Fréchet's and the kernel distance of distributions of features, and that of images to their neighbours."""

import torch
from torch import Tensor

from ..._batching import blocks
from ..._progress import Stage, each, silent
from ...data import to_unit_range
from ...errors import InputError
from .features import CHUNK, check_features

_PRODUCTS = 2**26  # the most numbers that the products of features of all groups may take together; 512 MiB


def gaussian_frechet_distance(mean1: Tensor, covariance1: Tensor, mean2: Tensor, covariance2: Tensor) -> float:
    r"""The squared Fréchet (2-Wasserstein) distance of two normal distributions, in float64.

    .. math:: d^2 = \|\mu_1 - \mu_2\|^2 + \operatorname{tr}\bigl(C_1 + C_2 - 2 (C_1^{1/2} C_2 C_1^{1/2})^{1/2}\bigr).

    Means are ``(F,)``, covariances ``(F, F)``, symmetric and positive semi-definite.

    Example:
        >>> eye, zero = torch.eye(3), torch.zeros(3)
        >>> round(gaussian_frechet_distance(zero, eye, zero + 1, 4 * eye), 6)  # 3 * (1 + (2 - 1)**2)
        6.0
    """
    c1, c2 = covariance1.double(), covariance2.double()
    root = _root(c1)
    inner = root @ c2 @ root
    cross = torch.linalg.eigvalsh((inner + inner.mT) / 2).clamp_min(0).sqrt().sum()
    distance = (mean1.double() - mean2.double()).square().sum() + c1.trace() + c2.trace() - 2 * cross
    return max(float(distance), 0.0)


def frechet_distance(features1: Tensor, features2: Tensor) -> float:
    """`gaussian_frechet_distance` of the normals fitted to features ``(N, F)`` and ``(M, F)`` (Heusel et al. 2017)."""
    check_features(features1, features2)
    one, two = features1.double(), features2.double()
    return gaussian_frechet_distance(one.mean(0), _covariance(one), two.mean(0), _covariance(two))


def frechet_distances(groups: Tensor, reference: Tensor, weights: Tensor) -> Tensor:
    r"""`frechet_distance` to one reference of many mixtures of groups of features: for a bootstrap over the groups.

    Mixture ``r`` has every row of group ``b`` :math:`w_{rb}` times. The square root of the reference's covariance and
    the products of features of every group are formed once, so that a mixture costs little more than the eigenvalues of
    one matrix ``(F, F)``.

    Features ``(B, n, F)`` of ``B`` groups, a reference ``(M, F)`` and weights ``(R, B)``, whole numbers from 0 on, give
    distances ``(R,)`` in float64, never below 0.

    Example:
        >>> groups = torch.tensor([[[0.0], [2.0]], [[6.0], [8.0]]])
        >>> frechet_distances(groups, torch.tensor([[-1.0], [1.0]]), torch.tensor([[1, 0], [0, 1]]))
        tensor([ 1., 49.], dtype=torch.float64)
    """
    if groups.ndim != 3 or weights.ndim != 2 or weights.shape[1] != len(groups):
        raise InputError(
            f"groups must be (B, n, F) and weights (R, B); got {tuple(groups.shape)} and {tuple(weights.shape)}"
        )
    check_features(groups.flatten(0, 1), reference)
    real, parts = reference.double(), weights.double()
    count = parts.sum(1) * groups.shape[1]
    if len(count) and float(count.min()) < 2:
        raise InputError("every mixture needs at least two rows, one has fewer: give it weight")
    covariance = _covariance(real)
    root = _root(covariance)
    centred = groups.double() - real.mean(0)
    turned = centred @ root  # whose covariance is the matrix under the square root
    held = len(groups) * groups.shape[2] ** 2 <= _PRODUCTS
    products = turned.mT @ turned if held else None
    mean = parts @ centred.sum(1) / count[:, None]
    trace = (parts @ centred.square().sum((1, 2)) - count * mean.square().sum(1)) / (count - 1)
    cross = torch.zeros_like(count)
    for i, (share, total, at) in enumerate(zip(parts, count, mean @ root, strict=True)):
        if products is None:
            second = (turned * share[:, None, None]).flatten(0, 1).mT @ turned.flatten(0, 1)
        else:
            second = torch.tensordot(share, products, 1)
        inner = (second - total * torch.outer(at, at)) / (total - 1)
        cross[i] = torch.linalg.eigvalsh((inner + inner.mT) / 2).clamp_min(0).sqrt().sum()
    square = mean.square().sum(1) + covariance.trace() + trace
    distances: Tensor = (square - 2 * cross).clamp_min(0)
    return distances


def _covariance(features: Tensor) -> Tensor:
    """Computes the covariance ``(F, F)`` of ``(N, F)``, for a single feature too."""
    return features.mT.cov().reshape(features.shape[1], features.shape[1])


def _root(covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = vectors * values.clamp_min(0).sqrt() @ vectors.mT
    return root


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


@torch.no_grad()
def nearest_distances(images: Tensor, reference: Tensor, stage: Stage = silent, what: str = "nearest images") -> Tensor:
    """Returns for each image ``(N, ...)`` the Euclidean distance ``(N,)`` to the nearest of ``reference`` ``(M, ...)``.

    Either may be ``uint8``: its pixels then become values in [-1, 1], a chunk at a time. ``stage`` receives the
    progress of ``what``.
    """
    mine = _values(images)
    best, which = torch.full((len(mine),), torch.inf), torch.zeros(len(mine), dtype=torch.long)
    for block in each([*blocks(len(reference), CHUNK)], what, stage):
        theirs = _values(reference[block])
        squares = theirs.square().sum(1) - 2 * mine @ theirs.mT  # less the squares of ``mine``, equal for all
        least, at = squares.min(1)
        which, best = torch.where(least < best, at + block.start, which), torch.minimum(best, least)
    chunks = zip(mine.split(CHUNK), which.split(CHUNK), strict=True)
    return torch.cat([(some - _values(reference[at])).norm(dim=1) for some, at in chunks])  # exact for copies


def _values(images: Tensor) -> Tensor:
    flat = images.flatten(1)
    return to_unit_range(flat) if flat.dtype == torch.uint8 else flat.float()
