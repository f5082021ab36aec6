"""The progress of a reproduction: one bar over all jobs with the time left, or a line for each job off a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .config import DIGITS, FACES, MODELS, Config


class JobProgress:
    """Counts finished work."""

    def __init__(self, total: float = 1.0, show: Callable[[str, float, bool], None] | None = None) -> None:
        self.total, self.done = total, 0.0
        self.show = show or (lambda title, share, ended: None)

    def job(self, title: str, weight: float) -> Callable[[float], None]:
        """Begins a job; returns a function that takes the share of the job that is done, 1 at its end."""
        reported = 0.0

        def report(share: float) -> None:
            nonlocal reported
            self.done += weight * (share - reported)
            ended = share >= 1 > reported
            reported = share
            self.show(title, min(1.0, self.done / self.total), ended)

        report(0.0)
        return report

    @classmethod
    @contextmanager
    def on(cls, console: Console, total: float) -> Iterator[JobProgress]:
        """Yields a progress that shows itself on ``console``."""
        if not console.is_terminal:

            def line(title: str, share: float, ended: bool) -> None:
                if ended:
                    console.print(f"[{share:4.0%}] {title}", soft_wrap=True, markup=False)

            yield cls(total, line)
            return
        elapsed, left = TimeElapsedColumn(), (TextColumn("left"), TimeRemainingColumn())
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), elapsed, *left)
        with Progress(*columns, console=console, transient=True, speed_estimate_period=600) as bar:
            task = bar.add_task("", total=1.0)
            yield cls(total, lambda title, share, ended: bar.update(task, description=title, completed=share))


def job_weight(name: str, job: str, pairs: int, config: Config) -> float:
    """The approximate work of a job of the model ``name``, in solves of a pair of digits."""
    each = {
        "main": 2.0,
        "alpha": len(config.alphas),
        "resolution": sum(config.resolutions) / config.segments,
        "descent": config.descents / 40,
        "indices": 12.0,
        "apart": 0.1,
        "recommended": 1.0,
        "front": 0.8 * len(config.front_alphas) * len(config.front_mus),
        "judged": 0.7,
        "judged-indices": 0.2,
        "judged-front": 0.3,
    }[job]
    return each * pairs * (4 if name in FACES else 1)


def total_weight(config: Config) -> float:
    """The sum of the weights of all jobs."""
    digit_jobs = {
        "alpha": config.digit_pairs(config.alpha_pairs),
        "resolution": config.digit_pairs(config.resolution_pairs),
        "descent": config.digit_pairs(config.descent_pairs),
        "indices": config.digit_pairs(config.index_pairs),
        "judged-indices": config.pairs,
    }
    weights = [
        job_weight(name, job, config.pairs_of(name), config)
        for name in MODELS
        for job in ("main", "apart", "recommended", "judged", "judged-front")
    ]
    weights += [job_weight(name, "front", config.front_pairs_of(name), config) for name in MODELS]
    weights += [job_weight(name, job, count, config) for name in DIGITS for job, count in digit_jobs.items()]
    return sum(weights)
