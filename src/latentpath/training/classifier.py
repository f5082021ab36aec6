"""Training of the classifiers that judge digits."""

import math
import time

import torch
from torch import Tensor
from torch.nn import functional

from .._random import seeded
from ..data import to_unit_range
from ..errors import InputError, TrainingError
from ..models.networks.classifier import Classifier, DigitClassifier, DigitPerceptron
from .config import ClassifierConfig, Progress
from .randomness import AUGMENT, batches, generator_for
from .trainer import autocast


def train_classifier(
    config: ClassifierConfig,
    images: Tensor,
    labels: Tensor,
    *,
    progress: Progress | None = None,
) -> Classifier:
    """Trains a digit classifier on ``images`` ``(N, 1, 28, 28)`` ``uint8`` and returns it in eval mode.

    The loss is the cross-entropy, the optimiser AdamW under a one-cycle learning rate. Each batch is distorted a
    little: for the convolutional network moved, turned, scaled and slanted; for the perceptron moved, stretched along
    each axis, and a square of it erased. There is no label smoothing, which would bias the confidence.

    Raises:
        InputError: images or labels of another shape or type.
        TrainingError: the loss is not finite.
    """
    if images.ndim != 4 or tuple(images.shape[1:]) != (1, 28, 28) or images.dtype != torch.uint8:
        raise InputError(f"images must be uint8 (N, 1, 28, 28); got {images.dtype} {tuple(images.shape)}")
    if labels.shape != images.shape[:1]:
        raise InputError(f"labels must be ({len(images)},), one for each image; got {tuple(labels.shape)}")
    with seeded(config.seed):
        assert config.width is not None
        networks: dict[str, type[Classifier]] = {"cnn": DigitClassifier, "mlp": DigitPerceptron}
        model, distorted = networks[config.network](width=config.width), _DISTORTIONS[config.network]
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster on CPU
        steps = config.epochs * (len(images) // config.batch)
        optimiser = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
        at = batches(torch.arange(len(images)), config.batch, config.seed)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=max(steps, 1))
        total, began = torch.zeros(()), time.monotonic()
        for step in range(1, steps + 1):
            chosen = at(step - 1)
            seen = distorted(to_unit_range(images[chosen]), generator_for(config.seed, AUGMENT, step))
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


def _turned(images: Tensor, random: torch.Generator) -> Tensor:
    """Each image turned by up to 12 degrees, scaled and slanted by up to 10 %, moved by up to 2 pixels of 28."""
    angle, scale, slant, dx, dy = (2 * torch.rand(5, len(images), generator=random) - 1).unbind()
    angle, scale, slant, dx, dy = angle * math.radians(12), 1 + scale / 10, slant / 10, dx / 7, dy / 7
    cos, sin = scale * angle.cos(), scale * angle.sin()
    return _mapped(images, torch.stack([torch.stack([cos, slant - sin, dx], -1), torch.stack([sin, cos, dy], -1)], -2))


def _stretched(images: Tensor, random: torch.Generator) -> Tensor:
    """Each image stretched by up to 15 % along each axis, moved by up to 1.4 pixels of 28, a square of it erased."""
    wide, high, dx, dy = (2 * torch.rand(4, len(images), generator=random) - 1).unbind()
    none = torch.zeros(len(images))
    rows = torch.stack([1 + 0.15 * wide, none, dx / 10], -1), torch.stack([none, 1 + 0.15 * high, dy / 10], -1)
    size, side = images.shape[-1], _ERASED
    column, row = torch.randint(1 - side, size, (2, len(images), 1), generator=random).unbind()
    x = y = torch.arange(size)
    erased = ((y >= row) & (y < row + side))[:, None, :, None] & ((x >= column) & (x < column + side))[:, None, None]
    return _mapped(images, torch.stack(rows, -2)).masked_fill(erased, -1)


def _mapped(images: Tensor, maps: Tensor) -> Tensor:
    """Images ``(N, C, H, W)``, black outside, under affine maps ``(N, 2, 3)``."""
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(images + 1, grid, align_corners=False) - 1


_ERASED = 6  # pixels: the side of the erased square
_DISTORTIONS = {"cnn": _turned, "mlp": _stretched}
