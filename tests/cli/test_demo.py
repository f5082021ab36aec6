"""The command: what it prints, what it writes, how it fails, and how it is stopped."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner, Result

import latentpath as lp
from latentpath import cli
from latentpath.cli import comparison, drawings
from latentpath.cli.console import solving
from latentpath.cli.endpoints import Ends
from latentpath.cli.interpolate import run
from latentpath.cli.output import FILES
from latentpath.cli.settings import Settings
from latentpath.models.sampling import draw_pairs

SHIPPED = "mnist-dcgan-semicircle"
TINY = ("--pairs", "2", "--segments", "8", "--tol", "0.2", "--seed", "3", "--no-compare")


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"COLUMNS": "160", "NO_COLOR": "1", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)


def latentpath(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    out = tmp_path_factory.mktemp("demo") / "new" / "folder"
    return latentpath("demo", "--out", out, *TINY), out


def test_demo_writes_every_file_and_nothing_else(finished: tuple[Result, Path]) -> None:
    result, out = finished
    assert result.exit_code == 0, result.output
    assert {file.name for file in out.iterdir()} == set(FILES)
    for file in out.iterdir():
        if file.suffix in {".png", ".gif"}:
            with Image.open(file) as image:
                image.verify()
    with Image.open(out / "morph.gif") as film:
        assert film.n_frames == 100


def test_demo_prints_the_table_the_verdict_and_the_folder(finished: tuple[Result, Path]) -> None:
    result, out = finished
    text = result.stdout
    for column in ("cost", "mean ri", "directness", "confidence", "entropy", "precision", "evals", "seconds"):
        assert column in text
    rows = [
        line.split() for line in text.splitlines() if re.match(r"(own samples|straight line|slerp|path) +[\d.]", line)
    ]
    assert [row[0] for row in rows] == ["own", "straight", "slerp", "path"]
    assert float(rows[3][1]) < float(rows[1][2])
    assert "cheaper in 2 of 2 pairs" in text
    assert all(name in text for name in FILES)
    assert str(out) in text.splitlines()[-1]


def test_demos_files_agree_with_one_another(finished: tuple[Result, Path]) -> None:
    _, out = finished
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    path = lp.Path.load(out / "paths.safetensors")
    rows = {row["name"]: row for row in report["rows"]}
    assert list(rows) == ["lerp", "slerp", "path"]
    assert rows["path"]["cost"] == path.cost.tolist()
    assert report["seed"] == report["settings"]["seed"] == 3
    assert report["settings"]["segments"] == path.segments == 8
    assert report["versions"]["latentpath"] == lp.__version__
    assert report["model"]["sha256"] == lp.load("mnist-dcgan-semicircle").card["sha256"]
    assert not report["stopped"]
    start, end = draw_pairs(lp.priors.semicircle(20), 2, seed=3)
    assert torch.equal(path.start, start)
    assert torch.equal(path.end, end)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "mnist-dcgan"), "there is no shipped model"),
        (("--model", "mnist-classifier"), "no generator"),
        (("--pairs", "0"), "pairs must be at least 1"),
        (("--segments", "1"), "segments must be"),
        (("--alpha", "1.5"), "alpha"),
        (("--tol", "-1"), "above 0"),
        (("--threads", "0"), "threads must be at least 1"),
        (("--seed", "-1"), "seed must be at least 0"),
        (("--alpha", "nan"), "alpha"),
        (("--tol", "inf"), "tol must be a number above 0"),
        (("--pairs", "1000000000000"), "pairs must be at most"),
        (("--segments", "1000000000000"), "segments must be at most"),
    ],
)
def test_bad_settings_give_one_line_and_leave_nothing(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    result = latentpath("demo", "--out", tmp_path / "a" / "b", "--pairs", "1", "--segments", "4", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not result.stdout
    assert not list(tmp_path.iterdir())


def test_out_that_is_a_file_is_left_alone(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine", encoding="utf-8")
    for out in (taken, taken / "below"):
        result = latentpath("demo", "--out", out, *TINY)
        assert result.exit_code == 2
        assert len(result.stderr.strip().splitlines()) == 1
        assert str(out) in result.stderr
    assert taken.read_text(encoding="utf-8") == "mine"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_out_that_cannot_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    result = latentpath("demo", "--out", tmp_path / "demo", *TINY)
    tmp_path.chmod(0o700)
    assert result.exit_code == 2
    assert "cannot write" in result.stderr


def no_space(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def no_encoder(*_: object, **__: object) -> None:
    raise ValueError("encoder error -2")


@pytest.fixture
def drawn_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawings, "_PRIOR_SAMPLES", 2000)
    monkeypatch.setattr(drawings, "_FILM_FRAMES", 5)


@pytest.mark.usefixtures("drawn_quickly")
@pytest.mark.parametrize(
    ("writer", "file", "failure"),
    [
        ("latentpath.viz.plots.strips", "strips.png", no_encoder),
        ("latentpath.viz.plots.profiles", "profiles.png", no_space),
        ("latentpath.viz.plots.plane", "plane.png", no_encoder),
        ("latentpath.viz.plots.prior_map", "map.png", no_space),
        ("latentpath.cli.drawings.film", "morph.gif", no_encoder),
        ("latentpath.cli.comparison.about", "report.json", no_space),
    ],
)
def test_a_file_that_cannot_be_written_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str, file: str, failure: Callable[..., None]
) -> None:
    (tmp_path / file).write_text("mine", encoding="utf-8")
    monkeypatch.setattr(writer, failure)
    result = latentpath("demo", "--out", tmp_path, *TINY, "--pairs", "1")
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()[-1:]) == 1
    assert file in result.stderr
    assert str(tmp_path) in result.stderr
    assert ("No space left on device" if failure is no_space else "encoder error -2") in result.stderr
    assert {each.name for each in tmp_path.iterdir()} == set(FILES)
    assert (tmp_path / file).read_text(encoding="utf-8") == "mine"  # of an earlier run, unharmed
    assert lp.Path.load(tmp_path / "paths.safetensors").segments == 8
    if file != "report.json":
        files = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["files"]
        assert set(files) == set(FILES) - {file}


@pytest.mark.usefixtures("drawn_quickly")
@pytest.mark.parametrize("failure", [no_space, no_encoder])
def test_paths_that_cannot_be_saved_are_saved_as_an_array(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Callable[..., None]
) -> None:
    monkeypatch.setattr(lp.Path, "save", failure)
    result = latentpath("demo", "--out", tmp_path, *TINY, "--pairs", "1")
    assert result.exit_code == 2
    assert "latents.npy" in result.stderr
    assert np.load(tmp_path / "latents.npy").shape == (1, 9, 20)
    assert (tmp_path / "report.json").is_file()


@pytest.mark.usefixtures("drawn_quickly")
def test_a_folder_that_vanishes_costs_no_solve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rescue = tmp_path / "temporary"
    rescue.mkdir()
    solve = comparison.solve

    def and_vanish(*arguments: Any, **options: Any) -> comparison.Found:
        found = solve(*arguments, **options)
        shutil.rmtree(tmp_path / "out")
        monkeypatch.setattr("tempfile.tempdir", str(rescue))
        return found

    monkeypatch.setattr(comparison, "solve", and_vanish)
    result = latentpath("demo", "--out", tmp_path / "out", *TINY, "--pairs", "1")
    assert result.exit_code == 2
    (saved,) = rescue.rglob("paths.safetensors")
    assert str(saved) in result.stderr
    assert lp.Path.load(saved).segments == 8


def test_a_place_that_is_taken_costs_no_solve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "drawings", lambda *_: {})
    (tmp_path / "paths.safetensors" / "folder").mkdir(parents=True)
    result = latentpath("demo", "--out", tmp_path, *TINY, "--pairs", "1")
    assert result.exit_code == 2
    (saved,) = tmp_path.glob(".unfinished-*/paths.safetensors")
    assert str(saved.parent) in result.stderr
    assert lp.Path.load(saved).segments == 8
    assert (tmp_path / "report.json").is_file()


@pytest.mark.parametrize("failure", [RuntimeError("out of memory"), KeyboardInterrupt()])
def test_what_fails_or_is_interrupted_after_the_solve_leaves_the_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(lp.Path, "report", fail)
    with pytest.raises(type(failure)) as caught:
        run(Settings(SHIPPED, segments=8, tol=0.2), Ends(pairs=1), tmp_path, Console(quiet=True), Console(quiet=True))
    assert str(tmp_path) in caught.value.__notes__[0]
    assert [file.name for file in tmp_path.iterdir()] == ["paths.safetensors"]


@pytest.mark.usefixtures("drawn_quickly")
def test_numbers_that_are_not_finite_are_null_in_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = comparison.about
    monkeypatch.setattr(comparison, "about", lambda *all_: {**about(*all_), "odd": [math.inf, {"a": math.nan}]})
    assert latentpath("demo", "--out", tmp_path, *TINY, "--pairs", "1").exit_code == 0
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["odd"] == [None, {"a": None}]


class Interrupting(Console):
    """A console that is not a terminal and sends a Ctrl-C, or several, when it is first printed to."""

    times = 1

    def print(self, *objects: object, **how: object) -> None:
        while self.times:
            self.times -= 1
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_keeps_the_best_so_far_and_writes_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawings, "_PRIOR_SAMPLES", 2000)
    monkeypatch.setattr(drawings, "_FILM_FRAMES", 5)
    settings = Settings(SHIPPED, segments=8, tol=1e-6)
    console = Console(file=(tmp_path / "printed").open("w", encoding="utf-8"), width=120)
    before = signal.getsignal(signal.SIGINT)
    found = run(settings, Ends(pairs=1), tmp_path / "out", console, Interrupting(file=sys.stderr))
    console.file.close()
    assert signal.getsignal(signal.SIGINT) is before
    assert found.path.outcome == (lp.Outcome.BUDGET_SPENT,)
    assert max(found.path.evaluations) < 25
    assert {file.name for file in (tmp_path / "out").iterdir()} == set(FILES)
    assert json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["stopped"]
    assert "You stopped the solve" in (tmp_path / "printed").read_text(encoding="utf-8")


def test_a_second_ctrl_c_leaves_at_once_and_writes_nothing(tmp_path: Path) -> None:
    impatient = Interrupting(file=sys.stderr)
    impatient.times = 2
    settings = Settings(SHIPPED, segments=8, tol=1e-6)
    with pytest.raises(KeyboardInterrupt):
        run(settings, Ends(pairs=1), tmp_path / "out", Console(quiet=True), impatient)
    assert not list(tmp_path.iterdir())


def test_progress_on_a_terminal_counts_the_paths() -> None:
    screen = Console(force_terminal=True, width=140, record=True)
    with solving(screen, 4, 8, 10.0) as show:
        now = lp.Progress(3, 12.5, 3, torch.tensor([2.0, 4.0]), torch.zeros(2), torch.zeros(2, 5, 3))
        assert not show(now)
