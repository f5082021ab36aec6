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
from PIL import Image
from rich.console import Console
from safetensors.torch import save as save_tensors
from torch import Tensor
from typer.testing import CliRunner

from latentpath import cli
from latentpath.errors import DataError, InputError, LatentPathError
from latentpath.models import Model
from latentpath.paper import jobs, reproduction
from latentpath.paper.claims import evaluate_claims
from latentpath.paper.claims.curves import _distance_in_latents
from latentpath.paper.claims.sections import counts
from latentpath.paper.config import DIGITS, MODELS, WAE, Config
from latentpath.paper.job_cache import JobCache
from latentpath.paper.progress import JobProgress
from latentpath.paper.real_images import IMAGE_DEPENDENT_JOBS, RealImages, read_real_images
from latentpath.paper.results import KINDS, LINE, PATH, SHORTEST, ModelResult
from latentpath.paper.statistics import unpaired
from latentpath.priors import standard_normal

TINY = dataclasses.replace(
    Config.quick(), pairs=3, face_pairs=2, segments=10, tol=0.5, alphas=(1.0, 0.01), alpha_pairs=2, resolutions=(4, 8),
    resolution_pairs=2, descents=4, descent_pairs=2, index_pairs=2, index_evaluations=2, index_samples=200, frames=4,
)  # fmt: skip


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


class TestPlan:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"pairs": 1}, r"\(--pairs\) must be a whole number from 2 to 100,000, got 1$"),
            ({"pairs": 10**12}, r"\(--pairs\) must be a whole number from 2 to 100,000, got 1000000000000"),
            ({"face_pairs": 0}, r"\(--face-pairs\) must be a whole number from 2"),
            ({"seed": -1}, "seed"),
            ({"alpha": 0.0}, "alpha"),
            ({"frames": 2}, "frames"),
        ],
    )
    def test_too_few_and_too_many_of_anything_are_refused(self, wrong: dict[str, Any], message: str) -> None:
        with pytest.raises(InputError, match=message):
            dataclasses.replace(Config(), **wrong)

    def test_faces_have_their_own_number_and_few_are_never_more_than_all(self) -> None:
        plan = Config(pairs=5, face_pairs=3)
        assert [plan.pairs_of(name) for name in MODELS] == [5, 5, 3, 3, 3]
        assert (plan.digit_pairs(3), plan.digit_pairs(16)) == (3, 5)


NONE: dict[str, int | None] = {"mnist": None, "celeba": None}


