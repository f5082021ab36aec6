"""The settings of the page, validated, since requests may contain any values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..errors import InputError
from ..interpolate import SOLVERS as KNOWN

__all__ = [
    "FIELDS",
    "LIMITS",
    "LOOPS",
    "METHODS",
    "PAPER",
    "RECOMMENDED",
    "SOLVERS",
    "SPACINGS",
    "Choices",
    "Limit",
    "text_of",
]

SOLVERS = tuple(KNOWN)
SPACINGS = ("data", "metric", "latent")
LOOPS = ("bounce", "repeat", "once")
RECOMMENDED, PAPER = METHODS = ("recommended", "paper")


@dataclass(frozen=True)
class Limit:
    """The limits of a number.

    Attributes:
        name: the label.
        low: the lowest value.
        high: the highest value.
        default: the default value.
        whole: True for a whole number.
        step: the step of the slider.
    """

    name: str
    low: float
    high: float
    default: float
    whole: bool = False
    step: float = 1

    def check(self, value: object) -> float:
        """Returns ``value`` as a number within the limits.

        Raises:
            InputError: anything else, NaN too.
        """
        if isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high:
            if not self.whole:
                return float(value)
            if value == int(value):
                return int(value)
        kind = "a whole number" if self.whole else "a number"
        raise InputError(f"{self.name} must be {kind} from {self.low:g} to {self.high:g}; got {text_of(value)}.")


LIMITS = {
    "alpha": Limit("alpha", 0.01, 1, 0.9, step=0.01),
    "mu": Limit("direct ... realistic", 0, 1, 0.5, step=0.05),
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
"""All numbers of the page."""


@dataclass(frozen=True)
class Choices:
    """The settings of a solve and of its views; `of` validates them.

    Attributes:
        method: "recommended", where the model has a recipe, or "paper".
        mu: the weight of the latents in lengths, by the recommended method.
        beside: True shows the paper's path beside the recommended one.
        alpha: the scale of the index.
        segments: the segments of each leg.
        spacing: the spacing of frames.
        restarts: the number of starts.
        solver: the name of the solver.
        closed: True for a path back to the first keyframe.
        rounded: True for smooth joints.
        smooth: the largest jump of the velocity at a smooth joint.
        tol: the tolerance.
        max_evaluations: the limit of evaluations of a leg from one start.
        seed: the seed of the starts.
        seconds: the duration of the film.
        fps: the frames of the film a second.
        loop: "bounce", "repeat" or "once".
        shown: the frames of a strip.
    """

    method: str = RECOMMENDED
    mu: float = LIMITS["mu"].default
    beside: bool = False
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
        """Validates ``values``.

        Raises:
            InputError: a number outside its limits, or an unknown word.
        """
        found = dict(values)
        for name, limit in LIMITS.items():
            if name in found:
                found[name] = limit.check(found[name])
        for name, known in (("method", METHODS), ("spacing", SPACINGS), ("solver", SOLVERS), ("loop", LOOPS)):
            if found.get(name, known[0]) not in known:
                raise InputError(f"{name} must be one of {', '.join(known)}; got {text_of(found[name])}.")
        for name in ("beside", "closed", "rounded"):
            if not isinstance(found.get(name, False), bool):
                raise InputError(f"{name} must be true or false; got {text_of(found[name])}.")
        return cls(**found)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Choices:
        """Validates the values of `FIELDS`, in their order."""
        return cls.of(dict(zip(FIELDS, values, strict=True)))

    def has_legs(self, keyframes: int) -> bool:
        """Returns True if a path through ``keyframes`` has more than one leg."""
        return keyframes > 2 or self.closed

    def options(self, keyframes: int) -> dict[str, Any]:
        """Returns the arguments of `interpolate`, or of `interpolate_through` for several legs, without defaults.

        Those of the method are in `methods`.
        """
        usual = Choices()
        found: dict[str, Any] = {"segments": self.segments}
        found |= {
            name: getattr(self, name) for name in ("solver", "tol") if getattr(self, name) != getattr(usual, name)
        }
        found["max_evaluations"] = self.max_evaluations
        if self.restarts > 1:
            found |= {"restarts": self.restarts, "seed": self.seed}
        if self.has_legs(keyframes):
            found["closed"] = self.closed
            if self.rounded:
                found["smooth"] = self.smooth
        return found


FIELDS = tuple(field.name for field in fields(Choices) if field.name != "seed")
"""The settings of the page, in the order of its controls."""


def text_of(value: object) -> str:
    """Returns a value as text for an error message, shortened."""
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
