"""The style of all figures: colours, strokes, small print, and the file written from a figure.

Green for the straight line and red for the path as in the paper, in shades that remain distinct without full colour
vision (Okabe and Ito 2008).
"""

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path as FilePath
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke
from torch import Tensor

from ...errors import InputError
from ..files import whole

_SETTINGS = threading.RLock()  # held while matplotlib's settings are changed: all threads of a process share them
_COLOURS = {"straight line": "#009E73", "slerp": "#0072B2", "the paper's": "#CC79A7", "path": "#D55E00"}
_DASHES: dict[str, Any] = {
    "straight line": (0, (5, 1.6)),
    "slerp": (0, (1.2, 1.2)),
    "the paper's": (0, (4, 1.5, 1, 1.5)),
    "path": "-",
}
_OTHERS = ("#CC79A7", "#7A5C00", "#4D4D4D")
INK, FAINT, _GRID = "#22272E", "#667080", "#E4E8ED"  # main text, small print, grid lines
HALO = [Stroke(linewidth=2.5, foreground="white"), Normal()]
DPI = 160
_GROUPS: dict[str, dict[str, Any]] = {
    "figure": {"dpi": DPI, "facecolor": "white", "titlesize": 11.5, "titleweight": "bold"},
    "font": {"family": "DejaVu Sans", "size": 9.5},  # comes with matplotlib: the same picture everywhere
    "text": {"color": INK},
    "axes": {"facecolor": "white", "edgecolor": "#B7BFC9", "labelcolor": INK, "grid": True, "axisbelow": True}
    | {"titlesize": 10.5, "titlelocation": "left", "titlepad": 8},
    "axes.spines": {"top": False, "right": False},
    "grid": {"color": _GRID, "linewidth": 0.8},
    "xtick": {"color": FAINT, "labelsize": 8.5},
    "ytick": {"color": FAINT, "labelsize": 8.5},
    "lines": {"linewidth": 1.8, "solid_capstyle": "round"},
    "legend": {"frameon": False, "handlelength": 2.6},
}
_STYLE = {f"{group}.{name}": value for group, settings in _GROUPS.items() for name, value in settings.items()}


def colour(name: str) -> str:
    """Returns the colour of a kind of curve, the same in every figure."""
    return _COLOURS.get(name) or _OTHERS[sum(name.encode()) % len(_OTHERS)]


def stroke(name: str) -> dict[str, Any]:
    """Returns colour and dash of a kind of curve, for ``axes.plot``."""
    return {"color": colour(name), "linestyle": _DASHES.get(name, (0, (4, 1.5, 1, 1.5)))}


def legend_keys(names: Iterable[str]) -> list[Line2D]:
    """Returns the handles of a legend: a short stroke with the name for every kind of curve."""
    return [Line2D([], [], label=name, **stroke(name)) for name in names]


@contextmanager
def house_style(more: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Applies the house style and ``more`` of matplotlib's settings, and restores the caller's settings at the end."""
    with _SETTINGS, mpl.rc_context():
        mpl.rcdefaults()
        settings: Any = {**_STYLE, **(more or {})}
        mpl.rcParams.update(settings)
        yield


def finish(figure: Figure, title: str | None, note: str | None, keys: Sequence[Line2D] = ()) -> Figure:
    """Adds title, legend and a line of small print, and widens the figure for them; call it within `house_style`."""
    if isinstance(engine := figure.get_layout_engine(), ConstrainedLayoutEngine):
        engine.set(w_pad=0.09, h_pad=0.08)
    head: list[Artist] = []
    if keys:
        count = len(keys)
        head.append(figure.legend(handles=keys, loc="outside upper right", ncols=count, fontsize=9, borderaxespad=0.4))
    if title:
        head.append(figure.suptitle(title, x=0.012, ha="left"))
    foot = [figure.supxlabel(note, x=0.012, ha="left", fontsize=8, color=FAINT)] if note else []
    figure.draw_without_rendering()
    needed = max(sum(part.get_window_extent().width for part in parts) for parts in (head, foot)) / figure.dpi + 0.5
    if needed > figure.get_figwidth():
        figure.set_figwidth(needed)
        figure.draw_without_rendering()
    return figure


def save(figure: Figure, file: str | os.PathLike[str]) -> None:
    """Writes ``figure`` as a picture (the suffix chooses the format), whole or not at all.

    The same figure gives the same bytes, also as SVG: its names are not random, and it bears no date.
    """
    undated: dict[str, Any] = {"metadata": {"Date": None}} if FilePath(file).suffix.lower() == ".svg" else {}
    with whole(file) as partial, _SETTINGS, mpl.rc_context({"svg.hashsalt": "latentpath"}):
        figure.savefig(partial, dpi=figure.dpi, **undated)


def batch_of(curves: Mapping[str, Tensor], dims: int, what: str) -> dict[str, Tensor]:
    """Returns every tensor with ``dims`` dimensions, as a batch of one where the leading dimension is missing."""
    found = {name: value.detach().cpu() for name, value in curves.items()}
    found = {name: value[None] if value.ndim == dims - 1 else value for name, value in found.items()}
    shapes = {name: tuple(value.shape) for name, value in curves.items()}
    if not found or any(value.ndim != dims or value.numel() == 0 for value in found.values()):
        raise InputError(f"every kind of curve needs {what}, got {shapes}")
    if len({len(value) for value in found.values()}) > 1:
        raise InputError(f"every kind of curve needs the same number of pairs, got {shapes}")
    return found
