from __future__ import annotations

import builtins
import math

import pytest
import torch
from jaxtyping import config
from scipy.stats import kstest
from torch.distributions import (
    Categorical,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    constraints,
)

import latentpath as lp
from latentpath import priors
from latentpath.errors import InputError, MissingDependencyError
from latentpath.index import RealismIndex

F64 = torch.float64

PRIORS = {
    "normal": lambda dtype: priors.standard_normal(5, dtype=dtype),
    "semicircle": lambda dtype: priors.semicircle(5, dtype=dtype),
    "ball": lambda dtype: priors.uniform_ball(5, 2.0, torch.arange(5.0), dtype=dtype),
    "box": lambda dtype: priors.uniform_box(5, torch.arange(5.0), 7.0, dtype=dtype),
}


@pytest.fixture(params=PRIORS)
def prior(request):
    return PRIORS[request.param](F64)


def test_samples_have_the_mean_and_variance_that_the_prior_states(prior):
    torch.manual_seed(1)
    points = prior.sample((40_000,))
    error = prior.stddev / 200  # one standard error
    assert ((points.mean(0) - prior.mean).abs() < 5 * error).all()
    assert torch.allclose(points.var(0), prior.variance, rtol=0.06)


def test_every_prior_is_one_event_and_follows_the_dtype(prior):
    assert prior.batch_shape == ()
    assert prior.event_shape == (5,)
    for dtype in (torch.float32, F64):
        for make in PRIORS.values():
            points = make(dtype).sample((3, 2))
            assert points.dtype == dtype
            assert make(dtype).log_prob(points).dtype == dtype


def test_samples_lie_in_the_support(prior):
    torch.manual_seed(2)
    assert prior.support.check(prior.sample((1000,))).all()
    assert prior.log_prob(prior.sample((1000,))).isfinite().all()


def test_expand_repeats_the_prior(prior):
    wide = prior.expand((2, 3))
    assert wide.batch_shape == (2, 3)
    assert wide.sample((4,)).shape == (4, 2, 3, 5)
    point = prior.sample()
    assert torch.allclose(wide.log_prob(point), prior.log_prob(point).expand(2, 3), rtol=1e-12)


def test_standard_normal_has_the_density_of_the_textbook():
    z = torch.randn(7, 4, dtype=F64)
    expected = -z.square().sum(-1) / 2 - 2 * math.log(2 * math.pi)
    assert torch.allclose(priors.standard_normal(4, dtype=F64).log_prob(z), expected, rtol=1e-14)


def test_semicircle_is_the_papers_mixture():
    prior = priors.semicircle()
    assert prior.event_shape == (20,)
    assert prior.component_distribution.loc[:, :2].tolist() == [[2, 6], [0, 0], [2, -6]]
    cov = prior.component_distribution.covariance_matrix
    assert cov[:, :2, :2].tolist() == [[[5, 2], [2, 2]], [[1, 0], [0, 3]], [[5, -2], [-2, 2]]]
    assert torch.equal(cov[:, 2:, 2:], 0.5 * torch.eye(18).expand(3, 18, 18))
    assert not cov[:, :2, 2:].any()


def test_semicircle_draws_what_it_always_drew():
    """Models were trained on these numbers: the construction, and so the use of the random state, is fixed."""
    means = torch.zeros(3, 20)
    means[:, :2] = torch.tensor([[2.0, 6.0], [0.0, 0.0], [2.0, -6.0]])
    cov = torch.diag_embed(torch.full((3, 20), 0.5))
    cov[:, :2, :2] = torch.tensor([[[5.0, 2], [2, 2]], [[1, 0], [0, 3]], [[5, -2], [-2, 2]]])
    first = MixtureSameFamily(Categorical(torch.ones(3)), MultivariateNormal(means, cov))
    torch.manual_seed(3)
    expected = first.sample((50,))
    torch.manual_seed(3)
    assert torch.equal(priors.semicircle().sample((50,)), expected)


def test_uniform_densities_integrate_to_one():
    """Against the volumes of a disc, of a ball and of a box."""
    assert math.isclose(priors.uniform_ball(2, 3.0, dtype=F64).entropy().exp(), 9 * math.pi)
    assert math.isclose(priors.uniform_ball(3, 2.0, dtype=F64).entropy().exp(), 32 / 3 * math.pi)
    assert math.isclose(priors.uniform_box(4, -1.0, 2.0, dtype=F64).entropy().exp(), 81)


