from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import latentpath as lp
from latentpath.curves import arc_length, at_arc, even_arc, subdivide
from latentpath.errors import InputError

F64 = torch.float64
BASELINES = [lp.lerp, lp.slerp]


def randn(*shape, seed=0, dtype=F64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def steps(points):
    return points.diff(dim=-2).norm(dim=-1)


def shoemake(a, b, t):
    omega = torch.arccos((a @ b) / (a.norm() * b.norm()))
    return (torch.sin((1 - t) * omega) * a + torch.sin(t * omega) * b) / torch.sin(omega)


# ---------------------------------------------------------------------------------------------------------------------
# Both baselines.


@pytest.mark.parametrize("curve", BASELINES)
@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("segments", [1, 2, 7, 50])
def test_endpoints_are_bit_identical(curve, dtype, segments):
    a, b = 3 * randn(64, 20, seed=1, dtype=dtype), 0.1 * randn(64, 20, seed=2, dtype=dtype)
    line = curve(a, b, segments)
    assert line.shape == (64, segments + 1, 20)
    assert line.dtype == dtype
    assert torch.equal(line[:, 0], a)
    assert torch.equal(line[:, -1], b)


@pytest.mark.parametrize("curve", BASELINES)
def test_time_reversal(curve):
    a, b = randn(16, 5, seed=1), randn(16, 5, seed=2)
    torch.testing.assert_close(curve(b, a, 13), curve(a, b, 13).flip(-2), rtol=0, atol=1e-14)


@pytest.mark.parametrize("curve", BASELINES)
def test_a_batch_is_a_loop(curve):
    a, b = randn(2, 3, 5, seed=1), randn(2, 3, 5, seed=2)
    a[0, 0], b[1, 1], b[0, 2], b[1, 2] = 0, 0, -a[0, 2], 2 * a[1, 2]  # the special cases beside the common one
    whole = curve(a, b, 9)
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(whole[i, j], curve(a[i, j], b[i, j], 9), rtol=0, atol=1e-15)


@pytest.mark.parametrize("curve", BASELINES)
def test_leading_dimensions_broadcast(curve):
    a, b = randn(4, 1, 5, seed=1), randn(3, 5, seed=2)
    expected = curve(a.expand(4, 3, 5).clone(), b.expand(4, 3, 5).clone(), 6)
    assert torch.equal(curve(a, b, 6), expected)
    assert torch.equal(curve(a[0, 0], b, 6), expected[0])


@pytest.mark.parametrize("curve", BASELINES)
def test_the_inputs_are_left_alone(curve):
    a, b = randn(3, 5, seed=1), randn(3, 5, seed=2)
    before = a.clone(), b.clone()
    curve(a, b, 5).add_(1)
    assert torch.equal(a, before[0])
    assert torch.equal(b, before[1])


@pytest.mark.parametrize("curve", BASELINES)
@pytest.mark.parametrize(
    ("start", "end", "segments", "says"),
    [
        (torch.zeros(3), torch.zeros(4), 5, ["one D", "(3,)", "(4,)", "same latent space"]),
        (torch.tensor(1.0), torch.tensor(1.0), 5, ["(..., D)", "()"]),
        (torch.zeros(3), torch.zeros(3, dtype=F64), 5, ["one dtype", "float32", "float64", ".to("]),
        (torch.zeros(3).long(), torch.zeros(3).long(), 5, ["floating point", "int64", ".to("]),
        (torch.zeros(3), torch.zeros(3, device="meta"), 5, ["meta", "values"]),
        (torch.zeros(3), torch.zeros(3), 0, ["at least 1", "0"]),
    ],
    ids=["dimensions", "scalars", "dtypes", "integers", "devices", "segments"],
)
def test_errors_say_what_was_expected_what_came_and_what_to_do(curve, start, end, segments, says):
    with pytest.raises(InputError) as caught:
        curve(start, end, segments)
    for words in says:
        assert words in str(caught.value)


def test_lerp_is_the_convex_combination():
    a, b = randn(6, 4, seed=1), randn(6, 4, seed=2)
    t = torch.arange(12, dtype=F64)[:, None] / 11
    torch.testing.assert_close(lp.lerp(a, b, 11), (1 - t) * a[:, None] + t * b[:, None], rtol=0, atol=1e-15)


# ---------------------------------------------------------------------------------------------------------------------
# The spherical one.


@given(seed=st.integers(0, 2**20), dim=st.integers(2, 30), size=st.floats(1e-3, 1e3), segments=st.integers(1, 20))
def test_slerp_is_shoemakes_for_equal_norms(seed, dim, size, segments):
    a, b = size * torch.nn.functional.normalize(randn(2, dim, seed=seed), dim=-1)
    t = torch.linspace(0, 1, segments + 1, dtype=F64)[:, None]
    torch.testing.assert_close(lp.slerp(a, b, segments), shoemake(a, b, t), rtol=1e-9, atol=1e-10 * size)


@pytest.mark.parametrize("dim", [2, 3, 50])
def test_slerp_turns_at_constant_speed_while_norms_grow_linearly(dim):
    a, b, segments = 0.5 * randn(dim, seed=1), 4 * randn(dim, seed=2), 17
    curve = lp.slerp(a, b, segments)
    omega = torch.arccos((a @ b) / (a.norm() * b.norm()))
    unit = curve / curve.norm(dim=-1, keepdim=True)
    turned = torch.arccos((unit[:-1] * unit[1:]).sum(-1).clamp(-1, 1))
    torch.testing.assert_close(turned, (omega / segments).expand(segments), rtol=1e-9, atol=0)
    torch.testing.assert_close(curve.norm(dim=-1), torch.lerp(a.norm(), b.norm(), torch.linspace(0, 1, 18, dtype=F64)))


def test_slerp_stays_in_the_plane_of_its_endpoints():
    a, b = randn(10, seed=1), randn(10, seed=2)
    basis = torch.linalg.qr(torch.stack([a, b], dim=1)).Q
    curve = lp.slerp(a, b, 9)
    torch.testing.assert_close(curve @ basis @ basis.mT, curve, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
        ([0.0, 0.0, 0.0], [1.0, 2.0, 3.0]),
        ([1.0, 2.0, 3.0], [0.0, 0.0, 0.0]),
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
        ([-0.3, 0.0, 0.0], [-7.0, 0.0, 0.0]),
        ([2.0], [-3.0]),  # in one dimension there is no way around
    ],
    ids=["parallel", "identical", "from zero", "to zero", "zero", "along an axis", "one dimension"],
)
def test_slerp_is_straight_where_there_is_no_turn(start, end, dtype):
    a, b = torch.tensor(start, dtype=dtype), torch.tensor(end, dtype=dtype)
    torch.testing.assert_close(lp.slerp(a, b, 10), lp.lerp(a, b, 10), rtol=0, atol=10 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("scale", [1.0, 0.25])
@pytest.mark.parametrize("start", [[1.0, 0.0], [0.0, 0.0, -2.0], [1.0, 2.0, 3.0, 4.0], [1.0] * 20])
def test_slerp_between_opposite_vectors_is_half_a_circle(start, scale, dtype):
    a = torch.tensor(start, dtype=dtype)
    b, segments = -scale * a, 12
    curve = lp.slerp(a, b, segments)
    unit = (curve / curve.norm(dim=-1, keepdim=True)).double()
    cosine = (unit @ unit[0]).clamp(-1, 1)
    expected = torch.cos(torch.linspace(0, math.pi, segments + 1, dtype=F64))
    torch.testing.assert_close(cosine, expected, rtol=0, atol=20 * torch.finfo(dtype).eps)
    norms = torch.lerp(a.norm(), b.norm(), torch.linspace(0, 1, segments + 1).to(a))
    torch.testing.assert_close(curve.norm(dim=-1), norms)
    rank = torch.linalg.matrix_rank(unit, atol=1e-5)
    assert rank == 2  # one plane, always the same one
    assert torch.equal(curve, lp.slerp(a.clone(), b.clone(), segments))


@pytest.mark.parametrize("angle", [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 3e-7, math.pi - 1e-3, math.pi - 1e-5])
def test_slerp_in_float32_is_accurate_near_parallel_and_opposite(angle):
    u, v = torch.linalg.qr(randn(20, 2, seed=3)).Q.mT
    a32, b32 = (3 * u).float(), (5 * (math.cos(angle) * u + math.sin(angle) * v)).float()
    exact = lp.slerp(a32.double(), b32.double(), 20)
    found = lp.slerp(a32, b32, 20).double()
    # the direction of the plane is itself uncertain by eps / sin(angle)
    slack = 2e-6 if angle < 1 else 2e-6 + 1e-6 / math.sin(angle)
    torch.testing.assert_close(found, exact, rtol=0, atol=slack)


def test_slerp_passes_gradients_that_are_finite_and_right():
    a, b = randn(4, seed=1).requires_grad_(), randn(4, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: lp.slerp(x, y, 3), (a, b))


# ---------------------------------------------------------------------------------------------------------------------
# Polylines.


@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_subdivision_keeps_the_polyline(parts):
    line = randn(3, 6, 4, seed=1)
    fine = subdivide(line, parts)
    assert fine.shape == (3, 5 * parts + 1, 4)
    assert torch.equal(fine[:, ::parts], line)
    torch.testing.assert_close(
        steps(fine), (steps(line) / parts).repeat_interleave(parts, dim=-1), rtol=1e-12, atol=1e-13
    )
    for k in range(5):
        piece = lp.lerp(line[:, k], line[:, k + 1], parts)
        torch.testing.assert_close(fine[:, k * parts : (k + 1) * parts + 1], piece, rtol=0, atol=1e-14)


def test_arc_length_is_the_running_sum():
    size = randn(2, 5, seed=1).abs()
    arc = arc_length(size)
    assert torch.equal(arc[:, 0], torch.zeros(2, dtype=F64))
    torch.testing.assert_close(arc.diff(dim=-1), size, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("points", [2, 3, 10, 101])
def test_even_arc_is_even_and_ends_where_the_arc_ends(points, dtype):
    arc = arc_length(randn(4, 9, seed=2, dtype=dtype).abs())
    even = even_arc(arc, points)
    assert torch.equal(even[:, 0], arc[:, 0])
    assert torch.equal(even[:, -1], arc[:, -1])
    torch.testing.assert_close(
        even.diff(dim=-1),
        (arc[:, -1:] / (points - 1)).expand(4, points - 1),
        rtol=1e-4 if dtype == torch.float32 else 1e-12,
        atol=0,
    )


@given(seed=st.integers(0, 2**20), knots=st.integers(2, 12), points=st.integers(2, 40))
def test_points_at_even_arcs_lie_evenly_along_the_polyline(seed, knots, points):
    """Along a straight line travelled at an uneven pace: the points must come out evenly spaced."""
    pace = randn(2, knots - 1, seed=seed).exp()
    whereabouts = arc_length(pace) / pace.sum(-1, keepdim=True)
    a, b = randn(2, 3, seed=seed + 1), randn(2, 3, seed=seed + 2)
    line = torch.lerp(a[:, None], b[:, None], whereabouts[..., None])
    arc = arc_length(steps(line))
    found = at_arc(line, arc, even_arc(arc, points))
    torch.testing.assert_close(found, lp.lerp(a, b, points - 1), rtol=0, atol=1e-12)


def test_the_points_of_a_polyline_are_at_its_own_arcs_exactly():
    line = randn(3, 8, 4, seed=5)
    arc = arc_length(steps(line))
    torch.testing.assert_close(at_arc(line, arc, arc), line, rtol=0, atol=1e-14)
    found = at_arc(line, arc, even_arc(arc, 5))
    assert torch.equal(found[:, 0], line[:, 0])
    assert torch.equal(found[:, -1], line[:, -1])


def test_a_halt_within_a_polyline_is_passed_over():
    line = torch.tensor([[0.0], [1.0], [1.0], [1.0], [3.0]], dtype=F64)
    arc = arc_length(steps(line))
    torch.testing.assert_close(at_arc(line, arc, even_arc(arc, 7)), lp.lerp(line[0], line[-1], 6), rtol=0, atol=1e-14)


def test_a_polyline_of_one_point_stays_there():
    line = randn(4, seed=1).expand(6, 4)
    arc = arc_length(steps(line))
    assert torch.equal(at_arc(line, arc, even_arc(arc, 9)), line[:1].expand(9, 4))


def test_points_of_an_arc_that_does_not_grow_count_as_evenly_spaced():
    """A price of 0 or a constant generator measures nothing; the latents still lead from end to end."""
    line = lp.lerp(randn(3, seed=1), randn(3, seed=2), 4)
    arc = torch.zeros(5, dtype=F64)
    torch.testing.assert_close(at_arc(line, arc, even_arc(arc, 9)), lp.lerp(line[0], line[-1], 8), rtol=0, atol=1e-14)


def test_slerp_of_huge_and_tiny_vectors_neither_overflows_nor_goes_straight():
    for scale in (1e30, 1e-30):
        a, b = torch.tensor([scale, 0.0]), torch.tensor([0.0, scale])
        middle = lp.slerp(a, b, 2)[1] / scale
        torch.testing.assert_close(middle, torch.tensor([0.5, 0.5]).sqrt())
