"""Configurations of training runs: frozen, and saved in the folder of the run."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import Field, dataclass, fields
from typing import Any, Literal

from ..errors import InputError
from ..models.networks.convolutions import widths_from

Progress = Callable[[int, dict[str, float]], None]
"""Called as ``progress(step, numbers)`` every 100 steps, every 5 seconds, and after the last step.

It may raise `KeyboardInterrupt` to end the run.
"""

SEEDS = 2**28  # the bound of seeds, which start at 0


def _fixed(default: Any) -> Any:
    """A field that ``latentpath train`` has no option for."""
    return dataclasses.field(default=default, metadata={"fixed": True})


def chosen(config: type[RunConfig | ClassifierConfig]) -> list[Field[Any]]:
    """The fields that ``latentpath train`` has an option for; the docstrings of the classes describe these options."""
    return [each for each in fields(config) if not each.metadata.get("fixed")]


@dataclass(frozen=True)
class RunConfig:
    """The part of a configuration that DCGAN and WAE share; the data and the prior by name, for the record.

    Attributes:
        data: Name of the images.
        prior: Of the latents: normal, semicircle, or module:attr of your own.
        latent_dim: Length of a latent.
        width: Channels next to the image.
        size: Side of the images: 28 or 64.
        channels: 1 for grey, 3 for colour.
        steps: Steps of the whole run.
        batch: Images per step, of all processes together.
        learning_rate: Learning rate; it falls to 0 over the last half.
        ema: Memory of the averaged weights: the share that each step keeps.
        flip: Show every other image mirrored.
        precision: Of the convolutions; weights are kept in float32. bf16: faster where the CPU or GPU has it, much
            slower elsewhere.
        seed: Of everything that is random.
        init: A model to begin with, instead of random weights: its name, folder, or Hub id. It must be built alike.
    """

    data: str = _fixed("mnist")
    prior: str = "normal"
    latent_dim: int = 20
    width: int = 48
    size: int = 28
    channels: int = 1
    steps: int = 34_000
    batch: int = 64
    learning_rate: float = 2e-4
    beta1: float = _fixed(0.5)
    beta2: float = _fixed(0.999)
    ema: float = _fixed(0.999)
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
        width: Channels of the generator's last hidden layer.
        discriminator_width: Channels of the discriminator's first layer.
        discriminator_gain: Factor on the output of every layer of the discriminator: higher is stronger.
        discriminator_rate: Learning rate of the discriminator over the generator's.
        augment: Show the discriminator images moved and recoloured: for some thousand images.
    """

    discriminator_width: int = 64
    discriminator_gain: float = 2.0
    discriminator_rate: float = _fixed(2.0)
    augment: bool = False


@dataclass(frozen=True)
class WAEConfig(RunConfig):
    """The configuration of a WAE run.

    Attributes:
        width: Channels next to the image, in both networks.
        divergence: Of the codes from the prior; gan: by a discriminator of latents.
        weight: Of the divergence; the mean squared error of a pixel in [-1, 1] weighs 1.
        noise: On the codes in training, as a share of the prior's standard deviation.
    """

    latent_dim: int = 64
    width: int = 32
    size: int = 64
    channels: int = 3
    steps: int = 12_000
    learning_rate: float = 1e-3
    divergence: Literal["mmd", "gan"] = "mmd"
    weight: float = 1.0
    noise: float = 0.3


@dataclass(frozen=True)
class ClassifierConfig:
    """The configuration of a classifier run.

    Attributes:
        network: cnn, a convolutional network, or mlp, a multilayer perceptron, which sees other distortions.
        width: Channels of the first layer of a cnn, 24 by default; units of that of an mlp, 256 by default.
        epochs: Times that every image is seen.
        precision: Of the convolutions; weights are kept in float32. bf16: faster where the CPU or GPU has it, much
            slower elsewhere.
        seed: Of everything that is random.
    """

    data: str = _fixed("mnist")
    network: Literal["cnn", "mlp"] = "cnn"
    width: int | None = None
    epochs: int = 12
    batch: int = _fixed(128)
    learning_rate: float = _fixed(4e-3)
    weight_decay: float = _fixed(0.02)
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.width is None and self.network in _WIDTHS:
            object.__setattr__(self, "width", _WIDTHS[self.network])
        check(self)


_WIDTHS = {"cnn": 24, "mlp": 256}
_CHOICES = {"precision": ("fp32", "bf16"), "divergence": ("mmd", "gan"), "network": ("cnn", "mlp")}


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
        elif isinstance(field.default, int) or field.name == "width":
            if type(value) is not int or value < 1:
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
