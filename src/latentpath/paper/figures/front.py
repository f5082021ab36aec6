"""The figure of the front: directness against every judge of frames, as alpha and mu of a recipe change.

A panel for each judge that had no part in the model, better always upward. The points of one alpha are joined in the
order of mu; straight line, slerp, the paper's path and the recommended one are marked, and the interval of the model's
own samples is a band. Directness is the length in the data over that of the straight line, the mean over pairs.
Where points crowd, some have no number.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..._io import write_json
from ...viz.plots.style import FAINT, HALO, INK, house_style, save
from ..config import MODEL_TITLES
from ..judges.criteria import SETS
from ..recipe_jobs import Front
from ..results import METHODS, OWN, RECOMMENDED
from ..statistics import Estimate
from .canvas import SMALL, STYLE, Canvas, method_colour

_NO_FRAMES = (*SETS, "frechet", "smoothness")  # judges of sets of frames, and of the spacing of a curve
_WIDTH, _DPI, _COLUMNS = 7.0, 240, 3
_WIDE, _HIGH, _LEFT, _TOP = 1.72, 1.5, 0.52, 1.02
_ACROSS, _DOWN = _WIDE + 0.6, _HIGH + 0.66
_MARKERS = {"straight line": "o", "slerp": "s", "path": "D", RECOMMENDED: "*"}
_JOINS: tuple[Mapping[str, Any], ...] = ({"linestyle": "-"}, {"linestyle": (0, (4, 1.6))}, {"linestyle": ":"})
_OFFSETS = ((0, 5.5), (0, -5.5), (6, 4.5), (6, -4.5), (-6, 4.5), (-6, -4.5), (8, 0), (-8, 0))  # of a label, in points
_ROOM = (5.5, 4.4)  # the least distance of two labels, or of a label and a marker, across or down, in points
_SAMPLES = "#DCE3EC"  # the band of own samples


def judges_of_frames(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of a record that judge single frames and are independent of the model."""
    return [row for row in record["rows"] if row["independent"] and row["name"] not in _NO_FRAMES]


@dataclass(frozen=True)
class FrontResult:
    """The judged front of one model."""

    model: str  # its name
    points: Front  # alpha and mu by kind of curve, the recipe's own point as `RECOMMENDED`
    directness: Mapping[str, float]  # by kind of curve, points and methods, the mean over pairs
    record: Mapping[str, Any]  # of the judges on the same kinds
    own: Mapping[str, Any]  # by name of a judge, the estimate of own samples

    @property
    def judges(self) -> list[Mapping[str, Any]]:
        """The rows of the record that have a panel."""
        return judges_of_frames(self.record)


def draw_front(front: FrontResult, folder: str | os.PathLike[str]) -> list[Path]:
    """Writes ``front-MODEL.png``, ``.svg`` and ``.json``, each whole or not at all."""
    target = Path(folder)
    files = [target / f"front-{front.model}{suffix}" for suffix in (".png", ".svg", ".json")]
    with house_style(STYLE):
        figure = front_figure(front)
        target.mkdir(parents=True, exist_ok=True)
        for file in files[:-1]:
            save(figure, file)
    content = {
        "model": front.model,
        "caption": front_caption(front),
        "points": {name: {"alpha": alpha, "mu": mu} for name, (alpha, mu) in front.points.items()},
        "directness": dict(front.directness),
        "judges": [
            {
                **{key: row[key] for key in ("name", "title", "unit", "higher_is_better")},
                "estimates": {kind: row["estimates"][kind] for kind in front.directness},
                OWN: front.own.get(row["name"]),
            }
            for row in front.judges
        ],
    }
    write_json(files[-1], content, indent=None)
    return files


def front_caption(front: FrontResult) -> str:
    """Describes the figure in a few sentences."""
    alpha, mu = front.points[RECOMMENDED]
    return (
        f"Directness (length in the data over the straight line's, mean over {front.record['pairs']} pairs) against "
        "every independent judge of frames, better upward: the recommended recipe at other alphas (joined) and mus "
        f"(the numbers), with the recommended point (alpha {alpha:g}, mu {mu:g}), the paper's path, line and slerp. "
        "The band is the interval of the model's own samples. Curves that are up and to the left are better."
    )


