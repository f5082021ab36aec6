r"""Initial polylines: bends of the straight line, and curves cut into segments of about equal cost."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..curves import arc_length, at_arc, subdivide
from ..decoding import chords
from .configuration import config
from .objective import Objective
from .protocol import with_interior

__all__ = ["bends", "resampled_by_cost", "resampling_points", "segment_costs"]


def resampling_points(legs: int) -> int:
    """Returns the number of points that `resampled_by_cost` decodes for a polyline of ``legs`` segments."""
    return legs * max(1, -(-config().search.resampling_parts // legs)) + 1


def bends(line: Float[Tensor, "B P D"], count: int, seed: int) -> Float[Tensor, "n B P D"]:
    r"""Draws smooth random bends of straight lines, in pairs of opposite sign.

    .. math:: x(t) \pm s\,|b - a| \sum_{m=1}^3 \frac{c_m}{m} \sin(m \pi t), \qquad c_m \sim \mathcal N(0, I / D)

    with a large and a small amplitude :math:`s` in turn, for two bends each.
    """
    points, dim = line.shape[-2:]
    waves, amplitudes = config().search.bend_waves, (config().search.large_bend, config().search.small_bend)
    random = torch.Generator("cpu").manual_seed(seed)
    options: dict[str, Any] = {"dtype": torch.float64, "device": "cpu"}  # the device of the random generator
    number = torch.arange(1, waves + 1, **options)
    shape = torch.sin(math.pi * number * torch.linspace(0, 1, points, **options)[:, None]) / number
    size = (line[:, -1] - line[:, 0]).norm(dim=-1)[:, None, None]
    found = []
    for i in range(count):
        if i % 2 == 0:
            coefficients = torch.randn(waves, dim, generator=random, **options) / math.sqrt(dim)
        bent = line + (-1) ** i * amplitudes[i // 2 % 2] * size * (shape @ coefficients).to(line)
        found.append(with_interior(line, bent[:, 1:-1]))
    return torch.stack(found) if found else line.new_zeros(0, *line.shape)


def segment_costs(
    objective: Objective, latents: Float[Tensor, "N P D"], parts: int, cells: int | None = None
) -> Float[Tensor, "N K"]:
    """Computes the costs of segments cut into ``parts``, each with its mean price on at most ``cells``."""
    wanted = config().search.cells if cells is None else cells
    fewer = max(1, 2 * objective.cells // parts)  # a limit for an index that runs the generator
    return objective.costs.integrated(latents, parts, min(wanted, fewer))


@torch.no_grad()
def resampled_by_cost(latents: Float[Tensor, "N P D"], objective: Objective, segments: int) -> Float[Tensor, "N Q D"]:
    """Returns polylines with ``segments`` segments of about equal cost; corners stay points if there are enough.

    Otherwise a path around the corner of a wall could cut the corner and cross the wall.
    """
    legs = latents.shape[1] - 1
    parts = max(1, -(-config().search.resampling_parts // legs))
    fine = subdivide(latents, parts)
    size = segment_costs(objective, fine, 1)
    usable = size.sum(-1, keepdim=True).isfinite() & (size.sum(-1, keepdim=True) > 0)
    arc = arc_length(torch.where(usable, size, chords(fine)))
    knots = arc[:, ::parts]
    if legs > segments:
        t = torch.linspace(0, 1, segments + 1, dtype=arc.dtype, device=arc.device)
        targets = arc[:, -1:] * t
    else:
        counts = _shares(knots.diff(dim=-1), segments)
        before = torch.nn.functional.pad(counts.cumsum(-1), (1, 0))
        i = torch.arange(segments + 1, device=arc.device).expand(len(latents), -1).contiguous()
        leg = (torch.searchsorted(before, i, right=True) - 1).clamp(0, legs - 1)
        share = (i - before.gather(-1, leg)) / counts.gather(-1, leg)
        low, high = knots.gather(-1, leg), knots.gather(-1, leg + 1)
        targets = torch.where(share == 1, high, torch.lerp(low, high, share.to(arc)))
    points = at_arc(fine, arc, targets)
    return torch.cat([latents[:, :1], points[:, 1:-1], latents[:, -1:]], dim=1)


def _shares(sizes: Tensor, total: int) -> Tensor:
    """Returns whole numbers ``(N, m)`` of at least 1 that add up to ``total``, otherwise in proportion to ``sizes``."""
    whole = sizes.sum(-1, keepdim=True)
    part = torch.where(whole > 0, sizes / torch.where(whole > 0, whole, 1), 1 / sizes.shape[-1])
    exact = (total - sizes.shape[-1]) * part
    counts = exact.floor().long()
    order = (counts - exact).argsort(dim=-1, stable=True).argsort(dim=-1)
    lacking = total - sizes.shape[-1] - counts.sum(-1, keepdim=True)
    shares: Tensor = 1 + counts + (order < lacking)
    return shares
