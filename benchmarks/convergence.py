"""The energy of every method on every problem, by evaluations, and the audited cost of the paths found."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

import latentpath as lp

from .methods import Method
from .problems import MAX_POINTS, Problem
from .progress import Progress
from .store import Record, Store, digest, plain, source_digest

KIND = "convergence"
_BARE_PASSES = 3


def name_of(problem: Problem, method: Method) -> str:
    """Returns the name of the measurement."""
    return f"{problem.name}--{method.name}"


def key_of(problem: Problem, method: Method, limit: int) -> Record:
    """Returns everything that the measurement depends on."""
    ends = digest(problem.start, problem.end)
    return {
        "problem": {**problem.key, "endpoints": ends},
        "method": {"name": method.name, **method.key},
        "limit": limit,
    }


def measure(problem: Problem, method: Method, limit: int, report: Callable[[float], None] | None = None) -> Record:
    """Runs the method; the record is per pair."""
    began = time.perf_counter()
    run = method.solve(problem, limit, report)
    seconds, trace = time.perf_counter() - began, run.trace
    held = {str(n): _facts(problem, latents) for n, latents in trace.held.items()}
    return {
        "group": problem.group,
        "label": method.label,
        "pairs": problem.pairs,
        "exact": problem.exact,
        "marks": plain(trace.marks),
        "spent": plain(trace.spent),
        "energy": [plain(energy) for energy in trace.energy],
        "held": held,
        "final": _facts(problem, trace.final),
        "evaluations": {"counted": plain(trace.total), "own": plain(run.own_count), "flops": problem.flops},
        "outcomes": run.outcomes,
        "seconds": round(seconds, 2),
        "source": source_digest() if method.ours else None,
    }


def _facts(problem: Problem, latents: Tensor) -> Record:
    """Energy, audited cost and tunnels of polylines ``(B, K+1, D)``."""
    facts = lp.audit(latents, problem.generator, problem.index, max_points=MAX_POINTS)
    return {"energy": plain(facts.energy), "cost": plain(facts.cost), "tunnels": facts.tunnels.sum(-1).tolist()}


def run(problems: list[Problem], methods: list[Method], limit: int, store: Store, progress: Progress) -> None:
    """Makes the measurements that are not in the store."""
    todo = [(p, m) for p in problems for m in methods if not _known(store, p, m, limit, progress)]
    seconds = {problem.name: bare_seconds(problem) for problem in {p.name: p for p, _ in todo}.values()}
    progress.plan([_expected(p, m, limit) * seconds[p.name] for p, m in todo])
    for problem, method in todo:
        expected = _expected(problem, method, limit) / problem.pairs

        def told(spent: float, whole: float = expected) -> None:
            progress.within(min(spent / whole, 1.0), f"{spent:.0f} evaluations")

        with progress.task(f"{problem.name}, {method.name}"):
            record = measure(problem, method, limit, told)
            store.save(KIND, name_of(problem, method), key_of(problem, method, limit), record)
            mean = sum(record["final"]["energy"]) / problem.pairs
            progress.say(f"energy {mean:.4g} after {record['evaluations']['counted']:.1f} evaluations")


def _known(store: Store, problem: Problem, method: Method, limit: int, progress: Progress) -> bool:
    record = _load(problem, method, limit, store)
    return not progress.missing(f"{problem.name}, {method.name}", record, method.name)


def _load(problem: Problem, method: Method, limit: int, store: Store) -> Record | None:
    return store.load(KIND, name_of(problem, method), key_of(problem, method, limit))


def forget(problem: Problem, method: Method, limit: int, store: Store) -> None:
    """Removes the measurement from the store, so that the next run makes it again."""
    store.forget(KIND, name_of(problem, method), key_of(problem, method, limit))


def finished(problems: list[Problem], methods: list[Method], limit: int, store: Store) -> dict[tuple[str, str], Record]:
    """The measurements in the store, by the names of problem and method."""
    found = {(p.name, m.name): _load(p, m, limit, store) for p in problems for m in methods}
    return {names: record for names, record in found.items() if record is not None}


def _expected(problem: Problem, method: Method, limit: int) -> float:
    """Returns the path evaluations that the measurement is expected to take."""
    return problem.pairs * (method.effort or limit)


def bare_seconds(problem: Problem) -> float:
    """Returns the approximate seconds that an evaluation of one path takes."""
    points = problem.line[:10].flatten(0, 1)
    best = float("inf")
    for _ in range(_BARE_PASSES):
        began = time.perf_counter()
        z = points.clone().requires_grad_()
        torch.autograd.grad(problem.generator(z).sum(), z)
        best = min(best, time.perf_counter() - began)
    return best * (problem.segments + 1) / len(points)
