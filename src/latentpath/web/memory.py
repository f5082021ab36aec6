"""Returns freed memory to the operating system, which glibc keeps in a long-lived server; without glibc, no effect."""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache

__all__ = ["few_arenas", "trim"]

_ARENAS = -8  # M_ARENA_MAX of malloc.h


@lru_cache(maxsize=1)
def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        found = ctypes.CDLL("libc.so.6")
        return found if hasattr(found, "malloc_trim") and hasattr(found, "mallopt") else None
    except OSError:
        return None


def few_arenas() -> None:
    """Makes all threads share two heaps instead of one each."""
    if (libc := _glibc()) is not None:
        libc.mallopt(_ARENAS, 2)


def trim() -> None:
    """Returns freed memory to the operating system."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)
