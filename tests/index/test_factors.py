"""Names of factors, and the true indices in place of surrogates, through products and ceilings."""

from __future__ import annotations

import pytest
import torch

from latentpath.errors import InputError
from latentpath.index import CeilingIndex, ProductIndex, RealismIndex, ScoreIndex, SurrogateIndex
from latentpath.index.factors import factor_names, has_surrogates, surrogates, with_targets
from latentpath.index.surrogate import SurrogateFit
from latentpath.priors import standard_normal
from surrogate_examples import random_network

PRIOR = standard_normal(2)
DENSITY = RealismIndex(PRIOR)
TRUE = ScoreIndex(PRIOR, score=lambda z: z[:, 0] - z[:, 1], samples=200)
FIT = SurrogateFit(random_network(2), 0.9, {"latents": 100, "steps": 1, "seed": 0, "width": 2})
FAST = SurrogateIndex(PRIOR, fit=FIT, target_name="score", target=TRUE, samples=200, alpha=0.8)
NESTED = ProductIndex(DENSITY, CeilingIndex(FAST, 0.5), FAST, alpha=0.97)


def test_names_of_factors() -> None:
    assert factor_names(NESTED) == ("density", "surrogate of score up to 0.5", "surrogate of score")
    assert factor_names(DENSITY) == ("density",)
    assert factor_names(lambda z: z.sum(-1)) == ("callable",)


def test_surrogates_are_found_under_products_and_ceilings() -> None:
    assert surrogates(NESTED) == (FAST, FAST)
    assert has_surrogates(CeilingIndex(FAST, 0.5))
    for index in (DENSITY, TRUE, ProductIndex(DENSITY, TRUE), CeilingIndex(TRUE, 0.5), lambda z: z.sum(-1)):
        assert not has_surrogates(index)


@pytest.mark.parametrize("alpha", [0.5, 0.97])
def test_targets_take_the_place_of_surrogates_and_alpha_stays(alpha: float) -> None:
    z = torch.randn(20, 2)
    true = ProductIndex(DENSITY, CeilingIndex(TRUE, 0.5), TRUE, alpha=alpha)
    found = with_targets(NESTED.with_alpha(alpha))
    assert found.alpha == alpha
    assert repr(found) == repr(true)
    assert torch.equal(found.log(z), true.log(z))
    for index in (FAST.with_alpha(alpha), CeilingIndex(FAST, 0.3, alpha=alpha)):
        assert with_targets(index).alpha == alpha
        assert not has_surrogates(with_targets(index))


def test_an_index_without_surrogates_is_returned_as_it_is() -> None:
    product = ProductIndex(DENSITY, TRUE)
    assert with_targets(product) is product


def test_a_target_that_is_a_surrogate_itself_is_followed() -> None:
    assert not has_surrogates(with_targets(FAST.with_target(FAST)))


def test_an_unknown_target_is_refused_in_words() -> None:
    unknown = SurrogateIndex(PRIOR, fit=FIT, samples=200)
    with pytest.raises(InputError, match="true index of the surrogate of score must be known"):
        with_targets(ProductIndex(DENSITY, unknown))
