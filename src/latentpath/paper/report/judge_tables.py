"""What judges say, in a table and in words: whom a judge is independent of, who is better, and on how many pairs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...summary import listed
from ..claims.verdicts import Claim, above, below
from ..jobs import LINE, PATH
from ..statistics import Estimate, paired
from .markdown import shown, table

__all__ = [
    "FEWEST",
    "UNCOUNTED",
    "better",
    "beyond_the_ends",
    "judged_table",
    "solve_rows",
    "solved_pairs",
    "words_on_index",
]

FEWEST = 5
"""Pairs that another index is judged on, at least."""

UNCOUNTED = ("smoothness",)
"""Judges of the curve's spacing and not of its frames, which are shown and not counted."""

_NETWORKS = {"classifier", "feature network"}
_MADE_OF = {"classifier": _NETWORKS, "neighbours": _NETWORKS, "discriminator": {"discriminator"}}
"""What an index of digits is made of: classifier, and features for the neighbours, are one network, the judges' own."""

_VERDICTS = ("holds", "does not hold", "not decided")


def _independent(row: Mapping[str, Any], index: str = "") -> bool:
    """Whether a judge had no part in the model, nor in the index that a path is by."""
    return bool(row["independent"]) and not _MADE_OF.get(index, set()) & set(row["needs"])


def _counted(said: Mapping[str, Any], index: str = "") -> list[Mapping[str, Any]]:
    return [row for row in said["rows"] if _independent(row, index) and row["name"] not in UNCOUNTED]


def judged_table(said: Mapping[str, Any], than: str = "than_line", more: Sequence[Sequence[str]] = ()) -> Iterator[str]:
    """A row for every judge, a column for every kind of curve.

    Args:
        said: what the judges say.
        than: "than_line" or "than_path": what is in bold is better than that, what is in italics worse.
        more: rows to end with.
    """
    kinds = said["kinds"]
    rows = []
    for row in said["rows"]:
        mark = "" if row["independent"] else " †"
        cells = [f"{row['title']}{mark} ({row['unit']}; {'higher' if row['higher_is_better'] else 'lower'} is better)"]
        for kind in kinds:
            text = shown(Estimate.from_dict(row["estimates"][kind]), 4 if row["name"] in UNCOUNTED else 3)
            verdict = row[than].get(kind, {}).get("verdict")
            text = f"**{text}**" if verdict == "holds" else f"*{text}*" if verdict == "does not hold" else text
            cells.append(text + (" †" if row["independent"] and not _independent(row, kind) else ""))
        rows.append([*cells, "–" if row["ends"] is None else f"{row['ends']:.3g}"])
    yield from table(["judge", *kinds, "endpoints"], [*rows, *more])
    yield ""
    yield f"{said['pairs']} pairs, {said['frames']} frames each" + (
        f", against {said['real']:,} real images." if said["real"] else "."
    )
    for why in dict.fromkeys(left["why"] for left in said["missing"]):
        titles = ", ".join(left["title"] for left in said["missing"] if left["why"] == why)
        yield from ("", f"Not measured: {titles} ({why}).")


def better(said: Mapping[str, Any]) -> str:
    """What the independent judges say of the frames of the path against those of the line."""
    rows = _counted(said)
    if not rows:
        return "No judge that is independent of the model could be asked."
    verdicts = [(row["title"], row["than_line"][PATH]["verdict"]) for row in rows]
    return _count(verdicts, f"the frames of the {PATH}", f"those of the {LINE}", "independent")


def _count(verdicts: Sequence[tuple[str, str]], one: str, other: str, which: str) -> str:
    by = {verdict: [title for title, said in verdicts if said == verdict] for verdict in _VERDICTS}
    if len(verdicts) == 1:
        title, verdict = verdicts[0]
        says = {"holds": "better", "does not hold": "worse"}
        return (
            f"The one judge that is {which} ({title}) finds {one} {says[verdict]} than {other}."
            if verdict in says
            else f"The one judge that is {which} ({title}) cannot tell {one} from {other}."
        )
    worse, open_ = by["does not hold"], by["not decided"]
    return (
        f"Of {len(verdicts)} judges that are {which} {len(by['holds'])} "
        f"{'finds' if len(by['holds']) == 1 else 'find'} {one} better than {other}{_brackets(by['holds'])}, "
        f"{len(worse)} worse{_brackets(worse)}, and {len(open_)} cannot tell{_brackets(open_)}."
    )


def _brackets(words: Sequence[str]) -> str:
    return f" ({'; '.join(words)})" if words else ""


def beyond_the_ends(said: Mapping[str, Any], kind: str = PATH) -> list[str]:
    """The independent judges by whom the frames of a curve are better than the endpoints, by the whole interval."""
    found = []
    for row in _counted(said):
        value, ends = Estimate.from_dict(row["estimates"][kind]), row["ends"]
        if ends is not None and value.decisive:
            rule = above(ends) if row["higher_is_better"] else below(ends)
            found += [row["title"]] if rule.decide(value) == "holds" else []
    return found


def solved_pairs(solves: Mapping[str, Mapping[str, Sequence[Any]]], index: str) -> list[int]:
    """The pairs whose path, by this index and by the density's, converged without a tunnel."""
    both = [solves[kind] for kind in (index, PATH)]
    return [
        pair
        for pair in range(len(both[0]["outcome"]))
        if all(of["outcome"][pair] == "converged" and of["tunnels"][pair] == 0 for of in both)
    ]


def solve_rows(kinds: Sequence[str], solves: Mapping[str, Mapping[str, Sequence[Any]]]) -> list[list[str]]:
    """How the paths of a table were solved: outcomes, evaluations, tunnels."""

    def row(title: str, say: Any) -> list[str]:
        return [title, *(say(solves[kind]) if kind in solves else "–" for kind in kinds), "–"]

    def outcomes(of: Mapping[str, Sequence[Any]]) -> str:
        return ", ".join(f"{count} {outcome}" for outcome, count in Counter(of["outcome"]).items())

    return [
        row("solves", outcomes),
        row("evaluations (mean)", lambda of: f"{sum(of['evaluations']) / len(of['evaluations']):.0f}"),
        row("pairs with a tunnel", lambda of: f"{sum(count > 0 for count in of['tunnels'])}"),
    ]


def words_on_index(said: Mapping[str, Any], solves: Mapping[str, Mapping[str, Sequence[Any]]], index: str) -> str:
    """What the judges that are independent of an index say of its paths, over the pairs that were solved."""
    kept, total = solved_pairs(solves, index), said["pairs"]
    head = (
        f"of {total} pairs {len(kept)} were solved by this index and by the density's (converged, no tunnel), "
        f"{total - len(kept)} are left out"
    )
    if len(kept) < FEWEST:
        return f"{head}: not decided, on fewer than {FEWEST} pairs."
    rows = [row for row in _counted(said, index) if row["values"] is not None]
    if not rows:
        return f"{head}. No judge that is independent of it could be asked."
    verdicts = []
    for row in rows:
        one, other = ([math.nan if v is None else v for v in row["values"][kind]] for kind in (index, PATH))
        difference = paired([one[pair] for pair in kept], [other[pair] for pair in kept])
        rule = above(0) if row["higher_is_better"] else below(0)
        verdicts.append((row["title"], Claim("better", difference, rule).verdict))
    told = _count(verdicts, "its frames", "those of the path", "independent of it")
    sets = [row["title"] for row in _counted(said, index) if row["values"] is None]
    left = f" ({listed(sets)}, a number of all pairs together, is not asked.)" if sets else ""
    return f"{head}. {told}{left}"
