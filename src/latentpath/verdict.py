r"""The verdict on polylines whose points changed after their solve: the gain still predicted, and the outcome.

A solve judges its own points. After `Path.resample`, joined legs or another generator, gain and outcome are determined
again.

**The gain** is predicted for one more preconditioned step (see `latentpath.solvers.protocol`), in the *cost* and not in
the energy: unevenly spaced points, as for a film, have a high energy, but moving them along their curve gains nothing.
With a time :math:`\tau_i` for every segment instead of :math:`1/K`,

.. math:: E_\tau = \tfrac12 \sum_i c_i^2 / \tau_i, \qquad \tau_i = c_i / \textstyle\sum_j c_j,

has :math:`\nabla E_\tau = L\,\nabla L` with the cost :math:`L = \sum_i c_i`, without a component along the curve.

**The outcome** stays, except for a converged path. It becomes unresolved where equation 3 at the new points hides more
than 2 % of the cost or tunnels, where they cost more than the solved points by more than the tolerance, or where the
predicted gain is above twenty times the tolerance. An outcome never improves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from .audit import Audit, is_tunnelling
from .segment_cost import price_times_length
from .solvers import Objective, Outcome, State
from .solvers.configuration import config
from .solvers.quadrature import Quadrature
from .source import Source

__all__ = ["TOL", "gain_of_curve", "outcome_of_points"]

TOL = 1e-3
"""The tolerance of a path whose solver has none of its own: the default of `interpolate`."""

_LEAST_SHARE = 1e-3  # of the mean time: a segment without cost would have infinite weight


def gain_of_curve(latents: Tensor, source: Source, keyframe_indices: Tensor | None = None) -> Tensor:
    """Predicts the relative gain in cost, ``(B,)``, of one more step of polylines ``(B, K+1, D)``.

    Args:
        latents: the polylines.
        source: generator, index and embedding.
        keyframe_indices: the fixed points, ``(B, N)``, the ends among them; None for the ends alone.

    Returns:
        The mean over all legs, weighted by their cost; NaN where the cost is not finite or the generator has no
        gradient; 0 where all points are fixed.
    """
    objective = Objective(source.generator, source.index, source.embed, source.max_points)
    if not _differentiable(objective, latents):
        return torch.full_like(latents[:, 0, 0], torch.nan)
    fixed = [[0, latents.shape[1] - 1]] * len(latents) if keyframe_indices is None else keyframe_indices.tolist()
    legs: dict[int, list[tuple[int, int]]] = {}
    for row, places in enumerate(fixed):
        for start, stop in pairwise(places):
            legs.setdefault(stop - start, []).append((row, start))
    saved, cost = torch.zeros_like(latents[:, 0, 0]), torch.zeros_like(latents[:, 0, 0])
    for segments, where in legs.items():
        rows = torch.tensor([row for row, _ in where], device=latents.device)
        polylines = torch.stack([latents[row, start : start + segments + 1] for row, start in where])
        gain, paid = _gain_of_legs(polylines, objective)
        saved.index_add_(0, rows, price_times_length(gain, paid))
        cost.index_add_(0, rows, paid)
    return torch.where(cost.isfinite(), torch.where(cost > 0, saved / cost, 0), torch.nan)


def _differentiable(objective: Objective, latents: Tensor) -> bool:
    """Returns True if the generator keeps a graph, which a decoder for frames alone need not."""
    with torch.enable_grad():
        return objective.to_data(latents[:1, 0].detach().requires_grad_()).requires_grad


def _gain_of_legs(latents: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
    """Computes the gain and the cost, ``(b,)`` each, of polylines ``(b, k+1, D)`` between fixed ends."""
    segments = latents.shape[1] - 1
    with torch.no_grad():
        cost = price_times_length(objective.mean_prices(latents), objective.chords(latents))
        total = cost.sum(-1)
    if segments == 1:
        return torch.zeros_like(total), total
    share = (cost / total[:, None]).nan_to_num(1 / segments, 0, 0).clamp_min(_LEAST_SHARE / segments)
    quadrature = replace(Quadrature.plain(latents), weight=1 / (segments * share))
    return State.begin(objective, latents, quadrature=quadrature).gain, total


def outcome_of_points(
    before: Sequence[Outcome],
    solved_cost: Tensor,
    facts: Audit,
    discrete: Tensor,
    gain: Tensor,
    tol: float,
    max_increase: float,
) -> tuple[Outcome, ...]:
    """Returns the outcomes of paths whose points changed.

    Args:
        before: the outcome of every solve.
        solved_cost: the audited cost of the solved points, ``(B,)``.
        facts: the audit of the new points.
        discrete: the discrete cost of the new segments, ``(B, K)``.
        gain: the predicted relative gain in cost, ``(B,)``; NaN where it is unknown.
        tol: the relative tolerance of the solve.
        max_increase: the accepted relative increase of the cost.
    """
    sound = (
        (facts.cost <= (1 + max_increase) * solved_cost)
        & (facts.cost <= (1 + config().refinement.gap) * discrete.sum(-1))
        & ~(gain > config().convergence.creeping_gain * tol)
    )
    sound &= ~is_tunnelling(facts.segment_cost, discrete).any(-1)
    return tuple(
        Outcome.UNRESOLVED if outcome is Outcome.CONVERGED and not good else outcome
        for outcome, good in zip(before, sound.tolist(), strict=True)
    )
