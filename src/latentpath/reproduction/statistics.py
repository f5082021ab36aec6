"""What a number over some pairs says of all pairs: means with intervals, differences, shares.

**The interval** of a mean over pairs is the bootstrap's, bias-corrected and accelerated (BCa; Efron 1987, "Better
bootstrap confidence intervals"): pairs are drawn anew from the pairs at hand, with replacement, 10,000 times, and the
interval lies between two quantiles of the means found. The pairs are the sample: what is not drawn with them (the
model, the real images, the judge) is held fixed, and the interval says nothing of it. Of few pairs it covers less than
it says: measured on 400 samples each, 77 % of normal samples of 5, 89 % of 10, 92 % of 24; of log-normal ones, which
are skewed, 72 %, 84 % and 86 %, and 92 % of 200.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .._io import finite
from ..counts import counted
from ..errors import DataError, InputError, missing

__all__ = [
    "CONFIDENCE",
    "COVERAGE",
    "Estimate",
    "estimate",
    "paired",
    "proportion",
    "unpaired",
]

CONFIDENCE = 0.95
"""How often an interval is meant to cover what it estimates."""

COVERAGE = {5: 0.77, 10: 0.89, 24: 0.92}
"""How often the bootstrap's did, of 400 samples each of so many values from a normal distribution."""

_RESAMPLES, _FEWEST = 10_000, 3


