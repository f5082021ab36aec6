"""Every error that latentpath raises on purpose.

All derive from `LatentPathError`, so one ``except`` catches them; each also derives from the built-in
exception a Python programmer would expect (`ValueError`, `FileNotFoundError`, ...). Messages say what was
expected, what came, and what to do.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "DataError",
    "GeneratorError",
    "InputError",
    "LatentPathError",
    "MissingDataError",
    "MissingDependencyError",
    "SolveError",
    "TrainingError",
    "describe",
    "missing",
]


class LatentPathError(Exception):
    """The root of the hierarchy."""


class InputError(LatentPathError, ValueError):
    """An argument has the wrong shape, type, range or device."""


class GeneratorError(LatentPathError, ValueError):
    """A generator cannot be interpolated: random, coupled over the batch, not differentiable, not finite."""


class SolveError(LatentPathError, RuntimeError):
    """A strict caller asked for converged paths and at least one did not converge, or tunnels.

    Attributes:
        path: the `latentpath.Path` that was found, so that nothing is lost.
    """

    def __init__(self, message: str, path: Any = None) -> None:
        super().__init__(message)
        self.path = path


class DataError(LatentPathError, ValueError):
    """A file was found but is truncated, foreign or does not match its checksum."""


class MissingDataError(LatentPathError, FileNotFoundError):
    """A data set or file is not where it was said to be."""


class MissingDependencyError(LatentPathError, ImportError):
    """An optional library is needed and not installed."""


class TrainingError(LatentPathError, RuntimeError):
    """Training cannot go on: non-finite losses, or a run folder that belongs to another configuration."""


def missing(library: str, extra: str, purpose: str) -> MissingDependencyError:
    """The error for an optional library that is not installed: what needs it and how to get it."""
    return MissingDependencyError(
        f"{purpose} needs {library}, which is not installed: pip install 'latentpath[{extra}]'"
    )


def describe(value: object) -> str:
    """What came, in the words of an error: type, shape or size, and the value of a single number; never the data."""
    shape = getattr(value, "shape", None)
    if shape is not None and not isinstance(value, type):
        one = f": {value.item()}" if len(shape) == 0 and hasattr(value, "item") else ""
        held = f"{getattr(value, 'dtype', '')} " if hasattr(value, "dtype") else ""
        kind = "tensor" if type(value).__name__ in ("Tensor", "Parameter") else type(value).__name__
        return f"a {held}{kind} of shape {tuple(shape)}{one}"
    if isinstance(value, list | tuple | dict | set):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{type(value).__name__} {repr(value)[:80]}"
