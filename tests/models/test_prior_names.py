"""Priors by name."""

from __future__ import annotations

import pytest
import torch

from latentpath.errors import InputError
from latentpath.models.prior_names import named_prior


def test_priors_by_name() -> None:
    assert torch.equal(named_prior("normal", 3).mean, torch.zeros(3))
    assert named_prior("semicircle", 5).event_shape == (5,)
    with pytest.raises(InputError, match="'cauchy'"):
        named_prior("cauchy", 3)
