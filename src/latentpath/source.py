"""The source of a path: the generator, index and embedding that decode, measure and extend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ._batching import blocks
from .audit import Audit, audit
from .callables import any_precision, without_autocast
from .curves import subdivide
from .decoding import Embed, Generator, chords, decode, decoded_chords, space_of_data
from .energy import energy
from .errors import InputError
from .index import PriorIndex, RealismIndex, as_log_index
from .segment_cost import Index, discrete_segment_cost

__all__ = ["Source", "Spacing"]

Spacing = Literal["metric", "data", "latent"]
"""The space in which points are evenly spaced: the metric of Theorem 1, the data space, or the latent space."""


@dataclass(frozen=True)
class Source:
    """The generator, index and embedding of a path.

    Attributes:
        generator: ``(N, D) -> (N, ...)``.
        index: a `RealismIndex`, or a callable that gives ``log(alpha * ri)``.
        embed: the space in which lengths are measured (see `latentpath.decoding`).
        max_points: the most points the generator is given in one call.
    """

    generator: Generator
    index: Index
    embed: Embed = None
    max_points: int | None = None

    def is_equivalent(self, other: Source) -> bool:
        """Returns whether another source measures the same: one generator and embedding, and equal indices.

        Two `RealismIndex` are equal where they have one prior and the same alpha, samples and seed.
        """
        same_map = self.generator is other.generator and self.embed == other.embed
        return same_map and _identity(self.index) == _identity(other.index)

    def audit(self, latents: Tensor) -> Audit:
        """Audits polylines ``(B, K+1, D)`` by `latentpath.audit`."""
        return audit(latents, self.generator, self.index, embed=self.embed, max_points=self.max_points)

    @torch.no_grad()
    def energy(self, latents: Tensor) -> Tensor:
        """Computes equation 3 of polylines ``(B, K+1, D)`` by `latentpath.energy`."""
        return energy(latents, self.generator, self.index, embed=self.embed, max_points=self.max_points)

    @torch.no_grad()
    def discrete_segment_cost(self, latents: Tensor, step_lengths: Tensor) -> Tensor:
        """Computes equation 3's segment costs ``(B, K)`` of polylines ``(B, K+1, D)`` with known step lengths."""
        return discrete_segment_cost(as_log_index(self.index)(latents), step_lengths)

    @torch.no_grad()
    @without_autocast()
    def ri(self, latents: Tensor) -> Tensor:
        """Computes the realism index at points ``(..., D)``; for a callable log index, its exponential."""
        if isinstance(self.index, PriorIndex):
            return self.index(latents)
        return as_log_index(self.index)(latents).exp()

    @torch.no_grad()
    @without_autocast()
    def data_length(self, latents: Tensor) -> Tensor:
        """Computes the length of polylines ``(B, K+1, D)`` in the data, ``(B,)``, see `decoding.space_of_data`.

        The chords of halves and quarters of the segments are extrapolated: on a smooth generator the error falls with
        the fourth power of the segments.
        """
        data = decode(subdivide(latents, 4), self.generator, space_of_data(self.embed), self.max_points)
        fine, coarse = chords(data).sum(-1), chords(data[:, ::2]).sum(-1)
        return fine + (fine - coarse) / 3

    @torch.no_grad()
    @without_autocast()
    def step_lengths(self, latents: Tensor, spacing: Spacing) -> Tensor:
        """Computes the lengths ``(..., K)`` of the segments of polylines ``(..., K+1, D)`` in a spacing.

        Curves through a wall have infinite length in the metric, and are measured by ``embed`` alone instead. The
        spacing "data" leaves out the latents' part of ``embed`` (see `decoding.space_of_data`).

        Raises:
            InputError: an unknown spacing.
        """
        if spacing not in ("data", "metric", "latent"):
            raise InputError(f'spacing must be "metric", "data" or "latent"; got {spacing!r}.')
        if spacing == "latent":
            return chords(latents)
        space = space_of_data(self.embed) if spacing == "data" else self.embed
        size = decoded_chords(latents, self.generator, space, self.max_points)
        if spacing == "data":
            return size
        cost = self.discrete_segment_cost(latents, size)
        return torch.where(cost.sum(-1, keepdim=True).isfinite(), cost, size)

    @torch.no_grad()
    @without_autocast()
    def frames(self, latents: Tensor) -> Tensor:
        """Decodes latents ``(..., D)`` to ``(..., *frame)``; half-precision frames get the dtype of the latents."""
        flat = latents.reshape(-1, latents.shape[-1])
        decode = any_precision(self.generator)
        data = torch.cat([decode(flat[block]) for block in [*blocks(len(flat), self.max_points)] or [slice(0)]])
        return data.reshape(*latents.shape[:-1], *data.shape[1:])


def _identity(index: Index) -> tuple[object, ...]:
    """Returns what tells an index from others."""
    if type(index) is RealismIndex:
        return id(index.prior), index.alpha, index.samples, index.seed
    return (id(index),)