class TestStore:
    def test_a_job_is_done_once_and_its_numbers_stay(self, tmp_path: Path) -> None:
        calls = []

        def compute() -> dict[str, Tensor]:
            calls.append(1)
            return {"x": torch.arange(6.0).view(2, 3)[:, ::2]}

        for _ in range(2):
            store = JobCache(tmp_path / "out", {"plan": 1})
            store.begin({}, {})
            found = store.tensors("model/job", compute, {"x"}, 2)
            assert torch.equal(found["x"], torch.tensor([[0.0, 2.0], [3.0, 5.0]]))
        assert len(calls) == 1

    def test_facts_stay_while_they_are_whole(self, tmp_path: Path) -> None:
        store = JobCache(tmp_path / "out", {"plan": 1})
        store.begin({}, {})
        file = tmp_path / "out/work/model/said.json"
        assert store.facts("model/said", lambda: {"a": [1.5, float("nan")]}, lambda _: True) == {"a": [1.5, None]}
        assert store.facts("model/said", lambda: {"a": "not asked again"}, lambda _: True) == {"a": [1.5, None]}
        for broken in ("{}", "[]", "3", "null", '{"a"', ""):
            file.write_text(broken)
            assert store.facts(
                "model/said", lambda: {"a": 2}, lambda found: isinstance(found, dict) and "a" in found
            ) == {"a": 2}
            assert json.loads(file.read_text()) == {"a": 2}

    def test_a_job_that_fails_leaves_nothing(self, tmp_path: Path) -> None:
        store = JobCache(tmp_path / "out", {})
        assert not (tmp_path / "out").exists()
        store.begin({}, {})

        def fails() -> dict[str, Tensor]:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            store.tensors("job", fails, (), 1)
        assert [file.name for file in (tmp_path / "out").rglob("*")] == ["plan.json"]

    def test_another_plan_and_other_folders_are_refused(self, tmp_path: Path) -> None:
        JobCache(tmp_path / "out", {"plan": {"pairs": 200, "seed": 0}}).begin({}, {})
        with pytest.raises(InputError, match=r"holds another run \(pairs: there 200, here 6\): choose another folder"):
            JobCache(tmp_path / "out", {"plan": {"pairs": 6, "seed": 0}})
        with pytest.raises(InputError, match=r"holds another run \(seed: there 0, here None\)"):
            JobCache(tmp_path / "out", {"plan": {"pairs": 200}})
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match="is a file"):
            JobCache(tmp_path / "file", {})
        with pytest.raises(InputError, match="is not empty, and holds no reproduction"):
            JobCache(tmp_path, {})
        for broken, error in (("{", DataError), ("[]", InputError)):
            (tmp_path / "out" / "plan.json").write_text(broken)
            with pytest.raises(error, match=r"plan\.json cannot be read|its plan is none"):
                JobCache(tmp_path / "out", {})
        (tmp_path / "taken").mkdir()
        (tmp_path / "taken/figures").write_text("")
        with pytest.raises(InputError, match="figures is a file"):
            JobCache(tmp_path / "taken", {})
        (tmp_path / "mac").mkdir()
        (tmp_path / "mac/.DS_Store").write_text("")
        JobCache(tmp_path / "mac", {}).begin({}, {})

    @pytest.mark.parametrize(
        ("made", "what"),
        [
            (b"torn", "InvalidHeader|header"),
            ({"y": torch.ones(3)}, "'x' is not in it"),
            ({"x": torch.ones(2)}, "'x' is not of 3 pairs"),
            ({"x": torch.tensor(1.0)}, "'x' is not of 3 pairs"),
        ],
    )
    def test_a_damaged_job_is_named(self, tmp_path: Path, made: Any, what: str) -> None:
        store = JobCache(tmp_path / "out", {})
        store.tensors("job", lambda: {"x": torch.ones(3)}, {"x"}, 3)
        content = made if isinstance(made, bytes) else save_tensors(made)
        (tmp_path / "out/work/job.safetensors").write_bytes(content)
        with pytest.raises(DataError, match=rf"job\.safetensors is damaged \(.*({what}).*remove it"):
            store.tensors("job", dict, {"x"}, 3)

    def test_data_sets_are_told_as_they_are_needed(self, tmp_path: Path) -> None:
        for images in ({}, {"celeba": 8900}, {"mnist": 60000, "celeba": 8900}, {"mnist": 60000}):
            assert JobCache(tmp_path, {"plan": 1}).begin(images, IMAGE_DEPENDENT_JOBS) == []
        content = json.loads((tmp_path / "plan.json").read_text())
        assert content == {"plan": 1, "real images": {"celeba": 8900, "mnist": 60000}}
        with pytest.raises(InputError, match=r"had 60,000 images of mnist: pass their folder \(--data\)"):
            JobCache(tmp_path, {"plan": 1}).begin(NONE, IMAGE_DEPENDENT_JOBS)
        with pytest.raises(InputError, match=r"images of mnist: there 60,000, here 59"):
            JobCache(tmp_path, {"plan": 1}).begin({"mnist": 59}, IMAGE_DEPENDENT_JOBS)

    def test_what_was_done_without_images_is_done_anew_with_them_and_nothing_else(self, tmp_path: Path) -> None:
        store = JobCache(tmp_path, {})
        store.begin(NONE, IMAGE_DEPENDENT_JOBS)
        kept = ["mnist-dcgan-normal/main-0000.safetensors", "mnist-dcgan-normal/alpha-0000.safetensors",
                "celeba-dcgan-normal/main-0000.safetensors", "celeba-wae/main-0000.safetensors",
                "celeba-wae/judged.json"]  # fmt: skip
        gone = ["mnist-dcgan-normal/indices-0000.safetensors", "mnist-dcgan-normal/judged.json",
                "mnist-dcgan-semicircle/judged-indices.json"]  # fmt: skip
        for name in kept + gone:
            (tmp_path / "work" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "work" / name).write_text("")
        assert JobCache(tmp_path, {}).begin({"mnist": 60000, "celeba": None}, IMAGE_DEPENDENT_JOBS) == ["mnist"]
        there = {str(file.relative_to(tmp_path / "work")) for file in (tmp_path / "work").rglob("*.*")}
        assert there == set(kept)
        assert JobCache(tmp_path, {}).begin({"celeba": 8900}, IMAGE_DEPENDENT_JOBS) == ["celeba"]
        there = {str(file.relative_to(tmp_path / "work")) for file in (tmp_path / "work").rglob("*.*")}
        assert there == set(kept[:3])


def test_a_meter_ends_at_one_whatever_was_told() -> None:
    seen: list[tuple[str, float, bool]] = []
    meter = JobProgress(3.0, lambda *told: seen.append(told))
    one, two = meter.job("one", 1.0), meter.job("two", 2.0)
    for tell, shares in ((one, (0.5, 1.0, 1.0)), (two, (1.0,))):
        for share in shares:
            tell(share)
    assert seen[2:] == [("one", 1 / 6, False), ("one", 1 / 3, True), ("one", 1 / 3, False), ("two", 1.0, True)]


