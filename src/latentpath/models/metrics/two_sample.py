r"""The classifier two-sample test (Lopez-Paz and Oquab 2017): can a network learn to tell two sets of data apart?

A small network is trained on one part of two sets to tell from which set a datum came, and asked on the other part.
Where both sets have one distribution, no network does better than 50 %; an accuracy well above is a difference that it
found. The converse does not hold: a small network on few data misses differences, so accuracies compare only between
sets of the same size. The test needs no real data and no feature network.

**Groups.** Frames of one curve are alike. A network that saw some of them would recognise the rest, so all data of a
group stand on one side, and both errors are those of means over groups.

**Halves.** The groups are split in two halves; a network trained on each half is asked on the other, so that every
datum is judged once, by a network that did not see its group.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..._random import seeded
from ..._validate import describe, whole_number
from ...errors import InputError

_BATCH, _RATE, _DECAY = 64, 2e-3, 1e-2  # data of each set in a step, the largest learning rate, AdamW's weight decay
_WIDTH = 16  # channels of the first convolution; a perceptron has four times as many units
_SMALLEST = 8  # pixels: images with a smaller side are seen by a perceptron
_LARGE = 64  # pixels: larger images take four times as long without patches of 4 x 4
_FEWEST = 4  # groups of each set, two for each half
_STD = 1e-6  # the smallest standard deviation that data are divided by
_ASKED = 1_000  # data that are judged at once


@dataclass(frozen=True, eq=False)
class TwoSampleTest:
    """The result of `two_sample_test`; accuracies are shares from 0 to 1."""

    accuracy: float  # on held-out groups: the mean of the two sets' accuracies, each a mean over groups
    standard_error: float  # of the accuracy, over groups, the networks held fixed
    null: float  # the accuracy where both sets have one distribution
    null_error: float  # the standard deviation of the accuracy when the groups' sets are permuted
    first: Tensor  # the share of every group of the first set that was told rightly, ``(G,)``, in the order of labels
    second: Tensor  # the same of the second set


def two_sample_test(
    first: Tensor,
    second: Tensor,
    *,
    groups: tuple[Tensor, Tensor] | None = None,
    steps: int = 300,
    seed: int = 0,
) -> TwoSampleTest:
    r"""Trains a network to tell two sets apart and returns its accuracy on groups that it did not see.

    With the accuracy :math:`a_g` of the network on group ``g``, the accuracy is
    :math:`\tfrac12 (\bar a_\text{first} + \bar a_\text{second})`, so that sets of different sizes have 50 % too. The
    null's error is the exact standard deviation of that number over all permutations of the groups of a half.

    Images ``(N, C, H, W)`` with sides of at least 8 are seen by a convolutional network, other data ``(N, ...)`` by a
    perceptron. PyTorch's global random state stays as it is.

    Args:
        first: data ``(N, ...)``.
        second: data ``(M, ...)`` of the same shape.
        groups: labels ``(N,)`` and ``(M,)``, whole numbers: data of one label, of either set, stand on one side. None
            where every datum stands for itself.
        steps: optimiser steps of each of the two networks.
        seed: of halves, initial weights and batches.

    Raises:
        InputError: data of different shapes or not finite, other labels, or fewer than four groups of a set.

    Source: Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests", section 3.

    Example:
        >>> import torch
        >>> random = torch.Generator().manual_seed(0)
        >>> one, other = torch.randn(2, 200, 3, generator=random)
        >>> two_sample_test(one, other + 3, steps=60).accuracy > 0.95
        True
    """
    labels = _validate(first, second, groups)
    steps = whole_number("steps", steps, 1)
    random = torch.Generator().manual_seed(whole_number("seed", seed, 0))
    upper = _upper_half(labels[0], labels[1], random)
    data = [each.detach().cpu().float() for each in (first, second)]
    right = [torch.zeros(len(each), dtype=torch.float64) for each in data]
    for half in (False, True):
        seen = [each[side == half] for each, side in zip(data, upper, strict=True)]
        network = trained_network(seen[0], seen[1], steps, seed + int(half), random)
        for told, each, side, sign in zip(right, data, upper, (1, -1), strict=True):
            told[side != half] = (sign * network(each[side != half]) > 0).double()
    shares = [_by_group(told, label) for told, label in zip(right, labels, strict=True)]
    halves = [_by_group(side.double(), label) > 0.5 for side, label in zip(upper, labels, strict=True)]
    accuracy = float(shares[0].mean() + shares[1].mean()) / 2
    error = math.sqrt(sum(float(share.var()) / len(share) for share in shares)) / 2
    return TwoSampleTest(accuracy, error, 0.5, _null_error(shares, halves), shares[0], shares[1])


def _validate(first: Tensor, second: Tensor, groups: tuple[Tensor, Tensor] | None) -> list[Tensor]:
    """Checks the data; returns the labels of both sets as ``(N,)`` and ``(M,)``, consecutive numbers from 0 on."""
    if first.ndim < 2 or first.shape[1:] != second.shape[1:]:
        raise InputError(
            f"first and second must be data (N, ...) and (M, ...) of one shape; got {describe(first)} and "
            f"{describe(second)}."
        )
    if not bool(first.isfinite().all() and second.isfinite().all()):
        raise InputError("first and second must be finite; got NaN or infinity. Leave these data out.")
    given = (torch.arange(len(first)), len(first) + torch.arange(len(second))) if groups is None else groups
    for name, label, data in zip(("first", "second"), given, (first, second), strict=True):
        if label.shape != data.shape[:1] or label.is_floating_point():
            raise InputError(f"groups of {name} must be whole numbers ({len(data)},); got {describe(label)}.")
        if len(label.unique()) < _FEWEST:
            raise InputError(
                f"{name} must have at least {_FEWEST} groups; got {len(label.unique())}. Give more data or groups=None."
            )
    every = torch.cat([label.cpu() for label in given]).unique(return_inverse=True)[1]
    return [*every.split([len(first), len(second)])]


def _upper_half(first: Tensor, second: Tensor, random: torch.Generator) -> list[Tensor]:
    """Tells which rows of both sets stand in the upper half: ``(N,)`` and ``(M,)``, bool, alike within a label."""
    mine = first.unique()
    theirs = second.unique()
    order = [labels[torch.randperm(len(labels), generator=random)] for labels in (mine, theirs)]
    upper = torch.zeros(int(torch.cat([mine, theirs]).max()) + 1, dtype=torch.bool)
    upper[order[0][::2]] = True
    alone = order[1][~torch.isin(order[1], mine)]
    upper[alone[::2]] = True
    return [upper[first], upper[second]]


def trained_network(
    first: Tensor, second: Tensor, steps: int, seed: int, random: torch.Generator | None = None
) -> Callable[[Tensor], Tensor]:
    """Returns a function from data ``(N, ...)`` to logits ``(N,)``, positive where the first set is likelier.

    Batches are drawn from ``random``, or else from ``seed``.
    """
    random = torch.Generator().manual_seed(seed) if random is None else random
    shape = tuple(first.shape[1:])
    image = len(shape) == 3 and min(shape[1:]) >= _SMALLEST
    both, across = torch.cat([first, second]), (0, 2, 3) if image else 0
    mean, std = both.mean(across, keepdim=True), both.std(across, keepdim=True).clamp_min(_STD)
    sides = [(each - mean) / std for each in (first, second)]
    answers = torch.cat([torch.ones(_BATCH), torch.zeros(_BATCH)])
    with seeded(seed):
        network = _convolutional(shape) if image else _perceptron(math.prod(shape))
    with torch.enable_grad():
        optimiser = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps + 1)
        for _ in range(steps):
            batch = torch.cat([side[torch.randint(len(side), (_BATCH,), generator=random)] for side in sides])
            loss = functional.binary_cross_entropy_with_logits(network(batch)[:, 0], answers)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    network.eval()

    @torch.no_grad()
    def logits(data: Tensor) -> Tensor:
        return torch.cat([network((some - mean) / std)[:, 0] for some in data.split(_ASKED)])

    return logits


def _convolutional(shape: tuple[int, ...]) -> nn.Sequential:
    """Halves images ``(C, H, W)`` until a side has at most four pixels; large ones are cut into patches first."""
    channels, height, width = shape
    layers: list[nn.Module] = []
    wide = _WIDTH
    if min(height, width) >= _LARGE:
        layers += [nn.Conv2d(channels, wide, 4, 4, bias=False), nn.BatchNorm2d(wide), nn.ReLU()]
        channels, height, width, wide = wide, height // 4, width // 4, 2 * wide
    while min(height, width) > 4:
        layers += [nn.Conv2d(channels, wide, 3, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()]
        channels, height, width, wide = wide, (height + 1) // 2, (width + 1) // 2, min(2 * wide, 4 * _WIDTH)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * height * width, 1))


def _perceptron(inputs: int) -> nn.Sequential:
    hidden = 4 * _WIDTH
    first = nn.Sequential(nn.Flatten(), nn.Linear(inputs, hidden), nn.ReLU())
    return nn.Sequential(first, nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))


def _by_group(values: Tensor, labels: Tensor) -> Tensor:
    """Computes the means of values ``(N,)`` over each label, ``(G,)``, in the order of labels."""
    group = labels.unique(return_inverse=True)[1]
    return torch.bincount(group, values) / torch.bincount(group)


def _null_error(shares: list[Tensor], halves: list[Tensor]) -> float:
    """The standard deviation of the accuracy over permutations of the groups' sets within each half."""
    told_first = [shares[0], 1 - shares[1]]  # the share of every group that was taken for the first set
    total, variance = sum(map(len, shares)), 0.0
    for half in (False, True):
        one, other = (told[side == half] for told, side in zip(told_first, halves, strict=True))
        pooled, count = torch.cat([one, other]), len(one) + len(other)
        variance += (count / total) ** 2 * float(pooled.var()) * count / (len(one) * len(other)) / 4
    return math.sqrt(variance)
