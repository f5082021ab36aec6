"""Strips of frames: how large those of a few pairs are on a page, and where their frames and labels go."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ...plots import FAINT, colour
from ...value_range import Bytes
from .canvas import GAP, SMALL, Sheet
from .selection import KINDS, Selection

__all__ = ["LABEL", "PIXELS", "Film", "measured", "pair_label"]

LABEL = 1.08
"""Where a strip with labels begins, in inches."""

PIXELS = 1450
"""About how many pixels of the page a strip as wide as the page has."""

_ROW_GAP, _PAIR_GAP = 0.035, 0.13


@dataclass(frozen=True)
class Film:
    """The strips of a few pairs, and how large they are on a page.

    Attributes:
        chosen: the pairs.
        width: the inches that a strip may take.
        pixels: about how many pixels of the page it may have.
        head: inches above every row, for what its curve costs.
    """

    chosen: Selection
    width: float
    pixels: int = PIXELS
    head: float = 0.0

    @cached_property
    def frames(self) -> dict[str, Bytes]:
        """By kind, ``(P, n, H, W, C)``."""
        return self.chosen.frames()

    @property
    def _across(self) -> int:
        count, _, wide = self._size
        return count * (wide + GAP) - GAP

    @property
    def _size(self) -> tuple[int, int, int]:
        """Number, height and width of the frames of a strip."""
        _, count, height, wide, _ = next(iter(self.frames.values())).shape
        return int(count), int(height), int(wide)

    @property
    def zoom(self) -> int:
        """The side of the square that a pixel becomes, in pixels of the page."""
        return max(1, round(self.pixels / self._across))

    @property
    def dpi(self) -> float:
        """At which a strip is as wide as it may be."""
        return self._across * self.zoom / self.width

    def row(self, dpi: float) -> float:
        """The height of a row of frames, in inches."""
        return self._size[1] * self.zoom / dpi

    def block(self, dpi: float) -> float:
        """The height of the rows of one pair, in inches."""
        return len(KINDS) * (self.head + self.row(dpi)) + (len(KINDS) - 1) * _ROW_GAP

    def height(self, dpi: float) -> float:
        """The height of the rows of all pairs, in inches."""
        count = len(self.chosen.pairs)
        return count * self.block(dpi) + (count - 1) * _PAIR_GAP

    def _top(self, dpi: float, pair: int, kind: int) -> float:
        """Where the row of one curve begins, in inches below the first pair."""
        down = pair * (self.block(dpi) + _PAIR_GAP) + kind * (self.head + self.row(dpi) + _ROW_GAP)
        return down + self.head

    def numbers(self, sheet: Sheet, left: float, top: float) -> None:
        """Write above the frames which points of the curve they are."""
        wide = self._size[2]
        for k, point in enumerate(self.chosen.points):
            middle = left + (k * (wide + GAP) + wide / 2) * self.zoom / sheet.dpi
            sheet.text(middle, top, str(point), fontsize=SMALL, color=FAINT, ha="center")

    def place(self, sheet: Sheet, left: float, top: float) -> None:
        """Lay out the strips of all pairs from this point on."""
        for pair in range(len(self.chosen.pairs)):
            for k, kind in enumerate(KINDS):
                sheet.strip(self.frames[kind][pair], left, top + self._top(sheet.dpi, pair, k), self.zoom)

    def label(self, sheet: Sheet, top: float) -> None:
        """Name pairs and kinds to the left of strips that begin at ``LABEL``."""
        sheet.text(0.08, top - 0.1, "point of curve", fontsize=SMALL, color=FAINT)
        for k, pair in enumerate(self.chosen.pairs):
            y = top + k * (self.block(sheet.dpi) + _PAIR_GAP)
            pair_label(sheet, pair, y + self.block(sheet.dpi) / 2)
            for i, kind in enumerate(KINDS):
                middle = top + self._top(sheet.dpi, k, i) + self.row(sheet.dpi) / 2
                sheet.text(LABEL - 0.08, middle, kind, ha="right", fontsize=7.5, fontweight="bold", color=colour(kind))

    def notes(self, sheet: Sheet, left: float, top: float) -> None:
        """What each curve costs, to the right of its strip."""
        for k, pair in enumerate(self.chosen.pairs):
            for i, kind in enumerate(KINDS):
                y = top + self._top(sheet.dpi, k, i)
                how = {"fontsize": SMALL, "linespacing": 1.35}
                sheet.text(left, y + self.row(sheet.dpi) / 2, measured(self.chosen, kind, pair, "\n"), **how)

    def notes_above(self, sheet: Sheet, left: float, top: float) -> None:
        """What each curve costs, in the ``head`` of its strip."""
        for k, pair in enumerate(self.chosen.pairs):
            for i, kind in enumerate(KINDS):
                y = top + self._top(sheet.dpi, k, i) - self.head / 2
                sheet.text(left, y, measured(self.chosen, kind, pair, ", "), fontsize=SMALL, color=FAINT)


def measured(chosen: Selection, kind: str, pair: int, between: str) -> str:
    """Cost and length of one curve in words."""
    values = ("cost", chosen.solved.cost), ("length", chosen.solved.length)
    found = ((name, float(of[kind][pair])) for name, of in values)
    return between.join(f"{name} {value:.{int(value < 1000)}f}" for name, value in found)


def pair_label(sheet: Sheet, pair: int, middle: float) -> None:
    """Name a pair, counted from 1, at the left edge."""
    sheet.text(0.13, middle, f"pair {pair + 1}", fontsize=SMALL, color=FAINT, rotation=90, ha="center")
