"""A surrogate ranks latents as its score does, is an index of its own, and survives a file; poor ones warn."""

from __future__ import annotations

import copy
import json
import math
import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scipy.stats import kstest, spearmanr
from torch import Tensor

import latentpath as lp
from latentpath.errors import DataError, InputError, MissingDataError
from latentpath.index import RealismIndex, ScoreIndex, SurrogateIndex
from latentpath.index.rank_correlation import rank_correlation
from latentpath.index.surrogate import SurrogateFit, fitting_latents
from latentpath.index.surrogate_check import compare_surrogate
from latentpath.index.surrogate_network import SurrogateNetwork
from latentpath.priors import standard_normal
from surrogate_examples import random_network

PRIOR = standard_normal(2)


def smooth(z: Tensor) -> Tensor:
    return torch.sin(z).sum(-1)


def drawn(count: int, seed: int = 3) -> Tensor:
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def true() -> ScoreIndex:
    return ScoreIndex(PRIOR, score=smooth, samples=500, alpha=0.95)


@pytest.fixture(scope="module")
def fast(true: ScoreIndex) -> SurrogateIndex:
    return true.surrogate(latents=600, steps=300, width=32)


def test_it_ranks_new_latents_as_the_score_does(fast: SurrogateIndex, true: ScoreIndex) -> None:
    z = drawn(400)
    assert fast.correlation > 0.97
    assert rank_correlation(fast.log(z), true.log(z)) > 0.97
    assert not fast.decodes
    assert fast.target is true
    assert (fast.alpha, fast.samples, fast.seed, fast.name) == (0.95, 500, 0, "surrogate of score")
    assert fast.fitted == {"latents": 600, "steps": 300, "seed": 0, "width": 32}


def test_it_is_uniform_under_the_prior(fast: SurrogateIndex) -> None:
    ri = fast.with_alpha(1.0)(drawn(1000))
    assert kstest(ri.numpy(), "uniform").statistic < 0.06


def test_a_seed_fixes_everything_and_the_global_state_stays(true: ScoreIndex) -> None:
    options: dict[str, Any] = {"latents": 200, "steps": 10, "width": 8, "progress": False}
    torch.manual_seed(9)
    state = torch.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # ten steps may be too few
        one, two, other = (true.surrogate(**options, seed=seed) for seed in (4, 4, 5))
    assert torch.equal(torch.get_rng_state(), state)
    z = drawn(20)
    assert torch.equal(one(z), two(z))
    assert one.correlation == two.correlation
    assert not torch.equal(one(z), other(z))


def test_the_correlation_of_a_network_without_one_survives_a_file(fast: SurrogateIndex, tmp_path: Path) -> None:
    fit = SurrogateFit(random_network(2), float("nan"), fast.fitted)
    SurrogateIndex(PRIOR, fit=fit, samples=100).save(tmp_path / "x.safetensors")
    assert math.isnan(SurrogateIndex.load(tmp_path / "x.safetensors", PRIOR).correlation)


def test_a_third_of_the_latents_is_spread_and_a_third_lies_between_samples() -> None:
    found = fitting_latents(PRIOR, 2, 3002, 0, 0)
    assert found.shape == (3002, 2)
    assert found[:1000].std() == pytest.approx(1, abs=0.05)
    assert found[1000:2000].std() == pytest.approx((2 / 3) ** 0.5, abs=0.05)  # E[(1 - t)^2 + t^2] = 2/3
    assert found[2000:].std() == pytest.approx(1.25, abs=0.06)


def test_a_score_that_cannot_be_learnt_warns_the_caller(plain: Any) -> None:
    index = plain.index.ScoreIndex(PRIOR, score=lambda z: torch.sin(4e3 * z[:, 0] + 3e3 * z[:, 1]), samples=200)
    with pytest.warns(UserWarning, match="ranks held-out latents poorly") as caught:
        index.surrogate(latents=300, steps=20, width=8)
    assert caught[0].filename == __file__


def test_a_score_that_is_seldom_finite_off_the_samples_is_refused() -> None:
    index = ScoreIndex(PRIOR, score=smooth, samples=100)
    index._set(_score=lambda z: torch.full_like(z[:, 0], torch.nan))
    with pytest.raises(InputError, match="score must be finite on and between"):
        index.surrogate(latents=100, steps=1, width=4)


@pytest.mark.parametrize("options", [{"latents": 99}, {"steps": 0}, {"width": 0}, {"seed": -1}], ids=str)
def test_numbers_out_of_range_are_refused(true: ScoreIndex, options: dict[str, int]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(options))} must be"):
        true.surrogate(**options)


