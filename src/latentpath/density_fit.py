r"""Fitting a density to samples or encodings, in the directions in which they vary.

Encodings often fill a subspace only: a linear layer of rank 8 before 64 latents, a collapsed auto-encoder, unused
latents. A density over all of :math:`\mathbb R^D` cannot describe them: its samples scatter across the subspace and the
encodings do not, so that every encoding is likelier than any sample, and its realism index is 1. So the density is
fitted along the subspace, in the coordinates that have unit variance,

.. math:: \log f(z) = \log p(u) - \log\mathrm{vol} - \frac{|r|^2}{2 \sigma_0^2}, \qquad
          u = S^{-1} V^\top y,\quad r = y - V V^\top y,\quad y = (z - \mu) / s,

where :math:`s` are the standard deviations of the coordinates, :math:`V` the directions that vary, :math:`S` the
deviations along them, and :math:`p` a mixture of normals with full covariances. Samples lie on the subspace, as the
encodings do. Off it the density falls with a deviation :math:`\sigma_0`, the floor: a share of the mean deviation along
the subspace, and well above the residuals of the encodings, so that the index leads paths back to the subspace at no
cost for the encodings. A direction varies if its deviation is above 1e-3 of the largest one.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, MixtureSameFamily, MultivariateNormal, constraints

from ._progress import progress_bar
from ._validate import describe, whole_number
from ._words import counted
from .errors import InputError, missing

_VARIES = 1e-3  # the least deviation of a direction that varies, relative to the largest deviation
_FLOOR = 0.1
"""The deviation across the subspace, relative to the mean deviation along it; a lower floor makes solves slower."""

_ABOVE_RESIDUAL = 10.0  # the least floor, relative to the deviation of the encodings across the subspace
_POINTS = 5
"""The distinct points for every parameter of a component's mean; with fewer it could shrink onto a few points."""


class SubspaceDensity(Distribution):
    """A mixture of normals on a subspace, with a steep fall across it; see `latentpath.density_fit`.

    Attributes:
        mixture: the mixture in the coordinates of the subspace, event shape ``(R,)``.
        center: ``(D,)``.
        basis: the map from these coordinates to latents, ``(R, D)``.
        rank: ``R``, the number of directions that vary.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    support = constraints.real_vector
    has_rsample = False

    def __init__(
        self,
        mixture: MixtureSameFamily,
        center: Tensor,
        scale: Tensor,
        directions: Tensor,
        deviations: Tensor,
        floor: Tensor,
    ) -> None:
        self.mixture, self.center, self.rank = mixture, center, len(deviations)
        self._scale, self._floor = scale, floor
        self._inwards, self._outwards = directions / deviations, (directions * deviations).mT
        self.basis = self._outwards * scale
        wide = self.basis.to(torch.float64)
        self._log_volume = (torch.linalg.slogdet(wide @ wide.mT).logabsdet / 2).to(center)
        super().__init__(torch.Size(), center.shape, validate_args=False)

    def __repr__(self) -> str:
        count = self.mixture.mixture_distribution.logits.shape[-1]
        return f"SubspaceDensity(dim={self.event_shape[0]}, rank={self.rank}, components={count})"

    @property
    def mean(self) -> Tensor:
        """The mean, ``(D,)``."""
        return self.center + self.mixture.mean @ self.basis

    @property
    def variance(self) -> Tensor:
        """The variance of every coordinate, ``(D,)``."""
        parts: Any = self.mixture.component_distribution
        middle = parts.mean - self.mixture.mean
        each = parts.covariance_matrix + middle[..., :, None] * middle[..., None, :]
        covariance = (self.mixture.mixture_distribution.probs[:, None, None] * each).sum(0)
        found: Tensor = (self.basis * (covariance @ self.basis)).sum(0)
        return found

    def log_prob(self, value: Tensor) -> Tensor:
        """Computes the log-density along the subspace, less the fall across it: ``(..., D) -> (...)``."""
        standard = (value - self.center) / self._scale
        inner = standard @ self._inwards
        across = standard - inner @ self._outwards
        found: Tensor = self.mixture.log_prob(inner) - self._log_volume
        return found - across.square().sum(-1) / (2 * self._floor**2)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws samples ``(*sample_shape, D)`` on the subspace."""
        with torch.no_grad():
            inner: Tensor = self.mixture.sample(torch.Size(sample_shape))
            return self.center + inner @ self.basis


