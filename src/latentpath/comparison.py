"""What every command that interpolates does: solve, compare with both baselines, and write numbers and pictures.

`solve` finds all three kinds of curve between given endpoints, `conclude` saves the paths, prints the comparison and
makes the other files.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from . import plots, video
from ._io import to_json
from .checks import check_endpoints, check_generator
from .counts import counted
from .curves import lerp, slerp
from .energy import chords, decode, energy, even_in_data
from .errors import InputError, SolveError
from .evaluate import Judge, Report, Source
from .index import RealismIndex
from .interpolate import check_options, interpolate, points_at_once
from .live import first_interrupt, solving
from .models import Model, load
from .models.sampling import draw
from .output import ENDPOINTS, FILES, REPORT, attempt, files_in, list_files, save_paths, staged, unwritten
from .path import Path
from .solvers import Progress, Restarts
from .summary import CONFIDENCE, LABELS, legend, table, verdict

__all__ = [
    "ENDPOINTS",
    "FILES",
    "Found",
    "check_run",
    "conclude",
    "heading",
    "list_files",
    "makes_pictures",
    "no_generator",
    "solve",
    "staged",
]

_MOST_PAIRS, _MOST = 100_000, 100_000  # drawn pairs, segments: above this it is a slip of the finger
_SHOWN, _FILM_FRAMES, _FILM_SECONDS, _PRIOR_SAMPLES = 3, 51, 8.0, 200_000


@dataclass(frozen=True)
class Found:
    """What was solved.

    Attributes:
        curves: straight line, slerp and path by the name of their row, ``(B, K+1, D)``.
        path: the solved one, with all that is known of it.
        source: what measures them.
        seconds: what each kind of curve took.
        stopped: whether the user has stopped the solve.
        failed: what a strict caller is to be told, once everything is written; None where all is well.
    """

    curves: dict[str, Tensor]
    path: Path
    source: Source
    seconds: dict[str, float]
    stopped: bool
    failed: SolveError | None = None


def solve(
    model: Model, start: Tensor, end: Tensor, console: Console, *, segments: int, alpha: float, **options: Any
) -> Found:
    """All pairs, solved in one batch, with both baselines. Ctrl-C keeps the best so far.

    Args:
        model: with a prior.
        start: ``(B, D)``.
        end: ``(B, D)``.
        console: for the progress.
        segments: of every curve.
        alpha: the scale of the index.
        options: any others of `interpolate`.

    Raises:
        InputError: a model without a prior, or what `interpolate` refuses.
    """
    if model.prior is None:
        raise no_generator(model)
    index = RealismIndex(model.prior, alpha=alpha)
    curves, seconds = {}, {}
    for name, line in (("lerp", lerp), ("slerp", slerp)):
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
    with first_interrupt() as stop, solving(console, len(start), segments, first) as show:

        def callback(now: Progress) -> bool:
            show(now)
            return stop.asked

        began = time.perf_counter()
        try:
            path = interpolate(
                model.generator, index, start, end, segments=segments, alpha=alpha, callback=callback, **options
            )
        except SolveError as error:
            path, failed = error.path, error
        seconds["path"] = time.perf_counter() - began
    assert path.source is not None
    return Found({**curves, "path": path.latents}, path, path.source, seconds, stop.asked, failed)


def heading(name: str, pairs: int, segments: int, alpha: float, tol: float, seed: int) -> str:
    """The line that a run begins with."""
    return (
        f"{name}: {counted(pairs, 'pair')}, {counted(segments, 'segment')}, alpha {alpha:g}, tol {tol:g}, seed {seed}"
    )


def check_run(*, segments: int, tol: float, seed: int, pairs: int | None, threads: int | None, **options: Any) -> None:
    """Refuse settings that no run can have, before anything is loaded, drawn, read or inverted.

    Args:
        segments: of every curve.
        tol: the gain that is not worth more work.
        seed: of what is drawn.
        pairs: that are drawn, if any are.
        threads: of the CPU; None for PyTorch's choice.
        options: of `interpolate` that were given.

    Raises:
        InputError: one is out of range, or not finite.
    """
    for name, value, most in (("pairs", pairs, _MOST_PAIRS), ("threads", threads, None), ("segments", segments, _MOST)):
        if value is not None and value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
        if value is not None and most is not None and value > most:
            raise InputError(f"{name} must be at most {most:,}, got {value}")
    if not 0 <= seed < 2**63:
        raise InputError(f"seed must be at least 0 and below 2 ** 63, got {seed}")
    numbers = {name: options[name] for name in ("max_evaluations", "max_points") if name in options}
    check_options(segments=segments, tol=tol, **numbers)
    Restarts.of(options.get("restarts"), seed)


def no_generator(model: Model) -> InputError:
    """The error for a model without a prior."""
    described = model.card.get("description", "no description")
    return InputError(f"{model.name!r} generates nothing ({described}): choose a generator")


def judges(model: Model) -> dict[str, Judge]:
    """The classifier that the model's card names: its confidence is the largest class probability."""
    name = (model.card.get("quality") or {}).get("judge")
    if name is None:
        return {}
    classifier = load(name).generator
    return {CONFIDENCE: lambda frames: classifier(frames.cpu()).softmax(-1).amax(-1)}


