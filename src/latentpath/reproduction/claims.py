"""The paper's claims, each with what was measured, the rule that decides it, and so its verdict.

Every rule is fixed here, before anything is measured. Where the paper says "nearly" or "in general", the margin is
ours, and stands in the claim's text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from .experiments import LINE, PATH, SHORTEST
from .plan import GANS, NORMAL, SEMICIRCLE, WAE, Plan
from .solved import Solved
from .statistics import Claim, Estimate, above, below, estimate, paired, proportion, unpaired, within

__all__ = ["Section", "claims", "tally"]

_OUTSIDE = 0.05
_NAMES = {
    "mnist-dcgan-semicircle": "digits, semicircle prior",
    "mnist-dcgan-normal": "digits, normal prior",
    "celeba-dcgan-semicircle": "faces, semicircle prior",
    "celeba-dcgan-normal": "faces, normal prior",
    WAE: "faces, auto-encoder",
}


@dataclass(frozen=True)
class Section:
    """Claims that belong together.

    Attributes:
        title: of the section.
        text: what the paper says, and how it is measured.
        claims: with their verdicts.
        facts: numbers that no claim hangs on, by what they are.
    """

    title: str
    text: str
    claims: tuple[Claim, ...]
    facts: tuple[tuple[str, Estimate], ...] = ()


def claims(
    solved: Mapping[str, Solved], extra: Mapping[str, Mapping[str, dict[str, Tensor]]], plan: Plan
) -> list[Section]:
    """Every claim that can be tested on what was solved.

    Args:
        solved: the main pairs, by model.
        extra: tensors of the other experiments ("alpha", "resolution", "descent"), by experiment and model.
        plan: the settings.
    """
    return [
        _semicircle({name: solved[name] for name in SEMICIRCLE if name in solved}),
        _steps({name: solved[name] for name in GANS if name in solved}),
        _normal({name: solved[name] for name in NORMAL if name in solved}),
        _auto_encoder(solved),
        _alpha(solved, extra.get("alpha", {}), plan),
        _resolution(extra.get("resolution", {}), extra.get("descent", {}), plan),
    ]


def _semicircle(solved: Mapping[str, Solved]) -> Section:
    found: list[Claim] = []
    for name, of in solved.items():
        outside = {kind: (of.ri[kind][:, 1:-1] < _OUTSIDE).double().mean(1) for kind in (LINE, PATH)}
        found += [
            Claim(
                f"{_NAMES[name]}: the path's mean ri is above the line's",
                paired(of.ri[PATH].mean(1), of.ri[LINE].mean(1)),
                above(0),
            ),
            Claim(
                f"{_NAMES[name]}: the path's lowest ri is above the line's (over the midpoints)",
                paired(of.ri[PATH][:, 1:-1].amin(1), of.ri[LINE][:, 1:-1].amin(1)),
                above(0),
            ),
            Claim(
                f"{_NAMES[name]}: the path's lowest ri is above the line's (over the middle three fifths of the "
                "midpoints)",
                paired(_middle(of.ri[PATH]).amin(1), _middle(of.ri[LINE]).amin(1)),
                above(0),
            ),
            Claim(
                f"{_NAMES[name]}: the line leaves the prior, the path does not (share of midpoints where ri < 0.05, "
                "the level that 5 % of the prior's own samples are below)",
                parts=(
                    Claim("share of the line's midpoints", _share(outside[LINE]), above(_OUTSIDE)),
                    Claim("share of the path's midpoints", _share(outside[PATH]), below(_OUTSIDE)),
                ),
            ),
        ]
    facts = [
        (f"{_NAMES[name]}: mean ri over the length of the decoded curve, path less line", paired(*_by_length(of)))
        for name, of in solved.items()
    ]
    text = (
        "Section 6: the midpoints of the straight line come “from a very low-density area, completely outside the "
        "prior”, and the path's images are “more real, as evidenced by” ri. ri is averaged over the points of each "
        "curve as in the paper's Figure 5; the path has more of its points where ri is low, since its speed is "
        "constant "
        "in the metric, so the mean over the length of the decoded curve is given too."
    )
    return Section("Semicircle prior", text, tuple(found), tuple(facts))


def _middle(ri: Tensor) -> Tensor:
    """The middle three fifths of the points of curves ``(B, K+1)``."""
    fifth = ri.shape[1] // 5
    return ri[:, fifth : ri.shape[1] - fifth]


def _share(shares: Tensor) -> Estimate:
    """The mean of shares ``(B,)``; where none of any pair is outside, the share of pairs with any bounds it."""
    return estimate(shares) if bool((shares > 0).any()) else proportion(shares > 0)


def _along(ri: Tensor, steps: Tensor) -> Tensor:
    """Mean ri ``(B, K+1)`` per unit of data-space length, by the steps ``(B, K)``: ``(B,)``."""
    ri, steps = ri.double(), steps.double()
    return (steps * (ri[:, 1:] + ri[:, :-1]) / 2).sum(1) / steps.sum(1)


def _by_length(of: Solved) -> tuple[Tensor, Tensor]:
    """`_along` of path and line."""
    return _along(of.ri[PATH], of.steps[PATH]), _along(of.ri[LINE], of.steps[LINE])


def _steps(solved: Mapping[str, Solved]) -> Section:
    found: list[Claim] = []
    facts: list[tuple[str, Estimate]] = []
    for name, of in solved.items():
        varied = {kind: of.steps[kind].std(1) / of.steps[kind].mean(1) for kind in (LINE, PATH)}
        found.append(
            Claim(
                f"{_NAMES[name]}: the path's L2 steps vary more than the line's (deviation over mean)",
                paired(varied[PATH], varied[LINE]),
                above(0),
            )
        )
        found.append(
            Claim(
                f"{_NAMES[name]}: the decoded path is shorter than the decoded line (relative change of length)",
                estimate(of.length[PATH] / of.length[LINE] - 1),
                below(0),
            )
        )
        facts.append((f"{_NAMES[name]}: deviation over mean of the line's steps", estimate(varied[LINE])))
    text = (
        "Section 6: “in the linear case the consecutive points usually have similar L2 distances. Our method "
        "allows for "
        "more dynamic behaviour, especially at the end points.” The paper does not say what happens to the total "
        "length."
    )
    return Section("Steps and length", text, tuple(found), tuple(facts))


def _normal(solved: Mapping[str, Solved]) -> Section:
    found: list[Claim] = []
    facts: list[tuple[str, Estimate]] = []
    for name, of in solved.items():
        inner = _middle(of.ri[LINE])
        found += [
            Claim(
                f"{_NAMES[name]}: ri of the line is nearly constant away from its ends (it deviates by less than 0.05 "
                "over the middle three fifths)",
                estimate(inner.std(1)),
                below(0.05),
            ),
            Claim(
                f"{_NAMES[name]}: the path gains little in ri (mean over the points, by at most 0.05)",
                paired(of.ri[PATH].mean(1), of.ri[LINE].mean(1)),
                within(0.05),
            ),
            Claim(
                f"{_NAMES[name]}: the path costs less than the line (relative change of the audited cost)",
                estimate(of.cost[PATH] / of.cost[LINE] - 1),
                below(0),
            ),
        ]
        facts.append((f"{_NAMES[name]}: ri in the middle of the line", estimate(inner.mean(1))))
        facts.append(
            (f"{_NAMES[name]}: mean ri over the length of the decoded curve, path less line", paired(*_by_length(of)))
        )
    text = (
        "Section 5: with a normal prior in high dimension “the realism index is almost constant on a linear "
        "interpolation of arbitrary randomly chosen points, except for a possibly small neighbourhood of the "
        "endpoints”."
    )
    return Section("Normal prior", text, tuple(found), tuple(facts))


def _apart(of: Solved) -> Tensor:
    """The largest distance of the path's points from the line, over the distance of the pair, ``(B,)``."""
    path, start = of.curves[PATH].double(), of.curves[PATH][:, :1].double()
    way = of.curves[PATH][:, -1:].double() - start
    along = ((path - start) * way).sum(-1, keepdim=True) / way.square().sum(-1, keepdim=True)
    off = path - start - along.clamp(0, 1) * way
    ratio: Tensor = off.norm(dim=-1).amax(1) / way[:, 0].norm(dim=-1)
    return ratio