def fit(
    latents: Tensor,
    *,
    max_components: int = 10,
    seed: int = 0,
    callback: Callable[[int, float], object] | None = None,
    progress: bool | None = None,
) -> MixtureSameFamily | SubspaceDensity:
    r"""Fits a Gaussian mixture with full covariances to samples or encodings, for models that come without a prior.

    .. math:: f = \sum_{k=1}^K \pi_k \mathcal N(\mu_k, \Sigma_k), \qquad K = \arg\min \mathrm{BIC}

    In the coordinates of unit variance, ``K = 1, 2, ...`` components are fitted by expectation maximisation in float64,
    and the search stops once two more components in a row have not lowered the Bayesian information criterion. Rows
    that occur more than once count once, since a component would shrink onto them.

    Args:
        latents: ``(N, D)``, finite; the unit is the latent's. Of the ``R`` directions in which they vary (most often
            all, ``R = D``) there must be more than ``R + 1`` distinct rows.
        max_components: the largest ``K`` tried; also limited to one for ``5 (R + 1)`` distinct rows.
        seed: the seed of the k-means start; the global random state stays as it was.
        callback: called after every fit with its number of components and its criterion; a true result ends the search.
        progress: True shows a progress bar; None as in `latentpath.interpolate`.

    Returns:
        ``MixtureSameFamily`` of ``MultivariateNormal`` with event shape ``(D,)``, or a `SubspaceDensity` where the
        latents vary in fewer directions than ``D``; in the dtype and on the device of ``latents``.

    Raises:
        InputError: wrong shape or type, too few points, values that are not finite, a constant coordinate.
        MissingDependencyError: scikit-learn is not installed.

    Warns:
        UserWarning: the latents vary in fewer directions than ``D``.

    Source: notes on the paper, section 3 ("only samples or encodings of data: fit a density first").

    Example:
        >>> import torch
        >>> from latentpath.priors import fit
        >>> _ = torch.manual_seed(0)
        >>> fit(torch.cat([torch.randn(200, 2), torch.randn(200, 2) + 9])).mixture_distribution.probs
        tensor([0.5000, 0.5000])
    """
    points = _checked(latents)
    max_components = whole_number("max_components", max_components, 1)
    if callback is not None and not callable(callback):
        raise InputError(f"callback must be callable; got {describe(callback)}.")
    (count, dim), center, scale = points.shape, points.mean(0), points.std(0)
    standard = (points - center) / scale
    directions, deviations, across = _varying(standard, len(latents))
    rank = len(deviations)
    limit = min(max_components, max(1, count // (_POINTS * (rank + 1))))
    coordinates = (standard @ directions / deviations).numpy()
    weights, means, covariances = _mixture(coordinates, limit, seed, callback, progress)
    to: dict[str, Any] = {"dtype": latents.dtype, "device": latents.device}
    parts = Categorical(probs=weights.to(**to))
    if rank == dim:
        outwards = (directions * deviations).mT * scale
        factor = _factor(covariances, outwards).to(**to)
        return MixtureSameFamily(parts, MultivariateNormal((means @ outwards + center).to(**to), scale_tril=factor))
    text = f"the latents vary in {rank} of {dim} directions: the density is fitted there and falls steeply elsewhere"
    warnings.warn(text, stacklevel=2)
    floor = max(_FLOOR * float(deviations.mean()), _ABOVE_RESIDUAL * across)
    return SubspaceDensity(
        MixtureSameFamily(parts, MultivariateNormal(means.to(**to), covariances.to(**to))),
        *(value.to(**to) for value in (center, scale, directions, deviations, torch.tensor(floor, device="cpu"))),
    )


def _factor(covariances: Tensor, outwards: Tensor) -> Tensor:
    """Computes L with ``L L^T = A^T Sigma A``, by QR, since squaring would lose the narrow directions."""
    upper = torch.linalg.qr(torch.linalg.cholesky(covariances).mT @ outwards).R
    factor: Tensor = upper.mT * upper.diagonal(dim1=-2, dim2=-1).sign()[:, None]
    return factor


def _varying(standard: Tensor, given: int) -> tuple[Tensor, Tensor, float]:
    """Returns the directions ``(D, R)`` that vary, the deviations along them, and the deviation across all of them."""
    count, dim = standard.shape
    variances, directions = torch.linalg.eigh(standard.T @ standard / (count - 1))
    deviations = variances.clamp(min=0).sqrt()
    varies = deviations > _VARIES * deviations[-1]
    rank = int(varies.sum())
    if count <= rank + 1:
        bound = "D + 1" if rank >= dim - 1 else "the directions that they vary in, plus 1,"
        raise InputError(
            f"latents must hold more than {bound} = {max(rank, min(dim, count - 1)) + 1} points; got {count} distinct "
            f"ones of {given}, which vary in {rank} of {dim} directions. Encode more data."
        )
    return directions[:, varies], deviations[varies], float(deviations[~varies].norm())


def _mixture(
    points: Any, limit: int, seed: int, callback: Callable[[int, float], object] | None, progress: bool | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Fits weights ``(K,)``, means ``(K, R)`` and covariances ``(K, R, R)`` with the lowest criterion."""
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture
    except ImportError as error:
        raise missing("scikit-learn", "data", "lp.priors.fit") from error
    best, lowest, worse = None, math.inf, 0
    with progress_bar("Fitting", progress, quiet=callback is not None) as report:
        for count in range(1, limit + 1):
            report((count - 1) / limit, f"{count} of at most {counted(limit, 'component')}")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model = GaussianMixture(count, covariance_type="full", random_state=seed, max_iter=200).fit(points)
            criterion = float(model.bic(points))
            if criterion < lowest:
                best, lowest, worse = model, criterion, 0
            else:
                worse += 1
            if worse == 2 or (callback is not None and callback(count, criterion)):
                break
    assert best is not None
    return torch.from_numpy(best.weights_), torch.from_numpy(best.means_), torch.from_numpy(best.covariances_)


def _checked(latents: Tensor) -> Tensor:
    """Returns the distinct rows, in float64 on the CPU."""
    if not isinstance(latents, Tensor) or latents.dim() != 2 or not latents.is_floating_point():
        raise InputError(f"latents must be a floating-point tensor (N, D), one point a row; got {describe(latents)}.")
    count, dim = latents.shape
    if dim < 1 or count < 2:
        raise InputError(f"latents must hold more than D + 1 = {dim + 1} points; got {count}. Encode more data.")
    if latents.is_meta:
        raise InputError("latents must hold values; got a meta tensor. Encode data on a real device.")
    if not bool(latents.isfinite().all()):
        rows = int((~latents.isfinite()).any(1).sum())
        raise InputError(f"latents must be finite; {rows} of {count} rows hold NaN or infinity. Drop these rows.")
    distinct: Tensor = torch.unique(latents.detach().to("cpu", torch.float64), dim=0)
    if len(distinct) < 2:
        raise InputError(f"latents must hold more than one distinct row; got {count} copies of one. Encode more data.")
    constant = distinct.std(0) <= 1e-10 * distinct.abs().amax(0)
    if bool(constant.any()):
        columns = constant.nonzero().flatten().tolist()
        more = f" and {len(columns) - 8} more" if len(columns) > 8 else ""
        raise InputError(
            f"latents must vary in every coordinate; got constant coordinates {columns[:8]}{more}. Drop them."
        )
    return distinct
