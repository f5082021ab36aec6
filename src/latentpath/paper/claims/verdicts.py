r"""The judgement of claims: rules, and the verdicts that they read off an interval over pairs.

The verdict follows from the interval, never from the mean alone. A `Rule` names a region of the real line:

=================== ============================ ==============================================
rule                region                       for claims such as
=================== ============================ ==============================================
``above(t)``        :math:`x > t`                the path's mean index is above the line's
``below(t)``        :math:`x < t`                the cost is lower
``within(m, c)``    :math:`|x - c| \le m`        path and line nearly agree (an equivalence)
=================== ============================ ==============================================

The claim *holds* where the whole interval lies in the region, *does not hold* where all of it lies outside, and is
*not decided* in between, or where there is no interval. Too few pairs cannot decide a claim of "nearly 0": its interval
must be narrow enough to lie within the margin. A claim of several `parts` holds if all of them hold, does not hold if
one does not, and is not decided otherwise. Nothing is corrected for the number of claims.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ...errors import DataError, InputError
from ..statistics import Estimate

Verdict = Literal["holds", "does not hold", "not decided"]


@dataclass(frozen=True)
class Rule:
    """The region in which a claim's number should lie; made by `above`, `below` and `within`."""

    kind: Literal["above", "below", "within"]
    value: float  # the bound, or the margin
    around: float = 0.0  # the middle of the margin

    def __post_init__(self) -> None:
        if self.kind not in ("above", "below", "within"):
            raise InputError(f'a rule is "above", "below" or "within", got {self.kind!r}')
        negative = self.kind == "within" and self.value < 0
        if negative or not math.isfinite(self.value) or not math.isfinite(self.around):
            raise InputError(
                f"the bound of a rule must be finite, and a margin not negative, got {self.value} around {self.around}"
            )

    def decide(self, measured: Estimate) -> Verdict:
        """Reads the verdict off an interval: all of it inside, all of it outside, or neither."""
        if not measured.decisive:
            return "not decided"
        low, high = measured.low - self.around, measured.high - self.around
        if self.kind == "above":
            inside, outside = low > self.value, high <= self.value
        elif self.kind == "below":
            inside, outside = high < self.value, low >= self.value
        else:
            inside, outside = -self.value <= low and high <= self.value, low > self.value or high < -self.value
        return "holds" if inside else "does not hold" if outside else "not decided"


def above(bound: float) -> Rule:
    """The rule that a number is above ``bound``, strictly."""
    return Rule("above", float(bound))


def below(bound: float) -> Rule:
    """The rule that a number is below ``bound``, strictly."""
    return Rule("below", float(bound))


def within(margin: float, around: float = 0.0) -> Rule:
    """The rule that a number is at most ``margin`` from ``around``: an equivalence."""
    return Rule("within", float(margin), float(around))


@dataclass(frozen=True)
class Claim:
    """A claim with its verdict: on a number under a rule, or on several parts together."""

    text: str
    measured: Estimate | None = None  # the number; None where the claim has parts
    rule: Rule | None = None  # the region that the number should lie in; None where the claim has parts
    parts: tuple[Claim, ...] = ()  # claims; empty where a number was measured
    topic: str = ""  # groups the claims of several models, for programs; may be empty
    model: str = ""  # the name of the model, with a topic; may be empty

    def __post_init__(self) -> None:
        numbers = (self.measured is not None) + (self.rule is not None)
        if numbers != (0 if self.parts else 2):
            raise InputError(
                f"the claim {self.text!r} must have either a number and its rule, or parts: it has "
                f"{numbers} of the two and {len(self.parts)} parts"
            )

    @property
    def verdict(self) -> Verdict:
        """The verdict that follows from the numbers."""
        if self.measured is not None and self.rule is not None:
            return self.rule.decide(self.measured)
        found = {part.verdict for part in self.parts}
        return "does not hold" if "does not hold" in found else "not decided" if "not decided" in found else "holds"

    def to_dict(self) -> dict[str, Any]:
        """The claim and its verdict for `json`; a number that is not finite is None."""
        found: dict[str, Any] = {"text": self.text, "verdict": self.verdict}
        found |= {key: value for key, value in (("topic", self.topic), ("of", self.model)) if value}
        if self.measured is not None and self.rule is not None:
            return {**found, "measured": self.measured.to_dict(), "rule": asdict(self.rule)}
        return {**found, "parts": [part.to_dict() for part in self.parts]}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Claim:
        """The claim from the output of `to_dict`."""
        try:
            topic, model = (str(stored.get(key, "")) for key in ("topic", "of"))
            if "parts" in stored:
                claim = cls(
                    str(stored["text"]), parts=tuple(map(cls.from_dict, stored["parts"])), topic=topic, model=model
                )
            else:
                measured, rule = Estimate.from_dict(stored["measured"]), Rule(**stored["rule"])
                claim = cls(str(stored["text"]), measured, rule, topic=topic, model=model)
            verdict = stored["verdict"]
        except (KeyError, TypeError, InputError) as error:
            raise DataError(
                f"this is no claim, which has text, verdict, and measured and rule, or parts: {error!r}"
            ) from error
        if verdict != claim.verdict:
            raise DataError(
                f"the claim {claim.text!r} is stored as {verdict!r}, and its numbers say {claim.verdict!r}: "
                "the file was edited, or written under another rule; measure again"
            )
        return claim
