"""The log-volume: closed forms, the estimate against the exact value, gradients, the ridge, threads."""

from __future__ import annotations

import math
import threading

import pytest
import torch
from torch import Tensor

import latentpath as lp
from closed_forms import cylinder, stereographic
from latentpath.callables import forward_mode
from latentpath.errors import GeneratorError, InputError
from latentpath.jacobian import jacobian_products, pushforward, transposed_products

F64 = torch.float64
WAYS = {"exact": {"method": "exact"}, "lanczos": {"method": "lanczos", "probes": 20, "steps": 20}}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


INNER, OUTER, TURN = normal(3, 8, seed=1), normal(8, 5, seed=2), torch.linalg.qr(normal(80, 80, seed=3)).Q
STRETCH = torch.logspace(-0.5, 0.5, 80, dtype=F64)


def bent(z: Tensor) -> Tensor:
    """Three latents to five numbers."""
    return torch.tanh(z @ INNER) @ OUTER


def wide(z: Tensor) -> Tensor:
    """Eighty latents to a hundred numbers, bent, with stretches between 0.3 and 3."""
    turned = z @ TURN * STRETCH
    return torch.cat([turned + 0.3 * torch.sin(turned), 0.2 * turned[:, :20].square()], 1)


class Sine(torch.autograd.Function):
    """A sine without a rule for forward mode."""

    @staticmethod
    def forward(ctx: object, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)  # type: ignore[attr-defined]
        return z.sin()

    @staticmethod
    def backward(ctx: object, slope: Tensor) -> Tensor:
        return slope * ctx.saved_tensors[0].cos()  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------------------------- exact answers


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("dim", "outputs"), [(1, 1), (3, 3), (3, 7)])
def test_a_linear_map_stretches_by_its_determinant(way: str, dim: int, outputs: int) -> None:
    A = normal(dim, outputs)
    expected = 0.5 * torch.logdet(A @ A.T)
    found = lp.log_volume(normal(2, 4, dim), lambda z: z @ A, ridge=0, **WAYS[way])
    torch.testing.assert_close(found, expected.expand(2, 4), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("way", WAYS)
def test_sphere_and_cylinder(way: str) -> None:
    z = normal(5, 4)
    expected = 4 * (2 / (1 + z.square().sum(-1))).log()
    torch.testing.assert_close(lp.log_volume(z, stereographic, ridge=0, **WAYS[way]), expected)
    # the ridge raises a conformal map by D/2 log(1 + eps)
    ridged = lp.log_volume(z, stereographic, ridge=0.01, **WAYS[way])
    torch.testing.assert_close(ridged, expected + 2 * math.log(1.01))
    flat = lp.log_volume(normal(5, 2), cylinder, ridge=0, **WAYS[way])
    torch.testing.assert_close(flat, torch.zeros(5, dtype=F64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("way", WAYS)
def test_the_ridge_makes_a_map_of_lower_rank_finite(way: str) -> None:
    """Two of four latents are dead: each counts as a stretch of sqrt(eps c), c = (4 + 9) / 4."""
    A = torch.diag(torch.tensor([2.0, 3.0, 0.0, 0.0], dtype=F64))
    z, c = normal(3, 4), 13 / 4
    levels = [4 + 0.01 * c, 9 + 0.01 * c, 0.01 * c, 0.01 * c]
    expected = torch.full((3,), 0.5 * sum(map(math.log, levels)), dtype=F64)
    torch.testing.assert_close(lp.log_volume(z, lambda z: z @ A, ridge=0.01, **WAYS[way]), expected)
    fewer = lp.log_volume(z, lambda z: (z @ A)[:, :2], ridge=0.01, **WAYS[way])  # fewer outputs than latents
    torch.testing.assert_close(fewer, expected)
    constant = lp.log_volume(z, lambda z: 0 * z, **WAYS[way])
    assert (constant == -math.inf).all()
    assert (lp.log_volume(z, lambda z: z @ A, ridge=0, method="exact") == -math.inf).all()


def test_scaling_the_data_adds_and_a_point_of_nan_is_nan_alone() -> None:
    z = normal(4, 3)
    found = lp.log_volume(z, bent)
    torch.testing.assert_close(lp.log_volume(z, lambda z: 7 * bent(z)), found + 3 * math.log(7))
    z[1, 0] = math.nan
    for way in WAYS.values():
        assert lp.log_volume(z, bent, **way).isnan().tolist() == [False, True, False, False]


def test_single_precision_and_any_shape() -> None:
    z = normal(2, 5, 3)
    narrow = lp.log_volume(z.float(), lambda z: bent(z.double()).float())
    assert narrow.dtype == torch.float32
    torch.testing.assert_close(narrow.double(), lp.log_volume(z, bent), rtol=1e-4, atol=1e-4)
    assert lp.log_volume(z[0, 0], bent).shape == ()
    assert lp.log_volume(z[:0], bent).shape == (0, 5)
    pictures = lp.log_volume(z, lambda z: bent(z)[:, :, None, None])
    torch.testing.assert_close(pictures, lp.log_volume(z, bent))


# -------------------------------------------------------------------------------------------------------- the estimate


def test_all_probes_and_all_steps_are_exact() -> None:
    z = normal(2, 80)
    value, error = lp.estimate_log_volume(z, wide, method="lanczos", probes=80, steps=80)
    torch.testing.assert_close(value, lp.log_volume(z, wide, method="exact"))
    assert (error == 0).all()
    assert (lp.estimate_log_volume(z, wide, method="exact")[1] == 0).all()


def test_the_estimate_is_unbiased_and_its_error_is_the_standard_error() -> None:
    """Over 40 seeds: the mean deviation within three of its own errors, the deviations as large as reported."""
    z = normal(1, 80)
    exact = lp.log_volume(z, wide, method="exact")
    options = {"method": "lanczos", "probes": 6, "steps": 10}
    found = [lp.estimate_log_volume(z, wide, **options, seed=seed) for seed in range(40)]
    deviation = torch.cat([value - exact for value, _ in found])
    reported = torch.cat([error for _, error in found]).square().mean().sqrt()
    assert deviation.mean().abs() < 3 * reported / math.sqrt(40)
    assert (deviation.abs() < 4 * reported).all()
    assert 0.7 < deviation.std() / reported < 1.4


def test_the_estimate_is_the_default_of_many_latents_and_the_same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentpath.volume._EXACT", 64)
    z = normal(2, 80)
    value, error = lp.estimate_log_volume(z, wide)
    assert (error > 0).all()
    assert torch.equal(value, lp.log_volume(z, wide))
    torch.testing.assert_close(value[:1], lp.log_volume(z[:1], wide))  # the probes are those of every batch
    assert not torch.equal(value, lp.log_volume(z, wide, seed=1))
    z64 = normal(2, 64)
    assert torch.equal(lp.log_volume(z64, torch.sin), lp.log_volume(z64, torch.sin, method="exact"))


# ----------------------------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("size", [None, 2, 7])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("generator", [bent, lambda z: Sine.apply(bent(z))], ids=["plain", "no forward mode"])
def test_gradients_agree_with_differences(generator, way: str, size: int | None) -> None:
    z = normal(3, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: lp.log_volume(z, generator, max_points=size, **WAYS[way]), z)


def test_the_exact_one_has_second_derivatives_and_maps() -> None:
    z = normal(2, 3).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda z: lp.log_volume(z, bent), z)
    (slope,) = torch.autograd.grad(lp.log_volume(z, bent).sum(), z)
    inside = torch.func.grad(lambda z: torch.func.vmap(lambda one: lp.log_volume(one, bent))(z).sum())
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(lambda one: lp.log_volume(one, bent)))(z), slope)
    torch.testing.assert_close(inside(z.detach()), slope)
    push = torch.func.jvp(lambda z: lp.log_volume(z, bent), (z.detach(),), (slope,))[1]
    torch.testing.assert_close(push, slope.square().sum(-1))


