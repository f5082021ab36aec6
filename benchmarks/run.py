"""A run of the benchmarks: the parts that were chosen, then the report."""

from __future__ import annotations

import json
import os
import platform
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

import latentpath as lp

from . import PARTS, convergence, growth, overhead, plot, throughput
from .methods import Method, methods
from .problems import ALPHA, SEGMENTS, Problem, generators, mlp_problem, problems, shipped_problem
from .progress import Progress
from .report import markdown
from .store import Record, Store, slug, write
from .summary import against, as_record, summarise

_RESULTS, _IMAGES = Path(__file__).parent / "results", Path(__file__).parents[1] / "docs" / "images"
_REPEATS, _MOST = 5, 40.0  # of a timed solve: how often, and the evaluations of each path


class Unknown(Exception):  # noqa: N818 - it reads well so
    """The command line names something that is not there."""


@dataclass(frozen=True)
class Settings:
    """What the command line says; see ``--help``."""

    quick: bool
    problems: list[str] | None
    methods: list[str] | None
    parts: list[str]
    fresh: list[str]
    out: Path
    onto: Path | None
    seed: int
    threads: int | None
    limit: int

    @property
    def whole(self) -> bool:
        """Whether it is a run of everything."""
        return not (self.quick or self.problems or self.methods or set(self.parts) != set(PARTS))


def earlier(report: Path | None) -> dict[tuple[str, str], Record]:
    """What an earlier ``bench.json`` says of the methods, by the names of problem and method."""
    if report is None:
        return {}
    try:
        found = json.loads(report.read_text(encoding="utf-8"))["convergence"]
        return {(one["problem"], one["method"]): as_record(one) for one in found}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unknown(f"--onto {report} is no bench.json of this version ({error!r})") from error


def in_order(records: dict[tuple[str, str], Record]) -> dict[tuple[str, str], Record]:
    """By problem, as they come, then by method, as in `methods`."""
    problem_order, method_order = [*dict.fromkeys(p for p, _ in records)], [method.name for method in methods()]
    where = {(p, m): (problem_order.index(p), method_order.index(m)) for p, m in records if m in method_order}
    return {names: records[names] for names in sorted(where, key=lambda names: where[names])}


def run(settings: Settings, progress: Progress) -> float:
    """Measure what is not known yet, write the report; returns the seconds it took."""
    began = time.monotonic()
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    before = earlier(settings.onto)
    store = Store(settings.out / "cache")
    chosen = choose("problem", problems(quick=settings.quick, seed=settings.seed), settings.problems)
    using = choose("method", methods(), settings.methods)
    forget(settings, chosen, using, store)
    results: Record = {"about": about(settings)}
    try:
        if "convergence" in settings.parts:
            convergence.run(chosen, using, settings.limit, store, progress)
        results |= _costs(settings, store, progress)
    finally:
        records = in_order(before | convergence.finished(chosen, using, settings.limit, store))
        results["convergence"] = summarise(records)
        verdicts = [
            against(results["convergence"], problem, ours)
            for problem in dict.fromkeys(problem for problem, _ in records)
            for ours in ("ours", "ours-restarts")
        ]
        results["against"] = [one for one in verdicts if one is not None]
        folder = settings.out / "quick" if settings.quick else settings.out
        publish(folder, folder, results, progress)
    if settings.whole:
        publish(_RESULTS, _IMAGES, results, progress)
    return time.monotonic() - began


