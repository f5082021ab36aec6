"""The models that ship with the package, by name, each with a card.

A model is a folder: ``model.safetensors`` (weights, in half precision where that loses nothing measurable),
``config.json`` (the arguments of the network), ``card.json`` and, for a generator, ``samples.png``. The card has the
training data with source and terms, prior, training configuration, seed, steps, software, licence, measured quality,
range of the output, and the SHA-256 of the weights, which is checked on every load. Nothing is pickled or fetched.

Example:
    >>> from latentpath.models import load
    >>> model = load("mnist-dcgan-semicircle")
    >>> model.generator(model.prior.sample((2,))).shape
    torch.Size([2, 1, 28, 28])
"""

from pathlib import Path

from .files import CARD_FILE
from .folders import read_model
from .networks.classifier import DigitClassifier

WEIGHTS = Path(__file__).parent / "weights"  # the folder of the shipped models


def available() -> list[str]:
    """Lists the names of the shipped models, sorted.

    Example:
        >>> from latentpath.models import available
        >>> [name for name in available() if "celeba" in name]
        ['celeba-dcgan-normal', 'celeba-dcgan-semicircle', 'celeba-wae']
    """
    return sorted(folder.name for folder in WEIGHTS.glob("*") if (folder / CARD_FILE).is_file())


def digit_classifier() -> DigitClassifier:
    """Loads the shipped classifier of digits."""
    network = read_model(WEIGHTS / "mnist-classifier").generator
    assert isinstance(network, DigitClassifier)
    return network
