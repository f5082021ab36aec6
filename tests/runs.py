"""Material of training runs: images that anyone can tell apart, and stops in the middle of a step."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from latentpath.priors import semicircle
from latentpath.training import (
    DCGANConfig,
    WAEConfig,
    loop,
    train_dcgan,
    train_wae,
)


def strokes(count: int) -> tuple[Tensor, Tensor]:
    """Ten classes anyone can tell apart: a bright bar in one of ten places."""
    labels = torch.arange(count) % 10
    images = torch.randint(40, (count, 1, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for i, label in enumerate(labels.tolist()):
        top, left = 3 + 12 * (label // 5), 4 + 4 * (label % 5)
        images[i, 0, top : top + 9, left : left + 3] = 255
    return images, labels.to(torch.uint8)


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int, action: object) -> None:
    """Do ``action()`` in the middle of the step after ``step`` steps: when the real images are made."""
    taken, original = [0], loop.to_unit_range

    def counted(images: Tensor) -> Tensor:
        if taken[0] == step:
            action()  # type: ignore[operator]
        taken[0] += 1
        return original(images)

    monkeypatch.setattr(loop, "to_unit_range", counted)


TINY = DCGANConfig(latent_dim=4, width=2, discriminator_width=2, steps=6, batch=8)
PRIOR = semicircle(4)


def pictures(count: int = 30) -> Tensor:
    return torch.randint(256, (count, 1, 28, 28), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


AUTO = WAEConfig(latent_dim=4, width=2, size=28, channels=1, steps=6, batch=8, flip=True)
RUNS = [
    (train_dcgan, TINY),
    (train_dcgan, replace(TINY, precision="bf16")),
    (train_dcgan, replace(TINY, flip=True, augment=True)),
    (train_wae, AUTO),
    (train_wae, replace(AUTO, divergence="gan", precision="bf16")),
]
