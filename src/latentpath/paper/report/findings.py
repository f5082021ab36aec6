"""The findings in a few lines: `summary` by models for the report, `brief` by counts for the README."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..._words import counted, listed
from ..claims.sections import Section
from ..claims.verdicts import Verdict
from ..config import MODELS, SHORT_TITLES
from ..method_verdicts import MethodVerdict
from ..results import LINE, PATH, RECOMMENDED, ModelResult
from .judge_sentences import NOT_COUNTED, better_than_endpoints

_TOPICS = {  # a sentence for every topic of claims
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

_FINDERS = {PATH: "the paper's path", RECOMMENDED: "the recommended path"}

Records = Mapping[str, Mapping[str, Any]]  # the records of the judges, by model


def summary(sections: Sequence[Section], results: Mapping[str, ModelResult], records: Records) -> tuple[str, str, str]:
    """Three lines of Markdown: the claims that hold, the claims that do not, and the independent judges.

    A claim that was tested for several models stands with each verdict beside the models that have it.
    """
    claims = [claim for section in sections for claim in section.claims]
    found: dict[Verdict, dict[tuple[str, ...], list[str]]] = {"holds": {}, "does not hold": {}, "not decided": {}}
    for topic, sentence in _TOPICS.items():
        verdicts = {claim.model: claim.verdict for claim in claims if claim.topic == topic}
        for verdict, by_models in found.items():
            names = tuple(name for name in MODELS if verdicts.get(name) == verdict)
            if names:
                change = _shorter_by(results, names) if topic == "length" and verdict == "holds" else ""
                by_models.setdefault(names, []).append(sentence + change)
    held, failed, undecided = (
        _by_models(by_models, "" if verdict == "holds" else "that ") for verdict, by_models in found.items()
    )
    judges = "*Judges that the method never saw*, where independent of the model, of the path's frames against the"
    return (
        f"*What held*: {held}.",
        f"*What did not*: {failed}. *Not decided*: {undecided}.",
        f"{judges} line's: {_judges(records)}.",
    )


def brief(sections: Sequence[Section], records: Records) -> tuple[str, str]:
    """Two lines: the claims that hold for every tested model; and the other claims, with the judges' verdicts."""
    claims = [claim for section in sections for claim in section.claims]
    everywhere, elsewhere = [], []
    for topic, sentence in _TOPICS.items():
        verdicts = [claim.verdict for claim in claims if claim.topic == topic]
        held = verdicts.count("holds")
        if verdicts and held == len(verdicts):
            everywhere.append(f"{sentence} ({held})")
        elif verdicts:
            elsewhere.append(f"{sentence} ({held} of {len(verdicts)})")
    judges = "; ".join(
        f"{title} {found.count('holds')} better, {found.count('does not hold')} worse of {len(found)}"
        for title, found in _verdicts(records).items()
    )
    judges = judges or "none could be asked"
    everywhere_line = f"*Held for every model asked* (their number): {'; '.join(everywhere) or 'nothing'}."
    elsewhere_line = f"*Held for some or none*: {'; '.join(elsewhere) or 'nothing'}."
    judges_line = f"*Judges that the method never saw*, of the path's frames against the line's: {judges}."
    return everywhere_line, f"{elsewhere_line} {judges_line}"


def headline(verdicts: Sequence[MethodVerdict]) -> list[str]:
    """A sentence on each method over all models, the recommended one first; empty where no model has a recipe.

    Judges of single frames are counted once for every model that they were asked of.
    """
    sentences = []
    for method in (RECOMMENDED, PATH):
        mine = [each for each in verdicts if each.method == method]
        asked = sum(each.judges for each in mine)
        if not asked:
            continue
        better, worse = sum(len(each.better) for each in mine), sum(len(each.worse) for each in mine)
        own = sum(len(each.worse_than_own) for each in mine)
        lengths = [each.direct.measured.mean for each in mine if each.direct.measured is not None]
        sentences.append(
            f"Of {counted(asked, 'verdict')} of independent judges on the frames of {_FINDERS[method]}, over "
            f"{counted(len(mine), 'model')}, {better} {'is' if better == 1 else 'are'} better than on the straight "
            f"line's and {worse} worse, and {own} worse than on the model's own samples; its length is "
            f"{min(lengths):.2f} to {max(lengths):.2f} times the line's{_recall(mine)}."
        )
    return sentences


def _recall(verdicts: Sequence[MethodVerdict]) -> str:
    shares = [each.recall for each in verdicts if each.recall is not None]
    return f", its recall {min(shares):.2f} to {max(shares):.2f} times the line's" if shares else ""


def _by_models(sentences: Mapping[tuple[str, ...], Sequence[str]], that: str) -> str:
    groups = []
    for names, each in sentences.items():
        models = f"all {len(MODELS)} models" if len(names) == len(MODELS) else listed([SHORT_TITLES[n] for n in names])
        groups.append(f"for {models} {listed([that + sentence for sentence in each])}")
    return "; ".join(groups) or "nothing"


def _shorter_by(results: Mapping[str, ModelResult], names: Sequence[str]) -> str:
    """The range over the models of the mean relative change of length, in per cent."""
    lengths = [results[name].length for name in names]
    changes = sorted(100 * float((1 - length[PATH] / length[LINE]).mean()) for length in lengths)
    low, high = f"{changes[0]:.0f}", f"{changes[-1]:.0f}"
    return f", by {low} %" if low == high else f", by {low} to {high} %"


def _verdicts(records: Records) -> dict[str, list[str]]:
    """By the title of an independent judge, its verdicts on path against line."""
    verdicts: dict[str, list[str]] = {}
    for record in records.values():
        for row in record["rows"]:
            if row["independent"] and row["name"] not in NOT_COUNTED:
                verdicts.setdefault(row["title"], []).append(row["than_line"][PATH]["verdict"])
    return verdicts


def _judges(records: Records) -> str:
    better = [title for record in records.values() for title in better_than_endpoints(record)]
    clauses = []
    for title, found in _verdicts(records).items():
        good, bad = found.count("holds"), found.count("does not hold")
        clause = f"{title} – better for {good}, worse for {bad} of {len(found)} models"
        if title in better:
            why = ", and this distance favours blur" if "pixels" in title else ""
            clause += f" (for {better.count(title)} better than the endpoints' own frames{why})"
        clauses.append(clause)
    return "; ".join(clauses) or "none could be asked"
