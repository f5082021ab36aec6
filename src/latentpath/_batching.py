"""Batches: blocks that bound the memory, and the exchange of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any, TypeVar

import torch
from torch import Tensor

BatchT = TypeVar("BatchT")


def blocks(count: int, size: int | None) -> Iterator[slice]:
    """Yields consecutive slices of at most ``size`` that cover ``range(count)``; one slice where ``size`` is None.

    Example:
        >>> from latentpath._batching import blocks
        >>> list(blocks(5, 2))
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    step = max(1, count if size is None else size)
    for first in range(0, count, step):
        yield slice(first, min(count, first + step))


def in_blocks(function: Callable[[Tensor], Tensor], points: Tensor, size: int) -> Tensor:
    """Computes ``function(points)``, ``(N, D) -> (N,)``, by blocks of at most ``size``.

    Several blocks are computed again for the gradient, so that one at a time has a graph.
    """
    if len(points) <= size:
        return function(points) if len(points) else points.sum(-1)
    if torch.is_grad_enabled() and points.requires_grad:
        from torch.utils.checkpoint import checkpoint

        options: dict[str, Any] = {"use_reentrant": False, "preserve_rng_state": False}
        return torch.cat([checkpoint(function, block, **options) for block in points.split(size)])
    return torch.cat([function(block) for block in points.split(size)])


def with_rows(batch: BatchT, rows: Tensor, other: Any) -> BatchT:
    """Returns a copy of a dataclass of tensors that has the fields of the ``other`` one in ``rows``."""
    found = {field.name: getattr(batch, field.name).clone() for field in fields(batch)}  # type: ignore[arg-type]
    for name, value in found.items():
        value[rows] = getattr(other, name)
    return type(batch)(**found)
