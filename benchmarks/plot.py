"""The picture for the README: the excess of every method over the best known energy, by evaluations."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .report import CLOSED
from .store import Record
from .summary import WITHIN, mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FLOOR, _CEILING, _COLUMNS, _LONG = 1e-3, 300.0, 3, 1.4
_STYLES = {
    "latentpath": ("#0b5fa5", 2.6, "-"),
    "latentpath, restarts": ("#0b5fa5", 2.0, (0, (4, 1.6))),
    "SciPy L-BFGS-B": ("#2f8f5b", 1.5, "-"),
    "torch L-BFGS": ("#7aa63a", 1.5, "-"),
    "Adam": ("#d1730f", 1.5, "-"),
    "gradient descent": ("#8c8c8c", 1.5, "-"),
}
_LOOK: dict[Any, Any] = {
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.edgecolor": "#555555",
    "axes.labelcolor": "#222222",
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "svg.hashsalt": "latentpath",
}


def source_of(report: Path) -> str:
    """Returns the name and hash of the report, which its picture carries."""
    return f"{report.name} sha256:{hashlib.sha256(report.read_bytes()).hexdigest()}"


def convergence(results: Record, paths: list[Path], source: str = "") -> None:
    """Draws a panel for each group of problems, in the format of the ending of each of ``paths``.

    ``source`` stands in the files' metadata, so that a test can tell whether a picture shows the report beside it.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    shown = [one for one in results["convergence"] if one["shown"]]
    groups = list(dict.fromkeys(one["group"] for one in shown))
    with plt.rc_context(_LOOK):
        columns, rows = min(len(groups), _COLUMNS), -(-len(groups) // _COLUMNS)
        size = (3.7 * columns + 0.6, 3.3 * rows + 1.0)
        figure, axes = plt.subplots(rows, columns, figsize=size, sharey=True, squeeze=False)
        axes[0, 0].set_ylim(0.8 * _FLOOR, _top(shown))
        for ax in axes.flat[len(groups) :]:
            ax.set_axis_off()
        for ax, group in zip(axes.flat, groups, strict=False):
            _panel(ax, group, [one for one in shown if one["group"] == group], results["about"]["limit"])
        for row in axes:
            row[0].set_ylabel("energy above the best known")
        axis = "evaluations per path (one forward and one backward pass over all its points); dots: the mean at the end"
        figure.supxlabel(axis, fontsize=10.5)
        handles = {line.get_label(): line for ax in axes.flat for line in ax.get_lines() if line.get_label() in _STYLES}
        labels = [label for label in _STYLES if label in handles]
        figure.legend(
            [handles[label] for label in labels],
            labels,
            loc="upper center",
            ncol=len(labels),
            frameon=False,
            fontsize=10,
        )
        figure.tight_layout(rect=(0, -0.015, 1, 1 - 0.3 / size[1]))
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            undated = {"Date": None} if path.suffix == ".svg" else {}
            figure.savefig(path, dpi=160, metadata={**undated, "Source": source})
        plt.close(figure)


def ended(mine: list[Record]) -> float:
    """The evaluations that a method needed in a group of problems: the number in the tables, where its dot is."""
    return float(mean(one["evaluations"] for one in mine))


def _panel(ax: Axes, group: str, ones: list[Record], limit: int) -> None:
    ax.axhline(WITHIN, color="#bbbbbb", lw=0.8, ls=":", zorder=0)
    ax.grid(True, which="major", color="#ececec", lw=0.8, zorder=-1)
    for label, (colour, width, dash) in reversed(_STYLES.items()):
        mine = [one for one in ones if one["label"] == label]
        if mine:
            at, height = _curve(mine, limit)
            front = 3 if label.startswith("latentpath") else 2
            ax.plot(at, height, color=colour, lw=width, ls=dash, label=label, zorder=front, solid_capstyle="round")
            end = ended(mine)
            if end < 0.9 * limit:
                held = height[bisect_right(at, end) - 1]
                ax.plot([end], [held], "o", color=colour, ms=6, zorder=4)
    ax.set(xscale="log", yscale="log", xlim=(1, 1.08 * limit))
    number = len({one["problem"] for one in ones})
    title = f"{number} problems with known answers" if group == CLOSED else _title(group, ones[0]["pairs"])
    ax.set_title(title, loc="left")
    ticks = [10.0**k for k in range(-3, 3) if 10.0**k < ax.get_ylim()[1]]
    ax.set_yticks(ticks, [f"{100 * tick:,g} %" if tick > _FLOOR else f"≤ {100 * tick:g} %" for tick in ticks])
    at = [n for n in (1, 10, 100, 1000) if n <= limit]
    ax.set_xticks(at, [f"{n:,}" for n in at])


def _title(group: str, pairs: int) -> str:
    return f"random network, {pairs} pairs" if group == "mlp" else f"{group}, {pairs} pairs"


def _curve(mine: list[Record], limit: int) -> tuple[list[float], list[float]]:
    """The mean over the problems of the relative excess of their energy over the best known."""
    end = min(float(limit), max(one["trace"]["evaluations"][-1] for one in mine))
    at = sorted({min(max(x, 1.0), end) for one in mine for x in one["trace"]["evaluations"]})
    points: list[tuple[float, float]] = []
    for x in at:
        height = min(max(mean(_excess(one, x) for one in mine), _FLOOR), _CEILING)
        if points and x > _LONG * points[-1][0]:  # no new point until here
            points.append((x, points[-1][1]))
        points.append((x, height))
    return [x for x, _ in points], [height for _, height in points]


def _excess(one: Record, evaluations: float) -> float:
    trace = one["trace"]
    held = [e for x, e in zip(trace["evaluations"], trace["energy"], strict=True) if x <= evaluations + 1e-9]
    return float("inf") if held[-1] is None else held[-1] / one["best"] - 1


def _top(ones: list[Record]) -> float:
    return min(_CEILING, 1.6 * max(0.1, *(_excess(one, 1.0) for one in ones)))
