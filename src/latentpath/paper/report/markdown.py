"""Numbers and tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..claims.verdicts import Claim
from ..statistics import Estimate

__all__ = ["measured", "shown", "table"]


def shown(value: Estimate, digits: int = 3) -> str:
    """A number with its interval.

    Example:
        >>> from latentpath.paper.statistics import Estimate
        >>> shown(Estimate(0.25, 0.125, 0.5, n=200))
        '0.25 [0.125, 0.5]'
    """
    if not value.decisive:
        return f"{value.mean:.{digits}g}"
    return f"{value.mean:.{digits}g} [{value.low:.{digits}g}, {value.high:.{digits}g}]"


def measured(claim: Claim) -> str:
    """What a claim's verdict was read off; nothing where that are its parts."""
    if claim.measured is None:
        return ""
    note = f" ({claim.measured.note})" if claim.measured.note else ""
    return f"{shown(claim.measured)}, n = {claim.measured.n}{note}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
