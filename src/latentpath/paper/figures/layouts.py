"""The layouts of the figures: strips, strips with projections, steps and index, projections, samples of the prior.

Every layout takes a title and the `Selection` of every model, and returns a `matplotlib.figure.Figure`, about 7 inches
wide: the width of a page.
"""

from collections.abc import Callable, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ...viz.plots.plane import draw_plane
from ...viz.plots.style import FAINT, colour
from .canvas import SMALL, Canvas, bars, curves, limits, over_samples
from .selection import DRAWN_KINDS, Selection
from .strips import LABEL, PIXELS, Strips, cost_and_length, pair_label

Layout = Callable[[str, Sequence[Selection]], Figure]  # title and selected pairs of every model to a figure

_WIDTH, _HEAD, _DPI = 7.0, 0.34, 240
_NOTE = 0.82
_PANEL, _ROOM = 1.72, 0.26
_PLANE_LABELS = ("along the start, $x_0$", "along the end, $x_K$")
_PRIOR_LABELS = ("latent coordinate 1", "latent coordinate 2")


def strips(title: str, chosen: Sequence[Selection]) -> Figure:
    """Strips of several pairs, straight line above path, with cost and length on the right."""
    strip = Strips(chosen[0], _WIDTH - LABEL - _NOTE)
    top = _HEAD + 0.2
    canvas = Canvas(_WIDTH, top + strip.height(strip.dpi) + 0.08, strip.dpi, title)
    _full_width(canvas, strip, top)
    return canvas.figure


def _full_width(canvas: Canvas, strip: Strips, top: float) -> None:
    strip.label(canvas, top)
    strip.numbers(canvas, LABEL, top - 0.1)
    strip.place(canvas, LABEL, top)
    strip.notes(canvas, LABEL + strip.width + 0.08, top)


def strips_above_plane(title: str, chosen: Sequence[Selection]) -> Figure:
    """(a) the strips of several pairs, (b) below them the projections of the same pairs, in the same order."""
    strip = Strips(chosen[0], _WIDTH - LABEL - _NOTE)
    top = _HEAD + 0.42
    below = top + strip.height(strip.dpi) + 0.22
    canvas = Canvas(_WIDTH, below + 0.26 + _PANEL + 0.42, strip.dpi, title, DRAWN_KINDS)
    canvas.text(0.08, top - 0.32, "(a) frames", fontweight="bold")
    _full_width(canvas, strip, top)
    canvas.text(0.08, below, "(b) the plane of start and end (equation 4)", fontweight="bold")
    _panels(canvas, chosen[0], below + 0.26, _PANEL, chosen[0].plane(), _PLANE_LABELS)
    return canvas.figure


