"""The paper's method and the recommended one side by side, in a table and in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..._words import counted, listed
from ..config import SHORT_TITLES
from ..method_verdicts import MAX_DIRECTNESS, MethodVerdict, method_verdicts
from ..results import METHODS, PATH, RECOMMENDED, ModelResult
from .tables import number, table


def method_table(results: Mapping[str, ModelResult], records: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for each model and method; empty where no model has a recipe."""
    found = method_verdicts(results, records)
    head = ["model", "method", "judges of frames: better, worse than the line", "worse than own samples"]
    head += ["directness", "recall / line's", "Fréchet against the line's", "evaluations"]
    rows = []
    for each in found:
        mark = "**" if each.keeps_the_promise else ""
        assert each.direct.measured is not None
        rows.append(
            [
                f"`{each.model}`" if each.method == PATH else "",
                f"{mark}{METHODS[each.method]}{mark}",
                f"{len(each.better)}, {len(each.worse)} of {each.judges}",
                f"{len(each.worse_than_own)} of {each.judges}",
                number(each.direct.measured),
                "–" if each.recall is None else f"{each.recall:.2f}",
                "–" if each.frechet is None else _changes(each.frechet.verdict),
                f"{each.evaluations:.0f}",
            ]
        )
    return table(head, rows) if rows else ""


def _changes(verdict: str) -> str:
    return {"holds": "lower", "does not hold": "higher"}.get(verdict, "not told apart")


def without_recipe(results: Mapping[str, ModelResult]) -> str:
    """The sentence on the models that have no recipe; empty where all have one."""
    names = [f"`{name}`" for name, result in results.items() if not result.recommended]
    verb = "has" if len(names) == 1 else "have"
    return f"Left out here: {listed(names)}, which {verb} no recipe." if names else ""


def method_sentences(results: Mapping[str, ModelResult], records: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The findings on both methods, a sentence for each, and the judges that speak against the recommended one."""
    found = method_verdicts(results, records)
    sentences = []
    for method in (RECOMMENDED, PATH):
        mine = [each for each in found if each.method == method]
        if mine:
            kept = sum(each.keeps_the_promise for each in mine)
            sentences.append(
                f"{METHODS[method].capitalize()}: for {kept} of {counted(len(mine), 'model')} no judge of frames "
                "finds it worse than the straight line, at least two find it better, and its length is below "
                f"{MAX_DIRECTNESS:g} times the line's."
            )
    return sentences + _against(found)


def _against(found: Sequence[MethodVerdict]) -> list[str]:
    return [
        f"Against the recommended path of {SHORT_TITLES[each.model]}, worse than the line: {', '.join(each.worse)}."
        for each in found
        if each.method == RECOMMENDED and each.worse
    ]
