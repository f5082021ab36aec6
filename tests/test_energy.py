from __future__ import annotations

import math
import weakref

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch import nn

import latentpath as lp
from latentpath import priors
from latentpath.decoding import chords, decode, decoded_chords
from latentpath.segment_cost import discrete_price

F64 = torch.float64


def randn(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def image(z):
    """Nonlinear, from 2 or more dimensions to "pictures" of 2 x 3."""
    x, y = z[:, 0], z[:, 1]
    return torch.stack([x + 0.3 * y**2, torch.sin(2 * x), x * y, y.exp(), torch.cos(x - y), y], -1).unflatten(1, (2, 3))


def flat(z):
    return torch.full(z.shape[:-1], -1.5, dtype=z.dtype)


def bowl(z):
    return -0.2 - z.square().sum(-1)


NORMAL = lp.RealismIndex(priors.standard_normal(2, dtype=F64))
KDE = lp.RealismIndex(priors.semicircle(2, dtype=F64), samples=1000)


def naive_energy_and_cost(line, generator, index, alpha):
    """Equation 3 and Definition 2 for one polyline ``(K+1, D)``, as they are written, in plain numbers."""
    K = len(line) - 1
    ri = [float(index(z)) for z in line]
    frames = [generator(z[None])[0].flatten().tolist() for z in line]
    energy = cost = 0.0
    for i in range(K):
        price = -math.log(alpha * (ri[i] + ri[i + 1]) / 2)
        distance = math.sqrt(sum((p - q) ** 2 for p, q in zip(frames[i + 1], frames[i], strict=True)))
        energy += 0.5 * K * price**2 * distance**2
        cost += price * distance
    return energy, cost


# ---------------------------------------------------------------------------------------------------------------------
# The formulas.


@pytest.mark.parametrize("index", [NORMAL, KDE], ids=["normal", "kde"])
@pytest.mark.parametrize("segments", [1, 2, 9])
def test_equation_3_as_it_is_written(index, segments):
    lines = randn(3, 2, segments + 1, 2, seed=segments)
    energy, cost = lp.energy(lines, image, index), lp.discrete_cost(lines, image, index)
    assert energy.shape == cost.shape == (3, 2)
    for at in np.ndindex(3, 2):
        expected = naive_energy_and_cost(lines[at], image, index, index.alpha)
        torch.testing.assert_close((float(energy[at]), float(cost[at])), expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("segments", [1, 3, 50, 200])
def test_the_energy_of_a_straight_line_in_a_flat_metric_does_not_depend_on_segments(segments):
    A, a, b = randn(3, 5, seed=1), randn(4, 3, seed=2), randn(4, 3, seed=3)
    line, distance = lp.lerp(a, b, segments), ((b - a) @ A).norm(dim=-1)
    torch.testing.assert_close(lp.length(line, lambda z: z @ A), distance, rtol=1e-12, atol=0)
    torch.testing.assert_close(lp.discrete_cost(line, lambda z: z @ A, flat), 1.5 * distance, rtol=1e-12, atol=0)
    torch.testing.assert_close(lp.energy(line, lambda z: z @ A, flat), 0.5 * (1.5 * distance) ** 2, rtol=1e-12, atol=0)


def test_cauchy_and_schwarz_hold_with_equality_at_constant_speed_only():
    lines = randn(50, 11, 2, seed=4)
    root, cost = (2 * lp.energy(lines, image, NORMAL)).sqrt(), lp.discrete_cost(lines, image, NORMAL)
    assert bool((root > cost * (1 + 1e-9)).all())
    even = lp.lerp(randn(5, 2, seed=5), randn(5, 2, seed=6), 11)
    torch.testing.assert_close(
        (2 * lp.energy(even, lambda z: z, flat)).sqrt(), lp.discrete_cost(even, lambda z: z, flat)
    )


def test_twice_the_energy_tends_to_the_squared_cost_at_constant_speed():
    """On the exact minimiser of notes 5.1 (45 degrees at radius 2), whose cost is |z1^3 - z2^3| / 6."""
    z1, z2 = 2.0, 2 * np.exp(0.25j * math.pi)
    exact = abs(z1**3 - z2**3) / 6
    index = lp.RealismIndex(priors.standard_normal(2, dtype=F64), alpha=1.0)
    errors = []
    for segments in (10, 20, 40, 80):
        t = np.linspace(0, 1, segments + 1)
        curve = ((1 - t) * z1**3 + t * z2**3) ** (1 / 3)
        line = torch.tensor(np.stack([curve.real, curve.imag], -1))
        errors.append(float(abs((2 * lp.energy(line, lambda z: z, index)).sqrt() - exact)))
    ratios = np.array(errors[:-1]) / errors[1:]
    assert np.all((ratios > 3.5) & (ratios < 4.5))  # second order
    assert errors[-1] < 1e-3 * exact


@pytest.mark.parametrize("index", [NORMAL, KDE, bowl], ids=["normal", "kde", "callable"])
def test_theorem_1_the_cost_of_a_smooth_curve_is_its_length_under_the_metric(index):
    def curve(t):  # at anything but constant speed, and away from the straight line
        s = t**2 * (2 - t)
        return torch.stack([2 * torch.cos(2.2 * s) + 0.2 * s, 1.5 * torch.sin(2.2 * s) - 0.3], -1)

    def speed(t):
        at = torch.tensor([t], dtype=F64)
        z, dz = torch.func.jvp(curve, (at,), (torch.ones_like(at),))
        metric = lp.metric_tensor(z, image, index)[0]
        return float((dz[0] @ metric @ dz[0]).sqrt())

    exact, _ = quad(speed, 0, 1, epsrel=1e-5)
    line = curve(torch.linspace(0, 1, 501, dtype=F64))
    assert float(lp.discrete_cost(line, image, index)) == pytest.approx(exact, rel=1e-3)
    assert float(lp.audit(line, image, index).cost) == pytest.approx(exact, rel=1e-3)


def test_the_length_of_a_circle():
    t = torch.linspace(0, 2 * math.pi, 2001, dtype=F64)
    line = torch.stack([t.cos(), t.sin()], -1)
    assert float(lp.length(line, lambda z: 3 * z)) == pytest.approx(6 * math.pi, rel=1e-5)


def test_prices_average_the_index_and_not_its_logarithm():
    ri = torch.tensor([1.0, 0.2, 1e-30, 1e-300, 1e-300], dtype=F64)
    expected = [-math.log(0.9 * (p + q) / 2) for p, q in zip(ri[:-1].tolist(), ri[1:].tolist(), strict=True)]
    torch.testing.assert_close(discrete_price((0.9 * ri).log()), torch.tensor(expected, dtype=F64), rtol=1e-14, atol=0)


# ---------------------------------------------------------------------------------------------------------------------
# Gradients, walls, standing still.


def test_the_gradient_of_the_energy_is_right():
    assert torch.autograd.gradcheck(lambda z: lp.energy(z, image, NORMAL), randn(5, 2, seed=7).requires_grad_())
    assert torch.autograd.gradcheck(lambda z: lp.discrete_cost(z, image, bowl), randn(5, 2, seed=7).requires_grad_())


@pytest.mark.parametrize("embed", [None, "latent", lambda data: data.flatten(1)[:, :2] ** 2])
@pytest.mark.parametrize("most", [None, 1, 2, 5, 7, 21, 100])
def test_chords_found_block_by_block_are_those_of_all_at_once(most, embed):
    lines = randn(3, 7, 2, seed=21)
    expected = chords(decode(lines, image, embed))
    assert torch.equal(decoded_chords(lines, image, embed, most), expected)
    assert torch.equal(decoded_chords(lines[0], image, embed, most), expected[0])


def test_chords_found_block_by_block_ask_for_each_point_once_and_hold_few():
    asked, alive, highest = [], 0, 0

    def freed(count):
        nonlocal alive
        alive -= count

    def watched(z):
        nonlocal alive, highest
        data = np.repeat(z.numpy(), 50, 1)
        alive += len(z)
        highest = max(highest, alive)
        asked.append(len(z))
        weakref.finalize(data, freed, len(z))
        return torch.from_numpy(data)

    decoded_chords(randn(4, 1001, 2, seed=22), watched, None, 20)
    assert sum(asked) == 4 * 1001
    assert max(asked) == 20
    assert highest <= 40


def test_chords_have_no_gradient_at_distance_0():
    data = randn(4, 3, seed=1)
    data[2] = data[1]
    data.requires_grad_()
    size = chords(data)
    assert float(size[1].detach()) == 0
    assert torch.equal(torch.autograd.grad(size[1], data, retain_graph=True)[0], torch.zeros(4, 3, dtype=F64))
    (slope,) = torch.autograd.grad(size.sum(), data)
    unit = torch.nn.functional.normalize(data.detach().diff(dim=0), dim=-1)
    torch.testing.assert_close(slope, torch.stack([-unit[0], unit[0], -unit[2], unit[2]]))


@pytest.mark.parametrize(
    "measure", [lp.energy, lp.discrete_cost, lambda z, g, i: lp.length(z, g)], ids=["energy", "cost", "length"]
)
def test_what_is_not_a_number_is_not_hidden(measure):
    line = lp.lerp(torch.zeros(2, dtype=F64), torch.ones(2, dtype=F64), 4)
    assert not bool(measure(line, lambda z: z.where((z - 0.5).abs() > 0.1, math.nan), flat).isfinite())


def test_standing_still_where_the_index_is_0_costs_nothing_and_moving_there_everything():
    def wall(z):
        return torch.full_like(z[..., 0], -0.5).masked_fill(z[..., 0] > 1, -torch.inf)

    still = torch.full((3, 2), 2.0, dtype=F64)
    assert float(lp.discrete_cost(still, lambda z: z, wall)) == 0
    assert float(lp.energy(still, lambda z: z, wall)) == 0
    moving = still + torch.arange(3, dtype=F64)[:, None]
    assert float(lp.discrete_cost(moving, lambda z: z, wall)) == torch.inf
    assert float(lp.energy(moving, lambda z: z, wall)) == torch.inf


# ---------------------------------------------------------------------------------------------------------------------
# Spaces and chunks.


def test_embed_chooses_the_space_in_which_lengths_are_measured():
    line = randn(2, 6, 2, seed=8)

    def never(z):
        raise AssertionError("the generator is not needed in the latent space")

    def features(x):
        return x.flatten(1)[:, :2].square()

    by_hand = line.diff(dim=-2).norm(dim=-1)
    torch.testing.assert_close(lp.length(line, never, embed="latent"), by_hand.sum(-1))
    torch.testing.assert_close(
        lp.energy(line, never, bowl, embed="latent"), lp.energy(line, lambda z: z, bowl), rtol=1e-14, atol=0
    )
    for measure in (lp.energy, lp.discrete_cost, lambda z, g, i, **k: lp.length(z, g, **k), lp.metric_tensor):
        torch.testing.assert_close(
            measure(line, image, bowl, embed=features),
            measure(line, lambda z: features(image(z)), bowl),
            rtol=1e-13,
            atol=1e-13,
        )
    torch.testing.assert_close(
        lp.metric_tensor(line, never, bowl, embed="latent"),
        bowl(line).square()[..., None, None] * torch.eye(2, dtype=F64),
    )


@pytest.mark.parametrize("max_points", [1, 2, 3, 5, 7, 29, 30, 31, 1000])
def test_chunks_of_any_size_give_the_same_numbers_and_bound_every_call(max_points):
    sizes = []

    def counted(z):
        sizes.append(len(z))
        return image(z)

    line = randn(3, 10, 2, seed=9)
    for measure in (
        lambda **k: lp.energy(line, counted, NORMAL, **k),
        lambda **k: lp.discrete_cost(line, counted, NORMAL, **k),
        lambda **k: lp.length(line, counted, **k),
        lambda **k: lp.metric_tensor(line, counted, NORMAL, **k),
    ):
        whole = measure()
        sizes.clear()
        torch.testing.assert_close(measure(max_points=max_points), whole, rtol=1e-14, atol=1e-14)
        assert max(sizes) <= max_points


def test_decode_flattens_the_trailing_dimensions_only():
    line = randn(3, 4, 2, seed=1)
    data = decode(line, image)
    assert data.shape == (3, 4, 6)
    assert torch.equal(data[2, 1], image(line[2, 1:2]).flatten())


# ---------------------------------------------------------------------------------------------------------------------
# The metric tensor.


class Swish(torch.autograd.Function):
    """z sigmoid(z), with reverse mode only, as custom kernels have it."""

    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z * z.sigmoid()

    @staticmethod
    def backward(ctx, grad):
        (z,) = ctx.saved_tensors
        s = z.sigmoid()
        return grad * (s + z * s * (1 - s))


def network(act):
    weights = [randn(2, 16, seed=21), randn(16, 12, seed=22)]
    return lambda z: (act(z @ weights[0]) @ weights[1]).unflatten(1, (3, 4))


GENERATORS = {
    "nonlinear": image,
    "network": network(nn.functional.silu),
    "no forward mode": network(Swish.apply),
}


@pytest.mark.parametrize("generator", GENERATORS.values(), ids=GENERATORS.keys())
@pytest.mark.parametrize("index", [NORMAL, KDE, bowl], ids=["normal", "kde", "callable"])
def test_the_metric_tensor_is_that_of_theorem_1(generator, index):
    points = randn(2, 3, 2, seed=10)
    logs = index(points) if index is bowl else index.log(points)
    found = lp.metric_tensor(points, generator, index)
    assert found.shape == (2, 3, 2, 2)
    for at in np.ndindex(2, 3):
        J = torch.autograd.functional.jacobian(lambda z: generator(z[None]).flatten(), points[at])
        torch.testing.assert_close(found[at], logs[at] ** 2 * J.mT @ J, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(found, found.mT, rtol=0, atol=1e-13)
    assert bool((torch.linalg.eigvalsh(found) >= -1e-12 * found.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True)).all())


def test_without_forward_mode_the_metric_is_the_same():
    points = randn(7, 2, seed=11)
    torch.testing.assert_close(
        lp.metric_tensor(points, GENERATORS["no forward mode"], NORMAL),
        lp.metric_tensor(points, GENERATORS["network"], NORMAL),
        rtol=1e-12,
        atol=1e-13,
    )


def test_a_linear_generator_has_the_gram_matrix_for_metric():
    A, points = randn(3, 7, seed=12), randn(4, 3, seed=13)
    expected = (1.5**2 * A @ A.mT).expand(4, 3, 3)
    torch.testing.assert_close(lp.metric_tensor(points, lambda z: z @ A, flat), expected, rtol=1e-13, atol=1e-13)


def test_the_metric_of_the_stereographic_sphere_is_conformal():
    def sphere(z):
        square = z.square().sum(-1, keepdim=True)
        return torch.cat([2 * z, 1 - square], -1) / (1 + square)

    points = randn(6, 4, seed=14)
    factor = (2 / (1 + points.square().sum(-1))) ** 2
    expected = factor[:, None, None] * torch.eye(4, dtype=F64)
    torch.testing.assert_close(
        lp.metric_tensor(points, sphere, lambda z: -torch.ones_like(z[..., 0])), expected, rtol=1e-12, atol=1e-13
    )


def test_no_graph_is_kept_and_parameters_stay_clean():
    model = nn.Linear(2, 5).double()
    points = randn(3, 2, seed=15).requires_grad_()
    assert not lp.metric_tensor(points, model, NORMAL).requires_grad
    assert points.grad is None
    assert all(p.grad is None for p in model.parameters())
