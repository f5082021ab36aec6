"""Claims on results with known answers."""

from __future__ import annotations

from typing import Any

import torch
from result_examples import COST, GOOD, made

from latentpath.paper.claims import evaluate_claims
from latentpath.paper.claims.curves import _distance_in_latents
from latentpath.paper.claims.sections import counts
from latentpath.paper.config import DIGITS, MODELS, WAE, Config
from latentpath.paper.results import LINE, PATH, ModelResult


class TestClaims:
    def verdicts(self, solved: dict[str, ModelResult], extra: Any = None) -> dict[str, str]:
        found = evaluate_claims(solved, extra or {}, Config(pairs=12))
        every = [claim for section in found for claim in section.claims]
        assert sum(counts(every).values()) == len(every)
        return {claim.text: claim.verdict for claim in every}

    def test_the_verdicts_follow_from_the_numbers(self) -> None:
        name = "mnist-dcgan-semicircle"
        said = self.verdicts({name: made(name, GOOD, 0.3, COST, pairs=200)})
        assert said["digits, semicircle prior: the path's mean ri is above the line's"] == "holds"
        assert said["digits, semicircle prior: the decoded path is shorter than the decoded line (relative change of "
                    "length)"] == "holds"  # fmt: skip
        leaves = next(verdict for text, verdict in said.items() if "leaves the prior" in text)
        assert leaves == "does not hold"  # no point of the line is outside
        said = self.verdicts({name: made(name, {**GOOD, LINE: 0.01, PATH: 0.6}, 0.3, COST)})
        leaves = next(verdict for text, verdict in said.items() if "leaves the prior" in text)
        assert leaves == "not decided"  # the line does; of 12 pairs none of the path's is outside, which may be 1 in 4

    def test_they_speak_against_the_method_where_the_numbers_do(self) -> None:
        name = "mnist-dcgan-semicircle"
        worse = {**GOOD, LINE: 0.8, PATH: 0.3}
        said = self.verdicts({name: made(name, worse, 0.3, {**COST, PATH: 30.0})})
        assert said["digits, semicircle prior: the path's mean ri is above the line's"] == "does not hold"
        assert "holds" not in {verdict for text, verdict in said.items() if "shorter" in text}

    def test_an_auto_encoder_that_agrees_and_one_that_does_not(self) -> None:
        gan = made("celeba-dcgan-normal", GOOD, 0.4, COST)
        for bend, verdict in ((0.02, "holds"), (0.3, "does not hold")):
            said = self.verdicts({WAE: made(WAE, GOOD, bend, {**COST, PATH: 9.0}), gan.name: gan})
            assert next(v for text, v in said.items() if text.startswith("path and line nearly agree")) == verdict
            assert next(v for text, v in said.items() if "nearer to the line than that of the GAN" in text) == "holds"

    def test_the_distance_from_the_line_is_that_of_the_bend(self) -> None:
        torch.testing.assert_close(
            _distance_in_latents(made(WAE, GOOD, 0.25, COST)),
            torch.full((12,), 0.25, dtype=torch.float64),
            rtol=1e-5,
            atol=0,
        )

    def test_gaps_are_a_claim_and_tunnels_of_few_pairs_a_fact(self) -> None:
        name = DIGITS[0]
        gaps = {f"{k}/gap": 0.3 / k + 0.001 * torch.rand(12) for k in Config().resolutions}
        costs = {f"{k}/cost": torch.rand(12) for k in Config().resolutions}
        solved = {name: made(name, GOOD, 0.3, COST)}
        descent = {
            "tunnels": torch.tensor([1] * 3 + [0] * 9), "cost": 4 * solved[name].cost[PATH], "gap": torch.rand(12),
            "evaluations": torch.rand(12), "outcome": torch.tensor([1] * 2 + [2] * 10),
        }  # fmt: skip
        sections = evaluate_claims(
            solved, {"resolution": {name: gaps | costs}, "descent": {name: descent}}, Config(pairs=12)
        )
        solver = sections[-1]
        assert next(c.verdict for c in solver.claims if c.topic == "converges") == "holds"
        assert not [claim for claim in solver.claims if "tunnel" in claim.text]
        share = dict(solver.facts)["digits, semicircle prior: gradient descent: share of pairs with a tunnel"]
        assert (share.mean, share.note) == (0.25, "exact binomial interval")
        (remark,) = solver.remarks
        assert "of 12 pairs gradient descent had converged for 2" in remark
        assert "cost 4 times the paths on average; of them 3 had a tunnel" in remark
        assert [check.verdict for check in solver.checks] == ["holds"]  # what is minimised is no claim of the paper's
        assert not [claim for section in sections for claim in section.claims if "costs less" in claim.text]

    def test_every_model_is_asked_whether_its_path_is_likelier(self) -> None:
        worse = {**GOOD, LINE: 0.9, PATH: 0.8}
        solved = {name: made(name, worse if name == WAE else GOOD, 0.3, COST) for name in MODELS}
        apart = {name: {"apart": 0.3 + 0.01 * torch.rand(12)} for name in MODELS}
        found = [c for section in evaluate_claims(solved, {"apart": apart}, Config(pairs=12)) for c in section.claims]
        likelier = {claim.model: claim.verdict for claim in found if claim.topic == "ri"}
        assert likelier == {name: "does not hold" if name == WAE else "holds" for name in MODELS}
        images = next(claim for claim in found if claim.topic == "agrees in images")
        assert images.verdict == "does not hold"
        assert "below a tenth" in images.text
        texts = " ".join(claim.text for claim in found)
        assert "digits, normal prior (D = 3)" in texts
        assert "GAN, in latents (digits" not in texts  # other data than the auto-encoder's
