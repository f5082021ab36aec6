"""``python -m benchmarks --constants``: which tuning constants of the solvers does anything notice?

Each constant of `latentpath.solvers.configuration` is halved and doubled, one at a time, and the problems that exercise
its group are solved again until one notices: an outcome changes, or evaluations, cost or energy of a path by more than
`NOTICED`. A constant that its own problems do not notice is tried on all others.
"""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

import latentpath as lp
from latentpath._io import write_file
from latentpath.solvers.configuration import Configuration, configured

from .constant_problems import Trial, trials
from .progress import Progress
from .report import table
from .store import Record, Store, source_digest, write

if TYPE_CHECKING:
    from .run import Settings

__all__ = ["NOTICED", "Constant", "constants", "difference", "markdown", "run"]

NOTICED = {"evaluations": 1e-2, "cost": 1e-4, "energy": 1e-4}
"""The relative change of a path that counts; below, it is rounding or the last digits of a converged path."""

SHARES = {
    "line_search.longest_cut",
    "refinement.even_speed",
    "mesh_grading.most_in_jumps",
    "sample_graph.usual_quantile",
    "baselines.shrinkage",
}
"""Shares, which stay below 1: doubling one at most halves its distance from 1."""

RATIOS = {"baselines.growth", "refinement.jump"}
"""Ratios, which stay above 1: their excess over 1 is halved and doubled."""


@dataclass(frozen=True)
class Constant:
    """One constant of the configuration.

    Attributes:
        group: the name of its dataclass in `Configuration`.
        field: its name there.
        value: its default.
    """

    group: str
    field: str
    value: float

    @property
    def name(self) -> str:
        """As in the results, and for the command line."""
        return f"{self.group}.{self.field}"

    @property
    def mutations(self) -> list[float]:
        """The halved and the doubled value, without those that are the default again."""
        half, double = self.value / 2, self.value * 2
        if self.name in RATIOS:
            half, double = 1 + (self.value - 1) / 2, 1 + (self.value - 1) * 2
        if self.name in SHARES:
            double = min(double, 1 - (1 - self.value) / 2)
        found = [half, double]
        if isinstance(self.value, int):
            found = [max(1, round(half)), round(double)]
        return [value for value in found if value != self.value]

    def configuration(self, value: float) -> Configuration:
        """The default configuration with another value."""
        default = Configuration()
        group = dataclasses.replace(getattr(default, self.group), **{self.field: value})
        return dataclasses.replace(default, **{self.group: group})


def constants() -> list[Constant]:
    """All constants, as the configuration has them."""
    default = Configuration()
    return [
        Constant(group.name, field.name, getattr(getattr(default, group.name), field.name))
        for group in dataclasses.fields(default)
        for field in dataclasses.fields(getattr(default, group.name))
    ]


def difference(before: Record, after: Record) -> Record:
    """The largest signed relative change over the paths, by quantity, the changed outcomes, and whether it counts."""
    if "failed" in after:
        return dict.fromkeys(NOTICED, 0.0) | {"outcome": [after["failed"]], "noticed": True}
    found: Record = {}
    for what, least in NOTICED.items():
        changes = [_relative(a, b) for a, b in zip(before[what], after[what], strict=True)]
        largest = max(changes, key=abs)
        found[what] = largest if abs(largest) > least else 0.0
    pairs = zip(before["outcome"], after["outcome"], strict=True)
    found["outcome"] = sorted({f"{old} to {new}" for old, new in pairs if old != new})
    found["noticed"] = any(found[what] for what in (*NOTICED, "outcome"))
    return found


def _relative(before: float | None, after: float | None) -> float:
    old, new = (math.inf if value is None else value for value in (before, after))
    if old == new:
        return 0.0
    if math.isinf(old) or math.isinf(new):
        return math.copysign(1.0, new - old)
    return (new - old) / max(abs(old), 1e-6)


def run(settings: Settings, names: list[str], progress: Progress) -> float:
    """Tries the constants called by ``names`` (all where there are none), writes the report; returns the seconds."""
    from .run import choose

    began = time.monotonic()
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    using, problems = choose("constant", constants(), names or None), choose("problem", trials(), settings.problems)
    store = Store(settings.out / "cache")
    if settings.fresh:
        store.clear("constant")
    whole = not (names or settings.problems)
    results: Record = {"about": _about(names, settings.problems), "constants": []}
    progress.plan([1.0] * len(using))
    try:
        for constant in using:
            with progress.task(constant.name):
                results["constants"].append(_tried(constant, problems, store))
                progress.say(_summary(results["constants"][-1]))
    finally:
        publish(settings.out, results, progress)
    if whole:
        publish(Path(__file__).parent / "results", results, progress)
    return time.monotonic() - began


