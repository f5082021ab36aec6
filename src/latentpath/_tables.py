"""Tables of text: aligned columns for a terminal, and Markdown."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], between: str = "  ") -> list[str]:
    r"""Returns the rows as lines with aligned columns: the first column to the left, all others to the right.

    Example:
        >>> print(*aligned([["", "cost"], ["path", "7.1"], ["straight line", "31.5"]]), sep="\n")
                       cost
        path            7.1
        straight line  31.5
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(others, widths[1:], strict=True))]
        lines.append(between.join(cells).rstrip())
    return lines


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    r"""Returns the lines of a Markdown table; a bar in a cell is escaped.

    Example:
        >>> print(*markdown(["name", "D"], [["mnist", "20"]]), sep="\n")
        | name | D |
        |---|---|
        | mnist | 20 |
    """
    body = (" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows)
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {line} |" for line in body)]
