"""The models that ship with the package, by name, each with a card.

A model is a folder: ``model.safetensors`` (weights, in half precision where that loses nothing that can be measured),
``config.json`` (what the network is built with), ``card.json`` and, for a generator, ``samples.png``. The card says
what the model is and where it comes from: training data with source and terms, prior, training configuration, seed,
steps, software, licence, measured quality, range of the output, and the SHA-256 of the weights, which is checked on
every load. Nothing is pickled, nothing is fetched.

Example:
    >>> import latentpath.models as models
    >>> model = models.load("mnist-dcgan-semicircle")
    >>> model.generator(model.prior.sample((2,))).shape
    torch.Size([2, 1, 28, 28])
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch.distributions import Distribution

from .. import priors
from ..errors import DataError, InputError, MissingDataError
from .classifier import DigitClassifier
from .dcgan import DCGAN, DCGANGenerator
from .model import Card, Model
from .pretrained import CONFIG_FILE, WEIGHTS_FILE, Pretrained, in_float32, weights_in
from .wae import WAE

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "ARCHITECTURES",
    "WEIGHTS",
    "as_model",
    "available",
    "digit_classifier",
    "load",
    "named_prior",
    "read_model",
    "write_model",
]

CARD_FILE = "card.json"
WEIGHTS = Path(__file__).parent / "weights"
"""The folder of the shipped models."""

ARCHITECTURES: dict[str, type[Pretrained]] = {
    kind.__name__: kind for kind in (DCGAN, DCGANGenerator, WAE, DigitClassifier)
}
"""The networks that a folder can hold, by the name of their class."""


def available() -> list[str]:
    """The names that `load` knows, sorted.

    Example:
        >>> from latentpath.models import available
        >>> available()
        ['mnist-classifier', 'mnist-dcgan-semicircle']
    """
    return sorted(folder.name for folder in WEIGHTS.glob("*") if (folder / "card.json").is_file())


def load(name: str) -> Model:
    """The shipped model called ``name``; see `available`.

    Raises:
        InputError: there is none of that name; the message lists those there are.
        DataError: its files are damaged.

    Example:
        >>> from latentpath.models import load
        >>> load("mnist-dcgan-semicircle").card["value_range"]
        [-1.0, 1.0]
    """
    known = available()
    if name not in known:
        close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.4)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise InputError(f"there is no shipped model called {name!r}{hint} There are: {', '.join(known) or 'none'}")
    return read_model(WEIGHTS / name)


def digit_classifier() -> DigitClassifier:
    """The shipped judge of digits, ``load("mnist-classifier").generator``, under its own type."""
    network = load("mnist-classifier").generator
    assert isinstance(network, DigitClassifier)
    return network


def named_prior(name: str, dim: int) -> Distribution:
    """The prior that a card or a command calls ``name``: "semicircle" or "normal", over vectors of length ``dim``.

    Raises:
        InputError: another name.
    """
    if name == "semicircle":
        return priors.semicircle(dim)
    if name == "normal":
        return priors.standard_normal(dim)
    raise InputError(f'a prior is called "semicircle" or "normal", got {name!r}')


def read_model(folder: str | Path, prior: Distribution | None = None) -> Model:
    """The model in ``folder``, as `write_model` or a network's ``save_pretrained`` left it.

    Args:
        folder: with ``config.json`` and ``model.safetensors``; and ``card.json``, where `write_model` made it.
        prior: of the latents, where neither the card nor the configuration names one.

    Raises:
        MissingDataError: a file is not there.
        DataError: a file cannot be read, or does not fit the others.
    """
    folder = Path(folder)
    config, card = _read_json(folder / CONFIG_FILE), {}
    described = {"name": config["prior"], "dim": config.get("latent_dim")} if "prior" in config else None
    if (folder / CARD_FILE).is_file():
        card = _read_json(folder / CARD_FILE)
        lacking = [key for key in ("name", "prior", "sha256") if key not in card]
        if lacking:
            raise DataError(f"{folder / CARD_FILE} is not the card of a model: it has no {', '.join(lacking)}")
        described = card["prior"]
    if "class" not in config:
        raise DataError(f"{folder / CONFIG_FILE} does not say what is in {folder}: it was not saved by latentpath")
    weights = weights_in(folder)
    content = weights.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if card and found != card["sha256"]:
        raise DataError(
            f"{weights} is damaged or was changed: its SHA-256 is {found}, its card says {card.get('sha256')}. "
            "Install the package anew, or train and package the model again"
        )
    try:
        kind = config.pop("class")
        with torch.random.fork_rng(devices=[]):
            network = ARCHITECTURES[kind](**config)
        if prior is None and described is not None:
            prior = named_prior(described["name"], int(described["dim"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder} does not hold a model that this version knows ({error!r})") from error
    try:
        network.load_state_dict(in_float32(load_tensors(content)))
    except (SafetensorError, RuntimeError) as error:
        raise DataError(f"{weights} does not fit {CONFIG_FILE} beside it: {error}") from error
    return as_model(network.eval().requires_grad_(False), prior, str(card.get("name", folder.resolve().name)), card)


def as_model(network: Pretrained, prior: Distribution | None, name: str, card: Card) -> Model:
    """The parts of a network where `Model` has them."""
    if isinstance(network, DCGAN):
        return Model(network.generator, prior, name=name, card=card, discriminator=network.discriminator)
    if isinstance(network, WAE):
        return Model(network.decoder, prior, network.encoder, name, card)
    return Model(network, prior, name=name, card=card)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingDataError(f"{path.parent} is not a model: {path.name} is not in it") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} should hold a JSON object, it holds a {type(content).__name__}")
    return content


def write_model(
    folder: str | Path,
    network: Pretrained,
    card: Mapping[str, Any],
    samples: Image | None = None,
    *,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write a model that `read_model` reads; the network's configuration and the weights' SHA-256 join the card.

    Args:
        folder: made if it is not there; what it holds of another model is replaced.
        network: one of this package's.
        card: at least ``name`` and ``prior`` (None or ``{"name", "dim"}``).
        samples: the picture for ``samples.png``.
        dtype: of the stored parameters.

    Raises:
        InputError: a network of another kind, or a card that lacks these.
    """
    kind = type(network).__name__
    if kind not in ARCHITECTURES or not {"name", "prior"} <= set(card):
        raise InputError(
            f"a model needs a network of {sorted(ARCHITECTURES)} and a card with name and prior, "
            f"got {kind} and {sorted(card)}"
        )
    folder = Path(folder)
    (folder / CARD_FILE).unlink(missing_ok=True)  # it comes last
    network.write(folder, dtype)
    architecture = {
        "class": kind,
        "config": network.config,
        "parameters": sum(p.numel() for p in network.parameters()),
        "stored_as": str(dtype).removeprefix("torch."),
    }
    digest = hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()
    if samples is not None:
        samples.save(folder / "samples.png", optimize=True)
    partial = folder / f"{CARD_FILE}.partial"
    full = {**card, "architecture": architecture, "sha256": digest}
    partial.write_text(json.dumps(full, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(folder / CARD_FILE)
