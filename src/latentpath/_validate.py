"""Argument validation for every public function: numbers, rows of a batch, points and polylines.

Each check raises an InputError, or returns the value. Numbers come as Python's, as NumPy's, and as tensors without
dimensions, and become Python's own, so that later comparisons and JSON files hold one type. A truth value is refused:
``True`` in place of a number is a mistake, although Python counts it as 1.
"""

import math
import operator
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar

import torch
from torch import Tensor

from .errors import InputError

SEED = 2**63 - 1  # the highest seed: it fits a signed integer of 64 bits, which files and other libraries hold

if TYPE_CHECKING:
    Whole = int
else:
    Whole = SupportsIndex
"""A field of a frozen class that takes any whole number and, once `whole_number` has checked it, holds an `int`."""

T = TypeVar("T")

_LONGEST = 60  # characters of a value in a message


def describe(value: object) -> str:
    """Returns a few words for ``value`` in a message: the value where it is short, its kind and shape for an array."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and (len(shape) > 0 or isinstance(value, Tensor)):
        single = isinstance(value, Tensor) and len(shape) == 0 and not value.is_meta
        held = f" that holds {value.item()}" if single else ""  # type: ignore[attr-defined]
        return f"{type(value).__name__} of shape {tuple(shape)} and {dtype}{held}"
    shown = repr(value)
    return shown if len(shown) <= _LONGEST else type(value).__name__


def check_points(name: str, value: object, shape: str = "(..., D)") -> None:
    """Refuses anything but points ``(..., D)``: floating point, with values, D at least 1. A batch may be empty."""
    if not isinstance(value, Tensor):
        raise InputError(f"{name} must be a tensor {shape}; got {describe(value)}. torch.as_tensor(...) makes one.")
    if value.ndim == 0 or value.shape[-1] == 0:
        raise InputError(f"{name} must be {shape} with D of at least 1; got {tuple(value.shape)}.")
    if not value.is_floating_point():
        raise InputError(f"{name} must be floating point; got {value.dtype}. Convert with .to(torch.float32).")
    if value.is_meta:
        raise InputError(f"{name} must hold values; got a tensor on the meta device, which has a shape alone.")


def check_pair(start: Tensor, end: Tensor) -> None:
    """Refuses endpoints ``(..., D)`` of two dtypes or devices, without values, or of shapes that do not pair up."""
    if start.dtype != end.dtype or start.device != end.device:
        raise InputError(
            f"start and end must have one dtype and device; got {start.dtype} on {start.device} and {end.dtype} on "
            f"{end.device}. Convert with .to(...)."
        )
    if start.is_meta:
        raise InputError("start and end must hold values; got tensors on the meta device, which have a shape alone.")
    try:
        if start.shape[-1] == end.shape[-1]:
            torch.broadcast_shapes(start.shape, end.shape)
            return
    except RuntimeError:
        pass
    raise InputError(
        f"start and end must pair up, with one D; got {tuple(start.shape)} and {tuple(end.shape)}. Take both from "
        "the same latent space."
    )


def check_polylines(name: str, value: Tensor) -> None:
    """Refuses anything but polylines ``(..., K+1, D)``: points as for `check_points`, with at least one segment."""
    check_points(name, value, "(..., K+1, D)")
    if value.ndim < 2 or value.shape[-2] < 2:
        raise InputError(f"{name} must be (..., K+1, D) with at least one segment; got {tuple(value.shape)}.")


def file_path(name: str, value: object) -> Path:
    """Returns ``value`` as a path, if it is one or a text."""
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise InputError(f"{name} must be a text or a path; got {describe(value)}.")
    return Path(value)


def whole_number(name: str, value: object, least: int | None = None, most: int | None = None, advice: str = "") -> int:
    """Returns ``value`` as an `int`, if it is a whole number between ``least`` and ``most``.

    Everything with ``__index__`` is one (Python's and NumPy's integers, integer tensors without dimensions), but for
    truth values.

    Example:
        >>> whole_number("segments", torch.tensor(10), least=2)
        10
    """
    found = _as_index(value)
    if found is None or (least is not None and found < least) or (most is not None and found > most):
        bounds = "" if least is None else f" of at least {least}"
        bounds += "" if most is None else f" and at most {most}" if bounds else f" of at most {most}"
        raise InputError(f"{name} must be a whole number{bounds}; got {describe(value)}.{advice and ' ' + advice}")
    return found


def _as_index(value: Any) -> int | None:
    """Returns ``value`` as an `int`; None for a truth value, an array, and anything that is not a whole number."""
    if _is_truth(value) or getattr(value, "ndim", 0) != 0:
        return None
    try:
        return operator.index(value)
    except (TypeError, RuntimeError):  # torch raises the second for a tensor without data, on the meta device
        return None


def real_number(
    name: str,  # of the argument, for the message
    value: object,  # the caller's value: Python's or NumPy's number, or a tensor without dimensions
    *,
    above: float | None = None,  # the number that it must exceed; None for no bound
    least: float | None = None,  # the lowest number allowed; None for no bound
    below: float | None = None,
    most: float | None = None,  # the highest number allowed; None for no bound
    advice: str = "",  # the advice of the message, a sentence
) -> float:
    """Returns ``value`` as Python's number, if it is a real one within the bounds and not NaN; whole ones stay whole.

    Example:
        >>> real_number("tol", torch.tensor(0.5), above=0, below=math.inf)
        0.5
    """
    found = _as_real(value)
    if (
        found is None
        or math.isnan(found)
        or (above is not None and not found > above)
        or (least is not None and not found >= least)
        or (below is not None and not found < below)
        or (most is not None and not found <= most)
    ):
        words = [] if above is None else [f"above {above:g}"]
        words += [] if least is None else [f"of at least {least:g}"]
        words += [] if below is None else ["finite" if below == math.inf else f"below {below:g}"]
        words += [] if most is None else [f"of at most {most:g}"]
        bounds = " and ".join(words) if above is None or most is None else f"in ({above:g}, {most:g}]"
        raise InputError(
            f"{name} must be a number{bounds and ' ' + bounds}; got {describe(value)}.{advice and ' ' + advice}"
        )
    return found


def _as_real(value: Any) -> float | None:
    """Returns ``value`` as `int` or `float`; None where it is a truth value, text, an array, or complex."""
    whole = _as_index(value)
    if whole is not None:
        return whole
    if _is_truth(value) or getattr(value, "ndim", 0) != 0 or not hasattr(value, "__float__"):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):  # a complex tensor, and one without data
        return None


def agreed(name: str, given: Any, carried: T, carrier: object) -> T:
    """Returns the value of an argument that another argument carries; None stands for a value that is not given.

    Example:
        >>> agreed("tol", None, 1e-3, object()), agreed("tol", 1e-3, 1e-3, object())
        (0.001, 0.001)
    """
    if given is not None and given != carried:
        kind = type(carrier).__name__
        raise InputError(
            f"{name} must be left out beside a {kind}, which carries {name}={carried!r}; got {describe(given)}. "
            "Set it there."
        )
    return carried


def chosen_rows(name: str, which: Any, count: int) -> list[int]:
    """Returns the numbers, from 0 on, of the rows of a batch of ``count`` that an index of NumPy's kinds chooses.

    Such are a whole number, a slice, and a list, array or one-dimensional tensor of whole numbers or truth values.

    Example:
        >>> chosen_rows("path", [0, -1], 3), chosen_rows("path", torch.tensor([True, False, True]), 3)
        ([0, 2], [0, 2])
    """
    if isinstance(which, slice):
        return list(range(count)[which])
    single = _as_index(which)
    entries = [which] if single is not None else _entries(which)
    if entries is None:
        raise InputError(
            f"a {name} is chosen by a whole number, a slice, a list of whole numbers or a mask; got {describe(which)}. "
            f"Several {name}s are chosen by a list: [[0, 1]]."
        )
    if entries and all(_is_truth(entry) for entry in entries):
        if len(entries) != count:
            raise IndexError(
                f"a mask of {len(entries)} for a batch of {count}: it needs one truth value for each {name}"
            )
        return [row for row, taken in enumerate(entries) if taken]
    rows = []
    for entry in entries:
        row = whole_number(f"the number of a {name}", entry)
        if not -count <= row < count:
            raise IndexError(f"{name} {row} of a batch of {count}")
        rows.append(row % count)
    return rows


def _entries(which: Any) -> list[Any] | None:
    if getattr(which, "ndim", 0) == 1 and not getattr(which, "is_meta", False):
        entries: list[Any] = which.tolist()
        return entries
    return list(which) if isinstance(which, list | range) else None


def _is_truth(value: object) -> bool:
    return isinstance(value, bool) or str(getattr(value, "dtype", None)) in ("bool", "torch.bool")
