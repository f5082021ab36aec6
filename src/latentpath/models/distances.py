r"""Distances between distributions of images, through features: Fréchet, kernel, precision and recall, nearest ones.

Features are vectors that a network makes of images; which network is the caller's choice, and numbers of different
networks do not compare.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .._progress import Stage, each, silent
from ..data import to_unit_range
from ..errors import InputError

__all__ = [
    "frechet_distance",
    "frechet_distances",
    "gaussian_frechet_distance",
    "kernel_distance",
    "nearest_distances",
    "neighbour_radii",
    "precision_recall",
    "within_manifold",
]

_CHUNK = 500
_PRODUCTS = 2**26
"""The most numbers that the products of features of all groups may take together; 512 MiB."""


def gaussian_frechet_distance(mean1: Tensor, covariance1: Tensor, mean2: Tensor, covariance2: Tensor) -> float:
    r"""The squared Fréchet (2-Wasserstein) distance of two normal distributions, in float64.

    .. math:: d^2 = \|\mu_1 - \mu_2\|^2 + \operatorname{tr}\bigl(C_1 + C_2 - 2 (C_1^{1/2} C_2 C_1^{1/2})^{1/2}\bigr).

    Args:
        mean1: ``(F,)``.
        covariance1: ``(F, F)``, symmetric, positive semi-definite.
        mean2: ``(F,)``.
        covariance2: ``(F, F)``.

    Returns:
        The distance, never below 0.

    Example:
        >>> import torch
        >>> from latentpath.models.distances import gaussian_frechet_distance
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
    """`gaussian_frechet_distance` of the normals fitted to features ``(N, F)`` and ``(M, F)`` (Heusel et al. 2017).

    Raises:
        InputError: fewer than two rows, or rows of different length.
    """
    _check(features1, features2)
    one, two = features1.double(), features2.double()
    return gaussian_frechet_distance(one.mean(0), _covariance(one), two.mean(0), _covariance(two))


def frechet_distances(groups: Tensor, reference: Tensor, weights: Tensor) -> Tensor:
    r"""`frechet_distance` to one reference of many mixtures of groups of features: for a bootstrap over the groups.

    Mixture ``r`` has every row of group ``b`` :math:`w_{rb}` times. The square root of the reference's covariance and
    the products of features of every group are formed once, so that a mixture costs little more than the eigenvalues of
    one matrix ``(F, F)``.

    Args:
        groups: features ``(B, n, F)``, ``n`` of each of ``B`` groups.
        reference: features ``(M, F)``.
        weights: ``(R, B)``, whole numbers from 0 on.

    Returns:
        The distances ``(R,)``, in float64, never below 0.

    Raises:
        InputError: shapes that do not fit, or a mixture of fewer than two rows.

    Example:
        >>> import torch
        >>> from latentpath.models.distances import frechet_distances
        >>> groups = torch.tensor([[[0.0], [2.0]], [[6.0], [8.0]]])
        >>> frechet_distances(groups, torch.tensor([[-1.0], [1.0]]), torch.tensor([[1, 0], [0, 1]]))
        tensor([ 1., 49.], dtype=torch.float64)
    """
    if groups.ndim != 3 or weights.ndim != 2 or weights.shape[1] != len(groups):
        raise InputError(
            f"groups must be (B, n, F) and weights (R, B), got {tuple(groups.shape)} and {tuple(weights.shape)}"
        )
    _check(groups.flatten(0, 1), reference)
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
    """That of ``(N, F)``: ``(F, F)``, for a single feature too."""
    return features.mT.cov().reshape(features.shape[1], features.shape[1])


def _root(covariance: Tensor) -> Tensor:
    """The symmetric square root of ``(F, F)``."""
    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = vectors * values.clamp_min(0).sqrt() @ vectors.mT
    return root


def kernel_distance(features1: Tensor, features2: Tensor) -> float:
    r"""The squared maximum mean discrepancy of ``(N, F)`` and ``(M, F)``, kernel :math:`(x^T y / F + 1)^3`, unbiased.

    It is 0 on average where both are of one distribution, and may be below 0. Unlike the Fréchet distance it does not
    depend on the number of samples, on average (Bińkowski et al. 2018).

    Raises:
        InputError: fewer than two rows, or rows of different length.

    Example:
        >>> import torch
        >>> from latentpath.models.distances import kernel_distance
        >>> x = torch.tensor([[0.0], [2.0]])
        >>> kernel_distance(x, x)  # k(0, 2) + k(0, 2) - (k(0, 0) + 2 k(0, 2) + k(2, 2)) / 2
        -62.0
    """
    _check(features1, features2)
    x, y = features1.double(), features2.double()

    def total(a: Tensor, b: Tensor) -> float:
        return sum(float((chunk @ b.mT / a.shape[1] + 1).pow(3).sum()) for chunk in a.split(_CHUNK))

    def among(a: Tensor) -> float:
        own = float((a.square().sum(1) / a.shape[1] + 1).pow(3).sum())
        return (total(a, a) - own) / (len(a) * (len(a) - 1))

    return among(x) + among(y) - 2 * total(x, y) / (len(x) * len(y))


