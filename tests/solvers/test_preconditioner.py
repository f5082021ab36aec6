"""The preconditioner: the Gauss-Newton Hessian, its inverse, and few directions of large latents."""

from __future__ import annotations

import pytest
import torch

import latentpath as lp
from latentpath.solvers.preconditioner import Metric, Preconditioner


@pytest.mark.parametrize("dim", [3, 40])
def test_preconditioner_inverts_the_hessian_of_a_flat_problem(dim: int) -> None:
    """T (x) C, up to the ridge of 5 % and the floor of 2 %: with both taken into account, the direction is Newton's.

    In 40 dimensions, a metric of rank 12 is all within the span of the range finder.
    """
    torch.manual_seed(0)
    A = torch.randn(dim, 12, dtype=torch.float64)
    weight = torch.rand(2, 6, dtype=torch.float64) + 0.5
    gradient = torch.randn(2, 5, dim, dtype=torch.float64)
    latents = torch.randn(2, 7, dim, dtype=torch.float64)
    metric, _ = Metric.measure(lambda z: z @ A, latents, None)
    found = Preconditioner.of(metric, weight).apply(gradient)
    C = A @ A.T
    C = C + 0.05 * C.diagonal().mean() * torch.eye(dim, dtype=torch.float64)
    floored = weight + 0.02 * weight.mean(-1, keepdim=True)
    for i in range(2):
        laplacian = torch.diag(floored[i, :-1] + floored[i, 1:])
        laplacian -= torch.diag(floored[i, 1:-1], 1) + torch.diag(floored[i, 1:-1], -1)
        assert torch.allclose(laplacian @ found[i] @ C, gradient[i], atol=1e-8)


def test_preconditioner_is_the_gauss_newton_hessian_where_the_generator_turns() -> None:
    """For z -> (z, z^2) in one dimension J_i and J_(i+1) are parallel-free: C and N are known by hand."""
    latents = torch.linspace(-1, 1, 5, dtype=torch.float64)[None, :, None]
    metric, _ = Metric.measure(lambda z: torch.cat([z, z.square()], -1), latents, None)
    x = latents[0, :, 0]
    C = 1 + 2 * (x[:-1].square() + x[1:].square())
    N = 4 * (x[1:] - x[:-1]).square()
    unit = C.mean()
    assert torch.allclose(metric.metric[0, :, 0, 0], C / unit + 0.05)
    assert torch.allclose(metric.jacobian_change[0, :, 0, 0], N / unit)


@pytest.mark.parametrize("dim", [512, 2048])
def test_large_latents_run_without_a_full_metric(dim: int) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(dim, 32) / dim**0.5
    start, end = torch.randn(2, 1, dim)
    path = lp.interpolate(lambda z: torch.tanh(z @ matrix), lp.priors.standard_normal(dim), start, end, segments=6)
    line = lp.audit(
        lp.lerp(start, end, 6), lambda z: torch.tanh(z @ matrix), lp.RealismIndex(lp.priors.standard_normal(dim))
    )
    assert (path.cost < line.cost).all()
    assert all(outcome is lp.Outcome.CONVERGED for outcome in path.outcome)
