"""The outcome of the solve of a path, with advice."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from torch import Tensor

__all__ = ["Outcome"]


class Outcome(StrEnum):
    """The outcome of the solve of one path; prints in words.

    Example:
        >>> from latentpath.solvers import Outcome
        >>> str(Outcome.BUDGET_SPENT), Outcome("budget spent").code
        ('budget spent', 2)
    """

    RUNNING = "running"
    CONVERGED = "converged"
    """The predicted or the observed gain fell below the tolerance, and the audit agrees with the energy; or the
    generator's rounding dominates the energy, see ``audit.limited``."""
    BUDGET_SPENT = "budget spent"
    """The limit of evaluations was reached first, or the caller stopped the solve."""
    STALLED = "stalled"
    """No step lowers the energy although the predicted gain is above the tolerance; or every path found costs more than
    the initial one, which is returned."""
    NON_FINITE = "non finite"
    """The energy of the initial path is infinite or not a number; the path is unchanged."""
    UNRESOLVED = "unresolved"
    """The audit finds cost that the energy hides, after all refinement within the budget; or the points moved after the
    solve (resampled, joined), and cost more, hide cost, or have a higher predicted gain than a converged path."""

    @property
    def code(self) -> int:
        """The number of this outcome in a tensor of outcomes."""
        return _CODES[self]

    @staticmethod
    def from_codes(codes: Tensor | Sequence[int]) -> tuple[Outcome, ...]:
        """Returns the outcomes of codes ``(B,)``."""
        return tuple(_OUTCOMES[int(code)] for code in codes)

    @property
    def advice(self) -> str:
        """The advice on what to try next, in a sentence; empty for a converged path.

        Example:
            >>> from latentpath.solvers import Outcome
            >>> Outcome.UNRESOLVED.advice, Outcome.CONVERGED.advice
            ('Give it more segments, and more evaluations if they were limited.', '')
        """
        return _ADVICE.get(self, "")


_OUTCOMES = tuple(Outcome)
_CODES = {outcome: code for code, outcome in enumerate(_OUTCOMES)}
_ADVICE = {
    Outcome.BUDGET_SPENT: "Allow more evaluations, or a larger tol; if you stopped the solve, let it run.",
    Outcome.STALLED: "Compute in float64, allow a larger tol, or smooth the kinks of the generator (ReLU, clamp).",
    Outcome.NON_FINITE: "Search from several starts (restarts), or lead the path around by a keyframe: the line "
    "meets points where the index is 0 or the generator is not finite.",
    Outcome.UNRESOLVED: "Give it more segments, and more evaluations if they were limited.",
}
