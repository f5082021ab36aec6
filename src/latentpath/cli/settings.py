"""The settings of a run that interpolates, refused where no run can have them."""

from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError
from ..interpolate import check_options
from ..solvers import Restarts
from .methods import MethodName, Space, check_together

_MOST = 100_000  # drawn pairs, segments: above this it is a slip of the finger


@dataclass(frozen=True)
class Settings:
    """The settings of a run, as the command's help describes them."""

    model: str  # what `latentpath.load` takes
    loading: dict[str, Any] = field(default_factory=dict)  # its options that were given
    segments: int = 50  # ``K``
    alpha: float | None = None  # the scale of the index; None for that of the method
    tol: float = 1e-3  # the relative gain in cost that is not worth more work
    seed: int = 0  # of drawn endpoints, restarts and inversion
    solving: dict[str, Any] = field(default_factory=dict)  # options of `latentpath.interpolate` that were given
    inverting: dict[str, Any] = field(default_factory=dict)  # options for pictures that were given
    threads: int | None = None  # CPU threads; None for PyTorch's choice
    device: str | None = None  # where to compute; None where the model is
    pairs: int | None = None  # how many are drawn, if any are
    # of the pixels that the model makes; None for what it declares, or else its samples
    value_range: tuple[float, float] | None = None
    method: MethodName | None = None  # None for the recipe where the model has one, else the paper's
    mu: float | None = None  # the weight of the latents in the ruler; None for that of the method
    embed: Space | None = None  # the space of lengths in place of the method's
    polish: bool = False  # whether to solve on by the true index
    compare: bool = False  # whether to solve by the paper's method too

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
        check_together(self.method, self.mu, self.embed)