def _auto_encoder(solved: Mapping[str, Solved]) -> Section:
    found: list[Claim] = []
    facts: list[tuple[str, Estimate]] = []
    if WAE in solved:
        of = solved[WAE]
        found = [
            Claim(
                "path and line nearly agree (the path's largest distance from the line is below a tenth of the pair's)",
                estimate(_apart(of)),
                below(0.1),
            ),
            Claim(
                "the ri of the line is high already (its mean over the points is above 0.5, that of the prior's "
                "samples)",
                estimate(of.ri[LINE].mean(1)),
                above(0.5),
            ),
        ]
        gain = {name: 1 - each.cost[PATH] / each.cost[LINE] for name, each in solved.items()}
        for name, each in solved.items():
            facts.append((f"{_NAMES[name]}: largest distance from the line, over the pair's", estimate(_apart(each))))
            facts.append((f"{_NAMES[name]}: share of the line's cost that the path saves", estimate(gain[name])))
        for name in GANS:
            if name in solved:
                found += [
                    Claim(
                        f"the path of the auto-encoder is nearer to the line than that of the GAN ({_NAMES[name]})",
                        unpaired(_apart(of), _apart(solved[name])),
                        below(0),
                    ),
                    Claim(
                        f"the path of the auto-encoder saves a smaller share of the cost than that of the GAN "
                        f"({_NAMES[name]})",
                        unpaired(gain[WAE], gain[name]),
                        below(0),
                    ),
                ]
    text = (
        "Section 6: for a Wasserstein auto-encoder “the learned interpolation does not differ much from its linear "
        "counterpart”, and ri of the latter “is rather high to begin with”."
    )
    return Section("Auto-encoder", text, tuple(found), tuple(facts))


