"""Cards: what is known about a trained model, as plain data that goes into ``card.json``."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping
from typing import Any

import torch

__all__ = ["DATA_SETS", "make_card"]

DATA_SETS: dict[str, dict[str, Any]] = {
    "mnist": {
        "name": "MNIST",
        "split": "train",
        "source": "http://yann.lecun.com/exdb/mnist/",
        "reference": "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document "
        "recognition. Proceedings of the IEEE 86(11), 1998",
        "licence": "Copyright Yann LeCun and Corinna Cortes; distributors state CC BY-SA 3.0. "
        "The images are not part of this package",
    },
    "celeba": {
        "name": "CelebA, aligned and cropped",
        "split": "by number",
        "source": "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        "reference": "Z. Liu, P. Luo, X. Wang, X. Tang: Deep Learning Face Attributes in the Wild. ICCV 2015",
        "licence": "For non-commercial research only, by agreement with the Multimedia Laboratory, The Chinese "
        "University of Hong Kong. The images are not part of this package",
    },
}
"""What a card says about the data a model was trained on, by the name used in a run's configuration."""

_LICENCES = {"celeba": "For non-commercial research only, as the images it was trained on"}


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
    """
    data = str(training["data"])
    known = DATA_SETS.get(data, {"name": data, "source": "not stated", "licence": "not stated"})
    versions = {"latentpath": version, "python": platform.python_version(), "torch": torch.__version__}
    return {
        "name": name,
        "description": description,
        "licence": _LICENCES.get(data, "MIT" if data in DATA_SETS else "not stated"),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "prior": None if prior is None else dict(prior),
        "value_range": None if value_range is None else list(value_range),
        "data": {**known, "images": images},
        "training": dict(training),
        "seed": training["seed"],
        "steps": steps,
        "minutes": round(seconds / 60, 1),
        "command": command,
        "software": versions,
        "hardware": f"CPU, {platform.machine()}, {torch.get_num_threads()} thread(s)",
        "quality": None if quality is None else dict(quality),
    }