def front_figure(front: FrontResult) -> Figure:
    """Lays out the panels; call it within the house style."""
    rows = -(-len(front.judges) // _COLUMNS)
    title = f"From direct to realistic: {MODEL_TITLES.get(front.model, front.model)}"
    canvas = Canvas(_WIDTH, _TOP + rows * _DOWN - 0.06, _DPI, title)
    _legend(canvas, front)
    for k, row in enumerate(front.judges):
        down, across = divmod(k, _COLUMNS)
        left, top = _LEFT + across * _ACROSS, _TOP + down * _DOWN
        axes = canvas.axes(left, top, _WIDE, _HIGH)
        _panel(axes, front, row)
        arrow = "↑" if row["higher_is_better"] else "↓"
        canvas.text(left, top - 0.12, f"{row['title']} {arrow}", fontsize=6.8, fontweight="bold")
        if k + _COLUMNS >= len(front.judges):
            axes.set_xlabel("directness")
    return canvas.figure


def _alphas(front: FrontResult) -> list[float]:
    """The alphas of more than one point, whose points are joined."""
    every = [alpha for alpha, _ in front.points.values()]
    return sorted({alpha for alpha in every if every.count(alpha) > 1})


def _legend(canvas: Canvas, front: FrontResult) -> None:
    keys: list[Any] = [
        Line2D([], [], linestyle="", label=METHODS[kind], **_marker(kind)) for kind in METHODS if kind in _MARKERS
    ]
    joined = zip(_alphas(front), _joins(front), strict=True)
    canvas.keys(keys, 0.08, 0.42)
    keys = [Line2D([], [], color=FAINT, marker=".", label=f"alpha {alpha:g}, by mu", **how) for alpha, how in joined]
    keys.append(Patch(color=_SAMPLES, label=OWN))
    canvas.keys(keys, 0.08, 0.62)


def _joins(front: FrontResult) -> list[Mapping[str, Any]]:
    return [_JOINS[k % len(_JOINS)] for k in range(len(_alphas(front)))]


def _marker(kind: str) -> dict[str, Any]:
    size = 9.5 if kind == RECOMMENDED else 5.5
    return {"marker": _MARKERS[kind], "color": method_colour(kind), "markersize": size, "markeredgecolor": "white"}


def _panel(axes: Axes, front: FrontResult, row: Mapping[str, Any]) -> None:
    """Draws one judge: its numbers over directness, better upward."""
    value = {kind: Estimate.from_dict(row["estimates"][kind]).mean for kind in front.directness}
    if row["name"] in front.own:
        own = Estimate.from_dict(front.own[row["name"]])
        low, high = (own.low, own.high) if own.decisive else (own.mean, own.mean)
        axes.axhspan(low, high, color=_SAMPLES, linewidth=0, zorder=0)
        axes.axhline(own.mean, color="#B3BFCE", linewidth=0.8, zorder=1)
    for alpha, how in zip(_alphas(front), _joins(front), strict=True):
        points = sorted((mu, kind) for kind, (a, mu) in front.points.items() if a == alpha)
        places = [(front.directness[kind], value[kind]) for _, kind in points]
        axes.plot(*zip(*places, strict=True), color=FAINT, linewidth=1, marker=".", markersize=4, zorder=2, **how)
    for kind in _MARKERS:
        if kind in value:
            axes.plot(front.directness[kind], value[kind], zorder=4, linestyle="", **_marker(kind))
    axes.axvline(1, color="#B7BFC9", linewidth=0.7, linestyle=":", zorder=1)
    axes.margins(0.12, 0.14)
    axes.locator_params(nbins=5)
    axes.tick_params(labelsize=SMALL - 0.5)
    if not row["higher_is_better"]:
        axes.invert_yaxis()
    _label_mus(axes, front, value)


def _label_mus(axes: Axes, front: FrontResult, value: Mapping[str, float]) -> None:
    """Writes mu beside every point where there is room between markers and other labels."""
    scale = 72 / _DPI  # points to a pixel
    spots = {kind: axes.transData.transform((front.directness[kind], value[kind])) * scale for kind in value}
    taken = [(float(x), float(y)) for x, y in spots.values()]
    for kind, (_, mu) in front.points.items():
        if kind == RECOMMENDED:
            continue
        x, y = (float(at) for at in spots[kind])
        for across, up in _OFFSETS:
            if all(abs(x + across - a) > _ROOM[0] or abs(y + up - b) > _ROOM[1] for a, b in taken):
                where: Any = (front.directness[kind], value[kind])
                how: dict[str, Any] = {"textcoords": "offset points", "fontsize": 5.5, "color": INK, "zorder": 5}
                note = axes.annotate(f"{mu:g}", where, (across, up), ha="center", va="center", **how)
                note.set_path_effects(HALO)
                taken.append((x + across, y + up))
                break