def test_uniform_sets_are_closed_and_outside_is_minus_infinity_never_an_error():
    ball = priors.uniform_ball(2, 2.0, torch.tensor([1.0, 0.0]), dtype=F64)
    box = priors.uniform_box(2, torch.tensor([0.0, -1.0]), 1.0, dtype=F64)
    inside = [(ball, [3.0, 0.0]), (ball, [1.0, -2.0]), (box, [0.0, -1.0]), (box, [1.0, 1.0])]
    outside = [(ball, [3.001, 0.0]), (ball, [math.inf, 0.0]), (box, [1.001, 0.0]), (box, [0.5, -math.inf])]
    for prior, point in inside:
        assert prior.log_prob(torch.tensor(point, dtype=F64)) == -prior.entropy()
    for prior, point in outside:
        z = torch.tensor(point, dtype=F64, requires_grad=True)
        value = prior.log_prob(z)
        assert value == -math.inf
        value.backward()
        assert z.grad.tolist() == [0, 0]
    for prior in (ball, box):
        assert prior.log_prob(torch.tensor([0.5, math.nan], dtype=F64)).isnan()
        assert isinstance(prior.support, constraints.Constraint)
        assert prior.support.event_dim == 1


def test_samples_on_the_edge_count_as_inside_in_high_dimension_and_float32():
    torch.manual_seed(4)
    for prior in (priors.uniform_ball(2000, 3.0, torch.full((2000,), 0.1)), priors.uniform_box(2000, 0.1, 0.3)):
        assert prior.log_prob(prior.sample((500,))).isfinite().all()


def test_radius_of_uniform_ball_samples_is_distributed_as_it_must_be():
    torch.manual_seed(5)
    ball = priors.uniform_ball(3, 2.0, torch.ones(3, dtype=F64))
    volume = ((ball.sample((4000,)) - 1).norm(dim=-1) / 2) ** 3
    assert kstest(volume.numpy(), "uniform").pvalue > 0.01


def test_rsample_of_uniform_priors_can_be_differentiated():
    center = torch.zeros(3, dtype=F64, requires_grad=True)
    high = torch.ones(3, dtype=F64, requires_grad=True)
    priors.uniform_ball(3, 1.0, center).rsample((4,)).sum().backward()
    assert center.grad.tolist() == [4, 4, 4]
    torch.manual_seed(6)
    draws = priors.UniformBox(torch.zeros(3, dtype=F64), high).rsample((4,))
    draws.sum().backward()
    assert torch.allclose(high.grad, draws.sum(0).detach())


def test_fit_recovers_a_known_mixture():
    torch.manual_seed(7)
    means = torch.tensor([[0.0, 0.0, 0.0], [60.0, 0.0, 1.0], [0.0, 0.05, -8.0]], dtype=F64)
    scales = torch.tensor([[10.0, 0.01, 1.0], [5.0, 0.01, 1.0], [5.0, 0.01, 1.0]], dtype=F64)
    truth = MixtureSameFamily(
        Categorical(torch.tensor([0.5, 0.3, 0.2], dtype=F64)), Independent(Normal(means, scales), 1)
    )
    found = priors.fit(truth.sample((3000,)))
    assert found.mixture_distribution.probs.shape == (3,)
    z = truth.sample((3000,))
    divergence = (truth.log_prob(z) - found.log_prob(z)).mean()
    assert abs(divergence) < 0.02  # 29 parameters and 3000 points: about 29 / 6000 nats


def test_fit_of_normal_data_is_one_normal_with_the_sample_moments():
    torch.manual_seed(8)
    points = torch.randn(1500, 4, dtype=F64) @ torch.randn(4, 4, dtype=F64) + 3
    found = priors.fit(points)
    assert found.mixture_distribution.probs.tolist() == [1]
    assert torch.allclose(found.mean, points.mean(0), rtol=1e-6)
    assert torch.allclose(found.component_distribution.covariance_matrix[0], points.T.cov(correction=0), rtol=1e-4)