def _tried(constant: Constant, problems: list[Trial], store: Store) -> Record:
    """Tries a constant on the problems that exercise its group, then on the others, until one notices."""
    found: Record = {"constant": constant.name, "default": constant.value, "problem": None, "tried": 0, "changes": []}
    for problem in _in_order(constant, problems):
        found["tried"] += 1
        changes = list(_changes(constant, problem, store))
        if any(change["noticed"] for change in changes):
            return {**found, "problem": problem.name, "changes": changes}
    return found


def _in_order(constant: Constant, problems: list[Trial]) -> list[Trial]:
    return sorted(problems, key=lambda problem: constant.group not in problem.groups)


def _changes(constant: Constant, problem: Trial, store: Store) -> Iterator[Record]:
    before = _solved(problem, None, 0.0, store)
    for value in constant.mutations:
        after = _solved(problem, constant, value, store)
        yield {"value": value, **difference(before, after)}


def _solved(problem: Trial, constant: Constant | None, value: float, store: Store) -> Record:
    name = problem.name if constant is None else f"{constant.name}-{problem.name}"
    mutation: Record = {} if constant is None else {"constant": constant.name, "value": value}
    key = {"problem": problem.name, "source": source_digest(), **mutation}
    known = store.load("constant", name, key)
    if known is not None:
        return known
    with configured(Configuration() if constant is None else constant.configuration(value)):
        try:
            record = problem.run()
        except (RuntimeError, ValueError) as error:  # a change may break a solve
            if constant is None:
                raise
            record = {"failed": type(error).__name__}
    store.save("constant", name, key, record)
    return record


def _about(names: list[str], problems: list[str] | None) -> Record:
    from .run import cpu

    command = " ".join(["python -m benchmarks --constants", *names])
    return {
        "latentpath": lp.__version__,
        "torch": torch.__version__,
        "cpu": cpu(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "date": time.strftime("%Y-%m-%d"),
        "command": command + (f" --problems {' '.join(problems)}" if problems else ""),
    }


def publish(folder: Path, results: Record, progress: Progress) -> None:
    """Writes the report: JSON, and the table beside it."""
    write(folder / "constants.json", results)
    write_file(folder / "constants.md", markdown(results))
    progress.say(f"wrote {folder / 'constants.json'} and constants.md")


def markdown(results: Record) -> str:
    """The report from ``constants.json``."""
    about = results["about"]
    unnoticed = [one["constant"] for one in results["constants"] if one["problem"] is None]
    head = ["constant", "default", "changed to", "problem", "evaluations", "cost", "energy", "outcome"]
    rows = [row for one in results["constants"] for row in _rows(one)]
    return (
        "# Tuning constants of the solvers\n\n"
        f"latentpath {about['latentpath']}, PyTorch {about['torch']}, {about['cpu']}, {about['threads']} of "
        f"{about['cores']} cores. Made by `{about['command']}` on {about['date']}{about.get('note', '')}.\n\n"
        "Each constant is halved and doubled (shares stay below 1; of ratios the excess over 1 changes), and small "
        "problems are solved again until one notices: first those that exercise its group, then all others. The rows "
        "have the largest relative change of evaluations, cost and energy over the paths of that problem; less than "
        f"{NOTICED['evaluations']:.0%} of the evaluations or {NOTICED['cost']:.2%} of cost or energy is nothing.\n\n"
        f"Noticed by no problem: {', '.join(unnoticed) or 'none'}; `tests/solvers/test_configuration.py` has a "
        f"test for each.\n\n{table(head, rows)}\n"
    )


def _rows(one: Record) -> list[list[str]]:
    named = [one["constant"], f"{one['default']:g}"]
    if one["problem"] is None:
        return [[*named, "–", f"none of {one['tried']}", *["–"] * 4]]
    return [
        [
            *(named if row == 0 else ["", ""]),
            f"{change['value']:g}",
            one["problem"],
            *(f"{change[what]:+.2%}" if change[what] else "–" for what in NOTICED),
            ", ".join(change["outcome"]) or "–",
        ]
        for row, change in enumerate(one["changes"])
    ]


def _summary(one: Record) -> str:
    if one["problem"] is None:
        return f"nothing changed on {one['tried']} problems"
    return f"noticed by {one['problem']}, number {one['tried']} of those tried"
