"""``latentpath train`` and ``evaluate``: from images to a run, a model and its quality, and what goes wrong."""

from __future__ import annotations

import json
import signal
import struct
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from latentpath.cli import app
from latentpath.errors import DataError, install_command
from latentpath.models.folders import read_model
from latentpath.models.networks.dcgan import DCGANGenerator
from latentpath.training import dcgan, read_checkpoint, recalibrate
from runs import stop_at, strokes


@pytest.fixture(autouse=True)
def briefly_recalibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dcgan, "recalibrate", partial(recalibrate, batches=2))


def latentpath(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def train(*arguments: str) -> Result:
    return latentpath("train", *arguments)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for prefix, count in (("train", 256), ("t10k", 200)):
        images, labels = strokes(count)
        header = struct.pack(">4I", 0x0803, count, 28, 28)
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(header + images.numpy().tobytes())
        header = struct.pack(">2I", 0x0801, count)
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(header + labels.numpy().tobytes())
    return folder


def test_dcgan_resume_and_package(tmp_path: Path, data: Path) -> None:
    run, options = tmp_path / "run", ["--data", str(data), "--width", "2", "--batch", "8", "--latent-dim", "4"]
    dcgan = ["dcgan", *options, "--out", str(run), "--steps", "3"]
    result = train(*dcgan)
    assert result.exit_code == 0, result.output
    model = read_model(run / "model")
    assert model.card["steps"] == 3
    assert "--steps 3 " in model.card["command"]
    assert str(tmp_path) not in (run / "model" / "card.json").read_text()
    assert model.prior is not None
    assert model.generator(model.prior.sample(torch.Size([2]))).shape == (2, 1, 28, 28)

    again = train(*dcgan)
    assert again.exit_code == 2
    assert again.stderr.startswith("Error: ")
    assert "holds a run already" in again.stderr
    assert train(*dcgan, "--resume").exit_code == 0

    package = ["package", str(run), "--name", "tiny", "--out", str(tmp_path / "models"), "--data", str(data)]
    result = train(*package, "--samples", "200")
    assert result.exit_code == 0, result.output
    card = read_model(tmp_path / "models/tiny").card
    assert card["name"] == "tiny"
    assert sum(card["quality"]["class_shares"]) == pytest.approx(1, abs=1e-3)
    assert (tmp_path / "models/tiny/samples.png").is_file()


def test_a_prior_of_ones_own_is_named_again_where_a_file_names_it(tmp_path: Path, data: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "models"
    prior = ["--prior", "latentpath.priors:uniform_ball"]
    small = ["--width", "2", "--batch", "8", "--latent-dim", "4", "--steps", "2"]
    result = train("dcgan", "--data", str(data), *small, *prior, "--out", str(run))
    assert result.exit_code == 0, result.output
    package = ["package", str(run), "--name", "tiny", "--out", str(out), "--data", str(data), "--samples", "200"]
    result = train(*package)
    assert result.exit_code == 2
    assert "code is not run because a file names it" in result.stderr
    assert train(*package, *prior).exit_code == 0
    with pytest.raises(DataError, match="code is not run"):
        read_model(out / "tiny")
    evaluate = ["evaluate", str(out / "tiny"), "--data", str(data), "--samples", "100"]
    assert latentpath(*evaluate).exit_code == 2
    assert latentpath(*evaluate, *prior).exit_code == 0
    begun = [
        "dcgan",
        "--data",
        str(data),
        *small,
        *prior,
        "--init",
        str(out / "tiny"),
        "--out",
        str(tmp_path / "b"),
    ]
    assert train(*begun).exit_code == 0


def test_wae_package_and_evaluate(tmp_path: Path, data: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "models"
    options = ["--data", str(data), "--hold-out", "40"]
    small = ["--width", "2", "--batch", "8", "--latent-dim", "4", "--size", "28", "--channels", "1", "--flip"]
    result = train("wae", *options, *small, "--out", str(run), "--steps", "3")
    assert result.exit_code == 0, result.output
    card = read_model(run / "model").card
    assert card["data"]["images"] == 216
    assert "--flip" in card["command"]
    assert "--hold-out 40" in card["command"]

    result = train("package", str(run), "--name", "tiny", "--out", str(out), *options, "--samples", "200")
    assert result.exit_code == 0, result.output
    quality = read_model(out / "tiny").card["quality"]
    assert quality["features"] == "mnist-classifier"
    assert quality["reference"] == "train"
    assert 0 < quality["reconstruction_error"] < 2

    numbers = tmp_path / "numbers.json"
    evaluate = ["evaluate", str(run / "model"), *options, "--samples", "200", "--out", str(numbers)]
    result = latentpath(*evaluate)
    assert result.exit_code == 0, result.output
    assert "precision" in result.output
    assert json.loads(numbers.read_text())["samples"] == 200
    for wrong, message in (
        (["--features", "mnist-dcgan-semicircle"], "no feature network"),
        (["--out", str(tmp_path / "no" / "where.json")], "does not exist"),
        (["--out", str(tmp_path)], "it is a folder"),
        (["--hold-out", "256"], "leave images"),
    ):
        result = latentpath(*evaluate, *wrong)
        assert result.exit_code == 2
        assert message in result.stderr
    result = latentpath("evaluate", "mnist-classifier", *options)
    assert "has no prior" in result.stderr


def test_classifier_and_package(tmp_path: Path, data: Path) -> None:
    run = tmp_path / "judge"
    options = ["--data", str(data), "--out", str(run), "--epochs", "1", "--width", "2"]
    result = train("classifier", *options)
    assert result.exit_code == 0, result.output
    assert "test accuracy" in result.output
    result = train("package", str(run), "--name", "j", "--out", str(tmp_path / "models"), "--data", str(data))
    assert result.exit_code == 0, result.output
    assert read_model(tmp_path / "models/j").card["quality"]["images"] == 200
    assert train("classifier", *options).exit_code == 2
    result = train("classifier", "--data", str(data), "--out", str(run / "card.json"))
    assert "it is a file" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["dcgan", "--data", "nowhere"],
        ["classifier", "--data", "nowhere"],
        ["package", "nowhere", "--name", "x"],
        ["package", "nowhere", "--name", "../x"],
        ["dcgan", "--prior", "triangle"],
        ["dcgan", "--steps", "0"],
    ],
)
def test_errors_are_short_and_exit_with_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = train(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dcgan", "--size", "32"], "28 or 64"),
        (["wae", "--size", "100"], "28 or 64"),
        (["dcgan", "--channels", "2"], "channels must be"),
        (["dcgan", "--prior", "triangle"], "triangle"),
        (["dcgan", "--max-minutes", "inf"], "max_minutes must be"),
        (["wae", "--max-minutes", "inf"], "max_minutes must be"),
        (["dcgan", "--learning-rate", "inf"], "learning_rate must be"),
        (["dcgan", "--discriminator-gain", "inf"], "discriminator_gain must be"),
        (["wae", "--noise", "inf"], "noise must be"),
        (["wae", "--weight", "inf"], "weight must be"),
        (["dcgan", "--out", __file__], "it is a file"),
    ],
)
def test_options_are_refused_before_images_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = train(*arguments, "--data", "nowhere")
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--max-minutes", "--learning-rate"])
def test_nan_is_no_option(option: str) -> None:
    result = train("dcgan", "--data", "nowhere", option, "nan")
    assert result.exit_code == 2
    assert option in result.stderr


