"""The paper's claims on lines and paths, each with what was measured, the rule that decides it, and so its verdict.

Every rule is fixed here, before anything is measured. Where the paper says "nearly" or "in general", the margin is
ours, and stands in the claim's text. Those on alpha, equation 3 and the solver are in `limits`.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ..config import FACES, GANS, MODELS, NORMAL, SEMICIRCLE, WAE, Plan
from ..jobs import LINE, PATH
from ..results import Solved
from ..statistics import Estimate, estimate, paired, unpaired
from .sections import NAMES, Section, by_length, gain, middle, share, with_dimension
from .solver import alpha, resolution
from .verdicts import Claim, above, below, within

__all__ = ["claims"]

_OUTSIDE = 0.05


def claims(
    solved: Mapping[str, Solved], extra: Mapping[str, Mapping[str, dict[str, Tensor]]], plan: Plan
) -> list[Section]:
    """Every claim that can be tested on what was solved.

    Args:
        solved: the main pairs, by model.
        extra: tensors of the other experiments ("apart", "alpha", "resolution", "descent"), by experiment and model.
        plan: the settings.
    """
    return [
        _semicircle({name: solved[name] for name in SEMICIRCLE if name in solved}),
        _steps({name: solved[name] for name in MODELS if name in solved}),
        _normal({name: solved[name] for name in NORMAL if name in solved}),
        _auto_encoder(solved, extra.get("apart", {})),
        alpha(solved, extra.get("alpha", {}), plan),
        resolution(solved, extra.get("resolution", {}), extra.get("descent", {}), plan),
    ]


def _likelier(of: Solved) -> Claim:
    return Claim(
        f"{NAMES[of.name]}: the path's mean ri is above the line's",
        paired(of.ri[PATH].mean(1), of.ri[LINE].mean(1)),
        above(0),
        topic="ri",
        of=of.name,
    )


def _semicircle(solved: Mapping[str, Solved]) -> Section:
    found: list[Claim] = []
    for name, of in solved.items():
        outside = {kind: (of.ri[kind][:, 1:-1] < _OUTSIDE).double().mean(1) for kind in (LINE, PATH)}
        found += [
            _likelier(of),
            Claim(
                f"{NAMES[name]}: the path's lowest ri is above the line's (over the midpoints)",
                paired(of.ri[PATH][:, 1:-1].amin(1), of.ri[LINE][:, 1:-1].amin(1)),
                above(0),
            ),
            Claim(
                f"{NAMES[name]}: the path's lowest ri is above the line's (over the middle three fifths of the "
                "midpoints)",
                paired(middle(of.ri[PATH]).amin(1), middle(of.ri[LINE]).amin(1)),
                above(0),
            ),
            Claim(
                f"{NAMES[name]}: the line leaves the prior, the path does not (share of midpoints where ri < 0.05, "
                "the level that 5 % of the prior's own samples are below)",
                parts=(
                    Claim("share of the line's midpoints, above 0.05", share(outside[LINE]), above(_OUTSIDE)),
                    Claim("share of the path's midpoints, below 0.05", share(outside[PATH]), below(_OUTSIDE)),
                ),
                topic="leaves",
                of=name,
            ),
        ]
    text = (
        "Section 6: the midpoints of the straight line come “from a very low-density area, completely outside the "
        "prior”, and the path's images are “more real, as evidenced by” ri. ri is averaged over the points of each "
        "curve as in the paper's Figure 5. The path's speed is constant in the metric, so that its points are the "
        "closer to each other the lower ri is; the mean over the length of the decoded curve is given too."
    )
    return Section("Semicircle prior", text, tuple(found), tuple(map(by_length, solved.values())))


def _steps(solved: Mapping[str, Solved]) -> Section:
    found: list[Claim] = []
    facts: list[tuple[str, Estimate]] = []
    for name, of in solved.items():
        varied = {kind: of.steps[kind].std(1) / of.steps[kind].mean(1) for kind in (LINE, PATH)}
        if name in GANS:
            found.append(
                Claim(
                    f"{NAMES[name]}: the path's L2 steps vary more than the line's (deviation over mean)",
                    paired(varied[PATH], varied[LINE]),
                    above(0),
                    topic="steps",
                    of=name,
                )
            )
        found.append(
            Claim(
                f"{NAMES[name]}: the decoded path is shorter than the decoded line (relative change of length)",
                estimate(of.length[PATH] / of.length[LINE] - 1),
                below(0),
                topic="length",
                of=name,
            )
        )
        facts.append((f"{NAMES[name]}: deviation over mean of the line's steps", estimate(varied[LINE])))
    text = (
        "Section 6: “in the linear case the consecutive points usually have similar L2 distances. Our method "
        "allows for more dynamic behaviour, especially at the end points.” The paper does not say what happens to the "
        "total length."
    )
    return Section("Steps and length", text, tuple(found), tuple(facts))


def _normal(solved: Mapping[str, Solved]) -> Section:
    found: list[Claim] = []
    facts: list[tuple[str, Estimate]] = []
    for of in solved.values():
        inner, name = middle(of.ri[LINE]), with_dimension(of)
        found += [
            Claim(
                f"{name}: ri of the line is nearly constant away from its ends (its standard deviation over the middle "
                "three fifths of a line's points, averaged over the lines, is below 0.05)",
                estimate(inner.std(1)),
                below(0.05),
                topic="constant",
                of=of.name,
            ),
            _likelier(of),
            Claim(
                f"{name}: the path gains little in ri (mean over the points, by at most 0.05)",
                paired(of.ri[PATH].mean(1), of.ri[LINE].mean(1)),
                within(0.05),
            ),
        ]
        facts.append((f"{name}: ri in the middle of the line", estimate(inner.mean(1))))
        facts.append(by_length(of))
    text = (
        "Section 5: with a normal prior in high dimension “the realism index is almost constant on a linear "
        "interpolation of arbitrary randomly chosen points, except for a possibly small neighbourhood of the "
        "endpoints”. How high the dimension D of the latents is stands with each model."
    )
    return Section("Normal prior", text, tuple(found), tuple(facts))


def _apart(of: Solved) -> Tensor:
    """The largest distance of the path's points from the line, over the distance of the pair, ``(B,)``, in latents."""
    path, start = of.curves[PATH].double(), of.curves[PATH][:, :1].double()
    way = of.curves[PATH][:, -1:].double() - start
    along = ((path - start) * way).sum(-1, keepdim=True) / way.square().sum(-1, keepdim=True)
    off = path - start - along.clamp(0, 1) * way
    ratio: Tensor = off.norm(dim=-1).amax(1) / way[:, 0].norm(dim=-1)
    return ratio


