"""The rules of ``method``: each line of its table, what replaces alpha and ruler, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import latentpath as lp
from closed_forms import flat
from latentpath.errors import InputError
from latentpath.index import ProductIndex, RealismIndex, TypicalityIndex
from latentpath.method import Problem, problem_of

PRIOR = lp.priors.standard_normal(2)
RECIPE = lp.Recipe(
    ProductIndex(RealismIndex(PRIOR), TypicalityIndex(PRIOR), alpha=0.97),
    lp.Ruler(0.8, data_scale=1.0, latent_scale=1.0),
)
OTHER = lp.Recipe(RealismIndex(PRIOR, alpha=0.6), lp.Ruler(0.2, data_scale=1.0, latent_scale=1.0))
ENDS = torch.tensor([1.0, 0.2]), torch.tensor([-0.4, 1.0])


def generator(z: Tensor) -> Tensor:
    return 2 * z


BARE = lp.Model(generator, PRIOR, name="bare")
MODEL = replace(BARE, recipe=RECIPE)


def solve(of: Any, prior: Any = None, method: Any = None, alpha: float | None = None, embed: Any = None) -> Problem:
    first, *others = (*ENDS, None) if prior is None else (prior, *ENDS)
    return problem_of(of, first, others, "start, end", method=method, alpha=alpha, embed=embed)


@pytest.mark.parametrize("method", [None, "recommended"])
def test_a_recipe_of_the_model_is_the_default(method: str | None) -> None:
    found = solve(MODEL, method=method)
    assert found.index is RECIPE.index
    assert found.embed is RECIPE.ruler
    assert found.method == "recommended"


@pytest.mark.parametrize("of", [BARE, MODEL], ids=["without", "with"])
def test_the_papers_method_is_density_and_data(of: lp.Model) -> None:
    found = solve(of, method="paper")
    assert isinstance(found.index, RealismIndex)
    assert (found.index.alpha, found.embed, found.method) == (0.9, None, "paper")


def test_without_a_recipe_the_default_is_the_papers() -> None:
    assert solve(BARE).method == "paper"
    assert solve(generator, PRIOR).method == "paper"
    assert solve(generator, PRIOR, embed="data").method == "paper"
    assert solve(generator, RealismIndex(PRIOR), "paper").method == "paper"


@pytest.mark.parametrize(
    ("prior", "embed"),
    [(TypicalityIndex(PRIOR), None), (flat, None), (PRIOR, "latent"), (PRIOR, lp.Ruler(0.5))],
    ids=["index", "callable", "latents", "ruler"],
)
def test_another_index_or_embed_is_custom_and_not_the_papers(prior: Any, embed: Any) -> None:
    assert solve(generator, prior, embed=embed).method == "custom"
    with pytest.raises(InputError, match="must be left out beside another index or embed"):
        solve(generator, prior, "paper", embed=embed)


def test_a_recipe_is_built_for_no_other_method() -> None:
    lazy = replace(BARE, recipe=lp.Recipe(lambda: pytest.fail("built"), lp.Ruler(0.5)))
    for method in ("paper", OTHER):
        solve(lazy, method=method)
    solve(lazy, flat)


@pytest.mark.parametrize("of", [BARE, MODEL], ids=["without", "with"])
def test_a_recipe_that_is_given_wins(of: lp.Model) -> None:
    found = solve(of, method=OTHER)
    assert (found.index, found.embed, found.method) == (OTHER.index, OTHER.ruler, "recommended")
    assert solve(generator, PRIOR, OTHER).index is OTHER.index


def test_an_index_or_another_prior_beside_a_model_leaves_its_recipe_out() -> None:
    typical, wide = TypicalityIndex(PRIOR), lp.priors.uniform_ball(2, 3.0)
    assert (solve(MODEL, typical).index, solve(MODEL, typical).method) == (typical, "custom")
    assert (solve(MODEL, flat).index, solve(MODEL, flat).method) == (flat, "custom")
    found = solve(MODEL, wide)
    assert isinstance(found.index, RealismIndex)
    assert (found.index.prior, found.embed, found.method) == (wide, None, "paper")
    assert solve(MODEL, PRIOR).index is RECIPE.index


def test_a_models_recipe_beside_another_prior_is_refused() -> None:
    with pytest.raises(InputError, match=r"method must be left out beside another prior than the model's"):
        solve(MODEL, lp.priors.uniform_ball(2, 3.0), "recommended")


def test_alpha_beside_an_index_of_another_alpha_is_refused() -> None:
    with pytest.raises(InputError, match="alpha must be"):
        solve(MODEL, RealismIndex(PRIOR), alpha=0.5)
    with pytest.raises(InputError, match="alpha must be left out beside a callable"):
        solve(MODEL, flat, alpha=0.5)
    with pytest.raises(InputError, match="alpha must be a number in"):
        solve(MODEL, alpha=1.5)


def test_alpha_and_embed_replace_the_methods_own() -> None:
    found = solve(MODEL, alpha=0.5, embed="latent")
    assert isinstance(found.index, ProductIndex)
    assert (found.index.alpha, found.embed, found.method) == (0.5, "latent", "recommended")
    paper: Any = solve(MODEL, method="paper", alpha=0.5).index
    assert paper.alpha == 0.5


@pytest.mark.parametrize("method", ["recommended", OTHER], ids=["recommended", "recipe"])
@pytest.mark.parametrize("index", [RealismIndex(PRIOR), TypicalityIndex(PRIOR), flat], ids=["realism", "typ", "call"])
def test_a_recipe_beside_an_index_is_refused(method: Any, index: Any) -> None:
    for of in (MODEL, generator) if method is OTHER else (MODEL,):
        with pytest.raises(InputError, match="method must be left out beside an index"):
            solve(of, index, method)


def test_recommended_without_a_recipe_is_refused() -> None:
    for of, prior in ((BARE, None), (generator, PRIOR)):
        with pytest.raises(InputError, match=r"without a recipe; got \"recommended\""):
            solve(of, prior, "recommended")


def test_too_few_arguments_are_named() -> None:
    with pytest.raises(InputError, match=r"must be \(generator, prior, start, end\) or \(model, start, end\)"):
        problem_of(generator, PRIOR, (ENDS[0], None), "start, end", method=None, alpha=None, embed=None)
    with pytest.raises(InputError, match=r"must be \(generator, prior\) or \(model\); got too few"):
        lp.recommend(generator)


def test_an_unknown_method_is_refused(unchecked: None, plain: Any) -> None:
    with pytest.raises(plain.errors.InputError, match=r'"recommended", "paper" or a latentpath\.Recipe'):
        plain.interpolate(generator, PRIOR, *ENDS, method="best")


def test_a_path_through_keyframes_takes_a_recipe() -> None:
    stops = torch.tensor([[1.0, 0.2], [-0.4, 1.0], [-1.0, -0.5]])
    options: dict[str, Any] = {"segments": 2, "tol": 0.1, "solver": "lbfgs"}
    found = lp.interpolate_through(replace(BARE, recipe=OTHER), stops, **options)
    given = lp.interpolate_through(generator, PRIOR, stops, method=OTHER, **options)
    assert torch.equal(found.latents, given.latents)
    assert (found.settings["method"], found.settings["alpha"]) == ("recommended", 0.6)
