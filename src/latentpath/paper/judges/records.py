"""Judgements as facts that a JSON file holds: estimates, verdicts against line and path, and numbers by pair."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ...errors import DataError
from ...models.metrics.imagenet import installed
from ..claims.verdicts import Claim, above, below
from ..results import LINE, OWN, PATH
from ..statistics import Estimate
from .judgements import Judgement, Judgements, SetJudgement

_FORMAT = 2  # counts the changes to the judges: a record of another number is made anew
_THAN = {"than_line": LINE, "than_path": PATH, "than_own": OWN}  # what every kind of curve is compared with


def panel_version() -> dict[str, Any]:
    """The version of the judges, and the optional ones among them: a stored record of others is made anew."""
    return {"format": _FORMAT, "imagenet": installed()}


def record(judgements: Judgements, no_images: str | None, by_pair: bool = False) -> dict[str, Any]:
    """The estimates by criterion and kind, the differences from line, path and own samples, and verdicts."""
    rows = []
    for found in judgements.judged:
        one = found if isinstance(found, Judgement) else None
        row = {
            **asdict(found.criterion),
            "estimates": {
                kind: found.estimate(kind).to_dict() for kind in (*judgements.kinds, OWN) if kind in found.values
            },
            "ends": None if one is None or one.ends is None else float(one.ends.mean()),
            **{key: _compared(found, other) for key, other in _THAN.items()},
        }
        if by_pair:
            row["values"] = None if one is None else {kind: one.values[kind].tolist() for kind in judgements.kinds}
        rows.append(row)
    missing = [
        {"title": left.criterion.title, "why": no_images if no_images and "real images" in left.why else left.why}
        for left in judgements.missing
    ]
    counts = {"pairs": judgements.pairs, "frames": judgements.frames, "real": judgements.real}
    kinds, own = list(judgements.kinds), judgements.own
    return {**counts, "kinds": kinds, "own": own, "panel": panel_version(), "rows": rows, "missing": missing}


def _compared(found: Judgement | SetJudgement, other: str) -> dict[str, Any]:
    """For every kind but ``other``, the claim that it is better, by the difference; empty where that was not judged."""
    rule = above(0) if found.criterion.higher_is_better else below(0)
    return {
        kind: Claim(f"{kind} better than {other}", found.difference(kind, other), rule).to_dict()
        for kind in found.values
        if kind != other and other in found.values
    }


def is_complete(stored: Any, kinds: Sequence[str], pairs: int, by_pair: bool = False, own: bool = False) -> bool:
    """True where ``stored`` is a `record` of these kinds of curve between this number of pairs, by today's judges."""
    try:
        same = stored["kinds"] == list(kinds) and stored["pairs"] == pairs and len(stored["rows"]) > 0
        same = same and stored["own"] == own and stored["panel"] == panel_version()
        for row in stored["rows"]:
            judged = [*kinds, OWN] if OWN in row["estimates"] else kinds
            for kind in judged:
                Estimate.from_dict(row["estimates"][kind])
                for key, other in _THAN.items():
                    if kind != other and other in judged:
                        Claim.from_dict(row[key][kind])
            for kind in kinds:
                if by_pair and row["values"] is not None:
                    same = same and len(row["values"][kind]) == pairs
            same = same and {"name", "title", "unit", "higher_is_better", "independent", "needs", "ends"} <= row.keys()
        missing = [(left["title"], left["why"]) for left in stored["missing"]]
        return bool(same) and {"frames", "real"} <= stored.keys() and isinstance(missing, list)
    except (DataError, KeyError, TypeError, AttributeError):
        return False
