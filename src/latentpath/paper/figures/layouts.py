"""How the figures are laid out: strips, strips with projections, steps and index, projections, samples of the prior.

Every layout takes a title and the `Selection` of every model, and returns a `matplotlib.figure.Figure`, about 7 inches
wide: the width of a page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ...plots import FAINT, colour, draw_plane
from .canvas import SMALL, Sheet, bars, curves, limits, over_samples
from .selection import KINDS, Selection
from .strips import LABEL, PIXELS, Film, measured, pair_label

__all__ = [
    "Layout",
    "columns",
    "plane_and_prior",
    "prior",
    "profiles",
    "strip_beside_plane",
    "strips",
    "strips_above_plane",
]

Layout = Callable[[str, Sequence[Selection]], Figure]
"""Title and the chosen pairs of every model to a figure."""

_WIDTH, _HEAD, _DPI = 7.0, 0.34, 240
_NOTE = 0.82
_PANEL, _ROOM = 1.72, 0.26
_PLANE_LABELS = ("along the start, $x_0$", "along the end, $x_K$")
_PRIOR_LABELS = ("latent coordinate 1", "latent coordinate 2")


def strips(title: str, chosen: Sequence[Selection]) -> Figure:
    """Strips of several pairs, straight line above path, with cost and length on the right."""
    film = Film(chosen[0], _WIDTH - LABEL - _NOTE)
    top = _HEAD + 0.2
    sheet = Sheet(_WIDTH, top + film.height(film.dpi) + 0.08, film.dpi, title)
    _full_width(sheet, film, top)
    return sheet.figure


def _full_width(sheet: Sheet, film: Film, top: float) -> None:
    film.label(sheet, top)
    film.numbers(sheet, LABEL, top - 0.1)
    film.place(sheet, LABEL, top)
    film.notes(sheet, LABEL + film.width + 0.08, top)


def strips_above_plane(title: str, chosen: Sequence[Selection]) -> Figure:
    """(a) the strips of several pairs, (b) below them the projections of the same pairs, in the same order."""
    film = Film(chosen[0], _WIDTH - LABEL - _NOTE)
    top = _HEAD + 0.42
    below = top + film.height(film.dpi) + 0.22
    sheet = Sheet(_WIDTH, below + 0.26 + _PANEL + 0.42, film.dpi, title, KINDS)
    sheet.text(0.08, top - 0.32, "(a) frames", fontweight="bold")
    _full_width(sheet, film, top)
    sheet.text(0.08, below, "(b) the plane of start and end (equation 4)", fontweight="bold")
    _projections(sheet, chosen[0], below + 0.26)
    return sheet.figure


def columns(title: str, chosen: Sequence[Selection]) -> Figure:
    """Strips of several pairs, cost and length above each, a column for each model, with its prior as the heading."""
    gap = 0.16
    width = (_WIDTH - LABEL - 0.08 - gap * (len(chosen) - 1)) / len(chosen)
    films = [Film(one, width, 2 * PIXELS // 3, head=0.15) for one in chosen]
    dpi = max(film.dpi for film in films)
    top = _HEAD + 0.38
    sheet = Sheet(_WIDTH, top + max(film.height(dpi) for film in films) + 0.08, dpi, title)
    max(films, key=lambda film: len(film.chosen.pairs)).label(sheet, top)
    for k, film in enumerate(films):
        left = LABEL + k * (width + gap)
        name = film.chosen.solved.model.card.get("prior") or {}
        heading = f"{name['name']} prior" if "name" in name else film.chosen.solved.name
        sheet.text(left, top - 0.27, heading, fontweight="bold")
        film.numbers(sheet, left, top - 0.1)
        film.place(sheet, left, top)
        film.notes_above(sheet, left, top)
    return sheet.figure


def strip_beside_plane(title: str, chosen: Sequence[Selection]) -> Figure:
    """For each pair: on the left the strip of the straight line above that of the path, on the right the projection."""
    (one,) = chosen
    film = Film(one, 4.75)
    left, side, label = 0.1, 1.5, 0.23
    row = film.row(film.dpi)
    needed = 0.36 + len(KINDS) * (row + label)
    block = max(needed, side + 0.4) + 0.08
    sheet = Sheet(_WIDTH, _HEAD + len(one.pairs) * block + 0.04, film.dpi, title, KINDS)
    flat = one.plane()
    box = limits(_all(flat), side, side, room=_ROOM)
    for k, pair in enumerate(one.pairs):
        top = _HEAD + 0.02 + k * block
        y = top + max(side - needed, 0) / 2
        sheet.text(left, y + 0.1, "point of curve", fontsize=SMALL, color=FAINT)
        film.numbers(sheet, left, y + 0.27)
        y += 0.33
        for kind in KINDS:
            y += label
            words = f"{kind}: {measured(one, kind, pair, ', ')}"
            sheet.text(left, y - 0.085, words, fontsize=7.5, color=colour(kind), fontweight="bold")
            sheet.strip(film.frames[kind][k], left, y, film.zoom)
            y += row
        axes = sheet.axes(_WIDTH - side - 0.1, top, side, side)
        draw_plane(axes, {kind: value[k] for kind, value in flat.items()}, fontsize=SMALL)
        _finish(axes, box, _PLANE_LABELS)
    return sheet.figure


def profiles(title: str, chosen: Sequence[Selection]) -> Figure:
    """For each pair: the steps of the straight line above those of the path, and on the right the index along both."""
    (one,) = chosen
    steps, ri = one.of_kinds(one.solved.steps), one.of_kinds(one.solved.ri)
    count, height, gap, between = len(one.pairs), 0.72, 0.09, 0.26
    block = 2 * height + gap
    top, left, wide = _HEAD + 0.32, 0.74, 3.1
    right, narrow = left + wide + 0.62, _WIDTH - left - wide - 0.62 - 0.12
    sheet = Sheet(_WIDTH, top + count * (block + between) - between + 0.42, _DPI, title, KINDS)
    low, high = one.solved.model.value_range
    sheet.text(left, top - 0.13, "$L_2$ distance of consecutive images")
    sheet.text(
        left + wide,
        top - 0.13,
        f"pixel values {low:g} to {high:g}".replace("-", "−"),
        ha="right",
        fontsize=SMALL,
        color=FAINT,
    )
    sheet.text(right, top - 0.13, "realism index $ri$ along the curve")
    for k, pair in enumerate(one.pairs):
        y = top + k * (block + between)
        pair_label(sheet, pair, y + block / 2)
        finite = torch.cat([values[k][values[k].isfinite()] for values in steps.values()])
        highest = float(finite.amax()) if len(finite) and float(finite.amax()) > 0 else 1.0
        for row, kind in enumerate(KINDS):
            axes = sheet.axes(left, y + row * (height + gap), wide, height)
            bars(axes, kind, steps[kind][k], highest, measured(one, kind, pair, ", "))
            axes.tick_params(labelbottom=row == len(KINDS) - 1)
        sheet.text(0.4, y + block / 2, "$|G(x_{i+1}) - G(x_i)|$", rotation=90, ha="center", fontsize=7.5)
        beside = sheet.axes(right, y, narrow, block)
        curves(beside, {kind: values[k] for kind, values in ri.items()})
        beside.set_ylabel("$ri(x_i)$")
        if k == count - 1:
            axes.set_xlabel("point $i$ of the curve")
            beside.set_xlabel("point $i$ of the curve")
    return sheet.figure


def _columns(count: int) -> tuple[list[float], float]:
    """Where panels side by side begin, and how wide they are."""
    pitch = (_WIDTH - 0.1) / max(count, 3)
    return [0.55 + k * pitch for k in range(count)], pitch - 0.55


def _all(flat: dict[str, Tensor]) -> Tensor:
    return torch.cat([value.flatten(0, 1) for value in flat.values()])


def _finish(axes: Axes, box: dict[str, tuple[float, float]], labels: tuple[str, str]) -> None:
    axes.set(**box, xlabel=labels[0], ylabel=labels[1])
    axes.locator_params(nbins=5)


def _projections(sheet: Sheet, one: Selection, top: float) -> None:
    """A row of panels: the coordinates of equation 4."""
    flat = one.plane()
    lefts, wide = _columns(len(one.pairs))
    box = limits(_all(flat), wide, _PANEL, room=_ROOM)
    for k, (pair, left) in enumerate(zip(one.pairs, lefts, strict=True)):
        axes = sheet.axes(left, top, wide, _PANEL)
        draw_plane(axes, {kind: value[k] for kind, value in flat.items()}, fontsize=SMALL)
        _finish(axes, box, (_PLANE_LABELS[0], _PLANE_LABELS[1] if k == 0 else ""))
        axes.set_title(f"pair {pair + 1}", color=FAINT)


def plane_and_prior(title: str, chosen: Sequence[Selection]) -> Figure:
    """(a) the projections of several pairs, (b) their first two coordinates over samples of the prior."""
    (one,) = chosen
    high = 2.5
    top = _HEAD + 0.4
    below = top + _PANEL + 0.62
    sheet = Sheet(_WIDTH, below + 0.26 + high + 0.42, _DPI, title, KINDS)
    sheet.text(0.08, top - 0.28, "(a) the plane of start and end (equation 4)", fontweight="bold")
    _projections(sheet, one, top)
    sheet.text(0.08, below, "(b) the first two latent coordinates, over samples of the prior", fontweight="bold")
    flat, samples = one.first_two(), one.samples()
    lefts, wide = _columns(len(one.pairs))
    box = limits(torch.cat([samples, _all(flat)]), wide, high, margin=0.03)
    for k, (pair, left) in enumerate(zip(one.pairs, lefts, strict=True)):
        axes = sheet.axes(left, below + 0.26, wide, high)
        over_samples(axes, samples, {kind: value[k] for kind, value in flat.items()})
        _finish(axes, box, (_PRIOR_LABELS[0], _PRIOR_LABELS[1] if k == 0 else ""))
        axes.set_title(f"pair {pair + 1}", color=FAINT)
    return sheet.figure


def prior(title: str, chosen: Sequence[Selection]) -> Figure:
    """The first two coordinates of all pairs over samples of the prior."""
    (one,) = chosen
    wide, high, left = 4.1, 4.6, 0.62
    sheet = Sheet(left + wide + 0.12, _HEAD + 0.26 + high + 0.42, _DPI, title)
    axes = sheet.axes(left, _HEAD + 0.26, wide, high)
    flat, samples = one.first_two(), one.samples()
    for row, pair in enumerate(one.pairs):
        curves = {kind: value[row] for kind, value in flat.items()}
        over_samples(axes, samples if row == 0 else None, curves, labels=(str(pair + 1), ""))
    _finish(axes, limits(torch.cat([samples, _all(flat)]), wide, high, margin=0.03), _PRIOR_LABELS)
    sheet.legend(KINDS, left, _HEAD + 0.1)
    return sheet.figure
