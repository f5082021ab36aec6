"""The work of a generator: FLOPs, and *evaluations* made of them.

One evaluation is one forward and one backward pass of the generator over all K+1 points of one path. PyTorch's
`FlopCounterMode` counts a pass, around the generator alone, so that the solver's own products do not count; once for
every number of points, since the counter is slow and its answer always the same. A backward pass
counts when a gradient arrives at the generator's input. Forward-mode products are rare and come in many guises
(``torch.func.jvp``, under ``vmap`` or not): each is counted as it is computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.utils.flop_counter import FlopCounterMode

FORWARD, GRADIENT, TANGENT = "forward", "gradient", "tangent"

Generator = Callable[[Tensor], Tensor]


@dataclass
class Call:
    """A forward pass of a generator, and the number of backward passes through it.

    Attributes:
        points: N.
        kind: the derivative that the caller wanted, as far as the call shows.
        flops: of the forward pass.
        backward: the number of backward passes through it.
    """

    points: int
    kind: str
    flops: int
    backward: int = 0


def kind_of(latents: Tensor) -> str:
    """Returns the derivative that the caller of a generator wants from this call."""
    try:
        if forward_ad.unpack_dual(latents).tangent is not None:
            return TANGENT
    except RuntimeError:  # there is no forward mode at work
        pass
    return GRADIENT if torch.is_grad_enabled() and latents.requires_grad else FORWARD


class Meter:
    """Counts the work of a generator that is called through ``meter.generator``.

    Args:
        generator: latents ``(N, D)`` to data ``(N, ...)``.

    Attributes:
        flops: the work so far.
        calls: all calls, in order.
    """

    def __init__(self, generator: Generator) -> None:
        self._generator, self._counting = generator, True
        self._known: dict[int, tuple[int, int]] = {}
        self.flops, self.calls = 0, list[Call]()

    @contextmanager
    def counting(self, wanted: bool) -> Iterator[None]:
        """Switches counting on or off: measuring a path is not part of the work of the method that found it."""
        before, self._counting = self._counting, wanted
        try:
            yield
        finally:
            self._counting = before

    def generator(self, latents: Tensor) -> Tensor:
        """Calls the generator and counts its work."""
        if not self._counting:
            return self._generator(latents)
        kind = kind_of(latents)
        if kind == TANGENT:
            with FlopCounterMode(display=False) as counter:
                data = self._generator(latents)
            self._count(Call(len(latents), kind, counter.get_total_flops()))
            return data
        forward, backward = self._passes(latents)
        call = Call(len(latents), kind, forward)
        self._count(call)
        if kind == GRADIENT:  # a new tensor: the gradient that arrives there has been through this call only
            latents = latents.view_as(latents)
            latents.register_hook(lambda _: self._count_back(call, backward))
        return self._generator(latents)

    def _count(self, call: Call) -> None:
        self.calls.append(call)
        self.flops += call.flops

    def _count_back(self, call: Call, flops: int) -> None:
        call.backward += 1
        self.flops += flops

    def _passes(self, latents: Tensor) -> tuple[int, int]:
        """The FLOPs of a forward and a backward pass over as many points."""
        if len(latents) not in self._known:
            self._known[len(latents)] = passes_flops(self._generator, latents)
        return self._known[len(latents)]


def passes_flops(generator: Generator, latents: Tensor) -> tuple[int, int]:
    """The FLOPs of a forward and of a backward pass over the points ``(N, D)``."""
    with FlopCounterMode(display=False) as counter, torch.enable_grad():
        # not a leaf: the counter's hooks would not have one in torch.autograd.grad
        z = latents.detach().requires_grad_().view_as(latents)
        data = generator(z)
        forward = counter.get_total_flops()
        torch.autograd.grad(data, z, torch.ones_like(data))
        return forward, counter.get_total_flops() - forward


def evaluation_flops(generator: Generator, latents: Tensor) -> int:
    """The FLOPs of one forward and one backward pass over the points ``(N, D)`` of a path.

    Raises:
        ValueError: there are none to count.
    """
    flops = sum(passes_flops(generator, latents))
    if flops == 0:
        raise ValueError("this generator has no matrix product and no convolution: wrap it in `Countable`")
    return flops


class Countable(nn.Module):
    """A function without matrix products, made countable: its latents are multiplied by the identity matrix first."""

    eye: Tensor

    def __init__(self, function: Generator, dim: int, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.function = function
        self.register_buffer("eye", torch.eye(dim, dtype=dtype))
        self.eval()

    def forward(self, latents: Tensor) -> Tensor:
        """The function of the latents ``(N, D)``."""
        return self.function(latents @ self.eye)


def shown(flops: float) -> str:
    """Formats FLOPs for a reader: 3.2 GFLOP."""
    step = min(int(math.log10(flops) // 3), 5) if flops >= 1 else 0
    return f"{flops / 1000**step:.3g} {('', 'k', 'M', 'G', 'T', 'P')[step]}FLOP"
