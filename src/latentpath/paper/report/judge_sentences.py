"""The verdicts of the judges in sentences: which judges are independent, which curve is better, and on how many pairs.

A *record* is the output of `judges.records.record`; *solves* are by kind of curve the outcomes, evaluations and tunnels
of its pairs.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..._words import listed
from ..claims.verdicts import Claim, above, below
from ..results import LINE, PATH
from ..statistics import Estimate, paired

MIN_INDEX_PAIRS = 5  # the fewest pairs that another index is judged on
NOT_COUNTED = ("smoothness",)  # criteria of the spacing of a curve, not of its frames; they are shown and not counted
_NETWORKS = {"classifier", "feature network"}
_INDEX_PARTS = {"classifier": _NETWORKS, "neighbours": _NETWORKS, "discriminator": {"discriminator"}}
"""The networks that an index of digits is made of; classifier and feature network are one network."""

Solves = Mapping[str, Mapping[str, Sequence[Any]]]


def is_independent(row: Mapping[str, Any], index: str = "") -> bool:
    """True where a judge had no part in the model, nor in the index of the path."""
    return bool(row["independent"]) and not _INDEX_PARTS.get(index, set()) & set(row["needs"])


def _counted(record: Mapping[str, Any], index: str = "") -> list[Mapping[str, Any]]:
    return [row for row in record["rows"] if is_independent(row, index) and row["name"] not in NOT_COUNTED]


def better_than_line(record: Mapping[str, Any]) -> str:
    """The sentence on the independent judges of the path's frames against the line's."""
    rows = _counted(record)
    if not rows:
        return "No judge that is independent of the model could be asked."
    verdicts = [(row["title"], row["than_line"][PATH]["verdict"]) for row in rows]
    return _tally(verdicts, f"the frames of the {PATH}", f"those of the {LINE}", "independent")


def as_real_as_own(record: Mapping[str, Any]) -> str:
    """The sentence on the independent judges of every kind of curve against own samples; may be empty."""
    clauses = []
    for kind in record["kinds"]:
        verdicts = [row["than_own"][kind]["verdict"] for row in _counted(record) if kind in row.get("than_own", {})]
        if verdicts:
            better, worse = verdicts.count("holds"), verdicts.count("does not hold")
            clauses.append(f"{kind} {better} better, {worse} worse, {len(verdicts) - better - worse} not decided")
    return f"Against the model's own samples, by as many judges: {'; '.join(clauses)}." if clauses else ""


def _tally(verdicts: Sequence[tuple[str, str]], one: str, other: str, which: str) -> str:
    if len(verdicts) == 1:
        ((title, verdict),) = verdicts
        comparison = {"holds": "better", "does not hold": "worse"}.get(verdict)
        finding = f"finds {one} {comparison} than {other}" if comparison else f"cannot tell {one} from {other}"
        return f"The one judge that is {which} ({title}) {finding}."
    titles = {v: [title for title, each in verdicts if each == v] for v in ("holds", "does not hold", "not decided")}
    better, worse, undecided = titles.values()
    return (
        f"Of {len(verdicts)} judges that are {which} {len(better)} {'finds' if len(better) == 1 else 'find'} {one} "
        f"better than {other}{_brackets(better)}, {len(worse)} worse{_brackets(worse)}, and {len(undecided)} cannot "
        f"tell{_brackets(undecided)}."
    )


def _brackets(words: Sequence[str]) -> str:
    return f" ({'; '.join(words)})" if words else ""


def better_than_endpoints(record: Mapping[str, Any]) -> list[str]:
    """The independent judges by which the frames of the path are better than the endpoints, by the whole interval."""
    found = []
    for row in _counted(record):
        value, ends = Estimate.from_dict(row["estimates"][PATH]), row["ends"]
        if ends is not None:
            rule = above(ends) if row["higher_is_better"] else below(ends)
            found += [row["title"]] if rule.decide(value) == "holds" else []
    return found


def solved_pairs(solves: Solves, index: str) -> list[int]:
    """The pairs whose paths, by this index and by the density's, converged without a tunnel."""
    both = [solves[index], solves[PATH]]
    return [
        pair
        for pair in range(len(both[0]["outcome"]))
        if all(solve["outcome"][pair] == "converged" and solve["tunnels"][pair] == 0 for solve in both)
    ]


def index_sentences(record: Mapping[str, Any], solves: Solves, index: str) -> str:
    """The sentences on the judges that are independent of an index, over the pairs that were solved."""
    kept, total = solved_pairs(solves, index), record["pairs"]
    head = (
        f"of {total} pairs {len(kept)} were solved by this index and by the density's (converged, no tunnel), "
        f"{total - len(kept)} are left out"
    )
    if len(kept) < MIN_INDEX_PAIRS:
        return f"{head}: not decided, on fewer than {MIN_INDEX_PAIRS} pairs."
    rows = [row for row in _counted(record, index) if row["values"] is not None]
    if not rows:
        return f"{head}. No judge that is independent of it could be asked."
    verdicts = []
    for row in rows:
        one, other = ([math.nan if v is None else v for v in row["values"][kind]] for kind in (index, PATH))
        difference = paired([one[pair] for pair in kept], [other[pair] for pair in kept])
        rule = above(0) if row["higher_is_better"] else below(0)
        verdicts.append((row["title"], Claim("better", difference, rule).verdict))
    sets = [row["title"] for row in _counted(record, index) if row["values"] is None]
    left_out = f" ({listed(sets)}, a number of all pairs together, is not asked.)" if sets else ""
    return f"{head}. {_tally(verdicts, 'its frames', 'those of the path', 'independent of it')}{left_out}"
