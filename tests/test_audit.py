from __future__ import annotations

import math
from dataclasses import fields

import pytest
import torch
from scipy.integrate import quad

import latentpath as lp
from latentpath import priors
from latentpath.errors import InputError

F64 = torch.float64


def randn(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def unit_line(segments):
    return lp.lerp(torch.zeros(1, dtype=F64), torch.ones(1, dtype=F64), segments)


def identity(z):
    return z


def barrier(at, width, height=50.0, base=0.1):
    """A smooth barrier of low index, and what crossing it costs along the unit line."""

    def index(z):
        return -base - height * torch.exp(-(((z[..., 0] - at) / width) ** 2))

    return index, base + height * width * math.sqrt(math.pi)


def wall(low, high, base=0.1):
    return lambda z: torch.full_like(z[..., 0], -base).masked_fill((z[..., 0] > low) & (z[..., 0] < high), -torch.inf)


class Counted:
    """A generator that counts what it is asked."""

    def __init__(self, generator):
        self.generator, self.points, self.largest = generator, 0, 0

    def __call__(self, z):
        self.points += len(z)
        self.largest = max(self.largest, len(z))
        return self.generator(z)


# ---------------------------------------------------------------------------------------------------------------------
# Where there is nothing to find.


def test_a_resolved_path_costs_what_its_energy_says():
    A, line = randn(3, 6, seed=1), lp.lerp(randn(4, 3, seed=2), randn(4, 3, seed=3), 7)
    facts = lp.audit(line, lambda z: z @ A, lambda z: -2 * torch.ones_like(z[..., 0]))
    distance = ((line[:, -1] - line[:, 0]) @ A).norm(dim=-1)
    torch.testing.assert_close(facts.length, distance, rtol=1e-12, atol=0)
    torch.testing.assert_close(facts.cost, 2 * distance, rtol=1e-12, atol=0)
    torch.testing.assert_close(facts.energy, 2 * distance**2, rtol=1e-12, atol=0)
    torch.testing.assert_close(facts.gap, torch.zeros(4, dtype=F64), rtol=0, atol=1e-12)
    torch.testing.assert_close(facts.segment_cost, (2 * distance / 7)[:, None].expand(4, 7), rtol=1e-12, atol=0)
    assert bool(facts.settled.all())
    assert not bool(facts.tunnels.any())


@pytest.mark.parametrize("segments", [1, 3, 20])
@pytest.mark.parametrize("dim", [2, 5])
def test_the_cost_of_a_straight_line_through_a_normal_prior(segments, dim):
    """The integral of w along a chord, by quadrature of the exact index."""
    index = lp.RealismIndex(priors.standard_normal(dim, dtype=F64))
    a, b = 1.5 * randn(dim, seed=4), 1.5 * randn(dim, seed=5)
    exact, _ = quad(lambda t: -float(index.log(torch.lerp(a, b, t))), 0, 1, epsrel=1e-9)
    facts = lp.audit(lp.lerp(a, b, segments), identity, index, tolerance=1e-4)
    assert float(facts.cost) == pytest.approx(exact * float((b - a).norm()), rel=1e-4)
    assert float(facts.length) == pytest.approx(float((b - a).norm()), rel=1e-12)
    assert bool(facts.settled)


def test_the_audit_is_of_the_polyline_and_not_of_its_points():
    """Through the origin at radius 2, D = 3 (notes 5.2): 1.504304, on two segments."""
    index = lp.RealismIndex(priors.standard_normal(3, dtype=F64), alpha=1.0)
    line = torch.tensor([[2.0, 0, 0], [0, 0, 0], [0, 2.0, 0]], dtype=F64)
    assert float(lp.audit(line, identity, index).cost) == pytest.approx(1.504304, rel=1e-3)
    assert float(lp.audit(line, identity, index, tolerance=1e-5).cost) == pytest.approx(1.504304, rel=1e-5)
    assert abs(float(lp.discrete_cost(line, identity, index)) / 1.504304 - 1) > 0.1


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-4])
def test_the_tolerance_is_kept(tolerance):
    index, exact = barrier(0.5, 0.07)
    assert float(lp.audit(unit_line(3), identity, index, tolerance=tolerance).cost) == pytest.approx(
        exact, rel=tolerance
    )


