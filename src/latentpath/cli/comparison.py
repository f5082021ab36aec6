"""The comparison of solved paths with both baselines: solve, measure, print, and write numbers and pictures.

`solve` finds all three kinds of curve between given endpoints, `conclude` saves the paths, prints the comparison and
makes the other files.
"""

import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import torch
from rich.console import Console
from rich.text import Text
from torch import Tensor

from .._io import to_json
from .._tables import aligned
from .._words import counted
from ..curves import lerp, slerp
from ..energy import energy
from ..errors import InputError, SolveError
from ..index import RealismIndex
from ..interpolate import interpolate, points_at_once
from ..interpolate_arguments import check_endpoints, check_generator
from ..models import Model, load
from ..path import Path
from ..report import LABELS, Judge, Report
from ..source import Source
from .console import solving
from .drawings import drawings
from .output import REPORT, attempt, files_in, save_paths, unwritten

CONFIDENCE = "confidence"  # the name of the judge of digits, a column of the table


@dataclass(frozen=True)
class Found:
    """The curves of a solve, and how it went."""

    curves: dict[str, Tensor]  # straight line, slerp and path by the name of their row, ``(B, K+1, D)``
    path: Path  # the solved one, with all that is known of it
    source: Source  # what measures them
    seconds: dict[str, float]  # what each kind of curve took
    stopped: bool  # whether the user has stopped the solve
    # what a strict caller is to be told, once everything is written; None where all is well
    failed: SolveError | None = None


def solve(
    model: Model, start: Tensor, end: Tensor, console: Console, *, segments: int, alpha: float, **options: Any
) -> Found:
    """Solves all pairs ``(B, D)`` in one batch, with both baselines. Ctrl-C keeps the best so far."""
    if model.prior is None:
        raise no_generator(model)
    index = RealismIndex(model.prior, alpha=alpha)
    curves, seconds = {}, {}
    for name, line in {"lerp": lerp, "slerp": slerp}.items():
        began = time.perf_counter()
        curves[name] = line(start, end, segments)
        seconds[name] = time.perf_counter() - began
    embed, most = options.get("embed"), options.get("max_points")
    check_endpoints(start, end, index)
    values = check_generator(model.generator, embed, start, end, most)
    with torch.no_grad():
        most = points_at_once(start.device, values) if most is None else most
        first = float(energy(curves["lerp"], model.generator, index, embed=embed, max_points=most).mean())
    failed = None
    with solving(console, len(start), segments, first) as watch:
        began = time.perf_counter()
        try:
            path = interpolate(
                model.generator, index, start, end, segments=segments, alpha=alpha, callback=watch, **options
            )
        except SolveError as error:
            path, failed = error.path, error
        seconds["path"] = time.perf_counter() - began
    assert path.source is not None
    return Found({**curves, "path": path.latents}, path, path.source, seconds, watch.stopped, failed)


def no_generator(model: Model) -> InputError:
    """The error for a model without a prior."""
    described = model.card.get("description", "no description")
    return InputError(f"{model.name!r} has no generator ({described}). Choose a model that generates.")


def judges(model: Model) -> dict[str, Judge]:
    """The classifier that the model's card names: its confidence is the largest class probability."""
    name = (model.card.get("quality") or {}).get("judge")
    if name is None:
        return {}
    classifier = load(name).generator
    return {CONFIDENCE: lambda frames: classifier(frames.cpu()).softmax(-1).amax(-1)}


def conclude(
    found: Found,  # from `solve`
    model: Model,  # the same
    settings: Mapping[str, Any],  # of the run, for ``report.json``; ``tol`` and ``seed`` among them
    folder: FilePath,  # that exists
    console: Console,  # for the result
    progress: Console,  # for what concerns the work only
    pictures: Mapping[str, Callable[[FilePath], object]] | None = None,  # what draws other files, by their names
    **more: Any,
) -> Report:
    """Saves the paths, measures them, prints table and verdict, writes the other `output.FILES` into ``folder``.

    Whatever fails after the solve, the paths are saved, and every file that can be written is.
    """
    failed = save_paths(found.path, folder)
    if found.stopped:
        progress.print("Stopped; measuring the best paths so far. Ctrl-C once more leaves with the paths alone.")
    report = found.path.report(judges=judges(model))
    console.print()
    console.print(table(report, found.seconds), soft_wrap=True)
    console.print(legend(report), soft_wrap=True)
    console.print()
    console.print(report.verdict(settings["tol"], found.stopped), soft_wrap=True)
    if report.searched:
        console.print(f"Searched from {report.searched}.", soft_wrap=True)
    failed |= attempt({**(pictures or {}), **drawings(found.curves, found.path, model, report)}.items(), folder)

    def write_report(file: FilePath) -> None:
        content = {**about(settings, model, found, report), **more, "files": files_in(folder)}
        file.write_text(to_json(content) + "\n", encoding="utf-8")

    failed |= attempt([(REPORT, write_report)], folder)
    if failed:
        raise unwritten(failed)
    return report


def about(settings: Mapping[str, Any], model: Model, found: Found, report: Report) -> dict[str, Any]:
    """The part of ``report.json`` that any run has."""
    from .. import __version__

    return {
        **json.loads(report.to_json()),
        "labels": LABELS,
        "seconds": {name: round(value, 4) for name, value in found.seconds.items()},
        "stopped": found.stopped,
        "verdict": report.verdict(settings["tol"], found.stopped),
        "settings": {**settings, "threads": torch.get_num_threads(), "solve": found.path.settings},
        "seed": settings["seed"],
        "model": {"name": model.name, "sha256": model.card.get("sha256"), "value_range": model.value_range},
        "versions": {"latentpath": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }


def heading(name: str, pairs: int, segments: int, alpha: float, tol: float, seed: int) -> str:
    """The line that a run begins with."""
    return (
        f"{name}: {counted(pairs, 'pair')}, {counted(segments, 'segment')}, alpha {alpha:g}, tol {tol:g}, seed {seed}"
    )


def table(report: Report, seconds: dict[str, float]) -> Text:
    """The comparison, means over the pairs, for a terminal; ``seconds`` are those of each row."""
    judged = list(report.rows[0].judged)
    rows = [["", "cost", "mean ri", "lowest ri", "length", *judged, "evals", "seconds"]]
    for row in report.rows:
        means = row.means()
        rows.append(
            [
                LABELS.get(row.name, row.name),
                f"{means['cost']:.2f}",
                f"{means['mean ri']:.3f}",
                f"{means['lowest ri']:.2g}",
                f"{means['length']:.1f}",
                *(f"{means[name]:.3f}" for name in judged),
                f"{means['evaluations']:.1f}",
                f"{seconds[row.name]:.1f}",
            ]
        )
    head, *body = aligned(rows)
    bold = [row.name == "path" for row in report.rows]
    lines = [Text(line, style="bold" if path else "") for line, path in zip(body, bold, strict=True)]
    return Text("\n").join([Text(head, style="bold"), Text("─" * len(head)), *lines])


def legend(report: Report) -> str:
    """The meaning of the columns of the table."""
    pairs = len(report["path"].cost)
    judged = f"{CONFIDENCE}: of the classifier in the frames; " if CONFIDENCE in report["path"].judged else ""
    return (
        f"Means over {counted(pairs, 'pair')}. length: of the decoded curve; {judged}"
        "evals: forward and backward passes over a whole path."
    )
