"""The recipe of a model in its folder: written, read, refused where it is damaged, dropped with its prior."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import latentpath as lp
from latentpath.errors import DataError, InputError, LatentPathError, MissingDataError
from latentpath.index import CeilingIndex, PriorIndex, ProductIndex, RealismIndex, SurrogateIndex
from latentpath.index.surrogate import SurrogateFit
from latentpath.models import hub
from latentpath.models.folders import read_model
from latentpath.models.recipes import read_recipe, write_recipe
from latentpath.models.registry import WEIGHTS
from surrogate_examples import random_network

NAME, DIM = "mnist-dcgan-normal", 20
PRIOR = lp.priors.standard_normal(DIM)
FITTED = {"latents": 100, "steps": 1, "seed": 0, "width": 4}


def surrogate(name: str, seed: int = 0) -> SurrogateIndex:
    fit = SurrogateFit(random_network(DIM, 4, seed), 0.9, FITTED)
    return SurrogateIndex(PRIOR, fit=fit, target_name=name, samples=100)


def recipe(ceiling: float | None = 0.5) -> lp.Recipe:
    others: list[PriorIndex] = [surrogate("pushforward"), surrogate("discriminator", 1)]
    if ceiling is not None:
        others = [CeilingIndex(other, ceiling) for other in others]
    index = ProductIndex(RealismIndex(PRIOR), *others, alpha=0.97)
    return lp.Recipe(index, lp.Ruler(0.8, data_scale=3.0, latent_scale=2.0), {"chosen": [1, 2.5]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a shipped model without a recipe."""
    copy = Path(shutil.copytree(WEIGHTS / NAME, tmp_path / NAME))
    card = json.loads((copy / "card.json").read_text())
    card.pop("recipe", None)
    (copy / "card.json").write_text(json.dumps(card))
    return copy


@pytest.mark.parametrize("ceiling", [None, 0.5])
def test_what_is_written_is_read(folder: Path, ceiling: float | None) -> None:
    assert read_model(folder).recipe is None
    given, z = recipe(ceiling), torch.randn(30, DIM)
    write_recipe(folder, given)
    found = read_model(folder).recipe
    assert found is not None
    assert str(found) == str(given)
    assert found.ruler == given.ruler
    assert found.evidence == given.evidence
    assert torch.equal(found.index.log(z), given.index.log(z))
    card = json.loads((folder / "card.json").read_text())
    assert card["recipe"]["correlation"] == {"pushforward": 0.9, "discriminator": 0.9}


def test_a_recipe_of_the_density_alone_is_read(folder: Path) -> None:
    write_recipe(folder, lp.Recipe(RealismIndex(PRIOR, alpha=0.8), lp.Ruler(0.5)))
    found = read_model(folder).recipe
    assert found is not None
    assert str(found) == "density, alpha 0.8, mu 0.5"


def test_true_indices_are_built_on_first_use(folder: Path) -> None:
    write_recipe(folder, recipe(None))
    calls = []

    def generator(z: torch.Tensor) -> torch.Tensor:
        calls.append(len(z))
        return z[:, :3]

    entry = json.loads((folder / "card.json").read_text())["recipe"]
    found = read_recipe(folder, entry, PRIOR, generator, None)
    assert isinstance(found.index, ProductIndex)
    _, pushforward, discriminator = found.index.indices
    assert calls == []
    assert isinstance(pushforward, SurrogateIndex)
    assert isinstance(discriminator, SurrogateIndex)
    with pytest.raises(InputError, match="needs a discriminator"):
        _ = discriminator.target
    assert calls == []


def changed(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    card = json.loads((folder / "card.json").read_text())
    change(card["recipe"])
    (folder / "card.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: entry.pop("alpha"),
        lambda entry: entry.pop("sha256"),
        lambda entry: entry.update(alpha=2),
        lambda entry: entry.update(mu="much"),
        lambda entry: entry.update(ceiling=0),
        lambda entry: entry.update(factors=None),
        lambda entry: entry["factors"].append("../elsewhere"),
        lambda entry: entry["sha256"].update(pushforward="0" * 64),
    ],
    ids=["no alpha", "no hashes", "alpha", "mu", "ceiling", "factors", "another folder", "hash"],
)
def test_a_damaged_entry_is_refused(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    write_recipe(folder, recipe())
    changed(folder, change)
    with pytest.raises(DataError, match=r"card\.json cannot be used|damaged or was changed"):
        read_model(folder)


def test_an_unknown_factor_names_no_file(folder: Path) -> None:
    """A card of the Hub must not choose which files are read."""
    write_recipe(folder, recipe())
    changed(folder, lambda entry: (entry["factors"].append("../x"), entry["sha256"].update({"../x": "0"})))
    (folder.parent / "x.safetensors").write_bytes(b"")
    with pytest.raises(DataError, match="is not a factor"):
        read_model(folder)


def test_a_changed_or_missing_surrogate_is_refused(folder: Path) -> None:
    write_recipe(folder, recipe())
    file = folder / "pushforward.safetensors"
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(DataError, match="SHA-256"):
        read_model(folder)
    file.unlink()
    with pytest.raises(MissingDataError, match=r"pushforward\.safetensors, a factor of its recipe"):
        read_model(folder)


def test_another_prior_drops_the_recipe(folder: Path) -> None:
    write_recipe(folder, recipe())
    assert read_model(folder, lp.priors.standard_normal(DIM)).recipe is None
    assert read_model(folder, "semicircle").recipe is None
    assert read_model(folder).recipe is not None


DENSITY = RealismIndex(PRIOR)
REFUSED: dict[str, PriorIndex] = {
    "a true index": ProductIndex(DENSITY, RealismIndex(PRIOR)),
    "another surrogate": ProductIndex(DENSITY, surrogate("score")),
    "no density": ProductIndex(surrogate("pushforward"), surrogate("discriminator")),
    "two ceilings": ProductIndex(
        DENSITY, CeilingIndex(surrogate("pushforward"), 0.3), CeilingIndex(surrogate("discriminator"), 0.5)
    ),
    "one ceiling of two": ProductIndex(
        DENSITY, CeilingIndex(surrogate("pushforward"), 0.3), surrogate("discriminator")
    ),
    "one factor twice": ProductIndex(DENSITY, surrogate("pushforward"), surrogate("pushforward", 1)),
}


@pytest.mark.parametrize("kind", list(REFUSED))
def test_what_a_folder_cannot_hold_is_refused_and_leaves_no_file(folder: Path, kind: str) -> None:
    before = sorted(folder.iterdir()), (folder / "card.json").read_bytes()
    with pytest.raises(InputError, match="recipe must have"):
        write_recipe(folder, lp.Recipe(REFUSED[kind], lp.Ruler(0.5)))
    assert (sorted(folder.iterdir()), (folder / "card.json").read_bytes()) == before


def test_no_model_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(LatentPathError):
        write_recipe(tmp_path, recipe())


def test_the_hub_is_asked_for_the_surrogates_that_the_card_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def snapshot(repository: str, *files: str, revision: str | None = None) -> Path:
        asked.extend(files)
        return folder

    monkeypatch.setattr(hub, "_snapshot", snapshot)
    classes = [json.loads((folder / "config.json").read_text())["class"]]
    hub.fetch("org/name", classes)
    assert asked == ["config.json", "card.json", "model.safetensors"]
    write_recipe(folder, lp.Recipe(ProductIndex(DENSITY, surrogate("pushforward")), lp.Ruler(0.5)))
    asked.clear()
    hub.fetch("org/name", classes)
    assert asked == ["config.json", "card.json", "model.safetensors", "pushforward.safetensors"]
