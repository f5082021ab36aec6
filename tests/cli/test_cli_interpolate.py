"""``latentpath interpolate``: where endpoints come from, what is written, how it fails, and how it is stopped."""

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
from PIL import Image
from rich.console import Console
from torch import nn
from typer.testing import CliRunner, Result

import latentpath as lp
from latentpath import cli
from latentpath.cli import comparison, drawings
from latentpath.cli.console import inverting, solving
from latentpath.cli.interpolate import Ends, Settings, run
from latentpath.cli.output import ENDPOINTS, FILES
from latentpath.errors import InputError
from latentpath.inversion import InversionProgress
from latentpath.models import WAE
from latentpath.models.folders import as_model
from latentpath.models.sampling import draw, draw_pairs

SHIPPED = "mnist-dcgan-semicircle"
QUICK = ("--segments", "4", "--tol", "0.5", "--max-evaluations", "4")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"COLUMNS": "160", "NO_COLOR": "1", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(drawings, "_PRIOR_SAMPLES", 2000)
    monkeypatch.setattr(drawings, "_FILM_FRAMES", 5)


def interpolate(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, ["interpolate", *map(str, arguments)])


def solved(out: Path, *arguments: object) -> tuple[lp.Path, dict[str, Any], Result]:
    """A run that went well: its paths, its report, and what it printed."""
    result = interpolate("--out", out, *QUICK, *arguments)
    assert result.exit_code == 0, result.output
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert set(report["files"]) == {file.name for file in out.iterdir()}
    assert all(name in result.stdout for name in report["files"])
    return lp.Path.load(out / "paths.safetensors"), report, result


def one_line(result: Result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Callable[[lp.Model], str]:
    """Gives a model a name that ``--model`` takes."""

    def name(model: lp.Model) -> str:
        monkeypatch.setattr("latentpath.models.load", lambda asked, **options: model)
        return model.name

    return name


def auto_encoder() -> lp.Model:
    torch.manual_seed(0)
    network = WAE(latent_dim=3, width=4, size=28, channels=1).eval().requires_grad_(False)
    return as_model(network, lp.priors.standard_normal(3), "tiny-wae", {"value_range": [-1.0, 1.0]})


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path]:
    """Two digits that the shipped model made."""
    model = lp.load(SHIPPED)
    assert model.prior is not None
    made = model.generator(draw(model.prior, 2, torch.Generator().manual_seed(1)))
    files = tmp_path / "a.png", tmp_path / "b.png"
    for file, image in zip(files, made, strict=True):
        Image.fromarray(((image[0] + 1) * 127.5).round().to(torch.uint8).numpy()).save(file)
    return files


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


def test_every_option_reaches_the_solver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def spy(*arguments: Any, **options: Any) -> lp.Path:
        seen.update(options)
        return lp.interpolate(*arguments, **options)

    monkeypatch.setattr(comparison, "interpolate", spy)
    wanted = ("--solver", "lbfgs", "--embed", "latent", "--restarts", 2, "--max-points", 64, "--alpha", "0.8")
    _, report, result = solved(tmp_path / "out", "--pairs", 1, "--seed", 5, *wanted, "--threads", 1)
    del seen["callback"]
    assert seen == {
        "segments": 4,
        "alpha": 0.8,
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
        (("--pairs", "1", "--model", "mnist-classifier"), ("choose a generator",)),
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


def test_a_callable_is_not_moved(tmp_path: Path, named: Callable[[lp.Model], str]) -> None:
    model = lp.Model(lambda z: 2 * z, lp.priors.standard_normal(2), name="plain")
    result = interpolate("--out", tmp_path / "out", "--model", named(model), "--pairs", 1, "--device", "cpu")
    one_line(result, "--device moves modules, and the generator of 'plain' is a function")


def test_out_that_is_a_file_is_left_alone(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine", encoding="utf-8")
    one_line(interpolate("--out", taken, *QUICK, "--pairs", 1), "is a file")
    assert taken.read_text(encoding="utf-8") == "mine"


class Interrupting(Console):
    """A console that is no terminal, and sends a Ctrl-C when a word is printed."""

    def __init__(self, word: str, times: int = 1) -> None:
        super().__init__(file=io.StringIO(), width=200)
        self.word, self.times, self.text = word, times, ""

    def print(self, *objects: Any, **how: Any) -> None:
        self.text += " ".join(map(str, objects)) + "\n"
        while self.times and self.word in self.text:
            self.times -= 1
            signal.raise_signal(signal.SIGINT)


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
