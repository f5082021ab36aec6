"""The time of a solve beside that of the generator's own passes.

The generator's passes of a solve are written down once and run again bare: as many, over as many points, in calls of
the same size. Both are timed in turns in one process; the overhead is the median of the ratios.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

import latentpath as lp
from latentpath import solvers
from latentpath._batching import blocks
from latentpath.decoding import Generator

from .counting import TANGENT, Call, Meter, passes_flops
from .problems import MAX_POINTS, Problem
from .progress import Progress
from .store import Record, Store, digest, plain, source_digest

KIND = "overhead"
_TOL = 1e-3
WAYS = ("solver", "interpolate")
"""The solver alone; and `latentpath.interpolate`, with its checks, audit, refinement and measurements."""


def key_of(problem: Problem, way: str, repeats: int, most: float, settings: Record) -> Record:
    """Returns everything that a measurement depends on, besides the machine."""
    ends = digest(problem.start, problem.end)
    return {"problem": {**problem.key, "endpoints": ends}, "way": way, "repeats": repeats, "most": most, **settings}


def measure(problem: Problem, way: str, repeats: int, most: float, max_points: int | None = MAX_POINTS) -> Record:
    """Times a solve of at most ``most`` evaluations of each path, and its bare passes."""
    meter = Meter(problem.generator)
    evaluations = solve(problem, meter.generator, way, most, max_points)
    work = Passes(problem, meter.calls, max_points)
    pairs = []
    for _ in range(repeats):
        whole = _seconds(problem, lambda: solve(problem, problem.generator, way, most, max_points))
        pairs.append((whole, _seconds(problem, work.run)))
    ratio = statistics.median(whole / bare for whole, bare in pairs)
    seconds, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {
        "source": source_digest(),
        "problem": problem.name,
        "way": way,
        "pairs": problem.pairs,
        "evaluations": plain(evaluations),
        "counted": plain(meter.flops / problem.flops / problem.pairs),
        "seconds": plain(seconds),
        "bare_seconds": plain(bare),
        "ratio": plain(ratio),
        "ratios": [plain(whole / bare) for whole, bare in pairs],
        "pairs_per_second": plain(problem.pairs / seconds),
    }


def solve(problem: Problem, generator: Generator, way: str, most: float, max_points: int | None) -> float:
    """Solves the problem with the default solver; returns the evaluations that the library counts."""
    if way == "solver":
        energy = solvers.Objective(generator, problem.index, max_points=max_points)
        state = solvers.solve(solvers.Multilevel(_TOL), energy, problem.line, max_evaluations=most)
        return float(state.evaluations.mean())
    path = lp.interpolate(
        generator,
        problem.index,
        problem.start,
        problem.end,
        segments=problem.segments,
        tol=_TOL,
        max_evaluations=most,
        max_points=max_points,
        progress=False,
    )
    return float(path.evaluations.mean())


class Passes:
    """The bare passes of a solve. Forward-mode products become gradient passes over as many points as cost the same."""

    def __init__(self, problem: Problem, calls: list[Call], max_points: int | None) -> None:
        self.generator, self.points = problem.generator, problem.line.flatten(0, 1)
        self.calls, self.max_points = calls, max_points
        self.each = sum(passes_flops(problem.generator, self.points[:2])) / 2

    def run(self) -> None:
        """Makes all passes."""
        for call in self.calls:
            if call.kind == TANGENT:
                for number in self._pieces(call.flops):
                    self._pass(number, 1)
            else:
                self._pass(call.points, call.backward)

    def _pass(self, points: int, backward: int) -> None:
        z = self._take(points).requires_grad_(backward > 0)
        with torch.set_grad_enabled(backward > 0):
            data = self.generator(z)
        for left in reversed(range(backward)):
            torch.autograd.grad(data, z, torch.ones_like(data), retain_graph=left > 0)

    def _take(self, number: int) -> Tensor:
        return self.points[torch.arange(number, device=self.points.device) % len(self.points)]

    def _pieces(self, flops: int) -> Iterator[int]:
        for block in blocks(max(1, round(flops / self.each)), self.max_points):
            yield block.stop - block.start


def _seconds(problem: Problem, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    if problem.start.device.type == "cuda":
        torch.cuda.synchronize(problem.start.device)
    return time.perf_counter() - began


def run(
    problems: list[Problem], repeats: int, most: float, settings: Record, store: Store, progress: Progress
) -> list[Record]:
    """Makes the measurements that are not in the store, and returns all."""
    cases = [(p, way, key_of(p, way, repeats, most, settings)) for p in problems for way in WAYS]
    todo = []
    for problem, way, key in cases:
        record = store.load(KIND, f"{problem.name}--{way}", key)
        if progress.missing(f"{KIND}: {problem.name}, {way}", record, KIND):
            todo.append((problem, way, key))
    progress.plan([1.0 * problem.flops * problem.pairs for problem, _, _ in todo])
    for problem, way, key in todo:
        with progress.task(f"overhead: {problem.name}, {way}"):
            record = measure(problem, way, repeats, most)
            store.save(KIND, f"{problem.name}--{way}", key, record)
            progress.say(f"{record['ratio']:.3f} times the bare passes, {record['seconds']:.3g} s")
    found = [store.load(KIND, f"{p.name}--{way}", key) for p, way, key in cases]
    return [record for record in found if record is not None]