def made(name: str, ri: dict[str, float], bend: float, cost: dict[str, float], pairs: int = 12) -> ModelResult:
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
    return ModelResult(
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


def test_how_far_the_decoded_path_leaves_the_decoded_line() -> None:
    of = made(WAE, GOOD, 0.25, COST)
    stretched = Model(lambda z: 2 * z, of.model.prior)
    found = jobs.apart(stretched, of.curves[LINE], of.curves[PATH], lambda share: None)["apart"]
    torch.testing.assert_close(found, torch.full((12,), 0.25, dtype=torch.float64), rtol=1e-5, atol=0)
    square = torch.tensor([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0]])
    points = torch.tensor([[2.0, 1.0], [5.0, 2.0], [-3.0, -4.0], [4.0, 4.0], [1.0, 3.0]])
    from_line = jobs._distance_to_polyline(points, square)
    torch.testing.assert_close(from_line, torch.tensor([1.0, 1.0, 5.0, 0.0, 3.0]))


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
        whole = reproduction.reproduce(plan, tmp_path / "whole", quiet(), figures=[4])
        original, solved = jobs.main, []

        def interrupted(model: Model, *rest: Any, **options: Any) -> Any:
            if len(solved) == 1:
                raise KeyboardInterrupt
            solved.append(model.name)
            return original(model, *rest, **options)

        monkeypatch.setattr(jobs, "main", interrupted)
        with pytest.raises(KeyboardInterrupt):
            reproduction.reproduce(plan, tmp_path / "parts", quiet(), figures=[4])
        assert solved == [DIGITS[0]]

        def second_only(model: Model, *rest: Any, **options: Any) -> Any:
            solved.append(model.name)
            return original(model, *rest, **options)

        monkeypatch.setattr(jobs, "main", second_only)
        parts = reproduction.reproduce(plan, tmp_path / "parts", quiet(), figures=[4])
        assert solved == list(DIGITS)  # the first was not solved again
        assert [file.name for file in whole] == ["figure-4.png", "figure-4.svg", "figure-4.json"]
        for one, two in zip(whole, parts, strict=True):
            assert one.read_bytes() == two.read_bytes()

    def test_figures_and_the_whole_share_their_pairs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        original, solved = jobs.main, []

        def counted(model: Model, *rest: Any, **options: Any) -> Any:
            solved.append(model.name)
            return original(model, *rest, **options)

        monkeypatch.setattr(jobs, "main", counted)
        plan, wae = dataclasses.replace(TINY, pairs=2), []
        for figures in ([4, 4], [9], [4, 9]):
            wae = reproduction.reproduce(plan, tmp_path / "out", quiet(), figures=figures)
        assert solved == [*DIGITS, WAE]
        assert [file.name for file in wae if file.suffix == ".png"] == ["figure-4.png", "figure-9.png"]
        caption = json.loads((tmp_path / "out/figures/figure-9.json").read_text())["caption"]
        assert "The endpoints are draws of the prior, and no encodings, since there are no images of faces" in caption
        faces = torch.randint(0, 256, (100, 3, 64, 64), dtype=torch.uint8)
        monkeypatch.setattr(reproduction, "read_real_images", lambda *_: RealImages({"celeba": faces}, {}, faces))
        reproduction.reproduce(
            plan, tmp_path / "out", quiet(), figures=[4, 9]
        )  # the images come: only what they change is new
        assert solved == [*DIGITS, WAE, WAE]
        caption = json.loads((tmp_path / "out/figures/figure-9.json").read_text())["caption"]
        assert "The endpoints are encodings of images that were kept out of training" in caption
        monkeypatch.setattr(reproduction, "read_real_images", lambda *_: RealImages({"celeba": faces}, {}, faces[:3]))
        reproduction.reproduce(plan, tmp_path / "few", quiet(), figures=[9])
        caption = json.loads((tmp_path / "few/figures/figure-9.json").read_text())["caption"]
        assert "2 pairs need twice as many images, and 3 were kept out" in caption

    def test_what_cannot_be_reproduced_is_refused_and_nothing_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(InputError, match="there is no figure 10: the paper has 1 to 9"):
            reproduction.reproduce(TINY, tmp_path / "out", quiet(), figures=[10])
        monkeypatch.setattr(reproduction, "available", lambda: ["mnist-dcgan-normal"])
        with pytest.raises(InputError, match="the model mnist-dcgan-semicircle is not here"):
            reproduction.reproduce(TINY, tmp_path / "out", quiet(), figures=[4])
        assert not list(tmp_path.iterdir())

    @pytest.mark.slow
    def test_the_whole_in_small(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Config, "quick", classmethod(lambda cls, seed=0: dataclasses.replace(TINY, seed=seed)))
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
        assert all(f"- {line}" in text for line in numbers["summary"])
        assert "enough pairs" not in text
        assert "The endpoints of `celeba-wae` are draws of the prior" in text
        assert "No judge that is independent of the model could be asked" in text  # of faces, without images
        assert numbers["other_indices"][DIGITS[0]]["solves"].keys() == {PATH, "classifier", "discriminator",
                                                                        "typicality"}  # fmt: skip
        assert "not decided, on fewer than 5 pairs" in text
        assert {"outcome", "evaluations", "tunnels", "gap"} <= numbers["pairs"][WAE][PATH].keys()
        counted = [claim["verdict"] for section in numbers["claims"] for claim in section["claims"]]
        assert len(counted) > 20
        assert f"Of {len(counted)} claims {counted.count('holds')} hold" in text
        assert set(numbers["judges"]) == set(MODELS)
        assert "no images of mnist: name a folder (--data)" in text
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
            (("--pairs", "1"), "(--pairs) must be a whole number from 2 to 100,000, got 1"),
            (("--figure", "4", "--pairs", "1000000000000"), "(--pairs) must be a whole number from 2 to 100,000"),
            (("--face-pairs", "0"), "(--face-pairs) must be a whole number from 2"),
            (("--data", "/nonexistent"), "--data must name a folder with mnist/ and celeba/ in it, and /nonexistent"),
            (("--data", __file__), "is a file"),
            (("--figure", "4", "--data", __file__), "is a file"),
            (("--data", str(Path(__file__).parent)), "has neither"),
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

    def test_an_empty_name_is_no_folder(self) -> None:
        result = CliRunner().invoke(cli.app, ["reproduce", "--out", ""])
        assert (result.exit_code, result.stderr) == (2, "Error: --out must name a folder, got an empty name\n")


