"""Models in folders: networks with their prior and their card, read and written without pickles."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch.distributions import Distribution

from .._io import write_json
from .._random import seeded
from ..errors import DataError, InputError
from .files import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, in_float32, read_files
from .model import Card, Model
from .networks.base import Pretrained
from .networks.classifier import DigitClassifier, DigitPerceptron
from .networks.dcgan import DCGAN, DCGANGenerator
from .networks.wae import WAE
from .prior_names import named_prior, stored_prior
from .recipes import read_recipe

if TYPE_CHECKING:
    from PIL.Image import Image

ARCHITECTURES: dict[str, type[Pretrained]] = {  # that a folder can hold
    kind.__name__: kind for kind in (DCGAN, DCGANGenerator, WAE, DigitClassifier, DigitPerceptron)
}


def read_model(folder: str | Path, prior: Distribution | str | None = None) -> Model:
    """Returns the model that `write_model` or a network's ``save_pretrained`` wrote to ``folder``; runs no code of it.

    Args:
        folder: with ``config.json`` and ``model.safetensors``; and ``card.json``, where `write_model` made it.
        prior: of the latents, or its name for `named_prior`, instead of the one that card or configuration names; the
            card's recipe, which belongs to its prior, is left out.

    Raises:
        MissingDataError: a file is not there.
        DataError: a file cannot be read, or does not fit the others, or names a prior that is code.
        InputError: ``prior`` is not over this model's latents.
    """
    folder, replaced = Path(folder), prior is not None
    config, card, content = read_files(folder)
    try:
        kind = config.pop("class")
        with seeded(0, torch.get_default_device()):  # initial weights, which the stored ones replace
            network = ARCHITECTURES[kind](**config)
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise DataError(f"{folder} does not hold a model that this version knows ({error!r})") from error
    prior = _prior(prior, folder, config, card)
    try:
        network.load_state_dict(in_float32(load_tensors(content)))
    except (SafetensorError, RuntimeError) as error:
        raise DataError(f"{folder / WEIGHTS_FILE} does not fit {CONFIG_FILE} beside it: {error}") from error
    model = as_model(network.eval().requires_grad_(False), prior, str(card.get("name", folder.resolve().name)), card)
    if replaced or model.prior is None or not card.get("recipe"):
        return model
    recipe = read_recipe(folder, card["recipe"], model.prior, model.generator, model.discriminator)
    return replace(model, recipe=recipe)


def _prior(
    given: Distribution | str | None, folder: Path, config: Mapping[str, Any], card: Card
) -> Distribution | None:
    dim = config.get("latent_dim")
    if isinstance(given, str):
        return named_prior(given, dim)
    if given is not None:
        if dim is not None and given.event_shape != (dim,):
            raise InputError(
                f"prior must be over vectors ({dim},), as {folder} was trained; got {tuple(given.event_shape)}"
            )
        return given
    described = {"name": config["prior"], "dim": dim} if "prior" in config else None
    described = card["prior"] if card else described
    if described is None:
        return None
    found = stored_prior(described, folder)
    if dim is not None and found.event_shape != (dim,):
        raise DataError(
            f"{folder / CARD_FILE} does not fit {CONFIG_FILE} beside it: its prior is over vectors "
            f"({found.event_shape[0]},), the network takes ({dim},)"
        )
    return found


def as_model(network: Pretrained, prior: Distribution | None, name: str, card: Card) -> Model:
    """Makes a `Model` of the parts of a network."""
    if isinstance(network, DCGAN):
        return Model(network.generator, prior, name=name, card=card, discriminator=network.discriminator)
    if isinstance(network, WAE):
        return Model(network.decoder, prior, network.encoder, name, card)
    return Model(network, prior, name=name, card=card)


def write_model(
    folder: str | Path,
    network: Pretrained,
    card: Mapping[str, Any],
    samples: Image | None = None,
    *,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Writes a model for `read_model`; the network's configuration and the weights' SHA-256 join the card.

    Args:
        folder: made if it is not there; files of another model in it are replaced.
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
            f"a model needs a network of {sorted(ARCHITECTURES)} and a card with name and prior; "
            f"got {kind} and {sorted(card)}"
        )
    folder = Path(folder)
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
    # the card last: until it fits the weights, they are refused
    write_json(folder / CARD_FILE, {**card, "architecture": architecture, "sha256": digest})
