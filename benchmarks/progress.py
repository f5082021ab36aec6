"""The progress of a long run: the task at hand, and the time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from .store import Record, source_digest

_EVERY = 10.0  # seconds between the lines of a long task


class Progress:
    """Prints a line when a task begins, ends, or takes long, with the time left.

    The time left follows from the expected time of all tasks and the time that the finished ones have taken.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream
        self._plan: list[float] = []
        self._done, self._spent, self._began, self._told, self._title = 0, 0.0, 0.0, 0.0, ""

    def plan(self, seconds: list[float]) -> None:
        """Sets the expected time of the tasks to come."""
        self._plan, self._done, self._spent = seconds, 0, 0.0

    def say(self, text: str) -> None:
        """Prints one line."""
        print(text if not self._title else f"{self._title}: {text}", file=self.stream, flush=True)

    def missing(self, title: str, record: Record | None, fresh: str) -> bool:
        """Returns True for a measurement that is still to be made; prints a line where it was made with other code."""
        if record is not None and record.get("source") not in (None, source_digest()):
            self.say(f"{title}: measured before the library's code changed; --fresh {fresh} measures it again")
        return record is None

    @contextmanager
    def task(self, title: str) -> Iterator[None]:
        """Begins the next task of the plan, and ends it with the ``with`` block."""
        self._title = f"[{self._done + 1}/{len(self._plan)}] {title}"
        self._began = self._told = time.monotonic()
        try:
            yield
            self._spent += time.monotonic() - self._began
            self._done += 1
        finally:
            self._title = ""

    def within(self, share: float, text: str) -> None:
        """Reports the share of the task that is done."""
        now = time.monotonic()
        if now - self._told >= _EVERY:
            self._told = now
            self.say(f"{text}, {self._left(share)}")

    def _left(self, share: float) -> str:
        done = sum(self._plan[: self._done]) + share * self._plan[self._done]
        spent = self._spent + time.monotonic() - self._began
        left = (sum(self._plan) - done) * (spent / done if done > 0 else 1.0)
        return f"about {duration(left)} left"


def duration(seconds: float) -> str:
    """Formats seconds for a reader: 3 s, 12 min, 1 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
