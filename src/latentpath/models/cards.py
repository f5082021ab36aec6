"""Cards: what is known about a trained model, as plain data that goes into ``card.json``."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping
from typing import Any

import torch

from ..errors import InputError

__all__ = ["DATA_SETS", "make_card"]

DATA_SETS: dict[str, dict[str, Any]] = {
    "mnist": {
        "name": "MNIST",
        "split": "train",
        "images": 60_000,
        "source": "http://yann.lecun.com/exdb/mnist/",
        "reference": "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document "
        "recognition. Proceedings of the IEEE 86(11), 1998",
        "licence": "Copyright Yann LeCun and Corinna Cortes; distributors state CC BY-SA 3.0. "
        "The images are not part of this package",
    },
}
"""What a card says about the data a model was trained on, by the name used in a run's configuration."""


def make_card(
    name: str,
    description: str,
    training: Mapping[str, Any],
    *,
    command: str,
    version: str,
    steps: int,
    seconds: float,
    images: int,
    value_range: tuple[float, float] | None,
    prior: Mapping[str, Any] | None = None,
    quality: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The card of a model, but for what `write_model` adds: its architecture and the hash of its weights.

    Args:
        name: what `load` calls it.
        description: one sentence for people.
        training: the configuration of the run, with ``data`` (the name of the data set) and ``seed``.
        command: the command that makes the same model again.
        version: of latentpath.
        steps: how many were taken.
        seconds: how long the training took.
        images: how many images it was trained on.
        value_range: the range of the network's output; None where it has none.
        prior: ``{"name", "dim"}``, or None for a classifier.
        quality: what was measured; None if nothing was.

    Raises:
        InputError: a data set that no card can describe.
    """
    if training["data"] not in DATA_SETS:
        raise InputError(f"no card can describe the data {training['data']!r}; known are: {', '.join(DATA_SETS)}")
    versions = {"latentpath": version, "python": platform.python_version(), "torch": torch.__version__}
    return {
        "name": name,
        "description": description,
        "licence": "MIT",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "prior": None if prior is None else dict(prior),
        "value_range": None if value_range is None else list(value_range),
        "data": {**DATA_SETS[training["data"]], "images": images},
        "training": dict(training),
        "seed": training["seed"],
        "steps": steps,
        "minutes": round(seconds / 60, 1),
        "command": command,
        "software": versions,
        "hardware": f"CPU, {platform.machine()}, {torch.get_num_threads()} thread(s)",
        "quality": None if quality is None else dict(quality),
    }
