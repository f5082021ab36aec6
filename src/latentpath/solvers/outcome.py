"""How the solve of a path ended, and what to try next."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from torch import Tensor

__all__ = ["Outcome"]


class Outcome(StrEnum):
    """How the solve of one path ended; prints in words.

    Example:
        >>> from latentpath.solvers import Outcome
        >>> str(Outcome.BUDGET_SPENT), Outcome("budget spent").code
        ('budget spent', 2)
    """

    RUNNING = "running"
    CONVERGED = "converged"
    """The predicted gain, or the observed one, fell below the tolerance, and the audit agrees with the energy; or the
    energy shows nothing but the generator's rounding, which ``audit.limited`` says."""
    BUDGET_SPENT = "budget spent"
    """The evaluations allowed were used up first, or the caller asked to stop."""
    STALLED = "stalled"
    """No step lowers the energy any more, and yet the predicted gain is not below the tolerance; or all that was found
    costs more than the initial path, which is what is returned."""
    NON_FINITE = "non finite"
    """The energy of the initial path is infinite or not a number; the path was left as it was."""
    UNRESOLVED = "unresolved"
    """The audit finds cost that the energy hides, after all refinement that the budget allowed; or the points
    moved after the solve (resampled, joined), and cost more, hide cost, or promise more gain than a converged path."""

    @property
    def code(self) -> int:
        """The number that stands for this outcome in a tensor of outcomes."""
        return _CODES[self]

    @staticmethod
    def from_codes(codes: Tensor | Sequence[int]) -> tuple[Outcome, ...]:
        """Returns the outcomes of codes ``(B,)``."""
        return tuple(_OUTCOMES[int(code)] for code in codes)

    @property
    def advice(self) -> str:
        """What to try next, in a sentence; empty where there is nothing to do.

        Example:
            >>> from latentpath.solvers import Outcome
            >>> Outcome.UNRESOLVED.advice, Outcome.CONVERGED.advice
            ('Give it more segments, and more evaluations if they were limited.', '')
        """
        return _ADVICE.get(self, "")


_OUTCOMES = tuple(Outcome)
_CODES = {outcome: code for code, outcome in enumerate(_OUTCOMES)}
_ADVICE = {
    Outcome.BUDGET_SPENT: "Allow more evaluations, or a larger tol.",
    Outcome.STALLED: "Compute in float64, allow a larger tol, or smooth the kinks of the generator (ReLU, clamp).",
    Outcome.NON_FINITE: "Search from several starts (restarts), or lead the path around by a keyframe: the line "
    "meets points where the index is 0 or the generator is not finite.",
    Outcome.UNRESOLVED: "Give it more segments, and more evaluations if they were limited.",
}
