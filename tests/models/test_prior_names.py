"""Priors by name."""

from __future__ import annotations

import pytest
import torch

import latentpath as lp
from latentpath.errors import InputError
from latentpath.models import named_prior
from latentpath.models.object_reference import resolve


def test_priors_by_name() -> None:
    assert torch.equal(named_prior("normal", 3).mean, torch.zeros(3))
    assert named_prior("semicircle", 5).event_shape == (5,)
    with pytest.raises(InputError, match="'cauchy'"):
        named_prior("cauchy", 3)


def test_a_prior_by_name_needs_the_length_of_a_latent(mine: str) -> None:
    with pytest.raises(InputError, match="a normal prior needs the length of a latent: pass latent_dim=D"):
        lp.load(f"{mine}:plain", prior="normal")
    with pytest.raises(InputError, match=r"latent_dim is 4, but the prior of mine.nets:model is over vectors \(2,\)"):
        lp.load(f"{mine}:model", latent_dim=4)


def test_priors_of_the_users_own(mine: str) -> None:
    assert named_prior(f"{mine}:gauss", 3) is resolve(f"{mine}:gauss")
    assert named_prior(f"{mine}:gauss", None).event_shape == (3,)
    for name in ("ball", "ball_by_latent_dim"):
        assert named_prior(f"{mine}:{name}", 7).event_shape == (7,)
    assert named_prior("latentpath.priors:standard_normal", 4).event_shape == (4,)
    given = lp.load(f"{mine}:ready", prior=f"{mine}:gauss")
    assert given.prior is resolve(f"{mine}:gauss")


@pytest.mark.parametrize(
    ("attr", "message"),
    [
        ("gauss", r"must be, or make, a .*Distribution over vectors \(5,\); got Independent with .*event shape \(3,\)"),
        ("scalar", r"over vectors \(5,\); got Normal with batch shape \(\) and event shape \(\)"),
        ("make", r"over vectors \(5,\); got Net$"),
        ("number", "is a int; a factory is called without arguments, or only dim or latent_dim"),
        ("needs_more", "a factory is called without arguments, or only dim or latent_dim: missing .*'radius'"),
        ("fails", "raised KeyError"),
    ],
)
def test_priors_that_do_not_fit_are_refused(mine: str, attr: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        named_prior(f"{mine}:{attr}", 5)


def test_a_prior_named_by_mistake_is_not_called() -> None:
    with pytest.raises(InputError, match="os:system is a builtin_function_or_method; a factory is called without"):
        named_prior("os:system", 3)
