"""The distance of the decoded path from the decoded line."""

from __future__ import annotations

import torch
from result_examples import COST, GOOD, made

from latentpath.models import Model
from latentpath.paper import jobs
from latentpath.paper.config import WAE
from latentpath.paper.results import LINE, PATH


def test_how_far_the_decoded_path_leaves_the_decoded_line() -> None:
    of = made(WAE, GOOD, 0.25, COST)
    stretched = Model(lambda z: 2 * z, of.model.prior)
    found = jobs.apart(stretched, of.curves[LINE], of.curves[PATH], lambda share: None)["apart"]
    torch.testing.assert_close(found, torch.full((12,), 0.25, dtype=torch.float64), rtol=1e-5, atol=0)
    square = torch.tensor([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0]])
    points = torch.tensor([[2.0, 1.0], [5.0, 2.0], [-3.0, -4.0], [4.0, 4.0], [1.0, 3.0]])
    from_line = jobs._distance_to_polyline(points, square)
    torch.testing.assert_close(from_line, torch.tensor([1.0, 1.0, 5.0, 0.0, 3.0]))
