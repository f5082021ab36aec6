"""Folders of models: written, read, and refused where they are damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from latentpath.errors import DataError, InputError, MissingDataError
from latentpath.models import (
    DCGANDiscriminator,
    DCGANGenerator,
)
from latentpath.models.cards import make_card
from latentpath.models.files import as_stored
from latentpath.models.folders import read_model, write_model
from latentpath.models.registry import WEIGHTS

GENERATOR, JUDGE = "mnist-dcgan-semicircle", "mnist-classifier"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the shipped generator's folder, to be damaged."""
    return Path(shutil.copytree(WEIGHTS / GENERATOR, tmp_path / GENERATOR))


def test_a_prior_on_the_card_that_does_not_fit_the_network_is_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(WEIGHTS / "mnist-dcgan-normal", tmp_path / "copy"))
    card = json.loads((folder / "card.json").read_text())
    for dim, message in ((7, r"over vectors \(7,\), the network takes \(20,\)"), (float("inf"), "describes no prior")):
        (folder / "card.json").write_text(json.dumps({**card, "prior": {"name": "normal", "dim": dim}}))
        with pytest.raises(DataError, match=message):
            read_model(folder)


def test_a_changed_bit_is_noticed(copy: Path) -> None:
    path = copy / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"its SHA-256 is [0-9a-f]{64}, its card says [0-9a-f]{64}"):
        read_model(copy)


def test_truncated_weights_and_missing_files_are_noticed(copy: Path) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DataError, match="SHA-256"):
        read_model(copy)
    path.unlink()
    with pytest.raises(MissingDataError, match=r"model\.safetensors is not in it$"):
        read_model(copy)
    (copy / "weights.pt").write_bytes(b"")
    with pytest.raises(MissingDataError, match=r"weights\.pt is a pickle, which can run any code"):
        read_model(copy)
    (copy / "config.json").unlink()
    with pytest.raises(MissingDataError, match=r"config\.json is not in it"):
        read_model(copy)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("card.json", lambda card: card.pop("sha256"), "is not the card of a model: it has no sha256"),
        ("card.json", lambda card: card.pop("prior"), "is not the card of a model: it has no prior"),
        ("card.json", lambda card: card["prior"].update(name="triangle"), "semicircle"),
        ("config.json", lambda config: config.update({"class": "Sequential"}), "'Sequential'"),
        ("config.json", lambda config: config.update(depth=3), "'depth'"),
        ("config.json", lambda config: config.pop("class"), "does not say what is in"),
    ],
)
def test_a_folder_that_says_too_little_or_nonsense_is_refused(
    copy: Path, file: str, change: object, message: str
) -> None:
    content = json.loads((copy / file).read_text())
    change(content)  # type: ignore[operator]
    (copy / file).write_text(json.dumps(content))
    with pytest.raises(DataError, match=message):
        read_model(copy)
    (copy / file).write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        read_model(copy)
    (copy / file).write_text("[]")
    with pytest.raises(DataError, match="should hold a JSON object, it holds a list"):
        read_model(copy)


def test_weights_of_another_architecture_are_refused(copy: Path) -> None:
    import hashlib

    card = json.loads((copy / "card.json").read_text())
    for content in (save({"net.0.weight": torch.zeros(2)}), b"no safetensors"):
        (copy / "model.safetensors").write_bytes(content)
        card["sha256"] = hashlib.sha256(content).hexdigest()
        (copy / "card.json").write_text(json.dumps(card))
        with pytest.raises(DataError, match=r"does not fit config\.json beside it"):
            read_model(copy)


def tiny_card() -> dict[str, object]:
    return make_card(
        "tiny",
        "a tiny one",
        {"data": "mnist", "seed": 0},
        command="latentpath train dcgan",
        version="0",
        steps=1,
        seconds=6.0,
        images=5,
        value_range=(-1.0, 1.0),
        prior={"name": "normal", "dim": 4},
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_what_is_written_is_read(tmp_path: Path, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    network = DCGANGenerator(latent_dim=4, width=2)
    network(torch.randn(8, 4))  # so that the batch statistics are not the initial ones
    write_model(tmp_path / "tiny", network.eval(), tiny_card(), dtype=dtype)
    model = read_model(tmp_path / "tiny")
    assert (model.name, model.card["minutes"]) == ("tiny", 0.1)
    assert model.prior is not None
    assert torch.equal(model.prior.mean, torch.zeros(4))
    network.load_state_dict(as_stored(network, dtype))
    latents = torch.randn(5, 4)
    assert torch.equal(model.generator(latents), network(latents))


def test_a_model_that_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got DCGANDiscriminator"):
        write_model(tmp_path / "x", DCGANDiscriminator(width=2), tiny_card())
    with pytest.raises(InputError, match="name and prior"):
        write_model(tmp_path / "x", DCGANGenerator(latent_dim=4, width=2), {"name": "x"})
    assert not (tmp_path / "x").exists()
