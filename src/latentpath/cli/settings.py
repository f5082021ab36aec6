"""The settings of a run that interpolates, refused where no run can have them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError
from ..interpolate import check_options
from ..solvers import Restarts

__all__ = ["Settings"]

_MOST = 100_000  # drawn pairs, segments: above this it is a slip of the finger


@dataclass(frozen=True)
class Settings:
    """The settings of a run, as the command's help describes them.

    Attributes:
        model: what `latentpath.load` takes.
        loading: its options that were given.
        segments: ``K``.
        alpha: the scale of the index.
        tol: the relative gain in cost that is not worth more work.
        seed: of drawn endpoints, restarts and inversion.
        solving: options of `latentpath.interpolate` that were given.
        inverting: options for pictures that were given.
        threads: CPU threads; None for PyTorch's choice.
        device: where to compute; None where the model is.
        pairs: how many are drawn, if any are.
        value_range: of the pixels that the model makes; None for what it declares, or else its samples.

    Raises:
        InputError: one is out of range, or not finite; before anything is loaded, drawn, read or inverted.
    """

    model: str
    loading: dict[str, Any] = field(default_factory=dict)
    segments: int = 50
    alpha: float = 0.9
    tol: float = 1e-3
    seed: int = 0
    solving: dict[str, Any] = field(default_factory=dict)
    inverting: dict[str, Any] = field(default_factory=dict)
    threads: int | None = None
    device: str | None = None
    pairs: int | None = None
    value_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        limits = {"pairs": (self.pairs, _MOST), "threads": (self.threads, None), "segments": (self.segments, _MOST)}
        for name, (value, most) in limits.items():
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, got {value}")
            if value is not None and most is not None and value > most:
                raise InputError(f"{name} must be at most {most:,}, got {value}")
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed must be at least 0 and below 2 ** 63, got {self.seed}")
        numbers = {name: self.solving[name] for name in ("max_evaluations", "max_points") if name in self.solving}
        check_options(segments=self.segments, tol=self.tol, **numbers)
        Restarts.of(self.solving.get("restarts"), self.seed)
