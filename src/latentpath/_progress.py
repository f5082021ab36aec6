"""Progress bars: shown where a person waits (a terminal, a notebook), silent in pipes, jobs and tests.

`progress_bar` serves the Python functions that may take long; `live_bar` draws on a console that the caller has, as
the commands do. A `Stage` follows work that has stages: the name of the stage, and how much of it is done.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from .errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Report", "Stage", "each", "live_bar", "progress_bar", "silent", "watched"]

T = TypeVar("T")

Report = Callable[[float | None, str], None]
"""Called with the share of the work that is done, in [0, 1] or None where that is unknown, and a few words."""

Stage = Callable[[str, int, int], None]
"""Called as ``stage(name, done, of)``, before the work with ``done = 0`` and after every part of it."""

_DELAY = 2.0  # seconds after which a bar appears: shorter calls show nothing (`tests/test_progress.py`)
_EVERY = 10.0  # seconds between two lines where ``progress=True`` meets no terminal


def watched() -> bool:
    """Whether a person sees the standard error stream: it is a terminal, or the cell of a notebook."""
    from rich.console import Console

    stream = sys.stderr
    return (stream is not None and stream.isatty()) or Console(stderr=True).is_jupyter


@contextmanager
def progress_bar(title: str, progress: bool | None = None, *, quiet: bool = False) -> Iterator[Report]:
    """Shows how far a long call is, on the standard error stream; nothing is left of the bar afterwards.

    Args:
        title: what is being done, a word or two.
        progress: None shows the bar where `watched`, True everywhere (as lines where there is no terminal), False
            nowhere.
        quiet: whether None means False, for a caller who follows the work by a callback.

    Raises:
        InputError: ``progress`` is not one of these.

    Example:
        >>> from latentpath._progress import progress_bar
        >>> with progress_bar("Counting", progress=False) as report:
        ...     for i in range(3):
        ...         report((i + 1) / 3, f"{i + 1} of 3")
    """
    if progress is not None and not isinstance(progress, bool):
        raise InputError(f"`progress` must be True, False or None (where a person waits); got {progress!r}.")
    seen = watched()
    if progress is False or (progress is None and (quiet or not seen)):
        yield lambda share, words: None
    elif seen:
        from rich.console import Console

        with live_bar(Console(stderr=True), title, delay=_DELAY) as report:
            yield report
    else:
        yield _lines(title)


@contextmanager
def live_bar(console: Console, title: str, words: str = "", delay: float = 0.0) -> Iterator[Report]:
    """Shows a spinner, a bar, a few words and the time since the beginning, ``delay`` seconds after the beginning."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn(title), BarColumn(16), TextColumn("{task.description}"))
    bar = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
    task = bar.add_task(words, total=None)
    timer = threading.Timer(delay, bar.start)
    timer.daemon = True  # a call that dies in a way that skips `finally` must not keep the process alive
    if delay > 0:
        timer.start()
    else:
        bar.start()

    def report(share: float | None, words: str) -> None:
        bar.update(task, total=None if share is None else 1.0, completed=share, description=words)

    try:
        yield report
    finally:
        timer.cancel()
        if delay > 0:
            timer.join()  # else the bar could start after it was stopped
        bar.stop()


def _lines(title: str) -> Report:
    """Prints a line now and then."""
    last = time.monotonic()

    def report(share: float | None, words: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY:
            last = time.monotonic()
            done = "" if share is None else f" {share:.0%}"
            print(f"{title}{done}: {words}", file=sys.stderr, flush=True)

    return report


def silent(name: str, done: int, of: int) -> None:
    """A `Stage` that shows nothing."""


def each(parts: Sequence[T], name: str, stage: Stage) -> Iterator[T]:
    """Yields the parts of a work one by one, and tells ``stage`` how many are done.

    Example:
        >>> list(each("ab", "letters", lambda *told: print(*told)))
        letters 0 2
        letters 1 2
        letters 2 2
        ['a', 'b']
    """
    stage(name, 0, len(parts))
    for done, part in enumerate(parts, 1):
        yield part
        stage(name, done, len(parts))
