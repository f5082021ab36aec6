"""The method of a run: options that choose it, the paper's method beside it, judges, and interruptions."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from interpolate_command import SHIPPED, Interrupting, interpolate, one_line
from rich.console import Console
from torch import nn
from typer.testing import CliRunner, Result

import latentpath as lp
from latentpath import cli
from latentpath.cli import drawings, judges
from latentpath.cli.comparison import surrogate_check
from latentpath.cli.endpoints import Ends
from latentpath.cli.interpolate import run
from latentpath.cli.methods import choose
from latentpath.cli.output import COMPARED, FILES
from latentpath.cli.settings import Settings
from latentpath.errors import InputError
from latentpath.index import ProductIndex, ScoreIndex, TypicalityIndex
from latentpath.models.metrics.precision import precision_recall
from latentpath.models.sampling import draw


def recipe(prior: Any) -> lp.Recipe:
    return lp.Recipe(ProductIndex(lp.RealismIndex(prior), TypicalityIndex(prior), alpha=0.98), lp.Ruler(0.5))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawings, "_PRIOR_SAMPLES", 2000)
    monkeypatch.setattr(drawings, "_FILM_FRAMES", 5)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """A demo with a recipe and the paper's method, two pairs of six segments."""
    model, out = lp.load(SHIPPED), tmp_path_factory.mktemp("compared")
    model = replace(model, recipe=recipe(model.prior))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("latentpath.models.load", lambda name, **options: model)
        for name, value in {"COLUMNS": "160", "NO_COLOR": "1", "TERM": "dumb"}.items():
            patch.setenv(name, value)
        patch.setattr(drawings, "_PRIOR_SAMPLES", 2000)
        patch.setattr(drawings, "_FILM_FRAMES", 5)
        options = ("--pairs", "2", "--segments", "6", "--tol", "0.2")
        result = CliRunner().invoke(cli.app, ["demo", "--out", str(out), *options])
    assert result.exit_code == 0, result.output
    return result, out


