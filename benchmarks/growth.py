"""The growth of work, time and memory of a solve with the batch, the segments and the dimension.

Every measurement runs in a separate process (``python -m benchmarks.growth JSON``), so that its peak of memory is not
mixed with that of another one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import torch

from . import overhead
from .counting import Meter
from .memory import Peak
from .problems import MAX_POINTS, Problem, generators, mlp_problem, shipped_problem
from .progress import Progress
from .store import Record, Store, plain, source_digest

_HOME = Path(__file__).parents[1]
_BATCH, _DIM, _SEGMENTS = 16, 64, 50
_MOST = (1000.0, 40.0)  # evaluations of a path: for growth, for memory


class Failed(Exception):  # noqa: N818
    """A measurement in a separate process failed."""


def cases(quick: bool, seed: int) -> list[Record]:
    """Returns the cases: the quantity ``what`` has the size ``value``; the other entries name problem and way."""
    base = {"model": "mlp", "pairs": _BATCH, "dim": _DIM, "segments": _SEGMENTS, "seed": seed, "way": "interpolate"}
    rows = {"pairs": (1, 4, 16, 64, 256, 1024), "segments": (25, 50, 100, 200, 400), "dim": (2, 8, 32, 128, 512)}
    if quick:
        rows = {"pairs": (1, 16), "segments": (25, 100), "dim": (2, 32)}
    return [{**base, what: value, "what": what, "value": value} for what, values in rows.items() for value in values]


def memory_cases(quick: bool, seed: int) -> list[Record]:
    """Returns the cases for the peak of memory: the solver alone, and `latentpath.interpolate` with its audit."""
    models = dict.fromkeys(generators(), 4 if quick else 16) | {"mlp": 16 if quick else 64}
    base = {"dim": _DIM, "segments": _SEGMENTS, "seed": seed, "what": "memory"}
    return [
        {**base, "model": model, "pairs": pairs, "way": way, "value": f"{model}-{way}"}
        for model, pairs in models.items()
        for way in overhead.WAYS
    ]


def measure(case: Record) -> Record:
    """Measures one solve in this process, which must not have done anything else."""
    torch.set_num_threads(case["threads"])
    problem = _problem(case)
    overhead.solve(
        problem.pair(0), problem.generator, case["way"], 3.0, MAX_POINTS
    )  # objects that are made or loaded once
    with Peak(torch.device("cpu")) as bare:
        z = problem.line.flatten(0, 1)[:MAX_POINTS].requires_grad_()
        torch.autograd.grad(problem.generator(z).sum(), z)
    meter = Meter(problem.generator)
    with Peak(torch.device("cpu")) as peak:
        began = time.perf_counter()
        own = overhead.solve(problem, meter.generator, case["way"], _MOST[case["what"] == "memory"], MAX_POINTS)
        seconds = time.perf_counter() - began
    return {
        "source": source_digest(),
        "own_count": plain(own),
        "counted": plain(meter.flops / problem.flops / problem.pairs),
        "flops": plain(meter.flops / problem.pairs),
        "seconds": plain(seconds / problem.pairs),
        "peak_bytes": peak.bytes,
        "bare_peak_bytes": bare.bytes,
    }


def _problem(case: Record) -> Problem:
    if case["model"] == "mlp":
        return mlp_problem(case["pairs"], case["dim"], case["segments"], case["seed"])
    return shipped_problem(case["model"], case["pairs"], case["seed"])


def apart(case: Record) -> Record:
    """Runs `measure` in a separate process.

    Raises:
        Failed: the process failed; the message holds its standard error.
    """
    command = [sys.executable, "-m", "benchmarks.growth", json.dumps(case)]
    done = subprocess.run(command, cwd=_HOME, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"a measurement failed: {case}\n{done.stderr.strip()}")
    found: Record = json.loads(done.stdout.splitlines()[-1])
    return found


def run(kind: str, cases: list[Record], settings: Record, store: Store, progress: Progress) -> list[Record]:
    """Makes the measurements that are not in the store, and returns all."""
    cases = [{**case, **settings} for case in cases]
    known = [store.load(kind, _name(case), case) for case in cases]
    todo = [c for c, record in zip(cases, known, strict=True) if progress.missing(f"{kind}: {_name(c)}", record, kind)]
    progress.plan([float(case["pairs"] * case["segments"] * (60 + case["dim"])) for case in todo])
    for case in todo:
        with progress.task(f"{kind}: {_name(case)}"):
            record = apart(case)
            store.save(kind, _name(case), case, record)
            progress.say(f"{record['counted']:.1f} evaluations, {record['seconds']:.3g} s per path")
    return [{**case, **(store.load(kind, _name(case), case) or {})} for case in cases]


def _name(case: Record) -> str:
    return f"{case['what']}-{case['value']}"


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
