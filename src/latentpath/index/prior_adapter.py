"""Priors of other libraries: anything with ``log_prob`` and ``sample``, whatever its ``sample`` takes and gives.

=================== ============================ =====================================
library             ``sample`` takes             ``sample`` gives
=================== ============================ =====================================
torch.distributions a shape ``(N,)``             latents ``(N, D)``
nflows              a number ``N``               latents ``(N, D)``
normflows           a number ``N``               latents ``(N, D)`` and their log-density
=================== ============================ =====================================
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from latentpath._random import device_of, seeded
from latentpath.errors import InputError

__all__ = ["ForeignPrior", "adapted", "can_be_prior", "draw"]


class ForeignPrior:
    """A prior whose ``sample`` takes a number, or gives more than the latents, seen through one that does not.

    ``log_prob`` is given points ``(N, D)``, since some libraries take no other shape.
    """

    batch_shape = torch.Size()

    def __init__(self, prior: Any) -> None:
        self.prior = prior
        with seeded(0, device_of(prior)), torch.no_grad():
            self.by_number, found = _tried(prior)
        self.event_shape = found.shape[1:]

    def sample(self, shape: Any) -> Tensor:
        """Samples ``(*shape, D)``, without a gradient."""
        count = math.prod(shape)
        with torch.no_grad():
            found = _first(self.prior.sample(count if self.by_number else (count,)))
        return found.reshape(*shape, *found.shape[1:]) if isinstance(found, Tensor) else found

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density: ``(..., D) -> (...,)``."""
        points = value.reshape(-1, value.shape[-1])
        found = self.prior.log_prob(points)
        if not isinstance(found, Tensor) or found.shape != points.shape[:1]:
            got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise InputError(f"prior.log_prob must map (N, D) to (N,), got {got} for N = {len(points)}")
        return found.reshape(value.shape[:-1])


def can_be_prior(prior: Any) -> bool:
    """Whether ``prior`` has what a prior needs: ``log_prob`` and ``sample``."""
    return not isinstance(prior, type) and all(callable(getattr(prior, name, None)) for name in ("log_prob", "sample"))


def adapted(prior: Any) -> Any:
    """The prior itself, or a `ForeignPrior` of it where it is no `torch.distributions.Distribution`."""
    return prior if isinstance(prior, Distribution | ForeignPrior) else ForeignPrior(prior)


def draw(prior: Any, dim: int, samples: int, seed: int) -> Tensor:
    """Samples ``(samples, D)`` of a prior out of a seed; the global random state is as before afterwards."""
    with seeded(seed, device_of(prior)):
        points = adapted(prior).sample((samples,))
    if not isinstance(points, Tensor) or points.shape != (samples, dim) or not points.is_floating_point():
        shape = f"{points.dtype} {tuple(points.shape)}" if isinstance(points, Tensor) else type(points).__name__
        raise InputError(f"prior.sample(({samples},)) must be a floating-point tensor ({samples}, {dim}), got {shape}")
    return points


def _first(found: Any) -> Any:
    """The latents, of latents or of a pair of them and their log-density."""
    return found[0] if isinstance(found, tuple) and found else found


def _tried(prior: Any) -> tuple[bool, Tensor]:
    """Whether ``sample`` takes a number, and two samples."""
    reasons = []
    for by_number, argument in ((False, (2,)), (True, 2)):
        try:
            found = _first(prior.sample(argument))
        except TypeError as error:
            reasons.append(str(error).partition("\n")[0][:200])
            continue
        if isinstance(found, Tensor) and found.dim() >= 1 and len(found) == 2:
            return by_number, found
        got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        reasons.append(f"sample({argument}) gave {got}")
    raise InputError(
        f"prior.sample((N,)) or prior.sample(N) must give a tensor (N, D), got {'; '.join(reasons)}. Wrap "
        f"{type(prior).__name__} in an object with log_prob: (N, D) -> (N,) and sample: (N,) -> (N, D)"
    )