@dataclass(frozen=True)
class Estimate:
    """A mean over pairs with its interval; or another number that a set of pairs has, a share or a distance.

    Attributes:
        mean: the number, in its own unit; NaN where there was nothing to take it of.
        low: the lower end of the interval; NaN where there is none.
        high: the upper end.
        n: how many pairs it is of.
        left_out: how many pairs were left out, because their value is not finite.
        note: what a reader should know of it: values left out, no interval, no spread; may be empty.

    Example:
        >>> from latentpath.reproduction.statistics import Estimate
        >>> print(Estimate(0.25, 0.125, 0.5, n=200))
        0.25 [0.125, 0.5], n = 200
    """

    mean: float
    low: float
    high: float
    n: int
    left_out: int = 0
    note: str = ""

    def __str__(self) -> str:
        interval = f"[{self.low:.4g}, {self.high:.4g}]" if self.decisive else "(no interval)"
        return f"{self.mean:.4g} {interval}, n = {self.n}" + (f" ({self.note})" if self.note else "")

    @property
    def decisive(self) -> bool:
        """Whether there is an interval, and so something to read a verdict off."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def to_dict(self) -> dict[str, Any]:
        """Everything, for `json`; a number that is not finite is None."""
        named = {"mean": self.mean, "low": self.low, "high": self.high, "n": self.n}
        found: dict[str, Any] = finite({**named, "left_out": self.left_out, "note": self.note})
        return found

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Estimate:
        """What `to_dict` gave; None is NaN.

        Raises:
            DataError: it is something else.
        """
        try:
            mean, low, high = (math.nan if stored[k] is None else float(stored[k]) for k in ("mean", "low", "high"))
            return cls(mean, low, high, int(stored["n"]), int(stored["left_out"]), str(stored["note"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"this is no estimate, which has mean, low, high, n, left_out and note: {error!r}"
            ) from error


def estimate(
    values: Tensor | Sequence[float], *, confidence: float = CONFIDENCE, resamples: int = _RESAMPLES, seed: int = 0
) -> Estimate:
    """The mean of one number per pair, with its BCa bootstrap interval (see `latentpath.reproduction.statistics`).

    Values that are not finite are left out, and the note says how many. One or two values have no interval: their
    resamples would be the values themselves. Where all values are the same, so are both ends of the interval, which
    then shows no spread rather than no doubt; for shares of pairs there is `proportion`.

    Args:
        values: ``(B,)``, one for each pair.
        confidence: of the interval, in (0, 1).
        resamples: how many.
        seed: of the resamples: one seed gives the same interval.

    Raises:
        InputError: values that are not ``(B,)``, a confidence outside (0, 1), or no resamples.
        MissingDependencyError: scipy is not installed.

    Example:
        >>> from latentpath.reproduction.statistics import estimate
        >>> print(estimate([1.0, 2.0, 3.0, 4.0, 5.0, float("nan")]))
        3 [1.8, 4.2], n = 5 (1 of 6 values is not finite and left out)
    """
    every = _numbers(values)
    if not 0 < confidence < 1 or resamples < 1:
        raise InputError(f"confidence must lie in (0, 1) and resamples be at least 1, got {confidence} and {resamples}")
    kept = every[every.isfinite()]
    lost, notes = len(every) - len(kept), []
    if lost:
        notes.append(f"{lost} of {len(every)} values {'is' if lost == 1 else 'are'} not finite and left out")
    mean, low, high = float(kept.mean()) if len(kept) else math.nan, math.nan, math.nan
    if len(kept) == 0:
        notes.append("nothing to take a mean of")
    elif len(kept) < _FEWEST:
        notes.append(f"no interval from {counted(len(kept), 'value')}")
    elif float(kept.max() - kept.min()) <= 8 * torch.finfo(kept.dtype).eps * float(kept.abs().max()):
        low = high = mean
        notes.append("all values are the same: the interval shows no spread")
    else:
        low, high, note = _bootstrap(kept, confidence, resamples, seed)
        notes += [note] if note else []
    return Estimate(mean, low, high, len(kept), lost, "; ".join(notes))


def _numbers(values: Tensor | Sequence[float]) -> Tensor:
    """``(B,)`` in float64."""
    every = torch.as_tensor(values, dtype=torch.float64).detach().cpu()
    if every.ndim != 1:
        raise InputError(f"values must be (B,), one number for each pair, got {tuple(every.shape)}")
    return every


def _bootstrap(values: Tensor, confidence: float, resamples: int, seed: int) -> tuple[float, float, str]:
    """The ends of the BCa interval, of the percentile one where there is none, and a note on that."""
    stats = _scipy_stats("an interval")
    import numpy as np

    def ends(method: str) -> tuple[float, float]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            warnings.simplefilter("ignore", RuntimeWarning)  # of the division by 0 before it
            found = stats.bootstrap(
                (values.numpy(),),
                np.mean,
                confidence_level=confidence,
                n_resamples=resamples,
                batch=max(1, 2**22 // len(values)),
                method=method,
                rng=np.random.default_rng(seed),
            ).confidence_interval
        return float(found.low), float(found.high)

    low, high = ends("BCa")
    if math.isfinite(low) and math.isfinite(high):
        return low, high, ""
    return *ends("percentile"), "BCa has no answer: the interval is of plain percentiles"


def _scipy_stats(purpose: str) -> Any:
    try:
        import scipy.stats
    except ModuleNotFoundError as error:
        raise missing("scipy", "reproduce", purpose) from error
    return scipy.stats


def paired(one: Tensor | Sequence[float], other: Tensor | Sequence[float], **options: Any) -> Estimate:
    """The mean of ``one - other`` over pairs, ``(B,)`` each, with its interval: what a claim of "more" is read off.

    A pair is left out where either value is not finite. The interval of a difference is that of the differences, which
    is narrower than two intervals side by side suggest, since both curves of a pair have its endpoints in common.

    Args:
        one: ``(B,)``.
        other: ``(B,)``, of the same pairs in the same order.
        options: of `estimate`.

    Raises:
        InputError: other lengths, or what `estimate` refuses.
        MissingDependencyError: scipy is not installed.

    Example:
        >>> from latentpath.reproduction.statistics import paired
        >>> print(paired([10.0, 20.0, 30.0], [9.0, 19.0, 29.0]))
        1 [1, 1], n = 3 (all values are the same: the interval shows no spread)
    """
    first, second = _numbers(one), _numbers(other)
    if len(first) != len(second):
        raise InputError(f"paired values must be of the same pairs, got {len(first)} and {len(second)}")
    return estimate(first - second, **options)


def unpaired(
    one: Tensor | Sequence[float],
    other: Tensor | Sequence[float],
    *,
    confidence: float = CONFIDENCE,
    resamples: int = _RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """The difference of two means over different pairs, ``mean(one) - mean(other)``, with its bootstrap interval.

    Both samples are drawn anew independently. Values that are not finite are left out; a sample of one or two has no
    interval.

    Args:
        one: ``(B,)``.
        other: ``(C,)``.
        confidence: of the interval, in (0, 1).
        resamples: how many.
        seed: of the resamples.

    Raises:
        InputError: values that are not ``(B,)``, a confidence outside (0, 1), or no resamples.
        MissingDependencyError: scipy is not installed.

    Example:
        >>> from latentpath.reproduction.statistics import unpaired
        >>> unpaired([10.0, 12.0, 14.0, 16.0], [1.0, 2.0, 3.0]).mean
        11.0
    """
    if not 0 < confidence < 1 or resamples < 1:
        raise InputError(f"confidence must lie in (0, 1) and resamples be at least 1, got {confidence} and {resamples}")
    every = [_numbers(one), _numbers(other)]
    first, second = (values[values.isfinite()] for values in every)
    n, lost = len(first) + len(second), sum(map(len, every)) - len(first) - len(second)
    note = "; ".join(
        filter(None, [f"{len(first)} against {len(second)}", f"{lost} values not finite and left out" if lost else ""])
    )
    if min(len(first), len(second)) < _FEWEST:
        note = f"{note}; no interval from {len(first)} and {len(second)} values"
        mean = float(first.mean() - second.mean()) if len(first) and len(second) else math.nan
        return Estimate(mean, math.nan, math.nan, n, lost, note)
    stats = _scipy_stats("an interval")
    import numpy as np

    found = stats.bootstrap(
        (first.numpy(), second.numpy()),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        vectorized=True,
        confidence_level=confidence,
        n_resamples=resamples,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(float(first.mean() - second.mean()), float(found.low), float(found.high), n, lost, note)


def proportion(values: Tensor | Sequence[bool], *, confidence: float = CONFIDENCE) -> Estimate:
    """The share of pairs for which something is true, with its exact binomial interval (Clopper and Pearson 1934).

    Unlike a bootstrap it knows that none of 24 may well be one of 20: [0, 0.1425].

    Args:
        values: ``(B,)``, bool.
        confidence: of the interval, in (0, 1).

    Raises:
        InputError: values that are not bools ``(B,)``, or a confidence outside (0, 1).
        MissingDependencyError: scipy is not installed.

    Example:
        >>> from latentpath.reproduction.statistics import proportion
        >>> print(proportion([False] * 24))
        0 [0, 0.1425], n = 24 (exact binomial interval)
    """
    every = torch.as_tensor(values)
    if every.ndim != 1 or (every.dtype != torch.bool and len(every)):
        raise InputError(f"values must be bools (B,), got {every.dtype} {tuple(every.shape)}")
    if not 0 < confidence < 1:
        raise InputError(f"confidence must lie in (0, 1), got {confidence}")
    n, true = len(every), int(every.sum())
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0, note="nothing to take a share of")
    found = _scipy_stats("an interval").binomtest(true, n).proportion_ci(confidence, method="exact")
    return Estimate(true / n, float(found.low), float(found.high), n, note="exact binomial interval")
