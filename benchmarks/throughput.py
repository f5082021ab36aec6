"""Throughput on a GPU: pairs per second, and the share of the bare generator's throughput, by precision."""

from __future__ import annotations

import torch

from . import overhead
from .memory import Peak
from .problems import Problem, generators, mlp_problem, shipped_problem
from .progress import Progress
from .store import Record, Store

KIND = "throughput"
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_PAIRS, _QUICK_PAIRS, _MOST, _REPEATS, _POINTS = 1024, 64, 40, 3, 4096


def run(quick: bool, seed: int, store: Store, progress: Progress) -> list[Record]:
    """Makes the measurements that are not in the store, if there is a GPU, and returns all.

    Without a GPU they may have come from another machine with its cache.
    """
    pairs = _QUICK_PAIRS if quick else _PAIRS
    problems = [*(shipped_problem(name, pairs, seed) for name in generators()), mlp_problem(pairs, seed=seed)]
    cases = [(problem, precision, way) for problem in problems for precision in PRECISIONS for way in overhead.WAYS]
    known = [store.load(KIND, *_place(*case)) for case in cases]
    if not torch.cuda.is_available():
        progress.say("no GPU at hand: throughput is not measured")
        return [record for record in known if record is not None]
    todo = [case for case, record in zip(cases, known, strict=True) if progress.missing(_title(*case), record, KIND)]
    progress.plan([float(problem.flops) for problem, _, _ in todo])
    for case in todo:
        with progress.task(_title(*case)):
            record = measure(*case, "cuda")
            store.save(KIND, *_place(*case), record)
            progress.say(
                f"{record['pairs_per_second']:.3g} pairs per second, {record['share']:.0%} of the bare passes'"
            )
    found = [store.load(KIND, *_place(*case)) for case in cases]
    return [record for record in found if record is not None]


def _title(problem: Problem, precision: str, way: str) -> str:
    return f"{KIND}: {problem.name}, {way}, {precision}"


def _place(problem: Problem, precision: str, way: str) -> tuple[str, Record]:
    """Returns the name and key in the store."""
    key = overhead.key_of(problem, way, _REPEATS, _MOST, {"precision": precision})
    return f"{problem.name}--{way}--{precision}", key


def measure(problem: Problem, precision: str, way: str, device: str) -> Record:
    """Measures a solve on ``device``, the generator in ``precision``, after an untimed one."""
    moved = problem.to(device, PRECISIONS[precision])
    overhead.solve(moved.pair(0), moved.generator, way, 5.0, _POINTS)
    with Peak(torch.device(device)) as peak:
        record = overhead.measure(moved, way, _REPEATS, _MOST, _POINTS)
    gpu = torch.cuda.get_device_name(device) if device == "cuda" else None
    return {**record, "gpu": gpu, "precision": precision, "share": 1 / record["ratio"], "peak_bytes": peak.bytes}
