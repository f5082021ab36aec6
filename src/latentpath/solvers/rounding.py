r"""Smooths paths whose energy is the generator's rounding.

Where chords are shorter than the resolution of the generator (`Audit.limited`), the energy of neighbouring polylines
differs by rounding alone, and a minimiser of it zigzags. The audit measures such a path by the Jacobian, without
cancellation, and can tell smoother candidates apart:

1. solves on fewer segments, whose chords are longer than the rounding;
2. the same path with fewer corners, resampled;
3. the path's deviation from the chord of its ends, projected on its first sine waves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..audit import Audit
from ..curves import lerp
from .lbfgs import LBFGS
from .multilevel import resampled
from .problem import Problem, Quadrature
from .protocol import Callback, State, run

__all__ = ["without_jitter"]

_CORNERS = (2, 4, 8)  # the path with so many times fewer segments (test_resolution.py)
_COARSER, _COARSE_EVALUATIONS = (4, 8), 20.0  # solves on so many times fewer segments, with at most these evaluations
_WAVES = (8, 3)  # the highest sine wave that a smoothed path keeps


def without_jitter(
    state: State,
    facts: Audit,
    problem: Problem,
    audit: Callable[[Tensor], Audit],
    rule: Quadrature,
    tol: float,
    callback: Callback | None = None,
) -> Audit:
    """Adopts smoother candidates for paths of limited resolution, where the audit finds them cheaper.

    Args:
        state: of all paths; changed in place where a path gets cheaper.
        facts: the audit of its polylines.
        problem: the energy.
        audit: the audit of polylines ``(b, K+1, D)``.
        rule: the quadrature of every segment.
        tol: the tolerance of the coarse solves.
        callback: told after every step of the coarse solves; a true answer stops them.

    Returns:
        The audit of the polylines that ``state`` has now.
    """
    rows = facts.limited.nonzero()[:, 0]
    if len(rows) == 0:
        return facts
    for drawn, work in _candidates(state.latents[rows], problem, tol, callback):
        found = audit(drawn)
        cheaper = found.cost < facts.cost[rows]
        good = rows[cheaper]
        state.evaluations[rows] += work
        if len(good):
            state.keep(rows, cheaper, drawn, problem.evaluate(drawn, rule.rows(rows)))
            state.evaluations[rows] += 1
            facts = facts.with_rows(good, found.rows(cheaper))
    return facts


def _candidates(
    latents: Tensor, problem: Problem, tol: float, callback: Callback | None
) -> Iterator[tuple[Tensor, Tensor | float]]:
    """Smoother polylines ``(b, K+1, D)``, and the path evaluations that each took."""
    segments = latents.shape[1] - 1
    drawn = [latents]
    for fewer in _COARSER:
        coarse = segments // fewer
        if coarse >= 2:
            solver, unit = LBFGS(tol), (coarse + 1) / (segments + 1)
            state = solver.init(problem, resampled(latents, coarse), unit=unit)
            state = run(solver, problem, state, max_evaluations=_COARSE_EVALUATIONS * unit, callback=callback)
            drawn.append(resampled(state.latents, segments))
            yield drawn[-1], state.evaluations
    for polylines in drawn:
        for waves in _WAVES:
            yield _lowpass(polylines, waves), 0.0
    for fewer in _CORNERS:
        if segments // fewer >= 1:
            yield resampled(resampled(latents, segments // fewer), segments), 0.0


def _lowpass(latents: Tensor, waves: int) -> Tensor:
    """The polylines with the first ``waves`` sine waves of their deviation from the straight line."""
    segments = latents.shape[1] - 1
    line = lerp(latents[:, 0], latents[:, -1], segments)
    number = torch.arange(1, min(waves, segments - 1) + 1, device=latents.device)
    time = torch.arange(segments + 1, device=latents.device)
    basis = torch.sin(math.pi * number[:, None] * time / segments).to(latents)
    kept = basis.mT @ (2 / segments * basis @ (latents - line))
    return torch.cat([latents[:, :1], (line + kept)[:, 1:-1], latents[:, -1:]], dim=1)
