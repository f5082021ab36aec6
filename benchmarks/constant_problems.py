"""The problems on which the solvers' tuning constants are tried: small, and at least one for every group."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Dirichlet, Distribution, Independent, MixtureSameFamily, Normal, Uniform

import latentpath as lp
from latentpath.priors import standard_normal

from .problems import Problem, closed_forms, mlp_problem, shipped_problem
from .store import Record, plain

__all__ = ["Trial", "trials"]

WIDE = torch.float64


@dataclass(frozen=True)
class Trial:
    """One solve on which constants are tried.

    Attributes:
        name: in the results, and for ``--problems``.
        groups: the groups of constants that it exercises.
        run: makes the solve; returns evaluations, cost, energy and outcome of every path.
    """

    name: str
    groups: tuple[str, ...]
    run: Callable[[], Record]


def trials() -> list[Trial]:
    """All problems, the quickest first within each kind."""
    smooth = ("convergence", "path_descent", "preconditioning", "levels", "refinement")
    return [
        *(Trial(slug, smooth, lambda name=name: _closed_form(name)) for slug, name in _CLOSED.items()),
        Trial("mlp", ("path_descent", "preconditioning", "levels"), _mlp),
        Trial("digits", ("path_descent", "preconditioning", "levels"), _digits),
        Trial("kink-lbfgs", ("line_search", "path_descent"), lambda: _kink("lbfgs", 1e-3)),
        Trial("kink-adam", ("baselines",), lambda: _kink("adam", 1e-6)),
        Trial("corner-lbfgs", ("line_search", "path_descent"), lambda: _corner("lbfgs")),
        Trial("corner-gradient-descent", ("baselines",), lambda: _corner("gradient_descent")),
        Trial("corner-adam", ("baselines",), lambda: _corner("adam")),
        Trial("mlp-gradient-descent", ("baselines", "convergence"), lambda: _mlp("gradient_descent", 60)),
        Trial("mlp-adam", ("baselines",), lambda: _mlp("adam", 60)),
        Trial("dead-latent", ("mesh_grading",), _dead_latent),
        Trial("weak-latent", ("mesh_grading", "preconditioning"), _weak_latent),
        Trial("degenerate", ("mesh_grading", "refinement"), _degenerate),
        Trial("plateaus", ("saddles",), _plateaus),
        Trial("opposite", ("saddles",), _opposite),
        Trial("hole", ("refinement",), _hole),
        Trial("barrier", ("refinement",), _barrier),
        Trial("wall", ("refinement", "convergence"), _wall),
        Trial("dirichlet", ("bounded_support",), _dirichlet),
        Trial("square", ("bounded_support",), _square),
        Trial("bfloat16", ("smoothing",), lambda: _low_precision(torch.bfloat16)),
        Trial("float16", ("smoothing",), lambda: _low_precision(torch.float16)),
        Trial("valleys", ("search",), _valleys),
        Trial("through-the-mode", ("search",), _through_the_mode),
        Trial("digits-restarts", ("search",), _digits_restarts),
        Trial("clusters", ("sample_graph",), _clusters),
        Trial("stepping-stone", ("sample_graph",), _stepping_stone),
        Trial("inversion", ("point_search", "line_search"), _inversion),
        Trial("inversion-walled", ("point_search", "line_search"), _inversion_walled),
    ]


_CLOSED = {
    "paper-55": "paper's metric, 55 degrees",
    "radial-45": "radial, D = 3, 45 degrees",
    "half-plane": "half-plane",
    "sphere-20": "sphere, D = 20",
}


@cache
def _known_problems() -> dict[str, Problem]:
    return {problem.name: problem for problem in closed_forms()}


def _record(path: lp.Path) -> Record:
    return {
        "evaluations": plain(path.evaluations),
        "cost": plain(path.cost),
        "energy": plain(path.energy),
        "outcome": [str(outcome) for outcome in path.outcome],
    }


def _vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=WIDE)


def _identity(z: Tensor) -> Tensor:
    return z


def _normal(dim: int) -> Distribution:
    return standard_normal(dim, dtype=WIDE)


def _network(seed: int, sizes: tuple[int, ...], layer: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    """A small network of random weights."""
    random, layers = torch.Generator().manual_seed(seed), []
    for before, after in pairwise(sizes):
        linear = nn.Linear(before, after, dtype=WIDE)
        with torch.no_grad():
            linear.weight.copy_(torch.randn(after, before, generator=random, dtype=WIDE) / math.sqrt(before))
            linear.bias.copy_(0.1 * torch.randn(after, generator=random, dtype=WIDE))
        layers += [linear, layer()]
    return nn.Sequential(*layers[:-1]).eval().requires_grad_(False)


def _pairs(seed: int, pairs: int, dim: int) -> tuple[Tensor, Tensor]:
    start, end = torch.randn(2, pairs, dim, generator=torch.Generator().manual_seed(seed), dtype=WIDE)
    return start, end


def _closed_form(name: str) -> Record:
    one = _known_problems()[name]
    return _record(lp.interpolate(one.generator, one.index, one.start, one.end, segments=one.segments))


def _mlp(solver: str | None = None, most: int | None = None) -> Record:
    one = mlp_problem(4)
    given: dict[str, Any] = {} if solver is None else {"solver": solver, "max_evaluations": most}
    return _record(lp.interpolate(one.generator, one.index, one.start, one.end, **given))


def _digits() -> Record:
    one = shipped_problem("mnist-dcgan-semicircle-narrow", 2)
    return _record(lp.interpolate(one.generator, one.index, one.start, one.end))


def _digits_restarts() -> Record:
    one = shipped_problem("mnist-dcgan-semicircle-narrow", 1)
    return _record(lp.interpolate(one.generator, one.index, one.start, one.end, segments=16, restarts=4))


def _kink(solver: str, tol: float) -> Record:
    """A network of kinks, where no gradient vanishes."""
    start, end = _pairs(5, 2, 3)
    network = _network(4, (3, 16, 8), nn.ReLU)
    given: dict[str, Any] = {"segments": 12, "solver": solver, "tol": tol, "max_evaluations": 1500}
    return _record(lp.interpolate(network, _normal(3), start, end, **given))


def _corner(solver: str) -> Record:
    """A price with a crease along y = 0, where paths come to lie: steps are refused until a solver stalls."""

    def crease(z: Tensor) -> Tensor:
        return -0.2 - 5 * z[..., 1].abs()

    given: dict[str, Any] = {"segments": 4, "solver": solver, "tol": 1e-8, "max_evaluations": 1000}
    return _record(lp.interpolate(_identity, crease, _vector(-1, 0.3), _vector(1, 0.2), **given))


def _dead_latent() -> Record:
    return _record(lp.interpolate(lambda z: z[:, :1], _normal(2), _vector(-1, 1.5), _vector(1, 1.5), segments=20))


def _weak_latent() -> Record:
    """A latent that the data hardly see: its eigenvalue is three quarters of 1e-4 of the mean one."""
    weak = _vector(1, math.sqrt(0.75e-4 / 2))
    return _record(lp.interpolate(lambda z: weak * z, _normal(2), _vector(-1, 1.5), _vector(1, 1.5), segments=20))


def _degenerate() -> Record:
    start, end = _pairs(3, 3, 8)
    return _record(lp.interpolate(_network(0, (8, 16, 4)), _normal(8), start, end))


def _opposite() -> Record:
    def radius(z: Tensor) -> Tensor:
        return z.norm(dim=-1, keepdim=True).expand(-1, 3)

    start = _vector(-1.0, 0.0, 0.2)
    given: dict[str, Any] = {"segments": 16, "max_evaluations": 200}
    return _record(lp.interpolate(radius, _normal(3), start, -start, **given))


def _bump(z: Tensor, x: float, y: float, width: float) -> Tensor:
    return torch.exp(-(z - _vector(x, y)).square().sum(-1, keepdim=True) / width)


def _flat(z: Tensor) -> Tensor:
    return -torch.ones_like(z[..., 0])


def _plateaus() -> Record:
    """A wide and a narrow plateau on lines of symmetry: one bend leads around each."""

    def raised(z: Tensor) -> Tensor:
        wide, narrow = (torch.linalg.vector_norm(z - _vector(0, y), dim=-1, keepdim=True) for y in (0, 10))
        return torch.cat([z, 2 * torch.sigmoid(10 - 20 * wide) + 0.25 * torch.sigmoid(7.5 - 50 * narrow)], dim=-1)

    start, end = torch.stack([_vector(-1, 0), _vector(-1, 10)]), torch.stack([_vector(1, 0), _vector(1, 10)])
    return _record(lp.interpolate(raised, _flat, start, end))


def _hole() -> Record:
    """A generator that is NaN in a disk beside the straight line."""

    def punched(z: Tensor) -> Tensor:
        inside = (z - _vector(0.3, 0.1)).norm(dim=-1, keepdim=True) < 0.15
        return torch.where(inside, math.nan, torch.cat([z, z.sin()], dim=-1))

    return _record(lp.interpolate(punched, _normal(2), _vector(-1.2, 0.4), _vector(1.3, 0.3)))


def _barrier() -> Record:
    """A barrier in the index that is thinner than a segment."""

    def thin(z: Tensor) -> Tensor:
        return -0.1 - 30 * torch.exp(-(((z[..., 0] - 0.55) / 0.02) ** 2)) * torch.sigmoid(-8 * (z[..., 1] - 0.9))

    return _record(lp.interpolate(_identity, thin, _vector(-0.2, 0.5), _vector(1.2, -0.3), segments=24))


def _wall() -> Record:
    """A step in the data that is thinner than a segment."""

    def steep(z: Tensor) -> Tensor:
        return torch.cat([z, torch.tanh(40 * (z[:, :1] - 0.2 * z[:, 1:].sin()))], dim=-1)

    return _record(lp.interpolate(steep, _normal(2), _vector(-1, 0.5), _vector(1.2, -0.3)))


def _dirichlet() -> Record:
    prior = Dirichlet(_vector(2, 2, 2))
    ends = _vector(0.9, 0.05, 0.05), _vector(0.05, 0.05, 0.9)
    return _record(lp.interpolate(lambda z: torch.cat([z, (2 * z).sin()], dim=-1), prior, *ends))


def _square() -> Record:
    """A hill that presses paths of a square against its side; one of them ends on it."""
    prior = Independent(Uniform(_vector(0, 0), _vector(1, 1)), 1)
    start, end = torch.stack([_vector(0.05, 0.1), _vector(0, 0)]), torch.stack([_vector(0.95, 0.1), _vector(1, 0.3)])
    return _record(lp.interpolate(lambda z: torch.cat([z, 2 * _bump(z, 0.5, 0.2, 0.125)], -1), prior, start, end))


def _low_precision(dtype: torch.dtype) -> Record:
    network = _network(1, (8, 32, 96)).to(dtype)
    start, end = (values.float() for values in _pairs(2, 6, 8))
    return _record(lp.interpolate(network, standard_normal(8), start, end, segments=32))


def _two_valleys(z: Tensor) -> Tensor:
    """A ridge along y = 0.3: below it the price is 0.7 and more, far above it little over 0.15."""
    y = z[..., 1]
    return -0.15 - torch.exp(-(((y - 0.3) / 0.4) ** 2)) - 0.55 * torch.sigmoid(-8 * (y - 0.5)) - 0.02 * (y - 1) ** 2


def _valleys() -> Record:
    return _record(lp.interpolate(_identity, _two_valleys, _vector(-3, 0), _vector(3, 0), restarts=4))


def _through_the_mode() -> Record:
    """The prior's own plane beyond the angle at which the path goes through the mode."""
    start, end = torch.stack([_vector(2, 0), _vector(1.5, 1)]), torch.stack([_vector(0, 2), _vector(-1.5, 0.5)])
    return _record(lp.interpolate(_identity, _normal(2), start, end, segments=32, restarts="auto"))


