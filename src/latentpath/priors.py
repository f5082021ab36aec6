r"""Prior densities on the latent space.

Every prior is a `torch.distributions.Distribution` over vectors, with ``batch_shape == ()`` and
``event_shape == (D,)``: ``log_prob: (N, D) -> (N,)`` and ``sample((N,)) -> (N, D)``. PyTorch's own work as they are
(wrap a product of one-dimensional ones in ``Independent(..., 1)``); this file has the priors that PyTorch lacks:

==================== ===================================================== ================================
prior                density                                               where it comes from
==================== ===================================================== ================================
`standard_normal`    :math:`\mathcal N(0, I)`                              the usual latent prior
`semicircle`         three normals, bent along a half circle               the paper, section 6
`uniform_ball`       :math:`1/\mathrm{vol}` on :math:`|z - c| \le \rho`    the paper, Example 1
`uniform_box`        :math:`1/\mathrm{vol}` on a box                       the paper, Example 1
`fit`                Gaussian mixture fitted to encodings of data          for models that have no prior
==================== ===================================================== ================================

The uniform ones return ``-inf`` outside their set, where PyTorch's raise: a solve evaluates points outside too.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    constraints,
)

from latentpath._validate import describe, whole_number
from latentpath.density_fit import SubspaceDensity, fit
from latentpath.errors import InputError

__all__ = [
    "SubspaceDensity",
    "UniformBall",
    "UniformBox",
    "fit",
    "semicircle",
    "standard_normal",
    "uniform_ball",
    "uniform_box",
]


def standard_normal(
    dim: int, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Independent[Normal]:
    r"""The standard normal density :math:`\mathcal N(0, I)` on :math:`\mathbb R^D`.

    Args:
        dim: the number of coordinates ``D``, at least 1.
        dtype: of the parameters and samples; PyTorch's default.
        device: of the parameters and samples; PyTorch's default.

    Returns:
        ``Independent(Normal, 1)`` with event shape ``(D,)``: exact, and no matrix is ever factored.

    Raises:
        InputError: ``dim`` is not a positive integer.

    Example:
        >>> standard_normal(3).log_prob(torch.zeros(2, 3)).shape
        torch.Size([2])
    """
    whole_number("dim", dim, 1)
    return Independent(
        Normal(torch.zeros(dim, dtype=dtype, device=device), torch.ones(dim, dtype=dtype, device=device)), 1
    )


def semicircle(
    dim: int = 20, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> MixtureSameFamily:
    r"""The paper's semicircle: a mixture of three normals bent around the point :math:`(6, 0)` of the first plane.

    .. math:: f = \tfrac13 \sum_{i=1}^3 \mathcal N(\mu_i, \Sigma_i)

    The means are (2, 6), (0, 0), (2, -6) in the first two coordinates, zero elsewhere; the covariances have the
    blocks [[5, 2], [2, 2]], [[1, 0], [0, 3]], [[5, -2], [-2, 2]] there and 0.5 on the rest of the diagonal.

    Args:
        dim: the number of coordinates ``D``, at least 2; the paper has 20.
        dtype: of the parameters and samples; PyTorch's default.
        device: of the parameters and samples; PyTorch's default.

    Raises:
        InputError: ``dim`` is not an integer of 2 or more.

    Source: section 6 of the paper (Figures 1, 2, 4, 5 and 6).

    Example:
        >>> semicircle().sample((5,)).shape
        torch.Size([5, 20])
    """
    whole_number("dim", dim, 2)
    options: dict[str, Any] = {"dtype": dtype, "device": device}
    means = torch.zeros(3, dim, **options)
    means[:, :2] = torch.tensor([[2.0, 6.0], [0.0, 0.0], [2.0, -6.0]], **options)
    cov = torch.diag_embed(torch.full((3, dim), 0.5, **options))
    blocks = [[[5.0, 2.0], [2.0, 2.0]], [[1.0, 0.0], [0.0, 3.0]], [[5.0, -2.0], [-2.0, 2.0]]]
    cov[:, :2, :2] = torch.tensor(blocks, **options)
    return MixtureSameFamily(Categorical(torch.ones(3, **options)), MultivariateNormal(means, cov))


def uniform_ball(
    dim: int,
    radius: float | int | Tensor = 1.0,
    center: Tensor | None = None,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> UniformBall:
    r"""The uniform density on the closed ball :math:`\{|z - c| \le \rho\}`.

    Args:
        dim: the number of coordinates ``D``, at least 1.
        radius: :math:`\rho > 0`, a number or a tensor of shape ``()``.
        center: :math:`c`, shape ``(D,)``; the origin if not given.
        dtype: the dtype of the parameters and samples; by default the centre's, or PyTorch's default.
        device: the device of the parameters and samples, with the same default.

    Raises:
        InputError: a size, shape or radius that makes no ball.

    Source: Example 1 of the paper.

    Example:
        >>> uniform_ball(2, 3.0).log_prob(torch.tensor([[0.0, 3.0], [0.0, 3.1]])).exp().mul(9 * torch.pi)
        tensor([1., 0.])
    """
    whole_number("dim", dim, 1)
    if center is None:
        center = torch.zeros(dim, dtype=dtype, device=device)
    elif not isinstance(center, Tensor) or center.shape != (dim,):
        raise InputError(f"center must be a tensor of shape ({dim},) or None; got {describe(center)}.")
    center = center.to(dtype=dtype or center.dtype, device=device or center.device)
    if not center.is_floating_point():
        raise InputError(f"center must hold floating-point numbers; got {center.dtype}. Call .float() on it.")
    radius = torch.as_tensor(radius, dtype=center.dtype, device=center.device)
    if radius.shape != () or not bool(radius > 0) or not bool(radius.isfinite()):
        raise InputError(f"radius must be one positive finite number; got {describe(radius)}.")
    return UniformBall(radius, center)


def uniform_box(
    dim: int,
    low: float | int | Tensor = -1.0,
    high: float | int | Tensor = 1.0,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> UniformBox:
    r"""The uniform density on the closed box :math:`\prod_i [\mathrm{low}_i, \mathrm{high}_i]`.

    Args:
        dim: the number of coordinates ``D``, at least 1.
        low: a number, or a tensor of shape ``(D,)``.
        high: a number or a tensor, above ``low`` in every coordinate.
        dtype: the dtype of the parameters and samples; by default the tensors', or PyTorch's default.
        device: the device of the parameters and samples, with the same default.

    Raises:
        InputError: a size, shape or pair of bounds that makes no box.

    Source: Example 1 of the paper.

    Example:
        >>> uniform_box(2, 0.0, torch.tensor([1.0, 2.0])).log_prob(torch.tensor([[1.0, 2.0], [1.1, 0.0]])).exp()
        tensor([0.5000, 0.0000])
    """
    whole_number("dim", dim, 1)
    given = [bound for bound in (low, high) if isinstance(bound, Tensor) and bound.is_floating_point()]
    options: dict[str, Any] = {
        "dtype": dtype or (given[0].dtype if given else torch.get_default_dtype()),
        "device": device or (given[0].device if given else None),
    }
    bounds = []
    for name, bound in (("low", low), ("high", high)):
        value = torch.as_tensor(bound, **options)
        if value.shape not in ((), (dim,)):
            raise InputError(f"{name} must be a number or a tensor of shape ({dim},); got {describe(value)}.")
        bounds.append(value.expand(dim))
    if not bool((bounds[0] < bounds[1]).all()) or not all(bool(bound.isfinite().all()) for bound in bounds):
        bad = ~(bounds[0] < bounds[1]) | ~bounds[0].isfinite() | ~bounds[1].isfinite()
        raise InputError(
            "low must be finite and below high in every coordinate; got other bounds in "
            f"{int(bad.sum())} of {dim} coordinates. Swap or widen them."
        )
    return UniformBox(*bounds)


class _Uniform(Distribution):
    """The base of the uniform densities: flat inside a closed set, ``-inf`` outside, never an exception there."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    has_rsample = True
    dtype: torch.dtype

    def contains(self, value: Tensor, eps: float) -> Tensor:
        """Returns a mask of ``value: (..., D)`` in the closed set, up to rounding of relative size ``eps``."""
        raise NotImplementedError

    def log_volume(self) -> Tensor:
        """The logarithm of the volume of the set: ``batch_shape``."""
        raise NotImplementedError

    def log_prob(self, value: Tensor) -> Tensor:
        """Computes ``-log volume`` inside, ``-inf`` outside, NaN where ``value`` is NaN: ``(..., D) -> (...,)``."""
        dim = self.event_shape[0]
        if value.dim() == 0 or value.shape[-1] != dim:
            raise InputError(f"value must be (..., {dim}), the prior's event size; got {tuple(value.shape)}.")
        eps = max(torch.finfo(value.dtype).eps, torch.finfo(self.dtype).eps)
        return plateau(value, self.contains(value, eps), -self.log_volume())

    def entropy(self) -> Tensor:
        """The logarithm of the volume."""
        return self.log_volume()

    @property
    def support(self) -> constraints.Constraint:
        """The closed set."""
        return _Inside(self)