# ---------------------------------------------------------------------------------------------------------------------
# Where the energy lies.


@pytest.mark.parametrize(
    ("segments", "at", "width"),
    [(10, 0.55, 0.005), (50, 0.51, 0.001), (4, 0.6, 0.01), (10, 0.5563, 0.002), (10, 0.5563, 0.0011)],
    ids=["K = 10", "K = 50", "off the middle", "1/50 of a segment", "1/90 of a segment"],
)
def test_a_thin_barrier_between_the_points_is_found(segments, at, width):
    """Notes, section 4: sqrt(2E) reads far below the cost; also where no eighth of a segment has a point on it."""
    index, exact = barrier(at, width, height=0.6 / width)
    facts = lp.audit(unit_line(segments), identity, index)
    assert float(facts.cost) == pytest.approx(exact, rel=1e-3)
    assert float((2 * facts.energy).sqrt()) < 0.2 * exact
    assert facts.tunnels.nonzero().flatten().tolist() == [int(at * segments)]
    assert float(facts.gap) == pytest.approx(float(facts.cost / (2 * facts.energy).sqrt() - 1), rel=1e-9)
    assert float(facts.gap) > 4
    assert bool(facts.settled)


def test_several_barriers_in_a_batch_are_each_located():
    line = unit_line(10)

    def index(z):
        return -0.1 - 80 * sum(torch.exp(-(((z[..., 0] - at) / 0.004) ** 2)) for at in (0.25, 0.73))

    facts = lp.audit(torch.stack([line, line.flip(0), 0.5 + 0.1 * line]), identity, index)
    assert [row.nonzero().flatten().tolist() for row in facts.tunnels] == [[2, 7], [2, 7], []]
    torch.testing.assert_close(facts.cost[0], facts.cost[1], rtol=1e-9, atol=0)
    torch.testing.assert_close(facts.cost[2], torch.tensor(0.01, dtype=F64), rtol=1e-6, atol=0)


def test_a_barrier_that_the_points_resolve_is_no_tunnel():
    index, exact = barrier(0.5, 0.2)
    facts = lp.audit(unit_line(50), identity, index)
    assert not bool(facts.tunnels.any())
    assert float(facts.cost) == pytest.approx(exact, rel=2e-3)


def test_a_bend_of_the_generator_between_the_points_is_a_tunnel_too():
    def bump(z):  # out and back within one segment: the points do not move
        return torch.cat([z, 3 * torch.exp(-(((z - 0.55) / 0.01) ** 2))], -1)

    facts = lp.audit(unit_line(10), bump, lambda z: -torch.ones_like(z[..., 0]))
    assert float((2 * facts.energy).sqrt()) == pytest.approx(1, rel=1e-6)
    assert float(facts.cost) == pytest.approx(float(facts.length), rel=1e-9)
    assert 6 < float(facts.length) < 7
    assert facts.tunnels.nonzero().flatten().tolist() == [5]
    assert float(facts.gap) == pytest.approx(float(facts.length) - 1, rel=1e-6)


def test_the_gap_is_negative_where_the_speed_is_uneven():
    line = torch.tensor([[0.0], [0.9], [1.0]], dtype=F64)
    facts = lp.audit(line, identity, lambda z: -torch.ones_like(z[..., 0]))
    assert float(facts.cost) == pytest.approx(1, rel=1e-12)
    assert float(facts.gap) == pytest.approx(1 / math.sqrt(2 * (0.81 + 0.01)) - 1, rel=1e-9)


def test_standing_still_costs_nothing_and_has_no_gap():
    still = randn(3, 4, seed=6)[:, None].expand(3, 6, 4)
    facts = lp.audit(still, identity, lambda z: -torch.ones_like(z[..., 0]))
    for fact in (facts.cost, facts.length, facts.energy, facts.gap):
        assert torch.equal(fact, torch.zeros(3, dtype=F64))
    assert bool(facts.settled.all())
    assert not bool(facts.tunnels.any())


