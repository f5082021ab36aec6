"""Initial paths: corners are kept by resampling, bends come in pairs."""

from __future__ import annotations

import pytest
import torch

import latentpath as lp
from closed_forms import flat, identity, tensor
from latentpath.solvers import Objective
from latentpath.solvers.initial_paths import _shares, bends, resampled_by_cost


def test_corners_stay_where_they_are() -> None:
    corner = torch.stack([tensor(0, 0), tensor(1, 3), tensor(1.5, 3), tensor(4, 0)])[None]
    found = resampled_by_cost(corner, Objective(identity, flat), 9)
    assert found.shape == (1, 10, 2)
    for point in corner[0]:
        assert (found[0] - point).norm(dim=-1).min() < 1e-12
    assert float(found.diff(dim=1).norm(dim=-1).sum()) == pytest.approx(float(corner.diff(dim=1).norm(dim=-1).sum()))
    assert _shares(tensor(0.0, 1.0, 3.0)[None], 11).tolist() == [[1, 3, 7]]
    many = torch.rand(1, 30, 2, dtype=torch.float64)
    assert resampled_by_cost(many, Objective(identity, flat), 6).shape == (1, 7, 2)


def test_bends_come_in_opposite_pairs_and_scale_with_the_distance() -> None:
    line = lp.lerp(torch.zeros(2, 3, dtype=torch.float64), torch.stack([tensor(1, 0, 0), tensor(2, 0, 0)]), 8)
    found = bends(line, 4, seed=0) - line
    assert torch.allclose(found[0], -found[1])
    assert torch.allclose(2 * found[2, 0], found[2, 1])
    assert found[2].norm() < 0.8 * found[0].norm()
    assert (found[..., [0, -1], :] == 0).all()
