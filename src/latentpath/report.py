"""The report on paths: cost, realism of the points, and scores of the frames by independent judges.

A `Report` is the table, for people and for programs; `latentpath.path_report` makes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ._io import to_json
from ._tables import aligned
from ._words import counted
from .curves import lerp, slerp
from .errors import missing
from .solvers import Outcome

if TYPE_CHECKING:
    import pandas

__all__ = ["BASELINES", "LABELS", "OWN", "Judge", "Report", "Row"]

BASELINES: Mapping[str, Callable[[Tensor, Tensor, int], Tensor]] = {"lerp": lerp, "slerp": slerp}
"""The baselines by name: ``(start, end, segments) -> (B, K+1, D)``."""

LABELS = {"lerp": "straight line", "slerp": "slerp", "paper": "the paper's", "path": "path"}
"""The labels of the rows of a report."""

_ENDED = {
    "budget spent": "stopped before converging",
    "non finite": "could not start from a finite energy",
    "unresolved": "unresolved, with cost that its points do not show",
}

Judge = Callable[[Tensor], Tensor]
"""Decoded frames ``(N, ...)`` to one number each ``(N,)``, for example a classifier's confidence."""


@dataclass(frozen=True)
class Row:
    """The facts about one kind of path, one number for each of ``B`` pairs.

    Attributes:
        name: "path", "lerp", ...
        cost: audited, in units of the measured space.
        length: of the decoded curve, in units of the data, or of features where ``embed`` has them.
        directness: ``length`` over the length of the straight line between the same ends or keyframes.
        mean_ri: mean realism index of the points.
        lowest_ri: lowest realism index of the points.
        gap: cost over ``sqrt(2 E)``, less 1.
        tunnels: the number of segments that tunnel.
        evaluations: path evaluations spent.
        judged: the mean score of each judge over the frames, by the judge's name.
    """

    name: str
    cost: list[float]
    length: list[float]
    directness: list[float]
    mean_ri: list[float]
    lowest_ri: list[float]
    gap: list[float]
    tunnels: list[int]
    evaluations: list[float]
    judged: dict[str, list[float]]

    def means(self) -> dict[str, float]:
        """Returns the mean of every column over the pairs, by its heading in the printed table."""
        columns: dict[str, Sequence[float]] = {
            "cost": self.cost,
            "log index": [-c for c in self.cost],
            "length": self.length,
            "directness": self.directness,
            "mean ri": self.mean_ri,
            "lowest ri": self.lowest_ri,
            **self.judged,
            "gap": self.gap,
            "tunnels": self.tunnels,
            "evaluations": self.evaluations,
        }
        return {name: sum(values) / len(values) for name, values in columns.items()}


OWN = {"log index", "mean ri", "lowest ri", *(field.name for field in fields(Row))}
"""The columns and fields of a row, which are no names of judges."""

_FORMATS = {
    "directness": "{:.2f}",
    "gap": "{:+.1%}",
    "tunnels": "{:.2f}",
    "evaluations": "{:.1f}",
    "mean ri": "{:.3f}",
    "lowest ri": "{:.2g}",
}


