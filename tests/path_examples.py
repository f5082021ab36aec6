"""Measured paths on a curved surface, for the tests of `Path`."""

from __future__ import annotations

import math
from dataclasses import fields

import torch

import latentpath as lp
from latentpath import priors

F64 = torch.float64
INDEX = lp.RealismIndex(priors.standard_normal(2, dtype=F64))
TENSORS = ["latents", "ri", "step_lengths", "evaluations", "gain"]
FACTS = [f.name for f in fields(lp.Audit)]


def randn(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def picture(z):
    return torch.stack([2 * z[:, 0], z[:, 1] + 0.2 * z[:, 0] ** 2, z.prod(-1), z.sum(-1)], -1).unflatten(1, (2, 2))


SOURCE = lp.Source(picture, INDEX)


def measured(latents, source=SOURCE):
    count = len(latents)
    return lp.Path.measured(
        latents,
        source,
        outcome=tuple(list(lp.Outcome)[1 + i % 4] for i in range(count)),
        evaluations=torch.arange(count, dtype=F64),
        gain=torch.linspace(0.1, 1, count, dtype=F64),
        settings={"segments": latents.shape[1] - 1, "tol": 1e-3, "embed": None},
    )


def wandering(count=3, segments=6, seed=0):
    """Arcs between random places, travelled slowly at first and fast in the end."""
    draw = torch.Generator().manual_seed(seed)
    start, turn, bulge = (
        0.7 * torch.randn(count, 2, dtype=F64, generator=draw),
        *torch.rand(2, count, 1, dtype=F64, generator=draw),
    )
    t = torch.linspace(0, 1, segments + 1, dtype=F64)[:, None] ** 2
    ahead = torch.cat([(7 * turn).cos(), (7 * turn).sin()], -1)[:, None]
    aside = torch.stack([-ahead[..., 1], ahead[..., 0]], -1)
    return measured(start[:, None] + 2 * t * ahead + (bulge[:, None] - 0.5) * torch.sin(math.pi * t) * aside)


def assert_same(found, expected, **tolerance):
    tolerance = tolerance or {"rtol": 0, "atol": 0}
    for name in TENSORS:
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), **tolerance, equal_nan=True)
    for name in FACTS:
        torch.testing.assert_close(
            getattr(found.audit, name), getattr(expected.audit, name), **tolerance, equal_nan=True
        )
    assert found.outcome == expected.outcome
    assert found.settings == expected.settings
