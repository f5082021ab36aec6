"""Coverage of a reference by samples: the share of its neighbourhoods that hold a sample (Naeem et al. 2020)."""

import torch
from torch import Tensor

from .features import CHUNK, check_features
from .precision import neighbour_radii


def coverage(features: Tensor, reference: Tensor, neighbours: int = 5) -> float:
    r"""Returns the share of the reference ``(M, F)`` whose neighbourhoods hold at least one of features ``(N, F)``.

    .. math:: \frac{1}{M} \#\{j : \min_i |\phi_i - r_j| \le d_k(r_j)\}

    where :math:`d_k(r_j)` is the distance of :math:`r_j` to its ``neighbours``-th nearest other row of the reference.
    The balls are those of the reference, so that an outlier among the features covers nothing; recall, whose balls are
    around the features, is raised by outliers. It is 0 where the features are far from the reference, and 1 where they
    are the reference.

    Source: Naeem et al. 2020, "Reliable fidelity and diversity metrics for generative models", equation 8.

    Raises:
        InputError: features of other shapes, or no more than ``neighbours`` rows of the reference.

    Example:
        >>> line = torch.arange(10.0)[:, None]
        >>> coverage(torch.tensor([[0.0], [0.1]]), line, neighbours=2)  # within the balls around 0, 1 and 2
        0.3
    """
    check_features(features, reference)
    held = covered(features, reference, neighbour_radii(reference, neighbours))
    return float(held.double().mean())


def covered(features: Tensor, reference: Tensor, radii: Tensor) -> Tensor:
    """Tells which balls of ``radii`` ``(M,)`` around the reference ``(M, F)`` hold one of ``(N, F)``: ``(M,)``, bool.

    Example:
        >>> covered(torch.tensor([[0.5]]), torch.tensor([[0.0], [5.0]]), torch.tensor([1.0, 1.0]))
        tensor([ True, False])
    """
    mine, found = features.double(), []
    for rows, radius in zip(reference.double().split(CHUNK), radii.double().split(CHUNK), strict=True):
        found.append((torch.cdist(rows, mine) <= radius[:, None]).any(1))
    return torch.cat(found)