def test_a_file_gives_the_same_bits(fast: SurrogateIndex, true: ScoreIndex, tmp_path: Path) -> None:
    file, z = tmp_path / "fast.safetensors", drawn(50)
    fast.save(file)
    loaded = SurrogateIndex.load(file, PRIOR, true, alpha=0.95)
    assert torch.equal(loaded.log(z), fast.log(z))
    assert torch.equal(loaded(z.double()), fast(z.double()))
    assert repr(loaded) == repr(fast)
    assert loaded.fitted == fast.fitted
    with safe_open(file, "pt") as content:
        weight = content.get_tensor("hidden.weight")
    assert weight.dtype == (torch.float16 if fast._network.halved else torch.float32)
    unknown = SurrogateIndex.load(file, PRIOR)
    assert not unknown.has_target
    assert unknown.target is None
    assert unknown.with_target(true).target is true


def damaged(fast: SurrogateIndex, file: Path, kind: str) -> None:
    fast.save(file)
    with safe_open(file, "pt") as content:
        metadata = content.metadata()
    tensors, about = load_file(file), json.loads(metadata["about"])
    if kind == "cut":
        file.write_bytes(file.read_bytes()[:-5])
        return
    if kind == "format":
        metadata["format"] = "another"
    elif kind == "missing tensor":
        del tensors["output.bias"]
    elif kind == "shape":
        tensors["hidden.weight"] = tensors["hidden.weight"][:, :-1].contiguous()
    elif kind == "nan":
        tensors["latent_mean"][0] = torch.nan
    elif kind == "fact":
        del about["samples"]
    elif kind == "number":
        about["seed"] = -1
    elif kind == "no facts":
        about = None
    save_file(tensors, file, {**metadata, "about": json.dumps(about)})


@pytest.mark.parametrize(
    "kind", ["cut", "format", "missing tensor", "shape", "nan", "fact", "number", "no facts"], ids=str
)
def test_a_damaged_file_is_refused(fast: SurrogateIndex, tmp_path: Path, kind: str) -> None:
    damaged(fast, tmp_path / "x.safetensors", kind)
    with pytest.raises(DataError, match=r"x\.safetensors is"):
        SurrogateIndex.load(tmp_path / "x.safetensors", PRIOR)


def test_no_file_and_another_dimension_are_refused(fast: SurrogateIndex, tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="no surrogate file"):
        SurrogateIndex.load(tmp_path / "none.safetensors", PRIOR)
    fast.save(tmp_path / "x.safetensors")
    with pytest.raises(InputError, match="D = 2"):
        SurrogateIndex.load(tmp_path / "x.safetensors", standard_normal(3))


def test_a_target_is_built_once_and_only_when_needed(fast: SurrogateIndex, true: ScoreIndex) -> None:
    built = []

    def build() -> ScoreIndex:
        built.append(1)
        return true

    lazy = fast.with_target(build)
    lazy(drawn(3))
    assert lazy.has_target
    assert built == []
    assert lazy.with_alpha(0.5).target is true
    assert lazy.target is true
    assert built == [1], "copies share one target"


def test_a_target_that_fails_is_tried_again(fast: SurrogateIndex, true: ScoreIndex) -> None:
    answers: list[Any] = [ZeroDivisionError(), "text", RealismIndex(standard_normal(3)), true]

    def build() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    lazy = fast.with_target(build)
    with pytest.raises(ZeroDivisionError):
        _ = lazy.target
    for _ in range(2):
        with pytest.raises(InputError, match="target must be an index with dim=2"):
            _ = lazy.target
    assert lazy.target is true


def test_copies_share_no_lock_and_keep_the_target(fast: SurrogateIndex, true: ScoreIndex) -> None:
    z = drawn(5)
    lazy = copy.deepcopy(fast.with_target(lambda: true))
    assert lazy.target is true
    assert torch.equal(lazy.log(z), fast.log(z))
    known = copy.deepcopy(lp.Recipe(RealismIndex(PRIOR), lp.Ruler(0.5)))
    assert torch.equal(known.index.log(z), RealismIndex(PRIOR).log(z))
    plane = pickle.loads(pickle.dumps(fast.with_target(RealismIndex(PRIOR))))
    assert torch.equal(plane.log(z), fast.log(z))
    assert isinstance(plane.target, RealismIndex)


def test_threads_build_a_target_once(fast: SurrogateIndex, true: ScoreIndex) -> None:
    built, begun = [], threading.Event()

    def build() -> ScoreIndex:
        begun.wait()
        built.append(1)
        return true

    lazy = fast.with_target(build)
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(lambda: lazy.target) for _ in range(4)]
        begun.set()
        assert all(each.result() is true for each in found)
    assert built == [1]


def test_what_is_no_target_is_refused_at_once(fast: SurrogateIndex, plain: Any) -> None:
    with pytest.raises(InputError, match="dim=2"):
        fast.with_target(RealismIndex(standard_normal(3)))
    with pytest.raises(InputError, match="must be a PriorIndex, or a function"):
        fast.with_target(RealismIndex)  # a class


