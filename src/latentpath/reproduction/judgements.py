"""What judges said of several kinds of curve: numbers by pair or of the whole set, and what could not be measured.

`latentpath.reproduction.judges` measures them. Both kinds of judgement give an `Estimate` for a kind of curve, and for
the difference of two kinds, so that a table or a claim need not know which it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from .._io import finite
from ..counts import counted
from .statistics import CONFIDENCE, Estimate, estimate, paired

__all__ = ["Criterion", "Judgement", "Judgements", "NotMeasured", "SetJudgement"]


@dataclass(frozen=True)
class Criterion:
    """One of the ways to judge a frame; see `latentpath.reproduction.judges` for what each is.

    Attributes:
        name: for programs.
        title: for people.
        unit: of its numbers; of features, whose they are.
        higher_is_better: else lower is.
        independent: whether the model that made the frames had no part in the judge.
        needs: what there must be to measure it.
    """

    name: str
    title: str
    unit: str
    higher_is_better: bool
    independent: bool = True
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """One number for each of ``B`` pairs and each kind of curve.

    Attributes:
        criterion: what was measured.
        values: ``(B,)`` by the name of the curve, the mean over a pair's inner frames; for smoothness over its jumps.
        ends: ``(B,)``, the mean over a pair's two endpoints; None for smoothness.
    """

    criterion: Criterion
    values: Mapping[str, Tensor]
    ends: Tensor | None = None

    def estimate(self, kind: str, **options: Any) -> Estimate:
        """The mean over the pairs for one kind of curve; options of `statistics.estimate`."""
        return estimate(self.values[kind], **options)

    def difference(self, kind: str, than: str, **options: Any) -> Estimate:
        """By how much ``kind`` is above ``than``, pair by pair; options of `statistics.estimate`."""
        return paired(self.values[kind], self.values[than], **options)

    def to_dict(self, **options: Any) -> dict[str, Any]:
        """Everything, for `json`: means and intervals, and the number of every pair."""
        ends = None if self.ends is None else {**estimate(self.ends, **options).to_dict(), "values": self.ends.tolist()}
        kinds = {k: {**self.estimate(k, **options).to_dict(), "values": v.tolist()} for k, v in self.values.items()}
        found: dict[str, Any] = finite({**asdict(self.criterion), "kinds": kinds, "ends": ends})
        return found


@dataclass(frozen=True)
class SetJudgement:
    """One number for all frames of each kind of curve.

    Attributes:
        criterion: what was measured.
        values: of all pairs, by the name of the curve.
        resampled: of ``R`` resamples of the pairs, ``(R,)``, the same pairs for every curve; empty for a single pair.
        n: how many pairs.
        left_out: how many more have a frame in some curve whose features are not finite.
    """

    criterion: Criterion
    values: Mapping[str, float]
    resampled: Mapping[str, Tensor]
    n: int
    left_out: int = 0

    def estimate(self, kind: str, *, confidence: float = CONFIDENCE) -> Estimate:
        """The number of one kind of curve (as the ``mean``), and its interval over the pairs."""
        return self._estimate(self.values[kind], self.resampled[kind], confidence, lowest=0.0)

    def difference(self, kind: str, than: str, *, confidence: float = CONFIDENCE) -> Estimate:
        """By how much the number of ``kind`` is above that of ``than``, resampled together."""
        return self._estimate(
            self.values[kind] - self.values[than], self.resampled[kind] - self.resampled[than], confidence
        )

    def _estimate(self, value: float, resampled: Tensor, confidence: float, lowest: float = -torch.inf) -> Estimate:
        lost = f"{self.left_out} of {self.n + self.left_out} pairs not finite and left out" if self.left_out else ""
        if len(resampled) == 0:
            note = "; ".join(filter(None, [lost, f"no interval from {counted(self.n, 'pair')}"]))
            return Estimate(value, torch.nan, torch.nan, self.n, self.left_out, note)
        tails = torch.tensor([(1 - confidence) / 2, (1 + confidence) / 2], dtype=resampled.dtype)
        low, high = (value + resampled.quantile(tails) - resampled.mean()).clamp_min(lowest).tolist()
        return Estimate(value, low, high, self.n, self.left_out, lost)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the resamples, for `json`."""
        kinds = {kind: self.estimate(kind).to_dict() for kind in self.values}
        found: dict[str, Any] = finite({**asdict(self.criterion), "kinds": kinds, "ends": None})
        return found


@dataclass(frozen=True)
class NotMeasured:
    """A criterion that was left out.

    Attributes:
        criterion: which.
        why: in words.
    """

    criterion: Criterion
    why: str


@dataclass(frozen=True)
class Judgements:
    """What `judge` found.

    Attributes:
        model: the name of the model.
        kinds: the names of the curves.
        pairs: ``B``.
        frames: ``P``, endpoints included.
        real: how many real images.
        judged: by each criterion, in the order of the table; `Judgements` by its name gives one.
        missing: the criteria that were left out, and why.
    """

    model: str
    kinds: tuple[str, ...]
    pairs: int
    frames: int
    real: int
    judged: tuple[Judgement | SetJudgement, ...]
    missing: tuple[NotMeasured, ...]

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

    def to_dict(self) -> dict[str, Any]:
        """Everything, for `json`."""
        return {
            "model": self.model,
            "kinds": list(self.kinds),
            "pairs": self.pairs,
            "frames": self.frames,
            "real": self.real,
            "judged": [found.to_dict() for found in self.judged],
            "not measured": [{**asdict(left.criterion), "why": left.why} for left in self.missing],
        }
