"""What ``latentpath demo`` does: many pairs solved at once, compared with both baselines in numbers and pictures.

It works on any shipped generator: the endpoints are drawn (`latentpath.pairs.endpoints`), the rest is `comparison`'s.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath

import torch
from rich.console import Console

from ..evaluate import Report
from ..index import RealismIndex
from ..models import load
from ..models.sampling import draw_pairs
from .comparison import check_run, conclude, heading, list_files, no_generator, solve, staged

__all__ = ["Demo", "run"]


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
        check_run(segments=self.segments, tol=self.tol, seed=self.seed, pairs=self.pairs, threads=self.threads)


def run(settings: Demo, out: FilePath, console: Console, progress: Console) -> Report:
    """The whole demo: solve, print the table and the verdict, write `comparison.FILES` into ``out``.

    Raises:
        LatentPathError: settings, a model or a folder that will not do, and nothing is written.
        WriteError: some files could not be written; the solved paths and all others are.
    """
    if settings.threads is not None:
        torch.set_num_threads(min(settings.threads, os.cpu_count() or 1))
    model = load(settings.model)
    if model.prior is None:
        raise no_generator(model)
    RealismIndex(model.prior, alpha=settings.alpha)  # refuses an alpha before anything is printed
    with staged(out) as folder:
        console.print(
            heading(model.name, settings.pairs, settings.segments, settings.alpha, settings.tol, settings.seed)
        )
        start, end = draw_pairs(model.prior, settings.pairs, settings.seed)
        found = solve(model, start, end, progress, segments=settings.segments, alpha=settings.alpha, tol=settings.tol)
        report = conclude(found, model, asdict(settings), folder, console, progress)
        written = [file.name for file in folder.iterdir()]
    list_files(out, console, written)
    return report
