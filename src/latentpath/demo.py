"""What ``latentpath demo`` does: many pairs solved at once, compared with both baselines in numbers and pictures.

Every step is a function over any shipped generator: `endpoints` draws the pairs, `solve_pairs` finds all three kinds of
curve, `draw_pictures` and `about` make the files, `verdict` puts the result in words; `run` goes through them.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath
from typing import Any

import torch
from rich import box
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from torch import Tensor
from torch.distributions import Distribution, MixtureSameFamily

from . import plots, video
from .curves import arc_length, at_arc, even_arc, lerp, slerp, subdivide
from .energy import chords, decode, energy
from .errors import InputError
from .evaluate import Judge, Report, Source
from .index import RealismIndex
from .interpolate import interpolate
from .models import Model, load
from .models.sampling import draw
from .path import Path
from .solvers import Callback, Multilevel, Progress

__all__ = ["FILES", "Demo", "Found", "endpoints", "legend", "run", "solve_pairs", "table", "verdict"]

FILES = {
    "strips.png": "frames of the first pairs, row by row: straight line, slerp, path",
    "profiles.png": "the realism index and the data-space step along the curves, over all pairs",
    "plane.png": "the first pairs in the plane of their endpoints (equation 4)",
    "map.png": "all pairs over the prior's density in the first two latent coordinates",
    "morph.gif": "the first pairs as a film: straight line beside path",
    "paths.safetensors": "the solved paths, for latentpath.Path.load",
    "report.json": "every number for every pair, the settings, versions and the seed",
}
"""What the demo writes, and what each file is."""

LABELS = {"lerp": "straight line", "slerp": "slerp", "path": "path"}
_ENDED = {"budget spent": "stopped before converging", "non finite": "could not start from a finite energy"}
_SHOWN, _FILM_FRAMES, _FILM_SECONDS, _PRIOR_SAMPLES, _CONFIDENCE = 3, 51, 8.0, 200_000, "confidence"


@dataclass(frozen=True)
class Demo:
    """The settings of a run.

    Attributes:
        model: a shipped generator.
        pairs: how many pairs of endpoints, solved together.
        segments: ``K``.
        alpha: the scale of the index.
        tol: the relative accuracy of the cost at which a path has converged.
        seed: of the endpoints.
        threads: CPU threads; None for PyTorch's choice.
    """

    model: str = "mnist-dcgan-semicircle"
    pairs: int = 16
    segments: int = 50
    alpha: float = 0.9
    tol: float = 1e-3
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        for name in ("pairs", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, got {value}")
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed must be at least 0 and below 2 ** 63, got {self.seed}")


@dataclass(frozen=True)
class Found:
    """What was solved.

    Attributes:
        curves: straight line, slerp and path by the name of their row, ``(B, K+1, D)``.
        path: the solved one, with all that is known of it.
        source: what measures them.
        seconds: what each kind of curve took.
        stopped: whether the user has stopped the solve.
    """

    curves: dict[str, Tensor]
    path: Path
    source: Source
    seconds: dict[str, float]
    stopped: bool


def endpoints(prior: Distribution, pairs: int, seed: int) -> tuple[Tensor, Tensor]:
    """``pairs`` starts and ends, ``(pairs, D)`` each, drawn from ``prior``.

    A mixture gives starts from its first component and ends from its last: of the semicircle its two ends, around
    (2, 6) and (2, -6). Any other prior gives two independent draws.
    """
    random = torch.Generator().manual_seed(seed)
    if isinstance(prior, MixtureSameFamily) and prior.component_distribution.batch_shape[-1] > 1:
        drawn = draw(prior.component_distribution, pairs, random)
        return drawn[:, 0].contiguous(), drawn[:, -1].contiguous()
    start, end = draw(prior, 2 * pairs, random).split(pairs)
    return start, end


class _Stop:
    """Whether the user has asked to stop."""

    asked = False


@contextmanager
def _first_interrupt() -> Iterator[_Stop]:
    """The first Ctrl-C only asks to stop; the second one interrupts."""
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread():  # no signals there
        yield stop
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(*_: object) -> None:
        stop.asked = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _progress(console: Console, pairs: int, segments: int, first: float) -> Iterator[Callback]:
    """A live line on a terminal; elsewhere a line for each level of the solver."""
    levels = Multilevel.levels(segments)

    def facts(now: Progress) -> tuple[int, str]:
        level = levels.index(now.latents.shape[1] - 1)
        lowest = float(now.energy[now.energy.isfinite()].mean())
        return level, (
            f"level {level + 1} of {len(levels)}: {now.running} of {pairs} running, energy {first:.4g} → {lowest:.4g}, "
            f"{now.evaluations:.0f} evaluations"
        )

    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("Solving"), BarColumn(16), TextColumn("{task.description}"))
        with Bar(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
            task = bar.add_task("the straight lines", total=pairs * len(levels))

            def show(now: Progress) -> None:
                level, text = facts(now)
                bar.update(task, completed=(level + 1) * pairs - now.running, description=text)

            yield show
        return
    seen = [-1]

    def line(now: Progress) -> None:
        level, text = facts(now)
        if level != seen[0]:
            seen[0] = level
            console.print(f"Solving, {text}")

    yield line


def solve_pairs(settings: Demo, model: Model, console: Console) -> Found:
    """All pairs of the demo, solved in one batch, with both baselines. Ctrl-C keeps the best so far.

    Raises:
        InputError: a model without a prior, or settings that `interpolate` refuses.
    """
    if model.prior is None:
        raise InputError(f"{model.name!r} generates nothing ({model.card['description']}): choose a generator")
    index = RealismIndex(model.prior, alpha=settings.alpha)
    start, end = endpoints(model.prior, settings.pairs, settings.seed)
    curves, seconds = {}, {}
    for name, line in (("lerp", lerp), ("slerp", slerp)):
        began = time.perf_counter()
        curves[name] = line(start, end, settings.segments)
        seconds[name] = time.perf_counter() - began
    with torch.no_grad():
        first = float(energy(curves["lerp"], model.generator, index).mean())
    with _first_interrupt() as stop, _progress(console, settings.pairs, settings.segments, first) as show:

        def callback(now: Progress) -> bool:
            show(now)
            return stop.asked

        began = time.perf_counter()
        path = interpolate(
            model.generator,
            index,
            start,
            end,
            segments=settings.segments,
            alpha=settings.alpha,
            tol=settings.tol,
            callback=callback,
        )
        seconds["path"] = time.perf_counter() - began
    assert path.source is not None
    return Found({**curves, "path": path.latents}, path, path.source, seconds, stop.asked)


def judges(model: Model) -> dict[str, Judge]:
    """The classifier that the model's card names: its confidence is the largest class probability."""
    name = (model.card.get("quality") or {}).get("judge")
    if name is None:
        return {}
    classifier = load(name).generator
    return {_CONFIDENCE: lambda frames: classifier(frames).softmax(-1).amax(-1)}


