"""What `latentpath` interpolates in: a generator, the prior of its latents, and what else is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..callables import in_weights_dtype, out_of_memory, without_autocast
from ..errors import InputError

__all__ = ["Card", "Model"]

Card = dict[str, Any]
"""The content of ``card.json``."""

_CHUNK = 256


@dataclass(frozen=True, repr=False)
class Model:
    """A generator and what one needs to use it: shipped, your own, or somebody's from the Hub.

    Attributes:
        generator: latents ``(N, D)`` to data ``(N, ...)``; any callable. A module should be in eval mode. (Of a
            classifier, which has no prior, the network: images to logits.)
        prior: the distribution of its latents, over vectors ``(D,)``; None for a classifier.
        encoder: data ``(N, ...)`` to latents ``(N, D)``, where there is one.
        name: what to call it.
        card: what is known about it, as in ``card.json``; may be empty.
        discriminator: images to logits, where there is one; positive means real.

    Example:
        >>> import torch, latentpath as lp
        >>> model = lp.Model(torch.nn.Linear(2, 5).eval(), lp.priors.standard_normal(2), name="plane")
        >>> path = lp.interpolate(model.generator, model.prior, torch.zeros(2), torch.ones(2))
    """

    generator: Callable[[Tensor], Tensor]
    prior: Distribution | None
    encoder: Callable[[Tensor], Tensor] | None = None
    name: str = "model"
    card: Card = field(default_factory=dict)
    discriminator: Callable[[Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        for name in ("generator", "encoder", "discriminator"):
            value = getattr(self, name)
            if not callable(value) and (value is not None or name == "generator"):
                raise InputError(f"{name} must be callable, got {type(value).__name__}")
        if self.prior is not None and not isinstance(self.prior, Distribution):
            raise InputError(
                "prior must be a torch.distributions.Distribution over vectors (D,), such as "
                f"latentpath.priors.standard_normal(D), got {type(self.prior).__name__}"
            )
        if self.prior is not None and len(self.prior.event_shape) != 1:
            raise InputError(f"prior must be over vectors (D,), its event shape is {tuple(self.prior.event_shape)}")

    def __repr__(self) -> str:
        described = self.card.get("description", "no description")
        return f"Model({self.name!r}, {type(self.generator).__name__}, {described})"

    @property
    def value_range(self) -> tuple[float, float]:
        """The range of the pixels that it makes: its card's, or (-1, 1)."""
        low, high = self.card.get("value_range") or (-1.0, 1.0)
        return float(low), float(high)

    def encode(self, data: Tensor) -> Tensor:
        """The latents ``(N, D)`` of ``data`` ``(N, ...)``, by the encoder; no graph is kept.

        Those of an encoder in half precision are float32.

        Raises:
            InputError: there is no encoder (`latentpath.invert` finds latents without one), ``data`` is not what it
                takes, or what it gives are no latents of this model.
        """
        if self.encoder is None:
            raise InputError(f"{self.name!r} has no encoder: find latents with latentpath.invert(model, images)")
        if not isinstance(data, Tensor) or data.ndim == 0 or len(data) == 0:
            shown = tuple(data.shape) if isinstance(data, Tensor) else type(data).__name__
            raise InputError(f"data must be a tensor (N, ...) with N > 0, as {self.name!r} makes them, got {shown}")
        try:
            with torch.no_grad(), without_autocast():
                encode = in_weights_dtype(self.encoder)
                latents = torch.cat([encode(chunk) for chunk in data.split(_CHUNK)])
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            if out_of_memory(error):
                raise
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                f"the encoder of {self.name!r} does not take {data.dtype} {tuple(data.shape)} on {data.device}: give "
                f"data like those the model makes, in the same range ({reason})"
            ) from error
        dim = latents.shape[-1:] if self.prior is None else self.prior.event_shape
        if latents.shape != (len(data), *dim):
            raise InputError(
                f"the encoder of {self.name!r} should give latents ({len(data)}, {', '.join(map(str, dim))}), "
                f"it gave {tuple(latents.shape)}"
            )
        return latents.to(torch.promote_types(latents.dtype, torch.float32))
