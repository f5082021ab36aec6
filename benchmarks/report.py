"""The results for people: tables in Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable

from latentpath._tables import aligned

from .counting import shown as flops
from .store import Record
from .summary import mean

CLOSED = "closed forms"


def markdown(results: Record) -> str:
    """The whole report, from what ``bench.json`` holds."""
    parts = [_head(results["about"])]
    groups = dict.fromkeys(one["group"] for one in results["convergence"])
    parts += [_group(group, results) for group in groups]
    for name, section in (
        ("overhead", _overhead),
        ("memory", _memory),
        ("throughput", _throughput),
        ("growth", _growth),
    ):
        if results.get(name):
            parts.append(section(results[name]))
    return "\n\n".join(parts) + "\n"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    first, *lines = (f"| {line} |" for line in aligned([head, *rows], " | "))
    rule = ["-" * len(cell) for cell in first.strip("|").split("|")]
    return "\n".join([first, f"|{'|'.join(rule[:1] + [f'{dashes[1:]}:' for dashes in rule[1:]])}|", *lines])


def number(value: float | None, digits: int = 4) -> str:
    """A number for people; a dash where there is none."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "∞"
    if value != 0 and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{places}f}"


def _head(about: Record) -> str:
    machine = about["gpu"] or f"{about['cpu']}, {about['threads']} of {about['cores']} cores"
    return (
        "# Benchmarks\n\n"
        f"latentpath {about['latentpath']}, PyTorch {about['torch']}, {machine}; {about['segments']} segments, "
        f"alpha {about['alpha']} on the networks, seed {about['seed']}"
        f"{'; a quick look with few pairs' if about['quick'] else ''}. Made by `{about['command']}`.\n\n"
        "One *evaluation* is one forward and one backward pass of the generator over all points of one path, counted "
        "by `torch.utils.flop_counter`; where pairs end at different times, the mean. Energies are of equation 3, "
        "audited costs what the polylines truly cost between their points, too; both are means over the pairs, of the "
        f"best that the method held. A method that ended before {about['limit']:,} evaluations keeps its last value."
    )


def _group(group: str, results: Record) -> str:
    ones = [one for one in results["convergence"] if one["group"] == group and one["shown"]]
    labels = list(dict.fromkeys(one["label"] for one in ones))
    problems = list(dict.fromkeys(one["problem"] for one in ones))
    columns = list(dict.fromkeys(n for one in ones for n in one["energy"]))
    scaled = len(problems) > 1
    what = f"{len(problems)} problems with known answers" if group == CLOSED else f"{ones[0]['pairs']} pairs"
    late = any(one["evaluations"] > results["about"]["limit"] + 1 for one in ones)
    rows, costs = [], []
    for label in labels:
        mine = [one for one in ones if one["label"] == label]
        rows.append([_named(mine, scaled), *(_mean(mine, "energy", n, scaled) for n in columns), *_ends(mine, late)])
        costs.append([_named(mine, scaled), *(_mean(mine, "cost", n, scaled) for n in columns), *_costs(mine, late)])
    unit = " over the best known" if scaled else ""
    end = ["at the end"] if late else []
    error = ["error at the end, mean", "worst"] if scaled else [*end, "pairs that tunnel"]
    text = [
        f"## {group.capitalize() if scaled else group} ({what})",
        f"Energy{unit}, by evaluations:",
        table(["method", *columns, *end, "to 1 % of the best", "evaluations", "own count"], rows),
        f"Audited cost{' over the exact one' if scaled else ''}, by evaluations:",
        table(["method", *columns, *error], costs),
    ]
    notes = [_verdict(one) for one in results["against"] if one["group"] == group and not scaled]
    if scaled:
        notes = [_verdict(one) for one in _added(one for one in results["against"] if one["group"] == group)]
    flagged = sorted({one["label"] for one in ones if one["disagrees"]})
    if flagged:
        notes.append(f"Own count and counted evaluations differ by more than 5 %: {', '.join(flagged)}.")
    return "\n\n".join([*text, *notes])


def _named(mine: list[Record], scaled: bool) -> str:
    rate = mine[0]["method"].removeprefix("adam-")
    if mine[0]["label"] != "Adam":
        return str(mine[0]["label"])
    return "Adam, best of three rates" if scaled else f"Adam, rate {rate}"


def _mean(mine: list[Record], what: str, column: str, scaled: bool) -> str:
    values = []
    for one in mine:
        value = one[what].get(column)
        unit = (one["best"] if what == "energy" else one["exact"]) if scaled else 1.0
        values.append(math.inf if value is None else value / unit)
    return number(mean(values))


