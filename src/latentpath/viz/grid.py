"""The image grid: frames in rows and columns on one page, with or without names for the rows and columns.

A frame is enlarged by a whole factor, every pixel to a square of its own colour, and is never cut off or covered.
Films, strips, figures, contact sheets and the page of ``latentpath serve`` are all laid out here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, SupportsIndex

from torch import Tensor

from .._validate import whole_number
from ..errors import InputError
from ..value_range import Bytes, ValueRange, inferred_range, pixels

if TYPE_CHECKING:
    from PIL.Image import Image

_INK, _GAP, _FONT = "#22272E", 8, 15


def pixel_side(scale: SupportsIndex | None, side: int, comfortable: float) -> int:
    """Returns the side of the square that a pixel becomes: ``scale``, or one that shows ``side`` comfortably."""
    if scale is None:
        return max(1, round(comfortable / side))
    return whole_number("scale", scale, 1)


class Grid:
    """A page for frames ``(H, W, C)`` in rows and columns.

    Attributes:
        size: width and height of the page, in pixels.

    Example:
        >>> import numpy as np
        >>> grid = Grid((2, 3), rows=[""], columns=[""], scale=2)
        >>> np.asarray(grid.compose([[np.full((2, 3, 1), 7, np.uint8)]])).tolist()[0]
        [7, 7, 7, 7, 7, 7]
    """

    def __init__(
        self,
        size: tuple[int, int],  # ``(H, W)`` of every frame
        *,
        rows: Sequence[str],  # the name of every row, to its left; may be empty
        columns: Sequence[str],  # the name of every column, above it; may be empty
        scale: int = 1,  # the side of the square that a pixel becomes
        colour: bool = False,  # whether the page can show colours
        font: int | None = None,  # the height of the names' letters, in pixels; by default what suits the frames
        between: tuple[int, int] = (2 * _GAP, _GAP),
        group: int = 0,  # after every group of this many rows comes a gap four times as wide; 0 for none
        margin: int | None = None,  # pixels around the page; by default 8 with names and 0 without
        background: str = "white",  # of the page, as Pillow names colours
    ) -> None:
        from PIL import ImageFont

        self.high, self.wide = size[0] * scale, size[1] * scale
        self._letters = letters = ImageFont.load_default(size=font or max(_FONT, self.wide // 16))
        height = round(letters.size) if isinstance(letters, ImageFont.FreeTypeFont) else _FONT

        def width(names: Sequence[str]) -> int:
            return max(int(letters.getlength(name)) + 8 for name in names) if any(names) else 0

        if margin is None:
            margin = _GAP if any(rows) or any(columns) else 0
        left = margin + width(rows) + (margin if any(rows) else 0)
        top = 2 * height + 4 if any(columns) else margin
        cell = max(self.wide, width(columns))
        across, down = between
        self._left = [left + i * (cell + across) + (cell - self.wide) // 2 for i in range(len(columns))]
        extra = 4 * down if group else 0
        self._top = [top + i * (self.high + down) + (i // group * extra if group else 0) for i in range(len(rows))]
        self._mode, self._background, self._names = "RGB" if colour else "L", background, (rows, columns)
        self.size = (left + len(columns) * (cell + across) - across + margin, self._top[-1] + self.high + margin)

    @cached_property
    def _blank(self) -> Image:
        from PIL import Image, ImageDraw

        page, (rows, columns) = Image.new(self._mode, self.size, self._background), self._names
        pen = ImageDraw.Draw(page)
        for x, name in zip(self._left, columns, strict=True):
            pen.text((x + self.wide / 2, self._top[0] / 2), name, fill=_INK, font=self._letters, anchor="mm")
        for y, name in zip(self._top, rows, strict=True):
            pen.text((self._left[0] - _GAP, y + self.high / 2), name, fill=_INK, font=self._letters, anchor="rm")
        return page

    def compose(self, frames: Iterable[Iterable[Bytes]]) -> Image:
        """Returns the page with these frames ``(H, W, C)``, row by row; a row may be short."""
        from PIL import Image

        page = self._blank.copy()
        for y, row in zip(self._top, frames, strict=True):
            for x, frame in zip(self._left, row, strict=False):
                image = Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame)
                page.paste(image.resize((self.wide, self.high), Image.Resampling.NEAREST), (x, y))
        return page


def tile(
    frames: Bytes, columns: int, *, scale: int = 1, between: int = 0, margin: int = 0, background: str = "white"
) -> Image:
    """Returns frames ``(n, H, W, C)`` as one picture without names, row by row, the last of which may be short.

    ``between`` are the pixels between neighbouring frames; the other options are those of `Grid`.
    """
    count, height, width, channels = frames.shape
    grid = Grid(
        (height, width),
        rows=[""] * math.ceil(count / columns),
        columns=[""] * columns,
        scale=scale,
        colour=channels == 3,
        between=(between, between),
        margin=margin,
        background=background,
    )
    return grid.compose(frames[first : first + columns] for first in range(0, count, columns))


def contact_sheet(
    images: Tensor, columns: int | None = None, zoom: int = 2, gap: int = 1, *, value_range: ValueRange | None = None
) -> Image:
    """Returns images ``(N, 1 or 3, H, W)`` side by side, row by row, on a dark page.

    Example:
        >>> import torch
        >>> contact_sheet(torch.zeros(6, 1, 28, 28), columns=3, zoom=1, gap=1).size
        (88, 59)
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise InputError(f"images must be (N, 1, H, W) or (N, 3, H, W) with N > 0, got {tuple(images.shape)}")
    shown = pixels(images, inferred_range([images]) if value_range is None else value_range)
    columns, gap = columns or math.ceil(math.sqrt(len(images))), gap * zoom
    return tile(shown, columns, scale=zoom, between=gap, margin=gap, background="#181818")
