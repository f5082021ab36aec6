"""What can be chosen on the page, checked: numbers come from anybody."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..errors import InputError
from ..interpolate import SOLVERS as KNOWN

__all__ = ["FIELDS", "LIMITS", "LOOPS", "SOLVERS", "SPACINGS", "Choices", "Limit", "text_of"]

SOLVERS = tuple(KNOWN)
SPACINGS = ("data", "metric", "latent")
LOOPS = ("bounce", "repeat", "once")


@dataclass(frozen=True)
class Limit:
    """What a number may be.

    Attributes:
        name: for people.
        low: the least.
        high: the most.
        default: where nobody says.
        whole: whether it must be a whole number.
        step: of the slider.
    """

    name: str
    low: float
    high: float
    default: float
    whole: bool = False
    step: float = 1

    def check(self, value: object) -> float:
        """``value`` as a number within the limits.

        Raises:
            InputError: anything else, NaN too.
        """
        kind = "a whole number" if self.whole else "a number"
        asked = f"{self.name} must be {kind} from {self.low:g} to {self.high:g}, got {text_of(value)}"
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError(asked)
        if not self.low <= value <= self.high or (self.whole and value != int(value)):
            raise InputError(asked)
        return int(value) if self.whole else float(value)


LIMITS = {
    "alpha": Limit("alpha", 0.01, 1, 0.9, step=0.01),
    "segments": Limit("segments", 10, 120, 50, whole=True),
    "restarts": Limit("restarts", 1, 16, 1, whole=True),
    "seed": Limit("seed", 0, 2**31 - 1, 0, whole=True),
    "tol": Limit("tol", 1e-6, 0.1, 1e-3, step=1e-6),
    "max_evaluations": Limit("evaluations", 5, 1000, 200, whole=True),
    "smooth": Limit("largest jump at a joint", 0.1, 1.9, 0.8, step=0.1),
    "seconds": Limit("seconds", 1, 20, 4, step=0.5),
    "fps": Limit("frames a second", 5, 50, 25, whole=True),
    "shown": Limit("frames in a strip", 3, 16, 11, whole=True),
}
"""Every number of the page."""


@dataclass(frozen=True)
class Choices:
    """How a path is found and shown; `of` checks what comes from elsewhere.

    Attributes:
        alpha: the scale of the index.
        segments: of each leg.
        spacing: where frames lie evenly.
        restarts: from how many starts to search.
        solver: by name.
        closed: back to the first keyframe in the end.
        rounded: whether the joints are made gentle.
        smooth: how gentle.
        tol: the relative gain in cost that is not worth more work.
        max_evaluations: the most that a leg may spend from one start.
        seed: of the starts.
        seconds: of the film.
        fps: its frames a second.
        loop: "bounce", "repeat" or "once".
        shown: frames in a strip.
    """

    alpha: float = LIMITS["alpha"].default
    segments: int = int(LIMITS["segments"].default)
    spacing: str = "data"
    restarts: int = int(LIMITS["restarts"].default)
    solver: str = "multilevel"
    closed: bool = False
    rounded: bool = False
    smooth: float = LIMITS["smooth"].default
    tol: float = LIMITS["tol"].default
    max_evaluations: int = int(LIMITS["max_evaluations"].default)
    seed: int = int(LIMITS["seed"].default)
    seconds: float = LIMITS["seconds"].default
    fps: int = int(LIMITS["fps"].default)
    loop: str = "bounce"
    shown: int = int(LIMITS["shown"].default)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Choices:
        """Checked: ``values`` come from anybody.

        Raises:
            InputError: a number outside its limits, a word that is none of those there are.
        """
        found = dict(values)
        for name, limit in LIMITS.items():
            if name in found:
                found[name] = limit.check(found[name])
        for name, known in (("spacing", SPACINGS), ("solver", SOLVERS), ("loop", LOOPS)):
            if found.get(name, known[0]) not in known:
                raise InputError(f"{name} must be one of {', '.join(known)}, got {text_of(found[name])}")
        for name in ("closed", "rounded"):
            if not isinstance(found.get(name, False), bool):
                raise InputError(f"{name} must be true or false, got {text_of(found[name])}")
        return cls(**found)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Choices:
        """`of` the values of `FIELDS`, in that order."""
        return cls.of(dict(zip(FIELDS, values, strict=True)))

    def many(self, keyframes: int) -> bool:
        """Whether a path through so many keyframes has more than one leg."""
        return keyframes > 2 or self.closed

    def options(self, keyframes: int) -> dict[str, Any]:
        """The keyword arguments that are not usual, of `interpolate`, or of `interpolate_through` for many legs."""
        usual = Choices()
        found: dict[str, Any] = {"segments": self.segments, "alpha": self.alpha}
        found |= {
            name: getattr(self, name) for name in ("solver", "tol") if getattr(self, name) != getattr(usual, name)
        }
        found["max_evaluations"] = self.max_evaluations
        if self.restarts > 1:
            found |= {"restarts": self.restarts, "seed": self.seed}
        if self.many(keyframes):
            found["closed"] = self.closed  # its own points lie evenly in the metric, as those of a pair: for the solver
            if self.rounded:
                found["smooth"] = self.smooth
        return found


FIELDS = tuple(field.name for field in fields(Choices) if field.name != "seed")
"""The settings of the page, in the order in which its controls are read."""


def text_of(value: object) -> str:
    """A value in an error message, cut where it is long."""
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
