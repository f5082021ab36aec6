"""What ``latentpath demo`` does: many pairs solved at once, compared with both baselines in numbers and pictures.

It works on any shipped generator: the endpoints are drawn (`latentpath.pairs.endpoints`), the rest is `comparison`'s.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath

import torch
from rich.console import Console

from .comparison import conclude, list_files, no_generator, solve, staged
from .errors import InputError
from .evaluate import Report
from .models import load
from .pairs import endpoints

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
        for name in ("pairs", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, got {value}")
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed must be at least 0 and below 2 ** 63, got {self.seed}")


def run(settings: Demo, out: FilePath, console: Console, progress: Console) -> Report:
    """The whole demo: solve, print the table and the verdict, write `comparison.FILES` into ``out``.

    Raises:
        LatentPathError: settings, a model or a folder that will not do; nothing is written then.
    """
    if settings.threads is not None:
        torch.set_num_threads(min(settings.threads, os.cpu_count() or 1))
    model = load(settings.model)
    if model.prior is None:
        raise no_generator(model)
    with staged(out) as folder:
        console.print(
            f"{settings.model}: {settings.pairs} pair{'s' * (settings.pairs != 1)}, {settings.segments} segments, "
            f"alpha {settings.alpha:g}, tol {settings.tol:g}, seed {settings.seed}"
        )
        start, end = endpoints(model.prior, settings.pairs, settings.seed)
        found = solve(model, start, end, progress, segments=settings.segments, alpha=settings.alpha, tol=settings.tol)
        report = conclude(found, model, asdict(settings), folder, console, progress)
        written = [file.name for file in folder.iterdir()]
    list_files(out, console, written)
    return report
