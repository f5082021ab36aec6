r"""Smooths paths whose energy is the generator's rounding.

Where chords are shorter than the resolution of the generator (`Audit.limited`), the energies of neighbouring polylines
differ by rounding alone, and a minimiser zigzags. The audit measures such a path by the Jacobian, without cancellation,
and ranks smoother candidates:

1. solves on fewer segments, whose chords are longer than the rounding;
2. the same path with fewer corners, resampled;
3. the path's deviation from the straight line, projected on its first sine waves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ..audit import Audit
from ..curves import lerp, resampled
from .configuration import config
from .lbfgs import LBFGS
from .objective import Objective
from .protocol import run
from .refinement_state import Refinement

__all__ = ["without_jitter"]

_COARSENINGS = (2, 4, 8)  # segments of the path to one of a candidate with fewer corners; test_resolution.py


def without_jitter(refinement: Refinement, objective: Objective) -> Audit:
    """Adopts smoother candidates for the best paths of limited resolution, where the audit finds them cheaper.

    Returns:
        The audit of the best paths.
    """
    state, facts = refinement.best, refinement.facts
    rows = (facts.limited & (facts.cost > 0) & (refinement.remaining > 0)).nonzero()[:, 0]
    if len(rows) == 0:
        return facts
    quadrature = refinement.quadrature.rows(rows)
    for drawn, work in _candidates(state.latents[rows], objective, refinement.tol):
        found = refinement.audit(drawn)
        cheaper = found.cost < facts.cost[rows]
        good = rows[cheaper]
        state.evaluations[rows] += work
        if len(good):
            state.keep(rows, cheaper, drawn, objective.evaluate(drawn, quadrature))
            state.evaluations[rows] += 1
            facts = facts.with_rows(good, found.rows(cheaper))
    return facts


def _candidates(latents: Tensor, objective: Objective, tol: float) -> Iterator[tuple[Tensor, Tensor | float]]:
    """Yields smoother polylines ``(b, K+1, D)``, and the path evaluations spent on each."""
    segments, smoothing = latents.shape[1] - 1, config().smoothing
    drawn = [latents]
    for fewer in (smoothing.few_segments, smoothing.fewest_segments):
        coarse = segments // fewer
        if coarse >= 2:
            solver, weight = LBFGS(tol), (coarse + 1) / (segments + 1)
            state = solver.init(objective, resampled(latents, coarse), evaluation_weight=weight)
            state = run(solver, objective, state, max_evaluations=smoothing.evaluations * weight)
            drawn.append(resampled(state.latents, segments))
            yield drawn[-1], state.evaluations
    for polylines in drawn:
        for waves in (smoothing.many_waves, smoothing.few_waves):
            yield _lowpass(polylines, waves), 0.0
    for fewer in _COARSENINGS:
        if segments // fewer >= 1:
            yield resampled(resampled(latents, segments // fewer), segments), 0.0


def _lowpass(latents: Tensor, waves: int) -> Tensor:
    """Returns the polylines with the first ``waves`` sine waves of their deviation from the straight line."""
    segments = latents.shape[1] - 1
    line = lerp(latents[:, 0], latents[:, -1], segments)
    number = torch.arange(1, min(waves, segments - 1) + 1, device=latents.device)
    time = torch.arange(segments + 1, device=latents.device)
    basis = torch.sin(math.pi * number[:, None] * time / segments).to(latents)
    kept = basis.mT @ (2 / segments * basis @ (latents - line))
    return torch.cat([latents[:, :1], (line + kept)[:, 1:-1], latents[:, -1:]], dim=1)