def conclude(
    found: Found,
    model: Model,
    settings: Mapping[str, Any],
    folder: FilePath,
    console: Console,
    progress: Console,
    pictures: Mapping[str, Callable[[FilePath], object]] | None = None,
    **more: Any,
) -> Report:
    """Save the paths, measure them, print table and verdict, write the other `FILES` into ``folder``.

    Whatever fails after the solve, the paths are saved, and every file that can be written is.

    Args:
        found: from `solve`.
        model: the same.
        settings: of the run, for ``report.json``; ``tol`` and ``seed`` among them.
        folder: that exists.
        console: for the result.
        progress: for what concerns the work only.
        pictures: what draws other files, by their names.
        more: for ``report.json``.

    Raises:
        WriteError: some files could not be written.
    """
    failed = save_paths(found.path, folder)
    if found.stopped:
        progress.print("Stopped; measuring the best paths so far. Ctrl-C once more leaves with the paths alone.")
    report = found.path.report(judges=judges(model))
    console.print()
    console.print(table(report, found.seconds))
    console.print(legend(report), soft_wrap=True)
    console.print()
    console.print(verdict(report, settings["tol"], found.stopped), soft_wrap=True)
    if report.searched:
        console.print(f"Searched from {report.searched}.", soft_wrap=True)
    failed |= attempt({**(pictures or {}), **drawings(found, model, report)}.items(), folder)

    def write_report(file: FilePath) -> None:
        content = {**about(settings, model, found, report), **more, "files": files_in(folder)}
        file.write_text(to_json(content) + "\n", encoding="utf-8")

    failed |= attempt([(REPORT, write_report)], folder)
    if failed:
        raise unwritten(failed)
    return report


@torch.no_grad()
def drawings(found: Found, model: Model, report: Report) -> dict[str, Callable[[FilePath], object]]:
    """What draws each picture, and the film. The pairs shown one by one are the first ones, not chosen.

    What a model makes is shown where it is pictures, and latents where they have two coordinates.
    """
    shown = min(_SHOWN, len(found.path))
    which = f"the first {shown} pairs" if shown > 1 else "the first pair"
    named = {LABELS[name]: latents for name, latents in found.curves.items()}
    few = {name: latents[:shown] for name, latents in named.items()}
    unbent = {name: latents for name, latents in few.items() if name != LABELS["slerp"]}
    made: dict[str, Callable[[FilePath], object]] = {"profiles.png": lambda file: _draw_profiles(named, found, file)}
    if makes_pictures(found.source.frames(found.path.latents[:1, :1])):
        made["strips.png"] = lambda file: _draw_strips(few, found.source, model, report, which.capitalize(), file)
        made["morph.gif"] = lambda file: _film(unbent, found.source, model, file)
    if found.path.latents.shape[-1] > 1:
        title = f"{which.capitalize()} in the plane of their endpoints"
        made["plane.png"] = lambda file: plots.save(plots.plane(unbent, title=title), file)
        made["map.png"] = lambda file: _draw_map(named, model, shown, file)
    return made


def makes_pictures(frames: Tensor) -> bool:
    """Whether frames ``(B, P, ...)`` are grey or RGB pictures."""
    return frames.ndim == 5 and frames.shape[2] in (1, 3)


@torch.no_grad()
def _draw_profiles(named: Mapping[str, Tensor], found: Found, file: FilePath) -> None:
    source = found.source
    ri = {name: source.ri(latents) for name, latents in named.items()}
    steps = {
        name: chords(decode(latents, source.generator, None, source.max_points)) for name, latents in named.items()
    }
    plots.save(plots.profiles(ri, steps, title="Along the curves"), file)


@torch.no_grad()
def _draw_strips(
    few: Mapping[str, Tensor], source: Source, model: Model, report: Report, which: str, file: FilePath
) -> None:
    segments = next(iter(few.values())).shape[1] - 1
    every = max(1, segments // 10)
    rank = "point" if every == 1 else f"{every}{ {2: 'nd', 3: 'rd'}.get(every, 'th') } point"
    plots.save(
        plots.strips(
            {name: source.frames(latents) for name, latents in few.items()},
            every=every,
            value_range=model.value_range,
            notes={LABELS[r.name]: _notes(r.cost, r.mean_ri) for r in report.rows},
            title=f"{which}, every {rank} of each curve",
        ),
        file,
    )


@torch.no_grad()
def _film(few: Mapping[str, Tensor], source: Source, model: Model, file: FilePath) -> None:
    film = {
        name: source.frames(even_in_data(latents, source.generator, _FILM_FRAMES, max_points=source.max_points))
        for name, latents in few.items()
    }
    video.gif(film, file, seconds=_FILM_SECONDS, value_range=model.value_range)


def _draw_map(named: Mapping[str, Tensor], model: Model, shown: int, file: FilePath) -> None:
    assert model.prior is not None
    samples = draw(model.prior, _PRIOR_SAMPLES, torch.Generator().manual_seed(0))
    plots.save(plots.prior_map(samples, named, strong=shown, title="Over the prior"), file)


def _notes(cost: list[float], mean_ri: list[float]) -> list[str]:
    return [f"cost {c:.{int(c < 1000)}f}\nmean ri {r:.3f}" for c, r in zip(cost, mean_ri, strict=True)]


def about(settings: Mapping[str, Any], model: Model, found: Found, report: Report) -> dict[str, Any]:
    """What ``report.json`` says of any run."""
    from . import __version__

    return {
        **json.loads(report.to_json()),
        "labels": LABELS,
        "seconds": {name: round(value, 4) for name, value in found.seconds.items()},
        "stopped": found.stopped,
        "verdict": verdict(report, settings["tol"], found.stopped),
        "settings": {**settings, "threads": torch.get_num_threads(), "solve": found.path.settings},
        "seed": settings["seed"],
        "model": {"name": model.name, "sha256": model.card.get("sha256"), "value_range": model.value_range},
        "versions": {"latentpath": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }
