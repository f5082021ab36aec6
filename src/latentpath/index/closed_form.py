"""Exact indices of normal and uniform priors, and the log-density of a mixture of normals by one product."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import (
    Distribution,
    Independent,
    LowRankMultivariateNormal,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    Uniform,
)

from latentpath.priors import UniformBall, UniformBox, plateau

from .incomplete_gamma import GammaTable, gamma_table, huge, log_price, tiny
from .support import unchanged


def closed_form(prior: Any, dim: int) -> NormalRule | UniformRule | None:
    """Returns the exact rule of a normal or uniform prior in float64 on the prior's device; None for other priors."""
    if unchanged(prior, MixtureSameFamily) and prior.mixture_distribution.logits.numel() == 1:
        prior = prior.component_distribution  # as a fitted mixture of one component is
    normal = normal_form(prior, dim)
    if normal is not None:
        mean, whiten = normal
        return NormalRule(mean.flatten(), whiten.reshape(whiten.shape[-2:]), dim, gamma_table(dim))
    box = _uniform_form(prior)
    return None if box is None else UniformRule(box)


@dataclasses.dataclass(frozen=True)
class NormalRule:
    """The exact index of a normal with this mean and whitening."""

    mean: Tensor
    whiten: Tensor  # (D, D), or (1, D) for a diagonal
    dim: int
    table: GammaTable

    def half_distance(self, z: Tensor) -> Tensor:
        """Computes half the squared Mahalanobis distance, ``(..., D) -> (...,)``."""
        centred = z - self.mean
        white = centred * self.whiten[0] if self.whiten.shape[0] == 1 else centred @ self.whiten
        return white.square().sum(-1) / 2

    def __call__(self, z: Tensor, eps: float) -> Tensor:
        """Computes ``log ri: (..., D) -> (...,)`` by the table."""
        return self.table.log_q(self.half_distance(z))

    def direct(self, z: Tensor) -> Tensor:
        """Computes the same by series and continued fraction."""
        x = self.half_distance(z).clamp(tiny(z.dtype), huge(z.dtype))
        return -log_price(self.dim / 2, x)[0].exp()


@dataclasses.dataclass(frozen=True)
class UniformRule:
    """The exact index of a uniform prior: 0 inside, minus infinity outside."""

    prior: UniformBall | UniformBox

    def __call__(self, z: Tensor, eps: float) -> Tensor:
        """Computes ``log ri: (..., D) -> (...,)``."""
        return plateau(z, self.prior.contains(z, eps), z.new_zeros(()))

    def direct(self, z: Tensor) -> Tensor:
        """Computes the same."""
        return self(z, torch.finfo(z.dtype).eps)


@dataclasses.dataclass(frozen=True)
class FlatRule:
    """The index of any other prior whose log-density takes one value on its support."""

    density: Callable[[Tensor], Tensor]

    def __call__(self, z: Tensor, eps: float) -> Tensor:
        """Computes ``log ri: (..., D) -> (...,)``."""
        return plateau(z, self.density(z.detach()).isfinite(), z.new_zeros(()))

    def direct(self, z: Tensor) -> Tensor:
        """Computes the same."""
        return self(z, 0.0)


