"""Mirroring and augmentation of training images."""

from __future__ import annotations

import torch

from latentpath.training.randomness import augment, augmenting, flip, flipping


def test_mirroring_is_the_same_for_all_processes_and_augmenting_each_ones_own() -> None:
    images = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1
    whole = flip(images, flipping(3, 5))
    mirrored = [bool(torch.equal(a, b.flip(-1))) for a, b in zip(whole, images, strict=True)]
    kept = [bool(torch.equal(a, b)) for a, b in zip(whole, images, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 0 < sum(mirrored) < 8
    assert torch.equal(whole, flip(images, flipping(3, 5)))
    assert not torch.equal(augment(images, augmenting(3, 5, 0)), augment(images, augmenting(3, 5, 1)))


def test_augmentation_moves_and_recolours_and_hands_back_gradients() -> None:
    images = torch.full((64, 3, 16, 16), -1.0)
    images[:, :, 8, 8] = 1.0
    images.requires_grad_()
    seen = augment(images, torch.Generator().manual_seed(0))
    places = seen.detach().sum(1).flatten(1).argmax(1)
    down, right = places // 16 - 8, places % 16 - 8
    assert set(down.tolist()) == set(right.tolist()) == {-2, -1, 0, 1, 2}
    assert seen.shape == images.shape
    seen.sum().backward()
    assert images.grad is not None
    assert float(images.grad.abs().sum()) > 0