def _ends(mine: list[Record], late: bool) -> list[str]:
    scaled = len(mine) > 1
    end = mean(_finite(one["final"]["energy"]) / (one["best"] if scaled else 1.0) for one in mine)
    reached = [one["evaluations_to_best"] for one in mine]
    there = number(mean(reached), 3) if None not in reached else "–"
    if scaled and None in reached:
        there = f"{sum(r is not None for r in reached)} of {len(reached)} do"
    counts = [number(mean(one[count] for one in mine)) for count in ("evaluations", "own_count")]
    return [*([number(end)] if late else []), there, *counts]


def _costs(mine: list[Record], late: bool) -> list[str]:
    if len(mine) > 1:
        errors = [_finite(one["final"]["error"]) for one in mine]
        return [f"{mean(errors):.2%}", f"{max(errors):.2%}"]
    end = [number(mine[0]["final"]["cost"])] if late else []
    return [*end, f"{mine[0]['final']['tunnelling_pairs']}"]


def _finite(value: float | None) -> float:
    return math.inf if value is None else value


def _verdict(one: Record) -> str:
    who = "latentpath with restarts" if one["method"] == "ours-restarts" else "latentpath"
    return (
        f"{who} ends at or below Adam in {one['energy']} of {one['pairs']} pairs by energy, in {one['cost']} by "
        f"audited cost, and in {one['energy_of_each_best']} by energy against the best of Adam's rates for each pair."
    )


def _added(verdicts: object) -> list[Record]:
    """The verdicts on several problems, added up method by method."""
    found: dict[str, Record] = {}
    for one in verdicts:  # type: ignore[attr-defined]
        if one["method"] not in found:
            found[one["method"]] = dict(one)
        else:
            for field in ("pairs", "energy", "cost", "energy_of_each_best"):
                found[one["method"]][field] += one[field]
    return list(found.values())


def _overhead(records: list[Record]) -> str:
    rows = [
        [
            f"{one['problem']}, {one['pairs']} pairs, {_way(one)}",
            number(one["counted"], 3),
            number(one["seconds"], 3),
            number(one["bare_seconds"], 3),
            f"{one['ratio']:.2f}",
        ]
        for one in records
    ]
    head = ["", "evaluations", "seconds", "bare passes, seconds", "ratio"]
    text = "Wall time of a solve over that of the same generator passes made bare; medians of turns in one process."
    return f"## Overhead\n\n{text}\n\n{table(head, rows)}"


def _way(one: Record) -> str:
    return "solver alone" if one["way"] == "solver" else "interpolate"


def _memory(records: list[Record]) -> str:
    rows = [
        [f"{one['model']}, {one['pairs']} pairs, {_way(one)}", mb(one["peak_bytes"]), mb(one["bare_peak_bytes"])]
        for one in records
    ]
    text = "Peak beyond what the process held before, and that of one bare pass over as many points as go in one call."
    return f"## Memory\n\n{text}\n\n{table(['', 'solve, MB', 'one bare pass, MB'], rows)}"


def mb(count: int) -> str:
    """Bytes as megabytes."""
    return f"{count / 1e6:,.0f}"


def _throughput(records: list[Record]) -> str:
    rows = [
        [
            f"{one['problem']}, {_way(one)}, {one['precision']} generator",
            f"{one['pairs']:,}",
            number(one["pairs_per_second"], 3),
            f"{one['share']:.0%}",
            mb(one["peak_bytes"]),
        ]
        for one in records
    ]
    head = ["", "pairs", "pairs per second", "of the bare throughput", "peak, MB"]
    return f"## Throughput on a GPU ({', '.join(sorted({str(one['gpu']) for one in records}))})\n\n{table(head, rows)}"


def _growth(records: list[Record]) -> str:
    titles = {"pairs": "pairs B", "segments": "segments K", "dim": "dimension D"}
    cells: list[Callable[[Record], str]] = [
        lambda one: number(one["counted"], 3),
        lambda one: flops(one["flops"]),
        lambda one: number(one["seconds"], 3),
        lambda one: mb(one["peak_bytes"]),
    ]
    head = ["evaluations per path", "work per path", "seconds per path", "peak, MB"]
    parts = ["## Growth\n\nOn the random network, by `interpolate`; B = 16, D = 64, K = 50 where they do not grow."]
    for what, title in titles.items():
        rows = [[f"{one['value']}", *(cell(one) for cell in cells)] for one in records if one["what"] == what]
        if rows:
            parts.append(table([title, *head], rows))
    return "\n\n".join(parts)