def _mixture(count: int, degrees: float, width: float, weights: Tensor | None = None) -> tuple[Distribution, Tensor]:
    """Clusters along an arc of a circle, and their means."""
    angle = torch.linspace(0, math.radians(degrees), count, dtype=WIDE)
    means = 2 * torch.stack([angle.cos(), angle.sin()], dim=1)
    parts = Independent(Normal(means, torch.full_like(means, width)), 1)
    weights = torch.ones(count, dtype=WIDE) if weights is None else weights
    return MixtureSameFamily(Categorical(weights), parts), means


def _clusters() -> Record:
    prior, means = _mixture(20, 342, 0.09)
    return _record(lp.interpolate(_identity, prior, means[[0, 2]], means[[11, 8]], segments=20, restarts=4))


class _Opaque(Distribution):
    """A prior of which nothing is known but its density and its samples."""

    arg_constraints = {}  # noqa: RUF012

    def __init__(self, inner: Distribution) -> None:
        super().__init__(event_shape=inner.event_shape, validate_args=False)
        self._inner = [inner]

    def log_prob(self, value: Tensor) -> Tensor:
        found: Tensor = self._inner[0].log_prob(value)
        return found

    def sample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        found: Tensor = self._inner[0].sample(torch.Size(sample_shape))
        return found


