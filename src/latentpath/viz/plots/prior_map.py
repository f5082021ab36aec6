"""The map over the prior: curves in two latent coordinates, over regions that hold given shares of the prior."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from ...errors import InputError
from .plane import mark_ends
from .style import HALO, INK, batch_of, finish, house_style, legend_keys, stroke

_DENSITY = LinearSegmentedColormap.from_list("density", ["#F1F4F8", "#9FB0C3"])
MASSES = (0.99, 0.9, 0.75, 0.5, 0.25)  # the shares of the prior in the regions


def prior_map(
    samples: Tensor,
    curves: Mapping[str, Tensor],
    *,
    strong: int | None = None,
    coordinates: tuple[int, int] = (0, 1),
    title: str | None = None,
) -> Figure:
    """Draws two latent coordinates of curves over the prior's density there (paper, Figures 1 and 6).

    The density is a kernel estimate from samples; its shades are the smallest regions that hold 25, 50, 75, 90 and
    99 % of the prior.

    Args:
        samples: of the prior, ``(N, D)``; some 10,000 make a smooth picture.
        curves: by name, latents ``(K+1, D)`` of one pair or ``(B, K+1, D)`` of several.
        strong: the number of pairs drawn strong and numbered, the others faint; None: all strong, no numbers.
        coordinates: which two of the D to show, from 0.
        title: of the figure.

    Raises:
        InputError: other shapes, or too few samples.
    """
    found = batch_of(curves, 3, "latents (K+1, D) or (B, K+1, D)")
    if samples.ndim != 2 or len(samples) < 100 or samples.shape[1] <= max(coordinates):
        raise InputError(f"samples must be (N, D) with N >= 100 and D > {max(coordinates)}, got {tuple(samples.shape)}")
    pick = list(coordinates)
    flat = {name: value[..., pick].double() for name, value in found.items()}
    cloud = samples.detach().cpu()[:, pick].double()
    x, y, density, levels = prior_density(cloud, torch.cat([value.flatten(0, 1) for value in flat.values()]))
    extent = (float(y[-1] - y[0]) / float(x[-1] - x[0])) if x[-1] > x[0] else 1.0
    with house_style():
        figure = Figure(figsize=(7.0, min(max(6.0 * extent + 1.3, 4.2), 9.0)), layout="constrained")
        axes = figure.subplots()
        axes.contourf(x, y, density.T, levels=[*levels, density.max() * 1.01], cmap=_DENSITY)
        axes.contour(x, y, density.T, levels=levels, colors="white", linewidths=0.7)
        pairs = len(next(iter(flat.values())))
        bold = pairs if strong is None else min(strong, pairs)
        for pair in reversed(range(pairs)):
            number = pair + 1 if strong is not None and pair < bold else None
            _draw_pair(axes, {name: value[pair] for name, value in flat.items()}, pair >= bold, number)
        axes.set_aspect("equal", adjustable="box")
        axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
        axes.set(xlabel=f"latent coordinate {pick[0] + 1}", ylabel=f"latent coordinate {pick[1] + 1}")
        axes.grid(visible=False)
        marks = [("start", "o"), ("end", "s")]
        keys = [Line2D([], [], color=INK, marker=m, linestyle="none", label=label) for label, m in marks]
        note = "Shades: the smallest regions that hold 25, 50, 75, 90 and 99 % of the prior."
        if bold < pairs:
            note = f"{note[:-1]}. Strong: the first {bold} of {pairs} pairs."
        return finish(figure, title, note, [*legend_keys(flat), *keys])


def _draw_pair(axes: Axes, curves: Mapping[str, Tensor], faint: bool, number: int | None) -> None:
    """Draws the curves ``(K+1, 2)`` of one pair, its ends marked, and numbered if there is a number."""
    how: dict[str, Any] = {"linewidth": 0.9, "alpha": 0.35, "zorder": 3} if faint else {"linewidth": 2.0, "zorder": 4}
    for name, value in curves.items():
        axes.plot(*value.T.numpy(), **stroke(name), **how)
    ends = next(iter(curves.values()))
    mark_ends(axes, ends[:1], ends[-1:], faint)
    if number is not None:
        for end, up in ((ends[0], 1), (ends[-1], -1)):
            _number(axes, number, end, up)


def _number(axes: Axes, number: int, at: Tensor, up: int) -> None:
    how: dict[str, Any] = {"ha": "center", "va": "bottom" if up > 0 else "top", "fontsize": 9, "fontweight": "bold"}
    place: dict[str, Any] = {"xytext": (0, 7 * up), "textcoords": "offset points", "path_effects": HALO, "zorder": 6}
    axes.annotate(str(number), (float(at[0]), float(at[1])), **how, **place)


def prior_density(cloud: Tensor, curves: Tensor, cells: int = 220) -> tuple[Any, Any, Any, list[float]]:
    """Returns a grid ``x, y``, the density ``(cells, cells)`` by a normal kernel on a histogram, and its levels."""
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
    last = [min(int(np.searchsorted(held, mass)), held.size - 1) for mass in MASSES]
    levels = [float(density.ravel()[falling[i]]) for i in last]
    return x, y, density, sorted(set(levels))
