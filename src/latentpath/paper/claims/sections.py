"""Claims that belong together, and what several of them are made from: the names of the models, ri along a curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import WAE
from ..jobs import LINE, PATH
from ..results import Solved
from ..statistics import Estimate, estimate, paired, proportion
from .verdicts import Claim

__all__ = [
    "NAMES",
    "SHORT",
    "Section",
    "along",
    "by_length",
    "gain",
    "middle",
    "share",
    "tally",
    "with_dimension",
]

NAMES = {
    "mnist-dcgan-semicircle": "digits, semicircle prior",
    "mnist-dcgan-normal": "digits, normal prior",
    "celeba-dcgan-semicircle": "faces, semicircle prior",
    "celeba-dcgan-normal": "faces, normal prior",
    WAE: "faces, auto-encoder",
}
"""The models in words."""

SHORT = {
    "mnist-dcgan-semicircle": "digits/semicircle",
    "mnist-dcgan-normal": "digits/normal",
    "celeba-dcgan-semicircle": "faces/semicircle",
    "celeba-dcgan-normal": "faces/normal",
    WAE: "the auto-encoder",
}
"""The same in a list."""


@dataclass(frozen=True)
class Section:
    """Claims that belong together.

    Attributes:
        title: of the section.
        text: what the paper says, and how it is measured.
        claims: with their verdicts.
        facts: numbers that no claim hangs on, by what they are.
        checks: of the solver, not of the paper; not counted among the claims.
        remarks: sentences that follow from the numbers.
    """

    title: str
    text: str
    claims: tuple[Claim, ...]
    facts: tuple[tuple[str, Estimate], ...] = ()
    checks: tuple[Claim, ...] = ()
    remarks: tuple[str, ...] = ()


def tally(claims: Sequence[Claim]) -> dict[str, int]:
    """How many claims have which verdict."""
    counts = {"holds": 0, "does not hold": 0, "not decided": 0}
    for claim in claims:
        counts[claim.verdict] += 1
    return counts


def with_dimension(of: Solved) -> str:
    """A model in words, with the ``D`` of its latents."""
    return f"{NAMES[of.name]} (D = {of.curves[PATH].shape[-1]})"


def middle(ri: Tensor) -> Tensor:
    """The middle three fifths of the points of curves ``(B, K+1)``."""
    fifth = ri.shape[1] // 5
    return ri[:, fifth : ri.shape[1] - fifth]


def share(shares: Tensor) -> Estimate:
    """The mean of shares ``(B,)``; where none of any pair is above 0, the share of pairs with any bounds it."""
    return estimate(shares) if bool((shares > 0).any()) else proportion(shares > 0)


def along(ri: Tensor, steps: Tensor) -> Tensor:
    """Mean ri ``(B, K+1)`` per unit of data-space length, by the steps ``(B, K)``: ``(B,)``."""
    ri, steps = ri.double(), steps.double()
    return (steps * (ri[:, 1:] + ri[:, :-1]) / 2).sum(1) / steps.sum(1)


def by_length(of: Solved) -> tuple[str, Estimate]:
    """By how much the path's mean ri over its length is above the line's, as a fact."""
    path, line = (along(of.ri[kind], of.steps[kind]) for kind in (PATH, LINE))
    return f"{NAMES[of.name]}: mean ri over the length of the decoded curve, path less line", paired(path, line)


def gain(of: Solved) -> Tensor:
    """The share of the line's cost that the path saves, ``(B,)``."""
    saved: Tensor = 1 - of.cost[PATH] / of.cost[LINE]
    return torch.where(saved.isfinite(), saved, torch.nan)
