"""A curved generator, a prior, two endpoints, and a short solve, for the tests of `interpolate`."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import latentpath as lp
from latentpath import priors

F64 = torch.float64
PRIOR = priors.standard_normal(2, dtype=F64)
START, END = torch.tensor([2.0, 0.3], dtype=F64), torch.tensor([-0.4, 1.8], dtype=F64)


def randn(*shape, seed=0, dtype=F64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def curved(z):
    return torch.stack([z[:, 0], z[:, 1] + 0.2 * z[:, 0] ** 2, torch.sin(z[:, 0] * z[:, 1])], -1)


def flat(z):
    return -torch.ones_like(z[..., 0])


def model(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 12), nn.Unflatten(1, (3, 4))).double().eval()


def solve(generator=curved, prior=PRIOR, start=START, end=END, **options):
    return lp.interpolate(generator, prior, start, end, **{"segments": 8, **options})


def refused(kind, says, *arguments, **options):
    """The error is of its kind and holds every one of the words."""
    with pytest.raises(kind) as caught:
        solve(*arguments, **options)
    for words in says:
        assert words in str(caught.value), f"{words!r} is not in: {caught.value}"
    return caught.value


class Counted:
    def __init__(self, generator):
        self.generator, self.calls = generator, []

    def __call__(self, z):
        self.calls.append(len(z))
        return self.generator(z)


def failing(z):
    raise ZeroDivisionError("no such luck")
