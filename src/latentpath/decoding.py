"""Points in the space where lengths are measured: the generator's output, features of it, or the latents themselves.

A generator is any ``(N, D) -> (N, ...)``; trailing dimensions are flattened for norms. The argument ``embed`` chooses
the space: None or ``"data"`` for the generator's output, ``"latent"`` for the latents (the literal reading of the
paper's equation 3; the generator is not called), a callable that maps the generator's output to features, or a
`latentpath.Ruler`, which mixes data or features with latents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ._batching import blocks
from ._validate import describe
from .callables import flat_output
from .errors import InputError
from .ruler import Ruler

__all__ = ["Embed", "Generator", "chords", "decode", "decoded_chords", "points_to_data", "space_of_data"]

Generator = Callable[[Tensor], Tensor]
"""Latents ``(N, D)`` to data ``(N, ...)``, each point on its own, deterministic and differentiable."""

Embed = Callable[[Tensor], Tensor] | Literal["data", "latent"] | Ruler | None
"""The space in which lengths are measured: None or "data", "latent", a map from data to features, or a `Ruler`."""


def points_to_data(generator: Generator, embed: Embed | Any = None) -> Callable[[Tensor], Tensor]:
    """Returns the map ``(N, D) -> (N, M)`` to the measured space: generator, then ``embed``, then flattened.

    The result has the latents' dtype. A network in half precision is given latents in its own dtype, and half-precision
    data reach ``embed`` in the latents' dtype.

    Raises:
        InputError: ``embed`` is neither None, "data", "latent", callable, nor a `Ruler` with scales.
    """
    if isinstance(embed, Ruler):
        return embed.points(generator)
    if embed is None or (isinstance(embed, str) and embed == "data"):
        return flat_output(generator)
    if isinstance(embed, str) and embed == "latent":
        return lambda z: z
    if not callable(embed):
        raise InputError(
            'embed must be None, "data", "latent", a callable from data to features, or a latentpath.Ruler; got '
            f"{describe(embed)}."
        )
    return flat_output(generator, embed)


def space_of_data(embed: Embed) -> Embed:
    """Returns the part of ``embed`` that measures data: None for the generator's output, or a map to features.

    The space of reported lengths and of evenly spaced frames, whatever part of the latents is measured beside it.
    """
    if isinstance(embed, Ruler):
        return embed.features
    return embed if callable(embed) else None


def decode(
    latents: Float[Tensor, "*batch D"], generator: Generator, embed: Embed = None, max_points: int | None = None
) -> Float[Tensor, "*batch M"]:
    """Computes the points ``(..., M)`` of latents ``(..., D)`` in the measured space."""
    to_data, flat = points_to_data(generator, embed), latents.reshape(-1, latents.shape[-1])
    data = torch.cat([to_data(flat[block]) for block in blocks(len(flat), max_points)])
    return data.reshape(*latents.shape[:-1], -1)


def chords(data: Float[Tensor, "*batch P M"]) -> Float[Tensor, "*batch K"]:
    """Computes the distances ``(..., K)`` of consecutive points; the gradient at distance 0 is 0."""
    square = data.diff(dim=-2).square().sum(-1)
    still = square == 0
    return torch.where(still, 0, torch.where(still, 1, square).sqrt())


def decoded_chords(
    latents: Float[Tensor, "*batch P D"], generator: Generator, embed: Embed = None, max_points: int | None = None
) -> Float[Tensor, "*batch K"]:
    """Computes ``chords(decode(...))``, holding at most ``max_points`` decoded points at a time."""
    if latents.numel() == 0:
        return latents.new_zeros(*latents.shape[:-2], latents.shape[-2] - 1)
    to_data, flat = points_to_data(generator, embed), latents.reshape(-1, latents.shape[-1])
    sizes, last = [], None
    for block in blocks(len(flat), max_points):
        data = to_data(flat[block])
        sizes.append(chords(data if last is None else torch.cat([last, data])))
        last = data[-1:].clone()  # a view would keep the whole block
    # the chords of all points in a row include those from the end of one polyline to the start of the next
    size = torch.nn.functional.pad(torch.cat(sizes), (0, 1))
    return size.reshape(latents.shape[:-1])[..., :-1]
