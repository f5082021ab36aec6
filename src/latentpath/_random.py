"""Seeded draws: random numbers that leave PyTorch's global random state, and its default device, out of the game.

`torch.distributions` draw from the global random state, and what they make without a device lands on PyTorch's default
device. Here a prior draws out of a seed, on the device of its own parameters; afterwards the state is as it was.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

__all__ = ["borrowed_randomness", "device_of", "seeded"]

_BORROWED = threading.RLock()
_DEPTH = 4  # a transformed mixture of products of normals; deeper parts are not looked at


@contextmanager
def borrowed_randomness(*devices: torch.device) -> Iterator[None]:
    """Torch's global random state (and that of CUDA ``devices``), to be seeded: afterwards it is as before.

    All threads of a process share it, so one borrows it at a time.
    """
    with _BORROWED, torch.random.fork_rng(devices=devices):
        yield


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seeds the random generators of the CPU and of ``device``, which is the default one meanwhile; restores all."""
    with borrowed_randomness(*[device] * (device.type == "cuda")), torch.device(device):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        state = torch.mps.get_rng_state() if device.type == "mps" else None
        if state is not None:
            torch.mps.manual_seed(seed)
        try:
            yield
        finally:
            if state is not None:
                torch.mps.set_rng_state(state)


def device_of(prior: Any) -> torch.device:
    """The device of a prior's parameters, wherever it keeps them; the CPU where it has none."""
    tensor = next(_tensors(prior, _DEPTH), None)
    return torch.device("cpu") if tensor is None else tensor.device


def _tensors(part: Any, depth: int) -> Iterator[Tensor]:
    if isinstance(part, Tensor):
        yield part
    elif isinstance(part, nn.Module):
        yield from part.parameters()
        yield from part.buffers()
    if depth == 0 or isinstance(part, Tensor):
        return
    inner: Iterable[Any] = part if isinstance(part, list | tuple) else getattr(part, "__dict__", {}).values()
    for value in list(inner):
        if depth == _DEPTH or isinstance(value, Tensor | nn.Module | Distribution | list | tuple):
            yield from _tensors(value, depth - 1)
