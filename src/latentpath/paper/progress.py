"""How far a reproduction is: one bar over all jobs, with the time left; a line for each job off a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

__all__ = ["Meter"]


class Meter:
    """Counts the work that is done.

    Args:
        total: of the weights of all jobs.
        show: called with what is being done, the share of all work that is, and whether a job has just ended.
    """

    def __init__(self, total: float = 1.0, show: Callable[[str, float, bool], None] | None = None) -> None:
        self.total, self.done = total, 0.0
        self.show = show or (lambda what, share, ended: None)

    def job(self, what: str, weight: float) -> Callable[[float], None]:
        """Begin a job of so much weight; what is returned is told the share of it that is done, and 1 at its end."""
        told = 0.0

        def tell(share: float) -> None:
            nonlocal told
            self.done += weight * (share - told)
            ended = share >= 1 > told
            told = share
            self.show(what, min(1.0, self.done / self.total), ended)

        tell(0.0)
        return tell

    @classmethod
    @contextmanager
    def on(cls, console: Console, total: float) -> Iterator[Meter]:
        """A meter that shows itself on ``console``."""
        if not console.is_terminal:

            def line(what: str, share: float, ended: bool) -> None:
                if ended:
                    console.print(f"[{share:4.0%}] {what}", soft_wrap=True, markup=False)

            yield cls(total, line)
            return
        elapsed, left = TimeElapsedColumn(), (TextColumn("left"), TimeRemainingColumn())
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), elapsed, *left)
        bar = Bar(*columns, console=console, transient=True, speed_estimate_period=600)
        with bar:
            task = bar.add_task("", total=1.0)
            yield cls(total, lambda what, share, ended: bar.update(task, description=what, completed=share))
