"""The comparison of solved paths with baselines and with the paper's method: solve, measure, print, and write.

`solve` finds paths, straight lines and great circles between given endpoints, `solve_papers` the paths of the paper's
method; `conclude` prints the comparison and makes the files.
"""

import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path as FilePath
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from .._io import to_json
from ..curves import lerp, slerp
from ..energy import energy
from ..errors import InputError, LatentPathError, SolveError
from ..index import SurrogateCheck, compare_surrogate
from ..interpolate import interpolate, points_at_once
from ..interpolate_arguments import check_endpoints, check_generator, scaled_embed
from ..models import Model
from ..path import Path
from ..report import LABELS, Report
from ..source import Source
from .comparison_table import legend, table
from .console import solving
from .drawings import drawings
from .judges import judges, own_samples
from .methods import Method, paper
from .output import PAPER_PATHS, REPORT, attempt, files_in, unwritten

_CHECKED = 256  # points at which a surrogate is compared with the true index, whose evaluation is expensive


@dataclass(frozen=True)
class Solve:
    """The paths of one method, and how their solve went."""

    method: Method
    path: Path
    seconds: float
    stopped: bool  # whether the user has stopped it
    # what a strict caller is to be told, once everything is written; None where all is well
    failed: SolveError | None = None

    def summary(self) -> dict[str, Any]:
        """Returns the method and its outcomes as plain data."""
        converged = int(self.path.converged.sum())
        return {
            **self.method.summary(),
            "stopped": self.stopped,
            "converged": converged,
            "settings": self.path.settings,
        }


@dataclass(frozen=True)
class Found:
    """The curves between given endpoints, and how their solves went."""

    main: Solve  # of the method that was asked for
    baselines: dict[str, Tensor]  # straight line and slerp by the name of their row, ``(B, K+1, D)``
    baseline_seconds: dict[str, float]
    papers: Solve | None = None  # of the paper's method, where it is compared

    @property
    def path(self) -> Path:
        """The solved path, with all that is known of it."""
        return self.main.path

    @property
    def source(self) -> Source:
        """The source that measures all curves."""
        assert self.path.source is not None
        return self.path.source

    @property
    def stopped(self) -> bool:
        """True where the user has stopped the solve of ``path``."""
        return self.main.stopped

    @property
    def failed(self) -> SolveError | None:
        """The error that a strict caller is to be told, once everything is written."""
        return self.main.failed

    @property
    def others(self) -> dict[str, Path]:
        """The paths of other methods by the name of their row."""
        return {} if self.papers is None else {"paper": self.papers.path}

    @property
    def curves(self) -> dict[str, Tensor]:
        """All curves by the name of their row, the path last."""
        others = {name: path.latents for name, path in self.others.items()}
        return {**self.baselines, **others, "path": self.path.latents}

    @property
    def seconds(self) -> dict[str, float]:
        """The seconds that each kind of curve took."""
        others = {} if self.papers is None else {"paper": self.papers.seconds}
        return {**self.baseline_seconds, **others, "path": self.main.seconds}


def solve(model: Model, start: Tensor, end: Tensor, method: Method, console: Console, **options: Any) -> Found:
    """Solves all pairs ``(B, D)`` in one batch, with both baselines. Ctrl-C keeps the best so far."""
    curves, seconds = {}, {}
    for name, line in {"lerp": lerp, "slerp": slerp}.items():
        began = time.perf_counter()
        curves[name] = line(start, end, options["segments"])
        seconds[name] = time.perf_counter() - began
    return Found(_solve(model, start, end, method, console, "Solving", options), curves, seconds)


def solve_papers(found: Found, model: Model, console: Console, **options: Any) -> Found:
    """Solves the same pairs by the paper's method, unless the path's own solve was stopped or is by that method."""
    if found.main.method.name == "paper":
        return found
    if found.stopped:
        console.print("Stopped; the paper's method is left out.")
        return found
    rest = {name: value for name, value in options.items() if name not in ("polish", "strict")}
    ends = found.path.start, found.path.end
    papers = _solve(model, *ends, paper(model), console, "Solving by the paper's method", rest)
    if papers.stopped:
        console.print("Stopped; the paper's method is compared as far as it came.")
    return replace(found, papers=papers)


def _solve(
    model: Model, start: Tensor, end: Tensor, method: Method, console: Console, title: str, options: dict[str, Any]
) -> Solve:
    most, failed = options.get("max_points"), None
    check_endpoints(start, end, method.index)
    values = check_generator(model.generator, method.embed, start, end, most)
    most = points_at_once(start.device, values) if most is None else most
    with torch.no_grad():
        ruler = scaled_embed(method.embed, model.generator, method.index, start, most)
        line = lerp(start, end, options["segments"])
        first = float(energy(line, model.generator, method.index, embed=ruler, max_points=most).mean())
    with solving(console, len(start), options["segments"], first, title) as watch:
        began = time.perf_counter()
        try:
            density = method.index if method.recipe is None else model.prior
            path = interpolate(model.generator, density, start, end, **method.options, **options, callback=watch)
        except SolveError as error:
            path, failed = error.path, error
        seconds = time.perf_counter() - began
    return Solve(method, path, seconds, watch.stopped, failed)


