"""The paper's claims on straight lines and paths: semicircle prior, steps and length, normal prior, auto-encoder."""

from collections.abc import Mapping

from torch import Tensor

from ..config import FACES, GANS, MODEL_TITLES, MODELS, NORMAL, SEMICIRCLE, WAE
from ..results import LINE, PATH, ModelResult
from ..statistics import estimate, paired, unpaired
from .sections import Fact, Section, middle, model_claim, ri_gain_over_length, saved_share, share_of_points
from .verdicts import Claim, above, below, within

_OUTSIDE = 0.05  # the level of ri that 5 % of the prior's own samples are below


def _mean_ri_claim(result: ModelResult) -> Claim:
    difference = paired(result.ri[PATH].mean(1), result.ri[LINE].mean(1))
    return model_claim(result.name, "the path's mean ri is above the line's", difference, above(0), "ri")


def semicircle(results: Mapping[str, ModelResult]) -> Section:
    """The claims on models with the semicircle prior."""
    claims: list[Claim] = []
    chosen = [results[name] for name in SEMICIRCLE if name in results]
    for result in chosen:
        name, path, line = result.name, result.ri[PATH], result.ri[LINE]
        outside = {kind: (result.ri[kind][:, 1:-1] < _OUTSIDE).double().mean(1) for kind in (LINE, PATH)}
        lowest = "the path's lowest ri is above the line's"
        claims += [
            _mean_ri_claim(result),
            model_claim(
                name, f"{lowest} (over the midpoints)", paired(path[:, 1:-1].amin(1), line[:, 1:-1].amin(1)), above(0)
            ),
            model_claim(
                name,
                f"{lowest} (over the middle three fifths of the midpoints)",
                paired(middle(path).amin(1), middle(line).amin(1)),
                above(0),
            ),
            Claim(
                f"{MODEL_TITLES[name]}: the line leaves the prior, the path does not (share of midpoints where "
                "ri < 0.05, the level that 5 % of the prior's own samples are below)",
                parts=(
                    Claim("share of the line's midpoints, above 0.05", share_of_points(outside[LINE]), above(_OUTSIDE)),
                    Claim("share of the path's midpoints, below 0.05", share_of_points(outside[PATH]), below(_OUTSIDE)),
                ),
                topic="leaves",
                model=name,
            ),
        ]
    text = (
        "Section 6: the midpoints of the straight line come “from a very low-density area, completely outside the "
        "prior”, and the path's images are “more real, as evidenced by” ri. ri is averaged over the points of each "
        "curve as in the paper's Figure 5. The path's speed is constant in the metric, so that its points are the "
        "closer to each other the lower ri is; the mean over the length of the decoded curve is given too."
    )
    return Section("Semicircle prior", text, tuple(claims), tuple(map(ri_gain_over_length, chosen)))


def steps(results: Mapping[str, ModelResult]) -> Section:
    """The claims on the steps of the paths, and on their length."""
    claims: list[Claim] = []
    facts: list[Fact] = []
    for result in (results[name] for name in MODELS if name in results):
        name = result.name
        varied = {kind: result.steps[kind].std(1) / result.steps[kind].mean(1) for kind in (LINE, PATH)}
        if name in GANS:
            text = "the path's L2 steps vary more than the line's (deviation over mean)"
            claims.append(model_claim(name, text, paired(varied[PATH], varied[LINE]), above(0), "steps"))
        text = "the decoded path is shorter than the decoded line (relative change of length)"
        change = estimate(result.length[PATH] / result.length[LINE] - 1)
        claims.append(model_claim(name, text, change, below(0), "length"))
        facts.append((f"{MODEL_TITLES[name]}: deviation over mean of the line's steps", estimate(varied[LINE])))
    text = (
        "Section 6: “in the linear case the consecutive points usually have similar L2 distances. Our method "
        "allows for more dynamic behaviour, especially at the end points.” The paper does not say what happens to the "
        "total length."
    )
    return Section("Steps and length", text, tuple(claims), tuple(facts))


