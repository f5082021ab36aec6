r"""Still pictures of paths: film strips, profiles, the plane of equation 4, the map over the prior.

Every function takes tensors and returns a `matplotlib.figure.Figure` that belongs to no window and no global state;
`save` writes one to a file, whole or not at all. Kinds of curve go by name (``"straight line"``, ``"slerp"``,
``"path"``), and a name has the same colour and dash in every figure: green for the straight line and red for the path
as in the paper, in shades that remain distinct without full colour vision (Okabe and Ito 2008).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path as FilePath
from typing import Any, SupportsIndex

import numpy as np
import torch
from torch import Tensor

from ._io import replacement
from ._validate import whole_number
from .errors import InputError, missing
from .value_range import ValueRange, inferred_range, pixels

try:
    import matplotlib as mpl
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import Normal, Stroke
except ModuleNotFoundError as error:
    raise missing("matplotlib", "viz", "drawing figures") from error

__all__ = [
    "FAINT",
    "INK",
    "colour",
    "draw_plane",
    "house_style",
    "legend_keys",
    "mark_ends",
    "plane",
    "plane_coordinates",
    "prior_map",
    "profiles",
    "save",
    "strips",
    "stroke",
]

_SETTINGS = threading.RLock()
"""Held while matplotlib's settings are ours: all threads of a process share them."""

_COLOURS = {"straight line": "#009E73", "slerp": "#0072B2", "path": "#D55E00"}
_DASHES: dict[str, Any] = {"straight line": (0, (5, 1.6)), "slerp": (0, (1.2, 1.2)), "path": "-"}
_OTHERS = ("#CC79A7", "#7A5C00", "#4D4D4D")
INK, FAINT, _GRID = "#22272E", "#667080", "#E4E8ED"
"""The colours of what is read first, of what is small print, and of grids."""
_DENSITY = LinearSegmentedColormap.from_list("density", ["#F1F4F8", "#9FB0C3"])
_HALO = [Stroke(linewidth=2.5, foreground="white"), Normal()]
_DPI = 160
_STYLE: Any = {
    "figure.dpi": _DPI,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",  # the one that comes with matplotlib: the same picture everywhere
    "font.size": 9.5,
    "text.color": INK,
    "axes.facecolor": "white",
    "axes.edgecolor": "#B7BFC9",
    "axes.labelcolor": INK,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _GRID,
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "figure.titlesize": 11.5,
    "figure.titleweight": "bold",
}


def colour(name: str) -> str:
    """The colour of a kind of curve, the same in every figure."""
    return _COLOURS.get(name) or _OTHERS[sum(name.encode()) % len(_OTHERS)]


def stroke(name: str) -> dict[str, Any]:
    """Colour and dash of a kind of curve, for ``axes.plot``."""
    return {"color": colour(name), "linestyle": _DASHES.get(name, (0, (4, 1.5, 1, 1.5)))}


def legend_keys(names: Iterable[str]) -> list[Line2D]:
    """What a legend shows of kinds of curve: a short stroke with the name."""
    return [Line2D([], [], label=name, **stroke(name)) for name in names]


@contextmanager
def house_style(more: Mapping[str, Any] | None = None) -> Iterator[None]:
    """The house style, with ``more`` of matplotlib's settings on top, and then the caller's own settings again."""
    with _SETTINGS, mpl.rc_context():
        mpl.rcdefaults()
        settings: Any = {**_STYLE, **dict(more or {})}
        mpl.rcParams.update(settings)
        yield


def _finished(figure: Figure, title: str | None, note: str | None, keys: Sequence[Line2D] = ()) -> Figure:
    """Title, legend and a line of small print, on a figure wide enough; laid out while the house style holds."""
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
    """Write ``figure`` as a picture (the suffix says which kind), whole or not at all.

    The same figure gives the same bytes, an SVG too: its names are not random, and it bears no date.
    """
    target = FilePath(file)
    undated: dict[str, Any] = {"metadata": {"Date": None}} if target.suffix.lower() == ".svg" else {}
    with replacement(target) as partial, _SETTINGS, mpl.rc_context({"svg.hashsalt": "latentpath"}):
        figure.savefig(partial, dpi=figure.dpi, **undated)


