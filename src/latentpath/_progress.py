"""Progress bars: shown in a terminal or notebook, silent in pipes, jobs and tests.

`progress_bar` serves Python functions that may take long; `live_bar` draws on the console of a command. A `Stage`
reports the name of a stage of the work and the number of its finished parts.
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
"""Called with the finished share of the work, in [0, 1] or None where it is unknown, and a few words."""

Stage = Callable[[str, int, int], None]
"""Called as ``stage(name, done, of)``, before the work with ``done = 0`` and after every part of it."""

_DELAY = 2.0
"""Seconds until a bar appears; shorter calls show nothing (`tests/test_progress.py`)."""

_EVERY = 10.0
"""Seconds between two lines for ``progress=True`` without a terminal."""


def watched() -> bool:
    """Returns True if the standard error stream is a terminal, or the cell of a notebook."""
    from rich.console import Console

    stream = sys.stderr
    return (stream is not None and stream.isatty()) or Console(stderr=True).is_jupyter


@contextmanager
def progress_bar(title: str, progress: bool | None = None, *, quiet: bool = False) -> Iterator[Report]:
    """Shows the progress of a long call on the standard error stream, and removes the bar afterwards.

    Args:
        title: the name of the work, a word or two.
        progress: None shows the bar where `watched`, True everywhere (as lines without a terminal), False nowhere.
        quiet: True makes None mean False, for a caller with a callback.

    Raises:
        InputError: ``progress`` is not one of these.

    Example:
        >>> from latentpath._progress import progress_bar
        >>> with progress_bar("Counting", progress=False) as report:
        ...     for i in range(3):
        ...         report((i + 1) / 3, f"{i + 1} of 3")
    """
    if progress is not None and not isinstance(progress, bool):
        raise InputError(f"`progress` must be True, False or None (in a terminal); got {progress!r}.")
    visible = watched()
    if progress is False or (progress is None and (quiet or not visible)):
        yield lambda share, words: None
    elif visible:
        from rich.console import Console

        with live_bar(Console(stderr=True), title, delay=_DELAY) as report:
            yield report
    else:
        yield _lines(title)


@contextmanager
def live_bar(console: Console, title: str, words: str = "", delay: float = 0.0) -> Iterator[Report]:
    """Shows a spinner, a bar, a few words and the elapsed time, from ``delay`` seconds on."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn(title), BarColumn(16), TextColumn("{task.description}"))
    bar = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
    task = bar.add_task(words, total=None)
    timer = threading.Timer(delay, bar.start)
    timer.daemon = True  # a call whose `finally` is skipped must not keep the process alive
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
    """Returns a report that prints a line every ten seconds."""
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
    """Yields the parts of a work one by one, and reports the number of finished ones to ``stage``.

    Example:
        >>> list(each("ab", "letters", lambda *report: print(*report)))
        letters 0 2
        letters 1 2
        letters 2 2
        ['a', 'b']
    """
    stage(name, 0, len(parts))
    for done, part in enumerate(parts, 1):
        yield part
        stage(name, done, len(parts))