def test_a_generator_that_fails_between_the_points_is_not_taken_for_one_that_stands_still():
    facts = lp.audit(
        unit_line(10), lambda z: z.where((z - 0.55).abs() > 0.02, math.nan), lambda z: -torch.ones_like(z[..., 0])
    )
    for fact in (facts.cost, facts.length, facts.segment_cost[5], facts.segment_length[5]):
        assert not math.isfinite(float(fact))
    assert float(facts.energy) == pytest.approx(0.5, rel=1e-9)


# ---------------------------------------------------------------------------------------------------------------------
# Walls.


@pytest.mark.parametrize("base", [0.1, 50.0])
@pytest.mark.parametrize("width", [0.02, 0.002, 0.001], ids=lambda w: f"{w:g} wide")
def test_a_wall_between_the_points_costs_everything(width, base):
    """The segments are 0.1 long; the index is looked at on 128 points of each, so 0.001 is wide enough to be seen."""
    facts = lp.audit(unit_line(10), identity, wall(0.5503 - width / 2, 0.5503 + width / 2, base))
    assert float(facts.cost) == torch.inf
    assert float(facts.segment_cost[5]) == torch.inf
    assert float(facts.gap) == torch.inf
    assert float(facts.length) == pytest.approx(1, rel=1e-12)


def test_a_wall_between_the_points_is_a_tunnel():
    facts = lp.audit(unit_line(10), identity, wall(0.54, 0.56))
    assert facts.tunnels.nonzero().flatten().tolist() == [5], "the segment hides an infinite cost"


@pytest.mark.parametrize("base", [0.1, 50.0])
def test_a_wall_is_never_crossed_not_even_where_a_single_point_of_the_scan_lies_in_it(base):
    at, width = 0.5 + 0.1 * 57 / 128, 0.1 * 0.8 / 128
    facts = lp.audit(unit_line(10), identity, wall(at - width / 2, at + width / 2, base))
    assert float(facts.cost) == torch.inf


def test_a_wall_beside_the_path_costs_nothing():
    line = torch.cat([unit_line(10), torch.ones(11, 1, dtype=F64)], -1)
    facts = lp.audit(line.flip(-1), identity, wall(1.0, 2.0))
    assert float(facts.cost) == pytest.approx(0.1, rel=1e-12)


def test_a_wall_leaves_the_other_paths_alone():
    lines = torch.stack([unit_line(4), 2 + unit_line(4)])
    facts = lp.audit(lines, identity, wall(0.3, 0.4))
    assert facts.cost.isfinite().tolist() == [False, True]
    torch.testing.assert_close(facts.cost[1], torch.tensor(0.1, dtype=F64))
    torch.testing.assert_close(facts.length, torch.ones(2, dtype=F64))


def test_a_uniform_prior_is_a_wall_around_its_support():
    index = lp.RealismIndex(priors.uniform_ball(2, dtype=F64))
    inside = lp.lerp(torch.tensor([-0.9, 0.0], dtype=F64), torch.tensor([0.0, 0.9], dtype=F64), 5)
    around = torch.tensor([[-0.9, 0.0], [-0.9, 0.9], [0.0, 0.9]], dtype=F64)
    facts = lp.audit(inside, identity, index)
    assert float(facts.cost) == pytest.approx(-math.log(0.9) * 0.9 * math.sqrt(2), rel=1e-9)
    assert float(lp.audit(around, identity, index).cost) == torch.inf


# ---------------------------------------------------------------------------------------------------------------------
# What it takes.


def test_what_cannot_settle_says_so():
    """A jump of the generator has no length: every subdivision makes it steeper, and the price moves with it."""

    def rough(z):
        return torch.cat([z, torch.sin(1e5 * z.square())], -1)

    facts = lp.audit(unit_line(5), rough, lambda z: -torch.ones_like(z[..., 0]))
    assert facts.settled.shape == ()
    assert not bool(facts.settled)
    both = lp.audit(torch.stack([unit_line(5), unit_line(5) * 0]), rough, lambda z: -torch.ones_like(z[..., 0]))
    assert both.settled.tolist() == [False, True]


