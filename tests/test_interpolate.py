from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal

import latentpath as lp
from latentpath import priors
from latentpath.errors import GeneratorError, InputError, LatentPathError, SolveError

F64 = torch.float64
PRIOR = priors.standard_normal(2, dtype=F64)
START, END = torch.tensor([2.0, 0.3], dtype=F64), torch.tensor([-0.4, 1.8], dtype=F64)


def randn(*shape, seed=0, dtype=F64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def curved(z):
    return torch.stack([z[:, 0], z[:, 1] + 0.2 * z[:, 0] ** 2, torch.sin(z[:, 0] * z[:, 1])], -1)


def flat(z):
    return -torch.ones_like(z[..., 0])


def model(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 12), nn.Unflatten(1, (3, 4))).double().eval()


def solve(generator=curved, prior=PRIOR, start=START, end=END, **options):
    return lp.interpolate(generator, prior, start, end, **{"segments": 8, **options})


def refused(kind, says, *arguments, **options):
    """The error is of its kind and holds every one of the words."""
    with pytest.raises(kind) as caught:
        solve(*arguments, **options)
    for words in says:
        assert words in str(caught.value), f"{words!r} is not in: {caught.value}"
    return caught.value


class Counted:
    def __init__(self, generator):
        self.generator, self.calls = generator, []

    def __call__(self, z):
        self.calls.append(len(z))
        return self.generator(z)


# ---------------------------------------------------------------------------------------------------------------------
# At the door: endpoints and numbers.

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
    "end": ({"end": None}, ["end must be a tensor", "NoneType"]),
    "segments": ({"segments": 8.0}, ["segments", "whole number", "8.0"]),
    "segments, a truth": ({"segments": True}, ["segments", "whole number", "True"]),
    "max_points": ({"max_points": 100.0}, ["max_points", "whole number", "100.0"]),
    "tol": ({"tol": "small"}, ["tol", "'small'"]),
    "alpha": ({"alpha": "0.9"}, ["alpha", "'0.9'"]),
    "embed, a name": ({"embed": "latents"}, ['"latent"', "callable", "'latents'"]),
    "embed, a number": ({"embed": 3}, ['"latent"', "callable", "int"]),
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


# ---------------------------------------------------------------------------------------------------------------------
# At the door: priors and indices.


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


def failing(z):
    raise ZeroDivisionError("no such luck")


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


# ---------------------------------------------------------------------------------------------------------------------
# At the door: generators.

NOISE = torch.Generator().manual_seed(5)
CALLS = iter(range(10**9))


class OneWay(torch.autograd.Function):
    """Differentiable once, in reverse: as kernels of one's own often are."""

    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z.sin()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        return grad * ctx.saved_tensors[0].cos()


