r"""Unconstrained coordinates of a prior's bounded support: a simplex, a box, half-lines.

`torch.distributions.biject_to` knows a bijection :math:`T` from :math:`\mathbb R^d` onto the support of many priors
(:math:`d = D - 1` on a simplex). In the coordinates :math:`u = T^{-1}(z)` there is no wall that a step could cross; on
the wall itself they are infinite.
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
        to_latents: the map, in its own dtype and on its own device.
        to_coordinates: its inverse, likewise.
        index: the index of latents, whose prior has that support.
        dim: ``d``.
        device: of the parameters of both.
    """

    to_latents: Callable[[Tensor], Tensor]
    to_coordinates: Callable[[Tensor], Tensor]
    index: PriorIndex
    dim: int
    device: torch.device

    @classmethod
    def of(cls, index: object) -> Coordinates | None:
        """The unconstrained coordinates of the support of an index's prior; None where nothing bounds it.

        Other indices than that of the density have no walls where the prior ends.
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
        """The latents ``(..., D)`` of coordinates ``(..., d)``, in their dtype and on their device."""
        return self.to_latents(u.to(self.device, _wide(self.device))).to(u)

    @torch.no_grad()
    def of_latents(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The coordinates ``(..., d)`` of latents, and which points ``(...)`` lie on the wall.

        Those are moved a hair towards the point of coordinates 0: on the wall itself the coordinates are infinite.
        """
        wide = z.to(self.device, _wide(self.device))
        centre = self.to_latents(wide.new_zeros(self.dim))
        pulled = self.to_coordinates(torch.lerp(wide, centre, torch.finfo(z.dtype).eps ** 0.6))
        found = self.to_coordinates(wide)
        walled = ~((found - pulled).abs().amax(-1) <= 0.5)  # at a wall a hair moves the coordinates far
        return torch.where(walled[..., None], pulled, found).to(z), walled.to(z.device)

    def around(self) -> Coordinates | None:
        """Coordinates of the smallest affine space around the support; None where these are the latents."""
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
    """From unconstrained coordinates to the support of ``prior``; None where torch knows none.

    `TransformedDistribution` tells the range of its last transform alone, so for transforms of single coordinates the
    support is that of the base, transformed.
    """
    if type(prior) is Independent:
        inner = _bijection(prior.base_dist)
        events = prior.reinterpreted_batch_ndims
        return inner if inner is None or events == 0 else IndependentTransform(inner, events)
    if type(prior) is MixtureSameFamily:  # of one support: where it depends on the component, the shapes tell
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
    except (NotImplementedError, AttributeError):  # no support, or one without a bijection
        return None
    return found


def _elementwise(transforms: list[Transform]) -> bool:
    return all(part.bijective and part.domain.event_dim == part.codomain.event_dim == 0 for part in transforms)


def _is_identity(transform: Transform) -> bool:
    if isinstance(transform, IndependentTransform):
        return _is_identity(transform.base_transform)
    return isinstance(transform, ComposeTransform) and not transform.parts
