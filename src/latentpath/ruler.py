r"""The mixed ruler: lengths measured in the data and in the latents at once.

The shortest way between two images, measured in pixels, is their blend: every pixel fades from one to the other. So a
path that is short in pixels shows ghosts, however good its index. Length in the latents has no such preference, but
takes long detours in the data through whatever is likeliest. The mixed ruler measures both,

.. math:: G_\mu(z) = \Bigl(\frac{1 - \mu}{s_G}\, e(G(z)),\ \frac{\mu}{s_z}\, z\Bigr),

with the mean distances :math:`s_G` and :math:`s_z` of two samples of the prior, in the data (or in features :math:`e`
of the data) and in the latents, so that a length of 1 is about the distance of two samples whatever the units. At
:math:`\mu = 0` it is the length in the data and at :math:`\mu = 1` the length in the latents, up to a factor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ._batching import blocks
from ._validate import check_points, describe, real_number
from .callables import flat_output, without_autocast
from .errors import InputError

__all__ = ["SAMPLES", "Ruler"]

SAMPLES = 256
"""The samples of the prior whose mean distance scales a ruler: the relative error of a scale is about 1 %."""


@dataclass(frozen=True)
class Ruler:
    r"""Measures lengths in data and latents, :math:`G_\mu(z) = ((1 - \mu)\,e(G(z))/s_G,\ \mu\,z/s_z)`.

    It stands wherever ``embed`` does. `latentpath.interpolate` scales it by samples of the prior; elsewhere `scaled`
    does.

    Args:
        mu: the weight of the latents, in [0, 1]: small for direct paths, large for realistic ones.
        features: the map :math:`e` from the generator's output ``(N, ...)`` to features; None for the output itself.
        data_scale: :math:`s_G`; None until `scaled`.
        latent_scale: :math:`s_z`; None until `scaled`.

    Raises:
        InputError: ``mu`` or a scale out of its range, one scale without the other, or ``features`` not callable.

    Source: not in the paper, whose equation 3 may be read in the data (:math:`\mu = 0`) or in the latents
    (:math:`\mu = 1`).

    Example:
        >>> import torch, latentpath as lp
        >>> prior = lp.priors.standard_normal(2)
        >>> ends = torch.tensor([2.0, 0.0]), torch.tensor([1.4, 1.4])
        >>> path = lp.interpolate(lambda z: 3 * z, prior, *ends, embed=lp.Ruler(0.5), segments=10)
        >>> 0 < path.source.embed.latent_scale < path.source.embed.data_scale
        True
    """

    mu: float
    features: Callable[[Tensor], Tensor] | None = None
    data_scale: float | None = None
    latent_scale: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "mu", real_number("mu", self.mu, least=0, most=1))
        if self.features is not None and not callable(self.features):
            raise InputError(
                f"features must be None or a callable from data to features; got {describe(self.features)}."
            )
        if (self.data_scale is None) != (self.latent_scale is None):
            raise InputError("data_scale and latent_scale must be given together. Leave both to `Ruler.scaled`.")
        for name in ("data_scale", "latent_scale"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, real_number(name, getattr(self, name), above=0, below=math.inf))

    def __str__(self) -> str:
        what = "data" if self.features is None else "features"
        return f"{1 - self.mu:g} {what} + {self.mu:g} latents"

    @property
    def is_scaled(self) -> bool:
        """True once the scales are known."""
        return self.data_scale is not None

    @torch.no_grad()
    @without_autocast()
    def scaled(self, generator: Callable[[Tensor], Tensor], samples: Tensor, max_points: int | None = None) -> Ruler:
        """Returns the ruler with the mean distances of ``samples`` ``(N, D)`` of the prior as its scales.

        Raises:
            InputError: fewer than two samples, or samples that are all the same, in the latents or in the data.
        """
        check_points("samples", samples, "(N, D)")
        if samples.ndim != 2 or len(samples) < 2:
            raise InputError(f"samples must be at least two latents (N, D); got {tuple(samples.shape)}.")
        decode = flat_output(generator, self.features)
        decoded = torch.cat([decode(samples[b]) for b in blocks(len(samples), max_points)])
        data_scale, latent_scale = _mean_distance(decoded), _mean_distance(samples)
        for where, scale in (("the generator's output", data_scale), ("samples", latent_scale)):
            if not 0 < scale < math.inf:
                raise InputError(
                    f"{where} must differ between samples of the prior, by finite distances; their mean is {scale}."
                )
        return replace(self, data_scale=data_scale, latent_scale=latent_scale)

    def points(self, generator: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        r"""Returns the map :math:`G_\mu`, ``(N, D) -> (N, M + D)``, without the part whose weight is 0.

        Raises:
            InputError: the scales are unknown.
        """
        if self.data_scale is None or self.latent_scale is None:
            raise InputError(
                "embed must be a Ruler with scales here; got one without. Call .scaled(generator, samples)."
            )
        decode = flat_output(generator, self.features)
        of_data, of_latents = (1 - self.mu) / self.data_scale, self.mu / self.latent_scale
        if of_latents == 0:
            return lambda z: of_data * decode(z)
        if of_data == 0:
            return lambda z: of_latents * z
        return lambda z: torch.cat([of_data * decode(z), of_latents * z], dim=1)


def _mean_distance(points: Tensor) -> float:
    """Computes the mean distance of two of the points ``(N, M)``."""
    return float(torch.pdist(points.float() if points.dtype != torch.float64 else points).mean())
