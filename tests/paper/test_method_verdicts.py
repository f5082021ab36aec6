"""The verdicts on the paper's method and the recommended one, from records with known answers."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from result_examples import COST, GOOD, made

from latentpath.paper.claims.verdicts import Claim, above, below
from latentpath.paper.method_verdicts import method_verdicts
from latentpath.paper.report.findings import headline
from latentpath.paper.report.method_tables import method_sentences, method_table, without_recipe
from latentpath.paper.results import LINE, OWN, PATH, RECOMMENDED
from latentpath.paper.statistics import Estimate

NAME = "mnist-dcgan-normal"
BETTER, WORSE, LEVEL = Estimate(1.0, 0.5, 1.5, 12), Estimate(-1.0, -1.5, -0.5, 12), Estimate(0.0, -0.5, 0.5, 12)


def row(name: str, path: Estimate, recommended: Estimate, higher: bool = True, **more: Any) -> dict[str, Any]:
    """A judge's row; ``path`` and ``recommended`` are differences from the line and from own samples."""
    rule = above(0) if higher else below(0)
    differences = {PATH: path, RECOMMENDED: recommended}
    claims = {kind: Claim("better", each, rule).to_dict() for kind, each in differences.items()}
    estimates = {kind: Estimate(2.0 if kind == LINE else 1.9, 1.0, 3.0, 12).to_dict() for kind in (LINE, *claims, OWN)}
    facts = {"name": name, "title": name, "independent": True, "than_line": claims, "than_own": claims}
    return {**facts, "estimates": estimates, **more}


def result(directness: float) -> Any:
    known = made(NAME, GOOD, 0.2, COST)
    solves = {PATH: {"evaluations": torch.full((12,), 30.0)}}
    recommended = {"length": directness * known.length[LINE], "evaluations": torch.full((12,), 40.0)}
    return dataclasses.replace(known, solves=solves, recommended=recommended)


def verdicts(rows: list[dict[str, Any]], directness: float = 1.1) -> dict[str, Any]:
    found = method_verdicts({NAME: result(directness)}, {NAME: {"rows": rows}})
    return {each.method: each for each in found}


def test_both_methods_are_asked_the_same() -> None:
    found = verdicts([row("confidence", WORSE, BETTER), row("entropy", LEVEL, BETTER)])
    assert list(found) == [PATH, RECOMMENDED]
    assert (found[PATH].better, found[PATH].worse) == ((), ("confidence",))
    assert (found[RECOMMENDED].better, found[RECOMMENDED].worse) == (("confidence", "entropy"), ())
    assert (found[PATH].evaluations, found[RECOMMENDED].evaluations) == (30.0, 40.0)
    assert [each.keeps_the_promise for each in found.values()] == [False, True]


@pytest.mark.parametrize(
    ("rows", "directness", "kept"),
    [
        ([row("confidence", LEVEL, BETTER), row("entropy", LEVEL, BETTER)], 1.1, True),
        ([row("confidence", LEVEL, BETTER), row("entropy", LEVEL, LEVEL)], 1.1, False),
        ([row("a", LEVEL, BETTER), row("b", LEVEL, BETTER), row("c", LEVEL, WORSE)], 1.1, False),
        ([row("confidence", LEVEL, BETTER), row("entropy", LEVEL, BETTER)], 1.5, False),
        ([row("confidence", LEVEL, BETTER), row("b", LEVEL, BETTER, independent=False)], 1.1, False),
        ([row("confidence", LEVEL, BETTER), row("recall", LEVEL, BETTER)], 1.1, False),
    ],
    ids=["kept", "one judge", "one against", "a detour", "not independent", "a set is no judge of frames"],
)
def test_the_promise(rows: list[dict[str, Any]], directness: float, kept: bool) -> None:
    assert verdicts(rows, directness)[RECOMMENDED].keeps_the_promise is kept


def test_sets_have_numbers_of_their_own() -> None:
    found = verdicts([row("recall", LEVEL, LEVEL), row("frechet", WORSE, BETTER, higher=False)])
    assert found[RECOMMENDED].recall == pytest.approx(0.95)
    assert found[RECOMMENDED].frechet.verdict == "does not hold"
    assert found[PATH].frechet.verdict == "holds"
    assert found[RECOMMENDED].judges == 0


def test_the_table_has_a_row_for_each_method_and_none_without_a_recipe() -> None:
    records = {NAME: {"rows": [row("confidence", WORSE, BETTER), row("entropy", LEVEL, BETTER)]}}
    text = method_table({NAME: result(1.1)}, records)
    assert "the paper's" in text
    assert "**recommended**" in text
    sentences = method_sentences({NAME: result(1.1)}, records)
    assert sentences[0].startswith("Recommended: for 1 of 1 model")
    assert method_table({NAME: made(NAME, GOOD, 0.2, COST)}, records) == ""


def test_the_headline_counts_verdicts_of_judges_of_frames_over_all_models() -> None:
    rows = [row("confidence", WORSE, BETTER), row("entropy", LEVEL, BETTER), row("recall", LEVEL, LEVEL)]
    records = {name: {"rows": rows} for name in ("one", "two")}
    found = method_verdicts(
        {name: result(directness) for name, directness in zip(records, (1.1, 1.2), strict=True)}, records
    )
    recommended, papers = headline(found)
    assert "Of 4 verdicts" in recommended
    assert "2 models, 4 are better than on the straight line's and 0 worse" in recommended
    assert "1.10 to 1.20 times the line's, its recall 0.95 to 0.95" in recommended
    assert "0 are better than on the straight line's and 2 worse" in papers
    assert headline([]) == []


def test_models_without_a_recipe_are_named() -> None:
    assert without_recipe({NAME: result(1.1)}) == ""
    one = made(NAME, GOOD, 0.2, COST)
    assert without_recipe({NAME: result(1.1), "one": one}) == "Left out here: `one`, which has no recipe."
    assert without_recipe({"one": one, "two": one}) == "Left out here: `one` and `two`, which have no recipe."
