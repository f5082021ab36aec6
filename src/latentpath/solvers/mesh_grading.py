r"""Mesh grading: the spacing of points along a path where the data do not depend on every latent.

Where :math:`J^T J` has null directions (fewer outputs than latents, or dead ones), moves along the fibres of the
generator are free: at its ends a path jumps to the lowest price on the fibre. Equation 3 gives every segment the same
share of the cost, and so one segment to the jump, which pays the high price on its way. Mesh grading has two parts:

1. A *time* :math:`t_i` for every segment, 1 in sum, in :math:`E = \tfrac12 \sum_i c_i^2 / t_i`. By Cauchy and Schwarz
   :math:`2E \ge (\sum_i c_i)^2`, equal where :math:`t_i` is proportional to :math:`c_i`. With the times proportional to
   the present costs, a lower E is a lower cost, and a segment may cost nothing (majorise and minimise: Hunter and
   Lange 2004, "A tutorial on MM algorithms").
2. More points at a jump: a segment is split where much of its cost exceeds the lower price of its ends times its
   chord. The points come from the other segments.

A path is replaced only by a cheaper one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..audit import Audit
from ..curves import arc_length, at_arc
from ..segment_cost import price_times_length
from .configuration import config
from .objective import Objective
from .outcome import Outcome
from .protocol import with_interior
from .quadrature import Quadrature
from .refinement_state import Refinement, Solve

__all__ = ["MeshGrading", "wasted"]


class MeshGrading:
    """The stage that grades paths whose metric is degenerate and that waste more than the tolerance of their cost."""

    def __init__(self) -> None:
        self.rounds = 0
        self.active: Tensor | None = None

    def begin(self, objective: Objective, refinement: Refinement) -> Solve | None:
        """Begins a round for the paths that the last one made cheaper."""
        settings = config().mesh_grading
        if self.active is None:
            self.active = self._wasteful(objective, refinement)
            refinement.current_facts = refinement.facts
            refinement.current.latents = refinement.best.latents.clone()
        rows = (self.active & (refinement.remaining >= 2)).nonzero()[:, 0]
        if len(rows) == 0 or self.rounds >= settings.rounds:
            return None
        begin = refinement.current.latents[rows]
        if self.rounds < settings.splitting_rounds:
            begin = _regridded(objective, begin, refinement.current_facts.rows(rows))
        self.rounds += 1
        self._measure(objective, refinement, rows, begin)
        return refinement.solve_on(objective, rows, begin)

    def end(self, objective: Objective, refinement: Refinement, solve: Solve) -> None:
        """Adopts the paths that became cheaper; those that hardly did have ended."""
        rows, finer, tol = solve.rows, solve.state, refinement.tol
        refinement.best.evaluations[rows] += finer.evaluations
        found = refinement.audit(finer.latents)
        spent = finer.outcome == Outcome.BUDGET_SPENT.code
        small = finer.gain <= config().convergence.creeping_gain * tol
        finer.outcome[spent & small] = Outcome.CONVERGED.code
        before = refinement.facts.cost[rows]
        assert self.active is not None
        self.active[rows] = before - found.cost > config().mesh_grading.worthwhile * tol * before
        refinement.adopt(rows, finer, found, finer.energy.isfinite() & (found.cost < before))
        refinement.current.latents[rows] = finer.latents
        refinement.current_facts = refinement.current_facts.with_rows(rows, found)

    def _wasteful(self, objective: Objective, refinement: Refinement) -> Tensor:
        """Marks the paths that grading can make cheaper by more than the tolerance."""
        state, facts = refinement.best, refinement.facts
        sound = state.energy.isfinite() & facts.cost.isfinite() & (facts.cost > 0)
        waste = torch.where(sound[:, None], wasted(objective, state.latents, facts), 0)
        flagged = (_flagged(waste, facts).double() * waste).sum(-1)
        return sound & state.metric.degenerate & (flagged > refinement.tol * facts.cost)

    def _measure(self, objective: Objective, refinement: Refinement, rows: Tensor, begin: Tensor) -> None:
        """Sets parts, factors and weights of the quadrature of ``rows`` for the polylines ``begin``."""
        ends, halves = objective.halved_costs(begin)
        weight = 1 / ((begin.shape[1] - 1) * _times(objective, begin))
        one = torch.ones_like(ends)
        cost = halves + (halves - ends) / (config().refinement.chord_order - 1)
        fresh = Quadrature(one.long(), one, weight).refined(ends, halves, cost)
        refinement.quadrature = refinement.quadrature.with_rows(rows, fresh)
        refinement.best.evaluations[rows] += 1


def wasted(objective: Objective, latents: Tensor, facts: Audit) -> Tensor:
    """Computes the cost of each segment above the lower price of its ends times its chord, ``(b, K)``; at least 0."""
    return (facts.segment_cost - _lowest(objective, latents, facts.step_lengths)).clamp_min(0)


def _flagged(waste: Tensor, facts: Audit) -> Tensor:
    """Marks the segments to split, ``(b, K)``."""
    settings = config().mesh_grading
    return (waste > settings.segment_waste * facts.segment_cost) & (waste > settings.path_waste * facts.cost[:, None])


def _lowest(objective: Objective, latents: Tensor, steps: Tensor) -> Tensor:
    with torch.no_grad():
        price = -objective.log_index(latents)
    return price_times_length(torch.minimum(price[:, 1:], price[:, :-1]), steps)


def _regridded(objective: Objective, latents: Tensor, facts: Audit) -> Tensor:
    """Returns the same curves ``(b, K+1, D)``, with more points in segments that waste cost and fewer in others."""
    settings, segments, cost = config().mesh_grading, facts.segment_cost.shape[1], facts.segment_cost.clamp_min(0)
    flagged = _flagged(wasted(objective, latents, facts), facts)
    jump = flagged | (cost < settings.jump_cost * cost.mean(-1, keepdim=True))
    own = jump.to(cost)
    room = (settings.most_in_jumps * segments - own.sum(-1, keepdim=True)).clamp_min(0)
    extra = torch.where(flagged, settings.split_parts - 1, 0).to(cost)
    own = own + extra * (room / extra.sum(-1, keepdim=True).clamp_min(1)).clamp_max(1)
    others = torch.where(jump, 0, cost)
    whole = others.sum(-1, keepdim=True)
    own = own + (segments - own.sum(-1, keepdim=True)) * others / torch.where(whole > 0, whole, 1)
    own = torch.where(flagged.any(-1, keepdim=True) & (whole > 0), own, 1)
    targets = torch.arange(segments + 1, device=cost.device).to(cost).expand(len(cost), -1).contiguous()
    return with_interior(latents, at_arc(latents, arc_length(own), targets)[:, 1:-1])


def _times(objective: Objective, latents: Tensor) -> Tensor:
    """Computes the time of each segment, ``(b, K)``: its share of the cost, reduced where much of it is wasted."""
    steps = objective.chords(latents)
    cost = price_times_length(objective.mean_prices(latents), steps)
    share = cost * (_lowest(objective, latents, steps) / cost).nan_to_num(1, 1, 1).clamp(0, 1).square()
    share = share / share.sum(-1, keepdim=True).clamp_min(torch.finfo(share.dtype).tiny)
    share = share.clamp_min(config().mesh_grading.shortest_time / share.shape[1])
    return share / share.sum(-1, keepdim=True)
