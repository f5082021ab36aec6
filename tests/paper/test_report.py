"""What the report says in words follows from the numbers, whichever way they point."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from latentpath.models import Model
from latentpath.paper.claims.sections import Section
from latentpath.paper.claims.verdicts import Claim, Rule, above
from latentpath.paper.config import MODELS, WAE
from latentpath.paper.judges.records import is_complete
from latentpath.paper.report.findings import brief, summary
from latentpath.paper.report.judge_sentences import (
    better_than_endpoints,
    better_than_line,
    index_sentences,
    solved_pairs,
)
from latentpath.paper.report.tables import judge_table
from latentpath.paper.results import KINDS, LINE, PATH, ModelResult
from latentpath.paper.statistics import Estimate
from latentpath.priors import standard_normal

ROOT = Path(__file__).resolve().parents[2]
SAID = {"holds": Estimate(1, 0.5, 2, n=9), "does not hold": Estimate(-1, -2, -0.5, n=9),
        "not decided": Estimate(0, -1, 1, n=9)}  # fmt: skip
NEEDS = {"entropy": ["classifier"], "pixels": ["real images"], "features": ["real images", "feature network"],
         "discriminator": ["discriminator"], "smoothness": []}  # fmt: skip


def row(name: str, verdict: str, kinds: tuple[str, ...], values: dict[str, list[float]] | None = None) -> Any:
    claims = {kind: Claim("", SAID[verdict], above(0)).to_dict() for kind in kinds}
    return {
        "name": name, "title": f"the {name}", "unit": "u", "higher_is_better": True,
        "independent": name != "discriminator", "needs": NEEDS[name], "ends": None if name == "smoothness" else 0.2,
        "estimates": {kind: Estimate(0.3, 0.25, 0.35, n=9).to_dict() for kind in kinds},
        "than_line": {kind: claims[kind] for kind in kinds if kind != LINE},
        "than_path": {kind: claims[kind] for kind in kinds if kind != PATH}, "values": values,
    }  # fmt: skip


def facts(verdicts: dict[str, str], kinds: tuple[str, ...] = (LINE, PATH), values: Any = None, pairs: int = 9) -> Any:
    rows = [row(name, verdict, kinds, values) for name, verdict in verdicts.items()]
    return {"pairs": pairs, "frames": 4, "real": 0, "kinds": list(kinds), "rows": rows, "missing": []}


class TestJudges:
    def test_only_judges_of_frames_that_are_independent_are_counted(self) -> None:
        said = facts({"entropy": "holds", "pixels": "does not hold", "features": "not decided",
                      "discriminator": "holds", "smoothness": "holds"})  # fmt: skip
        words = better_than_line(said)
        assert words.startswith("Of 3 judges that are independent 1 finds the frames of the path better than those of")
        assert "(the entropy), 1 worse (the pixels), and 1 cannot tell (the features)" in words

    @pytest.mark.parametrize(
        ("verdict", "says"),
        [("holds", "finds the frames of the path better"), ("does not hold", "worse than"), ("not decided", "cannot")],
    )
    def test_one_judge_and_none(self, verdict: str, says: str) -> None:
        assert says in better_than_line(facts({"pixels": verdict}))
        assert (
            better_than_line(facts({"discriminator": verdict}))
            == "No judge that is independent of the model could be asked."
        )

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

    def test_facts_that_are_not_whole_are_seen(self) -> None:
        kinds = (LINE, PATH)
        said = facts({"entropy": "holds"}, kinds, {LINE: [1.0] * 9, PATH: [1.0] * 9})
        stored = json.loads(json.dumps(said))
        assert is_complete(stored, kinds, 9, by_pair=True)
        assert not is_complete(stored, kinds, 8)
        assert not is_complete(stored, (*kinds, "slerp"), 9)
        for key in ("rows", "kinds", "pairs", "missing", "frames"):
            assert not is_complete({k: v for k, v in stored.items() if k != key}, kinds, 9)
        for key in ("estimates", "than_line", "than_path", "title", "needs"):
            broken = json.loads(json.dumps(said))
            del broken["rows"][0][key]
            assert not is_complete(broken, kinds, 9)
        del stored["rows"][0]["values"]
        assert is_complete(stored, kinds, 9)
        assert not is_complete(stored, kinds, 9, by_pair=True)
        for nothing in ({}, [], None, 3, "text"):
            assert not is_complete(nothing, kinds, 9)


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
        assert words.startswith(
            "of 9 pairs 7 were solved by this index and by the density's (converged, no tunnel), 2 "
        )
        assert (
            "The one judge that is independent of it (the entropy) finds its frames better than those of the path"
            in words
        )

    def test_too_few_pairs_decide_nothing(self) -> None:
        values = {PATH: [0.0] * 9, "classifier": [1.0 + 0.1 * k for k in range(9)]}
        said = facts({"pixels": "holds"}, (LINE, PATH, "classifier"), values)
        words = index_sentences(said, SOLVES, "classifier")
        assert words.endswith("6 are left out: not decided, on fewer than 5 pairs.")

    def test_a_judge_that_the_index_is_made_of_is_not_asked(self) -> None:
        solves = {PATH: SOLVES[PATH], "classifier": SOLVES[PATH]}
        values = {PATH: [0.1 * k for k in range(9)], "classifier": [0.1 * k + 1 + 0.01 * k * k for k in range(9)]}
        said = facts({"entropy": "holds", "features": "holds"}, (LINE, PATH, "classifier"), values)
        assert "No judge that is independent of it could be asked." in index_sentences(said, solves, "classifier")
        said["rows"] += facts({"pixels": "holds"}, (LINE, PATH, "classifier"))["rows"]  # of the whole set
        words = index_sentences(said, solves, "classifier")
        assert "could be asked" in words


def a_section(verdicts: dict[str, str], topic: str = "ri") -> Section:
    rule = Rule("above", 0.0)
    claims = tuple(Claim("", SAID[verdict], rule, topic=topic, model=name) for name, verdict in verdicts.items())
    return Section("", "", claims)


def shorter(by: dict[str, float]) -> dict[str, ModelResult]:
    model = Model(lambda z: z, standard_normal(2))
    length = {name: {kind: torch.full((4,), 1 - share if kind == PATH else 1.0) for kind in KINDS}
              for name, share in by.items()}  # fmt: skip
    return {name: ModelResult(name, model, 0.9, {}, {}, {}, {}, of) for name, of in length.items()}


class TestSummary:
    def test_a_claim_stands_with_every_verdict_that_it_has(self) -> None:
        verdicts = dict(zip(MODELS, ("holds", "holds", "holds", "not decided", "does not hold"), strict=True))
        held, failed, _ = summary([a_section(verdicts)], {}, {})
        claim = "the path's mean `ri` is above the line's"
        assert held == f"*What held*: for digits/semicircle, digits/normal and faces/semicircle {claim}."
        assert (
            failed
            == f"*What did not*: for the auto-encoder that {claim}. *Not decided*: for faces/normal that {claim}."
        )
        every = dict.fromkeys(MODELS, "holds")
        held, failed, _ = summary([a_section(every), a_section(every, "steps")], {}, {})
        assert held == f"*What held*: for all 5 models {claim} and the path's steps vary more than the line's."
        assert failed == "*What did not*: nothing. *Not decided*: nothing."
        held, failed, _ = summary([a_section(dict.fromkeys(MODELS, "does not hold"))], {}, {})
        assert held == "*What held*: nothing."
        assert claim in failed

    def test_by_how_much_is_of_the_models_for_which_it_holds(self) -> None:
        verdicts = dict.fromkeys(MODELS, "holds") | {WAE: "does not hold"}
        by = dict(zip(MODELS, (0.25, 0.2, 0.1, 0.15, -0.3), strict=True))
        held, failed, _ = summary([a_section(verdicts, "length")], shorter(by), {})
        assert "faces/semicircle and faces/normal the decoded path" in held
        assert held.endswith("by 10 to 25 %.")
        assert "%" not in failed

    def test_the_judges_are_counted_where_they_are_independent(self) -> None:
        judged = {name: facts({"pixels": "holds" if name != WAE else "not decided", "discriminator": "holds"})
                  for name in MODELS}  # fmt: skip
        told = summary([], {}, judged)[2]
        assert "the pixels – better for 4, worse for 0 of 5 models (for 5 better than the endpoints' own frames" in told
        assert "favours blur" in told
        assert "discriminator" not in told
        assert summary([], {}, {})[2].endswith("none could be asked.")

    def test_in_brief_a_claim_is_where_its_verdicts_put_it(self) -> None:
        every = dict.fromkeys(MODELS, "holds")
        some = every | {WAE: "not decided"}
        judged = {name: facts({"pixels": "holds" if name != WAE else "does not hold"}) for name in MODELS}
        held, failed = brief([a_section(every), a_section(some, "steps")], judged)
        assert held.endswith("the path's mean `ri` is above the line's (5).")
        assert "the path's steps vary more than the line's (4 of 5)." in failed
        assert failed.endswith("the pixels 4 better, 1 worse of 5.")
        assert brief([], {})[0].endswith("nothing.")

    def test_the_readme_says_what_the_committed_report_says(self) -> None:
        numbers = json.loads((ROOT / "docs/reproduction/report.json").read_text(encoding="utf-8"))
        if "brief" not in numbers:
            pytest.skip("the committed report is of before there were these lines")
        readme = re.sub(r"\s+", " ", (ROOT / "README.md").read_text(encoding="utf-8"))
        for line in numbers["brief"]:
            assert f"- {line}" in readme, 'copy "brief" of docs/reproduction/report.json into the README'
