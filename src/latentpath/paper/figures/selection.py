"""The selection of pairs and frames of one model for a figure, with all numbers behind them for its JSON.

The pairs are always the first ones. A strip shows the endpoints and every fifth midpoint: of 50 midpoints the points 0,
5, ..., 45 and 51. A midpoint less than five from the end is left out, such as the 50th, which lies next to the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..._io import finite
from ...errors import InputError
from ...models.sampling import draw
from ...value_range import Bytes, pixels
from ...viz.plots.plane import plane_coordinates
from ..results import LINE, PATH, ModelResult

DRAWN_KINDS = (LINE, PATH)  # the kinds of curve that the paper draws, from top to bottom
EVERY = 5  # the distance of the shown midpoints
_SAMPLES, _DIGITS = 1500, 6


def shown_points(segments: int) -> list[int]:
    """The points of a curve that a strip shows: both ends, and every fifth point in between."""
    return [0, *range(EVERY, segments - EVERY + 1, EVERY), segments]


def _rounded(value: Any) -> Any:
    if isinstance(value, Tensor):
        return _rounded(value.tolist())
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


@dataclass(frozen=True, eq=False)
class Selection:
    """A few pairs of one model."""

    result: ModelResult
    pairs: tuple[int, ...]  # the numbers of the selected pairs, from 0

    @classmethod
    def first(cls, result: ModelResult, pairs: int, last: bool = False) -> Selection:
        """Selects the first ``pairs`` pairs, or all if there are fewer; with ``last`` only the last one of these."""
        lacking = [kind for kind in DRAWN_KINDS if kind not in result.curves]
        if lacking:
            raise InputError(
                f"{result.name}: the figures need {lacking}, the solved curves are {sorted(result.curves)}"
            )
        count = min(pairs, len(result.curves["path"]))
        if count == 0:
            raise InputError(f"{result.name}: the figures need at least one solved pair, got none")
        return cls(result, tuple(range(count))[-1 if last else 0 :])

    @property
    def segments(self) -> int:
        """``K``."""
        return self.result.curves["path"].shape[1] - 1

    @property
    def points(self) -> list[int]:
        """The points that a strip shows."""
        return shown_points(self.segments)

    def rows(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """The rows of the selected pairs, ``(P, ...)``, by drawn kind."""
        return {kind: values[kind][list(self.pairs)].detach().cpu() for kind in DRAWN_KINDS}

    def latents(self) -> dict[str, Tensor]:
        """``(P, K+1, D)`` by kind."""
        return self.rows(self.result.curves)

    def plane(self) -> dict[str, Tensor]:
        """The coordinates of equation 4, ``(P, K+1, 2)`` by kind."""
        return {kind: plane_coordinates(latents) for kind, latents in self.latents().items()}

    def first_two(self) -> dict[str, Tensor]:
        """The first two latent coordinates, ``(P, K+1, 2)`` by kind."""
        found = {kind: latents[..., :2] for kind, latents in self.latents().items()}
        if found["path"].shape[-1] < 2:
            raise InputError(f"{self.result.name}: a figure of two latent coordinates needs D >= 2, got 1")
        return found

    def samples(self) -> Tensor:
        """The first two coordinates of draws of the prior, ``(1500, 2)``, always the same."""
        if self.result.model.prior is None:
            raise InputError(f"{self.result.name!r} has no prior: the figures are of generators")
        return draw(self.result.model.prior, _SAMPLES, torch.Generator().manual_seed(0))[:, :2]

    @torch.no_grad()
    def frames(self) -> dict[str, Bytes]:
        """The decoded shown points, as bytes ``(P, n, H, W, C)`` by kind."""
        found = {}
        for kind, latents in self.latents().items():
            shown = latents[:, self.points]
            data = self.result.model.generator(shown.flatten(0, 1))
            if data.ndim != 4 or data.shape[1] not in (1, 3):
                raise InputError(f"{self.result.name}: a strip needs frames (N, 1 or 3, H, W), got {tuple(data.shape)}")
            found[kind] = pixels(data.unflatten(0, shown.shape[:2]), self.result.model.value_range)
        return found

    def record(self, shows: tuple[str, ...]) -> dict[str, Any]:
        """The content of a figure's JSON for these pairs."""
        values: dict[str, dict[str, Tensor]] = {}
        if "frames" in shows:
            values["latents"] = {kind: latents[:, self.points] for kind, latents in self.latents().items()}
        if "plane" in shows:
            values["plane"] = self.plane()
        if "first two" in shows:
            values["first_two"] = self.first_two()
        for name, given in (("steps", self.result.steps), ("ri", self.result.ri)):
            if name in shows:
                values[name] = self.rows(given)
        values["cost"], values["length"] = self.rows(self.result.cost), self.rows(self.result.length)
        content = {
            "model": self.result.name,
            "sha256": self.result.model.card.get("sha256"),
            "alpha": self.result.alpha,
            "segments": self.segments,
            "endpoints": self.result.endpoint_source or None,
            **({"points_shown": self.points} if "frames" in shows else {}),
            **({"prior_samples": self.samples()} if "prior" in shows else {}),
            "pairs": [
                {
                    "pair": number + 1,
                    **{name: {kind: value[kind][row] for kind in DRAWN_KINDS} for name, value in values.items()},
                }
                for row, number in enumerate(self.pairs)
            ],
        }
        found: dict[str, Any] = finite(_rounded(content))
        return found
