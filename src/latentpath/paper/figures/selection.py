"""What a figure shows of one model: which pairs, which frames, and all numbers behind them, for its JSON.

The pairs are the first ones, whatever came of them. Of the frames a strip shows the endpoints and every fifth midpoint:
of 50 midpoints the points 0, 5, ..., 45 and 51. The 50th, which lies next to the end, is left out, as is in general a
midpoint less than five from the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from ...errors import InputError
from ...models.sampling import draw
from ...plots import plane_coordinates
from ...value_range import Bytes, pixels
from ..results import Solved

__all__ = ["EVERY", "KINDS", "Selection", "plain", "shown_points"]

KINDS = ("straight line", "path")
"""The kinds of curve that the paper draws, from top to bottom."""

EVERY = 5
_SAMPLES, _DIGITS = 1500, 6


def shown_points(segments: int) -> list[int]:
    """The points of a curve of ``segments`` segments that a strip shows: the ends, and every fifth in between.

    Example:
        >>> shown_points(51)
        [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 51]
        >>> shown_points(3)
        [0, 3]
    """
    return [0, *range(EVERY, segments - EVERY + 1, EVERY), segments]


def plain(value: Any) -> Any:
    """Tensors and containers as what JSON has: numbers of 6 significant digits, None where one is not finite.

    Example:
        >>> plain({"cost": torch.tensor([1.23456789, float("inf")], dtype=torch.float64)})
        {'cost': [1.23457, None]}
    """
    if isinstance(value, Tensor):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value


@dataclass(frozen=True, eq=False)
class Selection:
    """A few pairs of one model.

    Attributes:
        solved: all pairs.
        pairs: which of them, from 0.
    """

    solved: Solved
    pairs: tuple[int, ...]

    @classmethod
    def of(cls, solved: Solved, pairs: int, last: bool = False) -> Selection:
        """The first ``pairs`` pairs, or as many as there are; with ``last`` only the last of these.

        Raises:
            InputError: no pair, no straight line or no path.
        """
        lacking = [kind for kind in KINDS if kind not in solved.curves]
        if lacking:
            raise InputError(
                f"{solved.name}: the figures need {lacking}, the solved curves are {sorted(solved.curves)}"
            )
        count = min(pairs, len(solved.curves["path"]))
        if count == 0:
            raise InputError(f"{solved.name}: the figures need at least one solved pair, got none")
        return cls(solved, tuple(range(count))[-1 if last else 0 :])

    @property
    def segments(self) -> int:
        """``K``."""
        return self.solved.curves["path"].shape[1] - 1

    @property
    def points(self) -> list[int]:
        """The points that a strip shows."""
        return shown_points(self.segments)

    @property
    def prior(self) -> Distribution:
        """The model's."""
        if self.solved.model.prior is None:
            raise InputError(f"{self.solved.name!r} has no prior: the figures are of generators")
        return self.solved.model.prior

    def of_kinds(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """The chosen pairs of the kinds that are drawn, ``(P, ...)``."""
        return {kind: values[kind][list(self.pairs)].detach().cpu() for kind in KINDS}

    def latents(self) -> dict[str, Tensor]:
        """``(P, K+1, D)`` by kind."""
        return self.of_kinds(self.solved.curves)

    def plane(self) -> dict[str, Tensor]:
        """The coordinates of equation 4, ``(P, K+1, 2)`` by kind."""
        return {kind: plane_coordinates(latents) for kind, latents in self.latents().items()}

    def first_two(self) -> dict[str, Tensor]:
        """The first two latent coordinates, ``(P, K+1, 2)`` by kind.

        Raises:
            InputError: latents of one coordinate.
        """
        found = {kind: latents[..., :2] for kind, latents in self.latents().items()}
        if found["path"].shape[-1] < 2:
            raise InputError(f"{self.solved.name}: a figure of two latent coordinates needs D >= 2, got 1")
        return found

    def samples(self) -> Tensor:
        """The first two coordinates of draws of the prior, ``(1500, 2)``, always the same."""
        return draw(self.prior, _SAMPLES, torch.Generator().manual_seed(0))[:, :2]

    @torch.no_grad()
    def frames(self) -> dict[str, Bytes]:
        """What the model makes of the shown points, as bytes ``(P, n, H, W, C)`` by kind.

        Raises:
            InputError: something else than pictures.
        """
        found = {}
        for kind, latents in self.latents().items():
            shown = latents[:, self.points]
            data = self.solved.model.generator(shown.flatten(0, 1))
            if data.ndim != 4 or data.shape[1] not in (1, 3):
                raise InputError(f"{self.solved.name}: a strip needs frames (N, 1 or 3, H, W), got {tuple(data.shape)}")
            found[kind] = pixels(data.unflatten(0, shown.shape[:2]), self.solved.model.value_range)
        return found

    def record(self, shows: tuple[str, ...]) -> dict[str, Any]:
        """What a figure shows of these pairs, for its JSON.

        Args:
            shows: of "frames", "plane", "first two", "prior", "steps" and "ri".
        """
        values: dict[str, dict[str, Tensor]] = {}
        if "frames" in shows:
            values["latents"] = {kind: latents[:, self.points] for kind, latents in self.latents().items()}
        if "plane" in shows:
            values["plane"] = self.plane()
        if "first two" in shows:
            values["first_two"] = self.first_two()
        for name, given in (("steps", self.solved.steps), ("ri", self.solved.ri)):
            if name in shows:
                values[name] = self.of_kinds(given)
        values["cost"], values["length"] = self.of_kinds(self.solved.cost), self.of_kinds(self.solved.length)
        content = {
            "model": self.solved.name,
            "sha256": self.solved.model.card.get("sha256"),
            "alpha": self.solved.alpha,
            "segments": self.segments,
            "endpoints": self.solved.ends or None,
            **({"points_shown": self.points} if "frames" in shows else {}),
            **({"prior_samples": self.samples()} if "prior" in shows else {}),
            "pairs": [
                {
                    "pair": number + 1,
                    **{name: {kind: of[kind][row] for kind in KINDS} for name, of in values.items()},
                }
                for row, number in enumerate(self.pairs)
            ],
        }
        found: dict[str, Any] = plain(content)
        return found
