"""What every command that interpolates does: solve, compare with both baselines, and write numbers and pictures.

`solve` finds all three kinds of curve between given endpoints, `conclude` prints the comparison and makes the files,
`staged` sees to it that a folder gets all of them or none.
"""

from __future__ import annotations

import json
import platform
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from . import plots, video
from .checks import check_endpoints, check_generator
from .curves import lerp, slerp
from .energy import chords, decode, energy, even_in_data
from .errors import InputError, LatentPathError, SolveError
from .evaluate import Judge, Report, Source
from .index import RealismIndex
from .interpolate import interpolate, points_at_once
from .live import first_interrupt, solving
from .models import Model, load
from .models.sampling import draw
from .path import Path
from .solvers import Progress
from .summary import CONFIDENCE, LABELS, legend, table, verdict

__all__ = ["ENDPOINTS", "FILES", "Found", "conclude", "list_files", "makes_pictures", "no_generator", "solve", "staged"]

FILES = {
    "strips.png": "frames of the first pairs, row by row: straight line, slerp, path",
    "profiles.png": "the realism index and the data-space step along the curves, over all pairs",
    "plane.png": "the first pairs in the plane of their endpoints (equation 4)",
    "map.png": "all pairs over the prior's density in the first two latent coordinates",
    "morph.gif": "the first pairs as a film: straight line beside path",
    "paths.safetensors": "the solved paths, for latentpath.Path.load",
    "report.json": "every number for every pair, the settings, versions and the seed",
}
"""What is written, and what each file is."""

ENDPOINTS = {"endpoints.png": "the images given, over what the model makes of them"}
"""What is written too where the endpoints were images."""

_EVERY = {**ENDPOINTS, **FILES}
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
    **more: Any,
) -> Report:
    """Measure what was found, print table and verdict, write `FILES` into ``folder``.

    Args:
        found: from `solve`.
        model: the same.
        settings: of the run, for ``report.json``; ``tol`` and ``seed`` among them.
        folder: that exists.
        console: for the result.
        progress: for what concerns the work only.
        more: for ``report.json``.
    """
    if found.stopped:
        progress.print("Stopped; measuring the best paths so far. Ctrl-C once more leaves without a trace.")
    report = found.path.report(judges=judges(model))
    console.print()
    console.print(table(report, found.seconds))
    console.print(legend(report), soft_wrap=True)
    console.print()
    console.print(verdict(report, settings["tol"], found.stopped), soft_wrap=True)
    if report.searched:
        console.print(f"Searched from {report.searched}.", soft_wrap=True)
    draw_pictures(found, model, report, folder)
    found.path.save(folder / "paths.safetensors")
    content = {**about(settings, model, found, report), **more, "files": _files(folder)}
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    return report


def _files(folder: FilePath) -> dict[str, str]:
    """What is in ``folder``, and the report, which comes last."""
    return {name: what for name, what in _EVERY.items() if name == "report.json" or (folder / name).exists()}


def list_files(out: FilePath, console: Console, written: Iterable[str]) -> None:
    """Say what was written where."""
    console.print()
    for name, what in _EVERY.items():
        if name in written:
            console.print(f"  {name:<18} {what}", soft_wrap=True)
    console.print(f"Open the folder {out}", soft_wrap=True)


@torch.no_grad()
def draw_pictures(found: Found, model: Model, report: Report, folder: FilePath) -> None:
    """Write the pictures and the film. The pairs shown one by one are the first ones, not chosen.

    What a model makes is shown where it is pictures, and latents where they have two coordinates.
    """
    source = found.source
    shown = min(_SHOWN, len(found.path))
    named = {LABELS[name]: latents for name, latents in found.curves.items()}
    which = f"the first {shown} pairs" if shown > 1 else "the first pair"
    ri = {name: source.ri(latents) for name, latents in named.items()}
    steps = {
        name: chords(decode(latents, source.generator, None, source.max_points)) for name, latents in named.items()
    }
    plots.save(plots.profiles(ri, steps, title="Along the curves"), folder / "profiles.png")
    if makes_pictures(source.frames(found.path.latents[:1, :1])):
        few = {name: latents[:shown] for name, latents in named.items()}
        _draw_frames(few, source, model.value_range, report, which.capitalize(), folder)
    if found.path.latents.shape[-1] > 1:
        plane = {name: latents[:shown] for name, latents in named.items() if name != LABELS["slerp"]}
        title = f"{which.capitalize()} in the plane of their endpoints"
        plots.save(plots.plane(plane, title=title), folder / "plane.png")
        assert model.prior is not None
        samples = draw(model.prior, _PRIOR_SAMPLES, torch.Generator().manual_seed(0))
        plots.save(plots.prior_map(samples, named, strong=shown, title="Over the prior"), folder / "map.png")


def makes_pictures(frames: Tensor) -> bool:
    """Whether frames ``(B, P, ...)`` are grey or RGB pictures."""
    return frames.ndim == 5 and frames.shape[2] in (1, 3)


def _draw_frames(
    few: Mapping[str, Tensor],
    source: Source,
    value_range: tuple[float, float],
    report: Report,
    which: str,
    folder: FilePath,
) -> None:
    """The strips and the film of a few pairs."""
    segments = next(iter(few.values())).shape[1] - 1
    every = max(1, segments // 10)
    rank = "point" if every == 1 else f"{every}{ {2: 'nd', 3: 'rd'}.get(every, 'th') } point"
    plots.save(
        plots.strips(
            {name: source.frames(latents) for name, latents in few.items()},
            every=every,
            value_range=value_range,
            notes={LABELS[r.name]: _notes(r.cost, r.mean_ri) for r in report.rows},
            title=f"{which}, every {rank} of each curve",
        ),
        folder / "strips.png",
    )
    film = {
        name: source.frames(even_in_data(latents, source.generator, _FILM_FRAMES, max_points=source.max_points))
        for name, latents in few.items()
        if name != LABELS["slerp"]
    }
    video.gif(film, folder / "morph.gif", seconds=_FILM_SECONDS, value_range=value_range)


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


@contextmanager
def staged(out: FilePath) -> Iterator[FilePath]:
    """A folder within ``out``, whose files move to ``out`` at the end, or vanish with whatever was made for them.

    Of an earlier run's files those that this one does not make go too.

    Raises:
        InputError: ``out`` is a file, or cannot be written to.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"--out must name a folder, and {out} is a file: choose another one")
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    done = False
    try:
        out.mkdir(parents=True, exist_ok=True)
        stage = FilePath(tempfile.mkdtemp(prefix=".unfinished-", dir=out))
        try:
            yield stage
            made_now = sorted(stage.iterdir())
            for name in _EVERY.keys() - {file.name for file in made_now}:
                (out / name).unlink(missing_ok=True)
            for file in made_now:
                file.replace(out / file.name)
            done = True
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    except LatentPathError:  # some of which are of the operating system's kind, too
        raise
    except OSError as error:
        raise InputError(f"cannot write to {out}: {error.strerror or error}") from error
    finally:
        if not done:
            for folder in made:
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