class NoWay(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        return z.sin()

    @staticmethod
    def backward(ctx, grad):
        raise RuntimeError("no backward for this kernel")


def batch_norm(z):
    return nn.functional.batch_norm(z, None, None, training=True)


def one_by_one(z):
    if len(z) > 1:
        raise ValueError("one latent at a time, please")
    return z


GENERATORS = {
    "random": (lambda z: z + torch.randn(z.shape, generator=NOISE), ["random", "two calls", ".eval()", "noise"]),
    "dropout": (lambda z: nn.functional.dropout(z.repeat(1, 50)), ["random"]),
    "another answer each time": (lambda z: z * (1 + 1e-3 * (next(CALLS) % 7)), ["random"]),
    "centred over the batch": (lambda z: z - z.mean(0), ["couples the points of a batch", "eval mode"]),
    "normed over the batch": (lambda z: z / z.norm(), ["couples the points of a batch"]),
    "batch statistics": (batch_norm, ["batch", "eval mode"]),
    "sorted over the batch": (lambda z: z.sort(0).values, ["couples the points of a batch"]),
    "coupled, far from 0": (lambda z: 1e3 + z - z.mean(0), ["couples the points of a batch"]),
    "no_grad": (torch.no_grad()(curved), ["differentiable", "no gradient", "no_grad"]),
    "detached": (lambda z: curved(z.detach()), ["differentiable", "detach"]),
    "through NumPy": (lambda z: torch.from_numpy(z.detach().numpy() * 2), ["differentiable", "NumPy"]),
    "rounded": (lambda z: (100 * z).round(), ["differentiable", "gradient is 0", "rounding"]),
    "bytes": (lambda z: (100 + 10 * z).byte(), ["floating point", "uint8", "pixels"]),
    "backward fails": (NoWay.apply, ["differentiable", "no backward for this kernel"]),
    "gradient NaN": (lambda z: torch.where(z > 99, z, z.clamp(max=0).mul(0).sqrt() * 0 + 1), ["gradient"]),
    "NaN": (lambda z: z / 0 * 0, ["NaN or infinity"]),
    "infinite": (lambda z: z + math.inf, ["NaN or infinity"]),
    "no values": (lambda z: z[:, :0], ["at least one value", "(3, 0)"]),
    "one number": (lambda z: z.sum(), ["(N, D) to (N, ...)", "()"]),
    "no trailing dimension": (lambda z: z[:, 0], ["(N, D) to (N, ...)", "(3,)"]),
    "a point lost": (lambda z: z[1:], ["(N, D) to (N, ...)", "(2, 2)"]),
    "a tuple": (lambda z: (z, z), ["must return a tensor", "tuple"]),
    "None": (lambda z: None, ["must return a tensor", "NoneType"]),
    "raising": (failing, ["generator failed on", "(3, 2)", "float64", "ZeroDivisionError", "no such luck"]),
    "raising on a batch": (one_by_one, ["generator failed on", "one latent at a time"]),
    "another dimension": (nn.Linear(5, 3).double().eval(), ["generator failed on", "(3, 2)"]),
}


@pytest.mark.parametrize(("generator", "says"), GENERATORS.values(), ids=GENERATORS.keys())
def test_generators_that_cannot_be_interpolated_are_refused(generator, says):
    refused(GeneratorError, says, generator)


def test_a_generator_that_is_not_finite_across_every_way_gives_infinite_cost():
    def slab(z):
        return torch.where((z[:, :1] - 0.8).abs() < 0.05, math.nan, z)

    start, end = torch.tensor([0.0, 0.2], dtype=F64), torch.tensor([1.6, 0.1], dtype=F64)
    path = lp.interpolate(slab, priors.standard_normal(2, dtype=F64), start, end, segments=10)
    assert float(path.cost) == math.inf
    assert path.outcome[0] is not lp.Outcome.CONVERGED


def test_a_generator_with_weights_of_another_dtype_is_refused():
    refused(LatentPathError, ["float64", "float32", ".to("], nn.Linear(2, 3).eval())


@pytest.mark.parametrize("busy", ["all", "part"])
def test_a_generator_in_training_mode_is_refused(busy):
    net = nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.5), nn.Linear(4, 3)).double()
    if busy == "part":
        net.eval()[1].train()
    says = ["training mode", "generator.eval()", *(["(1)"] if busy == "part" else ["Sequential"])]
    refused(GeneratorError, says, net)
    assert solve(net.eval()).cost.isfinite().all()


def test_a_generator_in_training_mode_behind_a_function_is_found_out():
    net = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8)).double()
    says = ["batch", "eval mode"]
    refused(GeneratorError, says, net.__call__)
    refused(GeneratorError, says, net.__call__, start=randn(5, 2, seed=1), end=randn(5, 2, seed=2))


def test_a_generator_differentiable_once_only_is_solved_or_refused_but_fails_in_no_other_way():
    try:
        assert bool((solve(OneWay.apply).outcome[0]) == lp.Outcome.CONVERGED)
    except GeneratorError as error:
        assert "differentiable" in str(error)  # noqa: PT017


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, F64])
def test_a_generator_that_answers_in_another_dtype_is_solved_or_refused_but_fails_in_no_other_way(dtype):
    """Under autocast a generator answers in half precision."""
    try:
        path = solve(lambda z: curved(z).to(dtype), start=START.float(), end=END.float())
        assert path.latents.dtype == path.cost.dtype == torch.float32
        torch.testing.assert_close(path.cost.double(), solve().cost, rtol=0.05, atol=0)
    except GeneratorError as error:
        assert str(dtype) in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "embed",
    [failing, lambda x: x[:, 0], lambda x: x.sum(), lambda x: None, lambda x: x.detach(), lambda x: x - x.mean(0)],
    ids=["raising", "no trailing dimension", "one number", "None", "detached", "coupled"],
)
def test_an_embed_that_cannot_measure_is_refused_by_name(embed):
    refused(LatentPathError, ["embed"], embed=embed)


def test_a_constant_generator_is_no_error():
    path = solve(lambda z: 0 * z, start=START, end=END)
    assert path.cost.tolist() == [0.0]
    assert path.outcome == (lp.Outcome.CONVERGED,)


# ---------------------------------------------------------------------------------------------------------------------
# What comes out.