def _costs(settings: Settings, store: Store, progress: Progress) -> Record:
    """Overhead, memory, growth and throughput, as far as they were chosen."""
    quick, seed = settings.quick, settings.seed
    machine = {"threads": torch.get_num_threads()}
    found: Record = {}
    if "overhead" in settings.parts:
        timed = [shipped_problem(name, 4 if quick else 16, seed) for name in generators()]
        timed.append(mlp_problem(16 if quick else 64, seed=seed))
        repeats, most = (2, 15.0) if quick else (_REPEATS, _MOST)
        found["overhead"] = overhead.run(timed, repeats, most, machine, store, progress)
    if "memory" in settings.parts:
        found["memory"] = growth.run("memory", growth.memory_cases(quick, seed), machine, store, progress)
    if "growth" in settings.parts:
        found["growth"] = growth.run("growth", growth.cases(quick, seed), machine, store, progress)
    if "throughput" in settings.parts:
        found["throughput"] = throughput.run(quick, seed, store, progress)
    return found


One = TypeVar("One")


def choose(what: str, all_of_them: list[One], names: list[str] | None) -> list[One]:
    """Those called by ``names``, each of which is a name or a family; all where it is None.

    Raises:
        Unknown: nothing is called so.
    """
    known = {slug(name) for one in all_of_them for name in _names(one)}
    unknown = [name for name in names or [] if slug(name) not in known]
    if unknown:
        raise Unknown(f"there is no {what} called {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    wanted = {slug(name) for name in names or known}
    return [one for one in all_of_them if wanted & {slug(name) for name in _names(one)}]


def _names(one: object) -> set[str]:
    return {getattr(one, kind) for kind in ("name", "group", "family") if hasattr(one, kind)}


def forget(settings: Settings, chosen: list[Problem], using: list[Method], store: Store) -> None:
    """What ``--fresh`` names is to be measured again: methods, by name or family, parts, or "all".

    Raises:
        Unknown: there is nothing of that name.
    """
    again = {slug(name) for name in settings.fresh}
    families = {slug(name) for method in methods() for name in _names(method)}
    unknown = again - families - {*PARTS, "all", "ours-restarts"}
    if unknown:
        raise Unknown(f"--fresh takes methods ({', '.join(sorted(families))}), parts or all, got {', '.join(unknown)}")
    for part in PARTS:
        if part in again or "all" in again:
            store.clear(part)
    for method in using:
        if again & {slug(name) for name in _names(method)}:
            for problem in chosen:
                convergence.forget(problem, method, settings.limit, store)


def about(settings: Settings) -> Record:
    """On what the results were made."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    command = "python -m benchmarks" + (" --quick" if settings.quick else "")
    return {
        "latentpath": lp.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": gpu,
        "command": command,
        "quick": settings.quick,
        "seed": settings.seed,
        "segments": SEGMENTS,
        "alpha": ALPHA,
        "limit": settings.limit,
    }


def cpu() -> str:
    """The model of the processor."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def publish(folder: Path, images: Path, results: Record, progress: Progress) -> None:
    """Write the report: JSON, and what is made from it."""
    write(folder / "bench.json", results)
    progress.say(f"wrote {folder / 'bench.json'}")
    redraw(folder / "bench.json", images, progress)


def redraw(file: Path, images: Path | None, progress: Progress) -> None:
    """Make the table and the pictures from a report, so that all three say the same.

    Args:
        file: the ``bench.json``; ``bench.md`` is written beside it.
        images: the folder of the pictures; None for the one that belongs to the file.
        progress: told what was made.

    Raises:
        Unknown: the file is no report of this version.
    """
    images = images or (_IMAGES if file.resolve().parent == _RESULTS.resolve() else file.parent)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise Unknown(f"{file} cannot be read ({error.strerror or error}): name a bench.json") from error
    try:
        results = json.loads(text)
        file.with_suffix(".md").write_text(markdown(results), encoding="utf-8")
        progress.say(f"wrote {file.with_suffix('.md')}")
        if results["convergence"]:
            paths = [images / "convergence.svg", images / "convergence.png"]
            plot.convergence(results, paths, plot.source_of(file))
            progress.say(f"drew {paths[0]} and {paths[1]}")
    except (ValueError, KeyError, TypeError) as error:
        raise Unknown(f"{file} is no bench.json of this version ({error!r})") from error
