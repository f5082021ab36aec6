"""Judgements as facts that a JSON file holds: estimates, verdicts against line and path, and numbers by pair."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ...errors import DataError
from ..claims.verdicts import Claim, above, below
from ..results import LINE, PATH
from ..statistics import Estimate
from .judgements import Judgement, Judgements, SetJudgement


def record(judgements: Judgements, no_images: str | None, by_pair: bool = False) -> dict[str, Any]:
    """The estimates by criterion and kind, the differences from the straight line and from the path, and verdicts."""
    rows = []
    for found in judgements.judged:
        one = found if isinstance(found, Judgement) else None
        row = {
            **asdict(found.criterion),
            "estimates": {kind: found.estimate(kind).to_dict() for kind in judgements.kinds},
            "ends": None if one is None or one.ends is None else float(one.ends.mean()),
            "than_line": _compared(found, LINE, judgements.kinds),
            "than_path": _compared(found, PATH, judgements.kinds),
        }
        if by_pair:
            row["values"] = None if one is None else {kind: one.values[kind].tolist() for kind in judgements.kinds}
        rows.append(row)
    missing = [
        {"title": left.criterion.title, "why": no_images if no_images and "real images" in left.why else left.why}
        for left in judgements.missing
    ]
    counts = {"pairs": judgements.pairs, "frames": judgements.frames, "real": judgements.real}
    return {**counts, "kinds": list(judgements.kinds), "rows": rows, "missing": missing}


def _compared(found: Judgement | SetJudgement, other: str, kinds: Sequence[str]) -> dict[str, Any]:
    """For every kind of curve but ``other``, the claim that it is better, by the paired difference."""
    rule = above(0) if found.criterion.higher_is_better else below(0)
    return {
        kind: Claim(f"{kind} better than {other}", found.difference(kind, other), rule).to_dict()
        for kind in kinds
        if kind != other
    }


def is_complete(stored: Any, kinds: Sequence[str], pairs: int, by_pair: bool = False) -> bool:
    """True where ``stored`` is a `record` of these kinds of curve between this number of pairs."""
    try:
        same = stored["kinds"] == list(kinds) and stored["pairs"] == pairs and len(stored["rows"]) > 0
        for row in stored["rows"]:
            for kind in kinds:
                Estimate.from_dict(row["estimates"][kind])
                for key, other in (("than_line", LINE), ("than_path", PATH)):
                    if kind != other:
                        Claim.from_dict(row[key][kind])
                if by_pair and row["values"] is not None:
                    same = same and len(row["values"][kind]) == pairs
            same = same and {"name", "title", "unit", "higher_is_better", "independent", "needs", "ends"} <= row.keys()
        missing = [(left["title"], left["why"]) for left in stored["missing"]]
        return bool(same) and {"frames", "real"} <= stored.keys() and isinstance(missing, list)
    except (DataError, KeyError, TypeError, AttributeError):
        return False
