"""What a command shows and hears: its console, live progress while it works, and the first Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from ._progress import live_bar
from .counts import counted, plural
from .inversion import InversionProgress
from .solvers import Callback, Multilevel, Progress

__all__ = ["Stop", "console", "first_interrupt", "inverting", "solving"]


def console(*, stderr: bool = False) -> Console:
    """A console that keeps a table whole where nobody set a width, as in a pipe."""
    found = Console(stderr=stderr, highlight=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=max(found.width, 100))


class Stop:
    """Whether the user has asked to stop."""

    asked = False


@contextmanager
def first_interrupt() -> Iterator[Stop]:
    """The first Ctrl-C only asks to stop; the second one interrupts."""
    stop = Stop()
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
def solving(console: Console, pairs: int, segments: int, first: float) -> Iterator[Callback]:
    """A live line on a terminal; elsewhere a line for each level of the solver."""
    levels = Multilevel.levels(segments)

    def facts(now: Progress) -> tuple[int, str]:
        spent = f"{now.evaluations:.0f} {plural(round(now.evaluations), 'evaluation')}"
        lowest = float(now.energy[now.energy.isfinite()].mean())
        if now.latents.shape[1] - 1 not in levels or len(now.energy) != pairs:
            what = "measured more finely" if now.latents.shape[1] - 1 == segments else "other starts"
            return -1, f"{what}: {now.running} of {len(now.energy)} running, {spent}"
        level = levels.index(now.latents.shape[1] - 1)
        return level, (
            f"level {level + 1} of {len(levels)}: {now.running} of {pairs} running, energy {first:.4g} → {lowest:.4g}, "
            f"{spent}"
        )

    if console.is_terminal:
        with live_bar(console, "Solving", "the straight lines") as report:

            def show(now: Progress) -> None:
                level, text = facts(now)
                done = (level + 1) * pairs - now.running
                report(done / (pairs * len(levels)) if level >= 0 else None, text)

            yield show
        return
    seen = [-2]

    def line(now: Progress) -> None:
        level, text = facts(now)
        if level != seen[0]:
            seen[0] = level
            console.print(f"Solving, {text}")

    yield line


@contextmanager
def inverting(console: Console, images: int) -> Iterator[Callable[[InversionProgress], None]]:
    """A live line on a terminal; elsewhere a line now and then."""

    def facts(now: InversionProgress) -> str:
        return (
            f"step {now.step} of at most {now.steps}: {now.running} of {counted(images, 'image')} and "
            f"{counted(now.starts, 'start')} running, objective {float(now.objective.mean()):.3g}"
        )

    if console.is_terminal:
        with live_bar(console, "Inverting", "from the nearest samples") as report:
            yield lambda now: report(now.step / now.steps, facts(now))
        return

    def line(now: InversionProgress) -> None:
        if now.step == 1 or now.step % 50 == 0:
            console.print(f"Inverting, {facts(now)}")

    yield line
