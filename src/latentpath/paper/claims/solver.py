"""The paper's claims on alpha, on equation 3 and on its solver; and checks of our solver."""

from collections.abc import Mapping

from torch import Tensor

from ...solvers import Outcome
from ..config import MODEL_TITLES, Config
from ..results import PATH, SHORTEST, ModelResult
from ..statistics import estimate, paired, proportion
from .sections import Fact, Section, mean_over_length, model_claim, saved_share
from .verdicts import Claim, below, within


def alpha(results: Mapping[str, ModelResult], by_alpha: Mapping[str, Mapping[str, Tensor]], config: Config) -> Section:
    """The claims on the effect of alpha."""
    claims: list[Claim] = []
    facts: list[Fact] = []
    alphas = sorted({*config.alphas, config.alpha}, reverse=True)
    most, least = alphas[0], alphas[-1]
    for name, tensors in by_alpha.items():
        result, title = results[name], MODEL_TITLES[name]
        pairs = len(tensors[f"{config.alphas[0]:g}/length"])
        length, cost, ri = {}, {}, {}
        for a in alphas:
            if a in config.alphas:
                length[a], cost[a] = tensors[f"{a:g}/length"], tensors[f"{a:g}/cost"]
                ri[a] = mean_over_length(tensors[f"{a:g}/ri"], tensors[f"{a:g}/steps"])
            else:  # the main job's alpha
                length[a], cost[a] = result.length[PATH][:pairs], result.cost[PATH][:pairs]
                ri[a] = mean_over_length(result.ri[PATH], result.steps[PATH])[:pairs]
        shortest = result.length[SHORTEST][:pairs]
        shorter = f"the decoded path gets shorter as alpha goes from {most:g} to {least:g} (relative change)"
        falls = f"its mean ri, over its length, falls as alpha goes from {most:g} to {least:g}"
        nearly = f"at alpha {least:g} it is nearly the curve that is shortest in data space (within 5 % of its length)"
        claims += [
            model_claim(name, shorter, estimate(length[least] / length[most] - 1), below(0), "alpha shorter"),
            model_claim(name, falls, paired(ri[least], ri[most]), below(0), "alpha falls"),
            model_claim(name, nearly, estimate(length[least] / shortest - 1), within(0.05), "alpha shortest"),
        ]
        for a in alphas:
            facts.append((f"{title}: alpha {a:g}: cost at that alpha", estimate(cost[a])))
            facts.append((f"{title}: alpha {a:g}: length", estimate(length[a])))
            facts.append((f"{title}: alpha {a:g}: mean ri over its length", estimate(ri[a])))
        shortest_ri = mean_over_length(result.ri[SHORTEST], result.steps[SHORTEST])[:pairs]
        facts.append((f"{title}: shortest: length", estimate(shortest)))
        facts.append((f"{title}: shortest: mean ri over its length", estimate(shortest_ri)))
    text = (
        "Section 5: “for alpha close to zero” the minimum is obtained for “those curves which have minimal "
        "length after the transportation to the input space”. The paper leaves alpha open; here it is "
        f"{config.alpha:g} wherever nothing else is said."
    )
    return Section("Alpha", text, tuple(claims), tuple(facts))


def resolution(
    results: Mapping[str, ModelResult],  # of the main job, by model
    by_resolution: Mapping[str, Mapping[str, Tensor]],  # tensors of the job "resolution", by model
    descents: Mapping[str, Mapping[str, Tensor]],  # tensors of the job "descent", by model
    config: Config,
) -> Section:
    """The claims on the discretisation of equation 3, facts on the paper's solver, and checks of ours."""
    claims: list[Claim] = []
    facts: list[Fact] = []
    remarks: list[str] = []
    for name, tensors in by_resolution.items():
        gap = {k: tensors[f"{k}/gap"].abs() for k in config.resolutions}
        coarse, fine = min(gap), max(gap)
        converges = (
            f"the energy of eq. 3 converges to the audited cost: the gap is smaller at K = {fine} than at K = {coarse}"
        )
        claims += [
            model_claim(name, converges, paired(gap[fine], gap[coarse]), below(0), "converges"),
            model_claim(name, f"at K = {fine} the gap is below 2 %", estimate(gap[fine]), below(0.02)),
        ]
        facts += [(f"{MODEL_TITLES[name]}: gap at K = {k}", estimate(value)) for k, value in gap.items()]
        facts += [(f"{MODEL_TITLES[name]}: cost at K = {k}", estimate(tensors[f"{k}/cost"])) for k in gap]
    for name, tensors in descents.items():
        more, remark = _descent(results[name], tensors, config)
        facts += more
        remarks.append(remark)
    cheaper = "the path costs less than the line, which is what is minimised (relative change of the audited cost)"
    checks = [
        model_claim(name, cheaper, estimate(-saved_share(result)), below(0), "cost") for name, result in results.items()
    ]
    text = (
        "Equation 3 replaces the integral by its values at the points. The gap is the audited cost over the root "
        "of twice the energy, less 1; a segment tunnels where it hides more than 1 % of the path's cost behind its "
        "ends. “In all the experiments in the paper” gradient descent is used, from the straight line; its step size "
        f"and number of steps are not given, so here its step adapts, and it may spend {config.descents} evaluations. "
        "How many of so few pairs tunnel is a fact here, with its interval, and no claim."
    )
    return Section("Discretisation and solver", text, tuple(claims), tuple(facts), tuple(checks), tuple(remarks))


def _descent(result: ModelResult, tensors: Mapping[str, Tensor], config: Config) -> tuple[list[Fact], str]:
    pairs, title = len(tensors["cost"]), MODEL_TITLES[result.name]
    ratio = estimate(tensors["cost"] / result.cost[PATH][:pairs])
    facts = [
        (f"{title}: gradient descent: share of pairs with a tunnel", proportion(tensors["tunnels"] > 0)),
        (f"{title}: gradient descent: cost", estimate(tensors["cost"])),
        (f"{title}: gradient descent: cost over that of the path", ratio),
        (f"{title}: gradient descent: gap", estimate(tensors["gap"])),
        (f"{title}: gradient descent: evaluations", estimate(tensors["evaluations"])),
    ]
    converged = int((tensors["outcome"] == Outcome.CONVERGED.code).sum())
    tunnels = int((tensors["tunnels"] > 0).sum())
    remark = (
        f"{title}: of {pairs} pairs gradient descent had converged for {converged} within its {config.descents} "
        f"evaluations, and its curves cost {ratio.mean:.3g} times the paths on average; of them {tunnels} had a tunnel."
    )
    return facts, remark
