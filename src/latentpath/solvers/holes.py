r"""Paths around holes of the generator that are smaller than the resolution of an audit.

A hole, where the generator gives NaN or infinity, may lie between the points that the audit decodes. Once the generator
was not finite somewhere, every path is decoded more finely, and a path through a hole is moved back towards its initial
polyline as far as needed.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..audit import Audit
from ..curves import subdivide
from .objective import Objective
from .outcome import Outcome
from .protocol import with_interior
from .refinement_state import Refinement

__all__ = ["without_holes"]

_POINTS = 128  # of a segment: the number of cells of the audit's index grid; test_degenerate.py
_SHARES = (0.95, 0.9, 0.8, 0.7, 0.5, 0.3, 0.0)  # of the path; the rest is the initial polyline; test_degenerate.py


def without_holes(refinement: Refinement, objective: Objective) -> Audit:
    """Moves the best paths that pass a hole back towards their initial polylines, as stalled.

    Returns:
        The audit of the best paths: infinite for a path that still passes a hole.
    """
    state, facts, quadrature = refinement.best, refinement.facts, refinement.quadrature
    rows = facts.cost.isfinite().nonzero()[:, 0]
    hit = _in_holes(objective, state.latents[rows])
    rows, hit = rows[hit.any(-1)], hit[hit.any(-1)]
    passed = state.latents[rows]
    facts = facts.with_rows(rows, _with_infinite_segments(facts.rows(rows), hit))
    for share in _SHARES:
        if len(rows) == 0:
            break
        first = refinement.initial[rows]
        drawn = with_interior(first, torch.lerp(first, passed, share)[:, 1:-1])
        found = refinement.audit(drawn)
        free = ~_in_holes(objective, drawn).any(-1) & found.cost.isfinite()
        good = state.keep(rows, free, drawn, objective.evaluate(drawn, quadrature.rows(rows)))
        state.evaluations[rows] += 1
        state.outcome[good] = Outcome.STALLED.code
        facts = facts.with_rows(good, found.rows(free))
        rows, passed = rows[~free], passed[~free]
    return facts


@torch.no_grad()
def _in_holes(objective: Objective, latents: Tensor) -> Tensor:
    """Marks the segments ``(b, K)`` on which the generator is not finite somewhere."""
    found = []
    for polyline in latents:
        data = objective.costs.decoded(subdivide(polyline, _POINTS))
        bad = ~data.flatten(1).isfinite().all(-1)
        found.append(bad[:-1].unflatten(0, (-1, _POINTS)).any(-1) | bad[_POINTS::_POINTS])
    return torch.stack(found) if found else latents.new_zeros(latents.shape[0], latents.shape[1] - 1).bool()


def _with_infinite_segments(facts: Audit, hit: Tensor) -> Audit:
    """Returns the audit with infinite cost and length of the segments ``hit`` ``(b, K)``."""
    segment_cost = facts.segment_cost.masked_fill(hit, torch.inf)
    segment_length = facts.segment_length.masked_fill(hit, torch.inf)
    return replace(
        facts,
        cost=segment_cost.sum(-1),
        length=segment_length.sum(-1),
        gap=segment_cost.sum(-1) / (2 * facts.energy).sqrt() - 1,
        segment_cost=segment_cost,
        segment_length=segment_length,
        tunnels=facts.tunnels | hit,
    )
