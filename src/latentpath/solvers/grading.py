r"""Grades the points of a path where the data do not see every latent.

Where :math:`J^T J` has null directions (fewer outputs than latents, or dead ones), a path moves along the fibres of the
generator for nothing: at its ends it jumps to where the price on the fibre is lowest. Equation 3 gives every segment
the same share of the cost, and so a jump one segment, which pays the high price on its way. Two things let it go:

1. A *time* :math:`t_i` for every segment, in all 1, in :math:`E = \tfrac12 \sum_i c_i^2 / t_i`. By Cauchy and Schwarz
   :math:`2E \ge (\sum_i c_i)^2`, equal where :math:`t_i` is proportional to :math:`c_i`. With the times set so for the
   present path, whatever lowers E lowers the cost, and a segment may cost nothing (majorise and minimise: Hunter and
   Lange 2004, "A tutorial on MM algorithms").
2. More points where there is a jump: a segment is split where its cost, less the lowest price at its ends times its
   chord, is much of it. The points come from the other segments, where few are as good.

The cost of the polyline is lowered, whatever its points are; a path that gets no cheaper stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..audit import Audit
from ..curves import arc_length, at_arc
from ..energy import chords, decode, times
from .problem import Problem, Quadrature
from .protocol import LITTLE, Outcome, State, with_interior

__all__ = ["graded", "wasted"]

_ROUNDS, _SPLITTING = 14, 6  # rounds, and those that may move points
_OF_SEGMENT, _OF_PATH = 0.2, 5e-4  # of the cost of a segment and of the path: wasted by a segment that is split
_SPLIT, _MOST = 4.0, 0.6  # parts of a split segment; of all segments, those in jumps
_TINY = 0.3  # of the mean segment cost: below, a segment belongs to a jump
_SHORTEST = 1e-3  # of the mean time of a segment
_WORTH = 0.05  # of the tolerance: what a round must bring for another one


def wasted(problem: Problem, latents: Tensor, facts: Audit) -> Tensor:
    """The cost of each segment beyond its chord at the lower price of its ends, ``(b, K)``; at least 0."""
    return (facts.segment_cost - _lowest(problem, latents, facts.steps)).clamp_min(0)


def graded(
    problem: Problem,
    state: State,
    facts: Audit,
    rule: Quadrature,
    *,
    tol: float,
    solve_on: Callable[[Tensor, Tensor], State],
    measure: Callable[[Tensor, Tensor], None],
    audit: Callable[[Tensor], Audit],
    left: Callable[[], Tensor],
) -> Audit:
    """Grades the paths whose metric is degenerate and that waste more than ``tol`` of their cost.

    Args:
        problem: the energy.
        state: of all paths; changed in place where a path gets cheaper.
        facts: the audit of its polylines.
        rule: how every segment is measured; its rows of graded paths are changed.
        tol: the relative accuracy of the cost.
        solve_on: solves rows on from polylines, by ``rule``, and counts it.
        measure: sets the parts of ``rule`` for rows and their polylines, and counts it.
        audit: of polylines ``(b, K+1, D)``.
        left: the path evaluations that each path may still spend, ``(B,)``.

    Returns:
        The audit of the polylines that ``state`` has now.
    """
    sound = state.energy.isfinite() & facts.cost.isfinite() & (facts.cost > 0)
    waste = torch.where(sound[:, None], wasted(problem, state.latents, facts), 0)
    active = sound & state.metric.degenerate & (_flagged(waste, facts).double() * waste).sum(-1).gt(tol * facts.cost)
    latents, now = state.latents.clone(), facts
    for number in range(_ROUNDS):
        rows = (active & (left() >= 2)).nonzero()[:, 0]
        if len(rows) == 0:
            return facts
        begin = latents[rows]
        if number < _SPLITTING:
            begin = _regridded(problem, begin, now.rows(rows))
        measure(rows, begin)
        rule.weight[rows] = 1 / (rule.weight.shape[1] * _times(problem, begin))
        finer = solve_on(rows, begin)
        found = audit(finer.latents)
        spent = finer.outcome == Outcome.BUDGET_SPENT
        finer.outcome[spent & (finer.gain <= LITTLE * tol)] = int(Outcome.CONVERGED)
        cheaper = finer.energy.isfinite() & (found.cost < facts.cost[rows])
        gained = facts.cost[rows] - found.cost
        good = state.keep(rows, cheaper, finer.latents, finer)
        state.gain[good], state.outcome[good] = finer.gain[cheaper], finer.outcome[cheaper]
        active[rows] = gained > _WORTH * tol * facts.cost[rows]
        facts = facts.with_rows(good, found.rows(cheaper))
        latents[rows], now = finer.latents, now.with_rows(rows, found)
    return facts


def _flagged(waste: Tensor, facts: Audit) -> Tensor:
    """True for the segments worth splitting, ``(b, K)``."""
    return (waste > _OF_SEGMENT * facts.segment_cost) & (waste > _OF_PATH * facts.cost[:, None])


def _lowest(problem: Problem, latents: Tensor, steps: Tensor) -> Tensor:
    with torch.no_grad():
        price = -problem.log_index(latents)
    return times(torch.minimum(price[:, 1:], price[:, :-1]), steps)


def _regridded(problem: Problem, latents: Tensor, facts: Audit) -> Tensor:
    """The same curves ``(b, K+1, D)``, with more points in the segments that waste cost, and fewer in the others."""
    segments, cost = facts.segment_cost.shape[1], facts.segment_cost.clamp_min(0)
    flagged = _flagged(wasted(problem, latents, facts), facts)
    jump = flagged | (cost < _TINY * cost.mean(-1, keepdim=True))
    own = jump.to(cost)
    room = (_MOST * segments - own.sum(-1, keepdim=True)).clamp_min(0)
    extra = torch.where(flagged, _SPLIT - 1, 0).to(cost)
    own = own + extra * (room / extra.sum(-1, keepdim=True).clamp_min(1)).clamp_max(1)
    others = torch.where(jump, 0, cost)
    whole = others.sum(-1, keepdim=True)
    own = own + (segments - own.sum(-1, keepdim=True)) * others / torch.where(whole > 0, whole, 1)
    own = torch.where(flagged.any(-1, keepdim=True) & (whole > 0), own, 1)
    targets = torch.arange(segments + 1, device=cost.device).to(cost).expand(len(cost), -1).contiguous()
    return with_interior(latents, at_arc(latents, arc_length(own), targets)[:, 1:-1])


def _times(problem: Problem, latents: Tensor) -> Tensor:
    """The time of each segment, ``(b, K)``: the present cost, less where much of it is wasted."""
    with torch.no_grad():
        steps = chords(decode(latents, problem.to_data, max_points=problem.max_points))
    cost = times(problem.mean_prices(latents), steps)
    share = cost * (_lowest(problem, latents, steps) / cost).nan_to_num(1, 1, 1).clamp(0, 1).square()
    share = share / share.sum(-1, keepdim=True).clamp_min(torch.finfo(share.dtype).tiny)
    share = share.clamp_min(_SHORTEST / share.shape[1])
    return share / share.sum(-1, keepdim=True)
