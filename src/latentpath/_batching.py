"""Blocks of large batches, which bound the memory."""

from __future__ import annotations

from collections.abc import Iterator


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