def _alpha(solved: Mapping[str, Solved], extra: Mapping[str, dict[str, Tensor]], plan: Plan) -> Section:
    found: list[Claim] = []
    facts: list[tuple[str, Estimate]] = []
    for name, made in extra.items():
        of = solved[name]
        pairs = len(made[f"{plan.alphas[0]:g}/length"])
        every = sorted({*plan.alphas, plan.alpha}, reverse=True)
        length = {a: made[f"{a:g}/length"] if a in plan.alphas else of.length[PATH][:pairs] for a in every}
        ri = {
            a: _along(made[f"{a:g}/ri"], made[f"{a:g}/steps"]) if a in plan.alphas else _by_length(of)[0][:pairs]
            for a in every
        }
        cost = {a: made[f"{a:g}/cost"] if a in plan.alphas else of.cost[PATH][:pairs] for a in every}
        most, least = every[0], every[-1]
        shortest = of.length[SHORTEST][:pairs]
        found += [
            Claim(
                f"{_NAMES[name]}: the decoded path gets shorter as alpha goes from {most:g} to {least:g} "
                "(relative change)",
                estimate(length[least] / length[most] - 1),
                below(0),
            ),
            Claim(
                f"{_NAMES[name]}: its mean ri, over its length, falls as alpha goes from {most:g} to {least:g}",
                paired(ri[least], ri[most]),
                below(0),
            ),
            Claim(
                f"{_NAMES[name]}: at alpha {least:g} it is nearly the curve that is shortest in data space (within 5 % "
                "of its length)",
                estimate(length[least] / shortest - 1),
                within(0.05),
            ),
        ]
        for alpha in every:
            facts.append((f"{_NAMES[name]}: alpha {alpha:g}: cost at that alpha", estimate(cost[alpha])))
            facts.append((f"{_NAMES[name]}: alpha {alpha:g}: length", estimate(length[alpha])))
            facts.append((f"{_NAMES[name]}: alpha {alpha:g}: mean ri over its length", estimate(ri[alpha])))
        facts.append((f"{_NAMES[name]}: shortest: length", estimate(shortest)))
        facts.append(
            (
                f"{_NAMES[name]}: shortest: mean ri over its length",
                estimate(_along(of.ri[SHORTEST], of.steps[SHORTEST])[:pairs]),
            )
        )
    text = (
        "Section 5: “for alpha close to zero” the minimum is obtained for “those curves which have minimal "
        "length after "
        "the transportation to the input space”. The paper leaves alpha open; here it is "
        f"{plan.alpha:g} wherever nothing else is said."
    )
    return Section("Alpha", text, tuple(found), tuple(facts))


def _resolution(
    extra: Mapping[str, dict[str, Tensor]], descents: Mapping[str, dict[str, Tensor]], plan: Plan
) -> Section:
    found: list[Claim] = []
    facts: list[tuple[str, Estimate]] = []
    for name, made in extra.items():
        gap = {k: made[f"{k}/gap"].abs() for k in plan.resolutions}
        coarse, fine = min(gap), max(gap)
        found += [
            Claim(
                f"{_NAMES[name]}: the energy of eq. 3 converges to the audited cost: the gap is smaller at K = {fine} "
                f"than at K = {coarse}",
                paired(gap[fine], gap[coarse]),
                below(0),
            ),
            Claim(f"{_NAMES[name]}: at K = {fine} the gap is below 2 %", estimate(gap[fine]), below(0.02)),
        ]
        facts += [(f"{_NAMES[name]}: gap at K = {k}", estimate(value)) for k, value in gap.items()]
        facts += [(f"{_NAMES[name]}: cost at K = {k}", estimate(made[f"{k}/cost"])) for k in gap]
    for name, made in descents.items():
        found.append(
            Claim(
                f"{_NAMES[name]}: gradient descent with 50 midpoints does not tunnel (share of pairs below 5 %)",
                proportion(made["tunnels"] > 0),
                below(0.05),
            )
        )
        facts.append((f"{_NAMES[name]}: cost after gradient descent", estimate(made["cost"])))
        facts.append((f"{_NAMES[name]}: gap after gradient descent", estimate(made["gap"])))
        facts.append((f"{_NAMES[name]}: evaluations of gradient descent", estimate(made["evaluations"])))
    text = (
        "Equation 3 replaces the integral by its values at the points. The gap is the audited cost over the root "
        "of twice "
        "the energy, less 1; a segment tunnels where it hides more than 1 % of the path's cost behind its ends. "
        "“In all "
        "the experiments in the paper” gradient descent is used, from the straight line; its step size and number of "
        f"steps are not given, so here its step adapts, and it may spend {plan.descents} evaluations."
    )
    return Section("Discretisation and solver", text, tuple(found), tuple(facts))


def tally(sections: Sequence[Section]) -> dict[str, int]:
    """How many claims have which verdict."""
    counts = {"holds": 0, "does not hold": 0, "not decided": 0}
    for section in sections:
        for claim in section.claims:
            counts[claim.verdict] += 1
    return counts
