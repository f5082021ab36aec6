"""The reproduction as a whole: interrupted runs, single figures, the report, the command line."""

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
from typer.testing import CliRunner

from latentpath import cli
from latentpath.errors import InputError
from latentpath.models import Model
from latentpath.paper import jobs, reproduction
from latentpath.paper.config import DIGITS, MODELS, WAE, Config
from latentpath.paper.real_images import RealImages
from latentpath.paper.results import PATH, RECOMMENDED

TINY = dataclasses.replace(
    Config.quick(), pairs=3, face_pairs=2, segments=10, tol=1.0, alphas=(0.01,), alpha_pairs=2, resolutions=(4, 8),
    resolution_pairs=1, descents=4, descent_pairs=2, index_pairs=2, index_evaluations=2, index_samples=200, frames=4,
    front_alphas=(0.9,), front_mus=(0.8,), front_pairs=2, front_face_pairs=2, worst_pairs=1,
)  # fmt: skip


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


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
        classifiers = {"confidence", "entropy", "confidence_second", "entropy_second"}
        assert rows == {*classifiers, "discriminator", "smoothness"}
        assert not re.findall(r'(?:src|href)="(?!data:)', page)  # nothing from outside
        methods = [f"{what}-{name}" for name in DIGITS for what in ("front", "worst")]  # no judge of faces was asked
        assert {file.stem for file in (out / "figures").glob("[fw]*t-*.png")} == set(methods)
        assert all(f"(figures/{name}.png)" in text for name in methods)
        assert page.count("data:image/png;base64,") == 9 + len(methods)
        assert {(each["model"], each["method"]) for each in numbers["methods"]} == {
            (name, method) for name in MODELS for method in (PATH, RECOMMENDED)
        }
        assert len(numbers["headline"]) == 2
        assert all(line in text for line in numbers["headline"])
        assert not any("values" in row for record in numbers["judges"].values() for row in record["rows"])
        # The figures stay as they are: that they are drawn with the same bytes again is tested beside them.
        monkeypatch.setattr(reproduction, "draw", lambda *_: [])
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
