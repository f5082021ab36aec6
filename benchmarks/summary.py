"""Summaries of measurements, for the table and the plot."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from .store import Record, plain

WITHIN = 0.01
"""How close to the best known energy counts as there."""

DISAGREE = 0.05
"""How far the library's own count of evaluations may be from the counted one."""

_POINTS = 70  # of a curve in the plot


def summarise(records: dict[tuple[str, str], Record]) -> list[Record]:
    """One summary for every problem and method (of those of one label, the best), from ``{(problem, method): record}``.

    The best known energy of a problem is the lowest mean over its pairs that any method has reached at its end.
    """
    found = []
    for problem in dict.fromkeys(problem for problem, _ in records):
        runs = {method: record for (name, method), record in records.items() if name == problem}
        best = min(mean(record["final"]["energy"]) for record in runs.values())
        pairwise = [min(column) for column in zip(*(_known(r["final"]["energy"]) for r in runs.values()), strict=True)]
        chosen = best_of_labels(runs)
        for method, record in runs.items():
            one = _summary(record, best, pairwise)
            found.append({"problem": problem, "method": method, "shown": method in chosen, **one})
    return found


def best_of_labels(runs: dict[str, Record]) -> list[str]:
    """Returns, of the methods that share a label, the one of the lowest mean energy at the end."""
    chosen: dict[str, str] = {}
    for method, record in runs.items():
        rival = chosen.get(record["label"])
        if rival is None or mean(record["final"]["energy"]) < mean(runs[rival]["final"]["energy"]):
            chosen[record["label"]] = method
    return list(chosen.values())


def _summary(record: Record, best: float, pairwise: list[float]) -> Record:
    energy = [mean(row) for row in record["energy"]]
    end, cost = _known(record["final"]["energy"]), _known(record["final"]["cost"])
    counted, own = record["evaluations"]["counted"], record["evaluations"]["own"]
    there = next((spent for spent, e in zip(record["spent"], energy, strict=True) if e <= (1 + WITHIN) * best), None)
    exact = record["exact"]
    return {
        "group": record["group"],
        "label": record["label"],
        "pairs": record["pairs"],
        "exact": exact,
        "best": plain(best),
        "energy": {n: plain(mean(held["energy"])) for n, held in record["held"].items()},
        "cost": {n: plain(mean(held["cost"])) for n, held in record["held"].items()},
        "final": {
            "energy": plain(mean(end)),
            "cost": plain(mean(cost)),
            "error": None if exact is None else plain(mean(cost) / exact - 1),
            "tunnelling_pairs": sum(number > 0 for number in record["final"]["tunnels"]),
            "pairs_within": sum(e <= (1 + WITHIN) * known for e, known in zip(end, pairwise, strict=True)),
            "energies": plain(end),
            "costs": plain(cost),
        },
        "evaluations": counted,
        "own_count": own,
        "disagrees": abs(own - counted) > DISAGREE * counted,
        "evaluations_to_best": there,
        "outcomes": record["outcomes"],
        "trace": _thin(record["spent"], energy),
    }


def mean(values: Iterable[float | None]) -> float:
    """The mean; None counts as infinite."""
    found = _known(values)
    return sum(found) / len(found)


def _known(values: Iterable[float | None]) -> list[float]:
    return [math.inf if value is None else value for value in values]


def as_record(one: Record) -> Record:
    """The measurement that a summary was made of, as far as the summary tells."""
    final, tunnels = one["final"], one["final"]["tunnelling_pairs"]
    return {
        **{name: one[name] for name in ("group", "label", "pairs", "exact", "outcomes")},
        "spent": one["trace"]["evaluations"],
        "energy": [[energy] for energy in one["trace"]["energy"]],
        "held": {n: {"energy": [one["energy"][n]], "cost": [one["cost"][n]]} for n in one["energy"]},
        "final": {
            "energy": final["energies"],
            "cost": final["costs"],
            "tunnels": [int(row < tunnels) for row in range(one["pairs"])],
        },
        "evaluations": {"counted": one["evaluations"], "own": one["own_count"]},
    }


def _thin(spent: list[float], energy: list[float]) -> dict[str, Any]:
    """The steps of a curve, but not more than `_POINTS`, evenly spaced on a logarithmic axis; the last one always."""
    step = math.log(max(*spent, 2.0) + 1) / _POINTS
    at: list[float] = []
    kept: list[float] = []
    last = -1.0
    for x, e in zip(spent, energy, strict=True):
        if at and x == at[-1]:
            kept[-1] = e
        elif math.log(x + 1) - last >= step or x == spent[-1]:
            at, kept, last = [*at, x], [*kept, e], math.log(x + 1)
    return {"evaluations": plain(at), "energy": plain(kept)}


def against(summaries: list[Record], problem: str, ours: str = "ours", rival: str = "Adam") -> Record | None:
    """Counts the pairs in which ``ours`` ends at or below the best method labelled ``rival``."""
    mine = next((s for s in summaries if (s["problem"], s["method"]) == (problem, ours)), None)
    theirs = [s for s in summaries if s["problem"] == problem and s["label"] == rival]
    shown = next((s for s in theirs if s["shown"]), None)
    if mine is None or shown is None:
        return None
    lowest = [min(column) for column in zip(*(_known(s["final"]["energies"]) for s in theirs), strict=True)]
    return {
        "problem": problem,
        "group": mine["group"],
        "method": ours,
        "rival": shown["method"],
        "pairs": mine["pairs"],
        "energy": _at_or_below(mine["final"]["energies"], shown["final"]["energies"]),
        "cost": _at_or_below(mine["final"]["costs"], shown["final"]["costs"]),
        "energy_of_each_best": _at_or_below(mine["final"]["energies"], lowest),
    }


_ROUNDING = 1e-4  # relative: closer than that is as good


def _at_or_below(mine: Iterable[float | None], theirs: Iterable[float | None]) -> int:
    return sum(a <= (1 + _ROUNDING) * b for a, b in zip(_known(mine), _known(theirs), strict=True))
