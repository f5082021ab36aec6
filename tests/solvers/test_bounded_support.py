"""Priors of bounded support, against a reference that shares nothing with the solvers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import (
    Beta,
    Categorical,
    Dirichlet,
    Distribution,
    Exponential,
    Gamma,
    HalfNormal,
    Independent,
    Kumaraswamy,
    Laplace,
    LogNormal,
    MixtureSameFamily,
    Normal,
    Pareto,
    StudentT,
    TransformedDistribution,
    Uniform,
    Weibull,
)
from torch.distributions.transforms import AffineTransform, SigmoidTransform

import latentpath as lp
from closed_forms import Case, cases, identity, tensor
from latentpath.solvers import Coordinates
from reference import Chart, graded, graded_square, rectangle, reference_cost, triangle

HAIR = 1e-7


def wavy(z: Tensor) -> Tensor:
    return torch.cat([z, (2 * z).sin()], dim=-1)


def bowl(z: Tensor) -> Tensor:
    return torch.cat([z, 2 * z.square().sum(-1, keepdim=True)], dim=-1)


def hill(z: Tensor) -> Tensor:
    """A hill close to the lower side of the unit square: around it, a path is pressed against that side."""
    middle = tensor(0.5, 0.2)
    return torch.cat([z, 2 * torch.exp(-8 * (z - middle).square().sum(-1, keepdim=True))], dim=-1)


def pair(kind: Callable[..., Distribution], *parameters: float) -> Distribution:
    """Two independent coordinates of one kind."""
    return Independent(kind(*(tensor(p, p) for p in parameters)), 1)


@dataclass(frozen=True)
class Bounded:
    """A prior of bounded support, a generator, two ends, and the chart in which the reference looks for the path."""

    name: str
    prior: Distribution
    generator: Callable[[Tensor], Tensor]
    start: Tensor
    end: Tensor
    chart: Chart

    def __repr__(self) -> str:
        return self.name

    def reference(self) -> float:
        index = lp.RealismIndex(self.prior, alpha=0.9)
        return reference_cost(self.generator, index.log, self.start, self.end, self.chart)

    def solve(self, **options: Any) -> lp.Path:
        return lp.interpolate(self.generator, self.prior, self.start, self.end, **options)


def unit_square() -> Chart:
    return rectangle((HAIR, HAIR), (1 - HAIR, 1 - HAIR))


def above(low: float, size: float) -> Chart:
    return rectangle((low + HAIR, low + HAIR), (low + size, low + size))


CORNERS = tensor(0.9, 0.05, 0.05), tensor(0.05, 0.05, 0.9)
SIMPLEX = Bounded("Dirichlet(2, 2, 2)", Dirichlet(tensor(2, 2, 2)), wavy, *CORNERS, triangle())
LEFT_AND_RIGHT = torch.stack([tensor(2, 6), tensor(6, 2)])
MIXED = Independent(Beta(LEFT_AND_RIGHT[:, :1].expand(2, 2), LEFT_AND_RIGHT), 1)
SHIFTED = TransformedDistribution(pair(Beta, 2.0, 5.0), [AffineTransform(tensor(1, 2), tensor(3, 4))])

FROM_THE_LINE = [
    SIMPLEX,
    Bounded("Dirichlet(1, 1, 1)", Dirichlet(tensor(1, 1, 1)), wavy, *CORNERS, triangle()),
    Bounded("Dirichlet(5, 2, 3)", Dirichlet(tensor(5, 2, 3)), wavy, CORNERS[0], tensor(0.05, 0.8, 0.15), triangle()),
    Bounded("Gamma(2)", pair(Gamma, 2.0, 1.0), wavy, tensor(4, 0.1), tensor(0.1, 4), above(0, 5)),
    Bounded("Exponential", pair(Exponential, 1.0), wavy, tensor(0.05, 3), tensor(3, 0.05), above(0, 4)),
    Bounded("Exponential, identity", pair(Exponential, 1.0), identity, tensor(0.5, 3), tensor(3, 0.5), above(0, 4)),
    Bounded("Pareto", pair(Pareto, 1.0, 2.0), wavy, tensor(1.05, 3), tensor(3, 1.05), above(1, 3)),
    Bounded("Pareto above .5", pair(Pareto, 0.5, 1.0), wavy, tensor(0.6, 3), tensor(3, 0.7), above(0.5, 3.5)),
    Bounded("Beta(2, 2)", pair(Beta, 2.0, 2.0), wavy, tensor(0.05, 0.1), tensor(0.9, 0.1), unit_square()),
    Bounded("LogNormal", pair(LogNormal, 0.0, 1.0), wavy, tensor(0.05, 3), tensor(4, 0.1), above(1e-4, 5)),
    Bounded("HalfNormal", pair(HalfNormal, 1.0), wavy, tensor(0.05, 2), tensor(2, 0.05), above(0, 3)),
    Bounded("Weibull", pair(Weibull, 1.0, 1.5), wavy, tensor(0.05, 2), tensor(2, 0.05), above(0, 3)),
    Bounded("Kumaraswamy", pair(Kumaraswamy, 2.0, 3.0), wavy, tensor(0.05, 0.9), tensor(0.9, 0.1), unit_square()),
    Bounded(
        "Beta with poles in one coordinate",
        Independent(Beta(tensor(2, 0.5), tensor(5, 0.5)), 1),
        wavy,
        tensor(0.05, 0.4),
        tensor(0.9, 0.5),
        graded_square(),
    ),
    Bounded("uniform", pair(Uniform, 0.0, 1.0), bowl, tensor(0.05, 0.9), tensor(0.9, 0.05), unit_square()),
    Bounded(
        "box",
        lp.priors.uniform_box(2, low=0.0, high=1.0, dtype=torch.float64),
        bowl,
        tensor(0.05, 0.9),
        tensor(0.9, 0.05),
        unit_square(),
    ),
    Bounded(
        "mixture of Betas",
        MixtureSameFamily(Categorical(tensor(0.5, 0.5)), MIXED),
        wavy,
        tensor(0.05, 0.9),
        tensor(0.9, 0.1),
        unit_square(),
    ),
    Bounded(
        "sigmoid of a normal",
        TransformedDistribution(pair(Normal, 0.0, 1.0), [SigmoidTransform()]),
        wavy,
        tensor(0.05, 0.9),
        tensor(0.9, 0.1),
        rectangle((1e-4, 1e-4), (1 - 1e-4, 1 - 1e-4)),
    ),
    Bounded(
        "shifted Beta",
        SHIFTED,
        wavy,
        tensor(1.3, 3.4),
        tensor(2.6, 2.2),
        rectangle((1 + HAIR, 2 + HAIR), (4 - HAIR, 6 - HAIR)),
    ),
]
"""Cheapest where the straight line leads to."""

AROUND = [
    Bounded(
        "Dirichlet(.5, .5, .5)",
        Dirichlet(tensor(0.5, 0.5, 0.5)),
        wavy,
        tensor(0.6, 0.2, 0.2),
        tensor(0.1, 0.3, 0.6),
        triangle(),
    ),
    Bounded("Beta(.5, .5)", pair(Beta, 0.5, 0.5), wavy, tensor(0.05, 0.4), tensor(0.9, 0.5), graded_square()),
    Bounded("hill in a box", pair(Uniform, 0.0, 1.0), hill, tensor(0.05, 0.1), tensor(0.95, 0.1), unit_square()),
]
"""Cheapest another way, past a local minimum."""


@pytest.mark.parametrize("case", [case for case in cases() if len(case.start) == 2], ids=repr)
def test_the_reference_reaches_the_closed_forms(case: Case) -> None:
    sides = {"half-plane": ((-2.0, 0.05), (2.0, 3.0)), "Poincare": ((-0.7, -0.7), (0.7, 0.71))}
    box = next((box for name, box in sides.items() if name in case.name), ((-1.5, -1.5), (2.5, 2.5)))
    log_index = lp.index.as_log_index(case.index)
    found = reference_cost(case.generator, log_index, case.start, case.end, rectangle(*box))
    assert found == pytest.approx(case.cost, rel=2e-4)


def test_a_simplex_has_fewer_coordinates_than_latents() -> None:
    path = SIMPLEX.solve()
    line = lp.audit(lp.lerp(*CORNERS, 50), wavy, path.source.index)
    # this index is estimated from samples: its own error is some tenths of a per cent
    assert float(line.cost) == pytest.approx(5.730, rel=1e-2)
    assert float(path.cost) == pytest.approx(3.1203, rel=1e-2)
    assert path.outcome[0] is lp.Outcome.CONVERGED
    assert torch.allclose(path.latents.sum(-1), tensor(1.0), atol=1e-12)


@pytest.mark.parametrize("case", FROM_THE_LINE, ids=repr)
def test_default_settings_come_within_two_per_cent(case: Bounded) -> None:
    path = case.solve()
    assert float(path.cost) == pytest.approx(case.reference(), rel=0.01)
    assert path.outcome[0] is lp.Outcome.CONVERGED
    assert not path.tunnels.any()


def test_a_pole_on_the_wall_draws_the_path_along_it() -> None:
    case = Bounded("", pair(Gamma, 0.5, 1.0), wavy, tensor(0.05, 3), tensor(3, 0.05), graded(0, 4))
    path = case.solve()
    assert path.outcome[0] is lp.Outcome.CONVERGED
    assert float(path.cost) < 1.02 * case.reference()
    assert float(path.latents.amin(-1)[:, 10:-10].amax()) < 1e-3


@pytest.mark.parametrize("case", AROUND, ids=repr)
def test_restarts_find_the_way_around(case: Bounded) -> None:
    path = case.solve(restarts=8)
    assert float(path.cost) < 1.02 * case.reference()
    assert float(path.cost) <= float(case.solve().cost)
    assert bool(case.prior.support.check(path.latents).all())


@pytest.mark.parametrize(
    "prior",
    [
        lp.priors.standard_normal(2, dtype=torch.float64),
        lp.priors.semicircle(dtype=torch.float64),
        pair(Laplace, 0.0, 1.0),
        pair(StudentT, 3.0),
        TransformedDistribution(pair(Laplace, 0.0, 1.0), [AffineTransform(tensor(1, 2), tensor(3, 4))]),
        TransformedDistribution(pair(Beta, 2.0, 5.0), [SigmoidTransform().inv]),
    ],
    ids=["normal", "mixture", "Laplace", "Student", "affine", "logit"],
)
def test_nothing_changes_where_no_support_bounds_the_latents(prior: Distribution) -> None:
    assert Coordinates.of(lp.RealismIndex(prior)) is None


@pytest.mark.parametrize("case", FROM_THE_LINE, ids=repr)
def test_coordinates_are_those_of_the_support(case: Bounded) -> None:
    coordinates = Coordinates.of(lp.RealismIndex(case.prior))
    assert coordinates is not None
    samples = case.prior.sample((200,))
    u, walled = coordinates.of_latents(samples)
    assert torch.allclose(coordinates.latents(u)[~walled], samples[~walled], rtol=1e-9, atol=1e-12)
    far = coordinates.latents(10 * torch.randn(200, coordinates.dim, dtype=torch.float64))
    assert bool(case.prior.support.check(far).all())
    if case.prior is SHIFTED:  # of which torch says that its support is unbounded
        assert bool(((far > tensor(1, 2)) & (far < tensor(4, 6))).all())


def test_components_with_supports_of_their_own_have_no_common_coordinates() -> None:
    low, high = (torch.stack([tensor(a, a), tensor(b, b)]) for a, b in ((0.0, 0.5), (1.0, 1.5)))
    boxes = Independent(Uniform(low, high), 1)
    index = lp.RealismIndex(MixtureSameFamily(Categorical(tensor(0.5, 0.5)), boxes), alpha=0.9)
    assert Coordinates.of(index) is None
    path = lp.interpolate(wavy, index, tensor(0.6, 0.9), tensor(0.9, 0.6), segments=10)
    assert bool(path.cost.isfinite().all())


def test_scores_have_no_walls() -> None:
    index = lp.ScoreIndex(pair(Uniform, 0.0, 1.0), score=lambda z: -z.square().sum(-1))
    assert Coordinates.of(index) is None


def test_observation_one_on_the_simplex() -> None:
    """Uniform on a convex set, G linear and injective: the straight line, untouched."""
    prior = Dirichlet(torch.ones(4, dtype=torch.float64))
    start, end = prior.sample((2, 3))
    matrix = torch.randn(4, 7, dtype=torch.float64)
    path = lp.interpolate(lambda z: z @ matrix, prior, start, end)
    assert torch.equal(path.latents, lp.lerp(start, end, 50))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["simplex", "half-lines"])
def test_laws_in_many_dimensions(kind: str, dtype: torch.dtype) -> None:
    """Never above the straight line, in the support, ends bit-identical, the audit that of these points."""
    dim = 24
    ones = torch.ones(dim, dtype=dtype)
    prior = Dirichlet(2 * ones) if kind == "simplex" else Independent(Exponential(ones), 1)
    start, end = prior.sample((2, 3))
    path = lp.interpolate(lambda z: torch.cat([z, (2 * z).sin()], -1), prior, start, end)
    line = path.source.audit(lp.lerp(start, end, 50))
    assert bool((path.cost < line.cost).all())
    assert bool(prior.support.check(path.latents).all())
    assert torch.equal(path.latents[:, 0], start)
    assert torch.equal(path.latents[:, -1], end)
    assert torch.allclose(path.source.audit(path.latents).cost, path.cost, rtol=1e-5)
    alone = lp.interpolate(path.source.generator, path.source.index, start[1], end[1])
    assert torch.allclose(alone.cost, path.cost[1:2], rtol=5e-3)


@pytest.mark.parametrize(
    ("start", "end"),
    [((0.0, 3.0), (3.0, 0.0)), ((0.0, 0.5), (0.0, 3.0)), ((0.0, 3.0), (2.0, 2.0))],
    ids=["two walls", "one wall", "from a wall"],
)
def test_ends_on_the_wall(start: tuple[float, ...], end: tuple[float, ...]) -> None:
    case = Bounded("", pair(Exponential, 1.0), wavy, tensor(*start), tensor(*end), rectangle((0, 0), (4, 4)))
    path = case.solve()
    assert float(path.cost) == pytest.approx(case.reference(), rel=0.01)
    assert torch.equal(path.latents[0, 0], case.start)
    assert torch.equal(path.latents[0, -1], case.end)
    assert torch.allclose(path.source.audit(path.latents).cost, path.cost)


def test_a_path_leaves_the_wall_on_which_both_ends_lie() -> None:
    case = Bounded("", pair(Uniform, 0.0, 1.0), bowl, tensor(0.1, 0), tensor(0.9, 0), rectangle((0, 0), (1, 1)))
    away = Bounded("", case.prior, lambda z: hill(z + tensor(0, 0.4)), case.start, case.end, case.chart)
    assert float(case.solve().cost) == pytest.approx(case.reference(), rel=0.01)
    assert float(away.solve().cost) == pytest.approx(away.reference(), rel=0.01)


def test_a_callback_is_told_latents() -> None:
    told: list[Tensor] = []
    path = SIMPLEX.solve(callback=lambda progress: told.append(progress.latents))
    assert {latents.shape[-1] for latents in told} == {3}
    assert all(torch.allclose(latents.sum(-1), tensor(1.0)) for latents in told)
    stopped = SIMPLEX.solve(callback=lambda progress: progress.iteration >= 5)
    assert stopped.outcome[0] is lp.Outcome.BUDGET_SPENT
    assert float(stopped.evaluations) < float(path.evaluations)
