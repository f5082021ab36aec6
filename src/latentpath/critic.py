r"""A critic of in-betweens: a network that learns to tell a generator's samples from frames of its curves.

It needs no real data and no network that was trained elsewhere, so it judges curves of any generator. It is trained on
samples of the prior against frames of *all* curves that are compared, and judges each pair by a network that saw only
frames of other pairs: the pairs are split in two halves, and each half is judged by the network of the other. Its
logit, higher for more sample-like frames, compares curves between the same endpoints, pair by pair.

It is the network of `latentpath.models.metrics.two_sample`, whose test compares a single kind of curve with samples.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from .models.metrics.two_sample import trained_network

__all__ = ["criticised"]


def criticised(frames: Mapping[str, Tensor], samples: Tensor, *, steps: int, seed: int) -> dict[str, Tensor]:
    """Returns the mean logit of the frames of every pair, ``(B,)``, for each kind of curve.

    Args:
        frames: decoded interior points ``(B, n, ...)`` by kind of curve, of the same B pairs.
        samples: decoded samples of the prior ``(N, ...)``.
        steps: optimiser steps of each network.
        seed: of initial weights and batches.
    """
    pairs = len(next(iter(frames.values())))
    upper = torch.arange(pairs) % 2 == 1
    half = torch.arange(len(samples)) % 2 == 1
    found = {name: torch.zeros(pairs) for name in frames}
    for side in (False, True):
        seen = torch.cat([each[upper == side].flatten(0, 1) for each in frames.values()])
        network = trained_network(samples[half == side], seen, steps=steps, seed=seed + int(side))
        for name, each in frames.items():
            asked = each[upper != side]
            found[name][upper != side] = network(asked.flatten(0, 1)).reshape(asked.shape[:2]).mean(1)
    return found