class _Inside(constraints.Constraint):
    event_dim = 1

    def __init__(self, prior: _Uniform) -> None:
        self.prior = prior
        super().__init__()

    def check(self, value: Tensor) -> Tensor:
        return self.prior.contains(value, max(torch.finfo(value.dtype).eps, torch.finfo(self.prior.dtype).eps))


class UniformBall(_Uniform):
    """The uniform density on a closed ball; see `uniform_ball`. ``radius``: batch shape, ``center``: batch + (D,)."""

    def __init__(self, radius: Tensor, center: Tensor) -> None:
        batch = torch.broadcast_shapes(radius.shape, center.shape[:-1])
        self.radius: Tensor = radius.expand(batch)
        self.center: Tensor = center.expand(*batch, center.shape[-1])
        self.dtype = center.dtype
        super().__init__(batch, center.shape[-1:], validate_args=False)

    def __repr__(self) -> str:
        return f"UniformBall(dim={self.event_shape[0]}, radius={self.radius.tolist()})"

    def expand(self, batch_shape: Any, _instance: Any = None) -> UniformBall:
        """Returns the same ball for every member of ``batch_shape``."""
        batch = torch.Size(batch_shape)
        return UniformBall(self.radius.expand(batch), self.center.expand(*batch, *self.event_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draws reparameterised samples: a direction from the sphere and a radius ``u^(1/D)``."""
        shape = self._extended_shape(torch.Size(sample_shape))
        like: dict[str, Any] = {"dtype": self.dtype, "device": self.center.device}
        direction = torch.randn(shape, **like)
        direction = direction / torch.linalg.vector_norm(direction, dim=-1, keepdim=True)
        fraction = torch.rand(shape[:-1], **like) ** (1 / shape[-1])
        offset: Tensor = (self.radius * fraction)[..., None] * direction
        return self.center + offset

    def contains(self, value: Tensor, eps: float) -> Tensor:
        """Returns a mask of ``|value - center| <= radius``, up to rounding: ``(..., D) -> (...,)``."""
        slack = 4 * eps * (self.radius + self.center.abs().amax(-1))
        reach: Tensor = self.radius + slack
        distance: Tensor = torch.linalg.vector_norm(value - self.center, dim=-1)
        return distance <= reach

    def log_volume(self) -> Tensor:
        """The logarithm of the ball's volume."""
        half = self.event_shape[0] / 2
        return 2 * half * self.radius.log() + (half * math.log(math.pi) - math.lgamma(half + 1))

    @property
    def mean(self) -> Tensor:
        """The centre."""
        return self.center

    @property
    def variance(self) -> Tensor:
        """``radius^2 / (D + 2)`` in every coordinate."""
        return (self.radius**2 / (self.event_shape[0] + 2))[..., None].expand_as(self.center)


class UniformBox(_Uniform):
    """The uniform density on a closed box; see `uniform_box`. ``low``, ``high``: batch shape + (D,)."""

    def __init__(self, low: Tensor, high: Tensor) -> None:
        shape = torch.broadcast_shapes(low.shape, high.shape)
        self.low: Tensor = low.expand(shape)
        self.high: Tensor = high.expand(shape)
        self.dtype = self.low.dtype
        super().__init__(self.low.shape[:-1], self.low.shape[-1:], validate_args=False)

    def __repr__(self) -> str:
        bounds = [value.unique().tolist() for value in (self.low, self.high)]
        text = [str(value[0]) if len(value) == 1 else "..." for value in bounds]
        return f"UniformBox(dim={self.event_shape[0]}, low={text[0]}, high={text[1]})"

    def expand(self, batch_shape: Any, _instance: Any = None) -> UniformBox:
        """Returns the same box for every member of ``batch_shape``."""
        shape = (*torch.Size(batch_shape), *self.event_shape)
        return UniformBox(self.low.expand(shape), self.high.expand(shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draws reparameterised samples ``low + (high - low) u``, inside the closed box."""
        shape = self._extended_shape(torch.Size(sample_shape))
        u = torch.rand(shape, dtype=self.dtype, device=self.low.device)
        return torch.lerp(self.low, self.high, u).clamp(self.low, self.high)

    def contains(self, value: Tensor, eps: float) -> Tensor:
        """Returns a mask of ``low <= value <= high`` in every coordinate, up to rounding: ``(..., D) -> (...,)``."""
        slack = 4 * eps * torch.maximum(self.low.abs(), self.high.abs())
        inside = (value >= self.low - slack) & (value <= self.high + slack)
        return inside.all(-1)

    def log_volume(self) -> Tensor:
        """The logarithm of the box's volume."""
        return (self.high - self.low).log().sum(-1)

    @property
    def mean(self) -> Tensor:
        """The middle."""
        return (self.low + self.high) / 2

    @property
    def variance(self) -> Tensor:
        """``(high - low)^2 / 12`` in every coordinate."""
        return (self.high - self.low) ** 2 / 12


def plateau(value: Tensor, inside: Tensor, level: Tensor) -> Tensor:
    """Returns ``level`` where ``inside``, ``-inf`` elsewhere, NaN where ``value: (..., D)`` is NaN; gradient 0."""
    zero = (0 * value.clamp(-1, 1)).sum(-1)
    return torch.where(inside, level.to(zero.dtype), -math.inf) + zero
