"""The search for a recipe: what it tries, what it may choose, and what the critic tells apart."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import torch
from torch import Tensor

import latentpath as lp
from latentpath.critic import criticised
from latentpath.recommendation import _choice, _is_eligible
from latentpath.recommendation_table import Candidate, Recommendation

QUICK: dict[str, Any] = {
    "pairs": 8,
    "segments": 6,
    "latents": 300,
    "fit_steps": 60,
    "critic_steps": 20,
    "alphas": (0.9,),
    "mus": (0.5,),
    "ceilings": (None,),
    "progress": False,
}
PRIOR = lp.priors.standard_normal(2)


def bent(z: Tensor) -> Tensor:
    return torch.cat([2 * z, z.square()], 1)


def near_origin(x: Tensor) -> Tensor:
    return -x.norm(dim=1)


MODEL = lp.Model(bent, PRIOR, discriminator=near_origin)


@pytest.fixture(scope="module")
def found() -> Recommendation:
    """A recommendation for a model, its discriminator among the factors."""
    return lp.recommend(MODEL, seed=1, **{**QUICK, "ceilings": (None, 0.5)})


def test_it_tries_every_combination_beside_two_baselines(found: Recommendation) -> None:
    tried = [each.settings for each in found.candidates]
    assert tried[:2] == [{}, {}]
    assert [settings["factors"] for settings in tried[2:]] == [["density", "pushforward"]] * 2 + [
        ["density", "pushforward", "discriminator"]
    ] * 2
    assert [settings["ceiling"] for settings in tried[2:]] == [None, 0.5] * 2
    assert set(found.correlations) == {"pushforward", "discriminator"}
    assert all(0.5 < each <= 1 for each in found.correlations.values())


def test_the_line_is_the_measure_of_all(found: Recommendation) -> None:
    line = found.candidates[0]
    assert (line.realism, line.standard_error, line.directness) == (0.0, 0.0, 1.0)
    assert not line.eligible
    assert all(each.standard_error > 0 for each in found.candidates[1:])


def test_the_recipe_is_a_candidate_and_solves(found: Recommendation) -> None:
    settings = found.recipe.evidence["settings"]
    assert settings in [each.settings for each in found.candidates]
    assert (found.recipe.alpha, found.recipe.mu) == (settings["alpha"], settings["mu"])
    path = lp.interpolate(bent, PRIOR, torch.ones(2), -torch.ones(2), method=found.recipe, segments=6)
    assert path.settings["method"] == "recommended"
    assert path.source is not None
    assert path.source.embed == found.recipe.ruler


def test_a_candidate_has_one_verdict_whatever_else_is_tried(found: Recommendation) -> None:
    """Seeds fix everything, and the critic learns from the baselines alone."""
    torch.manual_seed(5)
    state = torch.get_rng_state()
    again = lp.recommend(bent, PRIOR, seed=1, **{**QUICK, "mus": (0.5, 0.5)})
    assert again.to_dict()["candidates"] == found.to_dict()["candidates"][:3]
    assert torch.equal(torch.get_rng_state(), state)
    assert str(again).count("chosen") == 1, "numbers that are given twice are tried once"


def test_it_is_a_table_and_plain_data(found: Recommendation) -> None:
    text = str(found)
    assert all(each.name in text for each in found.candidates)
    assert text.count("chosen") == 1
    assert text.count("not eligible") <= len(found.candidates) - 2
    assert f"Recommended: {found.recipe}. 8 pairs" in text
    assert json.loads(json.dumps(found.to_dict()))["pairs"] == 8


def test_data_are_a_further_condition_in_any_precision() -> None:
    network = torch.nn.Linear(2, 4).double().eval()
    report = lp.recommend(network, PRIOR, data=torch.randn(50, 4), **QUICK)
    assert report.candidates[0].nearest == 1.0
    assert all(each.nearest is not None for each in report.candidates)
    assert report.recipe.ruler.is_scaled


@pytest.mark.parametrize(
    ("change", "eligible"),
    [
        ({}, True),
        ({"directness": 1.3}, True),
        ({"directness": 1.31}, False),
        ({"coverage": 0.45}, True),
        ({"coverage": 0.44}, False),
        ({"farther": torch.tensor([-0.1, -0.3, -0.2])}, True),
        ({"farther": torch.tensor([-0.9, 1.1, 0.1])}, True),
        ({"farther": torch.tensor([0.1, 0.11, 0.12])}, False),
    ],
    ids=["level", "as long", "longer", "covers", "covers less", "nearer", "perhaps farther", "farther"],
)
def test_detours_narrow_ones_and_those_far_from_data_are_not_eligible(change: dict[str, Any], eligible: bool) -> None:
    level: dict[str, Any] = {"directness": 1.0, "coverage": 0.5, "line_coverage": 0.5, "farther": None}
    assert _is_eligible(**{**level, **change}) is eligible


def candidate(name: str, realism: float, directness: float = 1.0, factors: int = 2, eligible: bool = True) -> Candidate:
    settings = {"factors": ["density"] * factors}
    return Candidate(name, settings, realism, 0.1, directness, 0.5, None, 1.0, 20.0, eligible)


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        ([candidate("a", 1.0), candidate("b", 0.5)], "a"),
        ([candidate("a", 1.0, directness=1.2), candidate("b", 0.95, directness=1.1)], "b"),
        ([candidate("a", 1.0), candidate("b", 0.95, directness=1.1, factors=3)], "b"),
        ([candidate("a", 1.0), candidate("b", 0.89, directness=0.9, factors=3)], "a"),
        ([candidate("a", 1.0, eligible=False), candidate("b", 0.2)], "b"),
        ([candidate("a", 1.0, eligible=False), candidate("b", 0.2, eligible=False)], "a"),
    ],
    ids=["the best", "as good and more direct", "as good with more factors", "worse", "eligible", "none eligible"],
)
def test_the_choice(rows: list[Candidate], chosen: str) -> None:
    line = dataclasses.replace(candidate("line", 5.0), settings={})
    assert _choice([line, *rows]).name == chosen


def test_a_table_tells_which_rows_may_not_be_chosen() -> None:
    line = dataclasses.replace(candidate("straight line", 0.0, eligible=False), settings={})
    long = dataclasses.replace(candidate("long", 2.0, directness=1.4, eligible=False), settings={"mu": 0.8})
    best = dataclasses.replace(candidate("best", 1.0), settings={"mu": 0.5}, nearest=0.97)
    recipe = lp.Recipe(lp.RealismIndex(PRIOR, alpha=0.98), lp.Ruler(0.5), {"settings": {"mu": 0.5}})
    table = str(Recommendation(recipe, (line, long, best), {"pushforward": 0.876}, 12)).splitlines()
    assert table[0].split() == ["realism", "+-", "directness", "coverage", "nearest", "converged", "evals"]
    assert table[1].split() == ["straight", "line", "+0.00", "0.10", "1.00", "0.50", "-", "100%", "20.0"]
    assert table[2].split() == ["long", "+2.00", "0.10", "1.40", "0.50", "-", "100%", "20.0", "not", "eligible"]
    assert table[3].split() == ["best", "+1.00", "0.10", "1.00", "0.50", "0.970", "100%", "20.0", "chosen"]
    assert table[4] == (
        "Recommended: density, alpha 0.98, mu 0.5. 12 pairs; held-out rank correlation of surrogates: pushforward 0.88."
    )


def test_the_critic_tells_samples_from_what_is_between_and_nothing_from_samples() -> None:
    random = torch.Generator().manual_seed(0)
    samples = torch.randn(400, 4, generator=random)
    frames = {
        "like samples": torch.randn(12, 10, 4, generator=random),
        "too small": 0.2 * torch.randn(12, 10, 4, generator=random),
    }
    logits = criticised(frames, ["too small"], samples, steps=80, seed=0)
    assert bool((logits["like samples"] > logits["too small"]).all())
    state = torch.get_rng_state()
    again = criticised(frames, ["too small"], samples, steps=80, seed=0)
    assert all(torch.equal(logits[name], again[name]) for name in logits)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_pair_is_judged_by_a_network_that_saw_other_pairs_only() -> None:
    """Changed frames of the even pairs change the network of the odd ones, and no other."""
    random = torch.Generator().manual_seed(0)
    samples, lines, asked = (torch.randn(*shape, generator=random) for shape in ((60, 3), (8, 4, 3), (8, 4, 3)))
    other = lines.clone()
    other[::2] += 1
    one, two = (
        criticised({"line": each, "x": asked}, ["line"], samples, steps=10, seed=0)["x"] for each in (lines, other)
    )
    assert torch.equal(one[::2], two[::2])
    assert bool((one[1::2] != two[1::2]).all())


NOT_FINITE = torch.full((20, 4), torch.nan)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pairs": 7}, "pairs must be"),
        ({"segments": 1}, "segments must be"),
        ({"latents": 10}, "latents must be"),
        ({"fit_steps": 0}, "fit_steps must be"),
        ({"critic_steps": 0}, "critic_steps must be"),
        ({"seed": -1}, "seed must be"),
        ({"alphas": (0.9, 1.2)}, "alphas must be"),
        ({"alphas": (None,)}, "alphas must be"),
        ({"ceilings": (None, 0.0)}, "ceilings must be"),
        ({"mus": (0.5, -0.1)}, "mus must be"),
        ({"mus": ()}, "mus must be one number or more"),
        ({"data": torch.zeros(20, 7)}, "data must be at least 10"),
        ({"data": torch.zeros(9, 4)}, "data must be at least 10"),
        ({"data": NOT_FINITE}, "data must be finite"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_bad_arguments_are_refused_before_anything_is_fitted(
    plain: Any, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr(plain.index.PushforwardIndex, "surrogate", lambda *_, **__: pytest.fail("fitted"))
    with pytest.raises(plain.errors.InputError, match=message):
        plain.recommend(bent, PRIOR, **{**QUICK, **arguments})


def test_an_index_in_place_of_a_prior_is_refused() -> None:
    for index in (lp.RealismIndex(PRIOR), lambda z: -z.square().sum(-1)):
        with pytest.raises(lp.errors.InputError, match="prior must be a density"):
            lp.recommend(bent, index, **QUICK)
