"""Networks, the classifier that judges digits, and the registry of shipped weights."""

from .classifier import DigitClassifier
from .dcgan import DCGAN, DCGANDiscriminator, DCGANGenerator
from .model import Card, Model
from .registry import available, digit_classifier, load, named_prior, read_model, write_model
from .wae import WAE

__all__ = [
    "DCGAN",
    "WAE",
    "Card",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "DigitClassifier",
    "Model",
    "available",
    "digit_classifier",
    "load",
    "named_prior",
    "read_model",
    "write_model",
]
