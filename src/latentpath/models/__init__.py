"""Models: networks, adapters, metrics, and loading (shipped, folders, the Hub, your own code).

Each name is imported on first use, so that `latentpath.Model` costs no import of the Hub's client.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import adapters
    from .folders import read_model, write_model
    from .loading import load
    from .model import Card, Model
    from .networks.classifier import DigitClassifier, DigitPerceptron
    from .networks.dcgan import DCGAN, DCGANDiscriminator, DCGANGenerator
    from .networks.wae import WAE
    from .prior_names import named_prior
    from .registry import available, digit_classifier

__all__ = [
    "DCGAN",
    "WAE",
    "Card",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "DigitClassifier",
    "DigitPerceptron",
    "Model",
    "adapters",
    "available",
    "digit_classifier",
    "load",
    "named_prior",
    "read_model",
    "write_model",
]

_HOMES = {  # the module of each name
    "Card": "model", "DCGAN": "networks.dcgan", "DCGANDiscriminator": "networks.dcgan",
    "DCGANGenerator": "networks.dcgan", "DigitClassifier": "networks.classifier",
    "DigitPerceptron": "networks.classifier", "Model": "model",
    "WAE": "networks.wae", "available": "registry", "digit_classifier": "registry", "load": "loading",
    "named_prior": "prior_names", "read_model": "folders", "write_model": "folders",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "adapters":
        return importlib.import_module(".adapters", __name__)
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
