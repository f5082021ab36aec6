"""Strips with notes: film strips as a figure, a row for each kind of curve, with small print for each pair."""

from collections.abc import Mapping, Sequence
from typing import Any, SupportsIndex

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ..._validate import whole_number
from ...errors import InputError
from ...value_range import Bytes, ValueRange, inferred_range, pixels
from ..grid import tile
from .style import DPI, FAINT, batch_of, colour, finish, house_style


def strips(
    rows: Mapping[str, Tensor],
    *,
    every: SupportsIndex = 1,
    value_range: ValueRange | None = None,
    notes: Mapping[str, Sequence[str]] | None = None,
    title: str | None = None,
) -> Figure:
    """Draws film strips one under the other, a row for each kind of curve, a block of rows for each pair of endpoints.

    One pixel of a frame becomes a square of pixels of the picture: nothing is blurred.

    Args:
        rows: by name, frames ``(n, C, H, W)`` of one pair or ``(P, n, C, H, W)`` of several, C = 1 or 3.
        every: the distance of the frames shown, from the first; the last is always shown.
        value_range: the values shown as 0 and 255; None for what all frames hold (see `latentpath.value_range`).
        notes: by name, one line or two of small print for each pair, shown on the right.
        title: of the figure.

    Raises:
        InputError: frames of another shape or number, or ``every < 1``.
    """
    shown, films = _frames(rows, whole_number("every", every, 1), value_range)
    pairs, _, side, wide, _ = next(iter(films.values())).shape
    zoom, gap = max(1, round(1180 / (len(shown) * wide))), 6
    step, height = wide * zoom + gap, side * zoom
    pitch, block = height + 14, 30
    left, right, top, bottom = 206, 214 if notes else 24, 100 if title else 56, 10
    strip_width = step * len(shown) - gap
    width = left + strip_width + right
    total = top + pairs * (len(films) * pitch + block) - block - 14 + bottom + 14
    with house_style():
        figure = Figure(figsize=(width / DPI, total / DPI))

        def text(x: float, y: float, content: str, **how: Any) -> None:
            figure.text(x / width, 1 - y / total, content, **{"va": "center", **how})

        if title:
            text(20, 32, title, fontsize=11.5, fontweight="bold")
        for k, i in enumerate(shown):
            text(left + k * step + (step - gap) / 2, top - 18, str(i), fontsize=8, color=FAINT, ha="center")
        text(20, top - 18, "point of the curve", fontsize=8, color=FAINT)
        for pair in range(pairs):
            for row, (name, film) in enumerate(films.items()):
                y = top + pair * (len(films) * pitch + block) + row * pitch
                canvas = np.asarray(tile(film[pair], len(shown), scale=zoom, between=gap).convert("RGB"))
                axes = figure.add_axes((left / width, 1 - (y + height) / total, strip_width / width, height / total))
                axes.set_axis_off()
                axes.imshow(canvas, interpolation="nearest", aspect="auto")
                text(left - 16, y + height / 2, name, ha="right", color=colour(name), fontweight="bold")
                if notes and name in notes:
                    text(left + strip_width + 16, y + height / 2, notes[name][pair], fontsize=8.5, linespacing=1.4)
            if pairs > 1:
                middle = top + pair * (len(films) * pitch + block) + (len(films) * pitch - 14) / 2
                text(26, middle, f"pair {pair + 1}", fontsize=8.5, color=FAINT, rotation=90, ha="center")
        return finish(figure, None, None)


def _frames(
    rows: Mapping[str, Tensor], every: int, value_range: ValueRange | None
) -> tuple[list[int], dict[str, Bytes]]:
    """Returns the points shown, and by name their frames ``(P, n, H, W, C)``."""
    found = batch_of(rows, 5, "frames (n, C, H, W) or (P, n, C, H, W)")
    if len({value.shape[1:2] + value.shape[3:] for value in found.values()}) > 1:
        raise InputError("all rows need the same number of frames of one size")
    count = next(iter(found.values())).shape[1]
    shown = sorted({*range(0, count, every), count - 1})
    held = inferred_range(found.values()) if value_range is None else value_range
    return shown, {name: pixels(value[:, shown], held) for name, value in found.items()}
