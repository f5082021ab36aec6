"""The default solver against exact answers: always the audited cost, never the energy."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import latentpath as lp
from closed_forms import Case, cases, great_circle, sphere, stereographic, tensor


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("paper's metric, 45 degrees", 2.463679),
        ("half-plane", 2.342179),
        ("Poincare disk", 3.058627),
        ("sphere, D = 2", 2.3005),
        ("sphere, D = 3", 2.4619),
        ("sphere, D = 5", 2.4026),
        ("sphere, D = 10", 1.9752),
        ("sphere, D = 20", 1.4991),
    ],
)
def test_the_formulas_here_give_the_known_numbers(name: str, published: float) -> None:
    (cost,) = [case.cost for case in cases() if case.name == name]
    assert cost == pytest.approx(published, abs=6e-5)


@pytest.mark.parametrize("case", cases(), ids=repr)
def test_default_settings_reach_the_exact_cost(case: Case) -> None:
    path = lp.interpolate(case.generator, case.index, case.start, case.end)
    assert path.outcome[0] is lp.Outcome.CONVERGED
    assert float(path.cost) == pytest.approx(case.cost, rel=case.within)
    assert float(path.cost) > case.cost * (1 - 1e-3), "below the minimum: the audit is wrong"
    assert not path.tunnels.any()


def test_case_one_follows_the_curve_itself() -> None:
    """Not only its cost: the path is ((1-t) a^3 + t b^3)^(1/3)."""
    case = next(c for c in cases() if c.name == "paper's metric, 45 degrees")
    path = lp.interpolate(case.generator, case.index, case.start, case.end, tol=1e-4)
    t = torch.linspace(0, 1, 51, dtype=torch.float64)
    a, b = complex(*case.start.tolist()), complex(*case.end.tolist())
    exact = torch.view_as_real(((1 - t) * a**3 + t * b**3) ** (1 / 3))
    assert (path.latents[0] - exact).norm(dim=-1).max() < 0.02


def test_half_plane_path_lies_on_a_circle_about_the_axis() -> None:
    case = next(c for c in cases() if c.name == "half-plane")
    path = lp.interpolate(case.generator, case.index, case.start, case.end, tol=1e-4)
    # the centre (c, 0) is as far from both endpoints
    (x1, y1), (x2, y2) = case.start.tolist(), case.end.tolist()
    centre = tensor((x2**2 + y2**2 - x1**2 - y1**2) / (2 * (x2 - x1)), 0.0)
    radii = (path.latents[0] - centre).norm(dim=-1)
    assert radii.std() < 3e-3 * radii.mean()


@pytest.mark.parametrize("dim", [50, 100])
def test_the_sphere_where_published_solvers_tunnel(dim: int) -> None:
    case = sphere(dim)
    path = lp.interpolate(case.generator, case.index, case.start, case.end)
    assert float(path.cost) == pytest.approx(case.cost, rel=0.001)
    assert float(path.evaluations) < 60


@pytest.mark.parametrize(
    "prior",
    [
        lp.priors.uniform_ball(4, radius=2.0, dtype=torch.float64),
        lp.priors.uniform_box(4, low=-2.0, high=1.5, dtype=torch.float64),
    ],
    ids=["ball", "box"],
)
def test_observation_one(prior: torch.distributions.Distribution) -> None:
    """Uniform on a convex set, G linear and injective: the straight line."""
    torch.manual_seed(0)
    start, end = prior.sample((2, 6))
    matrix = torch.randn(4, 7, dtype=torch.float64)
    path = lp.interpolate(lambda z: z @ matrix, prior, start, end)
    assert torch.allclose(path.latents, lp.lerp(start, end, 50), atol=1e-12)
    exact = -math.log(0.9) * ((end - start) @ matrix).norm(dim=-1)
    assert torch.allclose(path.cost, exact)


def test_small_alpha_gives_the_shortest_curve_in_data_space() -> None:
    """As alpha -> 0 every price tends to -log(alpha), and the path to the great circle."""
    prior = lp.priors.standard_normal(3, dtype=torch.float64)
    start, end = tensor(1.5, 0.2, -0.4), tensor(-0.9, 1.4, 0.3)
    exact, lengths = great_circle(start, end), []
    for alpha in (0.9, 0.1, 1e-3, 1e-30):
        path = lp.interpolate(stereographic, prior, start, end, alpha=alpha, tol=1e-4)
        lengths.append(float(path.length))
        if alpha == 1e-30:
            assert float(path.cost) / -math.log(alpha) == pytest.approx(exact, rel=0.05)
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > 1.1 * exact
    assert lengths[-1] == pytest.approx(exact, rel=1.5e-3)


def test_equation_three_literally_measures_in_the_latent_space() -> None:
    """``embed="latent"``: a generator that bends space does not bend the path of a flat index."""
    start, end = tensor(-0.5, -0.2), tensor(0.4, 0.8)

    def price(z: Tensor) -> Tensor:
        return -2 * torch.ones(z.shape[:-1], dtype=z.dtype)

    path = lp.interpolate(stereographic, price, start, end, embed="latent")
    assert torch.allclose(path.latents[0], lp.lerp(start, end), atol=1e-12)
    assert float(path.cost) == pytest.approx(2 * float((end - start).norm()))
