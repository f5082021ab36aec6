"""The problems: the closed forms of the tests, every shipped generator, and a random network."""

from __future__ import annotations

import copy
import importlib.util
import math
import sys
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

import latentpath as lp
from latentpath import models, priors
from latentpath.models.sampling import draw
from latentpath.segment_cost import Index

from .counting import Countable, evaluation_flops

SEGMENTS, ALPHA, MAX_POINTS = 50, 0.9, 512
NETWORK_PAIRS, MLP_PAIRS, QUICK_PAIRS = 32, 64, 2
_CLOSED_FORMS = Path(__file__).parents[1] / "tests" / "closed_forms.py"
_MLP_GAIN = 2.0


@dataclass(frozen=True)
class Problem:
    """Pairs of endpoints, with a generator and an index.

    Attributes:
        name: the name in the results and for ``--problems``.
        group: problems of one group share a row of the table and a panel of the plot.
        generator: latents ``(N, D)`` to data, with products that can be counted.
        index: the realism index.
        start: ``(B, D)``.
        end: ``(B, D)``.
        segments: K.
        key: everything that its results depend on.
        exact: the cost of the geodesic, where it is known.
    """

    name: str
    group: str
    generator: nn.Module
    index: Index
    start: Tensor
    end: Tensor
    segments: int
    key: dict[str, Any]
    exact: float | None = None

    @property
    def pairs(self) -> int:
        """B."""
        return len(self.start)

    @property
    def line(self) -> Tensor:
        """The straight lines from which every method starts, ``(B, K+1, D)``."""
        return lp.lerp(self.start, self.end, self.segments)

    @property
    def flops(self) -> int:
        """The FLOPs of one evaluation."""
        return evaluation_flops(self.generator, self.line[0])

    def pair(self, row: int) -> Problem:
        """Returns the problem of one pair."""
        return replace(self, start=self.start[row : row + 1], end=self.end[row : row + 1])

    def to(self, device: str, dtype: torch.dtype = torch.float32) -> Problem:
        """Returns the problem on another device, with its generator in another precision."""
        generator = copy.deepcopy(self.generator).to(device)
        if dtype != self.start.dtype:
            generator = Lowered(generator, dtype)
        return replace(self, generator=generator, start=self.start.to(device), end=self.end.to(device))


def problems(*, quick: bool = False, seed: int = 0) -> list[Problem]:
    """Returns all problems, the most telling ones first."""
    return [*shipped(quick, seed), mlp(quick, seed), *closed_forms(quick)]


def shipped(quick: bool, seed: int) -> list[Problem]:
    """Returns random pairs of the prior of every shipped generator."""
    return [shipped_problem(name, QUICK_PAIRS if quick else NETWORK_PAIRS, seed) for name in generators()]


def generators() -> list[str]:
    """Returns the names of the shipped models that have a prior."""
    return [name for name in models.available() if lp.load(name).prior is not None]


def shipped_problem(name: str, pairs: int, seed: int = 0) -> Problem:
    """Pairs of random latents of a shipped model."""
    model = lp.load(name)
    assert model.prior is not None
    start, end = draw(model.prior, 2 * pairs, torch.Generator().manual_seed(seed)).unflatten(0, (2, pairs))
    index = lp.RealismIndex(model.prior, alpha=ALPHA)
    key = {"weights": model.card["sha256"], "pairs": pairs, "seed": seed, "alpha": ALPHA}
    return _problem(name, name, model.generator, index, start, end, key)


def mlp(quick: bool = False, seed: int = 0) -> Problem:
    """The random network with random pairs of a normal prior."""
    return mlp_problem(4 * QUICK_PAIRS if quick else MLP_PAIRS, seed=seed)


def mlp_problem(pairs: int, dim: int = 64, segments: int = SEGMENTS, seed: int = 0) -> Problem:
    """Pairs of latents of a normal prior, and `RandomMLP` on them."""
    random = torch.Generator().manual_seed(seed)
    network = RandomMLP(dim, random)
    start, end = torch.randn(2, pairs, dim, generator=random)
    index = lp.RealismIndex(priors.standard_normal(dim), alpha=ALPHA)
    key = {"gain": _MLP_GAIN, "pairs": pairs, "dim": dim, "seed": seed, "alpha": ALPHA}
    return _problem("mlp", "mlp", network, index, start, end, key, segments)


class Lowered(nn.Module):
    """A generator that computes in another precision than its latents have."""

    def __init__(self, generator: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.generator, self.dtype = generator.to(dtype), dtype
        self.eval()

    def forward(self, latents: Tensor) -> Tensor:
        """Latents ``(N, D)`` to data."""
        data: Tensor = self.generator(latents.to(self.dtype))
        return data


class RandomMLP(nn.Sequential):
    """``D -> 256 -> 256 -> 784``, tanh; weights of twice the usual size, so that it is strongly curved."""

    def __init__(self, dim: int, random: torch.Generator) -> None:
        sizes = (dim, 256, 256, 784)
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layer = nn.Linear(before, after)
            with torch.no_grad():
                layer.weight.copy_(torch.randn(after, before, generator=random) * _MLP_GAIN / math.sqrt(before))
                layer.bias.copy_(0.1 * torch.randn(after, generator=random))
            layers += [layer, nn.Tanh()]
        super().__init__(*layers[:-1])
        self.eval().requires_grad_(False)


def closed_forms(quick: bool = False) -> list[Problem]:
    """The problems whose answers are known, each of one pair, in float64."""
    cases = _tests_closed_forms().cases()
    found = []
    for case in cases[:: 4 if quick else 1]:
        network = Countable(case.generator, len(case.start))
        one = _problem(case.name, "closed forms", network, case.index, case.start[None], case.end[None], {})
        found.append(replace(one, exact=case.cost))
    return found


def _problem(
    name: str,
    group: str,
    generator: nn.Module,
    index: Index,
    start: Tensor,
    end: Tensor,
    key: dict[str, Any],
    segments: int = SEGMENTS,
) -> Problem:
    key = {"name": name, "segments": segments, "max_points": MAX_POINTS, **key}
    return Problem(name, group, generator, index, start, end, segments, key)


def _tests_closed_forms() -> ModuleType:
    """Returns the closed forms of the tests, from any working directory."""
    if "closed_forms" in sys.modules:
        return sys.modules["closed_forms"]
    if not _CLOSED_FORMS.is_file():
        raise FileNotFoundError("the closed forms are in tests/closed_forms.py: run the benchmarks in a whole checkout")
    spec = importlib.util.spec_from_file_location("closed_forms", _CLOSED_FORMS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["closed_forms"] = module
    spec.loader.exec_module(module)
    return module
