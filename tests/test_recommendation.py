"""The search for a recipe: what it tries, what it may choose, and what the critic tells apart."""

import dataclasses
import json

import pytest
import torch

import latentpath as lp
from latentpath import priors
from latentpath.critic import criticised
from latentpath.recommendation import Candidate, _choice

QUICK = {
    "pairs": 8,
    "segments": 6,
    "latents": 300,
    "fit_steps": 60,
    "critic_steps": 20,
    "alphas": (0.9,),
    "mus": (0.5,),
}
PRIOR = priors.standard_normal(2)


def bent(z):
    return torch.cat([2 * z, z.square()], 1)


@pytest.fixture(scope="module")
def found():
    return lp.recommend(bent, PRIOR, lambda x: -x.norm(dim=1), seed=1, **QUICK)


def test_it_tries_every_combination_beside_two_baselines(found):
    tried = [each.settings for each in found.candidates]
    assert tried[:2] == [{}, {}]
    assert [settings["factors"] for settings in tried[2:]] == [["density", "pushforward"]] * 2 + [
        ["density", "pushforward", "discriminator"]
    ] * 2
    assert [settings["ceiling"] for settings in tried[2:]] == [None, 0.5] * 2


def test_the_line_is_the_measure_of_all(found):
    line = found.candidates[0]
    assert (line.realism, line.standard_error, line.directness) == (0.0, 0.0, 1.0)


def test_the_recipe_is_a_candidate_and_solves(found):
    settings = found.recipe.evidence["settings"]
    assert settings in [each.settings for each in found.candidates]
    assert (found.recipe.alpha, found.recipe.mu) == (settings["alpha"], settings["mu"])
    path = lp.interpolate(bent, PRIOR, torch.ones(2), -torch.ones(2), method=found.recipe, segments=6)
    assert path.settings["method"] == "recommended"
    assert path.source.embed == found.recipe.ruler


def test_it_is_the_same_again_and_leaves_the_random_state_alone(found):
    state = torch.get_rng_state()
    again = lp.recommend(bent, PRIOR, lambda x: -x.norm(dim=1), seed=1, **QUICK)
    assert again.to_dict() == found.to_dict()
    assert torch.equal(torch.get_rng_state(), state)


def test_it_is_a_table_and_plain_data(found):
    text = str(found)
    assert all(each.name in text for each in found.candidates)
    assert text.count("chosen") == 1
    assert json.loads(json.dumps(found.to_dict()))["pairs"] == 8


def test_data_are_a_further_condition():
    samples = bent(PRIOR.sample((50,)))
    report = lp.recommend(bent, PRIOR, data=samples, **QUICK)
    assert report.candidates[0].nearest == 1.0
    assert all(each.nearest is not None for each in report.candidates)


def candidate(name, realism, error=0.1, directness=1.0, factors=2, eligible=True):
    settings = {"factors": ["density"] * factors}
    return Candidate(name, settings, realism, error, directness, 0.5, None, 1.0, 20.0, eligible)


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        ([candidate("a", 1.0), candidate("b", 0.5)], "a"),
        ([candidate("a", 1.0, directness=1.2), candidate("b", 0.95, directness=1.1)], "b"),
        ([candidate("a", 1.0), candidate("b", 0.95, directness=1.1, factors=3)], "b"),
        ([candidate("a", 1.0, eligible=False), candidate("b", 0.2)], "b"),
        ([candidate("a", 1.0, eligible=False), candidate("b", 0.2, eligible=False)], "a"),
    ],
    ids=["the best", "as good and more direct", "as good with more factors", "eligible", "none eligible"],
)
def test_the_choice(rows, chosen):
    line = dataclasses.replace(candidate("line", 5.0), settings={})
    assert _choice([line, *rows]).name == chosen


def test_the_critic_tells_samples_from_what_is_between_and_nothing_from_samples():
    random = torch.Generator().manual_seed(0)
    samples = torch.randn(400, 4, generator=random)
    frames = {
        "like samples": torch.randn(12, 10, 4, generator=random),
        "too small": 0.2 * torch.randn(12, 10, 4, generator=random),
    }
    logits = criticised(frames, ["too small"], samples, steps=80, seed=0)
    assert bool((logits["like samples"] > logits["too small"]).all())
    again = criticised(frames, ["too small"], samples, steps=80, seed=0)
    assert all(torch.equal(logits[name], again[name]) for name in logits)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pairs": 4}, "pairs must be"),
        ({"segments": 1}, "segments must be"),
        ({"latents": 10}, "latents must be"),
        ({"data": torch.zeros(20, 7)}, "data must be"),
    ],
    ids=["pairs", "segments", "latents", "data"],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(lp.errors.InputError, match=message):
        lp.recommend(bent, PRIOR, **{**QUICK, **arguments})


def test_an_index_in_place_of_a_prior_is_refused():
    with pytest.raises(lp.errors.InputError, match="prior must be a density"):
        lp.recommend(bent, lp.RealismIndex(PRIOR), **QUICK)
