r"""The verdict on polylines whose points changed after their solve: the gain still predicted, and the outcome.

A solve judges the points that it moved. `Path.resample`, joined legs and another generator put other points in their
place, so that gain and outcome must be found anew.

**The gain** is that of one more preconditioned step (see `latentpath.solvers.protocol`), of the *cost* and not of the
energy: points that are unevenly spaced on purpose, for a film, have a high energy, and moving them along their curve
gains nothing. With a share of time :math:`\tau_i` for every segment instead of :math:`1/K`,

.. math:: E_\tau = \tfrac12 \sum_i c_i^2 / \tau_i, \qquad \tau_i = c_i / \textstyle\sum_j c_j,

has :math:`\nabla E_\tau = L\,\nabla L` with the cost :math:`L = \sum_i c_i`: nothing of it points along the curve.

**The outcome** stays, but for a path that was called converged. It is unresolved where equation 3 at its new points
hides more than 2 % of its cost or tunnels, where it costs more than its solved points did (by more than the
tolerance), or where the predicted gain is above what a converged path may still promise (twenty times the tolerance).
No outcome improves: points that were not solved for are not called converged because they lie well.
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
"""The tolerance of a path whose solver has none of its own: that of `interpolate`."""

_LEAST_SHARE = 1e-3  # of the mean share of time: a segment that costs nothing would weigh infinitely much


def gain_of_curve(latents: Tensor, source: Source, keyframe_indices: Tensor | None = None) -> Tensor:
    """The relative gain in cost, ``(B,)``, that one more step is predicted to bring polylines ``(B, K+1, D)``.

    Args:
        latents: the polylines.
        source: generator, index and embedding.
        keyframe_indices: the points that must stay, ``(B, N)``, the ends among them; None for the ends alone.

    Returns:
        ``(B,)``: from all legs, weighted by their cost; NaN where the cost is not finite or the generator has no
        gradient; 0 where no point may move.
    """
    objective = Objective(source.generator, source.index, source.embed, source.max_points)
    if not _differentiable(objective, latents):
        return torch.full_like(latents[:, 0, 0], torch.nan)
    stays = [[0, latents.shape[1] - 1]] * len(latents) if keyframe_indices is None else keyframe_indices.tolist()
    legs: dict[int, list[tuple[int, int]]] = {}
    for row, places in enumerate(stays):
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
    """Whether the generator keeps a graph, which a decoder bound for its frames alone need not."""
    with torch.enable_grad():
        return objective.to_data(latents[:1, 0].detach().requires_grad_()).requires_grad


def _gain_of_legs(latents: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
    """The gain and the cost, ``(b,)`` each, of polylines ``(b, k+1, D)`` between fixed ends."""
    segments = latents.shape[1] - 1
    with torch.no_grad():
        cost = price_times_length(objective.mean_prices(latents), objective.costs.chords(latents))
        total = cost.sum(-1)
    if segments == 1:
        return torch.zeros_like(total), total
    share = (cost / total[:, None]).nan_to_num(1 / segments, 0, 0).clamp_min(_LEAST_SHARE / segments)
    quadrature = replace(Quadrature.plain(latents), weight=1 / (segments * share))
    return State.begin(objective, latents, quadrature=quadrature).gain, total


def outcome_of_points(
    before: Sequence[Outcome], was: Tensor, facts: Audit, seen: Tensor, gain: Tensor, tol: float, rise: float
) -> tuple[Outcome, ...]:
    """The outcomes of paths whose points changed.

    Args:
        before: the outcome of every solve.
        was: the audited cost of the solved points, ``(B,)``.
        facts: the audit of the new points.
        seen: the cost of their segments without what is between the points, ``(B, K)``.
        gain: the predicted relative gain in cost, ``(B,)``; NaN where it is not known.
        tol: the relative tolerance that the solve had.
        rise: the relative rise in cost that is let pass.
    """
    sound = (
        (facts.cost <= (1 + rise) * was)
        & (facts.cost <= (1 + config().refinement.gap) * seen.sum(-1))
        & ~(gain > config().convergence.creeping_gain * tol)
    )
    sound &= ~is_tunnelling(facts.segment_cost, seen).any(-1)
    return tuple(
        Outcome.UNRESOLVED if outcome is Outcome.CONVERGED and not good else outcome
        for outcome, good in zip(before, sound.tolist(), strict=True)
    )
