"""The objective of the solvers: the energy of the functional, its gradient, and evaluation in blocks."""

from __future__ import annotations

import pytest
import torch

import latentpath as lp
from closed_forms import stereographic
from latentpath.solvers import Objective
from laws import bent, curved_objective, endpoints


@pytest.mark.parametrize("limit", [2, 7, 13, 40, 1000])
def test_blocks_change_nothing(limit: int) -> None:
    """The energy, gradient and stiffness of a batch do not depend on the size of the blocks it is evaluated in."""
    start, end = endpoints(3, seed=10)
    latents = bent(start, end, 12)
    whole, index = (
        curved_objective().evaluate(latents),
        lp.RealismIndex(lp.priors.standard_normal(3, dtype=torch.float64)),
    )
    parts = Objective(stereographic, index, max_points=limit).evaluate(latents)
    for one, other in zip(vars(whole).values(), vars(parts).values(), strict=True):
        assert torch.allclose(one, other, rtol=1e-12)


def test_the_energy_of_a_problem_is_that_of_the_functional() -> None:
    start, end = endpoints(3, seed=11)
    latents = bent(start, end, 9).requires_grad_()
    index = lp.RealismIndex(lp.priors.standard_normal(3, dtype=torch.float64))
    energy = lp.energy(latents, stereographic, index)
    (gradient,) = torch.autograd.grad(energy.sum(), latents)
    found = Objective(stereographic, index).evaluate(latents.detach())
    assert torch.allclose(found.energy, energy)
    assert torch.allclose(found.gradient, gradient[:, 1:-1])
