"""``latentpath interpolate``: endpoints, files, errors and interruptions."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from interpolate_command import QUICK, SHIPPED, Interrupting, interpolate, one_line, solved
from rich.console import Console
from torch import nn

import latentpath as lp
from latentpath.cli import comparison, drawings
from latentpath.cli.console import inverting, solving
from latentpath.cli.interpolate import Ends, Settings, run
from latentpath.cli.output import FILES
from latentpath.errors import InputError
from latentpath.inversion import InversionProgress
from latentpath.models.sampling import draw, draw_pairs


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"COLUMNS": "160", "NO_COLOR": "1", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(drawings, "_PRIOR_SAMPLES", 2000)
    monkeypatch.setattr(drawings, "_FILM_FRAMES", 5)


def test_seeds_are_draws_of_their_own(tmp_path: Path) -> None:
    path, report, _ = solved(tmp_path / "out", "--seeds", "1,2", "--seeds", "2,7")
    prior = lp.priors.semicircle(20)
    one, two, seven = (draw(prior, 1, torch.Generator().manual_seed(seed)) for seed in (1, 2, 7))
    assert torch.equal(path.start, torch.cat([one, two]))
    assert torch.equal(path.end, torch.cat([two, seven]))
    assert report["endpoints"] == {"from": "seeds", "seeds": [[1, 2], [2, 7]]}
    assert set(report["files"]) == set(FILES)
    assert [row["name"] for row in report["rows"]] == ["lerp", "slerp", "path"]
    assert report["model"]["name"] == SHIPPED


def test_pairs_are_those_of_the_demo(tmp_path: Path) -> None:
    path, report, result = solved(tmp_path / "out", "--pairs", 2, "--seed", 3)
    start, end = draw_pairs(lp.priors.semicircle(20), 2, seed=3)
    assert torch.equal(path.start, start)
    assert torch.equal(path.end, end)
    assert report["endpoints"] == {"from": "prior"}
    assert report["seed"] == 3
    assert f"{SHIPPED}: 2 pairs, 4 segments" in result.stdout


def test_a_file_of_latents_is_interpolated(tmp_path: Path) -> None:
    both = draw(lp.priors.semicircle(20), 4, torch.Generator().manual_seed(0)).view(2, 2, 20)
    np.save(tmp_path / "ends.npy", both.double().numpy())
    path, _, _ = solved(tmp_path / "out", "--latents", tmp_path / "ends.npy")
    assert torch.equal(torch.stack([path.start, path.end], 1), both)


def test_every_option_reaches_the_solver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def spy(*arguments: Any, **options: Any) -> lp.Path:
        seen.update(options)
        return lp.interpolate(*arguments, **options)

    monkeypatch.setattr(comparison, "interpolate", spy)
    wanted = ("--solver", "lbfgs", "--embed", "latent", "--restarts", 2, "--max-points", 64, "--alpha", "0.8")
    _, report, result = solved(tmp_path / "out", "--pairs", 1, "--seed", 5, *wanted, "--threads", 1)
    del seen["callback"], seen["method"]
    assert seen == {
        "segments": 4,
        "tol": 0.5,
        "seed": 5,
        "solver": "lbfgs",
        "embed": "latent",
        "restarts": 2,
        "max_evaluations": 4.0,
        "max_points": 64,
    }
    assert "Searched from " in result.stdout
    assert report["settings"]["solve"]["restarts"]["starts"] == 2
    assert report["settings"]["solve"]["embed"] == "latent"
    assert report["settings"]["solve"]["alpha"] == 0.8


def test_strict_writes_everything_and_then_fails(tmp_path: Path) -> None:
    arguments = ("--pairs", 1, "--segments", 8, "--tol", "1e-7", "--max-evaluations", 3, "--strict")
    result = interpolate("--out", tmp_path, *arguments)
    assert result.exit_code == 2
    assert "Error: strict: path 0" in result.stderr
    assert {file.name for file in tmp_path.iterdir()} == set(FILES)


def test_what_is_no_picture_is_compared_without(tmp_path: Path, named: Callable[[lp.Model], str]) -> None:
    for dim, lacking in ((3, {"strips.png", "morph.gif"}), (1, {"strips.png", "morph.gif", "plane.png", "map.png"})):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(dim, 8), nn.Tanh(), nn.Linear(8, 5)).eval()
        model = lp.Model(network, lp.priors.standard_normal(dim), name="vectors")
        _, report, _ = solved(tmp_path / "out", "--model", named(model), "--pairs", 2)
        assert set(report["files"]) == set(FILES) - lacking
        assert report["model"]["sha256"] is None


def test_a_run_leaves_no_files_of_an_earlier_one(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "endpoints.png").write_text("old", encoding="utf-8")
    (tmp_path / "out" / "mine.txt").write_text("mine", encoding="utf-8")
    assert interpolate("--out", tmp_path / "out", *QUICK, "--pairs", 1).exit_code == 0
    assert {file.name for file in (tmp_path / "out").iterdir()} == {*FILES, "mine.txt"}


def test_latents_follow_the_weights(tmp_path: Path, named: Callable[[lp.Model], str]) -> None:
    network = nn.Linear(2, 5).double().eval()
    model = lp.Model(network, lp.priors.standard_normal(2), name="double")
    path, report, _ = solved(tmp_path / "out", "--model", named(model), "--seeds", "0,1", "--device", "cpu")
    assert path.latents.dtype == torch.float64
    assert report["settings"]["device"] == "cpu"


def test_prior_and_latent_dim_are_passed_on_where_they_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def load(name: str, **options: Any) -> lp.Model:
        asked.append((name, options))
        raise InputError("enough")

    monkeypatch.setattr("latentpath.models.load", load)
    one_line(interpolate("--out", tmp_path, "--pairs", 1, "--model", "my.nets:net"), "enough")
    more = ("--prior", "my.nets:prior", "--latent-dim", 8)
    one_line(interpolate("--out", tmp_path, "--pairs", 1, "--model", "my.nets:net", *more), "enough")
    assert asked == [("my.nets:net", {}), ("my.nets:net", {"prior": "my.nets:prior", "latent_dim": 8})]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("between what?", "--seeds 1,2 or --pairs 4 or --latents FILE or --from a.png --to b.png")),
        (("--seeds", "1,2", "--pairs", "2"), ("--seeds and --pairs were given",)),
        (("--pairs", "1", "--from", "a.png"), ("--pairs and --from and --to were given",)),
        (("--seeds", "1"), ("two whole numbers with a comma between", "'1'")),
        (("--seeds", "1,2,3"), ("two whole numbers",)),
        (("--seeds", "a,b"), ("two whole numbers",)),
        (("--seeds", "-1,2"), ("a seed must be at least 0",)),
        (("--pairs", "0"), ("--pairs must be at least 1, got 0",)),
        (("--pairs", "1", "--seed", "-1"), ("seed must be at least 0",)),
        (("--pairs", "1", "--segments", "1"), ("segments must be",)),
        (("--pairs", "1", "--tol", "0"), ("tol must be", "above 0")),
        (("--pairs", "1", "--alpha", "2"), ("alpha",)),
        (("--pairs", "1", "--restarts", "many"), ('--restarts takes a whole number or "auto"', "'many'")),
        (("--pairs", "1", "--restarts", "0"), ("restarts must be a whole number of at least 1",)),
        (("--pairs", "1", "--max-points", "1"), ("max_points must be",)),
        (("--pairs", "1", "--max-evaluations", "0"), ("max_evaluations must be",)),
        (("--pairs", "1", "--threads", "0"), ("threads must be at least 1",)),
        (("--pairs", "1", "--max-evaluations", "inf"), ("max_evaluations must be", "finite", "inf")),
        (("--pairs", "1", "--max-evaluations", "nan"), ("max_evaluations must be", "nan")),
        (("--pairs", "1", "--tol", "inf"), ("tol must be", "finite")),
        (("--pairs", "1", "--tol", "nan"), ("tol must be", "nan")),
        (("--pairs", "1", "--alpha", "nan"), ("alpha must be", "nan")),
        (("--pairs", "1000000000000"), ("pairs must be at most",)),
        (("--from", "a.png", "--to", "a.png", "--crop", "nan"), ("crop is a fraction", "nan")),
        (("--from", "a.png", "--to", "a.png", "--segments", "1"), ("segments must be",)),
        (("--from", "a.png", "--to", "a.png", "--max-evaluations", "inf"), ("max_evaluations must be",)),
        (("--from", "a.png", "--to", "a.png", "--restarts", "-1"), ("restarts must be",)),
        (("--pairs", "1", "--device", "nowhere"), ("--device nowhere cannot be used here",)),
        (("--pairs", "1", "--steps", "9"), ("steps goes with pictures",)),
        (("--pairs", "1", "--invert"), ("--invert goes with pictures",)),
        (("--pairs", "1", "--model", "mnist-classifier"), ("no generator",)),
        (("--pairs", "1", "--model", "mnist-dcgan"), ("there is no", "mnist-dcgan")),
        (("--latents", "ends.txt"), ("--latents takes a file .npy, .npz or .safetensors, got ends.txt",)),
        (("--latents", "ends.npy"), ("ends.npy does not exist",)),
        (("--latents", "ends.pt"), ("is a pickle", "numpy.save")),
        (("--to", "b.png"), ("there are 0 --from and 1 --to",)),
        (("--from", "a.png", "--from", "b.png", "--to", "b.png"), ("there are 2 --from and 1 --to",)),
        (("--from", "none.png", "--to", "none.png"), ("none.png", "does not exist")),
        (("--from", "a.png", "--to", "b.png", "--no-invert"), ("has no encoder",)),
    ],
)
def test_bad_settings_give_one_line_and_leave_nothing(
    tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one_line(interpolate("--out", tmp_path / "a" / "b", "--segments", "4", *arguments), *words)
    assert not list(tmp_path.iterdir())


def test_a_callable_is_not_moved(tmp_path: Path, named: Callable[[lp.Model], str]) -> None:
    model = lp.Model(lambda z: 2 * z, lp.priors.standard_normal(2), name="plain")
    result = interpolate("--out", tmp_path / "out", "--model", named(model), "--pairs", 1, "--device", "cpu")
    one_line(result, "--device moves modules, and the generator of 'plain' is a function")


def test_out_that_is_a_file_is_left_alone(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine", encoding="utf-8")
    one_line(interpolate("--out", taken, *QUICK, "--pairs", 1), "is a file")
    assert taken.read_text(encoding="utf-8") == "mine"


def plan(**solving: Any) -> Settings:
    return Settings(SHIPPED, {}, 8, 0.9, 1e-6, 0, solving, {"steps": 200})


def test_ctrl_c_while_it_inverts_goes_on_from_the_best(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    hears, before = Interrupting("Inverting, step 1"), signal.getsignal(signal.SIGINT)
    ends = Ends(starts=pictures[:1], ends=pictures[1:])
    found = run(plan(max_evaluations=4), ends, tmp_path / "out", Console(quiet=True), hears)
    assert signal.getsignal(signal.SIGINT) is before
    assert not found.stopped
    assert "Stopped inverting" in hears.text
    about = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["endpoints"]
    assert about["stopped"]
    assert max(about["steps"][0]) == 1


def test_ctrl_c_while_it_solves_writes_the_best_so_far(tmp_path: Path) -> None:
    hears = Interrupting("Solving")
    found = run(plan(), Ends(pairs=1), tmp_path / "out", Console(quiet=True), hears)
    assert found.stopped
    assert "Stopped; measuring the best paths" in hears.text
    assert {file.name for file in (tmp_path / "out").iterdir()} == set(FILES)


def test_two_ctrl_c_leave_at_once_and_write_nothing(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    for word, ends in (("Inverting", Ends(starts=pictures[:1], ends=pictures[1:])), ("Solving", Ends(pairs=1))):
        with pytest.raises(KeyboardInterrupt):
            run(plan(), ends, tmp_path / "out", Console(quiet=True), Interrupting(word, 2))
        assert not (tmp_path / "out").exists()


def test_progress_on_a_terminal() -> None:
    console = Console(force_terminal=True, width=140, file=io.StringIO())
    with inverting(console, 4) as told:
        told(InversionProgress(3, 100, 4, 12, torch.tensor([0.1, 0.2])))
    with solving(console, 4, 8, 10.0) as show:  # a search from other starts, which has other numbers of paths
        assert not show(lp.Progress(3, 12.5, 3, torch.tensor([2.0]), torch.zeros(1), torch.zeros(1, 4, 3)))
