"""Networks, where to get them (shipped, folders, the Hub, your own code), adapters, and the judge of digits."""

from . import adapters
from .classifier import DigitClassifier
from .dcgan import DCGAN, DCGANDiscriminator, DCGANGenerator
from .model import Card, Model
from .registry import available, digit_classifier, named_prior, read_model, write_model
from .sources import load
from .wae import WAE

__all__ = [
    "DCGAN",
    "WAE",
    "Card",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "DigitClassifier",
    "Model",
    "adapters",
    "available",
    "digit_classifier",
    "load",
    "named_prior",
    "read_model",
    "write_model",
]
