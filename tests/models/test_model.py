"""A model checks its parts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import latentpath as lp
from latentpath.errors import InputError
from latentpath.models import (
    WAE,
)
from latentpath.models.folders import as_model
from latentpath.models.model import Model


def test_a_model_checks_its_parts() -> None:
    prior = lp.priors.standard_normal(2)
    with pytest.raises(InputError, match=r"over vectors \(D,\), its event shape is \(\)"):
        Model(lambda z: z, torch.distributions.Normal(0.0, 1.0))
    assert Model(lambda z: z, prior).value_range == (-1.0, 1.0)
    assert Model(lambda z: z, prior, lambda x: 2 * x).encode(torch.ones(700, 2)).sum() == 2800


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (torch.zeros(2, 3, 32, 32), r"does not take torch.float32 \(2, 3, 32, 32\)"),
        (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), "does not take torch.uint8"),
        (torch.zeros(0, 1, 28, 28), r"must be a tensor \(N, ...\) with N > 0"),
    ],
)
def test_an_encoder_says_what_it_takes(data: Tensor, message: str) -> None:
    network = WAE(latent_dim=3, width=2, size=28, channels=1).eval()
    model = as_model(network, lp.priors.standard_normal(3), "auto", {})
    with pytest.raises(InputError, match=message):
        model.encode(data)
    odd = Model(lambda z: z, model.prior, lambda x: x.flatten(1))
    with pytest.raises(InputError, match=r"should give latents \(2, 3\), it gave \(2, 784\)"):
        odd.encode(torch.zeros(2, 1, 28, 28))
