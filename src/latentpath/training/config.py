"""Configurations of training runs: frozen, and saved in the folder of the run."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

from ..errors import InputError
from ..models.networks.convolutions import widths_from

__all__ = ["SEEDS", "ClassifierConfig", "DCGANConfig", "RunConfig", "WAEConfig"]

SEEDS = 2**28
"""The bound of seeds, which start at 0."""


@dataclass(frozen=True)
class RunConfig:
    """The common part of the configurations of a DCGAN and of a WAE; data and prior by name, for the record.

    Attributes:
        data: the name of the images.
        prior: the name of the distribution of the latents.
        latent_dim: D.
        width: channels next to the image.
        size: the side of the images.
        channels: 1 or 3.
        steps: of the whole run.
        batch: images in a step, of all processes together.
        learning_rate: constant over the first half, then down to 0 in a straight line.
        ema: the share of the averaged weights that each step keeps.
        flip: whether images are mirrored by chance.
        precision: of the convolutions ("bf16" runs them under autocast); the weights are kept in float32.
        seed: of all random numbers.
        init: the model whose weights the run begins with, by its name for `models.load`; None for random weights.
    """

    data: str = "mnist"
    prior: str = "normal"
    latent_dim: int = 20
    width: int = 48
    size: int = 28
    channels: int = 1
    steps: int = 34_000
    batch: int = 64
    learning_rate: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    ema: float = 0.999
    flip: bool = False
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0
    init: str | None = None

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class DCGANConfig(RunConfig):
    """The configuration of a DCGAN run.

    Attributes:
        discriminator_width: channels of its first layer.
        discriminator_gain: by which it multiplies the output of every layer; higher is stronger, but less stable.
        discriminator_rate: its learning rate, over the generator's.
        augment: whether images for the discriminator, real or not, are moved and recoloured a little
            (`training.randomness.augment`): for small data sets.
    """

    discriminator_width: int = 64
    discriminator_gain: float = 2.0
    discriminator_rate: float = 2.0
    augment: bool = False


@dataclass(frozen=True)
class WAEConfig(RunConfig):
    """The configuration of a WAE run.

    Attributes:
        divergence: of the codes from the prior: "mmd", or "gan" by a discriminator of latents.
        weight: of the divergence; the mean squared error of a pixel in [-1, 1] weighs 1.
        noise: on the codes in training, as a share of the prior's standard deviation.
    """

    latent_dim: int = 64
    width: int = 32
    size: int = 64
    channels: int = 3
    learning_rate: float = 1e-3
    divergence: Literal["mmd", "gan"] = "mmd"
    weight: float = 1.0
    noise: float = 0.3


@dataclass(frozen=True)
class ClassifierConfig:
    """The configuration of a classifier run; ``precision`` as for `RunConfig`."""

    data: str = "mnist"
    width: int = 24
    epochs: int = 12
    batch: int = 128
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0

    def __post_init__(self) -> None:
        check(self)


_CHOICES = {"precision": ("fp32", "bf16"), "divergence": ("mmd", "gan")}


def check(config: RunConfig | ClassifierConfig) -> None:
    """Refuses invalid values."""
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name == "seed":
            if type(value) is not int or not 0 <= value < SEEDS:
                raise InputError(f"seed must be an integer from 0 to {SEEDS - 1}; got {value!r}")
        elif field.name in _CHOICES:
            if value not in _CHOICES[field.name]:
                raise InputError(f"{field.name} must be one of {', '.join(_CHOICES[field.name])}; got {value!r}")
        elif isinstance(field.default, bool):
            if not isinstance(value, bool):
                raise InputError(f"{field.name} must be True or False; got {value!r}")
        elif isinstance(field.default, int) and (type(value) is not int or value < 1):
            raise InputError(f"{field.name} must be a positive integer; got {value!r}")
        elif isinstance(field.default, float) and not (isinstance(value, int | float) and 0 <= value < math.inf):
            raise InputError(f"{field.name} must be a number, not negative; got {value!r}")
        elif isinstance(field.default, str | None) and not isinstance(value, str) and value is not field.default:
            raise InputError(f"{field.name} must be a text; got {value!r}")
    if isinstance(config, RunConfig):
        widths_from(config.width, config.size)  # refuses a side that the networks cannot make
        if config.channels not in (1, 3):
            raise InputError(f"channels must be 1 (grey) or 3 (RGB); got {config.channels}")
    if config.batch < 2:
        raise InputError("batch must be at least 2: batch normalisation needs more than one image")