def _auto_encoder(solved: Mapping[str, Solved], apart: Mapping[str, dict[str, Tensor]]) -> Section:
    found: list[Claim] = []
    facts: list[tuple[str, Estimate]] = []
    spaces = {"latents": {name: _apart(of) for name, of in solved.items()}}
    if apart:
        spaces["images"] = {name: made["apart"] for name, made in apart.items()}
    if WAE in solved:
        of = solved[WAE]
        found = [
            *(
                Claim(
                    f"path and line nearly agree in {space} (the path's largest distance from the line is below a "
                    "tenth of the distance of the endpoints)",
                    estimate(ratio[WAE]),
                    below(0.1),
                    topic=f"agrees in {space}",
                    of=WAE,
                )
                for space, ratio in spaces.items()
            ),
            Claim(
                "the ri of the line is high already (its mean over the points is above 0.5, that of the prior's "
                "samples)",
                estimate(of.ri[LINE].mean(1)),
                above(0.5),
                topic="high",
                of=WAE,
            ),
            _likelier(of),
        ]
        for name in (name for name in FACES if name in solved and name != WAE):
            found += [
                Claim(
                    f"the path of the auto-encoder is nearer to the line than that of the GAN, in {space} "
                    f"({NAMES[name]})",
                    unpaired(ratio[WAE], ratio[name]),
                    below(0),
                )
                for space, ratio in spaces.items()
            ]
            found.append(
                Claim(
                    "the path of the auto-encoder saves a smaller share of the cost than that of the GAN "
                    f"({NAMES[name]})",
                    unpaired(gain(of), gain(solved[name])),
                    below(0),
                )
            )
        for name, each in solved.items():
            facts += [
                (
                    f"{NAMES[name]}: largest distance from the line over that of the endpoints, in {space}",
                    estimate(r[name]),
                )
                for space, r in spaces.items()
            ]
            facts.append((f"{NAMES[name]}: share of the line's cost that the path saves", estimate(gain(each))))
        facts.append(by_length(of))
    text = (
        "Section 6: for a Wasserstein auto-encoder “the learned interpolation does not differ much from its linear "
        "counterpart”, and ri of the latter “is rather high to begin with”. How far the path leaves the line is "
        "measured twice, in latents and in images; the GANs that it is compared with are those of the same faces."
    )
    return Section("Auto-encoder", text, tuple(found), tuple(facts))
