"""Training of the classifier that judges digits."""

import math
import time

import torch
from torch import Tensor
from torch.nn import functional

from .._random import seeded
from ..data import to_unit_range
from ..errors import InputError, TrainingError
from ..models.networks.classifier import DigitClassifier
from .config import ClassifierConfig, Progress
from .randomness import AUGMENT, batches, generator_for
from .trainer import autocast


def train_classifier(
    config: ClassifierConfig,
    images: Tensor,
    labels: Tensor,
    *,
    progress: Progress | None = None,
) -> DigitClassifier:
    """Trains the digit classifier on ``images`` ``(N, 1, 28, 28)`` ``uint8`` and returns it in eval mode.

    The loss is the cross-entropy, the optimiser AdamW under a one-cycle learning rate; each batch is moved, turned and
    scaled a little. There is no label smoothing, which would bias the confidence.

    Raises:
        InputError: images or labels of another shape or type.
        TrainingError: the loss is not finite.
    """
    if images.ndim != 4 or tuple(images.shape[1:]) != (1, 28, 28) or images.dtype != torch.uint8:
        raise InputError(f"images must be uint8 (N, 1, 28, 28); got {images.dtype} {tuple(images.shape)}")
    if labels.shape != images.shape[:1]:
        raise InputError(f"labels must be ({len(images)},), one for each image; got {tuple(labels.shape)}")
    with seeded(config.seed):
        model = DigitClassifier(width=config.width)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster on CPU
        steps = config.epochs * (len(images) // config.batch)
        optimiser = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
        at = batches(torch.arange(len(images)), config.batch, config.seed)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=max(steps, 1))
        total, began = torch.zeros(()), time.monotonic()
        for step in range(1, steps + 1):
            chosen = at(step - 1)
            seen = _distorted(to_unit_range(images[chosen]), generator_for(config.seed, AUGMENT, step))
            with autocast(torch.device("cpu"), config.precision):
                logits = model(seen)
            loss = functional.cross_entropy(logits.float(), labels[chosen].long())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.detach()
            if step % 100 == 0:
                numbers = {"loss": float(total) / 100, "seconds_per_step": (time.monotonic() - began) / 100}
                total, began = torch.zeros(()), time.monotonic()
                if not math.isfinite(numbers["loss"]):
                    raise TrainingError(f"the loss before step {step} is not finite: try a smaller learning rate")
                if progress is not None:
                    progress(step, numbers)
    model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return model.eval()


def _distorted(images: Tensor, random: torch.Generator) -> Tensor:
    """Each image turned by up to 12 degrees, scaled and slanted by up to 10 %, moved by up to 2 pixels of 28."""
    angle, scale, slant, dx, dy = (2 * torch.rand(5, len(images), generator=random) - 1).unbind()
    angle, scale, slant, dx, dy = angle * math.radians(12), 1 + scale / 10, slant / 10, dx / 7, dy / 7
    cos, sin = scale * angle.cos(), scale * angle.sin()
    maps = torch.stack([torch.stack([cos, slant - sin, dx], -1), torch.stack([sin, cos, dy], -1)], -2)
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(images + 1, grid, align_corners=False) - 1
