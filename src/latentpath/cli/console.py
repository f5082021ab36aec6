"""The console of a command: errors in one line, live progress while it works, and the first Ctrl-C."""

import functools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Generic, ParamSpec, TypeVar

import typer
from rich.console import Console

from .. import interrupts
from .._progress import Stage, live_bar
from .._words import counted, plural
from ..errors import LatentPathError
from ..inversion import InversionProgress
from ..solvers import Multilevel, Progress

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_SECONDS = 30.0  # seconds between two lines of progress where there is no terminal


def console(*, stderr: bool = False) -> Console:
    """A console that keeps a table whole where no width is set, as in a pipe."""
    found = Console(stderr=stderr, highlight=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=max(found.width, 100))


def one_line_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Shows a `LatentPathError` as one line on stderr, with exit code 2; Ctrl-C as one line, with exit code 130.

    The notes of either follow in the same line.
    """

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with interrupts.raised():
                return command(*args, **kwargs)
        except LatentPathError as error:
            typer.echo(f"Error: {'. '.join([str(error), *getattr(error, '__notes__', [])])}", err=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt as error:
            typer.echo(" ".join(["Interrupted.", *getattr(error, "__notes__", [])]), err=True)
            raise typer.Exit(interrupts.INTERRUPTED) from None

    return guarded


class Watch(Generic[T]):
    """A callback that shows the progress of a solve, and stops it after the first Ctrl-C."""

    def __init__(self, show: Callable[[T], None], stop: interrupts.Stop) -> None:
        self._show, self._stop = show, stop

    def __call__(self, now: T) -> bool:
        """Shows a report; returns whether the solve is to stop."""
        self._show(now)
        return self._stop.asked

    @property
    def stopped(self) -> bool:
        """True once the user has asked to stop."""
        return self._stop.asked


@contextmanager
def _watching(
    console: Console, title: str, words: str, facts: Callable[[T], tuple[int, float | None, str]]
) -> Iterator[Watch[T]]:
    """Yields a `Watch` that draws a bar on a terminal; elsewhere it prints a line whenever the group changes.

    ``facts`` gives the group of a report, the share of the work that is done, and a few words.
    """
    with interrupts.first_interrupt() as stop:
        if console.is_terminal:
            with live_bar(console, title, words) as report:
                yield Watch(lambda now: report(*facts(now)[1:]), stop)
            return
        due = _Due(math.inf)

        def line(now: T) -> None:
            group, _, text = facts(now)
            if due(group):
                console.print(f"{title}, {text}")

        yield Watch(line, stop)


def solving(
    console: Console, pairs: int, segments: int, first: float, title: str = "Solving"
) -> AbstractContextManager[Watch[Progress]]:
    """A context with the `Watch` of a solve of ``pairs`` paths, whose lines have the mean energy ``first``."""
    levels = Multilevel.levels(segments)

    def facts(now: Progress) -> tuple[int, float | None, str]:
        spent = f"{now.evaluations:.0f} {plural(round(now.evaluations), 'evaluation')}"
        lowest = float(now.energy[now.energy.isfinite()].mean())
        if now.latents.shape[1] - 1 not in levels or len(now.energy) != pairs:
            what = "measured more finely" if now.latents.shape[1] - 1 == segments else "other starts"
            return -1, None, f"{what}: {now.running} of {len(now.energy)} running, {spent}"
        level = levels.index(now.latents.shape[1] - 1)
        where, energy = f"level {level + 1} of {len(levels)}", f"energy {first:.4g} → {lowest:.4g}"
        share = ((level + 1) * pairs - now.running) / (pairs * len(levels))
        return level, share, f"{where}: {now.running} of {pairs} running, {energy}, {spent}"

    return _watching(console, title, "the straight lines", facts)


def inverting(console: Console, images: int) -> AbstractContextManager[Watch[InversionProgress]]:
    """A context with the `Watch` of an inversion of ``images`` images."""

    def facts(now: InversionProgress) -> tuple[int, float | None, str]:
        text = (
            f"step {now.step} of at most {now.steps}: {now.running} of {counted(images, 'image')} and "
            f"{counted(now.starts, 'start')} running, objective {float(now.objective.mean()):.3g}"
        )
        return now.step // 50, now.step / now.steps, text

    return _watching(console, "Inverting", "from the nearest samples", facts)


class _Due:
    """Decides which reports become a line: the first of every group, and one every ``seconds`` seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.group, self.last = seconds, object(), -math.inf

    def __call__(self, group: object) -> bool:
        now = time.monotonic()
        if group == self.group and now - self.last < self.seconds:
            return False
        self.group, self.last = group, now
        return True


@contextmanager
def training(title: str, steps: int, start: int = 0) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """Yields a `latentpath.training.Progress`: a bar with losses and time left on a terminal, elsewhere lines."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    screen = console(stderr=True)

    def losses(numbers: dict[str, float]) -> str:
        return "  ".join(f"{name.replace('_', ' ')} {numbers[name]:.3f}" for name in numbers if name.startswith("loss"))

    if screen.is_terminal:
        columns = (TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn())
        times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        losses_column = TextColumn("{task.fields[losses]}")
        with Bar(*columns, losses_column, *times, console=screen, speed_estimate_period=120) as bar:
            task = bar.add_task(title, total=steps, completed=start, losses="")
            yield lambda step, numbers: bar.update(task, completed=step, losses=losses(numbers))
        return
    due = _Due(_SECONDS)

    def line(step: int, numbers: dict[str, float]) -> None:
        if due(step == steps):
            left = (steps - step) * numbers["seconds_per_step"] / 60
            typer.echo(f"{title}: step {step} of {steps}  {losses(numbers)}  {left:.0f} min left", err=True)

    yield line


@contextmanager
def stages() -> Iterator[Stage]:
    """Yields a `Stage`: a bar on a terminal, elsewhere a line for each stage, and another every half minute."""
    screen, due = console(stderr=True), _Due(_SECONDS)

    def words(name: str, done: int, of: int) -> str:
        return f"{name.capitalize()}: {done:,} of {of:,}" if of > 1 else name.capitalize()

    if screen.is_terminal:
        with live_bar(screen, "") as report:
            yield lambda name, done, of: report(done / of if of else None, words(name, done, of))
    else:
        yield lambda name, done, of: typer.echo(words(name, done, of), err=True) if due(name) else None