@pytest.mark.parametrize("way", WAYS)
def test_a_linear_map_has_the_gradient_0(way: str) -> None:
    z = normal(2, 3).requires_grad_()
    (slope,) = torch.autograd.grad(lp.log_volume(z, lambda z: 2 * z, **WAYS[way]).sum(), z)
    assert (slope == 0).all()


@pytest.mark.parametrize("way", WAYS)
def test_blocks_bound_the_batch_and_change_nothing(way: str) -> None:
    sizes: list[int] = []

    def counted(z: Tensor) -> Tensor:
        sizes.append(len(z))
        return bent(z)

    z = normal(11, 3).requires_grad_()
    whole, pieces = lp.log_volume(z, bent, **WAYS[way]), lp.log_volume(z, counted, max_points=6, **WAYS[way])
    torch.testing.assert_close(pieces, whole, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(*(torch.autograd.grad(v.sum(), z)[0] for v in (pieces, whole)), rtol=1e-9, atol=1e-9)
    assert max(sizes) == 2  # latents at once, three tangents each


def test_transposed_products_are_those_of_the_jacobian() -> None:
    z, w = normal(4, 3), normal(4, 2, 5)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda one: bent(one[None])[0]))(z)
    torch.testing.assert_close(transposed_products(bent, z)(w), w @ jacobian)
    torch.testing.assert_close(jacobian_products(bent, z, normal(4, 2, 3))[0], normal(4, 2, 3) @ jacobian.mT)