def test_a_single_endpoint_serves_all_pairs():
    ends = randn(3, 2, seed=1)
    together = solve(start=START, end=ends)
    assert len(together) == 3
    assert torch.equal(together.latents[:, 0], START.expand(3, 2))
    assert torch.equal(together.latents[:, -1], ends)
    spelled = solve(start=START.expand(3, 2).clone(), end=ends)
    assert torch.equal(together.latents, spelled.latents)
    torch.testing.assert_close(solve(start=ends, end=START).cost, together.cost, rtol=2e-3, atol=0)
    assert solve().latents.shape == (1, 9, 2)


def test_a_batch_is_a_loop():
    starts, ends = randn(3, 2, seed=3), randn(3, 2, seed=4)
    whole = solve(start=starts, end=ends)
    for i in range(3):
        torch.testing.assert_close(solve(start=starts[i], end=ends[i]).latents, whole[i].latents, rtol=0, atol=1e-9)


def test_a_straight_line_in_a_flat_metric_is_found_at_once():
    A = randn(2, 5, seed=5)
    path = solve(lambda z: z @ A, flat, strict=True)
    torch.testing.assert_close(path.latents, lp.lerp(START, END, 8)[None], rtol=0, atol=1e-12)
    torch.testing.assert_close(path.cost[0], ((END - START) @ A).norm(), rtol=1e-9, atol=0)


@pytest.mark.parametrize("solver", [None, "multilevel", "lbfgs", "adam", "gradient_descent", lp.solvers.LBFGS(1e-4)])
def test_every_solver_lowers_the_cost_of_the_line(solver):
    path = solve(solver=solver)
    line = lp.lerp(START, END, 8)[None]
    index = lp.RealismIndex(PRIOR)
    assert float(path.energy) < float(lp.energy(line, curved, index))
    assert float(path.cost) < 0.97 * float(lp.audit(line, curved, index).cost)
    expected = type(solver).__name__ if isinstance(solver, lp.solvers.LBFGS) else solver or "multilevel"
    assert path.settings["solver"].lower() == expected.lower().replace("_", "")
    assert path.settings["tol"] == (1e-4 if isinstance(solver, lp.solvers.LBFGS) else 1e-3)


def test_the_papers_own_metric():
    """Notes 5.1: radius 2, 45 degrees."""
    a, b = torch.tensor([2.0, 0.0], dtype=F64), torch.tensor([math.sqrt(2), math.sqrt(2)], dtype=F64)
    path = lp.interpolate(lambda z: z, PRIOR, a, b, alpha=1.0, strict=True)
    assert float(path.cost) == pytest.approx(2.463679, rel=1e-2)
    assert float(path.cost) > 2.463679 * (1 - 1e-3)


def test_identical_endpoints_cost_nothing_and_do_not_disturb_the_others():
    starts, ends = torch.stack([START, START]), torch.stack([START, END])
    path = solve(start=starts, end=ends, strict=True)
    assert torch.equal(path.latents[0], START.expand(9, 2))
    assert float(path.cost[0]) == float(path.length[0]) == float(path.energy[0]) == float(path.gap[0]) == 0
    torch.testing.assert_close(path.latents[1], solve().latents[0], rtol=0, atol=1e-9)


def test_float32_agrees_with_float64():
    prior = priors.standard_normal(2)
    path = solve(prior=prior, start=START.float(), end=END.float(), strict=True)
    for fact in (path.latents, path.cost, path.energy, path.ri, path.step_lengths, path.length, path.gap):
        assert fact.dtype == torch.float32
    assert torch.equal(path.start[0], START.float())
    assert torch.equal(path.end[0], END.float())
    torch.testing.assert_close(path.cost.double(), solve().cost, rtol=2e-3, atol=0)


def test_embed_is_the_space_in_which_the_path_is_shortest():
    def first_two(x):
        return x[:, :2]

    features = solve(embed=first_two)
    assert features.settings["embed"] == "first_two"
    torch.testing.assert_close(features.latents, solve(lambda z: curved(z)[:, :2]).latents, rtol=0, atol=1e-12)
    literal = solve(embed="latent")
    assert literal.settings["embed"] == "latent"
    torch.testing.assert_close(literal.latents, solve(lambda z: z).latents, rtol=0, atol=1e-12)
    assert literal.frames(4).shape == (1, 4, 3)


def test_strict_raises_with_the_path_that_was_found():
    error = refused(SolveError, ["strict", "path 0: budget spent", ".path"], max_evaluations=2, strict=True)
    assert torch.equal(error.path.start[0], START)
    assert error.path.outcome == (lp.Outcome.BUDGET_SPENT,)
    assert solve(strict=True).outcome == (lp.Outcome.CONVERGED,)


