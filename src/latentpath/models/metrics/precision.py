"""Precision and recall of samples: the share within the manifold of other samples (Kynkäänniemi et al. 2019)."""

import torch
from torch import Tensor

from ...errors import InputError
from .features import CHUNK, check_features


def precision_recall(features: Tensor, reference: Tensor, neighbours: int = 3) -> tuple[float, float]:
    """Returns the share of features ``(N, F)`` within a reference ``(M, F)``, and the share of it within the features.

    Source: Kynkäänniemi et al. 2019, "Improved precision and recall metric for assessing generative models".
    The manifold of a sample is the union of the balls around its points that reach to their ``neighbours``-th nearest
    other point of it. Precision is the share of ``features`` in the manifold of ``reference``; recall is the share of
    ``reference`` in the manifold of ``features``.

    Example:
        >>> line = torch.arange(100.0)[:, None]
        >>> precision_recall(line[:50], line)  # half of it
        (1.0, 0.53)
    """
    check_features(features, reference)
    if min(len(features), len(reference)) <= neighbours:
        raise InputError(
            f"precision and recall need more than {neighbours} rows; got {len(features)} and {len(reference)}"
        )

    def share(points: Tensor, manifold: Tensor) -> float:
        return float(within_manifold(points, manifold, neighbour_radii(manifold, neighbours)).double().mean())

    return share(features, reference), share(reference, features)


def neighbour_radii(reference: Tensor, neighbours: int = 3) -> Tensor:
    """The distance ``(M,)`` from every row of ``(M, F)`` to its ``neighbours``-th nearest other row, in float64.

    They are the radii of the balls whose union is the manifold of `precision_recall`.

    Example:
        >>> neighbour_radii(torch.tensor([[0.0], [1.0], [3.0]]), neighbours=2)
        tensor([3., 2., 3.], dtype=torch.float64)
    """
    if reference.ndim != 2 or not 1 <= neighbours < len(reference):
        raise InputError(f"the manifold needs more than {neighbours} rows (M, F); got {tuple(reference.shape)}")
    every = reference.double()
    return torch.cat([torch.cdist(chunk, every).kthvalue(neighbours + 1, dim=1).values for chunk in every.split(CHUNK)])


def within_manifold(features: Tensor, reference: Tensor, radii: Tensor) -> Tensor:
    """Tells which of features ``(N, F)`` lie in a ball around a row of ``reference`` ``(M, F)``: ``(N,)``, bool.

    The radii ``(M,)`` are those of `neighbour_radii`; the mean is the precision of `precision_recall`.

    Example:
        >>> line = torch.arange(10.0)[:, None]
        >>> within_manifold(torch.tensor([[4.5], [11.0], [13.0]]), line, neighbour_radii(line))
        tensor([ True,  True, False])
    """
    if features.ndim != 2 or features.shape[1:] != reference.shape[1:] or radii.shape != reference.shape[:1]:
        raise InputError(
            "features must be (N, F), reference (M, F) and radii (M,); got "
            f"{tuple(features.shape)}, {tuple(reference.shape)} and {tuple(radii.shape)}"
        )
    every = reference.double()
    inside = [(torch.cdist(chunk, every) <= radii).any(1) for chunk in features.double().split(CHUNK)]
    return torch.cat(inside)