@pytest.fixture
def plane() -> lp.Model:
    """A model of vectors in two dimensions with a recipe."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 5)).eval()
    prior = lp.priors.standard_normal(2)
    return lp.Model(network, prior, name="plane", recipe=recipe(prior))


def test_demo_shows_the_paper_beside_the_path(compared: tuple[Result, Path]) -> None:
    result, out = compared
    assert {file.name for file in out.iterdir()} == {*FILES, *COMPARED}
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert set(report["files"]) == {*FILES, *COMPARED}
    assert [row["name"] for row in report["rows"]] == ["lerp", "slerp", "paper", "path"]
    lines = [line.split("  ")[0] for line in result.stdout.splitlines()]
    assert [line for line in lines if line in {"own samples", *report["labels"].values()}] == [
        "own samples",
        "straight line",
        "slerp",
        "the paper's",
        "path",
    ]
    assert "density x typicality, alpha 0.98, mu 0.5" in result.stdout
    assert report["recipe"] == report["methods"]["path"]["in_words"] == "density x typicality, alpha 0.98, mu 0.5"
    assert {name: each["method"] for name, each in report["methods"].items()} == {
        "path": "recommended",
        "paper": "paper",
    }


def test_the_paths_of_both_methods_are_saved(compared: tuple[Result, Path]) -> None:
    _, out = compared
    path, papers = (lp.Path.load(out / name) for name in ("paths.safetensors", "paper.safetensors"))
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in report["rows"]}
    assert [each.settings["method"] for each in (path, papers)] == ["recommended", "paper"]
    assert torch.equal(path.start, papers.start)
    assert not torch.equal(path.latents, papers.latents)
    assert rows["paper"]["evaluations"] == papers.evaluations.tolist()
    assert rows["lerp"]["directness"] == [1, 1]


def test_judges_measure_every_row_and_the_own_samples(compared: tuple[Result, Path]) -> None:
    _, out = compared
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    names = [name for name in judges.IN_WORDS if name in report["own_samples"]]
    assert len(names) >= 3
    for judged in (report["own_samples"], *(row["judged"] for row in report["rows"])):
        assert list(judged) == names
        assert all(len(values) == 2 for values in judged.values())
        assert all(0 <= value <= 1 for name in names if name != judges.ENTROPY for value in judged[name])


@pytest.mark.parametrize(
    ("options", "name", "words"),
    [
        ({}, "recommended", "density x typicality, alpha 0.98, mu 0.5"),
        ({"method": "recommended", "alpha": 0.5}, "recommended", "density x typicality, alpha 0.5, mu 0.5"),
        ({"mu": 0.8}, "recommended", "density x typicality, alpha 0.98, mu 0.8"),
        ({"embed": "data"}, "recommended", "density x typicality, alpha 0.98, lengths in the data"),
        ({"method": "paper"}, "paper", "the paper's method, alpha 0.9"),
        ({"method": "paper", "alpha": 0.7, "embed": "data"}, "paper", "the paper's method, alpha 0.7"),
    ],
    ids=["default", "alpha", "mu", "embed", "paper", "paper-alpha"],
)
def test_options_choose_the_method(plane: lp.Model, options: dict[str, Any], name: str, words: str) -> None:
    method = choose(plane, **options)
    assert (method.name, str(method)) == (name, words)
    start, end = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    density = plane.prior if method.recipe else method.index
    path = lp.interpolate(plane.generator, density, start, end, segments=2, max_evaluations=1, **method.options)
    assert path.settings["method"] == name
    assert path.settings["alpha"] == method.index.alpha


def test_without_a_recipe_a_ruler_makes_the_method_a_custom_one(plane: lp.Model) -> None:
    plain = replace(plane, recipe=None)
    assert choose(plain).name == choose(plain, embed="data").name == "paper"
    assert str(choose(plain, mu=0.5)) == "density, alpha 0.9, mu 0.5"
    assert str(choose(plain, embed="latent", alpha=0.8)) == "density, alpha 0.8, lengths in the latents"
    with pytest.raises(InputError, match="recipe"):
        choose(plain, method="recommended")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--mu", "0.5", "--embed", "latent"), ("--mu and --embed",)),
        (("--mu", "0.5", "--method", "paper"), ("--mu 0.5", "--method paper")),
        (("--embed", "latent", "--method", "paper"), ("--embed latent", "--method paper")),
        (("--mu", "2"), ("mu must be", "2")),
        (("--polish",), ("--polish", "surrogate")),
    ],
    ids=["embed", "paper", "paper-embed", "range", "polish"],
)
def test_methods_that_contradict_give_one_line_and_leave_nothing(
    tmp_path: Path,
    named: Callable[[lp.Model], str],
    plane: lp.Model,
    arguments: tuple[str, ...],
    words: tuple[str, ...],
) -> None:
    out = tmp_path / "out"
    one_line(interpolate("--out", out, "--model", named(plane), "--pairs", 1, *arguments), *words)
    assert not out.exists()


def test_ctrl_c_in_the_first_solve_leaves_the_second_out(
    tmp_path: Path, named: Callable[[lp.Model], str], plane: lp.Model
) -> None:
    settings, hears = Settings(named(plane), segments=4, tol=1e-6, compare=True), Interrupting("Solving, ")
    found = run(settings, Ends(pairs=1), tmp_path, Console(file=io.StringIO()), hears)
    assert found.stopped
    assert found.papers is None
    assert "left out" in hears.text
    assert "paper.safetensors" not in {file.name for file in tmp_path.iterdir()}


def test_ctrl_c_in_the_second_solve_keeps_the_first(
    tmp_path: Path, named: Callable[[lp.Model], str], plane: lp.Model
) -> None:
    settings, hears = Settings(named(plane), segments=4, tol=1e-6, compare=True), Interrupting("paper's method, ")
    found = run(settings, Ends(pairs=1), tmp_path / "once", Console(file=io.StringIO()), hears)
    assert not found.stopped
    assert found.papers is not None
    assert found.papers.stopped
    about = json.loads((tmp_path / "once" / "report.json").read_text(encoding="utf-8"))
    assert [about["methods"][name]["stopped"] for name in ("path", "paper")] == [False, True]
    with pytest.raises(KeyboardInterrupt):
        run(settings, Ends(pairs=1), tmp_path / "twice", Console(quiet=True), Interrupting("paper's method, ", 2))
    assert [file.name for file in (tmp_path / "twice").iterdir()] == ["paths.safetensors"]


def test_a_network_runs_once_for_all_judges_of_the_same_frames() -> None:
    asked: list[int] = []

    def network(frames: torch.Tensor) -> torch.Tensor:
        asked.append(len(frames))
        return 2 * frames

    once, frames = judges._Once(network), torch.arange(600.0).view(2, 300)
    for _ in range(3):
        assert torch.equal(once(frames.flatten(0, 1)[:, None]), 2 * frames.flatten(0, 1)[:, None])
    assert sum(asked) == 600
    assert torch.equal(once(frames[:1].T), 2 * frames[:1].T)
    assert sum(asked) == 900


def test_precision_is_the_share_within_the_manifold_of_samples() -> None:
    random = torch.Generator().manual_seed(0)
    reference, frames = torch.randn(40, 3, generator=random), 1.5 * torch.randn(30, 3, generator=random)
    judged = judges._precision(lambda frames: frames, reference)(frames)
    assert float(judged.mean()) == pytest.approx(precision_recall(frames, reference)[0])
    assert 0 < float(judged.mean()) < 1


def test_a_surrogate_is_compared_with_the_true_index_unless_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    prior = lp.priors.standard_normal(2)
    true = ScoreIndex(prior, score=lambda z: z[:, 0] - z[:, 1], samples=500)
    fast = ProductIndex(lp.RealismIndex(prior), true.surrogate(latents=300, steps=100, width=16))
    start, end = draw(prior, 4, torch.Generator().manual_seed(0)).split(2)
    path = lp.interpolate(lambda z: z, fast, start, end, segments=200, max_evaluations=1)
    hears = Interrupting("never")
    check = surrogate_check(path, hears)
    assert check is not None
    assert check.points == 256
    assert not hears.text

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("latentpath.cli.comparison.compare_surrogate", interrupted)
    assert surrogate_check(path, hears) is None
    assert "Stopped comparing" in hears.text
