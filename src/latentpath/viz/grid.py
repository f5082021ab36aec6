"""Sheets of frames: a white page with a place for every frame of a grid, and names for its columns or rows.

A frame is enlarged by a whole factor, every pixel to a square of its own colour, and is never cut off or covered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, SupportsIndex

from .._validate import whole_number
from ..value_range import Bytes

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Sheet", "enlarged"]

_INK, _GAP, _FONT = "#22272E", 8, 15


def enlarged(scale: SupportsIndex | None, side: int, comfortable: float) -> int:
    """The side of the square that a pixel becomes: ``scale``, or what makes ``side`` pixels about ``comfortable``.

    Raises:
        InputError: ``scale`` is no whole number of at least 1.
    """
    if scale is None:
        return max(1, round(comfortable / side))
    return whole_number("scale", scale, 1)


class Sheet:
    """A page for frames ``(H, W, C)`` in rows and columns.

    Without names, and with one column, it has no margin: of one frame it is the frame and nothing else.

    Args:
        size: ``(H, W)`` of every frame.
        rows: the name of every row, to its left; may be empty.
        columns: the name of every column, above it; may be empty.
        scale: the side of the square that a pixel becomes.
        colour: whether the page can show colours.
        font: the height of the names' letters, in pixels; by default what suits the frames.
        between: pixels between neighbouring columns, and between neighbouring rows.
        group: after every so many rows comes a gap four times as wide; 0 for none.

    Example:
        >>> import numpy as np
        >>> sheet = Sheet((2, 3), rows=[""], columns=[""], scale=2)
        >>> np.asarray(sheet.compose([[np.full((2, 3, 1), 7, np.uint8)]])).tolist()[0]
        [7, 7, 7, 7, 7, 7]
    """

    def __init__(
        self,
        size: tuple[int, int],
        *,
        rows: Sequence[str],
        columns: Sequence[str],
        scale: int = 1,
        colour: bool = False,
        font: int | None = None,
        between: tuple[int, int] = (2 * _GAP, _GAP),
        group: int = 0,
    ) -> None:
        from PIL import ImageFont

        self.high, self.wide = size[0] * scale, size[1] * scale
        self._letters = letters = ImageFont.load_default(size=font or max(_FONT, self.wide // 16))
        height = round(letters.size) if isinstance(letters, ImageFont.FreeTypeFont) else _FONT

        def width(names: Sequence[str]) -> int:
            return max(int(letters.getlength(name)) + 8 for name in names) if any(names) else 0

        edge = _GAP if any(rows) or any(columns) else 0
        left = edge + width(rows) + (edge if any(rows) else 0)
        top = 2 * height + 4 if any(columns) else edge
        cell = max(self.wide, width(columns))
        across, down = between
        self._left = [left + i * (cell + across) + (cell - self.wide) // 2 for i in range(len(columns))]
        extra = 4 * down if group else 0
        self._top = [top + i * (self.high + down) + (i // group * extra if group else 0) for i in range(len(rows))]
        self._mode, self._names = "RGB" if colour else "L", (rows, columns)
        self.size = (left + len(columns) * (cell + across) - across + edge, self._top[-1] + self.high + edge)
        """Width and height of the page, in pixels."""

    @cached_property
    def _blank(self) -> Image:
        """The page without frames."""
        from PIL import Image, ImageDraw

        page, (rows, columns) = Image.new(self._mode, self.size, "white"), self._names
        pen = ImageDraw.Draw(page)
        for x, name in zip(self._left, columns, strict=True):
            pen.text((x + self.wide / 2, self._top[0] / 2), name, fill=_INK, font=self._letters, anchor="mm")
        for y, name in zip(self._top, rows, strict=True):
            pen.text((self._left[0] - _GAP, y + self.high / 2), name, fill=_INK, font=self._letters, anchor="rm")
        return page

    def compose(self, frames: Iterable[Iterable[Bytes]]) -> Image:
        """The page with these frames ``(H, W, C)``, row by row."""
        from PIL import Image

        page = self._blank.copy()
        for y, row in zip(self._top, frames, strict=True):
            for x, frame in zip(self._left, row, strict=True):
                image = Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame)
                page.paste(image.resize((self.wide, self.high), Image.Resampling.NEAREST), (x, y))
        return page
