"""Drawing latents reproducibly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.distributions import Distribution, MixtureSameFamily

from .._random import device_of, seeded

if TYPE_CHECKING:
    from .model import Model


def draw(prior: Distribution, count: int, random: torch.Generator) -> Tensor:
    """Draws ``prior.sample((count,))`` from a given random generator, which torch.distributions do not accept.

    The global random state is restored; threads may draw at the same time.
    """
    seed = int(torch.randint(2**62, (), generator=random, device=random.device))
    with seeded(seed, device_of(prior)):
        return prior.sample(torch.Size([count]))


def draw_pairs(prior: Distribution, pairs: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draws starts and ends of ``pairs`` paths, ``(pairs, D)`` each, from ``prior``.

    A mixture gives starts from its first component and ends from its last: of the semicircle its two ends, around
    (2, 6) and (2, -6). Any other prior gives two independent draws.
    """
    random = torch.Generator().manual_seed(seed)
    if isinstance(prior, MixtureSameFamily) and prior.component_distribution.batch_shape[-1] > 1:
        drawn = draw(prior.component_distribution, pairs, random)
        return drawn[:, 0].contiguous(), drawn[:, -1].contiguous()
    start, end = draw(prior, 2 * pairs, random).split(pairs)
    return start, end


def as_taken(model: Model, latents: Tensor, images: object = None) -> Tensor:
    """Moves latents to the dtype and device of the generator's weights, or else of the images, if any."""
    generator = model.generator
    weights = generator.parameters() if isinstance(generator, torch.nn.Module) else ()
    like = next((weight for weight in weights if weight.is_floating_point()), images)
    if not isinstance(like, Tensor):
        return latents
    return latents.to(like.device, like.dtype if like.dtype in (torch.float32, torch.float64) else latents.dtype)
