r"""Finds the way off a saddle: bends out of the subspace that a path never leaves.

Between a latent and its negative, and wherever generator and index are symmetric about the straight line, the gradient
of the energy has no part across the plane of symmetry. A descent then stays in that plane, and ends at its minimum,
though a path beside it costs less. Such a path is known by what it does not use: its points lie in a subspace. There

.. math:: x(t) + s\,|b - a| \sin(\pi t)\, v, \qquad s \in \{0.35, 0.1\},

with v a random direction of the orthogonal complement, is compared with the path on a few of its points.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .configuration import config
from .objective import Objective
from .protocol import with_interior

__all__ = ["bends_off_saddles"]


@torch.no_grad()
def bends_off_saddles(objective: Objective, latents: Tensor, tol: float) -> tuple[Tensor, Tensor, Tensor]:
    """The bends that lower the energy of paths within a subspace.

    Args:
        objective: the energy.
        latents: ``(B, K+1, D)``.
        tol: the relative gain in cost that is worth a solve.

    Returns:
        The rows of the paths that a bend lowers by more than ``tol``, ``(b,)``; the bent polylines ``(b, K+1, D)``; and
        the path evaluations that each of the ``B`` paths took, ``(B,)``.
    """
    work = latents.new_zeros(len(latents))
    across, exists = _across(latents)
    rows = exists.nonzero()[:, 0]
    if len(rows) == 0:
        return rows, latents[rows], work
    segments, amplitudes = latents.shape[1] - 1, (config().saddles.large_bend, config().saddles.small_bend)
    wave = torch.sin(math.pi * torch.linspace(0, 1, segments + 1, dtype=latents.dtype, device=latents.device))
    size = (latents[rows, -1] - latents[rows, 0]).norm(dim=-1)
    bend = wave[:, None] * (size[:, None] * across[rows])[:, None]
    few = [*range(0, segments, config().saddles.coarsening), segments]
    path = latents[rows]
    cost = (2 * objective.energy(path[:, few])).sqrt()
    bent = torch.stack([with_interior(path, (path + amplitude * bend)[:, 1:-1]) for amplitude in amplitudes], dim=1)
    costs = (2 * objective.energy(bent[:, :, few].flatten(0, 1))).sqrt().unflatten(0, (len(rows), -1))
    work[rows] = (1 + len(amplitudes)) * len(few) / (2 * (segments + 1))
    lowest, which = costs.min(-1)
    lower = lowest < (1 - tol) * cost
    return rows[lower], bent[lower, which[lower]], work


def _across(latents: Tensor) -> tuple[Tensor, Tensor]:
    """A unit vector ``(B, D)`` orthogonal to every step of each path, and whether there is one, ``(B,)``."""
    count, points, dim = latents.shape
    steps = latents.diff(dim=1).double()
    if points <= dim:
        pad = steps.new_zeros(count, dim - points + 1, dim)
        steps = torch.cat([steps, pad], dim=1)
    _, values, directions = torch.linalg.svd(steps, full_matrices=False)
    rounding = torch.finfo(latents.dtype).eps * latents.double().flatten(1).norm(dim=-1, keepdim=True)
    unused = values <= 1e3 * rounding  # rounding adds up over the points
    random = torch.Generator("cpu").manual_seed(0)
    weights = torch.randn(dim, generator=random, dtype=torch.float64, device="cpu").to(latents.device)
    found = ((weights * unused)[:, None] @ directions)[:, 0]
    length = found.norm(dim=-1, keepdim=True)
    moved = (latents[:, -1] != latents[:, 0]).any(-1)
    # a path of few points cannot use all of many dimensions; on coarse levels it has a half and a quarter of them
    within = (~unused).sum(-1) < min(dim, points // 3)
    return (found / length.clamp_min(torch.finfo(torch.float64).tiny)).to(latents), within & moved