@pytest.mark.parametrize("kind", ["dcgan", "wae"])
@pytest.mark.parametrize("module", ["accelerate", "tensorboard"])
def test_missing_libraries_are_told_before_images_are_read(
    monkeypatch: pytest.MonkeyPatch, kind: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    result = train(kind, "--data", "nowhere")
    assert result.exit_code == 2
    assert module in result.stderr
    assert install_command("train") in result.stderr


def test_what_comes_after_the_steps_is_done_once_and_told(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []

    def recalibrated(*arguments: Any, **options: Any) -> DCGANGenerator:
        measured.append(options)
        return recalibrate(*arguments, **options, batches=2)

    monkeypatch.setattr(dcgan, "recalibrate", recalibrated)
    monkeypatch.setattr("latentpath.cli.console._SECONDS", 0.0)
    run = ["--data", str(data), "--width", "2", "--batch", "8", "--latent-dim", "4", "--out", str(tmp_path / "r")]
    result = train("dcgan", *run, "--steps", "3")
    assert result.exit_code == 0, result.output
    assert len(measured) == 1
    _, after = result.stderr.split("step 3 of 3")
    assert "Measuring batch statistics: 1 of 2\n" in after
    assert after.strip().splitlines()[-1] == "Writing the model"


def test_measuring_tells_its_stages(tmp_path: Path, data: Path) -> None:
    model = ["mnist-dcgan-normal", "--data", str(data), "--samples", "200", "--out", str(tmp_path / "a.json")]
    result = latentpath("evaluate", *model)
    assert result.exit_code == 0, result.output
    for stage in ("Making samples", "Features of samples", "Nearest training images of samples", "Classes"):
        assert f"{stage}\n" in result.stderr


def test_a_classifier_that_cannot_be_written_is_not_lost(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, write = tmp_path / "judge", Path.write_bytes
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))

    def full(file: Path, content: bytes) -> int:
        if out in file.parents:
            raise OSError(28, "No space left on device")
        return write(file, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    options = ["--data", str(data), "--out", str(out), "--epochs", "1", "--width", "2"]
    result = train("classifier", *options)
    assert result.exit_code == 2
    (saved,) = (tmp_path / "temporary").iterdir()
    assert str(saved) in result.stderr
    assert read_model(saved).generator(torch.zeros(1, 1, 28, 28)).shape == (1, 10)


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_at(monkeypatch, 1, lambda: signal.raise_signal(signal.SIGINT))
    out = tmp_path / "run"
    options = ["--data", str(data), "--width", "2", "--batch", "8", "--out", str(out), "--steps", "50"]
    result = train("dcgan", *options)
    assert result.exit_code == 130
    assert "--resume" in result.stderr
    assert read_checkpoint(out)[1] == 2


def test_help_has_examples() -> None:
    for command in ("dcgan", "classifier", "package"):
        result = train(command, "--help")
        assert result.exit_code == 0
        assert "Example" in result.output