def _same_batch(curves: Mapping[str, Tensor], dims: int, what: str) -> dict[str, Tensor]:
    """Every tensor with ``dims`` dimensions, a batch of one where the leading one is not there."""
    found = {name: value.detach().cpu() for name, value in curves.items()}
    found = {name: value[None] if value.ndim == dims - 1 else value for name, value in found.items()}
    shapes = {name: tuple(value.shape) for name, value in curves.items()}
    if not found or any(value.ndim != dims or value.numel() == 0 for value in found.values()):
        raise InputError(f"every kind of curve needs {what}, got {shapes}")
    if len({len(value) for value in found.values()}) > 1:
        raise InputError(f"every kind of curve needs the same number of pairs, got {shapes}")
    return found


def strips(
    rows: Mapping[str, Tensor],
    *,
    every: SupportsIndex = 1,
    value_range: ValueRange | None = None,
    notes: Mapping[str, Sequence[str]] | None = None,
    title: str | None = None,
) -> Figure:
    """Film strips one under the other, a row for each kind of curve, a block of rows for each pair of endpoints.

    One pixel of a frame becomes a square of pixels of the picture: nothing is blurred.

    Args:
        rows: by name, frames ``(n, C, H, W)`` of one pair or ``(P, n, C, H, W)`` of several, C = 1 or 3.
        every: show every so many frames, from the first; the last is always shown.
        value_range: the values shown as 0 and 255; None for what all frames hold (see `latentpath.value_range`).
        notes: by name, one line or two of small print for each pair, shown on the right.
        title: of the figure.

    Raises:
        InputError: frames of another shape or number, or ``every < 1``.
    """
    every = whole_number("every", every, 1)
    found = _same_batch(rows, 5, "frames (n, C, H, W) or (P, n, C, H, W)")
    count = max(value.shape[1] for value in found.values())
    if len({value.shape[1:2] + value.shape[3:] for value in found.values()}) > 1:
        raise InputError("all rows need the same number of frames of one size")
    shown = sorted({*range(0, count, every), count - 1})
    held = inferred_range(found.values()) if value_range is None else value_range
    films = {name: pixels(value[:, shown], held) for name, value in found.items()}
    pairs, (side, wide) = len(next(iter(found.values()))), next(iter(found.values())).shape[-2:]
    zoom, gap = max(1, round(1180 / (len(shown) * wide))), 6
    step, height = wide * zoom + gap, side * zoom
    pitch, block = height + 14, 30
    left, right, top, bottom = 206, 214 if notes else 24, 100 if title else 56, 10
    strip_width = step * len(shown) - gap
    width = left + strip_width + right
    total = top + pairs * (len(films) * pitch + block) - block - 14 + bottom + 14
    with house_style():
        figure = Figure(figsize=(width / _DPI, total / _DPI))

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
                canvas = np.full((height, strip_width, 3), 255, dtype=np.uint8)
                for k, frame in enumerate(film[pair]):
                    canvas[:, k * step : k * step + step - gap] = frame.repeat(zoom, 0).repeat(zoom, 1)
                axes = figure.add_axes((left / width, 1 - (y + height) / total, strip_width / width, height / total))
                axes.set_axis_off()
                axes.imshow(canvas, interpolation="nearest", aspect="auto")
                text(left - 16, y + height / 2, name, ha="right", color=colour(name), fontweight="bold")
                if notes and name in notes:
                    text(left + strip_width + 16, y + height / 2, notes[name][pair], fontsize=8.5, linespacing=1.4)
            if pairs > 1:
                middle = top + pair * (len(films) * pitch + block) + (len(films) * pitch - 14) / 2
                text(26, middle, f"pair {pair + 1}", fontsize=8.5, color=FAINT, rotation=90, ha="center")
        return _finished(figure, None, None)


