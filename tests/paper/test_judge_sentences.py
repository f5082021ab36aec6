"""Sentences and tables on the judges follow from the numbers, whichever way they point."""

from __future__ import annotations

import re

import pytest
from record_examples import facts

from latentpath.paper.report.judge_sentences import (
    better_than_endpoints,
    better_than_line,
    index_sentences,
    solved_pairs,
)
from latentpath.paper.report.tables import judge_table
from latentpath.paper.results import LINE, PATH


class TestJudges:
    def test_only_judges_of_frames_that_are_independent_are_counted(self) -> None:
        said = facts({"entropy": "holds", "pixels": "does not hold", "features": "not decided",
                      "discriminator": "holds", "smoothness": "holds"})  # fmt: skip
        told = r"3 judges .* 1 .*better .*\(the entropy\).* 1 worse \(the pixels\).* 1 cannot .*\(the features\)"
        assert re.search(told, better_than_line(said))

    @pytest.mark.parametrize(
        ("verdict", "says"),
        [("holds", "better"), ("does not hold", "worse"), ("not decided", "cannot")],
    )
    def test_one_judge_and_none(self, verdict: str, says: str) -> None:
        assert says in better_than_line(facts({"pixels": verdict}))
        assert better_than_line(facts({"discriminator": verdict})).startswith("No judge")

    def test_frames_that_beat_the_endpoints_are_said_to(self) -> None:
        said = facts({"pixels": "holds", "features": "holds", "smoothness": "holds", "discriminator": "holds"})
        said["rows"][1]["ends"] = 0.3  # within the interval
        assert better_than_endpoints(said) == ["the pixels"]
        said["rows"][0]["higher_is_better"] = False
        assert better_than_endpoints(said) == []

    def test_bold_is_better_and_daggers_stand_with_what_an_index_is_made_of(self) -> None:
        kinds = (LINE, PATH, "classifier", "discriminator", "neighbours", "typicality")
        said = facts({"entropy": "holds", "pixels": "does not hold", "discriminator": "not decided"}, kinds)
        lines = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in judge_table(said, "than_path").splitlines()
        ]
        entropy, pixels, own = lines[2:5]
        number = "0.3 [0.25, 0.35]"
        bold, italic = f"**{number}**", f"*{number}*"
        assert entropy[1:-1] == [bold, number, f"{bold} †", bold, f"{bold} †", bold]
        assert pixels[1:-1] == [italic, number, italic, italic, italic, italic]
        assert own[0].startswith("the discriminator †")
        assert set(own[1:-1]) == {number}


SOLVES = {
    PATH: {"outcome": ["converged"] * 9, "tunnels": [0] * 8 + [1], "evaluations": [20.0] * 9},
    "typicality": {"outcome": ["converged"] * 8 + ["budget spent"], "tunnels": [1] + [0] * 8,
                   "evaluations": [30.0] * 9},
    "classifier": {"outcome": ["budget spent"] * 5 + ["converged"] * 4, "tunnels": [0] * 9,
                   "evaluations": [30.0] * 9},
}  # fmt: skip


class TestOtherIndices:
    def test_only_pairs_that_both_solved_are_asked_about(self) -> None:
        assert solved_pairs(SOLVES, "typicality") == list(range(1, 8))
        # worse by far on the pairs that were not solved
        values = {PATH: [0.1 * k for k in range(9)], "typicality": [-100.0, *[0.1 * k + 1 for k in range(1, 8)], -90.0]}
        values["typicality"][3] += 0.1
        said = facts({"entropy": "does not hold", "discriminator": "does not hold"}, (LINE, PATH, "typicality"), values)
        words = index_sentences(said, SOLVES, "typicality")
        assert re.search(r"9 pairs 7 .*, 2 .*\(the entropy\) .*better", words)
        assert "discriminator" not in words

    def test_too_few_pairs_decide_nothing(self) -> None:
        values = {PATH: [0.0] * 9, "classifier": [1.0 + 0.1 * k for k in range(9)]}
        said = facts({"pixels": "holds"}, (LINE, PATH, "classifier"), values)
        words = index_sentences(said, SOLVES, "classifier")
        assert re.search("6 .*not decided.* 5 pairs", words)

    def test_a_judge_that_the_index_is_made_of_is_not_asked(self) -> None:
        solves = {PATH: SOLVES[PATH], "classifier": SOLVES[PATH]}
        values = {PATH: [0.1 * k for k in range(9)], "classifier": [0.1 * k + 1 + 0.01 * k * k for k in range(9)]}
        said = facts({"entropy": "holds", "features": "holds"}, (LINE, PATH, "classifier"), values)
        assert "No judge" in index_sentences(said, solves, "classifier")
        said["rows"] += facts({"pixels": "holds"}, (LINE, PATH, "classifier"))["rows"]  # of the whole set
        assert "No judge" in index_sentences(said, solves, "classifier")
