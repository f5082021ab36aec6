"""A generator with the prior of its latents, its encoder and discriminator, and its card."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..callables import any_precision, in_weights_dtype, out_of_memory, without_autocast
from ..errors import InputError
from ..recipe import Recipe
from ..value_range import ValueRange, checked_range, declare_range, extent, own_range, usual_range
from .sampling import as_taken, draw

Card = dict[str, Any]  # the content of ``card.json``
_CHUNK = 256
_LOOKED_AT, _AT_ONCE = 16, 4  # samples that decide an undeclared range of the pixels; made at a time


@dataclass(frozen=True, repr=False)
class Model:
    """A generator with its prior, encoder and discriminator: shipped, your own, or from the Hub.

    Attributes:
        generator: latents ``(N, D)`` to data ``(N, ...)``; any callable. A module should be in eval mode. (Of a
            classifier, which has no prior, the network: images to logits.)
        prior: the distribution of its latents, over vectors ``(D,)``; None for a classifier.
        encoder: data ``(N, ...)`` to latents ``(N, D)``, where there is one.
        name: for messages and pictures.
        card: the content of ``card.json``; may be empty. ``{"value_range": (0, 1)}`` declares the range
            of its pixels.
        discriminator: images to logits, where there is one; positive means real.
        recipe: the recommended index and ruler, which `latentpath.interpolate` uses by default; None for the paper's.

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
    recipe: Recipe | None = None

    def __post_init__(self) -> None:
        for name in ("generator", "encoder", "discriminator"):
            value = getattr(self, name)
            if not callable(value) and (value is not None or name == "generator"):
                raise InputError(f"{name} must be callable; got {type(value).__name__}")
        if self.prior is not None and not isinstance(self.prior, Distribution):
            raise InputError(
                "prior must be a torch.distributions.Distribution over vectors (D,), such as "
                f"latentpath.priors.standard_normal(D); got {type(self.prior).__name__}"
            )
        if self.prior is not None and len(self.prior.event_shape) != 1:
            raise InputError(f"prior must be over vectors (D,), its event shape is {tuple(self.prior.event_shape)}")
        if self.recipe is not None and not isinstance(self.recipe, Recipe):
            raise InputError(f"recipe must be a latentpath.Recipe; got {type(self.recipe).__name__}")
        if self.card.get("value_range") is not None:
            declare_range(self.generator, checked_range(self.card["value_range"]))

    def __repr__(self) -> str:
        described = self.card.get("description", "no description")
        return f"Model({self.name!r}, {type(self.generator).__name__}, {described})"

    @property
    def declared_range(self) -> ValueRange | None:
        """The range of the pixels that its card or its generator declares; None where neither does."""
        if self.card.get("value_range") is not None:
            return checked_range(self.card["value_range"])
        return own_range(self.generator)

    @property
    def value_range(self) -> ValueRange:
        """The range of the pixels: the declared one, or else the range of some samples.

        `latentpath.value_range` tells how samples decide. It is (-1, 1) for data other than pictures.
        """
        return self.declared_range or self._sampled_range[0]

    @property
    def range_doubt(self) -> str:
        """The reason why ``value_range`` may be wrong: it comes from samples. Empty where it is declared."""
        return "" if self.declared_range else self._sampled_range[1]

    @cached_property
    @torch.no_grad()
    def _sampled_range(self) -> tuple[ValueRange, str]:
        if self.prior is None:
            return (-1.0, 1.0), ""
        latents = as_taken(self, draw(self.prior, _LOOKED_AT, torch.Generator().manual_seed(0)))
        decode = any_precision(self.generator)
        made = [decode(chunk) for chunk in latents.split(_AT_ONCE)]
        if not isinstance(made[0], Tensor) or made[0].ndim != 4 or made[0].shape[1] not in (1, 3):
            return (-1.0, 1.0), ""
        found, doubt = usual_range(*extent(made))
        taken = f"{self.name!r} does not declare the range of its pixels, and {_LOOKED_AT} samples "
        return found, taken + (f"hold {doubt}" if doubt else f"lie in [{found[0]:g}, {found[1]:g}]")

    def encode(self, data: Tensor) -> Tensor:
        """Encodes ``data`` ``(N, ...)`` as latents ``(N, D)``, without a graph.

        Latents of an encoder in half precision are float32.

        Raises:
            InputError: there is no encoder (`latentpath.invert` finds latents without one), it refuses ``data``, or its
                output has another shape than latents of this model.
        """
        if self.encoder is None:
            raise InputError(f"{self.name!r} has no encoder: find latents with latentpath.invert(model, images)")
        if not isinstance(data, Tensor) or data.ndim == 0 or len(data) == 0:
            shown = tuple(data.shape) if isinstance(data, Tensor) else type(data).__name__
            raise InputError(f"data must be a tensor (N, ...) with N > 0, as {self.name!r} makes them; got {shown}")
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
