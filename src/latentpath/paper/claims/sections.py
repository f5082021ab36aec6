"""Claims that belong together, and the quantities that several claims are made from, such as ri along a curve."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import MODEL_TITLES
from ..results import LINE, PATH, ModelResult
from ..statistics import Estimate, estimate, paired, proportion
from .verdicts import Claim, Rule

Fact = tuple[str, Estimate]  # a number that no claim depends on, with its name


@dataclass(frozen=True)
class Section:
    """Claims that belong together."""

    title: str
    text: str  # what the paper says, and how it is measured
    claims: tuple[Claim, ...]  # the claims with their verdicts
    facts: tuple[Fact, ...] = ()  # further numbers
    checks: tuple[Claim, ...] = ()  # claims on the solver, not on the paper; not counted among the claims
    remarks: tuple[str, ...] = ()  # sentences that follow from the numbers


def model_claim(name: str, text: str, measured: Estimate, rule: Rule, topic: str = "", title: str = "") -> Claim:
    """A claim on the model ``name``, whose title stands in front of the text."""
    title = title or MODEL_TITLES[name]
    return Claim(f"{title}: {text}", measured, rule, topic=topic, model=name if topic else "")


def counts(claims: Sequence[Claim]) -> dict[str, int]:
    """The number of claims by verdict."""
    verdicts = [claim.verdict for claim in claims]
    return {verdict: verdicts.count(verdict) for verdict in ("holds", "does not hold", "not decided")}


def middle(ri: Tensor) -> Tensor:
    """The middle three fifths of the points of curves ``(B, K+1)``."""
    fifth = ri.shape[1] // 5
    return ri[:, fifth : ri.shape[1] - fifth]


def share_of_points(shares: Tensor) -> Estimate:
    """The mean of shares ``(B,)``; where every share is 0, the share of pairs above 0 bounds it."""
    return estimate(shares) if bool((shares > 0).any()) else proportion(shares > 0)


def mean_over_length(ri: Tensor, steps: Tensor) -> Tensor:
    """Mean ri ``(B, K+1)`` per unit of data-space length, by the steps ``(B, K)``: ``(B,)``."""
    ri, steps = ri.double(), steps.double()
    return (steps * (ri[:, 1:] + ri[:, :-1]) / 2).sum(1) / steps.sum(1)


def ri_gain_over_length(result: ModelResult) -> Fact:
    """The path's mean ri over its length, less the line's."""
    path, line = (mean_over_length(result.ri[kind], result.steps[kind]) for kind in (PATH, LINE))
    title = MODEL_TITLES[result.name]
    return f"{title}: mean ri over the length of the decoded curve, path less line", paired(path, line)


def saved_share(result: ModelResult) -> Tensor:
    """The share of the line's cost that the path saves, ``(B,)``."""
    saved: Tensor = 1 - result.cost[PATH] / result.cost[LINE]
    return torch.where(saved.isfinite(), saved, torch.nan)