def test_the_comparison_along_paths_knows_how_well_they_agree(fast: SurrogateIndex, true: ScoreIndex) -> None:
    latents = drawn(33).view(3, 11, 2)
    found = compare_surrogate(fast, latents)
    assert found is not None
    assert found.points == 33
    assert found.correlation > 0.95
    assert found.true_ri == pytest.approx(float(true.with_alpha(1.0)(latents).mean()), rel=1e-4)
    assert torch.allclose(found.log_ri, true.with_alpha(1.0).log(latents).mean(-1), atol=1e-5)
    assert "At 33 points" in str(found)
    assert compare_surrogate(true, latents) is None
    assert compare_surrogate(lambda z: -z.square().sum(-1), latents) is None
    product = lp.ProductIndex(RealismIndex(PRIOR), fast, alpha=0.97)
    whole = compare_surrogate(product, latents)
    assert whole is not None
    assert whole.true_ri == pytest.approx(float((true(latents) * RealismIndex(PRIOR)(latents)).mean()), rel=1e-4)


def test_a_comparison_needs_every_target_and_paths(fast: SurrogateIndex, tmp_path: Path) -> None:
    fast.save(tmp_path / "x.safetensors")
    unknown = SurrogateIndex.load(tmp_path / "x.safetensors", PRIOR)
    assert compare_surrogate(lp.ProductIndex(fast, unknown), drawn(33).view(3, 11, 2)) is None
    for latents in (drawn(3), drawn(3)[0], drawn(6).view(1, 2, 3, 2)):
        with pytest.raises(InputError, match=r"latents must be paths \(B, P, D\)"):
            compare_surrogate(fast, latents)


def test_rank_correlation_is_spearmans() -> None:
    one, two = drawn(60).T
    ties = (two * 3).round()
    assert rank_correlation(one, ties) == pytest.approx(spearmanr(one, ties).statistic)
    assert rank_correlation(one, -one.exp()) == pytest.approx(-1)
    assert rank_correlation(one, torch.ones(60)) != rank_correlation(one, torch.ones(60))  # NaN
    assert rank_correlation(one, two.where(two > 0, torch.nan)) != 0


def test_a_network_needs_all_its_tensors() -> None:
    with pytest.raises(ValueError, match="other names"):
        SurrogateNetwork({"input.weight": torch.ones(2, 2)})


def double(z: Tensor) -> Tensor:
    return 2 * z


ENDS = torch.tensor([[1.5, -1.0], [-1.2, -1.2]]), torch.tensor([[-0.5, 1.4], [1.3, 0.4]])


def solved(index: SurrogateIndex, **options: Any) -> lp.Path:
    recipe = lp.Recipe(index, lp.Ruler(0.5, data_scale=1.0, latent_scale=1.0))
    return lp.interpolate(double, PRIOR, *ENDS, method=recipe, segments=10, progress=False, **options)


def test_polishing_never_costs_more_by_the_true_index(fast: SurrogateIndex, true: ScoreIndex) -> None:
    plain, polished = solved(fast), solved(fast, polish=True)
    assert polished.settings["polished"] is True
    assert "polished" not in plain.settings
    assert (polished.settings["method"], plain.settings["method"]) == ("recommended", "recommended")
    assert polished.source is not None
    assert polished.source.index is not fast
    assert (polished.evaluations > plain.evaluations).all()
    by_true = lp.audit(plain.latents, double, true, embed=polished.source.embed).cost
    assert bool((polished.cost <= by_true * (1 + 1e-6)).all())


def test_polishing_leaves_an_index_without_surrogates_alone() -> None:
    ends = {"segments": 4, "polish": True, "tol": 0.1}
    path = lp.interpolate(double, RealismIndex(PRIOR), ENDS[0][0], ENDS[1][0], **ends)
    assert "polished" not in path.settings


def test_a_solve_that_was_stopped_is_not_polished(fast: SurrogateIndex) -> None:
    calls = []

    def stop_once(now: object) -> bool:
        calls.append(now)
        return len(calls) == 2

    path = solved(fast.with_target(lambda: pytest.fail("polished")), polish=False, callback=stop_once)
    calls.clear()
    stopped = solved(fast, polish=True, callback=stop_once)
    assert "polished" not in stopped.settings
    assert torch.equal(stopped.latents, path.latents)
    assert torch.equal(stopped.evaluations, path.evaluations)


def test_a_polish_by_an_unknown_index_is_refused_before_the_solve(fast: SurrogateIndex) -> None:
    unknown = SurrogateIndex(PRIOR, fit=SurrogateFit(fast._network, 0.9, fast.fitted), samples=100)
    steps: list[object] = []
    with pytest.raises(InputError, match="true index of the surrogate of score must be known"):
        solved(unknown, polish=True, callback=lambda now: bool(steps.append(now)))
    assert steps == []


def test_polishing_keeps_the_facts_of_the_search(fast: SurrogateIndex) -> None:
    path = solved(fast, polish=True, restarts=2)
    assert path.settings["restarts"]["starts"] == 2
    assert path.multistart is not None
