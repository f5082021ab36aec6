"""A comparison in words: the line that a run begins with, the table for a terminal, and what its columns are."""

from __future__ import annotations

from rich.text import Text

from .._tables import aligned
from .._words import counted
from ..report import LABELS, Report

CONFIDENCE = "confidence"  # the name of the judge of digits, a column of the table


def heading(name: str, pairs: int, segments: int, alpha: float, tol: float, seed: int) -> str:
    """The line that a run begins with."""
    return (
        f"{name}: {counted(pairs, 'pair')}, {counted(segments, 'segment')}, alpha {alpha:g}, tol {tol:g}, seed {seed}"
    )


def table(report: Report, seconds: dict[str, float]) -> Text:
    """The comparison, means over the pairs, for a terminal; ``seconds`` are those of each row."""
    judged = list(report.rows[0].judged)
    rows = [["", "cost", "mean ri", "lowest ri", "length", *judged, "evals", "seconds"]]
    for row in report.rows:
        means = row.means()
        rows.append(
            [
                LABELS.get(row.name, row.name),
                f"{means['cost']:.2f}",
                f"{means['mean ri']:.3f}",
                f"{means['lowest ri']:.2g}",
                f"{means['length']:.1f}",
                *(f"{means[name]:.3f}" for name in judged),
                f"{means['evaluations']:.1f}",
                f"{seconds[row.name]:.1f}",
            ]
        )
    head, *body = aligned(rows)
    bold = [row.name == "path" for row in report.rows]
    lines = [Text(line, style="bold" if path else "") for line, path in zip(body, bold, strict=True)]
    return Text("\n").join([Text(head, style="bold"), Text("─" * len(head)), *lines])


def legend(report: Report) -> str:
    """The meaning of the columns of the table."""
    pairs = len(report["path"].cost)
    judged = f"{CONFIDENCE}: of the classifier in the frames; " if CONFIDENCE in report["path"].judged else ""
    return (
        f"Means over {counted(pairs, 'pair')}. length: of the decoded curve; {judged}"
        "evals: forward and backward passes over a whole path."
    )