@dataclass(frozen=True)
class Report:
    """The comparison of paths between the same endpoints; ``print`` shows the table of means over the pairs.

    Attributes:
        rows: one for each kind of path, the solved one last.
        outcomes: the number of paths of the solved row by outcome.
        searched: the result of a search from several starts, in words; empty for a single start.
    """

    rows: tuple[Row, ...]
    outcomes: dict[str, int]
    searched: str = ""

    def __getitem__(self, name: str) -> Row:
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"no row {name!r}; there are {[row.name for row in self.rows]}")

    @property
    def table(self) -> list[list[str]]:
        """The cells of the printed table, the heading first."""
        means = [row.means() for row in self.rows]
        heading = ["", *means[0]]
        body = [
            [row.name, *(_FORMATS.get(key, "{:.3f}").format(value) for key, value in mean.items())]
            for row, mean in zip(self.rows, means, strict=True)
        ]
        return [heading, *body]

    @property
    def advice(self) -> dict[str, str]:
        """The advice for paths that did not converge, by the name of their outcome."""
        found = {name: Outcome(name).advice for name in self.outcomes}
        return {name: advice for name, advice in found.items() if advice}

    def __str__(self) -> str:
        pairs = len(self.rows[0].cost)
        ended = ", ".join(f"{count} {name}" for name, count in self.outcomes.items())
        last = [f"means over {counted(pairs, 'pair')}; paths: {ended}", *filter(None, [self.searched])]
        last += [f"{name}: {advice}" for name, advice in self.advice.items()]
        return "\n".join([*aligned(self.table), *last])

    def verdict(self, tol: float, stopped: bool = False) -> str:
        """Returns the result in words: the saving in cost, the tunnels in the audit, and the outcomes.

        It needs the rows "lerp" and "path"; ``stopped`` is True if the user ended the solve.
        """
        line, path = self["lerp"], self["path"]
        pairs = len(path.cost)
        before, after = sum(line.cost) / pairs, sum(path.cost) / pairs
        saved = 1 - after / before if before > 0 else 0.0
        much = (
            f"he path costs {abs(saved):.0%} {'less' if saved >= 0 else 'more'} than the straight line "
            f"({after:.2f} instead of {before:.2f})"
        )
        if not math.isfinite(after):
            much = (
                f"he path's cost is {after:g}: it meets places where the index is 0 or the generator makes no numbers"
            )
        cheaper = sum(a < b for a, b in zip(path.cost, line.cost, strict=True))
        much = f"On average t{much}; it is cheaper in {cheaper} of {pairs} pairs." if pairs > 1 else f"T{much}."
        hidden, tunnelling = sum(path.tunnels), sum(count > 0 for count in path.tunnels)
        where = f", in {tunnelling} of {pairs} paths" if pairs > 1 else ""
        found = f"{counted(hidden, 'tunnelling segment')}{where} (the costs above include what they hide)"
        words = f"{much} The audit found {found if hidden else 'no tunnelling'}. {self._ended(pairs)} (tol {tol:g})."
        if stopped:
            return f"{words} You stopped the solve: these are the best paths found by then."
        return " ".join([words, *(f"Where {name}: {advice}" for name, advice in self.advice.items())])

    def _ended(self, pairs: int) -> str:
        """Returns the outcomes in words."""
        if self.outcomes.get("converged") == pairs:
            return f"All {pairs} solves converged" if pairs > 1 else "The solve converged"
        ends = [f"{count} {_ENDED.get(name, name)}" for name, count in self.outcomes.items()]
        return f"Of the {pairs} solves {', '.join(ends)}" if pairs > 1 else f"The solve: {ends[0].removeprefix('1 ')}"

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as a dictionary for `json`."""
        return {
            "outcomes": self.outcomes,
            **({"advice": self.advice} if self.advice else {}),
            **({"searched": self.searched} if self.searched else {}),
            "rows": [asdict(row) for row in self.rows],
            "means": {r.name: r.means() for r in self.rows},
        }

    def to_pandas(self) -> pandas.DataFrame:
        """Returns a table with a line for each kind of path and pair: ``name``, ``pair``, and the columns of the rows.

        Raises:
            MissingDependencyError: pandas is not installed.

        Example:
            >>> import torch, latentpath as lp
            >>> prior = lp.priors.standard_normal(2)
            >>> path = lp.interpolate(lambda z: z, prior, torch.ones(2), -torch.ones(2), segments=10)
            >>> sorted(path.report().to_pandas()["name"])
            ['lerp', 'path', 'slerp']
        """
        try:
            import pandas
        except ImportError as error:
            raise missing("pandas", "data", "Report.to_pandas") from error

        lines = []
        for row in self.rows:
            columns = {field.name: getattr(row, field.name) for field in fields(Row)}
            columns = {name: value for name, value in columns.items() if name not in ("name", "judged")}
            columns |= row.judged
            lines += [
                {"name": row.name, "pair": pair, **{name: each[pair] for name, each in columns.items()}}
                for pair in range(len(row.cost))
            ]
        return pandas.DataFrame(lines)

    def to_json(self) -> str:
        """Returns `to_dict` as JSON text; NaN and infinities become null."""
        return to_json(self.to_dict())
