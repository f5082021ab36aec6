"""The models that ship with the package, by name, each with a card.

A model is a folder: ``model.safetensors`` (weights, in half precision where that loses nothing that can be measured),
``card.json`` and, for a generator, ``samples.png``. The card says what the model is and where it comes from:
architecture and configuration, training data with source and terms, prior, training configuration, seed, steps,
software, licence, measured quality, range of the output, and the SHA-256 of the weights, which is checked on every
load. Nothing is pickled, nothing is fetched.

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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn
from torch.distributions import Distribution

from .. import priors
from ..errors import DataError, InputError, MissingDataError
from .classifier import DigitClassifier
from .dcgan import DCGANGenerator

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "WEIGHTS",
    "Card",
    "Model",
    "as_stored",
    "available",
    "digit_classifier",
    "load",
    "named_prior",
    "read_model",
    "write_model",
]

Card = dict[str, Any]
"""The content of ``card.json``."""

WEIGHTS = Path(__file__).parent / "weights"
"""The folder of the shipped models."""

_ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "DCGANGenerator": DCGANGenerator,
    "DigitClassifier": DigitClassifier,
}


@dataclass(frozen=True)
class Model:
    """A trained network and what one needs to use it.

    Attributes:
        name: its name in the registry.
        generator: the network, in eval mode, float32, its weights frozen. Latents ``(N, D)`` to images
            ``(N, C, H, W)`` for a generator; images to logits for a classifier.
        prior: the distribution of its latents; None for a classifier.
        card: what is known about it.
        encoder: images to latents, where there is one.
    """

    name: str
    generator: nn.Module
    prior: Distribution | None
    card: Card
    encoder: nn.Module | None = None

    def __repr__(self) -> str:
        return (
            f"Model({self.name!r}, {type(self.generator).__name__}, {self.card.get('description', 'no description')})"
        )


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


def read_model(folder: str | Path) -> Model:
    """The model in ``folder``, as `write_model` left it.

    Raises:
        MissingDataError: the card or the weights that it names are not there.
        DataError: the card cannot be read, or the weights do not match it.
    """
    folder = Path(folder)
    card_path = folder / "card.json"
    if not card_path.is_file():
        raise MissingDataError(f"{folder} is not a model: card.json is not in it")
    try:
        card: Card = json.loads(card_path.read_text(encoding="utf-8"))
        name, expected = str(card["name"]), str(card["sha256"])
        weights_path = folder / Path(str(card["weights_file"])).name
        build, config = _ARCHITECTURES[card["architecture"]["class"]], dict(card["architecture"]["config"])
        described = card["prior"]
        prior = None if described is None else named_prior(described["name"], int(described["dim"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{card_path} is not the card of a model that this version knows ({error!r})") from error
    if not weights_path.is_file():
        raise MissingDataError(f"{folder} is not complete: {weights_path.name}, which its card names, is not in it")
    content = weights_path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(
            f"{weights_path} is damaged or was changed: its SHA-256 is {found}, its card says {expected}. "
            "Install the package anew, or train and package the model again"
        )
    try:
        network = build(**config)
        tensors = load_tensors(content)
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    except (SafetensorError, RuntimeError, TypeError) as error:
        raise DataError(f"{weights_path} does not fit the architecture on its card: {error}") from error
    return Model(name, network.eval().requires_grad_(False), prior, card)


def as_stored(network: nn.Module, dtype: torch.dtype = torch.float16) -> dict[str, Tensor]:
    """The weights of ``network`` as `write_model` stores them: parameters in ``dtype``, statistics as they are."""
    parameters = dict(network.named_parameters())
    return {
        key: value.detach().to(dtype if key in parameters else value.dtype).contiguous()
        for key, value in network.state_dict().items()
    }


def write_model(
    folder: str | Path,
    network: nn.Module,
    card: Mapping[str, Any],
    samples: Image | None = None,
    *,
    dtype: torch.dtype = torch.float16,
    weights_file: str = "model.safetensors",
) -> None:
    """Write a model that `read_model` reads; the weights' SHA-256 is added to the card.

    Args:
        folder: made if it is not there; what it holds of another model is replaced.
        network: a `DCGANGenerator` or a `DigitClassifier`.
        card: at least ``name`` and ``prior`` (None or ``{"name", "dim"}``).
        samples: the picture for ``samples.png``.
        dtype: of the stored parameters.
        weights_file: how the file of the weights is called.

    Raises:
        InputError: a network of another kind, or a card that lacks these.
    """
    kind = type(network).__name__
    if kind not in _ARCHITECTURES or not {"name", "prior"} <= set(card):
        raise InputError(
            f"a model needs a network of {sorted(_ARCHITECTURES)} and a card with name and prior, "
            f"got {kind} and {sorted(card)}"
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    content = save_tensors(as_stored(network, dtype))
    architecture = {
        "class": kind,
        "config": network.config,
        "parameters": sum(p.numel() for p in network.parameters()),
        "stored_as": str(dtype).removeprefix("torch."),
    }
    full = {
        **card,
        "architecture": architecture,
        "weights_file": weights_file,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    # the card last: until it is there, the folder is not a model
    (folder / "card.json").unlink(missing_ok=True)
    (folder / weights_file).write_bytes(content)
    if samples is not None:
        samples.save(folder / "samples.png", optimize=True)
    partial = folder / "card.json.partial"
    partial.write_text(json.dumps(full, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(folder / "card.json")
