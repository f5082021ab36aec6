"""Results with known answers."""

from __future__ import annotations

import torch

from latentpath.models import Model
from latentpath.paper.results import KINDS, LINE, PATH, SHORTEST, ModelResult
from latentpath.priors import standard_normal


def made(name: str, ri: dict[str, float], bend: float, cost: dict[str, float], pairs: int = 12) -> ModelResult:
    """Pairs whose curves have a constant index, a known cost, and a path that leaves the line by ``bend``."""
    torch.manual_seed(0)
    points = 11
    start, end = torch.randn(2, pairs, 1, 3)
    t = torch.linspace(0, 1, points)[:, None]
    line = start + t * (end - start)
    aside = torch.linalg.cross(end - start, torch.ones(pairs, 1, 3))
    aside = aside / aside.norm(dim=-1, keepdim=True) * (end - start).norm(dim=-1, keepdim=True)
    bent = line + bend * torch.sin(torch.pi * t) * aside
    noise = 0.01 * torch.rand(pairs)
    model = Model(lambda z: z, standard_normal(3), name=name, card={"sha256": "0"})
    steps = torch.ones(pairs, points - 1) + 0.1 * torch.rand(pairs, points - 1)
    return ModelResult(
        name,
        model,
        0.9,
        {kind: bent if kind == PATH else line for kind in KINDS},
        {kind: (ri[kind] + noise)[:, None].expand(pairs, points) for kind in KINDS},
        dict.fromkeys(KINDS, steps),
        {kind: cost[kind] + noise for kind in KINDS},
        {kind: cost[kind] + noise for kind in KINDS},
    )


GOOD = {LINE: 0.3, "slerp": 0.1, PATH: 0.8, SHORTEST: 0.2}
COST = {LINE: 10.0, "slerp": 20.0, PATH: 5.0, SHORTEST: 4.0}
