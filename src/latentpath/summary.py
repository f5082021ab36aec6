"""A comparison in words: the table for a terminal, what its columns are, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich import box
from rich.table import Table

from .counts import counted
from .evaluate import LABELS, Report

__all__ = ["CONFIDENCE", "LABELS", "legend", "listed", "table", "verdict"]

CONFIDENCE = "confidence"
"""The name of the judge of digits, a column of the table."""

_ENDED = {
    "budget spent": "stopped before converging",
    "non finite": "could not start from a finite energy",
    "unresolved": "unresolved, with cost that its points do not show",
}


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


def verdict(report: Report, tol: float, stopped: bool = False) -> str:
    """The result in words: how much cheaper, in how many pairs, what the audit found, how the solves ended."""
    line, path = report["lerp"], report["path"]
    pairs = len(path.cost)
    before, after = sum(line.cost) / pairs, sum(path.cost) / pairs
    cheaper = sum(a < b for a, b in zip(path.cost, line.cost, strict=True))
    tunnelling = sum(count > 0 for count in path.tunnels)
    saved = 1 - after / before if before > 0 else 0.0
    hidden = sum(path.tunnels)
    where = f", in {tunnelling} of {pairs} paths" if pairs > 1 else ""
    found = (
        f"found {counted(hidden, 'tunnelling segment')}{where} (the costs above include what they hide)"
        if tunnelling
        else "found no tunnelling"
    )
    ends = [f"{count} {_ENDED.get(name, name)}" for name, count in report.outcomes.items()]
    ended = f"Of the {pairs} solves {', '.join(ends)}" if pairs > 1 else f"The solve: {ends[0].removeprefix('1 ')}"
    if report.outcomes.get("converged") == pairs:
        ended = f"All {pairs} solves converged" if pairs > 1 else "The solve converged"
    much = (
        f"he path costs {abs(saved):.0%} {'less' if saved >= 0 else 'more'} than the straight line "
        f"({after:.2f} instead of {before:.2f})"
    )
    if not math.isfinite(after):
        much = f"he path's cost is {after:g}: it meets places where the index is 0 or the generator makes no numbers"
    much = f"On average t{much}; it is cheaper in {cheaper} of {pairs} pairs." if pairs > 1 else f"T{much}."
    words = f"{much} The audit {found}. {ended} (tol {tol:g})."
    if stopped:
        return f"{words} You stopped the solve: these are the best paths found by then."
    return " ".join([words, *(f"Where {name}: {advice}" for name, advice in report.advice.items())])


def listed(words: Sequence[str]) -> str:
    """Words in a sentence.

    Example:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