def columns(title: str, chosen: Sequence[Selection]) -> Figure:
    """Strips of several pairs, cost and length above each, a column for each model, with its prior as the heading."""
    gap = 0.16
    width = (_WIDTH - LABEL - 0.08 - gap * (len(chosen) - 1)) / len(chosen)
    columns_of_strips = [Strips(one, width, 2 * PIXELS // 3, head=0.15) for one in chosen]
    dpi = max(strip.dpi for strip in columns_of_strips)
    top = _HEAD + 0.38
    canvas = Canvas(_WIDTH, top + max(strip.height(dpi) for strip in columns_of_strips) + 0.08, dpi, title)
    max(columns_of_strips, key=lambda strip: len(strip.chosen.pairs)).label(canvas, top)
    for k, strip in enumerate(columns_of_strips):
        left = LABEL + k * (width + gap)
        name = strip.chosen.result.model.card.get("prior") or {}
        heading = f"{name['name']} prior" if "name" in name else strip.chosen.result.name
        canvas.text(left, top - 0.27, heading, fontweight="bold")
        strip.numbers(canvas, left, top - 0.1)
        strip.place(canvas, left, top)
        strip.notes_above(canvas, left, top)
    return canvas.figure


def strip_beside_plane(title: str, chosen: Sequence[Selection]) -> Figure:
    """For each pair: on the left the strip of the straight line above that of the path, on the right the projection."""
    (one,) = chosen
    strip = Strips(one, 4.75)
    left, side, label = 0.1, 1.5, 0.23
    row = strip.row(strip.dpi)
    needed = 0.36 + len(DRAWN_KINDS) * (row + label)
    block = max(needed, side + 0.4) + 0.08
    canvas = Canvas(_WIDTH, _HEAD + len(one.pairs) * block + 0.04, strip.dpi, title, DRAWN_KINDS)
    plane = one.plane()
    box = limits(_stacked(plane), side, side, room=_ROOM)
    for k, pair in enumerate(one.pairs):
        top = _HEAD + 0.02 + k * block
        y = top + max(side - needed, 0) / 2
        canvas.text(left, y + 0.1, "point of curve", fontsize=SMALL, color=FAINT)
        strip.numbers(canvas, left, y + 0.27)
        y += 0.33
        for kind in DRAWN_KINDS:
            y += label
            words = f"{kind}: {cost_and_length(one, kind, pair, ', ')}"
            canvas.text(left, y - 0.085, words, fontsize=7.5, color=colour(kind), fontweight="bold")
            canvas.strip(strip.frames[kind][k], left, y, strip.zoom)
            y += row
        axes = canvas.axes(_WIDTH - side - 0.1, top, side, side)
        draw_plane(axes, {kind: value[k] for kind, value in plane.items()}, fontsize=SMALL)
        _label_axes(axes, box, _PLANE_LABELS)
    return canvas.figure


def profiles(title: str, chosen: Sequence[Selection]) -> Figure:
    """For each pair: the steps of the straight line above those of the path, and on the right the index along both."""
    (one,) = chosen
    steps, ri = one.rows(one.result.steps), one.rows(one.result.ri)
    count, height, gap, between = len(one.pairs), 0.72, 0.09, 0.26
    block = 2 * height + gap
    top, left, wide = _HEAD + 0.32, 0.74, 3.1
    right, narrow = left + wide + 0.62, _WIDTH - left - wide - 0.62 - 0.12
    canvas = Canvas(_WIDTH, top + count * (block + between) - between + 0.42, _DPI, title, DRAWN_KINDS)
    low, high = one.result.model.value_range
    canvas.text(left, top - 0.13, "$L_2$ distance of consecutive images")
    canvas.text(
        left + wide,
        top - 0.13,
        f"pixel values {low:g} to {high:g}".replace("-", "−"),
        ha="right",
        fontsize=SMALL,
        color=FAINT,
    )
    canvas.text(right, top - 0.13, "realism index $ri$ along the curve")
    for k, pair in enumerate(one.pairs):
        y = top + k * (block + between)
        pair_label(canvas, pair, y + block / 2)
        finite = torch.cat([values[k][values[k].isfinite()] for values in steps.values()])
        highest = float(finite.amax()) if len(finite) and float(finite.amax()) > 0 else 1.0
        for row, kind in enumerate(DRAWN_KINDS):
            axes = canvas.axes(left, y + row * (height + gap), wide, height)
            bars(axes, kind, steps[kind][k], highest, cost_and_length(one, kind, pair, ", "))
            axes.tick_params(labelbottom=row == len(DRAWN_KINDS) - 1)
        canvas.text(0.4, y + block / 2, "$|G(x_{i+1}) - G(x_i)|$", rotation=90, ha="center", fontsize=7.5)
        beside = canvas.axes(right, y, narrow, block)
        curves(beside, {kind: values[k] for kind, values in ri.items()})
        beside.set_ylabel("$ri(x_i)$")
        if k == count - 1:
            axes.set_xlabel("point $i$ of the curve")
            beside.set_xlabel("point $i$ of the curve")
    return canvas.figure


def _columns(count: int) -> tuple[list[float], float]:
    pitch = (_WIDTH - 0.1) / max(count, 3)
    return [0.55 + k * pitch for k in range(count)], pitch - 0.55


def _stacked(plane: dict[str, Tensor]) -> Tensor:
    return torch.cat([value.flatten(0, 1) for value in plane.values()])


def _label_axes(axes: Axes, box: dict[str, tuple[float, float]], labels: tuple[str, str]) -> None:
    axes.set(**box, xlabel=labels[0], ylabel=labels[1])
    axes.locator_params(nbins=5)


def _panels(
    canvas: Canvas,
    one: Selection,
    top: float,
    height: float,
    curves: dict[str, Tensor],
    labels: tuple[str, str],
    samples: Tensor | None = None,
) -> None:
    """Draws a row of panels, one for each pair: its curves ``(P, K+1, 2)``, over samples of the prior if given."""
    lefts, wide = _columns(len(one.pairs))
    points = _stacked(curves) if samples is None else torch.cat([samples, _stacked(curves)])
    box = limits(points, wide, height, **({"room": _ROOM} if samples is None else {"margin": 0.03}))
    for k, (pair, left) in enumerate(zip(one.pairs, lefts, strict=True)):
        axes = canvas.axes(left, top, wide, height)
        pair_curves = {kind: value[k] for kind, value in curves.items()}
        if samples is None:
            draw_plane(axes, pair_curves, fontsize=SMALL)
        else:
            over_samples(axes, samples, pair_curves)
        _label_axes(axes, box, (labels[0], labels[1] if k == 0 else ""))
        axes.set_title(f"pair {pair + 1}", color=FAINT)


def plane_and_prior(title: str, chosen: Sequence[Selection]) -> Figure:
    """(a) the projections of several pairs, (b) their first two coordinates over samples of the prior."""
    (one,) = chosen
    high = 2.5
    top = _HEAD + 0.4
    below = top + _PANEL + 0.62
    canvas = Canvas(_WIDTH, below + 0.26 + high + 0.42, _DPI, title, DRAWN_KINDS)
    canvas.text(0.08, top - 0.28, "(a) the plane of start and end (equation 4)", fontweight="bold")
    _panels(canvas, one, top, _PANEL, one.plane(), _PLANE_LABELS)
    canvas.text(0.08, below, "(b) the first two latent coordinates, over samples of the prior", fontweight="bold")
    _panels(canvas, one, below + 0.26, high, one.first_two(), _PRIOR_LABELS, one.samples())
    return canvas.figure


def prior(title: str, chosen: Sequence[Selection]) -> Figure:
    """The first two coordinates of all pairs over samples of the prior."""
    (one,) = chosen
    wide, high, left = 4.1, 4.6, 0.62
    canvas = Canvas(left + wide + 0.12, _HEAD + 0.26 + high + 0.42, _DPI, title)
    axes = canvas.axes(left, _HEAD + 0.26, wide, high)
    plane, samples = one.first_two(), one.samples()
    for row, pair in enumerate(one.pairs):
        curves = {kind: value[row] for kind, value in plane.items()}
        over_samples(axes, samples if row == 0 else None, curves, labels=(str(pair + 1), ""))
    _label_axes(axes, limits(torch.cat([samples, _stacked(plane)]), wide, high, margin=0.03), _PRIOR_LABELS)
    canvas.legend(DRAWN_KINDS, left, _HEAD + 0.1)
    return canvas.figure