def test_strict_refuses_a_path_that_tunnels():
    def barrier(z):  # along the whole plane, and thin: there is no way around
        return -0.1 - 60 * torch.exp(-(((z[..., 0] - 0.77) / 0.004) ** 2))

    error = refused(
        SolveError, ["strict", "path 0: unresolved, tunnels in segment(s)"], lambda z: z, barrier, strict=True
    )
    assert float(error.path.gap) > 0.1


def test_strict_refuses_a_path_that_jumps_a_wall():
    def wall(z):
        return torch.where((z[..., 0] - 0.77).abs() < 0.02, -torch.inf, -0.1 - 0 * z[..., 0])

    path = solve(lambda z: z, wall)
    assert float(path.cost) == torch.inf
    refused(SolveError, ["strict"], lambda z: z, wall, strict=True)


def test_a_pair_whose_line_meets_a_wall_is_left_as_it_was_and_the_others_are_solved():
    def disk(z):
        return torch.full_like(z[..., 0], -0.2).masked_fill(z.square().sum(-1) < 0.25, -torch.inf)

    starts = torch.tensor([[-1.0, 0.0], [-1.0, 1.0]], dtype=F64)
    path = solve(lambda z: z, disk, starts, -starts * torch.tensor([1.0, -1.0], dtype=F64), segments=9)
    assert path.outcome == (lp.Outcome.NON_FINITE, lp.Outcome.CONVERGED)
    assert torch.equal(path.latents[0], lp.lerp(starts[0], -starts[0], 9))
    assert path.cost.isfinite().tolist() == [False, True]


@pytest.mark.parametrize("segments", [5, 8, 9, 12])
def test_a_path_beside_a_wall_does_not_cut_it(segments):
    """The line is clear of the disk; the index draws the path towards it, and round its edge on few points."""

    def disk(z):
        return (-0.2 - z.square().sum(-1)).masked_fill(z.square().sum(-1) < 0.25, -torch.inf)

    a, b = torch.tensor([-1.0, 1.0], dtype=F64), torch.tensor([1.0, 1.0], dtype=F64)
    assert bool(lp.audit(lp.lerp(a, b, segments), lambda z: z, disk).cost.isfinite())
    path = solve(lambda z: z, disk, a, b, segments=segments)
    assert bool(path.cost.isfinite()), f"{path.outcome[0]}, and yet it crosses the wall"


def test_a_generator_that_fails_on_one_pair_spoils_no_other():
    def half(z):
        return torch.where(z[:, :1] > 1.5, math.nan, z)

    starts, ends = 0.5 * randn(6, 2, seed=6), 0.5 * randn(6, 2, seed=7)
    starts[5, 0] = 2
    path = solve(half, start=starts, end=ends)
    assert path.outcome[5] is lp.Outcome.NON_FINITE
    assert set(path.outcome[:5]) == {lp.Outcome.CONVERGED}
    torch.testing.assert_close(path[:5].latents, solve(start=starts[:5], end=ends[:5], generator=lambda z: z).latents)


# ---------------------------------------------------------------------------------------------------------------------
# What it takes.

SOLVERS = ["multilevel", "lbfgs", "adam", "gradient_descent"]


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_callback_hears_of_every_step_and_stops(solver):
    heard = []

    def listen(progress):
        heard.append((progress.iteration, progress.evaluations, progress.energy.clone(), progress.latents.shape[1]))
        assert progress.running <= 2
        assert torch.equal(progress.latents[:, 0], START.expand(2, 2))
        return len(heard) >= 4

    path = solve(solver=solver, start=START, end=torch.stack([END, -END]), segments=16, tol=1e-8, callback=listen)
    assert [iteration for iteration, *_ in heard] == [1, 2, 3, 4], "after a true answer it is asked no more"
    assert all(before[1] < after[1] for before, after in itertools.pairwise(heard))
    for before, after in itertools.pairwise(heard):
        if before[3] == after[3]:
            assert bool((after[2] <= before[2]).all())
    assert path.outcome == (lp.Outcome.BUDGET_SPENT,) * 2
    assert torch.equal(path.start, START.expand(2, 2))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("budget", [1, 5, 12.5])
def test_the_budget_is_kept(solver, budget):
    counted = Counted(curved)
    path = solve(counted, solver=solver, segments=32, tol=1e-9, max_evaluations=budget)
    assert float(path.evaluations) <= budget + 5  # the finest level is always reached
    assert path.outcome == (lp.Outcome.BUDGET_SPENT,)


