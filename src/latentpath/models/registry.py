"""The models that ship with the package, by name, each with a card.

A model is a folder: ``model.safetensors`` (weights, in half precision where that loses nothing that can be measured),
``config.json`` (what the network is built with), ``card.json`` and, for a generator, ``samples.png``. The card says
what the model is and where it comes from: training data with source and terms, prior, training configuration, seed,
steps, software, licence, measured quality, range of the output, and the SHA-256 of the weights, which is checked on
every load. Nothing is pickled, nothing is fetched.

Example:
    >>> from latentpath.models.registry import load_shipped
    >>> model = load_shipped("mnist-dcgan-semicircle")
    >>> model.generator(model.prior.sample((2,))).shape
    torch.Size([2, 1, 28, 28])
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch.distributions import Distribution

from .. import priors
from .._io import write_json
from .._random import borrowed_randomness
from ..errors import DataError, InputError, MissingDataError
from .classifier import DigitClassifier
from .dcgan import DCGAN, DCGANGenerator
from .model import Card, Model
from .named import is_code, made, named
from .pretrained import CONFIG_FILE, WEIGHTS_FILE, Pretrained, in_float32, weights_in
from .wae import WAE

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "ARCHITECTURES",
    "CARD_FILE",
    "WEIGHTS",
    "as_model",
    "available",
    "digit_classifier",
    "load_shipped",
    "named_prior",
    "read_files",
    "read_json",
    "read_model",
    "stored_prior",
    "write_model",
]

CARD_FILE = "card.json"
WEIGHTS = Path(__file__).parent / "weights"
"""The folder of the shipped models."""

ARCHITECTURES: dict[str, type[Pretrained]] = {
    kind.__name__: kind for kind in (DCGAN, DCGANGenerator, WAE, DigitClassifier)
}
"""The networks that a folder can hold, by the name of their class."""

_PRIORS: dict[str, Callable[[int], Distribution]] = {
    "normal": priors.standard_normal,
    "semicircle": priors.semicircle,
}


def available() -> list[str]:
    """The names of the shipped models, sorted.

    Example:
        >>> from latentpath.models import available
        >>> [name for name in available() if "celeba" in name]
        ['celeba-dcgan-normal', 'celeba-dcgan-semicircle', 'celeba-wae']
    """
    return sorted(folder.name for folder in WEIGHTS.glob("*") if (folder / "card.json").is_file())


def load_shipped(name: str) -> Model:
    """The shipped model called ``name``; see `available`, and `latentpath.load` for models from elsewhere.

    Raises:
        InputError: there is none of that name; the message lists those there are.
        DataError: its files are damaged.

    Example:
        >>> from latentpath.models.registry import load_shipped
        >>> load_shipped("mnist-dcgan-semicircle").card["value_range"]
        [-1.0, 1.0]
    """
    known = available()
    if name not in known:
        close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.4)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise InputError(f"there is no shipped model called {name!r}{hint} There are: {', '.join(known) or 'none'}")
    return read_model(WEIGHTS / name)


def digit_classifier() -> DigitClassifier:
    """The shipped judge of digits, ``load_shipped("mnist-classifier").generator``, under its own type."""
    network = load_shipped("mnist-classifier").generator
    assert isinstance(network, DigitClassifier)
    return network


def named_prior(name: str, dim: int | None) -> Distribution:
    """The prior that a card or a command calls ``name``, over vectors of length ``dim``.

    Args:
        name: "semicircle", "normal", or ``package.module:attr``: a distribution, or a function that makes one and is
            given ``dim`` (or ``latent_dim``) if it has a parameter of that name. **It is imported**: for what a file
            says there is `stored_prior`.
        dim: ``D``; None where only the named distribution can know.

    Raises:
        InputError: another name, code that cannot be imported or makes something else, or another length.

    Example:
        >>> named_prior("latentpath.priors:uniform_ball", 3)
        UniformBall(dim=3, radius=1.0)
    """
    if is_code(name):
        found = named(name)
        if not isinstance(found, Distribution):
            found = made(name, found, dim=dim, latent_dim=dim)
        shapes = (found.batch_shape, found.event_shape) if isinstance(found, Distribution) else None
        if shapes is None or len(shapes[0]) or len(shapes[1]) != 1 or dim not in (None, shapes[1][0]):
            shown = f" with batch shape {tuple(shapes[0])} and event shape {tuple(shapes[1])}" if shapes else ""
            raise InputError(
                f"{name} must be, or make, a torch.distributions.Distribution over vectors ({dim or 'D'},), "
                f"got {type(found).__name__}{shown}"
            )
        assert isinstance(found, Distribution)
        return found
    if name not in _PRIORS:
        raise InputError(
            f'a prior is called "semicircle" or "normal", or is yours, "package.module:attr"; got {name!r}'
        )
    if dim is None:
        raise InputError(f"a {name} prior needs the length of a latent: pass latent_dim=D")
    return _PRIORS[name](dim)


def stored_prior(described: Mapping[str, Any], where: str | Path) -> Distribution:
    """The prior ``{"name", "dim"}`` of a file, which may name "normal" and "semicircle" but no code.

    Raises:
        DataError: it names code, or nothing that is known.
    """
    try:
        name, dim = described["name"], int(described["dim"])
        if not is_code(name):
            return named_prior(name, dim)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{where} describes no prior that this version knows ({error!r})") from error
    raise DataError(
        f"{where} says that the prior is {name!r}. That is code, and code is not run because a file names it: "
        f"where you trust it, name it yourself, with prior={name!r}"
    )


def read_files(folder: Path) -> tuple[dict[str, Any], Card, bytes]:
    """The configuration, the card (empty where there is none) and the weights' bytes of the model in ``folder``.

    Raises:
        MissingDataError: a file is not there.
        DataError: a file cannot be read, says too little, or the weights are not those of the card.
    """
    config, card = read_json(folder / CONFIG_FILE), {}
    if (folder / CARD_FILE).is_file():
        card = read_json(folder / CARD_FILE)
        lacking = [key for key in ("name", "prior", "sha256") if key not in card]
        if lacking:
            raise DataError(f"{folder / CARD_FILE} is not the card of a model: it has no {', '.join(lacking)}")
    if "kind" in config and "class" not in config:
        raise MissingDataError(
            f"{folder} holds a training run, but no model yet: go on with --resume, or make a model of its last "
            "checkpoint with latentpath train package"
        )
    if "class" not in config:
        raise DataError(f"{folder / CONFIG_FILE} does not say what is in {folder}: it was not saved by latentpath")
    weights = weights_in(folder)
    content = weights.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if card and found != card["sha256"]:
        raise DataError(
            f"{weights} is damaged or was changed: its SHA-256 is {found}, its card says {card.get('sha256')}. "
            "Install the package anew, fetch the model again, or train and package it again"
        )
    return config, card, content


def read_model(folder: str | Path, prior: Distribution | str | None = None) -> Model:
    """The model in ``folder``, as `write_model` or a network's ``save_pretrained`` left it. No code of it is run.

    Args:
        folder: with ``config.json`` and ``model.safetensors``; and ``card.json``, where `write_model` made it.
        prior: of the latents, or its name for `named_prior`, instead of the one that card or configuration names.

    Raises:
        MissingDataError: a file is not there.
        DataError: a file cannot be read, or does not fit the others, or names a prior that is code.
        InputError: ``prior`` is not over this model's latents.
    """
    folder = Path(folder)
    config, card, content = read_files(folder)
    described = {"name": config["prior"], "dim": config.get("latent_dim")} if "prior" in config else None
    described = card["prior"] if card else described
    try:
        kind = config.pop("class")
        with borrowed_randomness():
            network = ARCHITECTURES[kind](**config)
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise DataError(f"{folder} does not hold a model that this version knows ({error!r})") from error
    dim = config.get("latent_dim")
    if isinstance(prior, str):
        prior = named_prior(prior, dim)
    elif prior is not None and dim is not None and prior.event_shape != (dim,):
        raise InputError(
            f"prior must be over vectors ({dim},), as {folder} was trained, got {tuple(prior.event_shape)}"
        )
    elif prior is None and described is not None:
        prior = stored_prior(described, folder)
        if dim is not None and prior.event_shape != (dim,):
            raise DataError(
                f"{folder / CARD_FILE} does not fit {CONFIG_FILE} beside it: its prior is over vectors "
                f"({prior.event_shape[0]},), the network takes ({dim},)"
            )
    try:
        network.load_state_dict(in_float32(load_tensors(content)))
    except (SafetensorError, RuntimeError) as error:
        raise DataError(f"{folder / WEIGHTS_FILE} does not fit {CONFIG_FILE} beside it: {error}") from error
    return as_model(network.eval().requires_grad_(False), prior, str(card.get("name", folder.resolve().name)), card)


def as_model(network: Pretrained, prior: Distribution | None, name: str, card: Card) -> Model:
    """The parts of a network where `Model` has them."""
    if isinstance(network, DCGAN):
        return Model(network.generator, prior, name=name, card=card, discriminator=network.discriminator)
    if isinstance(network, WAE):
        return Model(network.decoder, prior, network.encoder, name, card)
    return Model(network, prior, name=name, card=card)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a model.

    Raises:
        MissingDataError: there is no such file.
        DataError: it cannot be read, or holds something else.
    """
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