def no_generator(model: Model) -> InputError:
    """The error for a model without a prior."""
    described = model.card.get("description", "no description")
    return InputError(f"{model.name!r} has no generator ({described}). Choose a model that generates.")


def conclude(
    found: Found,  # from `solve`, perhaps with the paper's method
    model: Model,  # the same
    settings: Mapping[str, Any],  # of the run, for ``report.json``; ``tol`` and ``seed`` among them
    folder: FilePath,  # that exists, and has the paths
    console: Console,  # for the result
    progress: Console,  # for what concerns the work only
    failed: Mapping[str, Exception],  # the errors of files that could not be written before, by name
    pictures: Mapping[str, Callable[[FilePath], object]] | None = None,  # what draws other files, by their names
    **more: Any,
) -> Report:
    """Measures the curves, prints table and verdict, writes the `output.FILES` beside the paths into ``folder``.

    Whatever fails, every file that can be written is.
    """
    failed = dict(failed)
    if found.stopped:
        progress.print("Stopped; measuring the best paths so far. Ctrl-C once more leaves with the paths alone.")
    panel = judges(model, found.source, settings["seed"])
    report = found.path.report(judges=panel, others=found.others)
    pairs, points, _ = found.path.latents.shape
    own = own_samples(model, found.source, panel, pairs, points, settings["seed"])
    console.print()
    console.print(table(report, found.seconds, own, console.width), soft_wrap=True)
    console.print(legend(report, own), soft_wrap=True)
    console.print()
    console.print(report.verdict(settings["tol"], found.stopped), soft_wrap=True)
    if report.searched:
        console.print(f"Searched from {report.searched}.", soft_wrap=True)
    check = surrogate_check(found.path, progress)
    if check is not None:
        console.print(str(check), soft_wrap=True)
    writers = {**(pictures or {}), **drawings(found.curves, found.path, model, report, found.others)}
    if found.papers is not None:
        writers[PAPER_PATHS] = found.papers.path.save
    failed |= attempt(writers.items(), folder)

    def write_report(file: FilePath) -> None:
        content = {**about(settings, model, found, report, own, check), **more, "files": files_in(folder)}
        file.write_text(to_json(content) + "\n", encoding="utf-8")

    failed |= attempt([(REPORT, write_report)], folder)
    if failed:
        raise unwritten(failed)
    return report


def surrogate_check(path: Path, progress: Console) -> SurrogateCheck | None:
    """Compares the surrogates of the path's index with the true index, at 256 of the path's points at most.

    Returns None where the index has no surrogate, where its true index is unknown, and after Ctrl-C.
    """
    assert path.source is not None
    points = path.latents.flatten(0, 1)
    chosen = torch.linspace(0, len(points) - 1, min(_CHECKED, len(points)), dtype=torch.float64).round().long()
    try:
        return compare_surrogate(path.source.index, points[chosen][None])
    except KeyboardInterrupt:
        progress.print("Stopped comparing the surrogate with the true index; everything else is written.")
    except LatentPathError as error:
        progress.print(f"The surrogate is not compared with the true index: {error}", soft_wrap=True, markup=False)
    return None


def about(
    settings: Mapping[str, Any],
    model: Model,
    found: Found,
    report: Report,
    own: Mapping[str, list[float]],
    check: SurrogateCheck | None,
) -> dict[str, Any]:
    """The part of ``report.json`` that any run has."""
    from .. import __version__

    papers = {} if found.papers is None else {"paper": found.papers.summary()}
    return {
        **json.loads(report.to_json()),
        "own_samples": own,
        "methods": {"path": found.main.summary(), **papers},
        "recipe": None if model.recipe is None else str(model.recipe),
        "surrogate": None if check is None else {**asdict(check), "log_ri": check.log_ri.tolist(), "text": str(check)},
        "labels": LABELS,
        "seconds": {name: round(value, 4) for name, value in found.seconds.items()},
        "stopped": found.stopped,
        "verdict": report.verdict(settings["tol"], found.stopped),
        "settings": {**settings, "threads": torch.get_num_threads(), "solve": found.path.settings},
        "seed": settings["seed"],
        "model": {"name": model.name, "sha256": model.card.get("sha256"), "value_range": model.value_range},
        "versions": {"latentpath": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }
