"""A comparison in words: the table for a terminal, what its columns are, and the verdict."""

from __future__ import annotations

from rich import box
from rich.table import Table

from .._words import counted
from ..evaluate import LABELS, Report

__all__ = ["CONFIDENCE", "LABELS", "legend", "table"]

CONFIDENCE = "confidence"
"""The name of the judge of digits, a column of the table."""


def table(report: Report, seconds: dict[str, float]) -> Table:
    """The comparison, means over the pairs, for a terminal."""
    judged = list(report.rows[0].judged)
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False, show_edge=False)
    shown.add_column("", no_wrap=True)
    for heading in ("cost", "mean ri", "lowest ri", "length", *judged, "evals", "seconds"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for row in report.rows:
        means = row.means()
        shown.add_row(
            LABELS.get(row.name, row.name),
            f"{means['cost']:.2f}",
            f"{means['mean ri']:.3f}",
            f"{means['lowest ri']:.2g}",
            f"{means['length']:.1f}",
            *(f"{means[name]:.3f}" for name in judged),
            f"{means['evaluations']:.1f}",
            f"{seconds[row.name]:.1f}",
            style="bold" if row.name == "path" else "",
        )
    return shown


def legend(report: Report) -> str:
    """What the columns of the table are."""
    pairs = len(report["path"].cost)
    judged = f"{CONFIDENCE}: of the classifier in the frames; " if CONFIDENCE in report["path"].judged else ""
    return (
        f"Means over {counted(pairs, 'pair')}. length: of the decoded curve; {judged}"
        "evals: forward and backward passes over a whole path."
    )
