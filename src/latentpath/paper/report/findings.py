"""The result in a few lines: `summary` by models, for the report, `brief` by counts, for a README; from the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...summary import listed
from ..claims.sections import SHORT, Section
from ..claims.verdicts import Verdict
from ..config import MODELS
from ..jobs import LINE, PATH
from ..results import Solved
from .judge_tables import UNCOUNTED, beyond_the_ends

__all__ = ["brief", "summary"]

_TOPICS = {
    "ri": "the path's mean `ri` is above the line's",
    "length": "the decoded path is shorter than the decoded line",
    "leaves": "the line leaves the semicircle prior and the path does not",
    "constant": "`ri` is nearly constant along the middle of the line",
    "steps": "the path's steps vary more than the line's",
    "high": "the line has a high `ri`",
    "agrees in latents": "the path hugs the line in latents",
    "agrees in images": "the path hugs the line in images",
    "alpha shorter": "a smaller alpha shortens the path",
    "alpha falls": "a smaller alpha lowers its `ri`",
    "alpha shortest": "a small alpha's path is nearly the shortest curve",
    "converges": "equation 3 converges to the audited cost",
}


def summary(
    sections: Sequence[Section], solved: Mapping[str, Solved], judged: Mapping[str, Mapping[str, Any]]
) -> tuple[str, str, str]:
    """What held, what did not, and what the independent judges say, a line of Markdown each.

    A claim that was tested for several models stands with each verdict beside the models that have it.
    """
    claims = [claim for section in sections for claim in section.claims]
    found: dict[Verdict, dict[tuple[str, ...], list[str]]] = {"holds": {}, "does not hold": {}, "not decided": {}}
    for topic, says in _TOPICS.items():
        of = {claim.of: claim.verdict for claim in claims if claim.topic == topic}
        for verdict, told in found.items():
            names = tuple(name for name in MODELS if of.get(name) == verdict)
            if names:
                by = _range(solved, names) if topic == "length" and verdict == "holds" else ""
                told.setdefault(names, []).append(says + by)
    held, failed, undecided = (_told(by, "" if verdict == "holds" else "that ") for verdict, by in found.items())
    whom = "*Judges that the method never saw*, where independent of the model, of the path's frames against the line's"
    return (
        f"*What held*: {held}.",
        f"*What did not*: {failed}. *Not decided*: {undecided}.",
        f"{whom}: {_judges(judged)}.",
    )


def brief(sections: Sequence[Section], judged: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """What held for every model that it was tested for; and what did not for some, with the judges' verdicts."""
    claims = [claim for section in sections for claim in section.claims]
    everywhere, elsewhere = [], []
    for topic, says in _TOPICS.items():
        verdicts = [claim.verdict for claim in claims if claim.topic == topic]
        held = verdicts.count("holds")
        if verdicts and held == len(verdicts):
            everywhere.append(f"{says} ({held})")
        elif verdicts:
            elsewhere.append(f"{says} ({held} of {len(verdicts)})")
    whom = "*Judges that the method never saw*, of the path's frames against the line's"
    return (
        f"*Held for every model asked* (their number): {'; '.join(everywhere) or 'nothing'}.",
        f"*Held for some or none*: {'; '.join(elsewhere) or 'nothing'}. {whom}: {_counted(judged)}.",
    )


def _counted(judged: Mapping[str, Mapping[str, Any]]) -> str:
    """Better and worse for how many models, by judge."""
    return (
        "; ".join(
            f"{title} {found.count('holds')} better, {found.count('does not hold')} worse of {len(found)}"
            for title, found in _verdicts(judged)[0].items()
        )
        or "none could be asked"
    )


def _told(by: Mapping[tuple[str, ...], Sequence[str]], that: str) -> str:
    """What is so, or not, by the models that it is so of."""
    told = []
    for names, says in by.items():
        whom = f"all {len(MODELS)} models" if len(names) == len(MODELS) else listed([SHORT[name] for name in names])
        told.append(f"for {whom} {listed([that + each for each in says])}")
    return "; ".join(told) or "nothing"


def _range(solved: Mapping[str, Solved], names: Sequence[str]) -> str:
    """By how many per cent, from model to model."""
    less = sorted(100 * float((1 - solved[name].length[PATH] / solved[name].length[LINE]).mean()) for name in names)
    low, high = f"{less[0]:.0f}", f"{less[-1]:.0f}"
    return f", by {low} %" if low == high else f", by {low} to {high} %"


def _verdicts(judged: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Those of every independent judge; and for how many models its path frames are better than the endpoints'."""
    verdicts: dict[str, list[str]] = {}
    past: dict[str, int] = {}
    for said in judged.values():
        ends = beyond_the_ends(said)
        for row in said["rows"]:
            if row["independent"] and row["name"] not in UNCOUNTED:
                verdicts.setdefault(row["title"], []).append(row["than_line"][PATH]["verdict"])
                past[row["title"]] = past.get(row["title"], 0) + (row["title"] in ends)
    return verdicts, past


def _judges(judged: Mapping[str, Mapping[str, Any]]) -> str:
    verdicts, past = _verdicts(judged)
    told = []
    for title, found in verdicts.items():
        good, bad = found.count("holds"), found.count("does not hold")
        words = f"{title} – better for {good}, worse for {bad} of {len(found)} models"
        if past[title]:
            why = ", and this distance favours blur" if "pixels" in title else ""
            words += f" (for {past[title]} better than the endpoints' own frames{why})"
        told.append(words)
    return "; ".join(told) or "none could be asked"
