"""The findings follow from the verdicts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from record_examples import SAID, facts

from latentpath.models import Model
from latentpath.paper.claims.sections import Section
from latentpath.paper.claims.verdicts import Claim, Rule
from latentpath.paper.config import MODELS, WAE
from latentpath.paper.report.findings import brief, summary
from latentpath.paper.results import KINDS, PATH, ModelResult
from latentpath.priors import standard_normal

ROOT = Path(__file__).resolve().parents[2]


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
