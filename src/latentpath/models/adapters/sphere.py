r"""Generators that live on a sphere: the latent is normalised before it is used.

.. math:: z \mapsto G\Bigl(\rho\, \frac{z}{\max(|z|, 10^{-6} \rho)}\Bigr)

**The prior.** Such a generator sees directions only, and where latents were drawn from a normal, all directions are
equally likely: on the sphere the realism index is constant. `latentpath.priors.uniform_ball(D, 2 * rho)` says this (its
index is 1 inside), and the path is then the shortest one, measured in the data. A normal prior on the vectors misleads:
going inwards costs nothing, as the data do not change, and counts as more real, as the density rises. Where directions
differ in likelihood, give an index that depends on :math:`z/|z|` alone.

**The origin** has no direction. Within :math:`10^{-6} \rho` of it the map is linear, so that everything stays finite,
and 0 goes to :math:`G(0)`, which means nothing. The straight line between opposite points passes there, and jumps.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ...callables import in_weights_dtype
from ...errors import InputError
from .side_inputs import Wrapper

_CORE = 1e-6


class Hypersphere(Wrapper):
    """``z -> generator(radius * z / |z|)``; see `hypersphere`."""

    def __init__(self, generator: Callable[[Tensor], Tensor], radius: float | None) -> None:
        super().__init__(generator)
        self.radius = radius

    def forward(self, latents: Tensor) -> Tensor:
        """Latents ``(N, D)`` to data ``(N, ...)``."""
        radius = math.sqrt(latents.shape[-1]) if self.radius is None else self.radius
        wide = latents.to(torch.promote_types(latents.dtype, torch.float32))  # half has no room for the squares
        squares = wide.square().sum(-1, keepdim=True)
        scaled = wide * (radius * squares.clamp_min((_CORE * radius) ** 2).rsqrt())
        return in_weights_dtype(self.generator)(scaled.to(latents.dtype))


def hypersphere(generator: Callable[[Tensor], Tensor], radius: float | None = None) -> Hypersphere:
    r"""A generator of normalised latents, for any latent: ``z -> generator(radius * z / |z|)``.

    Args:
        generator: latents ``(N, D)`` of length ``radius`` to data ``(N, ...)``.
        radius: :math:`\rho`; None for :math:`\sqrt D`, where a normal has its mass and the "pixel norm" of
            StyleGAN's mapping puts it.

    Raises:
        InputError: the generator is not callable, or the radius not positive and finite.
        GeneratorError: the generator is in training mode.

    Example:
        >>> import torch, latentpath as lp
        >>> generator = lp.adapters.hypersphere(lambda z: 2 * z, radius=1.0)
        >>> generator(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[1.2000, 1.6000],
                [0.0000, 0.0000]])
        >>> prior = lp.priors.uniform_ball(2, 2.0)
        >>> path = lp.interpolate(generator, prior, torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]))
        >>> float(path.length)  # a quarter of the circle of radius 2
        3.14...
    """
    number = isinstance(radius, float | int) and not isinstance(radius, bool)
    if radius is not None and not (number and 0 < radius < math.inf):
        raise InputError(f"radius must be a positive, finite number, or None for the root of D; got {radius!r}")
    return Hypersphere(generator, radius)