def test_the_budget_is_what_the_generator_was_asked():
    """One evaluation is one pass over all points of a path; the audit and the checks come on top."""
    counted, points = Counted(curved), 33
    state = lp.solvers.solve(
        lp.solvers.GradientDescent(1e-9),
        lp.solvers.Objective(counted, lp.RealismIndex(PRIOR)),
        lp.lerp(START, END, points - 1)[None],
        max_evaluations=20,
    )
    assert sum(n for n in counted.calls if n == points) == points * math.floor(float(state.evaluations))


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_path_that_has_converged_costs_no_more(solver):
    """Beside a hard pair: one that stands still and one that is short."""
    starts = torch.stack([START, START, START])
    ends = torch.stack([END, START, START + 1e-3])
    counted, running = Counted(curved), []

    def listen(progress):
        running.append((progress.running, progress.latents.shape[1], counted.calls[-1], len(counted.calls)))

    path = solve(counted, solver=solver, start=starts, end=ends, segments=10, tol=1e-2, callback=listen)
    assert float(path.evaluations[0]) > float(path.evaluations[1])
    assert any(row[0] == 1 for row in running)  # only the hard one is left
    for before, after in itertools.pairwise(running):
        if before[1] == after[1] and after[3] == before[3] + 1:  # one call, on the same level
            assert after[2] == before[0] * before[1]


@pytest.mark.parametrize("max_points", [2, 5, 9, 10, 25])
def test_max_points_bounds_every_call_and_changes_nothing(max_points):
    starts, ends = randn(3, 2, seed=8), randn(3, 2, seed=9)
    counted = Counted(curved)
    bounded, free = (
        solve(g, start=starts, end=ends, tol=1e-2, max_points=n) for g, n in ((counted, max_points), (curved, None))
    )
    torch.testing.assert_close(bounded.latents, free.latents, rtol=0, atol=1e-8)
    torch.testing.assert_close(bounded.cost, free.cost, rtol=1e-9, atol=0)
    bounded.frames(7)
    bounded.resample(5)
    bounded.report()
    assert max(counted.calls) <= max_points


def test_inputs_are_left_alone_and_unlinked():
    start, end = START.clone().requires_grad_(), END.clone()[None].requires_grad_()
    path = solve(start=start, end=end)
    assert torch.equal(start, START)
    assert torch.equal(end[0], END)
    assert start.grad is None
    assert not path.latents.requires_grad
    path.latents.zero_()
    assert torch.equal(start, START)


def test_nothing_is_left_on_the_generator():
    net = model()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    path = solve(net)
    assert path.frames(3).shape == (1, 3, 3, 4)
    for parameter in net.parameters():
        assert parameter.requires_grad
        assert parameter.grad is None
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    for fact in (path.latents, path.energy, path.cost, path.step_lengths, path.ri, path.gain, path.frames(3)):
        assert not fact.requires_grad
    torch.testing.assert_close(solve(model().requires_grad_(False)).latents, path.latents, rtol=0, atol=1e-12)


def test_under_no_grad_it_is_the_same():
    expected = solve(model())
    with torch.no_grad():
        found = solve(model())
        assert not torch.is_grad_enabled()
    assert torch.equal(found.latents, expected.latents)
    assert torch.equal(found.cost, expected.cost)


def test_under_inference_mode_it_is_solved_or_says_so():
    with torch.inference_mode():
        try:
            path = solve()
        except LatentPathError as error:
            assert "inference_mode" in str(error)  # noqa: PT017
        else:
            torch.testing.assert_close(path.cost, solve().cost)


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    solve(prior=lp.RealismIndex(priors.semicircle(2, dtype=F64), samples=200))
    assert torch.equal(torch.rand(3), expected)


def test_settings_say_how_the_path_was_made():
    assert solve(max_evaluations=300, alpha=0.8).settings == {
        "segments": 8,
        "alpha": 0.8,
        "embed": None,
        "solver": "Multilevel",
        "tol": 1e-3,
        "max_evaluations": 300,
    }


def test_a_callable_index_is_asked_for_points_only():
    """As a flow's log_prob would be: (N, D) to (N,), whatever the shape of the path."""

    def index(z):
        assert z.ndim == 2
        return -0.1 - z.square().sum(1)

    assert solve(prior=index).outcome == (lp.Outcome.CONVERGED,)


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


def test_a_batch_of_one_endpoint_serves_all_pairs_too():
    ends = randn(3, 2, seed=1)
    assert torch.equal(solve(start=START[None], end=ends).latents, solve(start=START, end=ends).latents)


def test_true_is_no_budget():
    refused(InputError, ["max_evaluations must be a number"], curved, max_evaluations=True)
