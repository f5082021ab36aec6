"""The comparison as text: the heading of a run, the table of means over the pairs, and its legend."""

from collections.abc import Mapping, Sequence

from rich.text import Text

from .._tables import aligned
from .._words import counted
from ..report import LABELS, Report
from .judges import IN_WORDS, SECOND
from .methods import Method

OWN = "own samples"
"""The label of the row of the model's own samples, which only judges measure."""

_FORMATS = {"cost": "{:.2f}", "directness": "{:.2f}", "evaluations": "{:.1f}", "seconds": "{:.1f}"}
_HEADINGS = {"evaluations": "evals", SECOND: "second"}


def heading(name: str, pairs: int, segments: int, method: Method, tol: float, seed: int, *, compare: bool) -> str:
    """The lines that a run begins with: the model and the numbers of the run, and the method in words."""
    run = f"{name}: {counted(pairs, 'pair')}, {counted(segments, 'segment')}, tol {tol:g}, seed {seed}"
    beside = ", beside the paper's method" if compare and method.name != "paper" else ""
    kind = "Recommended" if method.name == "recommended" else "Method"
    return f"{run}\n{kind}: {method}{beside}"


def table(report: Report, seconds: Mapping[str, float], own: Mapping[str, list[float]], width: int) -> Text:
    """The comparison, means over the pairs, for a terminal of ``width`` columns.

    The columns of the judges stand below the others where there is no room beside them.

    Args:
        report: the comparison.
        seconds: those of each row.
        own: the verdicts of the judges on the model's own samples; empty without judges.
        width: of the terminal.
    """
    judged = list(report.rows[0].judged)
    rows = {row.name: {**row.means(), "seconds": seconds[row.name]} for row in report.rows}
    if own:
        rows = {OWN: {name: sum(values) / len(values) for name, values in own.items()}, **rows}
    measured, spent = ["cost", "mean ri", "directness"], ["evaluations", "seconds"]
    whole = _block(rows, [*measured, *judged, *spent])
    if not judged or len(whole[0]) <= width:
        return _styled(whole, list(rows))
    curves = {name: cells for name, cells in rows.items() if name != OWN}
    first, second = _block(curves, [*measured, *spent]), _block(rows, judged)
    return Text("\n\n").join([_styled(first, list(curves)), _styled(second, list(rows))])


def _block(rows: Mapping[str, Mapping[str, float]], columns: Sequence[str]) -> list[str]:
    """Returns the lines of a table, the heading first; a cell without a value is blank."""
    cells = [
        [LABELS.get(name, name), *(_FORMATS.get(c, "{:.3f}").format(row[c]) if c in row else "" for c in columns)]
        for name, row in rows.items()
    ]
    return aligned([["", *(_HEADINGS.get(column, column) for column in columns)], *cells])


def _styled(lines: Sequence[str], names: Sequence[str]) -> Text:
    """Returns the lines of a table with a rule below the heading and the path in bold."""
    head, *body = lines
    styled = [Text(line, style="bold" if name == "path" else "") for name, line in zip(names, body, strict=True)]
    return Text("\n").join([Text(head, style="bold"), Text("─" * max(map(len, lines))), *styled])


def legend(report: Report, own: Mapping[str, list[float]]) -> str:
    """The meaning of the columns of the table."""
    pairs = len(report["path"].cost)
    words = [f"{_HEADINGS.get(name, name)} {IN_WORDS[name]}" for name in report["path"].judged]
    judged = f"\nJudges of the frames: {'; '.join(words)}." if words else ""
    samples = f" {OWN.capitalize()}: as many as there are frames." if own else ""
    return (
        f"Means over {counted(pairs, 'pair')}. cost, mean ri: by the path's own index; directness: length in the data "
        f"over the straight line's; evals: forward and backward passes over a whole path.{judged}{samples}"
    )
