"""Argument validation of `interpolate`: endpoints, numbers, priors and indices."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal

import latentpath as lp
from interpolate_examples import END, F64, PRIOR, START, curved, failing, flat, model, refused, solve
from latentpath import priors
from latentpath.errors import InputError

ENDPOINTS = {
    "scalar": (torch.tensor(1.0, dtype=F64), END, ["start must be (D,) or (B, D) with D = 2", "event size", "got ()"]),
    "three dimensions": (torch.zeros(1, 2, 2, dtype=F64), END, ["start must be (D,) or (B, D)", "(1, 2, 2)"]),
    "wrong dimension": (START, torch.zeros(2, 64, dtype=F64), ["end must be", "D = 2", "(2, 64)"]),
    "empty": (torch.zeros(0, 2, dtype=F64), END, ["start must be", "(0, 2)"]),
    "integers": (torch.zeros(2).long(), END, ["start must be float32 or float64", "int64", ".float()"]),
    "half": (START, END.half(), ["end must be float32 or float64", "float16"]),
    "dtypes": (START.float(), END, ["one dtype", "float32", "float64"]),
    "batches": (torch.zeros(3, 2, dtype=F64), torch.zeros(4, 2, dtype=F64), ["pair up", "(3, 2)", "(4, 2)"]),
    "NaN": (START, torch.tensor([[0.0, 0], [0, math.nan], [0, 1]], dtype=F64), ["end must be finite", "row(s) [1]"]),
    "infinity": (torch.tensor([[math.inf, 0], [0, 1]], dtype=F64), END, ["start must be finite", "row(s) [0]"]),
}


@pytest.mark.parametrize(("start", "end", "says"), ENDPOINTS.values(), ids=ENDPOINTS.keys())
def test_endpoints_that_do_not_fit_are_refused(start, end, says):
    refused(InputError, says, start=start, end=end)


def test_a_single_bad_endpoint_is_row_0_whichever_coordinate_is_bad():
    says = ["start must be finite", "row(s) [0]"]
    refused(InputError, says, start=torch.tensor([0.0, math.nan], dtype=F64))


def test_endpoints_on_two_devices_are_refused():
    refused(InputError, ["one dtype and device", "cpu", "meta"], start=START, end=END.to("meta"))


def test_endpoints_that_cannot_pair_up_without_a_known_dimension():
    says = ["pair up", "(2,)", "(3,)"]
    refused(InputError, says, prior=flat, start=torch.zeros(2, dtype=F64), end=torch.zeros(3, dtype=F64))


@pytest.mark.parametrize(
    "prior", [priors.uniform_ball(2, dtype=F64), priors.uniform_box(2, dtype=F64)], ids=["ball", "box"]
)
def test_endpoints_outside_the_support_are_refused(prior):
    inside, outside = torch.tensor([0.5, 0.5], dtype=F64), torch.tensor([[0.5, 0.5], [0.4, 1.5]], dtype=F64)
    says = ["prior's support", "row(s) [1]", "points inside"]
    refused(InputError, ["start", "outside", *says], prior=prior, start=outside, end=inside)
    refused(InputError, ["end", "outside", *says], prior=prior, start=inside, end=outside)
    assert solve(prior=prior, start=inside, end=0.5 * inside).cost.isfinite().all()


NUMBERS = {
    "one segment": ({"segments": 1}, ["segments", "at least 2", "got 1"]),
    "segments below 0": ({"segments": -5}, ["segments", "-5"]),
    "alpha 0": ({"alpha": 0.0}, ["alpha", "(0, 1]", "0.0"]),
    "alpha above 1": ({"alpha": 1.5}, ["alpha", "(0, 1]", "1.5"]),
    "alpha NaN": ({"alpha": math.nan}, ["alpha", "(0, 1]", "nan"]),
    "tol 0": ({"tol": 0.0}, ["tol", "above 0", "0.0"]),
    "tol NaN": ({"tol": math.nan}, ["tol", "above 0", "nan"]),
    "tol infinite": ({"tol": math.inf}, ["tol", "finite", "inf"]),
    "no evaluations": ({"max_evaluations": 0}, ["max_evaluations", "at least 1", "got 0"]),
    "evaluations infinite": ({"max_evaluations": math.inf}, ["max_evaluations", "finite", "inf"]),
    "evaluations NaN": ({"max_evaluations": math.nan}, ["max_evaluations", "nan"]),
    "one point": ({"max_points": 1}, ["max_points", "at least 2", "got 1"]),
    "solver name": ({"solver": "newton"}, ["'newton'", "adam", "gradient_descent", "lbfgs", "multilevel"]),
}


@pytest.mark.parametrize(("options", "says"), NUMBERS.values(), ids=NUMBERS.keys())
def test_numbers_and_names_out_of_range_are_refused(options, says):
    refused(InputError, says, **options)


TYPES = {
    "start": ({"start": [2.0, 0.3]}, ["start must be a tensor", "list", "torch.as_tensor"]),
    "end": ({"end": "north"}, ["end must be a tensor", "str"]),
    "no end": ({"end": None}, ["start, end", "too few"]),
    "segments": ({"segments": 8.0}, ["segments", "whole number", "8.0"]),
    "segments, a truth": ({"segments": True}, ["segments", "whole number", "True"]),
    "max_points": ({"max_points": 100.0}, ["max_points", "whole number", "100.0"]),
    "tol": ({"tol": "small"}, ["tol", "'small'"]),
    "alpha": ({"alpha": "0.9"}, ["alpha", "'0.9'"]),
    "embed, a name": ({"embed": "latents"}, ['"latent"', "callable", "'latents'"]),
    "embed, a number": ({"embed": 3}, ['"latent"', "callable", "got 3"]),
    "solver": ({"solver": 3}, ["solver", "init, step and done", "int"]),
    "prior": ({"prior": 3}, ["prior must be", "Distribution", "RealismIndex", "callable", "int"]),
    "generator": ({"generator": torch.zeros(2)}, ["generator must be a callable", "Tensor"]),
}


@pytest.mark.parametrize(("options", "says"), TYPES.values(), ids=TYPES.keys())
def test_wrong_types_are_refused(plain, options, says):
    arguments = {"generator": curved, "prior": flat, "start": START, "end": END, "segments": 8} | options
    if "alpha" in options:
        arguments["prior"] = PRIOR
    with pytest.raises(plain.LatentPathError) as caught:
        plain.interpolate(**arguments)
    for words in says:
        assert words in str(caught.value)


def test_a_module_where_the_prior_belongs_is_refused():
    """Generator and prior swapped, most likely."""
    refused(InputError, ["prior must be", "Sequential"], prior=model())


@pytest.mark.parametrize(
    ("prior", "says"),
    [
        (Normal(torch.zeros(2), torch.ones(2)), ["batch_shape", "event_shape", "Independent"]),
        (MultivariateNormal(torch.zeros(3, 2), torch.eye(2)), ["batch_shape", "(3,)"]),
        (Normal(0.0, 1.0), ["event_shape"]),
    ],
    ids=["coordinates apart", "a batch", "a scalar"],
)
def test_distributions_that_are_not_over_vectors_are_refused(prior, says):
    refused(InputError, says, prior=prior)


INDICES = {
    "one number too many": (lambda z: -z.abs(), ["index must map (N, 2) to (N,)", "(1, 2)"]),
    "a single number": (lambda z: -z.square().sum(), ["index must map (N, 2) to (N,)", "()"]),
    "no tensor": (lambda z: -0.5, ["index must map (N, 2) to (N,)", "-0.5"]),
    "ri, not its logarithm": (lambda z: (-z.square().sum(-1)).exp(), ["log(alpha * ri)", "at most 0"]),
    "NaN": (lambda z: z[..., 0] * math.nan, ["log(alpha * ri)", "nan"]),
    "a wall": (lambda z: torch.full_like(z[..., 0], -math.inf), ["start", "outside", "infinite cost"]),
    "raising": (failing, ["the index failed on start", "(1, 2)", "no such luck"]),
}


@pytest.mark.parametrize(("index", "says"), INDICES.values(), ids=INDICES.keys())
def test_an_index_that_misbehaves_is_refused(index, says):
    refused(InputError, says, prior=index)


def test_alpha_belongs_to_a_distribution_and_to_nothing_else():
    half = lp.RealismIndex(PRIOR, alpha=0.5)
    torch.testing.assert_close(solve(alpha=0.5).latents, solve(prior=half).latents, rtol=0, atol=0)
    assert solve(prior=half).settings["alpha"] == 0.5
    assert torch.equal(solve(prior=half, alpha=0.5).latents, solve(prior=half).latents)
    refused(InputError, ["0.7", "alpha=0.5", "Set it there"], prior=half, alpha=0.7)


def test_an_alpha_given_with_a_callable_is_refused_and_not_ignored():
    refused(InputError, ["alpha"], prior=flat, alpha=0.5)


def test_a_distribution_an_index_and_its_logarithm_are_one_problem():
    found = [solve(prior=prior) for prior in (PRIOR, lp.RealismIndex(PRIOR), lp.RealismIndex(PRIOR).log)]
    for other in found[1:]:
        assert torch.equal(other.latents, found[0].latents)
        assert torch.equal(other.cost, found[0].cost)
    torch.testing.assert_close(found[2].ri, 0.9 * found[0].ri)  # of a callable, alpha cannot be known


def test_the_priors_own_dtype_does_not_matter():
    single = Independent(Normal(torch.zeros(2), torch.ones(2)), 1)
    torch.testing.assert_close(solve(prior=single).cost, solve().cost, rtol=1e-6, atol=0)


def test_a_callable_index_above_0_between_the_endpoints_is_refused():
    refused(InputError, ["at most 0", "between start and end"], prior=lambda z: 3.3 - z.square().sum(-1))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_evaluations": "x"}, "max_evaluations must be a number of at least 1"),
        ({"callback": 3}, "callback must be callable; got 3"),
        ({"solver": lp.solvers.LBFGS}, "Pass LBFGS(...)"),
    ],
    ids=["max_evaluations", "callback", "a solver's class"],
)
def test_more_wrong_types_are_refused_in_plain_words(plain, options, says):
    with pytest.raises(plain.LatentPathError) as caught:
        plain.interpolate(curved, plain.priors.standard_normal(2, dtype=F64), START, END, **options)
    assert says in str(caught.value)


def test_true_is_no_budget():
    refused(InputError, ["max_evaluations must be a number"], curved, max_evaluations=True)
