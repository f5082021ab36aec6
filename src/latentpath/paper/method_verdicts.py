"""Claims on methods: the paper's and the recommended recipe's, each against the straight line and own samples.

They are no claims of the paper, and are not counted among them. Both methods are asked the same: whether judges of
frames that had no part in the model find their frames better or worse, whether the curve is as direct as the line, and
whether all frames together cover the data as well. "Worse" and "better" are those of the whole interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .claims.verdicts import Claim, below
from .judges.criteria import SETS
from .results import LINE, PATH, RECOMMENDED, ModelResult
from .statistics import Estimate, estimate

MAX_DIRECTNESS = 1.3
"""The length over the line's below which a curve is as direct."""

LEAST_RECALL = 0.9
"""The least share of the line's recall."""

_SETS = (*SETS, "frechet")
_SPACING = "smoothness"


@dataclass(frozen=True)
class MethodVerdict:
    """The verdicts on one method of one model.

    Attributes:
        model: its name.
        method: the kind of curve, the paper's path or the recommended one.
        better: the judges of frames that find it better than the line, by title.
        worse: the judges of frames that find it worse.
        judges: the number of judges of frames.
        worse_than_own: the judges of frames that find it worse than the model's own samples.
        direct: the claim that it is as direct as the line.
        recall: recall over the line's; None where it was not measured.
        frechet: the claim that the Fréchet distance is lower than the line's; None where it was not measured.
        evaluations: path evaluations, the mean over pairs.
    """

    model: str
    method: str
    better: tuple[str, ...]
    worse: tuple[str, ...]
    judges: int
    worse_than_own: tuple[str, ...]
    direct: Claim
    recall: float | None
    frechet: Claim | None
    evaluations: float

    @property
    def keeps_the_promise(self) -> bool:
        """True where no judge of frames finds it worse than the line, two find it better, and it is direct."""
        return not self.worse and len(self.better) >= 2 and self.direct.verdict == "holds"


def method_verdicts(
    results: Mapping[str, ModelResult], records: Mapping[str, Mapping[str, Any]]
) -> list[MethodVerdict]:
    """Returns the verdicts on both methods of every model that has a recipe."""
    return [
        _verdict(results[name], record, method)
        for name, record in records.items()
        if results[name].recommended
        for method in (PATH, RECOMMENDED)
    ]


def _verdict(result: ModelResult, record: Mapping[str, Any], method: str) -> MethodVerdict:
    rows = {row["name"]: row for row in record["rows"] if row["independent"] and method in row["estimates"]}
    frames = [row for name, row in rows.items() if name not in _SETS and name != _SPACING]

    def titles(than: str, verdict: str) -> tuple[str, ...]:
        return tuple(row["title"] for row in frames if row[than].get(method, {}).get("verdict") == verdict)

    length, spent = _solve(result, method)
    direct = Claim("as direct as the line", estimate(length / result.length[LINE]), below(MAX_DIRECTNESS))
    recall = None
    if "recall" in rows and LINE in rows["recall"]["estimates"]:
        mine, lines = (Estimate.from_dict(rows["recall"]["estimates"][kind]).mean for kind in (method, LINE))
        recall = mine / lines if lines > 0 else None
    frechet = rows.get("frechet", {}).get("than_line", {}).get(method)
    return MethodVerdict(
        result.name,
        method,
        titles("than_line", "holds"),
        titles("than_line", "does not hold"),
        len(frames),
        titles("than_own", "does not hold"),
        direct,
        recall,
        None if frechet is None else Claim.from_dict(frechet),
        float(spent.double().mean()),
    )


def _solve(result: ModelResult, method: str) -> tuple[Tensor, Tensor]:
    """Returns the lengths in the data and the evaluations of a method's paths."""
    if method == RECOMMENDED:
        return result.recommended["length"], result.recommended["evaluations"]
    return result.length[method], result.solves[method]["evaluations"]
