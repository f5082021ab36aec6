r"""The jobs: what is solved and measured for each model.

============ =================================================================================================
job          for every pair
============ =================================================================================================
main         straight line, slerp, path, and the curve that is shortest in data space (the limit
             :math:`\alpha \to 0`, where every point has one price), each audited
alpha        the path at other alphas
resolution   the path at other numbers of segments: equation 3 against the audited cost
descent      the paper's setting: gradient descent on equation 3 from the straight line, 50 midpoints, and
             nothing else, audited afterwards
indices      the path by other indices than the density's
apart        the distance of the decoded path from the decoded line, from the curves of the main job
recommended  the path by the model's recommended recipe (`latentpath.paper.recipe_jobs`)
front        the path by that recipe at other alphas and mus (`latentpath.paper.recipe_jobs`)
============ =================================================================================================

A job takes the two sides of the pairs, ``(B, D)`` each, and a function that it tells the share that is done.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..audit import Audit
from ..curves import lerp, slerp
from ..index import ClassifierIndex, DiscriminatorIndex, KNNIndex, RealismIndex, TypicalityIndex
from ..interpolate import interpolate, points_at_once
from ..models import Model
from ..models.metrics.features import feature_network
from ..models.registry import digit_classifier
from ..path import Path
from ..solvers import GradientDescent, Objective, Outcome
from ..source import Source
from .config import Config
from .results import KINDS, LINE, PATH, SHORTEST, SLERP

ReportShare = Callable[[float], None]  # a function that takes the share of a job that is done
SOLVER_FACTS = ("outcome", "evaluations", "tunnels", "gap")  # the tensors of a job that tell how a path was solved
RECIPE_FACTS = ("latents", "length", "evaluations", "outcome")  # the tensors of a path by a recipe
_REFERENCES = 5_000  # real images that the neighbours' index compares with
_MEASUREMENTS = ("latents", "ri", "steps", "cost", "length", "gap", "tunnels")
_SOLVER = ("evaluations", "outcome")


def expected_keys(job: str, config: Config, solves: Sequence[str] = ()) -> set[str]:
    """The names of the tensors of a job; ``solves`` are the indices of "indices", the points of "front"."""

    def keys(prefixes: Sequence[object], names: Sequence[str]) -> set[str]:
        return {f"{prefix}/{name}" for prefix in prefixes for name in names}

    solved = _MEASUREMENTS + _SOLVER
    match job:
        case "main":
            return keys(KINDS, _MEASUREMENTS) | keys((PATH, SHORTEST), _SOLVER)
        case "alpha":
            return keys([f"{alpha:g}" for alpha in config.alphas], solved)
        case "resolution":
            return keys(config.resolutions, solved[1:])
        case "indices":
            return keys(solves, solved)
        case "apart":
            return {"apart"}
        case "recommended":
            return set(RECIPE_FACTS)
        case "front":
            return keys(solves, RECIPE_FACTS)
    return set(solved)


def _constant_price(latents: Tensor) -> Tensor:
    """The log index -1 at every point: equation 3 divided by ``log alpha`` squared, in the limit of alpha to 0."""
    return latents.new_full(latents.shape[:-1], -1.0)


def _measured(source: Source, latents: Tensor, audit: Audit | None = None) -> dict[str, Tensor]:
    """The measurements of curves ``(B, K+1, D)``; they are audited unless ``audit`` is given."""
    audit = source.audit(latents) if audit is None else audit
    return {
        "latents": latents,
        "ri": source.ri(latents),
        "steps": audit.step_lengths,
        "cost": audit.cost,
        "length": audit.length,
        "gap": audit.gap,
        "tunnels": audit.tunnels.sum(-1),
    }


def _solver_facts(path: Path) -> dict[str, Tensor]:
    return {"evaluations": path.evaluations, "outcome": torch.tensor([outcome.code for outcome in path.outcome])}


def _solved(model: Model, index: Any, start: Tensor, end: Tensor, **options: Any) -> dict[str, Tensor]:
    path = interpolate(model.generator, index, start, end, progress=False, **options)
    assert path.source is not None
    return _measured(path.source, path.latents, path.audit) | _solver_facts(path)


def _prefixed(name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{name}/{key}": value for key, value in tensors.items()}


def _all_solved(solves: Mapping[str, Callable[[], dict[str, Tensor]]], report: ReportShare) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for i, (name, solve) in enumerate(solves.items()):
        found |= _prefixed(name, solve())
        report((i + 1) / len(solves))
    return found


def main(
    model: Model, index: RealismIndex, start: Tensor, end: Tensor, config: Config, report: ReportShare
) -> dict[str, Tensor]:
    """All four kinds of curve between ``start`` and ``end`` ``(B, D)``, and their measurements by ``index``."""
    options: dict[str, Any] = {"segments": config.segments, "tol": config.tol, "progress": False}
    path = interpolate(model.generator, index, start, end, **options)
    report(0.45)
    shortest = interpolate(model.generator, _constant_price, start, end, **options)
    report(0.9)
    assert path.source is not None
    found = _prefixed(PATH, _measured(path.source, path.latents, path.audit) | _solver_facts(path))
    found |= _prefixed(SHORTEST, _measured(path.source, shortest.latents) | _solver_facts(shortest))
    for kind, baseline in ((LINE, lerp), (SLERP, slerp)):
        found |= _prefixed(kind, _measured(path.source, baseline(start, end, config.segments)))
    report(1.0)
    return found


def alphas(model: Model, start: Tensor, end: Tensor, config: Config, report: ReportShare) -> dict[str, Tensor]:
    """The path at every alpha of the settings; its cost at that alpha, its ``ri`` without."""
    index_of = partial(RealismIndex, model.prior)
    options = {"segments": config.segments, "tol": config.tol}
    solves = {f"{a:g}": partial(_solved, model, index_of(alpha=a), start, end, **options) for a in config.alphas}
    return _all_solved(solves, report)


def resolutions(
    model: Model, index: RealismIndex, start: Tensor, end: Tensor, config: Config, report: ReportShare
) -> dict[str, Tensor]:
    """The path at every number of segments of the settings: the audit compares equation 3 with the true cost."""
    solves = {
        str(segments): partial(_solved, model, index, start, end, segments=segments, tol=config.tol)
        for segments in config.resolutions
    }
    found = _all_solved(solves, report)
    return {key: value for key, value in found.items() if not key.endswith("/latents")}


def descents(
    model: Model, index: RealismIndex, start: Tensor, end: Tensor, config: Config, report: ReportShare
) -> dict[str, Tensor]:
    """Gradient descent on equation 3 from the straight line, without the audit that `interpolate` adds."""
    most = points_at_once(start.device, model.generator(start[:1]).numel())
    problem, solver = Objective(model.generator, index, None, most), GradientDescent(config.tol)
    state = solver.init(problem, lerp(start, end, config.segments))
    while len(state.running) and float(state.evaluations.max()) < config.descents:
        state = solver.step(problem, state)
        if state.iteration % 20 == 0:
            report(min(1.0, float(state.evaluations.max()) / config.descents))
    outcome = torch.where(state.outcome == Outcome.RUNNING.code, Outcome.BUDGET_SPENT.code, state.outcome)
    source = Source(model.generator, index, None, most)
    return _measured(source, state.latents) | {"evaluations": state.evaluations, "outcome": outcome}


@torch.no_grad()
def apart(model: Model, line: Tensor, path: Tensor, report: ReportShare) -> dict[str, Tensor]:
    """The largest distance of a frame of the path from the decoded line, over that of the end frames, ``(B,)``.

    ``line`` and ``path`` are ``(B, P, D)``, with the same ends; straight segments join the decoded points of the line.
    """
    found = []
    for k, both in enumerate(zip(line, path, strict=True)):
        corners, frames = (model.generator(points).flatten(1).double().cpu() for points in both)
        found.append(_distance_to_polyline(frames, corners).amax() / (corners[-1] - corners[0]).norm())
        report((k + 1) / len(line))
    return {"apart": torch.stack(found)}


def _distance_to_polyline(points: Tensor, corners: Tensor) -> Tensor:
    """The distance of points ``(P, M)`` from the nearest of the segments that join ``corners`` ``(Q, M)``: ``(P,)``."""
    squares = torch.cdist(points, corners, compute_mode="donot_use_mm_for_euclid_dist").square()
    sides = corners.diff(dim=0).square().sum(1)
    along = (squares[:, :-1] - squares[:, 1:] + sides) / 2
    share = (along / sides.clamp_min(torch.finfo(sides.dtype).tiny)).clamp(0, 1)
    nearest: Tensor = (squares[:, :-1] - 2 * share * along + share.square() * sides).amin(1)
    return nearest.clamp_min(0).sqrt()


def index_names(model: Model, real: Tensor | None) -> list[str]:
    """The other indices available for ``model``, sorted."""
    available = {"discriminator": model.discriminator is not None, "neighbours": real is not None}
    return [name for name in ("classifier", "discriminator", "neighbours", "typicality") if available.get(name, True)]


def indices(
    model: Model, real: Tensor | None, start: Tensor, end: Tensor, config: Config, report: ReportShare
) -> dict[str, Tensor]:
    """The path by every other index available for ``model``; ``ri`` and cost of each by its own index.

    ``real`` are training images, ``uint8 (N, 1, 28, 28)``, for the neighbours' index; None leaves it out.
    """
    prior, generator = model.prior, model.generator
    how: dict[str, Any] = {"alpha": config.alpha, "samples": config.index_samples, "seed": config.seed}
    makers: dict[str, Callable[[], object]] = {"typicality": partial(TypicalityIndex, prior, **how)}
    if model.discriminator is not None:
        makers["discriminator"] = partial(
            DiscriminatorIndex, prior, generator=generator, discriminator=model.discriminator, **how
        )
    makers["classifier"] = partial(ClassifierIndex, prior, generator=generator, classifier=digit_classifier(), **how)
    if real is not None:
        features, _ = feature_network(model, tuple(real.shape[1:]))
        chosen = real[torch.randperm(len(real), generator=torch.Generator().manual_seed(config.seed))[:_REFERENCES]]
        references = 2 * chosen.float() / 255 - 1
        makers["neighbours"] = partial(
            KNNIndex, prior, generator=generator, references=references, features=features, **how
        )
    options = {"segments": config.segments, "tol": config.index_tol, "max_evaluations": config.index_evaluations}

    def solve(make: Callable[[], object]) -> dict[str, Tensor]:
        return _solved(model, make(), start, end, **options)

    return _all_solved({name: partial(solve, make) for name, make in makers.items()}, report)
