"""An index that is built on first use."""

import threading
from collections.abc import Callable
from typing import Any

from latentpath._validate import describe
from latentpath.errors import InputError

from .base import PriorIndex


class LazyIndex:
    """An index, or a function without arguments that builds it, called at most once.

    Args:
        source: a `PriorIndex`, or a function that returns one.
        dim: the dimension ``D`` that the index must have; None for any.
        name: of the argument, for messages.

    Raises:
        InputError: ``source`` is neither, or an index of another dimension.
    """

    def __init__(self, source: PriorIndex | Callable[[], Any], dim: int | None = None, name: str = "target") -> None:
        self._source, self._dim, self._name, self._lock = source, dim, name, threading.Lock()
        self._index: PriorIndex | None = None
        if isinstance(source, PriorIndex):
            self._index = self._checked(source)
        elif not callable(source) or isinstance(source, type):
            raise InputError(
                f"{name} must be a PriorIndex, or a function without arguments that builds it; got {describe(source)}."
            )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def get(self) -> PriorIndex:
        """Returns the index; an error of the function reaches the caller, and the next call tries again.

        Raises:
            InputError: the function returns anything but an index of the right dimension.
        """
        with self._lock:
            if self._index is None:
                assert not isinstance(self._source, PriorIndex)
                self._index = self._checked(self._source())
            return self._index

    def _checked(self, index: Any) -> PriorIndex:
        if not isinstance(index, PriorIndex) or self._dim not in (None, index.dim):
            got = f"one with dim={index.dim}" if isinstance(index, PriorIndex) else describe(index)
            wanted = "an index with a prior" if self._dim is None else f"an index with dim={self._dim}"
            raise InputError(
                f"{self._name} must be {wanted}; got {got}. Give the index itself, or a function that returns it."
            )
        return index
