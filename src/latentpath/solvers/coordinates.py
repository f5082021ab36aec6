r"""Unconstrained coordinates of a prior's bounded support: a simplex, a box, half-lines.

`torch.distributions.biject_to` knows a bijection :math:`T` from :math:`\mathbb R^d` onto the support of many priors
(:math:`d = D - 1` on a simplex). The coordinates :math:`u = T^{-1}(z)` are unbounded; on the boundary of the support
they are infinite.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.distributions import (
    ComposeTransform,
    Independent,
    IndependentTransform,
    MixtureSameFamily,
    Transform,
    TransformedDistribution,
    biject_to,
    constraints,
)

from ..index import PriorIndex, RealismIndex, TypicalityIndex
from ..index.prior_adapter import draw
from ..priors import UniformBox

__all__ = ["Coordinates"]


@dataclass(frozen=True)
class Coordinates:
    """Coordinates ``(..., d)`` of latents ``(..., D)``, computed in float64 where the device has it.

    Attributes:
        to_latents: the map from coordinates, in its own dtype and on its own device.
        to_coordinates: the inverse map.
        index: the index of latents, whose prior has the support.
        dim: ``d``.
        device: the device of both maps.
    """

    to_latents: Callable[[Tensor], Tensor]
    to_coordinates: Callable[[Tensor], Tensor]
    index: PriorIndex
    dim: int
    device: torch.device

    @classmethod
    def of(cls, index: object) -> Coordinates | None:
        """Returns coordinates of the support of an index's prior; None for an unbounded support, or another index.

        Only indices of the density are 0 outside of the support.
        """
        if not isinstance(index, RealismIndex | TypicalityIndex):
            return None
        bijection = _bijection(index.prior)
        if bijection is None or _is_identity(bijection):
            return None
        shape = bijection.inverse_shape(torch.Size([index.dim]))
        if len(shape) != 1:  # the components of a mixture have supports of their own
            return None
        (dim,) = shape
        device = draw(index.prior, index.dim, 2, index.seed).device
        probe = torch.linspace(-1, 1, dim, dtype=_wide(device), device=device)
        low, middle, high = bijection(probe - 1), bijection(probe), bijection(probe + 1)
        straight = (low + high - 2 * middle).abs() <= 1e-9 * (1 + middle.abs())  # but for rounding
        if middle.shape != (index.dim,) or bool(straight.all()):
            return None
        return cls(bijection, bijection.inv, index, dim, device)

    def latents(self, u: Tensor) -> Tensor:
        """Computes the latents ``(..., D)`` of coordinates ``(..., d)``, in their dtype and on their device."""
        return self.to_latents(u.to(self.device, _wide(self.device))).to(u)

    @torch.no_grad()
    def of_latents(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Computes the coordinates ``(..., d)`` of latents, and marks the points ``(...)`` on the boundary.

        Boundary points, whose coordinates are infinite, are moved slightly towards the point of coordinates 0.
        """
        wide = z.to(self.device, _wide(self.device))
        centre = self.to_latents(wide.new_zeros(self.dim))
        pulled = self.to_coordinates(torch.lerp(wide, centre, torch.finfo(z.dtype).eps ** 0.6))
        found = self.to_coordinates(wide)
        on_boundary = ~((found - pulled).abs().amax(-1) <= 0.5)  # there a small move changes coordinates much
        return torch.where(on_boundary[..., None], pulled, found).to(z), on_boundary.to(z.device)

    def around(self) -> Coordinates | None:
        """Returns coordinates of the smallest affine space around the support; None where this is the latent space."""
        random = torch.Generator().manual_seed(0)
        u = torch.randn(4 * self.dim + 4, self.dim, generator=random, dtype=torch.float64)
        points = self.to_latents(u.to(self.device, _wide(self.device)))
        if points.shape[-1] == self.dim:
            return None
        middle = points.mean(0)
        span = torch.linalg.svd(points - middle, full_matrices=False).Vh[: self.dim]
        return replace(self, to_latents=lambda y: middle + y @ span, to_coordinates=lambda z: (z - middle) @ span.mT)


def _wide(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64


def _bijection(prior: Any) -> Transform | None:
    """Returns a bijection from unconstrained coordinates to the support of ``prior``; None where torch knows none.

    `TransformedDistribution` has the range of its last transform alone as support, so for transforms of single
    coordinates the support of the base is transformed instead.
    """
    if type(prior) is Independent:
        inner = _bijection(prior.base_dist)
        events = prior.reinterpreted_batch_ndims
        return inner if inner is None or events == 0 else IndependentTransform(inner, events)
    if type(prior) is MixtureSameFamily:  # supports that differ by component are recognised by their shapes
        return _bijection(prior.component_distribution)
    if type(prior) is UniformBox:
        box: Transform = biject_to(constraints.independent(constraints.interval(prior.low, prior.high), 1))
        return box
    if type(prior) is TransformedDistribution and _elementwise(prior.transforms):
        base = _bijection(prior.base_dist)
        if base is not None and not _is_identity(base):
            return ComposeTransform([base, *prior.transforms])
    try:
        found: Transform = biject_to(prior.support)
    except (NotImplementedError, AttributeError):  # no support, or no bijection
        return None
    return found


def _elementwise(transforms: list[Transform]) -> bool:
    return all(part.bijective and part.domain.event_dim == part.codomain.event_dim == 0 for part in transforms)


def _is_identity(transform: Transform) -> bool:
    if isinstance(transform, IndependentTransform):
        return _is_identity(transform.base_transform)
    return isinstance(transform, ComposeTransform) and not transform.parts
