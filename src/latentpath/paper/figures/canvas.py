"""A figure with everything at a fixed place, and the panels of the paper's figures.

Places are in inches from the top left, and are rounded to whole pixels, so that a pixel of a frame becomes a square of
pixels of the figure, of the same size everywhere: nothing is blurred, and nothing moves when a number gets longer.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ...value_range import Bytes
from ...viz.grid import tile
from ...viz.plots.plane import draw_plane
from ...viz.plots.style import FAINT, INK, colour, legend_keys, stroke
from ..results import RECOMMENDED

SMALL = 7.0  # the font size of small print, in points
STYLE: Mapping[str, Any] = {  # changes to the house style, for print unscaled on a page 7 inches wide
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

GAP = 2  # the gap between two frames of a strip, in pixels of a frame


class Canvas:
    """A figure on which everything is placed in inches from the top left."""

    def __init__(self, width: float, height: float, dpi: float, title: str, kinds: tuple[str, ...] = ()) -> None:
        self.dpi = dpi
        self._rows = round(height * dpi)
        # matplotlib rounds down to whole pixels, so a hundredth of a pixel is added.
        size = ((round(width * dpi) + 0.01) / dpi, (self._rows + 0.01) / dpi)
        self.figure = Figure(figsize=size, dpi=dpi)
        self.text(0.08, 0.17, title, fontsize=9, fontweight="bold")
        if kinds:
            self.legend(kinds, width - 0.05, 0.17, right=True)

    def legend(self, kinds: Sequence[str], left: float, top: float, right: bool = False) -> None:
        """Draws a legend in one line, which begins at a point, or with ``right`` ends there."""
        self.keys(legend_keys(kinds), left, top, right)

    def keys(self, handles: Sequence[Any], left: float, top: float, right: bool = False) -> None:
        """Draws a legend of given handles, as `legend` does."""
        how: dict[str, Any] = {
            "loc": "center right" if right else "center left",
            "bbox_to_anchor": self._place(left, top),
            "ncols": len(handles),
            "borderaxespad": 0,
            "borderpad": 0,
            "columnspacing": 1.4,
        }
        self.figure.legend(handles=list(handles), **how)

    def _place(self, left: float, top: float) -> tuple[float, float]:
        return left * self.dpi / self.figure.bbox.width, 1 - top * self.dpi / self.figure.bbox.height

    def text(self, left: float, top: float, content: str, **how: Any) -> None:
        """Writes ``content`` to the right of a point; options of `Figure.text`."""
        self.figure.text(*self._place(left, top), content, **{"va": "center", **how})

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Adds axes whose frame is this box."""
        return self._axes(*(round(value * self.dpi) for value in (left, top, width, height)))

    def _axes(self, left: int, top: int, width: int, height: int) -> Axes:
        across, down = self.figure.bbox.width, self.figure.bbox.height
        return self.figure.add_axes((left / across, (self._rows - top - height) / down, width / across, height / down))

    def strip(self, frames: Bytes, left: float, top: float, zoom: int) -> None:
        """Draws frames ``(n, H, W, C)`` side by side, each pixel as a square of ``zoom`` pixels."""
        image = np.asarray(tile(frames, len(frames), between=GAP).convert("RGB"))
        axes = self._axes(round(left * self.dpi), round(top * self.dpi), image.shape[1] * zoom, image.shape[0] * zoom)
        axes.set_axis_off()
        axes.imshow(image, interpolation="none", aspect="auto")  # an SVG keeps the frame's own pixels


def method_colour(kind: str) -> str:
    """Returns the colour of a kind of curve where methods are compared; the recommended one is the colour of text."""
    return INK if kind == RECOMMENDED else colour(kind)


def limits(
    points: Tensor, width: float, height: float, *, margin: float = 0.12, room: float = 0.0
) -> dict[str, tuple[float, float]]:
    """Returns ``xlim`` and ``ylim`` that show ``points`` ``(N, 2)`` in a box of this size, both in one scale."""
    low, high = points.double().amin(0), points.double().amax(0)
    free = torch.tensor([width - room, height], dtype=torch.double)
    scale = float(((high - low) * (1 + 2 * margin) / free).amax().clamp_min(1e-9))
    half, middle = scale * free / 2, (low + high) / 2
    left, bottom = (middle - half).tolist()
    right, top = (middle + half).tolist()
    return {"xlim": (left, right + scale * room), "ylim": (bottom, top)}


def bars(axes: Axes, kind: str, steps: Tensor, top: float, note: str) -> None:
    """Draws the steps ``(K,)`` of one curve, a bar between each two points, up to ``top``; and a note."""
    count = len(steps)
    axes.bar(np.arange(count) + 0.5, steps.nan_to_num(0, 0, 0).numpy(), width=0.76, color=colour(kind), linewidth=0)
    ticks = [tick for tick in MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(0, top) if tick <= top]
    axes.set(xlim=(0, count), ylim=(0, 1.42 * top), yticks=ticks)
    axes.grid(visible=False, axis="x")
    how: dict[str, Any] = {"transform": axes.transAxes, "va": "top", "fontsize": SMALL}
    axes.text(0.01, 0.98, kind, color=colour(kind), fontweight="bold", **how)
    axes.text(0.99, 0.98, note, ha="right", **how)


def curves(axes: Axes, values: Mapping[str, Tensor]) -> None:
    """Draws the index ``(K+1,)`` along one curve of each kind."""
    for kind, value in values.items():
        axes.plot(np.arange(len(value)), value.numpy(), **stroke(kind), clip_on=False, zorder=3)
    axes.set(xlim=(0, len(next(iter(values.values()))) - 1), ylim=(0, 1))


def over_samples(axes: Axes, samples: Tensor | None, plane: Mapping[str, Tensor], **how: Any) -> None:
    """Draws curves ``(K+1, 2)`` of one pair over samples ``(N, 2)`` of the prior; None where the axes have these."""
    if samples is not None:
        x, y = samples.T.numpy()
        axes.scatter(x, y, s=2.2, color=FAINT, alpha=0.45, linewidth=0, zorder=1)
    draw_plane(axes, plane, fontsize=SMALL, **how)
    axes.grid(visible=False)
