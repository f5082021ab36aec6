"""The paper's claims on alpha, on equation 3 and on its solver; and checks of ours."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ...solvers import Outcome
from ..config import Plan
from ..jobs import PATH, SHORTEST
from ..results import Solved
from ..statistics import Estimate, estimate, paired, proportion
from .sections import NAMES, Section, along, gain
from .verdicts import Claim, below, within

__all__ = ["alpha", "resolution"]


def alpha(solved: Mapping[str, Solved], extra: Mapping[str, dict[str, Tensor]], plan: Plan) -> Section:
    """What alpha does."""
    found: list[Claim] = []
    facts: list[tuple[str, Estimate]] = []
    for name, made in extra.items():
        of = solved[name]
        pairs = len(made[f"{plan.alphas[0]:g}/length"])
        every = sorted({*plan.alphas, plan.alpha}, reverse=True)
        length = {a: made[f"{a:g}/length"] if a in plan.alphas else of.length[PATH][:pairs] for a in every}
        ri = {
            a: along(made[f"{a:g}/ri"], made[f"{a:g}/steps"])
            if a in plan.alphas
            else along(of.ri[PATH], of.steps[PATH])[:pairs]
            for a in every
        }
        cost = {a: made[f"{a:g}/cost"] if a in plan.alphas else of.cost[PATH][:pairs] for a in every}
        most, least = every[0], every[-1]
        shortest = of.length[SHORTEST][:pairs]
        found += [
            Claim(
                f"{NAMES[name]}: the decoded path gets shorter as alpha goes from {most:g} to {least:g} "
                "(relative change)",
                estimate(length[least] / length[most] - 1),
                below(0),
                topic="alpha shorter",
                of=name,
            ),
            Claim(
                f"{NAMES[name]}: its mean ri, over its length, falls as alpha goes from {most:g} to {least:g}",
                paired(ri[least], ri[most]),
                below(0),
                topic="alpha falls",
                of=name,
            ),
            Claim(
                f"{NAMES[name]}: at alpha {least:g} it is nearly the curve that is shortest in data space (within 5 % "
                "of its length)",
                estimate(length[least] / shortest - 1),
                within(0.05),
                topic="alpha shortest",
                of=name,
            ),
        ]
        for a in every:
            facts.append((f"{NAMES[name]}: alpha {a:g}: cost at that alpha", estimate(cost[a])))
            facts.append((f"{NAMES[name]}: alpha {a:g}: length", estimate(length[a])))
            facts.append((f"{NAMES[name]}: alpha {a:g}: mean ri over its length", estimate(ri[a])))
        facts.append((f"{NAMES[name]}: shortest: length", estimate(shortest)))
        facts.append(
            (
                f"{NAMES[name]}: shortest: mean ri over its length",
                estimate(along(of.ri[SHORTEST], of.steps[SHORTEST])[:pairs]),
            )
        )
    text = (
        "Section 5: “for alpha close to zero” the minimum is obtained for “those curves which have minimal "
        "length after the transportation to the input space”. The paper leaves alpha open; here it is "
        f"{plan.alpha:g} wherever nothing else is said."
    )
    return Section("Alpha", text, tuple(found), tuple(facts))


def resolution(
    solved: Mapping[str, Solved],
    extra: Mapping[str, dict[str, Tensor]],
    descents: Mapping[str, dict[str, Tensor]],
    plan: Plan,
) -> Section:
    """What equation 3 hides, what the paper's solver reaches, and whether ours does its work."""
    found: list[Claim] = []
    facts: list[tuple[str, Estimate]] = []
    for name, made in extra.items():
        gap = {k: made[f"{k}/gap"].abs() for k in plan.resolutions}
        coarse, fine = min(gap), max(gap)
        found += [
            Claim(
                f"{NAMES[name]}: the energy of eq. 3 converges to the audited cost: the gap is smaller at K = {fine} "
                f"than at K = {coarse}",
                paired(gap[fine], gap[coarse]),
                below(0),
                topic="converges",
                of=name,
            ),
            Claim(f"{NAMES[name]}: at K = {fine} the gap is below 2 %", estimate(gap[fine]), below(0.02)),
        ]
        facts += [(f"{NAMES[name]}: gap at K = {k}", estimate(value)) for k, value in gap.items()]
        facts += [(f"{NAMES[name]}: cost at K = {k}", estimate(made[f"{k}/cost"])) for k in gap]
    remarks = []
    for name, made in descents.items():
        pairs = len(made["cost"])
        over = estimate(made["cost"] / solved[name].cost[PATH][:pairs])
        facts += [
            (f"{NAMES[name]}: gradient descent: share of pairs with a tunnel", proportion(made["tunnels"] > 0)),
            (f"{NAMES[name]}: gradient descent: cost", estimate(made["cost"])),
            (f"{NAMES[name]}: gradient descent: cost over that of the path", over),
            (f"{NAMES[name]}: gradient descent: gap", estimate(made["gap"])),
            (f"{NAMES[name]}: gradient descent: evaluations", estimate(made["evaluations"])),
        ]
        done = int((made["outcome"] == Outcome.CONVERGED).sum())
        tunnels = int((made["tunnels"] > 0).sum())
        remarks.append(
            f"{NAMES[name]}: of {pairs} pairs gradient descent had converged for {done} within its "
            f"{plan.descents} evaluations, and its curves cost {over.mean:.3g} times the paths on average; of them "
            f"{tunnels} had a tunnel."
        )
    checks = [
        Claim(
            f"{NAMES[name]}: the path costs less than the line, which is what is minimised (relative change of the "
            "audited cost)",
            estimate(-gain(of)),
            below(0),
            topic="cost",
            of=name,
        )
        for name, of in solved.items()
    ]
    text = (
        "Equation 3 replaces the integral by its values at the points. The gap is the audited cost over the root "
        "of twice the energy, less 1; a segment tunnels where it hides more than 1 % of the path's cost behind its "
        "ends. “In all the experiments in the paper” gradient descent is used, from the straight line; its step size "
        f"and number of steps are not given, so here its step adapts, and it may spend {plan.descents} evaluations. "
        "How many of so few pairs tunnel is a fact here, with its interval, and no claim."
    )
    return Section("Discretisation and solver", text, tuple(found), tuple(facts), tuple(checks), tuple(remarks))