def test_fit_is_repeatable_follows_the_dtype_and_leaves_the_random_state():
    points = torch.randn(200, 3)
    state = torch.get_rng_state()
    first, second = priors.fit(points, seed=4), priors.fit(points, seed=4)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first.log_prob(points), second.log_prob(points))
    assert first.log_prob(points).dtype == points.dtype
    assert priors.fit(points, max_components=1).mixture_distribution.probs.shape == (1,)


@pytest.fixture
def unchecked():
    """Switches jaxtyping's checks off, as for a user."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


def encodings(noise, clusters, count=2000):
    """Rank 8 in 64 dimensions, and isotropic noise."""
    random = torch.Generator().manual_seed(15)
    inner = torch.randn(count, 8, dtype=F64, generator=random)
    if clusters == 2:
        inner[count // 2 :] = 0.4 * inner[count // 2 :] + 3
    outer = torch.randn(8, 64, dtype=F64, generator=random)
    return inner @ outer + 1 + noise * torch.randn(count, 64, dtype=F64, generator=random)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("clusters", [1, 2])
@pytest.mark.parametrize("noise", [0, 1e-5, 1e-4, 1e-3])
def test_encodings_of_low_rank_have_a_uniform_index(noise, clusters, dtype):
    data = encodings(noise, clusters).to(dtype)
    with pytest.warns(UserWarning, match="8 of 64 directions"):
        prior = priors.fit(data)
    assert prior.rank == 8
    assert prior.log_prob(data).dtype == dtype
    index = RealismIndex(prior)
    assert kstest(index(data).double().numpy(), "uniform").statistic < 1.63 * math.sqrt(1 / 2000 + 1 / 5000)
    off = data[:20] + torch.randn(20, 64, dtype=dtype, generator=torch.Generator().manual_seed(22))
    slope = torch.func.grad(lambda z: index.log(z).sum())(off)
    assert (index.log(off) < -100).all()
    assert (((data[:20] - off) * slope).sum(1) > 0).all()  # it leads back


def test_noise_that_is_large_enough_is_fitted_in_every_direction():
    data = encodings(0.1, 1)
    prior = priors.fit(data)
    assert isinstance(prior, MixtureSameFamily)
    assert kstest(RealismIndex(prior)(data).numpy(), "uniform").statistic < 1.63 / math.sqrt(2000)


def test_a_density_on_a_subspace_is_that_of_its_coordinates_and_has_the_moments_of_the_data():
    """On a plane in space: against the fit in the plane's own coordinates, which are rotated into space."""
    random = torch.Generator().manual_seed(16)
    flat = torch.randn(1200, 2, dtype=F64, generator=random)
    flat[600:] = 0.5 * flat[600:] + 4
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=F64, generator=random))[0][:2]
    with pytest.warns(UserWarning, match="2 of 3 directions"):
        found = priors.fit(flat @ turn)
    torch.testing.assert_close(found.log_prob(flat @ turn), priors.fit(flat).log_prob(flat), rtol=1e-2, atol=2e-2)
    torch.testing.assert_close(found.mean, (flat @ turn).mean(0), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found.variance, (flat @ turn).var(0), rtol=1e-2, atol=0)
    samples = found.sample((2000,))
    assert (samples - samples @ turn.T @ turn).abs().max() < 1e-10


def test_paths_on_a_subspace_stay_close_to_it():
    data = encodings(0, 1)
    with pytest.warns(UserWarning, match="directions"):
        prior = priors.fit(data)
    outer = torch.randn(64, 128, dtype=F64, generator=torch.Generator().manual_seed(17)) / 24
    path = lp.interpolate(lambda z: torch.tanh(z @ outer), prior, data[:2], data[-2:], segments=12, strict=True)
    plane = torch.linalg.svd(data[:100] - data[0], full_matrices=False).Vh[:8]
    away = path.latents - data[0]
    assert (away - away @ plane.T @ plane).norm(dim=-1).max() < 0.1 * away.norm(dim=-1).max()


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_rows_that_repeat_do_not_make_spikes(dim):
    """Ten rows, a hundred times each, are one normal: no cost is beyond what ten rows tell."""
    rows = torch.randn(10, dim, dtype=F64, generator=torch.Generator().manual_seed(18))
    prior = priors.fit(rows.repeat(100, 1))
    assert torch.equal(prior.log_prob(rows), priors.fit(rows).log_prob(rows))
    path = lp.interpolate(lambda z: z, prior, rows[0], rows[1], segments=8)
    assert path.cost < 20 * (rows[0] - rows[1]).norm()


