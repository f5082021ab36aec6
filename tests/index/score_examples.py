"""Scores of every kind, and their indices, for the tests of the indices of scores."""

from __future__ import annotations

import functools
import math

import torch
from torch import nn

from latentpath.index import ClassifierIndex, DiscriminatorIndex, KNNIndex, ScoreIndex
from latentpath.priors import standard_normal

F64 = torch.float64
DIM = 8


def net(dim, values, seed, scale=1.0):
    random = torch.Generator().manual_seed(seed)
    inner = torch.randn(dim, 32, generator=random, dtype=F64) * scale / math.sqrt(dim)
    outer = torch.randn(32, values, generator=random, dtype=F64) / math.sqrt(32)
    return lambda z: torch.tanh(z @ inner) @ outer


PRIOR = standard_normal(DIM, dtype=F64)
GENERATOR, DISCRIMINATOR, CLASSIFIER, FEATURES = net(DIM, 12, 1), net(12, 1, 2), net(12, 5, 3, 3.0), net(12, 6, 4)


def references(count=300):
    random = torch.Generator().manual_seed(5)
    return GENERATOR(0.6 * torch.randn(count, DIM, generator=random, dtype=F64) + 0.3)


MAKERS = {
    "score": lambda **options: ScoreIndex(PRIOR, score=lambda z: torch.sin(z).sum(-1), **options),
    "discriminator": lambda **options: DiscriminatorIndex(
        PRIOR, generator=GENERATOR, discriminator=DISCRIMINATOR, **options
    ),
    "classifier": lambda **options: ClassifierIndex(PRIOR, generator=GENERATOR, classifier=CLASSIFIER, **options),
    "neighbours": lambda **options: KNNIndex(PRIOR, generator=GENERATOR, references=references(), **options),
    "features": lambda **options: KNNIndex(
        PRIOR, generator=GENERATOR, references=references(), features=FEATURES, neighbours=5, **options
    ),
}


@functools.cache
def index_of(name):
    return MAKERS[name](samples=2000)


def draw(count, seed):
    torch.manual_seed(seed)
    return PRIOR.sample((count,))


def gradient(function, z):
    return torch.autograd.grad(function(z).sum(), z)[0]


class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        random = torch.Generator().manual_seed(6)
        self.linear = nn.Linear(inputs, outputs)
        self.drop = nn.Dropout(0.5)
        with torch.no_grad():
            for weights in self.parameters():
                weights.copy_(torch.randn(weights.shape, generator=random) / math.sqrt(inputs))

    def forward(self, x):
        return self.drop(torch.tanh(self.linear(x)))
