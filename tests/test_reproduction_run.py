"""The reproduction as a whole: plans, what is kept of an interrupted run, claims with known answers, the report."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor
from typer.testing import CliRunner

from latentpath import cli
from latentpath.errors import DataError, InputError
from latentpath.models import Model
from latentpath.priors import standard_normal
from latentpath.reproduction import experiments, run
from latentpath.reproduction.claims import claims, tally
from latentpath.reproduction.experiments import KINDS, LINE, PATH, SHORTEST
from latentpath.reproduction.meter import Meter
from latentpath.reproduction.plan import DIGITS, MODELS, WAE, Plan
from latentpath.reproduction.solved import Solved
from latentpath.reproduction.statistics import unpaired
from latentpath.reproduction.store import Store

TINY = dataclasses.replace(
    Plan.quick(), pairs=3, face_pairs=2, segments=10, tol=0.5, alphas=(1.0, 0.01), alpha_pairs=2, resolutions=(4, 8),
    resolution_pairs=2, descents=4, descent_pairs=2, index_pairs=2, index_evaluations=2, index_samples=200, frames=4,
)  # fmt: skip


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


class TestPlan:
    @pytest.mark.parametrize("wrong", [{"pairs": 1}, {"face_pairs": 0}, {"seed": -1}, {"alpha": 0.0}, {"frames": 2}])
    def test_too_few_of_anything_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(InputError, match=next(iter(wrong))):
            dataclasses.replace(Plan(), **wrong)

    def test_faces_have_their_own_number_and_few_are_never_more_than_all(self) -> None:
        plan = Plan(pairs=5, face_pairs=3)
        assert [plan.pairs_of(name) for name in MODELS] == [5, 5, 3, 3, 3]
        assert (plan.few(3), plan.few(16)) == (3, 5)


class TestStore:
    def test_a_job_is_done_once_and_its_numbers_stay(self, tmp_path: Path) -> None:
        calls = []

        def compute() -> dict[str, Tensor]:
            calls.append(1)
            return {"x": torch.arange(6.0).view(2, 3)[:, ::2]}

        for _ in range(2):
            found = Store(tmp_path / "out", {"plan": 1}).tensors("model/job", compute)
            assert torch.equal(found["x"], torch.tensor([[0.0, 2.0], [3.0, 5.0]]))
        assert len(calls) == 1
        store = Store(tmp_path / "out", {"plan": 1})
        assert store.facts("model/said", lambda: {"a": [1.5, float("nan")]}) == {"a": [1.5, None]}
        assert store.facts("model/said", lambda: {"a": "not asked again"}) == {"a": [1.5, None]}

    def test_a_job_that_fails_leaves_nothing(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "out", {})

        def fails() -> dict[str, Tensor]:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            store.tensors("job", fails)
        assert [file.name for file in (tmp_path / "out").rglob("*")] == ["plan.json"]

    def test_another_plan_and_other_folders_are_refused(self, tmp_path: Path) -> None:
        Store(tmp_path / "out", {"plan": {"pairs": 200, "seed": 0}})
        with pytest.raises(InputError, match=r"holds another run \(pairs: there 200, here 6\): choose another folder"):
            Store(tmp_path / "out", {"plan": {"pairs": 6, "seed": 0}})
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match="is a file"):
            Store(tmp_path / "file", {})
        with pytest.raises(InputError, match="is not empty, and holds no reproduction"):
            Store(tmp_path, {})
        (tmp_path / "out" / "plan.json").write_text("{")
        with pytest.raises(DataError, match=r"plan\.json cannot be read"):
            Store(tmp_path / "out", {})

    def test_a_damaged_job_is_named(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "out", {})
        store.tensors("job", lambda: {"x": torch.ones(3)})
        (tmp_path / "out/work/job.safetensors").write_bytes(b"torn")
        with pytest.raises(DataError, match=r"job\.safetensors is damaged .*remove it"):
            store.tensors("job", dict)


def test_a_meter_ends_at_one_whatever_was_told() -> None:
    seen: list[tuple[str, float, bool]] = []
    meter = Meter(3.0, lambda *told: seen.append(told))
    one, two = meter.job("one", 1.0), meter.job("two", 2.0)
    for tell, shares in ((one, (0.5, 1.0, 1.0)), (two, (1.0,))):
        for share in shares:
            tell(share)
    assert seen[2:] == [("one", 1 / 6, False), ("one", 1 / 3, True), ("one", 1 / 3, False), ("two", 1.0, True)]


def made(name: str, ri: dict[str, float], bend: float, cost: dict[str, float], pairs: int = 12) -> Solved:
    """Pairs whose curves have a constant index, a known cost, and a path that leaves the line by ``bend``."""
    torch.manual_seed(0)
    points = 11
    start, end = torch.randn(2, pairs, 1, 3)
    t = torch.linspace(0, 1, points)[:, None]
    line = start + t * (end - start)
    aside = torch.linalg.cross(end - start, torch.ones(pairs, 1, 3))
    aside = aside / aside.norm(dim=-1, keepdim=True) * (end - start).norm(dim=-1, keepdim=True)
    bent = line + bend * torch.sin(torch.pi * t) * aside
    noise = 0.01 * torch.rand(pairs)
    model = Model(lambda z: z, standard_normal(3), name=name, card={"sha256": "0"})
    steps = torch.ones(pairs, points - 1) + 0.1 * torch.rand(pairs, points - 1)
    return Solved(
        name,
        model,
        0.9,
        {kind: bent if kind == PATH else line for kind in KINDS},
        {kind: (ri[kind] + noise)[:, None].expand(pairs, points) for kind in KINDS},
        dict.fromkeys(KINDS, steps),
        {kind: cost[kind] + noise for kind in KINDS},
        {kind: cost[kind] + noise for kind in KINDS},
    )


GOOD = {LINE: 0.3, "slerp": 0.1, PATH: 0.8, SHORTEST: 0.2}
COST = {LINE: 10.0, "slerp": 20.0, PATH: 5.0, SHORTEST: 4.0}


class TestClaims:
    def verdicts(self, solved: dict[str, Solved], extra: Any = None) -> dict[str, str]:
        found = claims(solved, extra or {}, Plan(pairs=12))
        assert sum(tally(found).values()) == sum(len(section.claims) for section in found)
        return {claim.text: claim.verdict for section in found for claim in section.claims}

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
        from latentpath.reproduction.claims import _apart

        torch.testing.assert_close(
            _apart(made(WAE, GOOD, 0.25, COST)), torch.full((12,), 0.25, dtype=torch.float64), rtol=1e-5, atol=0
        )

    def test_tunnels_and_gaps(self) -> None:
        name = DIGITS[0]
        gaps = {f"{k}/gap": 0.3 / k + 0.001 * torch.rand(12) for k in Plan().resolutions}
        costs = {f"{k}/cost": torch.rand(12) for k in Plan().resolutions}
        descent = {
            "tunnels": torch.ones(12), "cost": torch.rand(12), "gap": torch.rand(12), "evaluations": torch.rand(12)
        }  # fmt: skip
        said = self.verdicts(
            {name: made(name, GOOD, 0.3, COST)}, {"resolution": {name: gaps | costs}, "descent": {name: descent}}
        )
        assert next(v for text, v in said.items() if "converges to the audited cost" in text) == "holds"
        assert next(v for text, v in said.items() if "does not tunnel" in text) == "does not hold"


def test_the_difference_of_two_samples_covers_the_truth() -> None:
    random = torch.Generator().manual_seed(0)
    inside = 0
    for seed in range(60):
        one, two = torch.randn(40, generator=random), 1 + 2 * torch.randn(60, generator=random)
        found = unpaired(one, two, resamples=400, seed=seed)
        assert found.mean == pytest.approx(float(one.double().mean() - two.double().mean()), rel=1e-6)
        inside += found.low <= -1 <= found.high
    assert 50 <= inside <= 60
    assert not unpaired([1.0, 2.0], [3.0, 4.0, 5.0]).decisive
    with pytest.raises(InputError, match="confidence"):
        unpaired([1.0] * 4, [2.0] * 4, confidence=1.0)


class TestRun:
    @pytest.fixture(autouse=True)
    def nowhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("LATENTPATH_DATA", raising=False)

    def test_an_interrupted_run_goes_on_and_ends_with_the_same_bytes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plan = dataclasses.replace(TINY, pairs=2)
        whole = run.reproduce(plan, tmp_path / "whole", quiet(), figures=[4])
        original, solved = experiments.main, []

        def interrupted(model: Model, *rest: Any) -> Any:
            if len(solved) == 1:
                raise KeyboardInterrupt
            solved.append(model.name)
            return original(model, *rest)

        monkeypatch.setattr(experiments, "main", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run.reproduce(plan, tmp_path / "parts", quiet(), figures=[4])
        assert solved == [DIGITS[0]]

        def second_only(model: Model, *rest: Any) -> Any:
            solved.append(model.name)
            return original(model, *rest)

        monkeypatch.setattr(experiments, "main", second_only)
        parts = run.reproduce(plan, tmp_path / "parts", quiet(), figures=[4])
        assert solved == list(DIGITS)  # the first was not solved again
        assert [file.name for file in whole] == ["figure-4.png", "figure-4.svg", "figure-4.json"]
        for one, two in zip(whole, parts, strict=True):
            assert one.read_bytes() == two.read_bytes()

    def test_what_cannot_be_reproduced_is_refused_and_nothing_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(InputError, match="there is no figure 10: the paper has 1 to 9"):
            run.reproduce(TINY, tmp_path / "out", quiet(), figures=[10])
        monkeypatch.setattr(run, "available", lambda: ["mnist-dcgan-normal"])
        with pytest.raises(InputError, match="the model mnist-dcgan-semicircle is not here"):
            run.reproduce(TINY, tmp_path / "out", quiet(), figures=[4])
        assert not list(tmp_path.iterdir())

    @pytest.mark.slow
    def test_the_whole_in_small(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Plan, "quick", classmethod(lambda cls, seed=0: dataclasses.replace(TINY, seed=seed)))
        out = tmp_path / "out"
        result = CliRunner().invoke(cli.app, ["reproduce", "--quick", "--out", str(out), "--threads", "1"])
        assert result.exit_code == 0, result.output
        for number in range(1, 10):
            for suffix in ("png", "svg", "json"):
                assert (out / "figures" / f"figure-{number}.{suffix}").stat().st_size > 1000
        text, page = (out / "report.md").read_text(), (out / "report.html").read_text()
        numbers = json.loads((out / "report.json").read_text())
        assert numbers["command"] in text
        assert numbers["command"] == "latentpath reproduce --quick --pairs 3 --face-pairs 2 --seed 0"
        counted = [claim["verdict"] for section in numbers["claims"] for claim in section["claims"]]
        assert len(counted) > 20
        assert f"Of {len(counted)} claims {counted.count('holds')} hold" in text
        assert set(numbers["judges"]) == set(MODELS)
        assert "no images of mnist" in text
        rows = {row["name"] for row in numbers["judges"]["mnist-dcgan-normal"]["rows"]}
        assert rows == {"confidence", "entropy", "discriminator", "smoothness"}
        assert not re.findall(r'(?:src|href)="(?!data:)', page)  # nothing from outside
        assert page.count("data:image/png;base64,") == 9
        again = CliRunner().invoke(cli.app, ["reproduce", "--quick", "--out", str(out), "--threads", "1"])
        assert again.exit_code == 0
        assert (out / "report.md").read_text() == text
        other = CliRunner().invoke(cli.app, ["reproduce", "--quick", "--out", str(out), "--seed", "1"])
        assert other.exit_code == 2
        assert "holds another run (seed: there 0, here 1)" in other.stderr

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--pairs", "1"), "pairs must be a whole number of at least 2, got 1"),
            (("--figure", "0"), "there is no figure 0"),
            (("--seed", "-1"), "seed must be"),
            (("--out", __file__), "is a file"),
        ],
    )
    def test_bad_options_are_one_line(self, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
        result = CliRunner().invoke(cli.app, ["reproduce", "--out", str(tmp_path / "out"), *arguments])
        assert result.exit_code == 2
        assert message in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
        assert not (tmp_path / "out").exists()
