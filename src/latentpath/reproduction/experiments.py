r"""What is solved and measured for each model: jobs that depend on the plan alone, some pairs at a time.

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
apart        how far the decoded path leaves the decoded line, from the curves of the main job
============ =================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..audit import Audit
from ..curves import lerp, slerp
from ..evaluate import Source
from ..index import ClassifierIndex, DiscriminatorIndex, KNNIndex, RealismIndex, TypicalityIndex
from ..interpolate import interpolate, points_at_once
from ..models import Model
from ..models.metrics.features import feature_network
from ..models.registry import digit_classifier
from ..path import Path
from ..solvers import GradientDescent, Outcome, Problem
from .plan import Plan

__all__ = [
    "KINDS",
    "SHORTEST",
    "Told",
    "alphas",
    "apart",
    "curves",
    "descents",
    "expected",
    "index_names",
    "indices",
    "main",
    "resolutions",
]

LINE, SLERP, PATH, SHORTEST = "straight line", "slerp", "path", "shortest"
KINDS = (LINE, SLERP, PATH, SHORTEST)
"""The curves of the main job."""

Told = Callable[[float], None]
"""Called with the share of a job that is done."""

_REFERENCES = 5_000
_MEASURED = ("latents", "ri", "steps", "cost", "length", "gap", "tunnels")
_SOLVED = ("evaluations", "outcome")


def expected(experiment: str, plan: Plan, others: Sequence[str] = ()) -> set[str]:
    """The names of the tensors of a job; ``others`` are the indices of the job "indices"."""

    def of(prefixes: Sequence[str], facts: Sequence[str]) -> set[str]:
        return {f"{prefix}/{fact}" for prefix in prefixes for fact in facts}

    if experiment == "main":
        return of(KINDS, _MEASURED) | of((PATH, SHORTEST), _SOLVED)
    if experiment == "alpha":
        return of([f"{alpha:g}" for alpha in plan.alphas], _MEASURED + _SOLVED)
    if experiment == "resolution":
        return of([f"{segments}" for segments in plan.resolutions], _MEASURED[1:] + _SOLVED)
    if experiment == "indices":
        return of(others, _MEASURED + _SOLVED)
    return {"apart"} if experiment == "apart" else {*_MEASURED, *_SOLVED}


def curves(start: Tensor, end: Tensor, segments: int) -> dict[str, Tensor]:
    """The baselines, by name."""
    return {LINE: lerp(start, end, segments), SLERP: slerp(start, end, segments)}


def _even_price(latents: Tensor) -> Tensor:
    """Every point as dear as every other: the limit of equation 3, divided by log alpha squared, as alpha goes to 0."""
    return latents.new_full(latents.shape[:-1], -1.0)


def _facts(source: Source, latents: Tensor, audit: Audit | None = None) -> dict[str, Tensor]:
    found = source.audit(latents) if audit is None else audit
    return {
        "latents": latents,
        "ri": source.ri(latents),
        "steps": found.steps,
        "cost": found.cost,
        "length": found.length,
        "gap": found.gap,
        "tunnels": found.tunnels.sum(-1),
    }


def _solve_facts(path: Path) -> dict[str, Tensor]:
    return {"evaluations": path.evaluations, "outcome": torch.tensor([int(each) for each in path.outcome])}


def _named(name: str, facts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{name}/{key}": value for key, value in facts.items()}


def main(model: Model, index: RealismIndex, start: Tensor, end: Tensor, plan: Plan, tell: Told) -> dict[str, Tensor]:
    """All four kinds of curve between ``start`` and ``end`` ``(B, D)``, and what each measures."""
    options = {"segments": plan.segments, "tol": plan.tol, "progress": False}
    path = interpolate(model.generator, index, start, end, **options)  # type: ignore[arg-type]
    tell(0.45)
    shortest = interpolate(model.generator, _even_price, start, end, **options)  # type: ignore[arg-type]
    tell(0.9)
    assert path.source is not None
    found = _named(PATH, _facts(path.source, path.latents, path.audit) | _solve_facts(path))
    found |= _named(SHORTEST, _facts(path.source, shortest.latents) | _solve_facts(shortest))
    for kind, latents in curves(start, end, plan.segments).items():
        found |= _named(kind, _facts(path.source, latents))
    tell(1.0)
    return found


def alphas(model: Model, start: Tensor, end: Tensor, plan: Plan, tell: Told) -> dict[str, Tensor]:
    """The path at every alpha of the plan; cost at that alpha, ``ri`` without it."""
    found: dict[str, Tensor] = {}
    for i, alpha in enumerate(plan.alphas):
        index = RealismIndex(model.prior, alpha=alpha)
        path = interpolate(model.generator, index, start, end, segments=plan.segments, tol=plan.tol, progress=False)
        assert path.source is not None
        found |= _named(f"{alpha:g}", _facts(path.source, path.latents, path.audit) | _solve_facts(path))
        tell((i + 1) / len(plan.alphas))
    return found


def resolutions(
    model: Model, index: RealismIndex, start: Tensor, end: Tensor, plan: Plan, tell: Told
) -> dict[str, Tensor]:
    """The path at every number of segments of the plan: the audit compares equation 3 with the true cost."""
    found: dict[str, Tensor] = {}
    for i, segments in enumerate(plan.resolutions):
        path = interpolate(model.generator, index, start, end, segments=segments, tol=plan.tol, progress=False)
        assert path.source is not None
        facts = _facts(path.source, path.latents, path.audit) | _solve_facts(path)
        found |= _named(f"{segments}", {key: value for key, value in facts.items() if key != "latents"})
        tell((i + 1) / len(plan.resolutions))
    return found


def descents(
    model: Model, index: RealismIndex, start: Tensor, end: Tensor, plan: Plan, tell: Told
) -> dict[str, Tensor]:
    """Gradient descent on equation 3 from the straight line, without the audit that `interpolate` lets in."""
    most = points_at_once(start.device, model.generator(start[:1]).numel())
    problem, solver = Problem(model.generator, index, None, most), GradientDescent(plan.tol)
    state = solver.init(problem, lerp(start, end, plan.segments))
    while len(state.running) and float(state.evaluations.max()) < plan.descents:
        state = solver.step(problem, state)
        if state.iteration % 20 == 0:
            tell(min(1.0, float(state.evaluations.max()) / plan.descents))
    outcome = torch.where(state.outcome == Outcome.RUNNING, int(Outcome.BUDGET_SPENT), state.outcome)
    source = Source(model.generator, index, None, most)
    return _facts(source, state.latents) | {"evaluations": state.evaluations, "outcome": outcome}


@torch.no_grad()
def apart(model: Model, line: Tensor, path: Tensor, tell: Told) -> dict[str, Tensor]:
    """The largest distance of a frame of the path from the decoded line, over that of the end frames, ``(B,)``.

    Args:
        model: that both are of.
        line: ``(B, P, D)``; decoded and joined by straight segments.
        path: ``(B, P, D)``, between the same ends.
        tell: of progress.
    """
    found = []
    for k, both in enumerate(zip(line, path, strict=True)):
        corners, frames = (model.generator(points).flatten(1).double().cpu() for points in both)
        found.append(_from_polyline(frames, corners).amax() / (corners[-1] - corners[0]).norm())
        tell((k + 1) / len(line))
    return {"apart": torch.stack(found)}


def _from_polyline(points: Tensor, corners: Tensor) -> Tensor:
    """The distance of points ``(P, M)`` from the nearest of the segments that join ``corners`` ``(Q, M)``: ``(P,)``."""
    squares = torch.cdist(points, corners, compute_mode="donot_use_mm_for_euclid_dist").square()
    sides = corners.diff(dim=0).square().sum(1)
    along = (squares[:, :-1] - squares[:, 1:] + sides) / 2
    share = (along / sides.clamp_min(torch.finfo(sides.dtype).tiny)).clamp(0, 1)
    nearest: Tensor = (squares[:, :-1] - 2 * share * along + share.square() * sides).amin(1)
    return nearest.clamp_min(0).sqrt()


def index_names(model: Model, real: Tensor | None) -> list[str]:
    """The other indices that there are for ``model``, sorted."""
    there = {"discriminator": model.discriminator is not None, "neighbours": real is not None}
    return [name for name in ("classifier", "discriminator", "neighbours", "typicality") if there.get(name, True)]


def indices(model: Model, real: Tensor | None, start: Tensor, end: Tensor, plan: Plan, tell: Told) -> dict[str, Tensor]:
    """The path by every other index there is for ``model``; ``ri`` and cost of each by its own index.

    Args:
        model: of digits, with a discriminator.
        real: training images, ``uint8 (N, 1, 28, 28)``, for the neighbours' index; None leaves it out.
        start: ``(B, D)``.
        end: ``(B, D)``.
        plan: the settings.
        tell: of progress.
    """
    makers: dict[str, Callable[[], RealismIndex | TypicalityIndex | DiscriminatorIndex | ClassifierIndex | KNNIndex]]
    generator = model.generator
    how: dict[str, Any] = {"alpha": plan.alpha, "samples": plan.index_samples, "seed": plan.seed}
    makers = {"typicality": partial(TypicalityIndex, model.prior, **how)}
    if "discriminator" in index_names(model, real):
        assert model.discriminator is not None
        makers["discriminator"] = partial(DiscriminatorIndex, generator, model.discriminator, model.prior, **how)
    makers["classifier"] = partial(ClassifierIndex, generator, digit_classifier(), model.prior, **how)
    if real is not None:
        features, _ = feature_network(model, tuple(real.shape[1:]))
        chosen = real[torch.randperm(len(real), generator=torch.Generator().manual_seed(plan.seed))[:_REFERENCES]]
        makers["neighbours"] = partial(KNNIndex, generator, model.prior, 2 * chosen.float() / 255 - 1, features, **how)
    found: dict[str, Tensor] = {}
    for i, (name, make) in enumerate(makers.items()):
        path = interpolate(
            generator,
            make(),
            start,
            end,
            segments=plan.segments,
            tol=plan.index_tol,
            max_evaluations=plan.index_evaluations,
            progress=False,
        )
        assert path.source is not None
        found |= _named(name, _facts(path.source, path.latents, path.audit) | _solve_facts(path))
        tell((i + 1) / len(makers))
    return found
