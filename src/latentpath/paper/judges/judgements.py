"""Judgements of several kinds of curve: numbers by pair or of the whole set, and the criteria that were left out.

`evaluation.judge` measures them. Both kinds of judgement give an `Estimate` for a kind of curve, and for the difference
of two kinds, so that a table or a claim need not know which it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..._words import counted
from ..results import OWN
from ..statistics import CONFIDENCE, Estimate, estimate, paired, unpaired
from .criteria import Criterion


@dataclass(frozen=True)
class Judgement:
    """One number for each of ``B`` pairs and each kind of curve."""

    criterion: Criterion
    # by kind of curve ``(B,)``, the mean over a pair's inner frames; for smoothness over its jumps. For own
    # samples, where they were judged, ``(G,)``, the mean over a group
    values: Mapping[str, Tensor]
    ends: Tensor | None = None  # ``(B,)``, the mean over a pair's two endpoints; None for smoothness

    def estimate(self, kind: str) -> Estimate:
        """The mean over the pairs for one kind of curve."""
        return estimate(self.values[kind])

    def difference(self, kind: str, than: str) -> Estimate:
        """The mean over the pairs of ``kind`` minus ``than``; own samples have no pairs in common with curves."""
        compare = unpaired if OWN in (kind, than) else paired
        return compare(self.values[kind], self.values[than])


@dataclass(frozen=True)
class SetJudgement:
    """One number for all frames of each kind of curve."""

    criterion: Criterion
    values: Mapping[str, float]  # by kind of curve, the number of all pairs
    # by kind of curve, the numbers of ``R`` resamples of the pairs, ``(R,)``, the same pairs for every kind; empty for
    # a single pair
    resampled: Mapping[str, Tensor]
    n: int  # the number of pairs
    left_out: int = 0  # the number of further pairs with a frame in some curve whose features are not finite
    highest: float = torch.inf  # the largest possible number
    notes: Mapping[str, str] = field(default_factory=dict)  # by kind of curve, a remark on its number

    def estimate(self, kind: str) -> Estimate:
        """The number of one kind of curve (as the ``mean``), and its interval over the pairs."""
        return self._estimate(self.values[kind], self.resampled[kind], 0.0, self.highest, self.notes.get(kind, ""))

    def difference(self, kind: str, than: str) -> Estimate:
        """The number of ``kind`` minus the number of ``than``, resampled together; own samples are on their own."""
        return self._estimate(self.values[kind] - self.values[than], self.resampled[kind] - self.resampled[than])

    def _estimate(
        self, value: float, resampled: Tensor, lowest: float = -torch.inf, highest: float = torch.inf, note: str = ""
    ) -> Estimate:
        lost = f"{self.left_out} of {self.n + self.left_out} pairs not finite and left out" if self.left_out else ""
        if len(resampled) == 0:
            notes = [lost, note, f"no interval from {counted(self.n, 'pair')}"]
            return Estimate(value, torch.nan, torch.nan, self.n, self.left_out, "; ".join(filter(None, notes)))
        tails = torch.tensor([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], dtype=resampled.dtype)
        low, high = (value + resampled.quantile(tails) - resampled.mean()).clamp(lowest, highest).tolist()
        return Estimate(value, low, high, self.n, self.left_out, "; ".join(filter(None, [lost, note])))


@dataclass(frozen=True)
class NotMeasured:
    """A criterion that was left out, and why."""

    criterion: Criterion
    why: str


@dataclass(frozen=True)
class Judgements:
    """The judgements of one model, made by `evaluation.judge`."""

    model: str
    kinds: tuple[str, ...]  # the names of the curves
    pairs: int  # ``B``
    frames: int  # ``P``, endpoints included
    real: int  # the number of real images
    # the judgements in the order of the criteria; `Judgements` indexed by a criterion's name gives one
    judged: tuple[Judgement | SetJudgement, ...]
    missing: tuple[NotMeasured, ...]  # the criteria that were left out, and why
    own: bool = False  # True where the model's own samples were judged too, as `OWN`

    def __getitem__(self, name: str) -> Judgement | SetJudgement:
        for found in self.judged:
            if found.criterion.name == name:
                return found
        why = {left.criterion.name: left.why for left in self.missing}
        raise KeyError(
            f"{name!r} was not measured: {why[name]}"
            if name in why
            else f"no criterion {name!r}; there are {[found.criterion.name for found in self.judged]}"
        )
