"""The claims of the paper: the rules that decide them (`verdicts`), the claims by topic, and all of them together.

Every rule is fixed in the code, before anything is measured. Where the paper says "nearly" or "in general", the margin
is ours, and stands in the claim's text.
"""

from collections.abc import Mapping

from torch import Tensor

from ..config import Config
from ..results import ModelResult
from . import curves, solver
from .sections import Section

__all__ = ["evaluate_claims"]


def evaluate_claims(
    results: Mapping[str, ModelResult], extra: Mapping[str, Mapping[str, dict[str, Tensor]]], config: Config
) -> list[Section]:
    """Every claim that can be tested on the results."""
    return [
        curves.semicircle(results),
        curves.steps(results),
        curves.normal(results),
        curves.auto_encoder(results, extra.get("apart", {})),
        solver.alpha(results, extra.get("alpha", {}), config),
        solver.resolution(results, extra.get("resolution", {}), extra.get("descent", {}), config),
    ]
