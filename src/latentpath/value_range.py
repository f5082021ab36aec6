"""The value range of frames, and the one map from it to pixels of eight bits.

A generator's pixels lie in some range (low, high): low is shown as 0, black where the frames are grey, and high as 255.
The range comes from an argument, from the card of a `latentpath.Model`, or from an attribute ``value_range`` of the
generator. Otherwise all frames that are shown together determine it:

========================  =========================================================
lowest and highest value  range
========================  =========================================================
both in [0, 1]            (0, 1)
both in [-1, 1]           (-1, 1)
both in [-3, 3]           (0, 1) or (-1, 1) by the lowest value; others are clipped
both in [0, 255]          (0, 255)
anything else             the lowest and the highest value
========================  =========================================================

Values may exceed the ends by a hundredth, for rounding. The last three rows are a guess, with a warning of the logger
``latentpath``. A film of a generator of [-1, 1] whose values are all above 0 looks like one of [0, 1]: declare the
range.
"""

import logging
import math
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from torch import Tensor

from ._validate import describe, real_number
from .errors import InputError

Bytes = np.ndarray[Any, np.dtype[np.uint8]]  # pictures ``(..., H, W, C)``, C = 1 or 3
ValueRange = tuple[float, float]  # the values shown as 0 and as 255
_SLACK = 0.01  # how far values may pass an end of (0, 1) or (-1, 1) by rounding; of (0, 255), 255 times as far
_CLIPPED = 3.0  # the largest magnitude of values that are still taken as overshoot of (0, 1) or (-1, 1)
_LOG = logging.getLogger("latentpath")

_DECLARED: WeakKeyDictionary[Any, ValueRange] = WeakKeyDictionary()


def checked_range(value_range: Any, name: str = "value_range") -> ValueRange:
    """Returns ``value_range`` as two floats, if it is (low, high) with low < high, both finite."""
    if not isinstance(value_range, tuple | list) or len(value_range) != 2:
        raise InputError(f"{name} must be (low, high), such as (0, 1); got {describe(value_range)}.")
    low, high = (float(real_number(name, end, above=-math.inf, below=math.inf)) for end in value_range)
    if not low < high:
        raise InputError(f"{name} must be (low, high) with low < high; got ({low:g}, {high:g}).")
    return low, high


def declare_range(generator: object, value_range: ValueRange) -> None:
    """Registers the range of a generator's pixels, as long as the generator lives."""
    try:
        _DECLARED[generator] = value_range
    except TypeError:  # a callable without hash or weak references: its frames decide, or an argument
        return


def own_range(generator: object) -> ValueRange | None:
    """Returns the range that a generator's attribute ``value_range`` declares; None without one."""
    own = getattr(generator, "value_range", None)
    return checked_range(own, f"value_range of {type(generator).__name__}") if isinstance(own, tuple | list) else None


def declared_range(generator: object) -> ValueRange | None:
    """Returns the range that a generator's model, the latest one, or its own attribute declares; None without one."""
    try:
        found = _DECLARED.get(generator)
    except TypeError:
        found = None
    return own_range(generator) if found is None else found


def extent(frames: Iterable[Tensor]) -> tuple[float, float]:
    """Returns the lowest and the highest finite value of frames; (0, 0) without any."""
    low, high = math.inf, -math.inf
    for each in frames:
        finite = each.detach()[each.detach().isfinite()]
        if finite.numel():
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else (0.0, 0.0)


def usual_range(lowest: float, highest: float) -> tuple[ValueRange, str]:
    """Returns the range of values from ``lowest`` to ``highest``, and a doubt in words, empty where there is none.

    Example:
        >>> usual_range(0.1, 0.9), usual_range(-0.2, 0.9)
        (((0.0, 1.0), ''), ((-1.0, 1.0), ''))
        >>> usual_range(3.0, 251.0)[0], usual_range(-40.0, 60.0)[0]
        ((0.0, 255.0), (-40.0, 60.0))
    """
    low = 0.0 if lowest >= -_SLACK else -1.0
    if lowest >= -1 - _SLACK and highest <= 1 + _SLACK:
        return (low, 1.0), ""
    if max(-lowest, highest) <= _CLIPPED:
        found = (low, 1.0)
    elif lowest >= -255 * _SLACK and highest <= 255 * (1 + _SLACK):
        found = (0.0, 255.0)
    else:  # of a single value: from it to 0
        found = (lowest, highest) if lowest < highest else (min(lowest, 0.0), max(highest, 0.0))
    return found, (
        f"values from {lowest:.4g} to {highest:.4g} fit neither [0, 1] nor [-1, 1]; [{found[0]:.4g}, {found[1]:.4g}] "
        "is shown as black to white"
    )


def inferred_range(frames: Iterable[Tensor]) -> ValueRange:
    """Returns the range that frames hold, all that are shown together, by the table above; a guess is logged."""
    found, doubt = usual_range(*extent(frames))
    if doubt:
        _LOG.warning("The %s. Give value_range=(low, high) to choose.", doubt)
    return found


def scaled(values: Any, value_range: ValueRange) -> Bytes:
    """Maps values of any shape to bytes: the range onto 0 to 255, rounded; others are clipped, and NaN is 0."""
    low, high = checked_range(value_range)
    stretched = (np.asarray(values, np.float64) - low) * (255 / (high - low))
    rounded: Bytes = np.clip(np.nan_to_num(stretched, nan=0.0), 0, 255).round().astype(np.uint8)
    return rounded


def pixels(frames: Tensor, value_range: ValueRange = (-1.0, 1.0)) -> Bytes:
    """Maps frames ``(..., C, H, W)``, C = 1 or 3, to bytes ``(..., H, W, C)``: by `scaled`.

    Example:
        >>> import torch
        >>> pixels(torch.tensor([-1.0, 0.0, 2.0]).reshape(1, 1, 3), (-1, 1)).ravel().tolist()
        [0, 128, 255]
    """
    if frames.ndim < 3 or frames.shape[-3] not in (1, 3) or frames.numel() == 0:
        raise InputError(f"frames must be (..., C, H, W) with C = 1 or 3; got {tuple(frames.shape)}.")
    return np.ascontiguousarray(np.moveaxis(scaled(frames.detach().double().cpu(), value_range), -3, -1))
