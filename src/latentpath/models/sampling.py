"""Drawing latents reproducibly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.distributions import Distribution

from .._random import device_of, seeded

if TYPE_CHECKING:
    from .model import Model

__all__ = ["as_taken", "draw"]


def draw(prior: Distribution, count: int, random: torch.Generator) -> Tensor:
    """``prior.sample((count,))`` out of a random generator of one's own, which torch.distributions do not take.

    The global random state is as before afterwards; threads may draw at the same time.
    """
    seed = int(torch.randint(2**62, (), generator=random, device=random.device))
    with seeded(seed, device_of(prior)):
        return prior.sample(torch.Size([count]))


def as_taken(model: Model, latents: Tensor, images: object = None) -> Tensor:
    """Latents in the dtype and on the device of the generator's weights, or else of the images, if any."""
    generator = model.generator
    weights = generator.parameters() if isinstance(generator, torch.nn.Module) else ()
    like = next((weight for weight in weights if weight.is_floating_point()), images)
    if not isinstance(like, Tensor):
        return latents
    return latents.to(like.device, like.dtype if like.dtype in (torch.float32, torch.float64) else latents.dtype)
