"""The plane of equation 4: least-squares coordinates of curves in the basis of their endpoints."""

from collections.abc import Mapping
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ...errors import InputError
from .style import FAINT, HALO, INK, batch_of, finish, house_style, legend_keys, stroke


def plane_coordinates(latents: Tensor, tolerance: float = 1e-4) -> Tensor:
    """Returns the least-squares coordinates ``(..., K+1, 2)`` of every ``x_i`` in the basis ``(x_0, x_K)``, equation 4.

    The ends are (1, 0) and (0, 1), the straight line the segment between them. Endpoints that are parallel (the
    smaller singular value of the basis below ``tolerance`` times the larger) span a line: their coordinates are the
    least-norm ones, which lie on one line through 0.

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
    """Draws the plane projection of equation 4 (paper, Figure 6), a panel for each pair of endpoints.

    Args:
        curves: by name, latents ``(K+1, D)`` of one pair or ``(P, K+1, D)`` of several, between the same endpoints.
        title: of the figure.

    Raises:
        InputError: other shapes.
    """
    found = batch_of(curves, 3, "latents (K+1, D) or (P, K+1, D)")
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
        return finish(figure, title, note, legend_keys(flat))


def draw_plane(
    axes: Axes, curves: Mapping[str, Tensor], *, fontsize: float = 8.5, labels: tuple[str, str] = ("start", "end")
) -> None:
    """Draws curves of two coordinates ``(K+1, 2)``, by name, with the ends of the first one marked and named."""
    for name, value in curves.items():
        axes.plot(*value.T.numpy(), **stroke(name), zorder=3)
    ends = next(iter(curves.values()))
    mark_ends(axes, ends[:1], ends[-1:])
    for end, label in zip((ends[0], ends[-1]), labels, strict=True):
        how: dict[str, Any] = {"textcoords": "offset points", "path_effects": HALO, "zorder": 6}
        axes.annotate(label, (float(end[0]), float(end[1])), xytext=(7, 5), fontsize=fontsize, **how)


def mark_ends(axes: Axes, start: Tensor, end: Tensor, faint: bool = False) -> None:
    """Draws a disc at starts ``(N, 2)``, a square at ends ``(N, 2)``."""
    size, tone, depth = (3.5, FAINT, 4.5) if faint else (6.5, INK, 5)
    how: dict[str, Any] = {"linestyle": "none", "markeredgecolor": "white", "markeredgewidth": 0.7, "zorder": depth}
    axes.plot(*start.T.numpy(), marker="o", markersize=size, color=tone, **how)
    axes.plot(*end.T.numpy(), marker="s", markersize=size - 0.5, color=tone, **how)
