"""Material of training runs: images that anyone can tell apart, and stops in the middle of a step."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from latentpath.training import loop


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
