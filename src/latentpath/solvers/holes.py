r"""Keeps paths out of holes that are smaller than what an audit resolves.

Where the generator gives NaN or infinity there is a wall. A hole may lie between the points that the audit decodes;
once one has been met, every path is looked at closely, and one that passes a hole is drawn back towards its initial
polyline as far as needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ..audit import Audit
from ..curves import subdivide
from ..energy import decode
from .problem import Problem, Quadrature
from .protocol import Outcome, State, with_interior

__all__ = ["without_holes"]

_POINTS = 128  # a segment: what the audit's finest default grid has for the index
_SHARES = (0.95, 0.9, 0.8, 0.7, 0.5, 0.3, 0.0)  # of the path; the rest is the initial polyline


def without_holes(
    state: State,
    facts: Audit,
    problem: Problem,
    latents: Tensor,
    audit: Callable[[Tensor], Audit],
    rule: Quadrature,
) -> Audit:
    """Draws paths that pass a hole back towards their initial polylines, as stalled.

    Args:
        state: of all paths; changed in place where a path passes a hole.
        facts: the audit of its polylines.
        problem: the energy.
        latents: the initial polylines ``(B, K+1, D)``.
        audit: the audit of polylines ``(b, K+1, D)``.
        rule: the quadrature of every segment.

    Returns:
        The audit of the polylines that ``state`` has now: infinite for a path that still passes a hole.
    """
    rows = facts.cost.isfinite().nonzero()[:, 0]
    hit = _in_holes(problem, state.latents[rows])
    rows, hit = rows[hit.any(-1)], hit[hit.any(-1)]
    passed = state.latents[rows]
    facts = facts.with_rows(rows, _walled(facts.rows(rows), hit))
    for share in _SHARES:
        if len(rows) == 0:
            break
        first = latents[rows]
        drawn = with_interior(first, torch.lerp(first, passed, share)[:, 1:-1])
        free = ~_in_holes(problem, drawn).any(-1)
        found = audit(drawn)
        free &= found.cost.isfinite()
        good = state.keep(rows, free, drawn, problem.evaluate(drawn, rule.rows(rows)))
        state.evaluations[rows] += 1
        state.outcome[good] = int(Outcome.STALLED)
        facts = facts.with_rows(good, found.rows(free))
        rows, passed = rows[~free], passed[~free]
    return facts


@torch.no_grad()
def _in_holes(problem: Problem, latents: Tensor) -> Tensor:
    """True for the segments ``(b, K)`` on which the generator is not finite somewhere."""
    found = []
    for polyline in latents:
        data = decode(subdivide(polyline[None], _POINTS), problem.to_data, max_points=problem.max_points)[0]
        bad = ~data.flatten(1).isfinite().all(-1)
        found.append(bad[:-1].unflatten(0, (-1, _POINTS)).any(-1) | bad[_POINTS::_POINTS])
    return torch.stack(found) if found else latents.new_zeros(latents.shape[0], latents.shape[1] - 1).bool()


def _walled(facts: Audit, hit: Tensor) -> Audit:
    """The audit with infinite cost and length for the segments ``hit`` ``(b, K)``."""
    segment_cost = facts.segment_cost.masked_fill(hit, torch.inf)
    segment_length = facts.segment_length.masked_fill(hit, torch.inf)
    cost, length = segment_cost.sum(-1), segment_length.sum(-1)
    gap = cost / (2 * facts.energy).sqrt() - 1
    tunnels = facts.tunnels | hit
    return replace(
        facts,
        cost=cost,
        length=length,
        gap=gap,
        segment_cost=segment_cost,
        segment_length=segment_length,
        tunnels=tunnels,
    )