def normal_form(prior: Any, dim: int) -> tuple[Tensor, Tensor] | None:
    r"""Returns the mean and the whitening ``A`` of normals of batch shape () or (K,).

    ``|(z - mean) A|`` is Mahalanobis' distance. ``A`` is ``(..., D, D)``, or ``(..., 1, D)`` for a diagonal to multiply
    with. Returns None for other priors.
    """
    while unchanged(prior, Independent) and prior.reinterpreted_batch_ndims == 0:
        prior = prior.base_dist
    if unchanged(prior, Independent) and unchanged(prior.base_dist, Normal) and prior.event_shape == (dim,):
        base = prior.base_dist
        return base.loc.detach().to(torch.float64), 1 / base.scale.detach().to(torch.float64)[..., None, :]
    if unchanged(prior, MultivariateNormal):
        name, matrix = _given(prior, "covariance_matrix", "scale_tril", "precision_matrix")
        mean = prior.loc.detach().to(torch.float64)
        if name == "precision_matrix":
            return mean, torch.linalg.cholesky(matrix)
        factor = torch.linalg.cholesky(matrix) if name == "covariance_matrix" else matrix
        eye = torch.eye(dim, dtype=torch.float64, device=mean.device)
        return mean, torch.linalg.solve_triangular(factor, eye, upper=False).mT
    if unchanged(prior, LowRankMultivariateNormal):
        # Sigma = S (I + V V^T) S with S = diag^(1/2): A = S^-1 (I - U diag(1 - (1 + s^2)^(-1/2)) U^T), V = U s R^T
        root = prior.cov_diag.detach().to(torch.float64).sqrt()
        left, s, _ = torch.linalg.svd(
            prior.cov_factor.detach().to(torch.float64) / root[..., None], full_matrices=False
        )
        shrink = (left * (1 - (1 + s**2).rsqrt())[..., None, :]) @ left.mT
        eye = torch.eye(dim, dtype=torch.float64, device=root.device)
        return prior.loc.detach().to(torch.float64), (eye - shrink) / root[..., None]
    return None


def _given(prior: Distribution, *names: str) -> tuple[str, Tensor]:
    """Returns the parameter that the prior was made with, in float64; the others derive from it, with its rounding."""
    name = next(name for name in vars(prior) if name in names)
    return name, getattr(prior, name).detach().to(torch.float64)


def _uniform_form(prior: Any) -> UniformBall | UniformBox | None:
    if unchanged(prior, Independent) and unchanged(prior.base_dist, Uniform):
        prior = UniformBox(prior.base_dist.low, prior.base_dist.high)
    if unchanged(prior, UniformBall):
        return UniformBall(prior.radius.detach().to(torch.float64), prior.center.detach().to(torch.float64))
    if unchanged(prior, UniformBox):
        return UniformBox(prior.low.detach().to(torch.float64), prior.high.detach().to(torch.float64))
    return None


@dataclasses.dataclass(frozen=True)
class MixtureDensity:
    """The log-density of a mixture of K normals by one product.

    ``matrix`` is ``(D, K D)``, or ``(K, D)`` where all covariances are diagonal; ``shift`` is ``(K, D)``.
    """

    middle: Tensor
    matrix: Tensor
    shift: Tensor
    constant: Tensor

    def __call__(self, z: Tensor) -> Tensor:
        """Computes the log-density: ``(..., D) -> (...,)``."""
        centred = z - self.middle
        if self.matrix.shape == self.shift.shape:
            white = centred[..., None, :] * self.matrix
        else:
            white = (centred @ self.matrix).unflatten(-1, self.shift.shape)
        return torch.logsumexp(self.constant - (white - self.shift).square().sum(-1) / 2, -1)


def mixture_density(prior: Any, means: Tensor, whiten: Tensor) -> MixtureDensity:
    """Returns the log-density of a mixture of normals with these means and whitenings."""
    name, value = _given(prior.mixture_distribution, "probs", "logits")
    weights = (value.log() if name == "probs" else value).log_softmax(-1)
    count, dim = means.shape
    middle = means.mean(0)
    if whiten.shape[-2] == 1:
        log_det = whiten.log().sum((-1, -2))
        matrix, shift = whiten[:, 0], (means - middle) * whiten[:, 0]
    else:
        log_det = torch.linalg.slogdet(whiten).logabsdet
        matrix = whiten.permute(1, 0, 2).reshape(dim, count * dim)
        shift = ((means - middle)[:, None] @ whiten)[:, 0]
    return MixtureDensity(middle, matrix, shift, weights + log_det - dim / 2 * math.log(2 * math.pi))
