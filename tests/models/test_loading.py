"""Models by name: shipped ones, folders, and files whose code never runs."""

from __future__ import annotations

import json
import pickle
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
from saved_models import saved

import latentpath as lp
from latentpath.errors import DataError, InputError, MissingDataError
from latentpath.models import DCGAN, DCGANGenerator, read_model
from latentpath.models.registry import WEIGHTS

SHIPPED = "mnist-dcgan-semicircle"


def test_shipped_models_come_by_name_and_another_prior_takes_the_place_of_theirs() -> None:
    model = lp.load(SHIPPED, latent_dim=20)
    assert model.name == SHIPPED
    ball = lp.priors.uniform_ball(20, 5.0)
    assert lp.load(SHIPPED, prior=ball).prior is ball
    other = lp.load(SHIPPED, prior="normal").prior
    assert other is not None
    assert torch.equal(other.mean, torch.zeros(20))
    assert lp.load("mnist-classifier").prior is None
    with pytest.raises(InputError, match=r"latent_dim is 3, but the prior of mnist-.* is over vectors \(20,\)"):
        lp.load(SHIPPED, latent_dim=3)
    with pytest.raises(InputError, match=r"prior must be over vectors \(20,\), as .* was trained; got \(3,\)"):
        lp.load(SHIPPED, prior=lp.priors.standard_normal(3))


def test_a_saved_folder_comes_back_with_its_parts(tmp_path: Path) -> None:
    folder = saved(tmp_path / "net", prior="semicircle")
    for name in (folder, str(folder)):
        model = lp.load(name)
        z = torch.randn(2, 5)
        assert torch.equal(model.generator(z), DCGAN.from_pretrained(folder)(z))
        assert model.discriminator is not None
        assert model.prior is not None
        torch.testing.assert_close(model.prior.log_prob(z), lp.priors.semicircle(5).log_prob(z))
        assert (model.name, model.generator.training) == ("net", False)  # type: ignore[attr-defined]


def test_the_folder_of_a_training_run_has_its_model_inside(tmp_path: Path) -> None:
    saved(tmp_path / "run" / "model")
    (tmp_path / "run" / "config.json").write_text('{"steps": 3}')
    assert lp.load(tmp_path / "run").generator(torch.zeros(1, 5)).shape == (1, 1, 28, 28)


def test_a_folder_goes_before_the_hub_and_after_the_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "org" / "name")
    saved(tmp_path / SHIPPED)
    assert lp.load("org/name").prior.event_shape == (5,)  # type: ignore[union-attr]
    assert lp.load(f"./{SHIPPED}").prior.event_shape == (5,)  # type: ignore[union-attr]
    assert lp.load(SHIPPED).prior.event_shape == (20,)  # type: ignore[union-attr]


def test_a_generator_without_a_prior_asks_for_one(tmp_path: Path) -> None:
    DCGANGenerator(latent_dim=4, width=2).save_pretrained(tmp_path / "bare")
    with pytest.raises(InputError, match=r"bare has no prior: give one with prior=, .*\"normal\", \"semicircle\""):
        lp.load(tmp_path / "bare")
    assert lp.load(tmp_path / "bare", prior="normal").prior.event_shape == (4,)  # type: ignore[union-attr]


def test_names_of_nothing_say_what_would_be_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("", "x", "mnist-dcgan-semicircl", "C:\\models\\x"):
        with pytest.raises(
            InputError, match=rf"There are: .*mnist-classifier, .*{SHIPPED}.*package\.module:attr.*Hub"
        ) as no:
            lp.load(name)
        assert ("did you mean 'mnist-dcgan-semicircle'?" in str(no.value)) == name.startswith("mnist")
    for name in ("./x", "../weights/mnist-classifier", "~/x", "a/b/c", str(tmp_path / "x")):
        with pytest.raises(MissingDataError, match=f"there is no folder {re.escape(name)}"):
            lp.load(name)
    with pytest.raises(MissingDataError, match=r"is not a model: config\.json is not in it"):
        lp.load(tmp_path)
    (tmp_path / "weights.pt").write_bytes(pickle.dumps([1]))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=r"weights\.pt is a pickle, which can run any code"):
        lp.load("weights.pt")
    with pytest.raises(InputError, match="is a file: name the folder that it lies in"):
        lp.load(tmp_path / "model.safetensors")


class Trap:
    """A pickle of it writes a file when it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.file,))


@pytest.mark.parametrize("kind", ["Sequential", "torch.nn.Linear", "os:system", "mine.nets:Net", "Model", None, 3])
def test_a_folder_cannot_name_its_own_class(tmp_path: Path, mine: str, kind: object) -> None:
    folder = saved(tmp_path / "net")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "class": kind}))
    with pytest.raises(DataError, match="does not hold a model that this version knows"):
        lp.load(folder)
    assert mine not in sys.modules


@pytest.mark.parametrize("file", ["config.json", "card.json"])
def test_a_prior_that_is_code_is_imported_only_when_the_user_names_it(
    tmp_path: Path, mine: str, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    if file == "config.json":
        folder = saved(tmp_path / "net", prior=f"{mine}:ball")
    else:
        folder = Path(shutil.copytree(WEIGHTS / SHIPPED, tmp_path / "net"))
        card = json.loads((folder / file).read_text())
        card["prior"]["name"] = f"{mine}:ball"
        (folder / file).write_text(json.dumps(card))
    for read in (lp.load, read_model):
        with pytest.raises(DataError, match=r"prior is 'mine\.nets:ball'.* name it yourself, with prior='mine\.nets"):
            read(folder)
    assert mine not in sys.modules
    prior = lp.load(folder, prior=f"{mine}:ball").prior
    assert isinstance(prior, lp.priors.UniformBall)
    assert float(prior.radius) == 2


def test_pickles_in_a_folder_are_refused_unread(tmp_path: Path) -> None:
    folder, trap = saved(tmp_path / "net"), tmp_path / "sprung"
    (folder / "model.safetensors").unlink()
    for name in ("pytorch_model.bin", "model.ckpt"):
        (folder / name).write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(MissingDataError, match=r"model\.ckpt, pytorch_model\.bin is a pickle.*weights_only=True"):
        lp.load(folder)
    assert not trap.exists()
