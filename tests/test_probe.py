"""The probe of a generator: random, coupled, failing and non-differentiable ones are refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import latentpath as lp
from interpolate_examples import END, F64, START, curved, failing, randn, refused, solve
from latentpath import priors
from latentpath.errors import GeneratorError, LatentPathError

NOISE = torch.Generator().manual_seed(5)
CALLS = iter(range(10**9))


class OneWay(torch.autograd.Function):
    """Differentiable once, in reverse, as custom kernels often are."""

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
