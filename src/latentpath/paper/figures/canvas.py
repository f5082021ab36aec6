"""A page laid out by hand, and the panels that the paper's figures consist of.

Places are in inches from the top left, and are rounded to whole pixels, so that a pixel of a frame becomes a square of
pixels of the page, of the same size everywhere: nothing is blurred, and nothing moves when a number gets longer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ...plots import FAINT, colour, draw_plane, legend_keys, stroke
from ...value_range import Bytes

__all__ = ["GAP", "SMALL", "STYLE", "Sheet", "bars", "curves", "limits", "over_samples"]

SMALL = 7.0
"""Of small print, in points."""

STYLE: Mapping[str, Any] = {
    "font.size": 8,
    "axes.labelsize": 7.5,
    "axes.titlesize": 8,
    "axes.titlepad": 5,
    "axes.linewidth": 0.7,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.5,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 7.5,
}
"""On top of the house style: figures that are printed as they are, on a page 7 inches wide."""

GAP = 2
"""Between two frames of a strip, in pixels of a frame."""


class Sheet:
    """A figure on which everything is placed in inches from the top left.

    Args:
        width: in inches.
        height: in inches.
        dpi: pixels to the inch.
        title: the first line.
        keys: the kinds of curve that the legend, to the right of the title, names.
    """

    def __init__(self, width: float, height: float, dpi: float, title: str, keys: tuple[str, ...] = ()) -> None:
        self.dpi = dpi
        self._down = round(height * dpi)
        # The canvas rounds down to whole pixels: a hair more than those wanted.
        size = ((round(width * dpi) + 0.01) / dpi, (self._down + 0.01) / dpi)
        self.figure = Figure(figsize=size, dpi=dpi)
        self.text(0.08, 0.17, title, fontsize=9, fontweight="bold")
        if keys:
            self.legend(keys, width - 0.05, 0.17, right=True)

    def legend(self, kinds: Sequence[str], left: float, top: float, right: bool = False) -> None:
        """Name kinds of curve in one line, which begins at a point, or with ``right`` ends there."""
        how: dict[str, Any] = {
            "loc": "center right" if right else "center left",
            "bbox_to_anchor": self._place(left, top),
            "ncols": len(kinds),
            "borderaxespad": 0,
            "borderpad": 0,
            "columnspacing": 1.4,
        }
        self.figure.legend(handles=legend_keys(kinds), **how)

    def _place(self, left: float, top: float) -> tuple[float, float]:
        return left * self.dpi / self.figure.bbox.width, 1 - top * self.dpi / self.figure.bbox.height

    def text(self, left: float, top: float, content: str, **how: Any) -> None:
        """Write ``content`` to the right of a point, or as ``ha`` and ``va`` say."""
        self.figure.text(*self._place(left, top), content, **{"va": "center", **how})

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes whose frame is this box."""
        return self._axes(*(round(value * self.dpi) for value in (left, top, width, height)))

    def _axes(self, left: int, top: int, width: int, height: int) -> Axes:
        across, down = self.figure.bbox.width, self.figure.bbox.height
        return self.figure.add_axes((left / across, (self._down - top - height) / down, width / across, height / down))

    def strip(self, frames: Bytes, left: float, top: float, zoom: int) -> None:
        """Frames ``(n, H, W, C)`` side by side, a pixel being a square of ``zoom`` pixels of the page."""
        count, height, width, _ = frames.shape
        canvas = np.full((height, count * (width + GAP) - GAP, 3), 255, dtype=np.uint8)
        for k, frame in enumerate(frames):
            canvas[:, k * (width + GAP) : k * (width + GAP) + width] = frame
        axes = self._axes(round(left * self.dpi), round(top * self.dpi), canvas.shape[1] * zoom, canvas.shape[0] * zoom)
        axes.set_axis_off()
        axes.imshow(canvas, interpolation="none", aspect="auto")  # an SVG keeps the frame's own pixels


def limits(
    points: Tensor, width: float, height: float, *, margin: float = 0.12, room: float = 0.0
) -> dict[str, tuple[float, float]]:
    """``xlim`` and ``ylim`` that hold ``points`` ``(N, 2)`` in a box of this size, both in one scale.

    Args:
        points: what is to be seen.
        width: of the box, in inches.
        height: of the box, in inches.
        margin: on every side, as a share of what the points take.
        room: inches on the right that the points leave free, for a label.
    """
    low, high = points.double().amin(0), points.double().amax(0)
    free = torch.tensor([width - room, height], dtype=torch.double)
    scale = float(((high - low) * (1 + 2 * margin) / free).amax().clamp_min(1e-9))
    half, middle = scale * free / 2, (low + high) / 2
    left, bottom = (middle - half).tolist()
    right, top = (middle + half).tolist()
    return {"xlim": (left, right + scale * room), "ylim": (bottom, top)}


def bars(axes: Axes, kind: str, steps: Tensor, top: float, note: str) -> None:
    """The steps ``(K,)`` of one curve, a bar for each between the points it joins, up to ``top``; a line of notes."""
    count = len(steps)
    axes.bar(np.arange(count) + 0.5, steps.nan_to_num(0, 0, 0).numpy(), width=0.76, color=colour(kind), linewidth=0)
    ticks = [tick for tick in MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(0, top) if tick <= top]
    axes.set(xlim=(0, count), ylim=(0, 1.42 * top), yticks=ticks)
    axes.grid(visible=False, axis="x")
    how: dict[str, Any] = {"transform": axes.transAxes, "va": "top", "fontsize": SMALL}
    axes.text(0.01, 0.98, kind, color=colour(kind), fontweight="bold", **how)
    axes.text(0.99, 0.98, note, ha="right", **how)


def curves(axes: Axes, values: Mapping[str, Tensor]) -> None:
    """The index ``(K+1,)`` along one curve of each kind."""
    for kind, value in values.items():
        axes.plot(np.arange(len(value)), value.numpy(), **stroke(kind), clip_on=False, zorder=3)
    axes.set(xlim=(0, len(next(iter(values.values()))) - 1), ylim=(0, 1))


def over_samples(axes: Axes, samples: Tensor | None, flat: Mapping[str, Tensor], **how: Any) -> None:
    """Curves ``(K+1, 2)`` of one pair over samples ``(N, 2)`` of the prior; None where they are drawn already.

    Args:
        axes: to draw on.
        samples: of the prior.
        flat: the curves by name.
        how: options of `plots.draw_plane`.
    """
    if samples is not None:
        x, y = samples.T.numpy()
        axes.scatter(x, y, s=2.2, color=FAINT, alpha=0.45, linewidth=0, zorder=1)
    draw_plane(axes, flat, fontsize=SMALL, **how)
    axes.grid(visible=False)
