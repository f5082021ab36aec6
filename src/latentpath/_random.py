"""Seeded draws that neither change PyTorch's global random state nor depend on its default device.

`torch.distributions` draw from the global random state, and allocate on PyTorch's default device where none is given.
`seeded` sets both for a while and restores them; it is the only code of the package that touches the global state.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

_BORROWED, _CPU = threading.RLock(), torch.device("cpu")
_DEPTH = 4  # a transformed mixture of products of normals; deeper parts are not looked at


@contextmanager
def seeded(seed: int, device: torch.device = _CPU) -> Iterator[None]:
    """Seeds the random generators of the CPU and of ``device``, which is the default one meanwhile; restores all.

    All threads of a process share the global random state, so one thread at a time enters.
    """
    cuda = [device] * (device.type == "cuda")
    with _BORROWED, torch.random.fork_rng(devices=cuda), torch.device(device):
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
    """Returns the device of a prior's parameters, at any depth of its attributes; the CPU where it has none."""
    tensor = next(_tensors(prior, _DEPTH), None)
    return _CPU if tensor is None else tensor.device


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