def precision_recall(features: Tensor, reference: Tensor, neighbours: int = 3) -> tuple[float, float]:
    """How much of features ``(N, F)`` lies within a reference ``(M, F)``, and the other way round.

    (Kynkäänniemi et al. 2019, "Improved precision and recall metric for assessing generative models".)
    The manifold of a sample is the union of the balls around its points that reach to their ``neighbours``-th nearest
    other point of it. Precision is the share of ``features`` in the manifold of ``reference``; recall is the share of
    ``reference`` in the manifold of ``features``.

    Raises:
        InputError: no more than ``neighbours`` rows, or rows of different length.

    Example:
        >>> import torch
        >>> from latentpath.models.distances import precision_recall
        >>> line = torch.arange(100.0)[:, None]
        >>> precision_recall(line[:50], line)  # half of it
        (1.0, 0.53)
    """
    _check(features, reference)
    if min(len(features), len(reference)) <= neighbours:
        raise InputError(
            f"precision and recall need more than {neighbours} rows, got {len(features)} and {len(reference)}"
        )

    def share(points: Tensor, manifold: Tensor) -> float:
        return float(within_manifold(points, manifold, neighbour_radii(manifold, neighbours)).double().mean())

    return share(features, reference), share(reference, features)


def neighbour_radii(reference: Tensor, neighbours: int = 3) -> Tensor:
    """The distance ``(M,)`` from every row of ``(M, F)`` to its ``neighbours``-th nearest other row, in float64.

    They are the radii of the balls whose union is the manifold of `precision_recall`.

    Raises:
        InputError: no more than ``neighbours`` rows.

    Example:
        >>> import torch
        >>> from latentpath.models.distances import neighbour_radii
        >>> neighbour_radii(torch.tensor([[0.0], [1.0], [3.0]]), neighbours=2)
        tensor([3., 2., 3.], dtype=torch.float64)
    """
    if reference.ndim != 2 or not 1 <= neighbours < len(reference):
        raise InputError(f"the manifold needs more than {neighbours} rows (M, F), got {tuple(reference.shape)}")
    every = reference.double()
    return torch.cat(
        [torch.cdist(chunk, every).kthvalue(neighbours + 1, dim=1).values for chunk in every.split(_CHUNK)]
    )


def within_manifold(features: Tensor, reference: Tensor, radii: Tensor) -> Tensor:
    """Whether each of features ``(N, F)`` lies in a ball around a row of ``reference`` ``(M, F)``: ``(N,)``, bool.

    Its mean is the precision of `precision_recall`.

    Args:
        features: ``(N, F)``.
        reference: ``(M, F)``.
        radii: of the balls, ``(M,)``, from `neighbour_radii`.

    Raises:
        InputError: shapes that do not fit.

    Example:
        >>> import torch
        >>> from latentpath.models.distances import neighbour_radii, within_manifold
        >>> line = torch.arange(10.0)[:, None]
        >>> within_manifold(torch.tensor([[4.5], [11.0], [13.0]]), line, neighbour_radii(line))
        tensor([ True,  True, False])
    """
    if features.ndim != 2 or features.shape[1:] != reference.shape[1:] or radii.shape != reference.shape[:1]:
        raise InputError(
            "features must be (N, F), reference (M, F) and radii (M,), got "
            f"{tuple(features.shape)}, {tuple(reference.shape)} and {tuple(radii.shape)}"
        )
    every = reference.double()
    inside = [(torch.cdist(chunk, every) <= radii).any(1) for chunk in features.double().split(_CHUNK)]
    return torch.cat(inside)


@torch.no_grad()
def nearest_distances(images: Tensor, reference: Tensor, stage: Stage = silent, what: str = "nearest images") -> Tensor:
    """For each image ``(N, ...)`` the Euclidean distance ``(N,)`` to the nearest of ``reference`` ``(M, ...)``.

    Either may be ``uint8``: its pixels are then taken as values in [-1, 1], a few at a time. Progress is told to
    ``stage`` as ``what``.
    """
    mine = _values(images)
    best, which = torch.full((len(mine),), torch.inf), torch.zeros(len(mine), dtype=torch.long)
    for start in each(range(0, len(reference), _CHUNK), what, stage):
        theirs = _values(reference[start : start + _CHUNK])
        squares = theirs.square().sum(1) - 2 * mine @ theirs.mT  # but for what is the same for all of them
        least, at = squares.min(1)
        which, best = torch.where(least < best, at + start, which), torch.minimum(best, least)
    chunks = zip(mine.split(_CHUNK), which.split(_CHUNK), strict=True)
    return torch.cat([(some - _values(reference[at])).norm(dim=1) for some, at in chunks])  # exact for copies


def _values(images: Tensor) -> Tensor:
    flat = images.flatten(1)
    return to_unit_range(flat) if flat.dtype == torch.uint8 else flat.float()


def _check(features1: Tensor, features2: Tensor) -> None:
    for features in (features1, features2):
        if features.ndim != 2 or len(features) < 2 or features.shape[1] != features1.shape[1]:
            raise InputError(
                "features must be (N, F) and (M, F) with at least two rows each, "
                f"got {tuple(features1.shape)} and {tuple(features2.shape)}"
            )