def test_refinement_is_bounded_and_spent_where_it_is_needed():
    segments, index = 10, barrier(0.5563, 0.001, height=500)[0]
    smooth, thin, never = (Counted(identity) for _ in range(3))
    lp.audit(unit_line(segments), smooth, lambda z: -torch.ones_like(z[..., 0]))
    assert smooth.points <= segments * 9 + segments * 2 + segments + 1  # an eighth, the ends, and the points
    assert bool(lp.audit(unit_line(segments), thin, index).settled)
    assert thin.points - smooth.points <= 2 * 512 + 7  # one segment alone
    lp.audit(unit_line(segments), never, lambda z: -1 - 1e3 * torch.sin(1e6 * z[..., 0]).abs())
    assert never.points <= smooth.points + segments * (2 * 512 + 7)


def rippled(z):
    return torch.stack([z[:, 0], z[:, 1] + 0.05 * torch.sin(9 * z[:, 0]), z[:, 0] * z[:, 1]], -1)


INDEX = lp.RealismIndex(priors.standard_normal(2, dtype=F64))


@pytest.mark.parametrize("max_points", [1, 2, 7, 8, 9, 10, 50, 10**6])
def test_chunks_of_any_size_give_the_same_facts_and_bound_every_call(max_points):
    line, counted = randn(3, 6, 2, seed=7), Counted(rippled)
    whole, parts = lp.audit(line, rippled, INDEX), lp.audit(line, counted, INDEX, max_points=max_points)
    for fact in fields(lp.Audit):
        torch.testing.assert_close(getattr(parts, fact.name), getattr(whole, fact.name), rtol=1e-12, atol=1e-12)
    assert counted.largest <= max_points


def test_a_batch_is_a_loop():
    lines = randn(2, 3, 6, 2, seed=8)
    whole = lp.audit(lines, rippled, INDEX)
    for i in range(2):
        for j in range(3):
            alone = lp.audit(lines[i, j], rippled, INDEX)
            for fact in fields(lp.Audit):
                torch.testing.assert_close(
                    getattr(whole, fact.name)[i, j], getattr(alone, fact.name), rtol=1e-12, atol=1e-12
                )


def test_facts_add_up_and_agree_with_the_functionals():
    line = randn(4, 9, 2, seed=9)
    facts = lp.audit(line, rippled, INDEX)
    torch.testing.assert_close(facts.segment_cost.sum(-1), facts.cost)
    torch.testing.assert_close(facts.segment_length.sum(-1), facts.length)
    torch.testing.assert_close(facts.energy, lp.energy(line, rippled, INDEX))
    fine = torch.cat([*(lp.lerp(line[:, i], line[:, i + 1], 400)[:, :-1] for i in range(8)), line[:, -1:]], 1)
    torch.testing.assert_close(facts.cost, lp.discrete_cost(fine, rippled, INDEX), rtol=1e-3, atol=0)
    torch.testing.assert_close(facts.length, lp.length(fine, rippled), rtol=2e-3, atol=0)  # cost is what settles


def test_embed_is_the_space_that_is_audited():
    line = randn(2, 5, 2, seed=10)
    features = lambda x: x[:, :2].tanh()  # noqa: E731
    for embed, plain in ((features, lambda z: features(rippled(z))), ("latent", identity)):
        torch.testing.assert_close(
            lp.audit(line, rippled, INDEX, embed=embed).cost, lp.audit(line, plain, INDEX).cost, rtol=1e-12, atol=0
        )


def test_no_graph_is_kept_and_float32_stays_float32():
    line = randn(2, 5, 2, seed=11).float().requires_grad_()
    facts = lp.audit(line, rippled, INDEX)
    assert not facts.cost.requires_grad
    assert facts.cost.dtype == facts.gap.dtype == facts.segment_length.dtype == torch.float32
    torch.testing.assert_close(facts.cost.double(), lp.audit(line.double(), rippled, INDEX).cost, rtol=1e-4, atol=0)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, math.nan])
def test_a_tolerance_must_be_above_0(tolerance):
    with pytest.raises(InputError, match="tolerance must.*above 0"):
        lp.audit(unit_line(3), identity, INDEX, tolerance=tolerance)


@pytest.mark.parametrize("shape", [(1, 2), (3, 1, 2)])
def test_a_polyline_must_have_a_segment(shape):
    with pytest.raises(InputError, match="at least one segment") as caught:
        lp.audit(torch.zeros(shape, dtype=F64), identity, INDEX)
    assert str(shape) in str(caught.value)
