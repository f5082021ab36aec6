"""Generators, the classifier that judges digits, and the registry of shipped weights."""

from .classifier import DigitClassifier
from .dcgan import DCGANDiscriminator, DCGANGenerator
from .registry import Card, Model, available, digit_classifier, load, named_prior, read_model, write_model

__all__ = [
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
