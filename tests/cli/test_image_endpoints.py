"""Images as endpoints of `latentpath interpolate`: inverted or encoded, fitted, and refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from interpolate_command import QUICK, SHIPPED, auto_encoder, interpolate, one_line, solved
from PIL import Image
from torch import nn

import latentpath as lp
from latentpath.cli import drawings
from latentpath.cli.output import ENDPOINTS, FILES


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"COLUMNS": "160", "NO_COLOR": "1", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(drawings, "_PRIOR_SAMPLES", 2000)
    monkeypatch.setattr(drawings, "_FILM_FRAMES", 5)


def test_pictures_are_inverted_where_there_is_no_encoder(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    a, b = pictures
    search = ("--starts", 4, "--steps", 60, "--penalty", "0.002")
    path, report, result = solved(tmp_path / "out", "--from", a, "--to", b, *search)
    about = report["endpoints"]
    assert about["from"] == "images"
    assert about["by"] == "inversion"
    assert about["images"] == [[str(a), str(b)]]
    assert about["notes"] == []
    assert about["options"] == {"seed": 0, "starts": 4, "steps": 60, "penalty": 0.002}
    assert max(about["error"][0]) < min(about["best_start_error"][0])
    for file, error in zip(pictures, about["error"][0], strict=True):
        assert f"{file}: inverted with RMS error {error:.3f}" in result.stderr
    model = lp.load(SHIPPED)
    for end, file, error in zip((path.start, path.end), pictures, about["error"][0], strict=True):
        wanted = torch.from_numpy(np.array(Image.open(file))) / 127.5 - 1
        assert float((model.generator(end)[0, 0] - wanted).square().mean().sqrt()) == pytest.approx(error, abs=1e-4)
    with Image.open(tmp_path / "out" / "endpoints.png") as sheet:
        assert sheet.size[0] == pytest.approx(sheet.size[1], abs=8)
    assert set(report["files"]) == {*FILES, *ENDPOINTS}


def test_pictures_of_other_sizes_and_modes_are_fitted_with_a_note(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    a, large = pictures[0], tmp_path / "large.png"
    Image.new("RGBA", (60, 90), "red").save(large)
    _, report, result = solved(tmp_path / "out", "--from", a, "--to", large, "--steps", 2, "--starts", 1)
    note = f"{large}: 60 x 90 RGBA, resized to 28 x 28 and made grey"
    assert report["endpoints"]["notes"] == [note]
    assert note in result.stderr


def test_an_encoder_answers_where_there_is_one(
    tmp_path: Path, pictures: tuple[Path, Path], named: Callable[[lp.Model], str]
) -> None:
    model = auto_encoder()
    path, report, result = solved(tmp_path / "out", "--model", named(model), "--from", pictures[0], "--to", pictures[1])
    images = torch.stack([torch.from_numpy(np.array(Image.open(f)))[None] for f in pictures]).float() / 127.5 - 1
    torch.testing.assert_close(torch.cat([path.start, path.end]), model.encode(images), atol=1e-5, rtol=0)
    about = report["endpoints"]
    assert about["by"] == "encoder"
    errors = (model.generator(model.encode(images)) - images).flatten(1).square().mean(1).sqrt()
    assert about["error"][0] == pytest.approx(errors.tolist(), abs=1e-5)
    assert "encoded with RMS error" in result.stderr
    searched = solved(
        tmp_path / "out", "--model", model.name, "--invert", "--steps", 30, "--from", pictures[0], "--to", pictures[1]
    )[1]["endpoints"]
    assert searched["by"] == "inversion"
    assert max(searched["error"][0]) < max(about["error"][0])


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--starts", "0"), "starts must be a whole number of at least 1"),
        (("--steps", "0"), "steps must be a whole number of at least 1"),
        (("--penalty", "nan"), "penalty must be a number of at least 0 and finite"),
        (("--penalty", "inf"), "penalty must be a number of at least 0 and finite"),
        (("--penalty", "-1"), "penalty must be a number of at least 0"),
        (("--crop", "2"), "crop is a fraction"),
    ],
)
def test_bad_options_of_pictures(
    tmp_path: Path, pictures: tuple[Path, Path], option: tuple[str, ...], words: str
) -> None:
    one_line(interpolate("--out", tmp_path / "o", *QUICK, "--from", pictures[0], "--to", pictures[1], *option), words)
    assert not (tmp_path / "o").exists()


def test_files_that_are_no_pictures(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    text, cut = tmp_path / "text.png", tmp_path / "cut.png"
    text.write_text("not a picture", encoding="utf-8")
    cut.write_bytes(pictures[0].read_bytes()[:100])
    for file in (text, cut, tmp_path):
        one_line(interpolate("--out", tmp_path / "out", *QUICK, "--from", pictures[0], "--to", file), str(file))
    assert not (tmp_path / "out").exists()


def test_pictures_need_a_model_that_makes_some(
    tmp_path: Path, pictures: tuple[Path, Path], named: Callable[[lp.Model], str]
) -> None:
    model = lp.Model(nn.Linear(2, 5).eval(), lp.priors.standard_normal(2), name="vectors")
    result = interpolate("--out", tmp_path / "out", "--model", named(model), "--from", pictures[0], "--to", pictures[1])
    one_line(result, "--from takes pictures, and 'vectors' makes (N, 5)")


def test_options_of_inversion_beside_an_encoder_are_refused(
    tmp_path: Path, pictures: tuple[Path, Path], named: Callable[[lp.Model], str]
) -> None:
    result = interpolate(
        "--out",
        tmp_path / "out",
        "--model",
        named(auto_encoder()),
        "--steps",
        9,
        "--from",
        pictures[0],
        "--to",
        pictures[1],
    )
    one_line(result, "--steps is for inversion", "the encoder of 'tiny-wae' answers: add --invert")
