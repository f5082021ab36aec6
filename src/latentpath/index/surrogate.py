r"""Surrogates: a network in place of a score that is expensive.

The score of an index may cost a pass of the generator, or D of them. A network :math:`D \to w \to w \to 1` with SiLU
is fitted once to the scores of some thousand latents, and costs next to nothing afterwards; it is smooth, so that
solves under it converge quickly.

**Where it is fitted.** Paths leave the samples of the prior: a third of the latents are samples, a third points
between two samples, at uniformly drawn shares, and a third samples spread by 1.25 about their mean, so that the network
learns to fall outside.

**How.** Inputs and target are standardised, the target by its median and the quantiles of 16 and 84 %, and the loss is
smooth L1, since scores have long lower tails; AdamW with a one-cycle schedule of the learning rate. A tenth of the
latents is held out. Only the order of scores matters to an index, so the weights that are kept are those of the best
rank correlation (Spearman) on that tenth, of some forty looks: as an estimate for new latents of the same kind it is
slightly optimistic. They are rounded to float16 where that costs less than 0.001 of it.

**What it cannot do.** Where the rank correlation is poor, the surrogate is the index of something else, uniform under
the prior all the same. `latentpath.index.surrogate_check` compares it with the true index along the paths that were
solved under it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from latentpath._batching import blocks
from latentpath._progress import Report, progress_bar
from latentpath._random import seeded
from latentpath._validate import SEED
from latentpath.errors import InputError

from .prior_adapter import draw
from .surrogate_network import SurrogateNetwork, fit_network

POOR_CORRELATION = 0.5  # the rank correlation below which a surrogate comes with a warning (`test_surrogate.py`)
_SPREAD = 1.25  # the factor of the third that is spread about its mean; 1 leaves the network blind outside
_SCORED = 256  # latents whose true scores are computed between two reports of progress


@dataclass(frozen=True)
class SurrogateFit:
    """A fitted network.

    Attributes:
        network: latents ``(N, D)`` to scores ``(N,)``.
        correlation: Spearman's rank correlation of network and score on the held-out latents; NaN for a constant.
        settings: ``latents``, ``steps``, ``seed`` and ``width`` of the fit.
    """

    network: SurrogateNetwork
    correlation: float
    settings: Mapping[str, int]


def fitting_latents(prior: Any, dim: int, count: int, index_seed: int, seed: int) -> Tensor:
    """Draws the latents ``(count, D)`` of a fit: samples, points between samples, and spread samples, in thirds.

    They are other samples than those of the index, whose levels are to be scores that the network was not fitted to.
    """
    third = count // 3
    drawn = draw(prior, dim, count + third, (index_seed + seed + 1) % SEED)
    samples, first, second, spread = drawn.split([third, third, third, count - 2 * third])
    with seeded(seed):
        share = torch.rand(third, 1).to(drawn)
    middle = drawn.mean(0)
    return torch.cat([samples, torch.lerp(first, second, share), middle + _SPREAD * (spread - middle)])


def fit_surrogate(
    score: Callable[[Tensor], Tensor],
    points: Tensor,
    *,
    steps: int,
    width: int,
    seed: int,
    title: str,
    progress: bool | None,
) -> SurrogateFit:
    """Scores ``points`` ``(n, D)`` and fits a network to them, under a progress bar.

    Raises:
        InputError: the score is not finite at most of the points.
    """
    settings = {"latents": len(points), "steps": steps, "seed": seed, "width": width}
    with progress_bar(title, progress) as report:
        kept, scores = _finite_scores(score, points, _half(report, 0.0))
        fitting: Any = {"width": width, "steps": steps, "seed": seed, "report": _half(report, 0.5)}
        return SurrogateFit(*fit_network(kept, scores, **fitting), settings)


def warn_if_poor(name: str, correlation: float, latents: int) -> None:
    """Warns the caller of `ScoreIndex.surrogate` where the held-out rank correlation is poor."""
    if not correlation >= POOR_CORRELATION:
        warnings.warn(
            f"the surrogate of {name} ranks held-out latents poorly, with a rank correlation of {correlation:.2f}; "
            f"{POOR_CORRELATION:g} or more is usable. Fit it to more latents, such as latents={2 * latents}, or solve "
            "with the index itself.",
            stacklevel=4,  # through the method and its decorator
        )


def _finite_scores(score: Callable[[Tensor], Tensor], points: Tensor, report: Report) -> tuple[Tensor, Tensor]:
    """Computes the scores of ``points``, and leaves out the points where the score is not finite."""
    found = []
    for block in blocks(len(points), _SCORED):
        with torch.no_grad():
            found.append(score(points[block]))
        report(block.stop / len(points), f"{block.stop} of {len(points)} latents scored")
    scores = torch.cat(found)
    finite = scores.isfinite()
    if int(finite.sum()) < len(points) / 2:
        raise InputError(
            "score must be finite on and between the prior's samples for a surrogate; got NaN or infinity for "
            f"{int((~finite).sum())} of {len(points)} latents. Solve with the index itself."
        )
    return points[finite], scores[finite]


def _half(report: Report, start: float) -> Report:
    """Returns the report of one of two parts of the work."""
    return lambda share, words: report(None if share is None else start + share / 2, words)
