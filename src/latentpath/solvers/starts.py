r"""Polylines to start from: bends of the straight line, and curves cut into segments of about equal cost."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from .._batching import blocks
from ..curves import arc_length, at_arc, subdivide
from ..energy import chords, decode, mean_prices, times
from .problem import Problem
from .protocol import with_interior

__all__ = ["bends", "resampled", "resampling_points", "segment_costs"]

_CELLS, _FINE = 16, 16  # cells of a part, to rank by cost; parts of a polyline, to make it even
_WAVES, _AMPLITUDES = 3, (0.35, 0.1)
_VALUES = 2**24


def resampling_points(legs: int) -> int:
    """The points that `resampled` decodes for a polyline of ``legs`` segments."""
    return legs * max(1, -(-_FINE // legs)) + 1


def bends(line: Float[Tensor, "B P D"], count: int, seed: int) -> Float[Tensor, "n B P D"]:
    r"""Smooth random bends of straight lines, in pairs of opposite ones, of about the endpoints' distance in size.

    .. math:: x(t) \pm s\,|b - a| \sum_{m=1}^3 \frac{c_m}{m} \sin(m \pi t), \qquad c_m \sim \mathcal N(0, I / D)

    with :math:`s` in turn 0.35 and 0.1, for two bends each.
    """
    points, dim = line.shape[-2:]
    random = torch.Generator("cpu").manual_seed(seed)
    options: dict[str, Any] = {"dtype": torch.float64, "device": "cpu"}  # where the generator is
    waves = torch.arange(1, _WAVES + 1, **options)
    shape = torch.sin(math.pi * waves * torch.linspace(0, 1, points, **options)[:, None]) / waves
    size = (line[:, -1] - line[:, 0]).norm(dim=-1)[:, None, None]
    found = []
    for i in range(count):
        if i % 2 == 0:
            turn = torch.randn(_WAVES, dim, generator=random, **options) / math.sqrt(dim)
        bent = line + (-1) ** i * _AMPLITUDES[i // 2 % 2] * size * (shape @ turn).to(line)
        found.append(with_interior(line, bent[:, 1:-1]))
    return torch.stack(found) if found else line.new_zeros(0, *line.shape)


@torch.no_grad()
def segment_costs(
    problem: Problem, latents: Float[Tensor, "N P D"], parts: int, cells: int = _CELLS
) -> Float[Tensor, "N K"]:
    """What the segments of polylines cost, measured in ``parts``, each at its mean price on ``cells`` at most."""
    found, cells = [], min(cells, max(1, 2 * problem.cells // parts))  # fewer where the index runs the generator
    for block in blocks(len(latents), max(1, _VALUES // (latents[:1].numel() * parts * cells))):
        size = chords(decode(subdivide(latents[block], parts), problem.to_data, max_points=problem.max_points))
        price = mean_prices(problem.log_index(subdivide(latents[block], parts * cells)), cells)
        found.append(times(price, size).unflatten(-1, (-1, parts)).sum(-1))
    return torch.cat(found)


@torch.no_grad()
def resampled(latents: Float[Tensor, "N P D"], problem: Problem, segments: int) -> Float[Tensor, "N Q D"]:
    """Polylines of more segments, at about equal steps of cost; corners stay points as long as there are enough.

    So nothing is cut: a path around the corner of a wall stays on its side, and one through the mode goes through it.
    """
    legs = latents.shape[1] - 1
    parts = max(1, -(-_FINE // legs))
    fine = subdivide(latents, parts)
    size = segment_costs(problem, fine, 1)
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
    """Whole numbers ``(N, m)``, at least 1, that add up to ``total``: in proportion to ``sizes`` but for that."""
    whole = sizes.sum(-1, keepdim=True)
    part = torch.where(whole > 0, sizes / torch.where(whole > 0, whole, 1), 1 / sizes.shape[-1])
    wanted = (total - sizes.shape[-1]) * part
    counts = wanted.floor().long()
    order = (counts - wanted).argsort(dim=-1, stable=True).argsort(dim=-1)
    lacking = total - sizes.shape[-1] - counts.sum(-1, keepdim=True)
    shares: Tensor = 1 + counts + (order < lacking)
    return shares