def test_too_few_distinct_rows_are_refused_with_the_directions_that_they_span():
    rows = torch.randn(10, 64, generator=torch.Generator().manual_seed(19))
    with pytest.raises(InputError, match=r"10 distinct.*1000.*9 of 64 directions"):
        priors.fit(rows.repeat(100, 1))


def test_narrow_directions_keep_their_width_in_float32():
    """Deviations from 1 to 1/300, in a rotated frame: squaring them in float32 would leave little of the smallest."""
    random = torch.Generator().manual_seed(20)
    turn = torch.linalg.qr(torch.randn(6, 6, dtype=F64, generator=random))[0]
    widths = torch.logspace(0, -2.5, 6, dtype=F64)
    points = (torch.randn(2000, 6, dtype=F64, generator=random) * widths) @ turn
    narrow, wide = (priors.fit(points.to(dtype)) for dtype in (torch.float32, F64))
    torch.testing.assert_close(RealismIndex(narrow)(points), RealismIndex(wide)(points), rtol=0, atol=1e-3)


def test_an_error_never_shows_the_data(unchecked):
    data = torch.randn(500, 64)
    bad = [data.tolist(), data.numpy(), data[0], data.long(), data * math.nan, torch.zeros(500, 300), "x" * 5000]
    for given in bad:
        with pytest.raises(InputError) as caught:
            priors.fit(given)
        assert len(str(caught.value)) < 400
    with pytest.raises(InputError) as caught:
        priors.uniform_box(5000, torch.ones(5000), torch.zeros(5000))
    assert len(str(caught.value)) < 400


def test_fit_reports_every_number_of_components_and_stops_on_request():
    points, seen = torch.randn(400, 2, generator=torch.Generator().manual_seed(21)), []
    priors.fit(points, callback=lambda count, criterion: seen.append((count, criterion)))
    assert [count for count, _ in seen] == list(range(1, len(seen) + 1))
    assert len(seen) > 1
    assert all(math.isfinite(criterion) for _, criterion in seen)
    seen.clear()
    priors.fit(points, callback=lambda count, criterion: seen.append(count) or True)
    assert seen == [1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: priors.standard_normal(0), "dim must .*at least 1.* 0"),
        (lambda: priors.semicircle(1), "dim must .*at least 2.* 1"),
        (lambda: priors.uniform_ball(2, -1.0), "radius must .*positive.*-1"),
        (lambda: priors.uniform_ball(2, torch.ones(2)), r"radius must be one positive .* shape \(2,\)"),
        (lambda: priors.uniform_ball(2, 1.0, torch.zeros(3)), r"center must be .* shape \(2,\).*\(3,\)"),
        (lambda: priors.uniform_ball(2, 1.0, torch.zeros(2).long()), "center must hold floating-point numbers"),
        (lambda: priors.uniform_box(2, 1.0, 1.0), "low must be finite and below high in every coordinate"),
        (lambda: priors.uniform_box(2, -math.inf, 1.0), "low must be finite and below high"),
        (lambda: priors.uniform_box(2, torch.zeros(3)), r"low must be a number or a tensor of shape \(2,\)"),
        (lambda: priors.uniform_box(2).log_prob(torch.zeros(3)), r"value must be \(\.\.\., 2\), .* got \(3,\)"),
        (lambda: priors.fit(torch.zeros(5)), r"latents must be a floating-point tensor \(N, D\)"),
        (lambda: priors.fit(torch.zeros(5, 2).long()), "latents must be a floating-point tensor"),
        (lambda: priors.fit(torch.randn(4, 3)), r"more than D \+ 1 = 4 points.* 4"),
        (lambda: priors.fit(torch.randn(9, 2).log()), "rows hold NaN or infinity"),
        (lambda: priors.fit(torch.randn(9, 2) * torch.tensor([1.0, 0.0])), r"constant coordinates \[1\]"),
        (lambda: priors.fit(torch.randn(9, 2), max_components=0), "max_components must .*at least 1"),
    ],
)
def test_errors_say_what_was_expected_and_what_came(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_fit_without_scikit_learn_says_how_to_get_it(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match=r"lp\.priors\.fit needs scikit-learn.*latentpath\[data\]"):
        priors.fit(torch.randn(9, 2))
