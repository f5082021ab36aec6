"""The base of trainers, and the operations on networks that training shares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from ..errors import DataError
from .config import RunConfig
from .folder import part_of, read_checkpoint, read_config

if TYPE_CHECKING:
    from accelerate import Accelerator
    from PIL.Image import Image

STATISTICS = "measuring batch statistics"  # the name of the stage after the steps
Config = TypeVar("Config", bound=RunConfig)


class Trainer(ABC):
    """Networks in training, with their optimisers."""

    draws = 1  # batches of latents from the prior that one step needs

    def __init__(self, config: RunConfig, accelerator: Accelerator) -> None:
        self.device, self.index = accelerator.device, accelerator.process_index
        self.backward: Callable[[Tensor], None] = accelerator.backward
        self._prepare: Callable[..., Any] = accelerator.prepare
        self._betas = (config.beta1, config.beta2)
        self.parts: dict[str, nn.Module] = {}  # that a checkpoint keeps, by name
        self.optimisers: dict[str, torch.optim.Optimizer] = {}  # of the parts; a checkpoint keeps their state
        self.rates: dict[str, float] = {}  # the initial learning rates, by the names of the optimisers
        self.begins: dict[str, list[nn.Module]] = {}  # that start from ``config.init``, by the attribute of its Model

    @abstractmethod
    def step(self, real: Tensor, latents: list[Tensor], step: int) -> dict[str, Tensor]:
        """Takes the step after ``step`` steps; returns the losses by name."""

    @abstractmethod
    def sheet(self) -> Image:
        """Draws images from the averaged weights."""

    def optimise(self, name: str, network: nn.Module, rate: float) -> Any:
        """Makes the optimiser ``name`` of ``network``; returns the network prepared for several processes."""
        self.rates[name] = rate
        prepared, self.optimisers[name] = self._prepare(
            network, torch.optim.Adam(network.parameters(), rate, self._betas)
        )
        return prepared

    def descend(self, name: str, loss: Tensor) -> None:
        """Takes a step of the optimiser ``name`` down the gradient of ``loss``."""
        self.optimisers[name].zero_grad()
        self.backward(loss)
        self.optimisers[name].step()


def shape_of(config: RunConfig) -> dict[str, Any]:
    """The arguments of a network that every configuration has."""
    return {name: getattr(config, name) for name in ("latent_dim", "width", "size", "channels")}


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Runs convolutions and products in ``precision``, the rest in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@torch.no_grad()
def average(averaged: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Moves ``averaged`` towards ``model``: closely at first, with its full memory after some thousand steps."""
    decay = min(decay, (1 + step) / (10 + step))
    for mine, theirs in zip(averaged.parameters(), model.parameters(), strict=True):
        mine.lerp_(theirs, 1 - decay)


@contextmanager
def measuring_statistics(network: nn.Module) -> Iterator[None]:
    """Measures the batch statistics of ``network`` anew, over all batches that it computes within the context.

    Averaged weights need statistics of their own: those gathered in training belong to other weights.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average
    network.train()
    yield
    for norm in norms:
        norm.momentum = 0.1


def config_of(run: str | Path, kind: type[Config]) -> Config:
    """Reads the configuration of a run, which must be of one kind."""
    config = read_config(run)
    if not isinstance(config, kind):
        raise DataError(f"{run} holds a {type(config).__name__} run, not a {kind.__name__} one")
    return config


def restore(run: str | Path, parts: Mapping[str, nn.Module]) -> tuple[int, float]:
    """Loads parts of the last checkpoint of ``run``, by name; returns its step, and the seconds spent."""
    tensors, step, seconds = read_checkpoint(run)
    try:
        for name, part in parts.items():
            part.load_state_dict(part_of(tensors, name))
    except RuntimeError as error:
        raise DataError(f"the checkpoint in {run} does not fit its configuration: {error}") from error
    return step, seconds
