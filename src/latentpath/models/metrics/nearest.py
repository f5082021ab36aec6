"""Distances of images to their nearest neighbours in a data set."""

from __future__ import annotations

import torch
from torch import Tensor

from ..._batching import blocks
from ..._progress import Stage, each, silent
from ...data import to_unit_range
from .features import CHUNK


@torch.no_grad()
def nearest_distances(images: Tensor, reference: Tensor, stage: Stage = silent, what: str = "nearest images") -> Tensor:
    """Returns for each image ``(N, ...)`` the Euclidean distance ``(N,)`` to the nearest of ``reference`` ``(M, ...)``.

    Either may be ``uint8``: its pixels then become values in [-1, 1], a chunk at a time. ``stage`` receives the
    progress of ``what``.
    """
    mine = _values(images)
    best, which = torch.full((len(mine),), torch.inf), torch.zeros(len(mine), dtype=torch.long)
    for block in each([*blocks(len(reference), CHUNK)], what, stage):
        theirs = _values(reference[block])
        squares = theirs.square().sum(1) - 2 * mine @ theirs.mT  # less the squares of ``mine``, equal for all
        least, at = squares.min(1)
        which, best = torch.where(least < best, at + block.start, which), torch.minimum(best, least)
    chunks = zip(mine.split(CHUNK), which.split(CHUNK), strict=True)
    return torch.cat([(some - _values(reference[at])).norm(dim=1) for some, at in chunks])  # exact for copies


def _values(images: Tensor) -> Tensor:
    flat = images.flatten(1)
    return to_unit_range(flat) if flat.dtype == torch.uint8 else flat.float()
