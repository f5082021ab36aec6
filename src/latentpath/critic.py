r"""A critic of in-betweens: a network that learns to tell a generator's samples from frames of its curves.

It needs no real data and no network that was trained elsewhere, so it judges curves of any generator. It is trained on
samples of the prior against frames of *baselines*, the straight line and the paper's path, so that it learns what is
unreal between samples. (Trained against candidates too, it learns what distinguishes a solver's frames from samples,
their being likelier than samples among other things, and not what is unreal.) It judges each pair by a network that saw
frames of other pairs only: the pairs are split in two halves, and each half is judged by the network of the other. Its
logit, higher for more sample-like frames, compares curves between the same endpoints, pair by pair.

It is the network of `latentpath.models.metrics.two_sample`, whose test compares a single kind of curve with samples.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from .models.metrics.two_sample import trained_network

__all__ = ["criticised"]


def criticised(
    frames: Mapping[str, Tensor], baselines: Collection[str], samples: Tensor, *, steps: int, seed: int
) -> dict[str, Tensor]:
    """Returns the mean logit of the frames of every pair, ``(B,)``, for each kind of curve.

    Args:
        frames: decoded interior points ``(B, n, ...)`` by kind of curve, of the same B pairs.
        baselines: the kinds of curve that the critic is trained against.
        samples: decoded samples of the prior ``(N, ...)``.
        steps: optimiser steps of each network.
        seed: of initial weights and batches.
    """
    pairs = len(next(iter(frames.values())))
    upper = torch.arange(pairs) % 2 == 1
    half = torch.arange(len(samples)) % 2 == 1
    found = {name: torch.zeros(pairs) for name in frames}
    for side in (False, True):
        seen = torch.cat([frames[name][upper == side].flatten(0, 1) for name in baselines])
        network = trained_network(samples[half == side].float(), seen.float(), steps=steps, seed=seed + int(side))
        for name, each in frames.items():
            asked = each[upper != side].float()  # as the network's weights
            found[name][upper != side] = network(asked.flatten(0, 1)).reshape(asked.shape[:2]).mean(1)
    return found
