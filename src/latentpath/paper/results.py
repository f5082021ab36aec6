"""Pairs of one shipped model, solved and measured: what every figure and every claim is made from."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from ..models import Model

__all__ = ["Solved"]


@dataclass(frozen=True, eq=False)
class Solved:
    """Curves of every kind between the same ``B`` pairs of endpoints, and what was measured of them.

    The kinds go by name: ``"straight line"``, ``"slerp"``, ``"path"``. All tensors are on the CPU.

    Attributes:
        name: of the shipped model.
        model: the model.
        alpha: the scale of the index, in (0, 1].
        curves: by kind, latents ``(B, K+1, D)``; ``K = 51`` has the paper's 50 midpoints.
        ri: by kind, the realism index at every point, ``(B, K+1)``, in [0, 1] (without alpha).
        steps: by kind, the distance of consecutive decoded points, ``(B, K)``, in units of the data space.
        cost: by kind, audited, ``(B,)``, in units of the data space.
        length: by kind, audited length of the decoded curve, ``(B,)``, in units of the data space.
        ends: where the endpoints come from, in words that complete "The endpoints are ..."; may be empty.
        solves: by kind that was solved for, how: ``outcome``, ``evaluations``, ``tunnels`` and ``gap``, ``(B,)`` each,
            the last two of equation 3 at ``K`` segments.
    """

    name: str
    model: Model
    alpha: float
    curves: dict[str, Tensor]
    ri: dict[str, Tensor]
    steps: dict[str, Tensor]
    cost: dict[str, Tensor]
    length: dict[str, Tensor]
    ends: str = ""
    solves: dict[str, dict[str, Tensor]] = field(default_factory=dict)