class TestRealImages:
    """What is wrong with a folder that was named is an error, and never "left out"."""

    def test_each_data_set_is_read_or_said_to_be_missing(self, tmp_path: Path) -> None:
        self.digits(tmp_path)
        found = read_real_images(("mnist", "celeba"), str(tmp_path))
        assert found.counts == {"mnist": 5, "celeba": None}
        assert found.missing == {"celeba": "there are no images of celeba: celeba/ is not in the folder of --data"}
        assert read_real_images((), str(tmp_path)).counts == {}

    @pytest.mark.parametrize(("count", "kept"), [(10, None), (100, None), (103, 3)])
    def test_faces_are_kept_out_of_training(self, tmp_path: Path, count: int, kept: int | None) -> None:
        import zipfile

        buffer = io.BytesIO()
        Image.new("RGB", (89, 109)).save(buffer, "png")
        (tmp_path / "celeba").mkdir()
        with zipfile.ZipFile(tmp_path / "celeba/img_align_celeba.zip", "w") as archive:
            for i in range(count):
                archive.writestr(f"img_align_celeba/{i:06}.png", buffer.getvalue())
        if kept is None:
            with pytest.raises(InputError, match=f"has {count} images of faces .*more than 100 are needed"):
                read_real_images(("celeba",), str(tmp_path))
        else:
            found = read_real_images(("celeba",), str(tmp_path))
            assert found.counts == {"celeba": kept}
            assert found.held_out is not None
            assert len(found.held_out) == 100

    def test_what_is_damaged_is_named(self, tmp_path: Path) -> None:
        self.digits(tmp_path)
        file = tmp_path / "mnist/train-images-idx3-ubyte.gz"
        file.write_bytes(file.read_bytes()[:-10])
        with pytest.raises(LatentPathError, match="the images of mnist in --data cannot be read: .*train-images"):
            read_real_images(("mnist",), str(tmp_path))
        file.rename(tmp_path / "mnist/t10k-images-idx3-ubyte.gz")
        with pytest.raises(LatentPathError, match="the images of mnist in --data cannot be read"):
            read_real_images(("mnist",), str(tmp_path))
        (tmp_path / "celeba").mkdir()
        (tmp_path / "celeba/img_align_celeba.zip").write_bytes(b"PK torn")
        with pytest.raises(LatentPathError, match="the images of celeba in --data cannot be read: .*celeba.zip"):
            read_real_images(("celeba",), str(tmp_path))

    @staticmethod
    def digits(folder: Path) -> None:
        import gzip

        (folder / "mnist").mkdir()
        for name, dims, size in (("images-idx3", (5, 28, 28), 5 * 784), ("labels-idx1", (5,), 5)):
            head = bytes([0, 0, 8, len(dims)]) + b"".join(n.to_bytes(4, "big") for n in dims)
            (folder / f"mnist/train-{name}-ubyte.gz").write_bytes(gzip.compress(head + bytes(size)))