def table(report: Report, seconds: dict[str, float]) -> Table:
    """The comparison, means over the pairs, for a terminal."""
    judged = list(report.rows[0].judged)
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False, show_edge=False)
    shown.add_column("", no_wrap=True)
    for heading in ("cost", "mean ri", "lowest ri", "length", *judged, "evals", "seconds"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for row in report.rows:
        means = row.means()
        shown.add_row(
            LABELS.get(row.name, row.name),
            f"{means['cost']:.2f}",
            f"{means['mean ri']:.3f}",
            f"{means['lowest ri']:.2g}",
            f"{means['length']:.1f}",
            *(f"{means[name]:.3f}" for name in judged),
            f"{means['evaluations']:.1f}",
            f"{seconds[row.name]:.1f}",
            style="bold" if row.name == "path" else "",
        )
    return shown


def legend(report: Report) -> str:
    """What the columns of the table are."""
    pairs = len(report["path"].cost)
    judged = f"{_CONFIDENCE}: of the classifier in the frames; " if _CONFIDENCE in report["path"].judged else ""
    return (
        f"Means over {pairs} pair{'s' * (pairs != 1)}. length: of the decoded curve; {judged}"
        "evals: forward and backward passes over a whole path."
    )


def verdict(report: Report, tol: float, stopped: bool = False) -> str:
    """The result in words: how much cheaper, in how many pairs, what the audit found, how the solves ended."""
    line, path = report["lerp"], report["path"]
    pairs = len(path.cost)
    before, after = sum(line.cost) / pairs, sum(path.cost) / pairs
    cheaper = sum(a < b for a, b in zip(path.cost, line.cost, strict=True))
    tunnelling = sum(count > 0 for count in path.tunnels)
    saved = 1 - after / before if before > 0 else 0.0
    hidden = sum(path.tunnels)
    found = (
        f"found {hidden} tunnelling segment{'s' * (hidden != 1)}, in {tunnelling} of {pairs} paths "
        "(the costs above include what they hide)"
        if tunnelling
        else "found no tunnelling"
    )
    ends = [f"{count} {_ENDED.get(name, name)}" for name, count in report.outcomes.items()]
    ended = f"Of the {pairs} solves {', '.join(ends)}" if pairs > 1 else f"The solve: {ends[0]}"
    if report.outcomes.get("converged") == pairs:
        ended = f"All {pairs} solves converged" if pairs > 1 else "The solve converged"
    words = (
        f"On average the path costs {abs(saved):.0%} {'less' if saved >= 0 else 'more'} than the straight line "
        f"({after:.2f} instead of {before:.2f}); it is cheaper in {cheaper} of {pairs} pairs. "
        f"The audit {found}. {ended} (tol {tol:g})."
    )
    return f"{words} You stopped the solve: these are the best paths found by then." if stopped else words


@torch.no_grad()
def draw_pictures(found: Found, model: Model, report: Report, folder: FilePath) -> None:
    """Write the pictures and the film. The pairs shown one by one are the first ones drawn, not chosen."""
    source, segments = found.source, found.path.segments
    shown = min(_SHOWN, len(found.path))
    low, high = model.card["value_range"]
    named = {LABELS[name]: latents for name, latents in found.curves.items()}
    few = {name: latents[:shown] for name, latents in named.items()}
    which = f"the first {shown} pairs" if shown > 1 else "the first pair"
    every = max(1, segments // 10)
    rank = "point" if every == 1 else f"{every}{ {2: 'nd', 3: 'rd'}.get(every, 'th') } point"
    plots.save(
        plots.strips(
            {name: source.frames(latents) for name, latents in few.items()},
            every=every,
            value_range=(low, high),
            notes={LABELS[r.name]: _notes(r.cost, r.mean_ri) for r in report.rows},
            title=f"{which.capitalize()}, every {rank} of each curve",
        ),
        folder / "strips.png",
    )
    ri = {name: source.ri(latents) for name, latents in named.items()}
    steps = {
        name: chords(decode(latents, source.generator, None, source.max_points)) for name, latents in named.items()
    }
    plots.save(plots.profiles(ri, steps, title="Along the curves"), folder / "profiles.png")
    plane = {name: latents for name, latents in few.items() if name != "slerp"}
    plots.save(plots.plane(plane, title=f"{which.capitalize()} in the plane of their endpoints"), folder / "plane.png")
    assert model.prior is not None
    samples = draw(model.prior, _PRIOR_SAMPLES, torch.Generator().manual_seed(0))
    plots.save(plots.prior_map(samples, named, strong=shown, title="Over the prior"), folder / "map.png")
    film = {name: source.frames(even(latents, source, _FILM_FRAMES)) for name, latents in plane.items()}
    video.gif(film, folder / "morph.gif", seconds=_FILM_SECONDS, value_range=(low, high))


def _notes(cost: list[float], mean_ri: list[float]) -> list[str]:
    return [f"cost {c:.{int(c < 1000)}f}\nmean ri {r:.3f}" for c, r in zip(cost, mean_ri, strict=True)]


def even(latents: Tensor, source: Source, points: int) -> Tensor:
    """``points`` points along any polylines ``(B, K+1, D)``, even in the data space: for a film."""
    fine = subdivide(latents, 8)
    arc = arc_length(chords(decode(fine, source.generator, None, source.max_points)))
    inner = at_arc(fine, arc, even_arc(arc, points))[:, 1:-1]
    return torch.cat([latents[:, :1], inner, latents[:, -1:]], dim=1)


def about(settings: Demo, model: Model, found: Found, report: Report) -> dict[str, Any]:
    """The content of ``report.json``."""
    from . import __version__

    return {
        **json.loads(report.to_json()),
        "labels": LABELS,
        "seconds": {name: round(value, 4) for name, value in found.seconds.items()},
        "stopped": found.stopped,
        "verdict": verdict(report, settings.tol, found.stopped),
        "settings": {**asdict(settings), "threads": torch.get_num_threads(), "solve": found.path.settings},
        "seed": settings.seed,
        "model": {"name": model.name, "sha256": model.card["sha256"]},
        "versions": {"latentpath": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "files": FILES,
    }


@contextmanager
def staged(out: FilePath) -> Iterator[FilePath]:
    """A folder within ``out``, whose files move to ``out`` at the end, or vanish with whatever was made for them.

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
            for file in sorted(stage.iterdir()):
                file.replace(out / file.name)
            done = True
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    except OSError as error:
        raise InputError(f"cannot write to {out}: {error.strerror or error}") from error
    finally:
        if not done:
            for folder in made:
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()


def run(settings: Demo, out: FilePath, console: Console, progress: Console) -> Report:
    """The whole demo: solve, print the table and the verdict, write `FILES` into ``out``.

    Raises:
        LatentPathError: settings, a model or a folder that will not do; nothing is written then.
    """
    if settings.threads is not None:
        torch.set_num_threads(min(settings.threads, os.cpu_count() or 1))
    model = load(settings.model)
    with staged(out) as folder:
        console.print(
            f"{settings.model}: {settings.pairs} pair{'s' * (settings.pairs != 1)}, {settings.segments} segments, "
            f"alpha {settings.alpha:g}, tol {settings.tol:g}, seed {settings.seed}"
        )
        found = solve_pairs(settings, model, progress)
        if found.stopped:
            progress.print("Stopped; measuring the best paths so far. Ctrl-C once more leaves without a trace.")
        report = found.path.report(judges=judges(model))
        console.print()
        console.print(table(report, found.seconds))
        console.print(legend(report), soft_wrap=True)
        console.print()
        console.print(verdict(report, settings.tol, found.stopped), soft_wrap=True)
        draw_pictures(found, model, report, folder)
        found.path.save(folder / "paths.safetensors")
        content = json.dumps(about(settings, model, found, report), indent=2, ensure_ascii=False, allow_nan=False)
        (folder / "report.json").write_text(content + "\n", encoding="utf-8")
    console.print()
    for name, what in FILES.items():
        console.print(f"  {name:<18} {what}", soft_wrap=True)
    console.print(f"Open the folder {out}", soft_wrap=True)
    return report
