"""What judges say, as facts that a file holds: estimates, verdicts against the line and the path, numbers by pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ...errors import DataError
from ..claims.verdicts import Claim, above, below
from ..jobs import LINE, PATH
from ..statistics import Estimate
from .judgements import Judgement, Judgements, SetJudgement

__all__ = ["facts", "whole"]


def facts(said: Judgements, why: str | None, by_pair: bool = False) -> dict[str, Any]:
    """Estimates by criterion and kind, how the others differ from the straight line and from the path, and verdicts.

    Args:
        said: what the judges say.
        why: there are no real images, if so.
        by_pair: whether the numbers of every pair are among them.
    """
    rows = []
    for found in said.judged:
        one = found if isinstance(found, Judgement) else None
        row = {
            **asdict(found.criterion),
            "estimates": {kind: found.estimate(kind).to_dict() for kind in said.kinds},
            "ends": None if one is None or one.ends is None else float(one.ends.mean()),
            "than_line": _than(found, LINE, said.kinds),
            "than_path": _than(found, PATH, said.kinds),
        }
        if by_pair:
            row["values"] = None if one is None else {kind: one.values[kind].tolist() for kind in said.kinds}
        rows.append(row)
    missing = [
        {"title": left.criterion.title, "why": why if why and "real images" in left.why else left.why}
        for left in said.missing
    ]
    head = {"pairs": said.pairs, "frames": said.frames, "real": said.real, "kinds": list(said.kinds)}
    return {**head, "rows": rows, "missing": missing}


def _than(found: Judgement | SetJudgement, other: str, kinds: Sequence[str]) -> dict[str, Any]:
    """For every kind of curve but ``other``: is it better than that, by the paired difference?"""
    rule = above(0) if found.criterion.higher_is_better else below(0)
    return {
        kind: Claim(f"{kind} better than {other}", found.difference(kind, other), rule).to_dict()
        for kind in kinds
        if kind != other
    }


def whole(stored: Any, kinds: Sequence[str], pairs: int, by_pair: bool = False) -> bool:
    """Whether that is what `facts` gives of such curves between so many pairs."""
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
