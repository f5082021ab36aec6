"""The recipe of a model in its folder: written, read, refused where it is damaged, dropped with its prior."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import latentpath as lp
from latentpath.errors import DataError, InputError, LatentPathError, MissingDataError
from latentpath.index import (
    CeilingIndex,
    DiscriminatorIndex,
    PriorIndex,
    ProductIndex,
    RealismIndex,
    SurrogateIndex,
)
from latentpath.index.factors import with_targets
from latentpath.index.surrogate import SurrogateFit
from latentpath.models import DCGAN, hub
from latentpath.models.folders import read_model, write_model
from latentpath.models.recipes import SAMPLES, read_recipe, write_recipe
from surrogate_examples import random_network

DIM = 5
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


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "small"
    network = DCGAN(latent_dim=DIM, width=2, discriminator_width=2).eval()
    write_model(folder, network, {"name": "small", "prior": {"name": "normal", "dim": DIM}})
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy of the small model, without a recipe."""
    return Path(shutil.copytree(written, tmp_path / "small"))


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


def test_the_true_indices_are_those_of_the_models_own_networks(folder: Path) -> None:
    write_recipe(folder, recipe())
    model = read_model(folder)
    assert model.recipe is not None
    true, z = with_targets(model.recipe.index), torch.randn(6, DIM)
    assert (true.name, true.alpha) == ("density x pushforward up to 0.5 x discriminator up to 0.5", 0.97)
    judge = DiscriminatorIndex(
        model.prior, generator=model.generator, discriminator=model.discriminator, samples=SAMPLES
    )
    assert isinstance(true, ProductIndex)
    assert torch.equal(true.indices[2](z), CeilingIndex(judge, 0.5)(z))


def test_a_solve_uses_what_is_read(folder: Path) -> None:
    write_recipe(folder, recipe())
    start, end = torch.randn(2, DIM)
    options: dict[str, Any] = {"segments": 2, "tol": 0.5, "solver": "lbfgs"}
    path = lp.interpolate(read_model(folder), start, end, **options)
    assert (path.settings["method"], path.settings["alpha"]) == ("recommended", 0.97)
    assert path.source is not None
    assert path.source.embed == recipe().ruler


def test_a_network_that_is_written_anew_has_no_recipe(folder: Path) -> None:
    write_recipe(folder, recipe())
    network = DCGAN(latent_dim=DIM, width=2, discriminator_width=2).eval()
    write_model(folder, network, {"name": "small", "prior": {"name": "normal", "dim": DIM}})
    assert read_model(folder).recipe is None


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
        lambda entry: entry.update(factors=["pushforward", "discriminator"]),
        lambda entry: entry.update(factors=["density", "pushforward", "pushforward"]),
        lambda entry: entry.update(evidence="it looks good"),
        lambda entry: entry.update(data_scale=-1.0),
        lambda entry: entry.update(latent_scale=None),
        lambda entry: entry["sha256"].update(pushforward="0" * 64),
    ],
    ids=[
        *("no alpha", "no hashes", "alpha", "mu", "ceiling", "factors", "another folder"),
        *("no density", "twice", "evidence", "scale", "one scale", "hash"),
    ],
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


@pytest.mark.parametrize("entry", ["text", ["density"], 3, {"factors": 3}], ids=["text", "list", "number", "factors"])
def test_what_is_no_entry_is_refused(folder: Path, entry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "recipe": entry}))
    with pytest.raises(DataError, match=r"card\.json cannot be used"):
        read_model(folder)
    monkeypatch.setattr(hub, "_snapshot", lambda *_, **__: folder)
    assert hub.fetch("org/name", ["DCGAN"]) == folder, "reading it tells what is wrong"


def test_a_surrogate_of_another_dimension_is_refused(folder: Path) -> None:
    write_recipe(folder, recipe())
    other = SurrogateIndex(lp.priors.standard_normal(3), fit=SurrogateFit(random_network(3), 0.9, FITTED), samples=100)
    other.save(folder / "pushforward.safetensors")
    digest = hashlib.sha256((folder / "pushforward.safetensors").read_bytes()).hexdigest()
    changed(folder, lambda entry: entry["sha256"].update(pushforward=digest))
    found = read_model(folder).recipe
    assert found is not None
    with pytest.raises(InputError, match="D = 3"):
        _ = found.index


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


def refused(folder: Path, given: lp.Recipe) -> None:
    before = sorted(folder.iterdir()), (folder / "card.json").read_bytes()
    with pytest.raises(InputError, match="recipe must have"):
        write_recipe(folder, given)
    assert (sorted(folder.iterdir()), (folder / "card.json").read_bytes()) == before


@pytest.mark.parametrize("kind", list(REFUSED))
def test_what_a_folder_cannot_hold_is_refused_and_leaves_no_file(folder: Path, kind: str) -> None:
    refused(folder, lp.Recipe(REFUSED[kind], lp.Ruler(0.5)))


def test_a_ruler_of_features_and_evidence_that_is_no_data_are_refused(folder: Path) -> None:
    refused(folder, lp.Recipe(recipe().index, lp.Ruler(0.5, features=torch.square)))
    refused(folder, lp.Recipe(recipe().index, lp.Ruler(0.5), {"judges": torch.ones(2)}))


def test_an_estimate_of_the_density_that_would_be_read_otherwise_is_refused(folder: Path) -> None:
    """A recipe is read with the defaults of `RealismIndex`; a closed form has no samples that could differ."""
    prior = lp.priors.semicircle(DIM)
    refused(folder, lp.Recipe(RealismIndex(prior, samples=100), lp.Ruler(0.5)))
    refused(folder, lp.Recipe(RealismIndex(prior, samples=5000, seed=1), lp.Ruler(0.5)))
    write_recipe(folder, lp.Recipe(RealismIndex(PRIOR, samples=100), lp.Ruler(0.5)))


def test_an_index_of_another_dimension_than_the_models_is_refused(folder: Path) -> None:
    refused(folder, lp.Recipe(RealismIndex(lp.priors.standard_normal(3)), lp.Ruler(0.5)))


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
