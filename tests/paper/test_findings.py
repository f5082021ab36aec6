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
from latentpath.paper.config import MODELS, SHORT_TITLES, WAE
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
        refuted, undecided = failed.split("*Not decided*")
        lines = {"holds": held, "does not hold": refuted, "not decided": undecided}
        places = {verdict: {name for name in MODELS if SHORT_TITLES[name] in line} for verdict, line in lines.items()}
        assert places == {v: {name for name in MODELS if verdicts[name] == v} for v in places}
        assert all(line.count("mean `ri`") == 1 for line in lines.values())
        every = dict.fromkeys(MODELS, "holds")
        held, failed, _ = summary([a_section(every), a_section(every, "steps")], {}, {})
        assert re.search("all 5 models .*mean `ri`.* steps ", held)
        assert failed.count("nothing") == 2
        held, failed, _ = summary([a_section(dict.fromkeys(MODELS, "does not hold"))], {}, {})
        assert "nothing" in held
        assert "mean `ri`" in failed

    def test_by_how_much_is_of_the_models_for_which_it_holds(self) -> None:
        verdicts = dict.fromkeys(MODELS, "holds") | {WAE: "does not hold"}
        by = dict(zip(MODELS, (0.25, 0.2, 0.1, 0.15, -0.3), strict=True))
        held, failed, _ = summary([a_section(verdicts, "length")], shorter(by), {})
        assert SHORT_TITLES[WAE] not in held
        assert "10 to 25 %" in held
        assert "%" not in failed

    def test_the_judges_are_counted_where_they_are_independent(self) -> None:
        judged = {name: facts({"pixels": "holds" if name != WAE else "not decided", "discriminator": "holds"})
                  for name in MODELS}  # fmt: skip
        told = summary([], {}, judged)[2]
        assert re.search("the pixels .*better for 4, worse for 0 of 5 .*for 5 better .*endpoints.*blur", told)
        assert "discriminator" not in told
        assert "none" in summary([], {}, {})[2]

    def test_in_brief_a_claim_is_where_its_verdicts_put_it(self) -> None:
        every = dict.fromkeys(MODELS, "holds")
        some = every | {WAE: "not decided"}
        judged = {name: facts({"pixels": "holds" if name != WAE else "does not hold"}) for name in MODELS}
        held, failed = brief([a_section(every), a_section(some, "steps")], judged)
        assert re.search(r"mean `ri` .*\(5\)", held)
        assert re.search(r"steps .*\(4 of 5\).*the pixels 4 better, 1 worse of 5", failed)
        assert "nothing" in brief([], {})[0]

    def test_the_readme_says_what_the_committed_report_says(self) -> None:
        numbers = json.loads((ROOT / "docs/reproduction/report.json").read_text(encoding="utf-8"))
        if "brief" not in numbers:
            pytest.skip("the committed report is of before there were these lines")
        readme = re.sub(r"\s+", " ", (ROOT / "README.md").read_text(encoding="utf-8"))
        for line in numbers["brief"]:
            assert f"- {line}" in readme, 'copy "brief" of docs/reproduction/report.json into the README'