def profiles(ri: Mapping[str, Tensor], steps: Mapping[str, Tensor], *, title: str | None = None) -> Figure:
    """The realism index along every kind of curve, and the distance of consecutive decoded points (paper, Figure 5).

    Of several pairs: the median, in a band that holds the middle half of them.

    Args:
        ri: by name, the index at every point, ``(K+1,)`` or ``(B, K+1)``, in [0, 1].
        steps: by name, the length of every decoded step, ``(K,)`` or ``(B, K)``, in units of the data space.
        title: of the figure.

    Raises:
        InputError: other shapes.
    """
    values, lengths = _same_batch(ri, 2, "ri (K+1,) or (B, K+1)"), _same_batch(steps, 2, "steps (K,) or (B, K)")
    pairs = len(next(iter(values.values())))
    with house_style():
        figure = Figure(figsize=(9.2, 3.9), layout="constrained")
        left, right = figure.subplots(1, 2)
        for name in values:
            _banded(left, name, torch.linspace(0, 1, values[name].shape[1]), values[name])
        for name in lengths:
            count = lengths[name].shape[1]
            _banded(right, name, (torch.arange(count) + 0.5) / count, lengths[name])
        left.set(title="How realistic the points are", ylabel="realism index ri", ylim=(0, 1))
        right.set(title="How far apart neighbours look", ylabel="data-space step |G(x$_{i+1}$) − G(x$_i$)|")
        right.set_ylim(bottom=0)
        for axes in (left, right):
            axes.set(xlabel="position on the curve, i / K", xlim=(0, 1))
        note = f"Line: median of {pairs} pairs. Band: the middle half of them." if pairs > 1 else None
        return _finished(figure, title, note, legend_keys({**values, **lengths}))


def _banded(axes: Axes, name: str, x: Tensor, y: Tensor) -> None:
    if len(y) > 1:
        low, high = torch.quantile(y.double(), torch.tensor([0.25, 0.75], dtype=torch.double), dim=0)
        axes.fill_between(x.numpy(), low.numpy(), high.numpy(), color=colour(name), alpha=0.15, linewidth=0)
    axes.plot(x.numpy(), y.quantile(0.5, dim=0).numpy(), **stroke(name))


def plane_coordinates(latents: Tensor, tolerance: float = 1e-4) -> Tensor:
    """Equation 4: the least-squares coordinates ``(..., K+1, 2)`` of every ``x_i`` in the basis ``(x_0, x_K)``.

    The ends are (1, 0) and (0, 1), the straight line the segment between them. Endpoints that are parallel (the
    smaller singular value of the basis below ``tolerance`` times the larger) span a line, not a plane: of all
    coordinates the least-norm ones are given, which lie on one line through 0.

    Args:
        latents: ``(..., K+1, D)``.
        tolerance: see above.

    Raises:
        InputError: another shape.

    Example:
        >>> plane_coordinates(torch.tensor([[3.0, 0.0, 0.0], [3.0, 1.0, 5.0], [0.0, 2.0, 0.0]])).tolist()
        [[1.0, 0.0], [1.0, 0.5], [0.0, 1.0]]
    """
    if latents.ndim < 2 or latents.shape[-2] < 2:
        raise InputError(f"latents must be (..., K+1, D), got {tuple(latents.shape)}")
    points = latents.detach().double()
    basis = points[..., [0, -1], :].mT
    coordinates: Tensor = points @ torch.linalg.pinv(basis, rtol=tolerance).mT
    return coordinates


