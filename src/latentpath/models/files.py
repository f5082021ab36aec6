"""The files of a model, read and checked before any network is built: configuration, card and weights."""

import hashlib
import json
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import DataError, MissingDataError

CARD_FILE, CONFIG_FILE, WEIGHTS_FILE = "card.json", "config.json", "model.safetensors"

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
REFUSED = (  # follows the name of a pickle
    "is a pickle, which can run any code when it is read, and is not loaded. Where you trust it, convert it: "
    "safetensors.torch.save_file(torch.load(FILE, weights_only=True), 'model.safetensors')"
)


def read_json(path: Path) -> dict[str, Any]:
    """Returns the JSON object in a file of a model."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingDataError(f"{path.parent} is not a model: {path.name} is not in it") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} should hold a JSON object, it holds a {type(content).__name__}")
    return content


def read_files(folder: Path) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Returns the configuration, the card (empty where there is none) and the weights' bytes of a model's folder."""
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


def weights_in(folder: Path) -> Path:
    """Returns the file of the weights in ``folder``."""
    path = folder / WEIGHTS_FILE
    if path.is_file():
        return path
    raise without_weights(folder, [file.name for file in sorted(folder.iterdir())])


def without_weights(where: str | Path, names: Iterable[str]) -> MissingDataError:
    """Returns the error for a folder or repository without `WEIGHTS_FILE`, which names the pickles among its files."""
    pickles = pickles_of(names)
    instead = f"; {', '.join(pickles)} {REFUSED}" if pickles else ""
    return MissingDataError(f"{where} is not complete: {WEIGHTS_FILE} is not in it{instead}")


def pickles_of(names: Iterable[str]) -> list[str]:
    """Selects the names of files that are pickles."""
    return [name for name in names if any(fnmatch(name, pattern) for pattern in _PICKLES)]


def in_float32(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Converts stored floating-point tensors to float32, in which the networks compute."""
    return {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}


def as_stored(network: nn.Module, dtype: torch.dtype | None = torch.float16) -> dict[str, Tensor]:
    """Returns the weights of ``network`` for storage: parameters in ``dtype`` (None: their own), statistics exactly."""
    parameters = dict(network.named_parameters())
    return {
        key: value.detach().to(dtype if dtype is not None and key in parameters else value.dtype).contiguous()
        for key, value in network.state_dict().items()
    }
