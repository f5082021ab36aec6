"""Strips of frames: the size of the strips of a few pairs, and the places of frames and labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ...value_range import Bytes
from ...viz.plots.style import FAINT, colour
from .canvas import GAP, SMALL, Canvas
from .selection import DRAWN_KINDS, Selection

LABEL = 1.08  # the left edge of a strip with labels, in inches
PIXELS = 1450  # about how many pixels of the figure a strip as wide as the figure has
_ROW_GAP, _PAIR_GAP = 0.035, 0.13


@dataclass(frozen=True)
class Strips:
    """The strips of a few pairs."""

    chosen: Selection
    width: float  # the width of a strip, in inches
    pixels: int = PIXELS  # about how many pixels of the figure a strip has across
    head: float = 0.0  # inches above every row, for cost and length of its curve

    @cached_property
    def frames(self) -> dict[str, Bytes]:
        """The frames by kind, ``(P, n, H, W, C)``."""
        return self.chosen.frames()

    @property
    def _across(self) -> int:
        count, _, wide = self._size
        return count * (wide + GAP) - GAP

    @property
    def _size(self) -> tuple[int, int, int]:
        _, count, height, wide, _ = next(iter(self.frames.values())).shape
        return int(count), int(height), int(wide)

    @property
    def zoom(self) -> int:
        """The side of the square that a pixel becomes, in pixels of the figure."""
        return max(1, round(self.pixels / self._across))

    @property
    def dpi(self) -> float:
        """The resolution at which a strip has its width."""
        return self._across * self.zoom / self.width

    def row(self, dpi: float) -> float:
        """The height of a row of frames, in inches."""
        return self._size[1] * self.zoom / dpi

    def block(self, dpi: float) -> float:
        """The height of the rows of one pair, in inches."""
        return len(DRAWN_KINDS) * (self.head + self.row(dpi)) + (len(DRAWN_KINDS) - 1) * _ROW_GAP

    def height(self, dpi: float) -> float:
        """The height of the rows of all pairs, in inches."""
        count = len(self.chosen.pairs)
        return count * self.block(dpi) + (count - 1) * _PAIR_GAP

    def _rows(self, dpi: float) -> Iterator[tuple[int, str, float]]:
        """Row of the pair, kind, and top (in inches below the first pair) of every strip."""
        for row in range(len(self.chosen.pairs)):
            for k, kind in enumerate(DRAWN_KINDS):
                down = row * (self.block(dpi) + _PAIR_GAP) + k * (self.head + self.row(dpi) + _ROW_GAP)
                yield row, kind, down + self.head

    def numbers(self, canvas: Canvas, left: float, top: float) -> None:
        """Writes above the frames the numbers of their points."""
        wide = self._size[2]
        for k, point in enumerate(self.chosen.points):
            middle = left + (k * (wide + GAP) + wide / 2) * self.zoom / canvas.dpi
            canvas.text(middle, top, str(point), fontsize=SMALL, color=FAINT, ha="center")

    def place(self, canvas: Canvas, left: float, top: float) -> None:
        """Draws the strips of all pairs."""
        for row, kind, down in self._rows(canvas.dpi):
            canvas.strip(self.frames[kind][row], left, top + down, self.zoom)

    def label(self, canvas: Canvas, top: float) -> None:
        """Writes pairs and kinds to the left of strips that begin at ``LABEL``."""
        canvas.text(0.08, top - 0.1, "point of curve", fontsize=SMALL, color=FAINT)
        for row, kind, down in self._rows(canvas.dpi):
            if kind == DRAWN_KINDS[0]:
                block = top + row * (self.block(canvas.dpi) + _PAIR_GAP)
                pair_label(canvas, self.chosen.pairs[row], block + self.block(canvas.dpi) / 2)
            middle = top + down + self.row(canvas.dpi) / 2
            canvas.text(LABEL - 0.08, middle, kind, ha="right", fontsize=7.5, fontweight="bold", color=colour(kind))

    def notes(self, canvas: Canvas, left: float, top: float) -> None:
        """Writes cost and length to the right of each strip."""
        for row, kind, down in self._rows(canvas.dpi):
            words = cost_and_length(self.chosen, kind, self.chosen.pairs[row], "\n")
            canvas.text(left, top + down + self.row(canvas.dpi) / 2, words, fontsize=SMALL, linespacing=1.35)

    def notes_above(self, canvas: Canvas, left: float, top: float) -> None:
        """Writes cost and length into the ``head`` of each strip."""
        for row, kind, down in self._rows(canvas.dpi):
            words = cost_and_length(self.chosen, kind, self.chosen.pairs[row], ", ")
            canvas.text(left, top + down - self.head / 2, words, fontsize=SMALL, color=FAINT)


def cost_and_length(chosen: Selection, kind: str, pair: int, between: str) -> str:
    """The cost and length of one curve in words."""
    values = ("cost", chosen.result.cost), ("length", chosen.result.length)
    numbers = ((name, float(value[kind][pair])) for name, value in values)
    return between.join(f"{name} {number:.{int(number < 1000)}f}" for name, number in numbers)


def pair_label(canvas: Canvas, pair: int, middle: float) -> None:
    """Writes the number of a pair, counted from 1, at the left edge."""
    canvas.text(0.13, middle, f"pair {pair + 1}", fontsize=SMALL, color=FAINT, rotation=90, ha="center")