def plane(curves: Mapping[str, Tensor], *, title: str | None = None) -> Figure:
    """The plane projection of equation 4 (paper, Figure 6), a panel for each pair of endpoints.

    Args:
        curves: by name, latents ``(K+1, D)`` of one pair or ``(P, K+1, D)`` of several, between the same endpoints.
        title: of the figure.

    Raises:
        InputError: other shapes.
    """
    found = _same_batch(curves, 3, "latents (K+1, D) or (P, K+1, D)")
    flat = {name: plane_coordinates(value) for name, value in found.items()}
    pairs = len(next(iter(flat.values())))
    with house_style():
        across = min(pairs, 3)
        down = -(-pairs // across)
        spread = torch.cat([value.flatten(0, 1) for value in flat.values()])
        wide, high = (spread.amax(0) - spread.amin(0)).clamp_min(1e-9).tolist()
        panel = 2.9 * min(max(high / wide, 0.5), 1.6)
        figure = Figure(figsize=(max(0.8 + 2.9 * across, 5.8), 0.9 + (panel + 0.5) * down), layout="constrained")
        panels = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
        for pair, axes in enumerate(panels[:pairs]):
            draw_plane(axes, {name: value[pair] for name, value in flat.items()})
            axes.set_aspect("equal", adjustable="box")
            axes.margins(0.18, 0.12)
            axes.locator_params(nbins=5)
            axes.set_title(f"pair {pair + 1}" if pairs > 1 else "")
            axes.set_xlabel("coordinate along the start, x$_0$")
        for axes in panels[pairs:]:
            axes.set_visible(False)
        for axes in panels[::across]:
            axes.set_ylabel("coordinate along the end, x$_K$")
        note = "Least-squares coordinates in the basis (start, end), equation 4; what leaves this plane is not seen."
        return _finished(figure, title, note, legend_keys(flat))


def draw_plane(
    axes: Axes, curves: Mapping[str, Tensor], *, fontsize: float = 8.5, labels: tuple[str, str] = ("start", "end")
) -> None:
    """Curves of two coordinates ``(K+1, 2)``, by name, with the ends of the first one marked and named."""
    for name, value in curves.items():
        axes.plot(*value.T.numpy(), **stroke(name), zorder=3)
    ends = next(iter(curves.values()))
    mark_ends(axes, ends[:1], ends[-1:])
    for end, label in zip((ends[0], ends[-1]), labels, strict=True):
        how: dict[str, Any] = {"textcoords": "offset points", "path_effects": _HALO, "zorder": 6}
        axes.annotate(label, (float(end[0]), float(end[1])), xytext=(7, 5), fontsize=fontsize, **how)


def mark_ends(axes: Axes, start: Tensor, end: Tensor, faint: bool = False) -> None:
    """A disc at starts ``(N, 2)``, a square at ends ``(N, 2)``."""
    size, tone, depth = (3.5, FAINT, 4.5) if faint else (6.5, INK, 5)
    how: dict[str, Any] = {"linestyle": "none", "markeredgecolor": "white", "markeredgewidth": 0.7, "zorder": depth}
    axes.plot(*start.T.numpy(), marker="o", markersize=size, color=tone, **how)
    axes.plot(*end.T.numpy(), marker="s", markersize=size - 0.5, color=tone, **how)


def _number(axes: Axes, number: int, at: Tensor, up: int) -> None:
    axes.annotate(
        str(number),
        (float(at[0]), float(at[1])),
        xytext=(0, 7 * up),
        textcoords="offset points",
        ha="center",
        va="bottom" if up > 0 else "top",
        fontsize=9,
        fontweight="bold",
        path_effects=_HALO,
        zorder=6,
    )


_MASSES = (0.99, 0.9, 0.75, 0.5, 0.25)


def prior_map(
    samples: Tensor,
    curves: Mapping[str, Tensor],
    *,
    strong: int | None = None,
    coordinates: tuple[int, int] = (0, 1),
    title: str | None = None,
) -> Figure:
    """Two latent coordinates of curves over the prior's density there (paper, Figures 1 and 6).

    The density is a kernel estimate from samples; its shades are the smallest regions that hold 25, 50, 75, 90 and
    99 % of the prior.

    Args:
        samples: of the prior, ``(N, D)``; some 10,000 make a smooth picture.
        curves: by name, latents ``(K+1, D)`` of one pair or ``(B, K+1, D)`` of several.
        strong: draw the first so many pairs strong, with a number, and the others faint; None: all strong, no numbers.
        coordinates: which two of the D to show, from 0.
        title: of the figure.

    Raises:
        InputError: other shapes, or too few samples.
    """
    found = _same_batch(curves, 3, "latents (K+1, D) or (B, K+1, D)")
    if samples.ndim != 2 or len(samples) < 100 or samples.shape[1] <= max(coordinates):
        raise InputError(f"samples must be (N, D) with N >= 100 and D > {max(coordinates)}, got {tuple(samples.shape)}")
    pick = list(coordinates)
    flat = {name: value[..., pick].double() for name, value in found.items()}
    cloud = samples.detach().cpu()[:, pick].double()
    x, y, density, levels = _density(cloud, torch.cat([value.flatten(0, 1) for value in flat.values()]))
    extent = (float(y[-1] - y[0]) / float(x[-1] - x[0])) if x[-1] > x[0] else 1.0
    with house_style():
        figure = Figure(figsize=(7.0, min(max(6.0 * extent + 1.3, 4.2), 9.0)), layout="constrained")
        axes = figure.subplots()
        axes.contourf(x, y, density.T, levels=[*levels, density.max() * 1.01], cmap=_DENSITY)
        axes.contour(x, y, density.T, levels=levels, colors="white", linewidths=0.7)
        pairs = len(next(iter(flat.values())))
        bold = pairs if strong is None else min(strong, pairs)
        for pair in reversed(range(pairs)):
            faint = pair >= bold
            for name, value in flat.items():
                how: dict[str, Any] = (
                    {"linewidth": 0.9, "alpha": 0.35, "zorder": 3} if faint else {"linewidth": 2.0, "zorder": 4}
                )
                axes.plot(*value[pair].T.numpy(), **stroke(name), **how)
            ends = next(iter(flat.values()))[pair]
            mark_ends(axes, ends[:1], ends[-1:], faint)
            if strong is not None and not faint:
                for end, up in ((ends[0], 1), (ends[-1], -1)):
                    _number(axes, pair + 1, end, up)
        axes.set_aspect("equal", adjustable="box")
        axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
        axes.set(xlabel=f"latent coordinate {pick[0] + 1}", ylabel=f"latent coordinate {pick[1] + 1}")
        axes.grid(visible=False)
        marks = [("start", "o"), ("end", "s")]
        keys = [Line2D([], [], color=INK, marker=m, linestyle="none", label=label) for label, m in marks]
        note = "Shades: the smallest regions that hold 25, 50, 75, 90 and 99 % of the prior."
        if bold < pairs:
            note = f"{note[:-1]}. Strong: the first {bold} of {pairs} pairs."
        return _finished(figure, title, note, [*legend_keys(flat), *keys])


def _density(cloud: Tensor, curves: Tensor, cells: int = 220) -> tuple[Any, Any, Any, list[float]]:
    """Grid ``x, y``, density on it ``(cells, cells)``, and its levels, of a normal kernel on a histogram."""
    both = torch.cat([torch.quantile(cloud[:100_000], torch.tensor([0.001, 0.999]).to(cloud), dim=0), curves])
    low, high = both.amin(0), both.amax(0)
    margin = 0.09 * (high - low).clamp_min(1e-9)
    low, high = low - margin, high + margin
    edges = [np.linspace(float(a), float(b), cells + 1) for a, b in zip(low, high, strict=True)]
    x, y = ((edge[1:] + edge[:-1]) / 2 for edge in edges)
    counts, _, _ = np.histogram2d(cloud[:, 0].numpy(), cloud[:, 1].numpy(), bins=(edges[0], edges[1]))
    # three quarters of Scott's bandwidth, which is meant for one hump
    wide = 0.75 * cloud.std(0).clamp_min(1e-12).numpy() * len(cloud) ** (-1 / 6)
    wide = np.maximum(wide, [x[1] - x[0], y[1] - y[0]])
    kernels = [np.exp(-0.5 * ((g[:, None] - g[None]) / h) ** 2) for g, h in zip((x, y), wide, strict=True)]
    density = kernels[0] @ counts @ kernels[1].T
    # each level such that its region holds that share of the samples, whatever the kernel has smeared
    falling = np.argsort(density, axis=None)[::-1]
    held = np.cumsum(counts.ravel()[falling]) / len(cloud)
    last = [min(int(np.searchsorted(held, mass)), held.size - 1) for mass in _MASSES]
    levels = [float(density.ravel()[falling[i]]) for i in last]
    return x, y, density, sorted(set(levels))
