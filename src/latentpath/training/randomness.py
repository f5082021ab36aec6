"""Random numbers of a run, from generators seeded by ``(seed, purpose, step)``, without a state to keep.

A resumed run takes the same steps as an uninterrupted one, and every process of a run knows the draws of the others.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from ..errors import InputError

NOISE, _ORDER, CALIBRATION, AUGMENT = range(4)
_SHIFT, _BRIGHTER, _PROCESSES = 8, 0.25, 2**10


def generator_for(seed: int, purpose: int, step: int) -> torch.Generator:
    """Makes the generator of random numbers for one purpose in one step."""
    return torch.Generator().manual_seed((seed * 4 + purpose) * 2**32 + step)


def flipping(seed: int, step: int) -> torch.Generator:
    """Makes the generator for `flip` in a step, the same for all processes."""
    return generator_for(seed, AUGMENT, _PROCESSES * step)


def augmenting(seed: int, step: int, process: int) -> torch.Generator:
    """Makes the generator for `augment` in a step, for one process."""
    return generator_for(seed, AUGMENT, _PROCESSES * step + 1 + process)


def batches(items: Tensor, batch: int, seed: int) -> Callable[[int], Tensor]:
    """Returns a function from a step to its batch: every epoch in an order of its own, whole batches only."""
    per_epoch = len(items) // batch
    if per_epoch == 0:
        raise InputError(f"a batch of {batch} needs at least as many images; got {len(items)}")

    @lru_cache(maxsize=1)
    def order(epoch: int) -> Tensor:
        return torch.randperm(len(items), generator=generator_for(seed, _ORDER, epoch))

    def at(step: int) -> Tensor:
        epoch, i = divmod(step, per_epoch)
        return items[order(epoch)[i * batch : (i + 1) * batch]]

    return at


def flip(images: Tensor, random: torch.Generator) -> Tensor:
    """Mirrors each image ``(N, C, H, W)`` with probability one half."""
    chosen = torch.rand(len(images), generator=random) < 0.5
    return torch.where(chosen[:, None, None, None].to(images.device), images.flip(-1), images)


def augment(images: Tensor, random: torch.Generator) -> Tensor:
    """Moves images ``(N, C, H, W)`` in [-1, 1] and changes their brightness, saturation and contrast a little.

    "Differentiable augmentation" (Zhao et al. 2020): a discriminator that sees real and generated images only in this
    form memorises data sets of some thousand images less. Brightness moves
    by up to 0.25; saturation and contrast are multiplied by up to 2 and 1.5; the image is moved by up to an eighth of
    its side each way, over black.
    """
    count, _, height, width = images.shape
    bright, saturation, contrast, down, right = torch.rand(5, count, 1, 1, 1, generator=random).to(images.device)
    images = images + _BRIGHTER * (2 * bright - 1)
    grey = images.mean(1, keepdim=True)
    images = grey + 2 * saturation * (images - grey)
    mean = images.mean((1, 2, 3), keepdim=True)
    images = mean + (0.5 + contrast) * (images - mean)
    tall, wide = height // _SHIFT, width // _SHIFT
    rows = (down * (2 * tall + 1)).long() + torch.arange(height, device=images.device)[:, None]
    columns = (right * (2 * wide + 1)).long() + torch.arange(width, device=images.device)
    padded = functional.pad(images + 1, (wide, wide, tall, tall)) - 1
    moved = padded.gather(2, rows.expand(count, images.shape[1], height, padded.shape[3]))
    return moved.gather(3, columns.expand(count, images.shape[1], height, width))