def _stepping_stone() -> Record:
    """A cluster of small weight, which few samples show, on the way between two large ones."""
    weights = torch.ones(7, dtype=WIDE)
    weights[[2, 4]] = 0.03
    prior, means = _mixture(7, 200, 0.12, weights)
    restarts = lp.Restarts(3, samples=64)
    return _record(lp.interpolate(_identity, _Opaque(prior), means[0], means[-1], segments=16, restarts=restarts))


def _inverted(model: lp.Model, images: Tensor, penalty: float) -> Record:
    found = lp.invert(model, images, starts=2, steps=120, penalty=penalty)
    return {
        "evaluations": plain(found.steps.to(WIDE)),
        "cost": plain(found.error),
        "energy": plain(found.error.square()),
        "outcome": ["converged" if done else "running" for done in found.converged.tolist()],
    }


def _inversion() -> Record:
    """Points that the network makes, and others that it does not."""
    network = _network(6, (4, 24, 12), nn.ReLU)
    made = network(_pairs(7, 3, 4)[0])
    other = made + 0.3 * torch.randn(made.shape, generator=torch.Generator().manual_seed(8), dtype=WIDE)
    return _inverted(lp.Model(network, _normal(4)), torch.cat([made, other]), 0.0)


def _inversion_walled() -> Record:
    """Points whose latents lie outside the support of the prior."""
    network = _network(6, (4, 24, 12))
    prior = Independent(Uniform(-torch.ones(4, dtype=WIDE), torch.ones(4, dtype=WIDE)), 1)
    return _inverted(lp.Model(network, prior), network(2 * _pairs(7, 3, 4)[0]), 0.005)
