"""Progress of work that has stages: what is being done, and how much of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

__all__ = ["Stage", "each", "silent"]

T = TypeVar("T")

Stage = Callable[[str, int, int], None]
"""Called as ``stage(what, done, of)``, before the work with ``done = 0`` and after every part of it."""


def silent(what: str, done: int, of: int) -> None:
    """Tells nobody: a `Stage`."""


def each(parts: Sequence[T], what: str, stage: Stage) -> Iterator[T]:
    """The parts of a work one by one, telling ``stage`` how many are done.

    Example:
        >>> list(each("ab", "letters", lambda *told: print(*told)))
        letters 0 2
        letters 1 2
        letters 2 2
        ['a', 'b']
    """
    stage(what, 0, len(parts))
    for done, part in enumerate(parts, 1):
        yield part
        stage(what, done, len(parts))