# ----------------------------------------------------------------------------------------- a generator that knows it


class Doubling(torch.nn.Module):
    def __init__(self, found: object = None) -> None:
        super().__init__()
        self.found = found
        self.eval()

    def forward(self, z: Tensor) -> Tensor:
        return 2 * z

    def log_volume(self, z: Tensor) -> object:
        return z.new_full(z.shape[:1], 5.0) if self.found is None else self.found


def test_a_generators_own_log_volume_is_taken_unless_a_method_is_given() -> None:
    z = normal(2, 4, 3).requires_grad_()
    value, error = lp.estimate_log_volume(z, Doubling())
    assert value.shape == (2, 4)
    assert (value == 5).all()
    assert (error == 0).all()
    assert (torch.autograd.grad(value.sum(), z)[0] == 0).all()
    torch.testing.assert_close(lp.log_volume(z, Doubling(), ridge=0, method="exact")[0, 0].item(), 3 * math.log(2))
    for wrong in (torch.zeros(3), 5.0, torch.zeros(8, dtype=torch.int64)):
        with pytest.raises(InputError, match=r"generator.log_volume must map \(N, D\) to \(N,\)"):
            lp.log_volume(z, Doubling(wrong))


# ------------------------------------------------------------------------------------------------ arguments, threads


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"points": torch.zeros(2, 3, dtype=torch.int64)}, "points must be floating point"),
        ({"points": [0.0, 1.0]}, "points must be a tensor"),
        ({"generator": 3}, "generator must be a callable"),
        ({"generator": lambda z: z.sum(0)}, "generator must map latents"),
        ({"ridge": -1e-3}, "ridge must be a number"),
        ({"ridge": math.inf}, "ridge must be a number"),
        ({"method": "cholesky"}, "method must be one of 'auto', 'exact', 'lanczos'; got 'cholesky'"),
        ({"probes": 1}, "probes must be a whole number of at least 2"),
        ({"steps": 0}, "steps must be a whole number of at least 1"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"max_points": 0}, "max_points must be a whole number"),
    ],
)
def test_bad_arguments_are_refused(plain, changes: dict, message: str) -> None:
    options = {"points": torch.zeros(2, 3), "generator": lambda z: z} | changes
    with pytest.raises(plain.errors.InputError, match=message):
        plain.log_volume(options.pop("points"), options.pop("generator"), **options)


def test_a_generator_in_training_mode_is_refused_and_its_own_errors_arrive() -> None:
    with pytest.raises(GeneratorError, match="training mode"):
        lp.log_volume(torch.zeros(2, 3), torch.nn.Linear(3, 3))

    def broken(z: Tensor) -> Tensor:
        raise RuntimeError("no data today")

    with pytest.raises(RuntimeError, match="no data today"):
        lp.log_volume(torch.zeros(2, 3), broken)


def test_two_threads_take_turns_in_forward_mode() -> None:
    """The second thread enters while the first one is inside its generator, in the middle of a forward product."""
    inside, z, v = threading.Event(), normal(4, 3), normal(4, 3, seed=5)
    found: dict[str, Tensor] = {}

    def slow(z: Tensor) -> Tensor:
        inside.set()
        other.join(0.05)  # it can only end after this thread has left forward mode
        return bent(z)

    def late() -> None:
        inside.wait()
        found["late"] = pushforward(bent, z, v)

    other = threading.Thread(target=late)
    other.start()
    first = pushforward(slow, z, v)
    other.join()
    torch.testing.assert_close(first, found["late"])
    with forward_mode():  # nests within a thread
        torch.testing.assert_close(pushforward(bent, z, v), first)


def test_log_volumes_of_several_threads_are_those_of_one() -> None:
    z = normal(40, 3)
    (expected,) = torch.autograd.grad(lp.log_volume(leaf := z.clone().requires_grad_(), bent).sum(), leaf)
    found: list[Tensor] = []

    def work() -> None:
        leaf = z.clone().requires_grad_()
        found.append(torch.autograd.grad(lp.log_volume(leaf, bent, max_points=30).sum(), leaf)[0])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for slope in found:
        torch.testing.assert_close(slope, expected)
