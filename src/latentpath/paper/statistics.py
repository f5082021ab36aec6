"""Statistics over pairs: means with intervals, differences, shares.

**The interval** of a mean over pairs is the bias-corrected and accelerated bootstrap interval (BCa; Efron 1987, "Better
bootstrap confidence intervals"): pairs are resampled with replacement 10,000 times, and the interval lies between two
quantiles of the resampled means. The pairs are the sample: the model, the real images and the judge are held fixed, and
the interval does not cover their variation. For few pairs it covers less than its nominal confidence (`COVERAGE`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from .._io import finite
from .._words import counted
from ..errors import DataError, InputError, missing

CONFIDENCE = 0.95  # the nominal coverage of an interval
COVERAGE = {5: 0.77, 10: 0.89, 24: 0.92}  # measured, by the number of values: of 400 samples each from a normal

_RESAMPLES, _FEWEST = 10_000, 3

Values = Tensor | Sequence[float]  # one number for each pair, ``(B,)``


@dataclass(frozen=True)
class Estimate:
    """A mean over pairs with its interval; or another number of a set of pairs, such as a share or a distance.

    Example:
        >>> print(Estimate(0.25, 0.125, 0.5, n=200))
        0.25 [0.125, 0.5], n = 200
    """

    mean: float  # the number, in its own unit; NaN where there are no values
    low: float  # the lower end of the interval; NaN where there is none
    high: float
    n: int  # the number of pairs
    left_out: int = 0  # the number of further pairs, whose values are not finite
    note: str = ""  # a remark, such as values left out, no interval, no spread; may be empty

    def __str__(self) -> str:
        interval = f"[{self.low:.4g}, {self.high:.4g}]" if self.decisive else "(no interval)"
        return f"{self.mean:.4g} {interval}, n = {self.n}" + (f" ({self.note})" if self.note else "")

    @property
    def decisive(self) -> bool:
        """True where there is an interval, so that a verdict can be read off it."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def to_dict(self) -> dict[str, Any]:
        """The fields for `json`; a number that is not finite is None."""
        found: dict[str, Any] = finite(asdict(self))
        return found

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Estimate:
        """The estimate from the output of `to_dict`."""
        try:
            mean, low, high = (math.nan if stored[k] is None else float(stored[k]) for k in ("mean", "low", "high"))
            return cls(mean, low, high, int(stored["n"]), int(stored["left_out"]), str(stored["note"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"this is no estimate, which has mean, low, high, n, left_out and note: {error!r}"
            ) from error


def estimate(values: Values, *, resamples: int = _RESAMPLES, seed: int = 0) -> Estimate:
    """The mean of one number per pair, with its BCa bootstrap interval.

    Values that are not finite are left out, and the note says how many. One or two values have no interval: their
    resamples would be the values themselves. Where all values are the same, so are both ends of the interval, which
    then shows no spread rather than no doubt; for shares of pairs there is `proportion`.

    ``values``: ``(B,)``, one for each pair.

    Example:
        >>> print(estimate([1.0, 2.0, 3.0, 4.0, 5.0, float("nan")]))
        3 [1.8, 4.2], n = 5 (1 of 6 values is not finite and left out)
    """
    every = _numbers(values)
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
        low, high, note = _bca(kept, resamples, seed)
        notes += [note] if note else []
    return Estimate(mean, low, high, len(kept), lost, "; ".join(notes))


def _numbers(values: Values) -> Tensor:
    every = torch.as_tensor(values, dtype=torch.float64).detach().cpu()
    if every.ndim != 1:
        raise InputError(f"values must be (B,), one number for each pair, got {tuple(every.shape)}")
    return every


def _bca(values: Tensor, resamples: int, seed: int) -> tuple[float, float, str]:
    """The ends of the BCa interval, or of the percentile interval where there is none, and a note on that."""
    options = {"n_resamples": resamples, "batch": max(1, 2**22 // len(values))}
    low, high = _bootstrap([values], lambda a, axis: a.mean(axis), seed, method="BCa", **options)
    if math.isfinite(low) and math.isfinite(high):
        return low, high, ""
    low, high = _bootstrap([values], lambda a, axis: a.mean(axis), seed, method="percentile", **options)
    return low, high, "BCa has no answer: the interval is of plain percentiles"


def _bootstrap(
    samples: Sequence[Tensor], statistic: Callable[..., Any], seed: int, **options: Any
) -> tuple[float, float]:
    """The ends of the interval of ``statistic(*arrays, axis)``; options of `scipy.stats.bootstrap`."""
    stats = _scipy_stats()
    import numpy as np

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        warnings.simplefilter("ignore", RuntimeWarning)  # of the division by 0 before it
        arrays, random = tuple(sample.numpy() for sample in samples), np.random.default_rng(seed)
        options |= {"confidence_level": CONFIDENCE, "vectorized": True, "rng": random}
        ends = stats.bootstrap(arrays, statistic, **options).confidence_interval
    return float(ends.low), float(ends.high)


def _scipy_stats() -> Any:
    try:
        import scipy.stats
    except ModuleNotFoundError as error:
        raise missing("scipy", "reproduce", "an interval") from error
    return scipy.stats


def paired(one: Values, other: Values, **options: Any) -> Estimate:
    """The mean of ``one - other`` over pairs, ``(B,)`` each of the same pairs, with its interval.

    A pair is left out where either value is not finite. The interval is narrower than two intervals side by side
    suggest, since both curves of a pair have its endpoints in common. Options and errors are those of `estimate`.

    Example:
        >>> print(paired([10.0, 20.0, 30.0], [9.0, 19.0, 29.0]))
        1 [1, 1], n = 3 (all values are the same: the interval shows no spread)
    """
    first, second = _numbers(one), _numbers(other)
    if len(first) != len(second):
        raise InputError(f"paired values must be of the same pairs, got {len(first)} and {len(second)}")
    return estimate(first - second, **options)


def unpaired(one: Values, other: Values, *, resamples: int = _RESAMPLES, seed: int = 0) -> Estimate:
    """The difference of two means over different pairs, ``mean(one) - mean(other)``, with its bootstrap interval.

    Both samples, ``(B,)`` and ``(C,)``, are resampled independently. Values that are not finite are left out; a sample
    of one or two has no interval. Arguments and errors are those of `estimate`.

    Example:
        >>> unpaired([10.0, 12.0, 14.0, 16.0], [1.0, 2.0, 3.0]).mean
        11.0
    """
    every = [_numbers(one), _numbers(other)]
    first, second = (values[values.isfinite()] for values in every)
    n, lost = len(first) + len(second), sum(map(len, every)) - len(first) - len(second)
    notes = [f"{len(first)} against {len(second)}", *([f"{lost} values not finite and left out"] if lost else [])]
    mean = float(first.mean() - second.mean()) if len(first) and len(second) else math.nan
    if min(len(first), len(second)) < _FEWEST:
        notes.append(f"no interval from {len(first)} and {len(second)} values")
        return Estimate(mean, math.nan, math.nan, n, lost, "; ".join(notes))
    options: dict[str, Any] = {"n_resamples": resamples, "method": "percentile"}
    low, high = _bootstrap([first, second], lambda a, b, axis: a.mean(axis) - b.mean(axis), seed, **options)
    return Estimate(mean, low, high, n, lost, "; ".join(notes))


def proportion(values: Tensor | Sequence[bool]) -> Estimate:
    """The share of pairs for which something is true, with its exact binomial interval (Clopper and Pearson 1934).

    A bootstrap of 24 values False has no spread; the exact interval [0, 0.1425] does not exclude 1 in 20.

    ``values``: ``(B,)``, bool.

    Example:
        >>> print(proportion([False] * 24))
        0 [0, 0.1425], n = 24 (exact binomial interval)
    """
    every = torch.as_tensor(values)
    if every.ndim != 1 or (every.dtype != torch.bool and len(every)):
        raise InputError(f"values must be bools (B,), got {every.dtype} {tuple(every.shape)}")
    n, true = len(every), int(every.sum())
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0, note="nothing to take a share of")
    found = _scipy_stats().binomtest(true, n).proportion_ci(CONFIDENCE, method="exact")
    return Estimate(true / n, float(found.low), float(found.high), n, note="exact binomial interval")
