r"""The index of nearness to real things: the realism score of Kynkäänniemi et al. (2019).

Around every reference :math:`r`, a real thing, lies the sphere that reaches to its k-th nearest other reference.
Section 5 of "Improved precision and recall metric for assessing generative models" scores a generated thing by the
sphere that it lies deepest in,

.. math:: R(z) = \max_r \frac{|\phi(r) - \phi(\mathrm{nn}_k(r))|}{|\phi(G(z)) - \phi(r)|},

over the half of the references whose spheres are the smaller (the larger ones belong to isolated references, and tell
little). :math:`R \ge 1` within the manifold of the references, and far away it falls like one over the
distance. It was meant for the quality of single images; here its logarithm is a score of latents.

The maximum picks one reference at a time, and the score is smooth between the ridges where two of them are equal. On
a reference R is infinite; so the score is :math:`-\tfrac12 \log(R^{-2} + 10^{-12})`, a rising function of R, with a
finite gradient.

The candidates are found by matrix products, which round, so the four best of them are measured exactly.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from latentpath._validate import describe, whole_number
from latentpath.callables import any_precision, without_autocast
from latentpath.errors import InputError
from latentpath.probe import check_callable

from .base import PriorIndex
from .score import ScoreIndex

_CHUNK, _CANDIDATES, _NEAREST = 500, 4, 1e-12


class KNNIndex(ScoreIndex):
    r"""The index of nearness to real data, by the realism score of Kynkäänniemi et al. (2019).

    .. math:: s(z) = \log \max_r \frac{|\phi(r) - \phi(\mathrm{nn}_k(r))|}{|\phi(G(z)) - \phi(r)|}, \qquad
              \mathrm{ri}_s(z) = P(s(X) \le s(z)),\ X \sim \text{prior}

    Every evaluation costs a pass of the generator and of the features, and a comparison with half the references.

    Args:
        prior: as for `RealismIndex`.
        generator: latents ``(N, D)`` to data ``(N, ...)``; a module must be in eval mode.
        references: real data ``(M, ...)``, floating point, in the generator's range. A few thousand will do.
        features: :math:`\phi`, data to features ``(N, ...)``, of the references too; None for the data themselves. A
            network's features tell more than pixels. Where the features of the references are known, leave this None,
            pass them as ``references``, and a generator that ends in the features.
        neighbours: k, the paper's 3.
        alpha: as for `ScoreIndex`; likewise ``samples``, ``seed`` and ``max_points``.

    Raises:
        InputError: as for `ScoreIndex`; references that are too few, not finite, of another shape than the generator's
            output, or copies of one another.
        GeneratorError: as for `ScoreIndex`, or a module is in training mode.

    Source: Kynkäänniemi et al. 2019, section 5; not in the paper.

    Example:
        >>> from latentpath.priors import standard_normal
        >>> real = torch.randn(200, 2, generator=torch.Generator().manual_seed(0)) + torch.tensor([4.0, 0.0])
        >>> index = KNNIndex(standard_normal(2), generator=lambda z: 3 * z, references=real, samples=1000)
        >>> index(torch.tensor([[4 / 3, 0.0], [-4 / 3, 0.0]])).round(decimals=1)  # among them, and far away
        tensor([0.9, 0.1])
    """

    def __init__(
        self,
        prior: Any,
        *,
        generator: Callable[[Tensor], Tensor],
        references: Tensor,
        features: Callable[[Tensor], Tensor] | None = None,
        neighbours: int = 3,
        alpha: float | int = 0.9,
        samples: int = 5000,
        seed: int = 0,
        max_points: int | None = None,
    ) -> None:
        PriorIndex.__init__(self, prior, alpha=alpha, samples=samples, seed=seed)
        check_callable("generator", generator)
        neighbours = whole_number("neighbours", neighbours, 1)
        decode = any_precision(generator)
        if features is not None:
            check_callable("features", features)
            features = any_precision(features)
        with torch.no_grad(), without_autocast():
            spheres = _spheres(_featured(_checked(references, neighbours), features), neighbours)

        def score(z: Tensor) -> Tensor:
            data = decode(z)
            return spheres.depth(data.flatten(1) if features is None else _rows(features(data), len(data)))

        self._estimate(score, generator, max_points)


@dataclasses.dataclass(frozen=True)
class _Spheres:
    """The spheres around references that reach to their k-th neighbours."""

    centres: Tensor  # (m, F), about their mean
    radii: Tensor  # (m,)
    middle: Tensor  # (F,)

    def depth(self, points: Tensor) -> Tensor:
        """Computes the logarithm of the realism score, ``(N, F) -> (N,)``."""
        if points.shape[1] != self.centres.shape[1]:
            raise InputError(
                f"references must have as many values (or features) as the generator's output, {points.shape[1]}; "
                f"got {self.centres.shape[1]}."
            )
        centres, radii, middle = (part.to(points) for part in (self.centres, self.radii, self.middle))
        points = points - middle
        with torch.no_grad():
            squares = points.square().sum(1, keepdim=True) - 2 * points @ centres.mT + centres.square().sum(1)
            rough = (squares / radii.square()).topk(min(_CANDIDATES, len(radii)), largest=False).indices
        ratio = (points[:, None] - centres[rough]).square().sum(-1) / radii[rough].square()
        return -0.5 * (ratio.amin(1) + _NEAREST).log()


def _spheres(features: Tensor, neighbours: int) -> _Spheres:
    """Returns the smaller half of the spheres around features ``(M, F)``."""
    if not bool(features.isfinite().all()):
        raise InputError("references (or their features) must be finite; got NaN or infinity. Remove these rows.")
    features = features.to(torch.promote_types(features.dtype, torch.float32))  # half has no distances
    middle = features.mean(0)
    centred = features - middle
    exact = "donot_use_mm_for_euclid_dist"  # a copy is at distance 0
    radii = torch.cat(
        [
            torch.cdist(chunk, centred, compute_mode=exact).kthvalue(neighbours + 1, dim=1).values
            for chunk in centred.split(_CHUNK)
        ]
    )
    kept = (radii <= radii.median()) & (radii > 0)
    if not bool(kept.any()):
        raise InputError(
            f"references must differ; got {neighbours} or more exact copies of at least half of them, whose spheres "
            "have no radius. Remove the copies."
        )
    return _Spheres(centred[kept], radii[kept], middle)


def _featured(references: Tensor, features: Callable[[Tensor], Tensor] | None) -> Tensor:
    if features is None:
        return references.flatten(1)
    return torch.cat([_rows(features(chunk), len(chunk)) for chunk in references.split(_CHUNK)])


def _rows(found: object, count: int) -> Tensor:
    if not isinstance(found, Tensor) or not found.is_floating_point() or found.shape[:1] != (count,):
        raise InputError(
            f"features must map data (N, ...) to (N, F), in floating point; got {describe(found)} for N = {count}."
        )
    return found.reshape(count, -1)


def _checked(references: Tensor, neighbours: int) -> Tensor:
    if not isinstance(references, Tensor) or not references.is_floating_point() or references.ndim < 2:
        raise InputError(
            "references must be a floating-point tensor (M, ...), in the generator's range; got "
            f"{describe(references)}."
        )
    if len(references) <= neighbours:
        raise InputError(f"references must be more than neighbours={neighbours}; got {len(references)}. Add some.")
    return references.detach()
