"""Block-tridiagonal systems: solved exactly."""

from __future__ import annotations

import pytest
import torch

from latentpath.solvers.block_tridiagonal import BlockTridiagonal


@pytest.mark.parametrize("segments", [2, 3, 4, 7, 50])
@pytest.mark.parametrize("dim", [1, 3])
def test_block_tridiagonal_systems_are_solved_exactly(segments: int, dim: int) -> None:
    torch.manual_seed(0)
    count, n = 3, segments - 1
    dense = torch.zeros(count, n, dim, n, dim, dtype=torch.float64)
    blocks = torch.randn(count, segments, dim, 2 * dim, dtype=torch.float64)
    for i in range(segments):  # the sum over segments of |A x_i + B x_(i+1)|^2, with both ends held
        rows = torch.zeros(count, dim, n, dim, dtype=torch.float64)
        if i > 0:
            rows[:, :, i - 1] = blocks[:, i, :, :dim]
        if i < n:
            rows[:, :, i] = blocks[:, i, :, dim:]
        rows = rows.flatten(2)
        dense += (rows.mT @ rows).reshape_as(dense)
    at = torch.arange(n)
    diagonal = dense[:, at, :, at].movedim(0, 1)
    upper = dense[:, at[:-1], :, at[1:]].movedim(0, 1)
    right = torch.randn(count, n, dim, 2, dtype=torch.float64)
    found = BlockTridiagonal.factor(diagonal.clone(), upper, torch.float64).solve(right)
    exact = torch.linalg.solve(dense.reshape(count, n * dim, -1), right.flatten(1, 2))
    assert torch.allclose(found.flatten(1, 2), exact, rtol=1e-6, atol=1e-6)
