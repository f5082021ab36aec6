"""The candidates of a recommendation, and the table that prints them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ._tables import aligned
from .recipe import Recipe

__all__ = ["Candidate", "Recommendation"]


@dataclass(frozen=True)
class Candidate:
    """One way to solve the pairs, and the verdicts on it; means over pairs.

    Attributes:
        name: the row's name: factors, ceiling, alpha and mu, or the baseline's name.
        settings: ``factors``, ``ceiling``, ``alpha`` and ``mu``; empty for a baseline.
        realism: the critic's logit, less that of the straight line.
        standard_error: of ``realism``, over the pairs.
        directness: length in the data over the straight line's.
        coverage: the share of samples near the frames.
        nearest: the distance to the nearest real datum over the straight line's; None without data.
        converged: the share of solves that converged; 1 for a baseline.
        evaluations: path evaluations.
        eligible: True where it may be chosen.
    """

    name: str
    settings: dict[str, Any]
    realism: float
    standard_error: float
    directness: float
    coverage: float
    nearest: float | None
    converged: float
    evaluations: float
    eligible: bool


@dataclass(frozen=True)
class Recommendation:
    """The recommended recipe, and the candidates that it was chosen from; ``print`` shows the table.

    Attributes:
        recipe: the `Recipe`, for ``interpolate(..., method=recipe)``.
        candidates: baselines first, then all that were tried.
        correlations: the held-out rank correlation of every surrogate.
        pairs: the number of pairs.
    """

    recipe: Recipe
    candidates: tuple[Candidate, ...]
    correlations: dict[str, float]
    pairs: int

    def __str__(self) -> str:
        rows = [["", "realism", "+-", "directness", "coverage", "nearest", "converged", "evals", ""]]
        for each in self.candidates:
            near = "-" if each.nearest is None else f"{each.nearest:.3f}"
            verdict = "" if each.eligible or not each.settings else "not eligible"
            judged = [f"{each.realism:+.2f}", f"{each.standard_error:.2f}", f"{each.directness:.2f}"]
            more = [f"{each.coverage:.2f}", near, f"{each.converged:.0%}", f"{each.evaluations:.1f}"]
            rows.append([each.name, *judged, *more, "chosen" if self._is_chosen(each) else verdict])
        found = ", ".join(f"{name} {value:.2f}" for name, value in self.correlations.items())
        last = f"Recommended: {self.recipe}. {self.pairs} pairs; held-out rank correlation of surrogates: {found}."
        return "\n".join([*aligned(rows), last])

    def _is_chosen(self, candidate: Candidate) -> bool:
        return bool(candidate.settings) and candidate.settings == self.recipe.evidence.get("settings")

    def to_dict(self) -> dict[str, Any]:
        """Returns the candidates and correlations as plain data for JSON."""
        return {
            "recommended": str(self.recipe),
            "pairs": self.pairs,
            "correlations": self.correlations,
            "candidates": [asdict(each) for each in self.candidates],
        }
