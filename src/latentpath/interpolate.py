"""The main entry: validates arguments, lowers the energy of straight lines, audits, and returns a `Path`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, Literal, SupportsFloat, SupportsIndex

import torch
from torch import Tensor

from ._progress import Report, progress_bar
from ._validate import agreed, describe, real_number, whole_number
from ._words import counted
from .audit import Audit
from .callables import without_autocast
from .curves import lerp
from .decoding import Embed, Generator
from .errors import InputError, SolveError
from .index import PriorIndex
from .index.factors import with_targets
from .interpolate_arguments import (
    GenerativeModel,
    check_endpoints,
    check_generator,
    scaled_embed,
)
from .method import Method, problem_of
from .path import Path
from .ruler import Ruler
from .solvers import (
    LBFGS,
    Adam,
    Callback,
    Coordinates,
    GradientDescent,
    Multilevel,
    Multistart,
    Objective,
    Outcome,
    Progress,
    Restarts,
    Solver,
    State,
    search,
    solve_audited,
    solve_bounded,
)
from .solvers.protocol import Listener
from .source import Source

__all__ = ["check_options", "insist", "interpolate"]

SOLVERS: dict[str, Callable[[float], Solver[Any]]] = {
    "multilevel": Multilevel,
    "lbfgs": LBFGS,
    "adam": Adam,
    "gradient_descent": GradientDescent,
}
_TOL = 1e-3
_BUDGET, _CPU_POINTS, _GPU_POINTS, _VALUES = 1000, 512, 4096, 2**26


def interpolate(
    generator: Generator | GenerativeModel,
    prior: Any = None,
    start: Tensor | None = None,
    end: Tensor | None = None,
    *,
    segments: SupportsIndex = 50,
    alpha: float | None = None,
    embed: Embed = None,
    method: Method | None = None,
    polish: bool = False,
    solver: Solver[Any] | str | None = None,
    tol: SupportsFloat | None = None,
    max_evaluations: SupportsFloat | None = None,
    max_points: SupportsIndex | None = None,
    restarts: SupportsIndex | Literal["auto"] | Restarts | None = None,
    seed: SupportsIndex | None = None,
    strict: bool = False,
    callback: Callback | None = None,
    progress: bool | None = None,
) -> Path:
    r"""Finds the path along which the output of a generator stays realistic (paper, Section 5).

    Call it as ``interpolate(generator, prior, start, end)``, or as ``interpolate(model, start, end)`` with a
    `latentpath.Model`, which knows its prior and its recommended `Recipe`.

    It minimises the energy of equation 3 over the interior points, from the straight line, and so the length in the
    metric :math:`\log^2(\alpha\,ri)\,J^T J` of Theorem 1, and audits the result. All pairs are solved together. Where a
    simplex, a box or half-lines bound the prior's support, the unknowns are unconstrained coordinates of the support;
    segments stay straight in the latents (see `latentpath.solvers.bounded_support`).

    Args:
        generator: latents ``(N, D)`` to data ``(N, ...)``: any deterministic, differentiable callable that treats the
            points of a batch independently; a module must be in eval mode. It runs without the caller's
            ``torch.autocast`` (see `latentpath.callables`); one whose weights are in half precision is given latents in
            their dtype.
        prior: the density of the latents (any `torch.distributions.Distribution` over vectors, or any object with
            ``log_prob`` and ``sample``, such as a flow of nflows or normflows), a `RealismIndex` or
            another index (`TypicalityIndex`, `ScoreIndex` and its kinds), or a callable ``(..., D) -> (...)`` that
            gives ``log(alpha * ri)``.
        start: ``(D,)`` or ``(B, D)``; a single start or end serves all pairs.
        end: ``(D,)`` or ``(B, D)``.
        segments: ``K``, at least 2.
        alpha: the scale of the index of a density, in (0, 1]; None for 0.9, or for the alpha of a recipe. An index or a
            callable carries its own, and another value is refused.
        embed: the space in which lengths are measured: None or ``"data"`` for the generator's output, ``"latent"``, a
            callable from the generator's output to features, or a `Ruler`, which mixes data and latents.
        method: ``"recommended"`` for the model's recipe, the default where it has one; ``"paper"`` for the paper's
            density and length in the data, the default otherwise; or a `Recipe` (see `latentpath.method`).
        polish: True solves on by the true index where the index is a surrogate (see `latentpath.index.surrogate`), with
            as many evaluations again; after a stop by the ``callback`` it does not.
        solver: a solver of `latentpath.solvers`, or the name of one: ``"multilevel"`` (L-BFGS from
            coarse to fine, the default), ``"lbfgs"``, ``"adam"``, ``"gradient_descent"`` (the paper's).
        tol: the relative gain in cost below which a solve ends: a path has converged when its predicted gain stays
            below a fiftieth of ``tol``, or is below ``tol`` and falls slowly. On smooth generators the cost is then
            within about ``tol`` of the local minimum; on ones with kinks (ReLU) more may remain. None for 0.001, or for
            the tolerance of a solver instance.
        max_evaluations: path evaluations each path may spend; None for 1,000 from each start. The finest level is
            always reached, and the audit is not counted (``path.audit.decoded`` is its number of decoded points).
        max_points: the most points the generator is given in one call; None for 512 on a CPU, whose cache is small, and
            4,096 elsewhere, fewer where the generator's output is large.
        restarts: the number of starts of a search for a lower minimum, the straight line included; ``"auto"`` (16,
            unless no path can be cheaper) or a `Restarts`; None for the straight line alone, whose path is never
            cheaper. A start along a graph of prior samples needs scipy, from the extra ``search``.
        seed: the seed of the starts; None for 0, or for the seed of a `Restarts`.
        strict: True raises `SolveError` unless every path has converged, to a finite cost.
        callback: called with a `Progress` after every step; a true result stops the solve, and every path keeps its
            best polyline.
        progress: True shows a progress bar; None shows one on a terminal or in a notebook, once the solve takes more
            than two seconds, unless there is a ``callback``.

    Returns:
        A `Path`; a single pair is a batch of one.

    Raises:
        InputError: an argument of the wrong shape, dtype, device or range, ``tol`` or ``seed`` beside an object that
            carries another one, NaN or infinite endpoints, an endpoint where the index is 0, or a graph without a prior
            to sample.
        MissingDependencyError: a graph without scipy.
        GeneratorError: a generator that is in training mode, random, coupled over the batch, not differentiable, or not
            finite at the endpoints.
        SolveError: see ``strict``; its ``path`` has the paths.

    Example:
        >>> import torch, latentpath as lp
        >>> prior = lp.priors.standard_normal(2)
        >>> path = lp.interpolate(lambda z: 3 * z, prior, torch.tensor([2.0, 0.0]), torch.tensor([1.4, 1.4]))
        >>> path.latents.shape, str(path.outcome[0])
        (torch.Size([1, 51, 2]), 'converged')
    """
    chosen_method: dict[str, Any] = {"method": method, "alpha": alpha, "embed": embed}
    segments, tol, max_evaluations, max_points = check_options(
        segments=segments, tol=tol, max_evaluations=max_evaluations, max_points=max_points
    )
    if callback is not None and not callable(callback):
        raise InputError(f"callback must be callable; got {describe(callback)}.")
    plan = Restarts.of(restarts, seed)
    bar = progress_bar("Solving", progress, quiet=callback is not None)
    # the solve needs gradients and full precision in any mode of the caller
    with torch.inference_mode(False), without_autocast(), bar as report:
        problem = problem_of(generator, prior, (start, end), "start, end", **chosen_method)
        plan.check(problem.index)
        start, end = check_endpoints(problem.latents[0], problem.latents[1], problem.index)
        chosen = _solver(solver, tol)
        values = check_generator(problem.generator, problem.embed, start, end, max_points)
        size = points_at_once(start.device, values) if max_points is None else max_points
        ruler = scaled_embed(problem.embed, problem.generator, problem.index, start, size)
        source, line = Source(problem.generator, problem.index, ruler, size), lerp(start, end, segments)
        watch = _reporting(report, callback)
        true = with_targets(problem.index) if polish and isinstance(problem.index, PriorIndex) else problem.index
        path = _solved(source, line, chosen, plan, max_evaluations, watch)
        if true is not problem.index and not watch.stopped:
            path = _polished(path, replace(source, index=true), chosen, max_evaluations, watch)
        path.settings["method"] = problem.method
    if strict:
        insist(path)
    return path


def _solved(
    source: Source,
    line: Tensor,
    solver: Solver[Any],
    plan: Restarts,
    max_evaluations: float | None,
    callback: Callback,
) -> Path:
    """Solves from straight lines ``(B, K+1, D)``, in coordinates of the prior's support where that is bounded."""
    index, embed = source.index, source.embed
    objective = Objective(source.generator, index, embed, source.max_points)
    budget = _BUDGET if max_evaluations is None else max_evaluations

    def solve(
        objective: Objective, begin: Tensor, audit: Callable[[Tensor], Audit], index: Any, callback: Callback | None
    ) -> tuple[State, Audit, Multistart | None]:
        if plan.max_starts == 1:
            return *solve_audited(solver, objective, begin, audit, max_evaluations=budget, callback=callback), None
        limits = {"max_evaluations": budget, "max_total": max_evaluations}
        return search(solver, objective, begin, audit, plan, index, **limits, callback=callback)

    coordinates = Coordinates.of(index)
    if coordinates is None:
        state, facts, found = solve(objective, line, source.audit, index, callback)
    else:
        limits: dict[str, Any] = {"max_total": max_evaluations, "callback": callback}
        state, facts, found = solve_bounded(coordinates, solve, solver, objective, line, source.audit, **limits)
    settings = {
        "segments": line.shape[1] - 1,
        "alpha": getattr(index, "alpha", None),
        "embed": embed if embed is None or isinstance(embed, str) else _name(embed),
        "solver": type(solver).__name__,
        "tol": getattr(solver, "tol", None),
        "max_evaluations": budget,
    }
    if found is not None:
        settings["restarts"] = asdict(plan)
    return Path.measured(
        state.latents,
        source,
        facts,
        state.segment_cost,
        outcome=Outcome.from_codes(state.outcome),
        evaluations=state.evaluations,
        gain=state.gain,
        settings=settings,
        multistart=found,
    )


def _polished(
    path: Path, source: Source, solver: Solver[Any], max_evaluations: float | None, callback: Callback
) -> Path:
    """Solves on from the path by the true index of ``source``; evaluations are those of both solves."""
    polisher = LBFGS(getattr(solver, "tol", _TOL))
    found = _solved(source, path.latents, polisher, Restarts.of(None, None), max_evaluations, callback)
    settings = {**path.settings, "polished": True}
    evaluations = path.evaluations + found.evaluations
    return replace(found, evaluations=evaluations, settings=settings, multistart=path.multistart)


def _reporting(report: Report, callback: Callback | None) -> Listener:
    """Returns a listener that reports to a progress bar, and then calls the user's callback."""

    def reporting(now: Progress) -> bool | None:
        paths = f"{now.phase}: {now.running} of {counted(len(now.energy), 'path')} running"
        segments, evaluations = now.latents.shape[1] - 1, round(now.evaluations)
        report(None, f"{paths} on {counted(segments, 'segment')}, {counted(evaluations, 'evaluation')}")
        return None if callback is None else callback(now)

    return Listener(reporting)


def check_options(
    *,
    segments: SupportsIndex,
    tol: SupportsFloat | None = None,
    max_evaluations: SupportsFloat | None = None,
    max_points: SupportsIndex | None = None,
) -> tuple[int, float | None, float | None, int | None]:
    """Validates the numbers of a solve and returns them.

    Raises:
        InputError: one is out of range, or not finite.
    """
    if max_evaluations is not None:
        advice = "None is 1,000 from each start."
        max_evaluations = real_number("max_evaluations", max_evaluations, least=1, below=math.inf, advice=advice)
    if max_points is not None:
        max_points = whole_number("max_points", max_points, 2, advice="A segment has two ends.")
    if tol is not None:
        tol = real_number("tol", tol, above=0, below=math.inf)
    return whole_number("segments", segments, 2), tol, max_evaluations, max_points


def points_at_once(device: torch.device, values: int) -> int:
    """Returns the default of ``max_points`` for a generator of ``values`` values a point."""
    return max(2, min(_CPU_POINTS if device.type == "cpu" else _GPU_POINTS, _VALUES // values))


def _name(embed: object) -> str:
    return str(embed) if isinstance(embed, Ruler) else getattr(embed, "__name__", type(embed).__name__)


def insist(path: Path) -> None:
    """Raises an error with advice unless every path has converged, to a finite cost.

    Raises:
        SolveError: a path that has not converged, or whose cost is not finite.
    """
    failed, advice = [], list(dict.fromkeys(filter(None, (outcome.advice for outcome in path.outcome))))
    for i, outcome in enumerate(path.outcome):
        if outcome is not Outcome.CONVERGED:
            where = path.tunnels[i].nonzero().flatten().tolist()
            failed.append(f"path {i}: {outcome}" + (f", tunnels in segment(s) {where}" if where else ""))
    failed += [f"path {i}: its cost is {cost}" for i, cost in enumerate(path.cost.tolist()) if not math.isfinite(cost)]
    if failed:
        shown = "; ".join(failed[:8]) + (f"; and {len(failed) - 8} more" if len(failed) > 8 else "")
        raise SolveError(" ".join([f"strict: {shown}.", *advice, "The error's .path has the paths."]), path)


def _solver(solver: Solver[Any] | str | None, tol: float | None) -> Solver[Any]:
    if solver is None:
        solver = "multilevel"
    if isinstance(solver, str):
        if solver not in SOLVERS:
            raise InputError(f"solver must be one of {sorted(SOLVERS)} or of latentpath.solvers; got {solver!r}.")
        return SOLVERS[solver](_TOL if tol is None else tol)
    if isinstance(solver, type):
        raise InputError(f"solver must be an instance; got the class {solver.__name__}. Pass {solver.__name__}(...).")
    if not all(callable(getattr(solver, name, None)) for name in ("init", "step", "done")):
        raise InputError(f"solver must be a name or have init, step and done; got {type(solver).__name__}.")
    agreed("tol", tol, getattr(solver, "tol", None), solver)
    return solver