def normal(results: Mapping[str, ModelResult]) -> Section:
    """The claims on models with the normal prior."""
    claims: list[Claim] = []
    facts: list[Fact] = []
    for result in (results[name] for name in NORMAL if name in results):
        inner, title = middle(result.ri[LINE]), f"{MODEL_TITLES[result.name]} (D = {result.curves[PATH].shape[-1]})"
        claims += [
            model_claim(
                result.name,
                "ri of the line is nearly constant away from its ends (its standard deviation over the middle three "
                "fifths of a line's points, averaged over the lines, is below 0.05)",
                estimate(inner.std(1)),
                below(0.05),
                "constant",
                title,
            ),
            _mean_ri_claim(result),
            model_claim(
                result.name,
                "the path gains little in ri (mean over the points, by at most 0.05)",
                paired(result.ri[PATH].mean(1), result.ri[LINE].mean(1)),
                within(0.05),
                title=title,
            ),
        ]
        facts += [(f"{title}: ri in the middle of the line", estimate(inner.mean(1))), ri_gain_over_length(result)]
    text = (
        "Section 5: with a normal prior in high dimension “the realism index is almost constant on a linear "
        "interpolation of arbitrary randomly chosen points, except for a possibly small neighbourhood of the "
        "endpoints”. How high the dimension D of the latents is stands with each model."
    )
    return Section("Normal prior", text, tuple(claims), tuple(facts))


def _distance_in_latents(result: ModelResult) -> Tensor:
    """The largest distance of the path's points from the line, over the distance of the pair, ``(B,)``, in latents."""
    path = result.curves[PATH].double()
    start, chord = path[:, :1], path[:, -1:] - path[:, :1]
    along = ((path - start) * chord).sum(-1, keepdim=True) / chord.square().sum(-1, keepdim=True)
    off = path - start - along.clamp(0, 1) * chord
    ratio: Tensor = off.norm(dim=-1).amax(1) / chord[:, 0].norm(dim=-1)
    return ratio


def auto_encoder(results: Mapping[str, ModelResult], apart: Mapping[str, dict[str, Tensor]]) -> Section:
    """The claims on the Wasserstein auto-encoder, in latents and, given the job "apart", in images."""
    ratios = {"latents": {name: _distance_in_latents(result) for name, result in results.items()}}
    if apart:
        ratios["images"] = {name: tensors["apart"] for name, tensors in apart.items()}
    text = (
        "Section 6: for a Wasserstein auto-encoder “the learned interpolation does not differ much from its linear "
        "counterpart”, and ri of the latter “is rather high to begin with”. How far the path leaves the line is "
        "measured twice, in latents and in images; the GANs that it is compared with are those of the same faces."
    )
    if WAE not in results:
        return Section("Auto-encoder", text, ())
    gans = [results[name] for name in FACES if name in results and name != WAE]
    claims = [*_agreement(results[WAE], ratios), *(c for gan in gans for c in _against(results[WAE], gan, ratios))]
    facts: list[Fact] = []
    for name, result in results.items():
        facts += [
            (
                f"{MODEL_TITLES[name]}: largest distance from the line over that of the endpoints, in {space}",
                estimate(ratio[name]),
            )
            for space, ratio in ratios.items()
        ]
        facts.append(
            (f"{MODEL_TITLES[name]}: share of the line's cost that the path saves", estimate(saved_share(result)))
        )
    return Section("Auto-encoder", text, tuple(claims), (*facts, ri_gain_over_length(results[WAE])))


def _agreement(wae: ModelResult, ratios: Mapping[str, Mapping[str, Tensor]]) -> list[Claim]:
    return [
        *(
            Claim(
                f"path and line nearly agree in {space} (the path's largest distance from the line is below a tenth of "
                "the distance of the endpoints)",
                estimate(ratio[WAE]),
                below(0.1),
                topic=f"agrees in {space}",
                model=WAE,
            )
            for space, ratio in ratios.items()
        ),
        Claim(
            "the ri of the line is high already (its mean over the points is above 0.5, that of the prior's samples)",
            estimate(wae.ri[LINE].mean(1)),
            above(0.5),
            topic="high",
            model=WAE,
        ),
        _mean_ri_claim(wae),
    ]


def _against(wae: ModelResult, gan: ModelResult, ratios: Mapping[str, Mapping[str, Tensor]]) -> list[Claim]:
    title = MODEL_TITLES[gan.name]
    nearer = "the path of the auto-encoder is nearer to the line than that of the GAN"
    cheaper = "the path of the auto-encoder saves a smaller share of the cost than that of the GAN"
    return [
        *(
            Claim(f"{nearer}, in {space} ({title})", unpaired(ratio[WAE], ratio[gan.name]), below(0))
            for space, ratio in ratios.items()
        ),
        Claim(f"{cheaper} ({title})", unpaired(saved_share(wae), saved_share(gan)), below(0)),
    ]
