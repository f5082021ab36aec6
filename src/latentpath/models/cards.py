"""Cards of trained models: plain data for ``card.json``."""

import datetime
import platform
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from .._tables import markdown
from .._words import counted

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
        "aspect": 0.8165,
        "crop": 0.6067,
    },
}
"""Entries of cards about training data, by the name in a run's configuration.

From pictures of that ``aspect`` (width over height), training took the centred square of ``crop`` of their width.
"""

_LICENCES = {"celeba": "For non-commercial research only, as the images it was trained on"}


def make_card(
    name: str,  # for `load`
    description: str,  # one sentence for people
    training: Mapping[str, Any],  # the configuration of the run, with ``data`` (the name of the data set) and ``seed``
    *,
    command: str,  # the command that makes the same model again
    version: str,  # of latentpath
    steps: int,  # of the training
    seconds: float,  # of the training
    images: int,  # the number of training images
    value_range: tuple[float, float] | None,  # the range of the network's output; None where it has none
    prior: Mapping[str, Any] | None = None,  # ``{"name", "dim"}``, or None for a classifier
    quality: Mapping[str, Any] | None = None,  # the measured quality; None without a measurement
) -> dict[str, Any]:
    """Makes the card of a model, to which `write_model` adds the architecture and the hash of the weights."""
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
        "hardware": f"CPU, {platform.machine()}, {counted(torch.get_num_threads(), 'thread')}",
        "quality": None if quality is None else dict(quality),
    }


def table_of(cards: Iterable[Mapping[str, Any]]) -> str:
    """Makes a Markdown table of cards, a row each."""
    heads = (
        "model", "D", "parameters", "steps", "minutes", "on", "Fréchet (real)", "precision, recall",
        "nearest training image (real)", "classifier, rarest class", "reconstruction",
    )  # fmt: skip
    return "\n".join(markdown(heads, [_row(card) for card in cards]))


def _row(card: Mapping[str, Any]) -> tuple[str, ...]:
    quality = card.get("quality") or {}

    def shown(pattern: str, *names: str) -> str:
        return pattern.format(*(quality[name] for name in names)) if set(names) <= set(quality) else "–"

    judged = shown("{:.1%} sure, {:.1%}", "mean_confidence", "least_class_share")
    return (
        f"`{card['name']}`",
        "–" if card["prior"] is None else str(card["prior"]["dim"]),
        f"{card['architecture']['parameters']:,}",
        f"{card['steps']:,}" + (f", from `{card['training']['init']}`" if card["training"].get("init") else ""),
        f"{card['minutes']:.0f}",
        card["hardware"].split(",")[0],
        shown("{:.3g} ({:.3g})", "frechet", "frechet_floor"),
        shown("{:.2f}, {:.2f}", "precision", "recall"),
        shown("{:.2f} ({:.2f})", "nearest_train", "nearest_train_of_test"),
        shown("{:.2%} right", "accuracy") if "accuracy" in quality else judged,
        shown("{:.3f}", "reconstruction_error"),
    )
