"""Laws of the mixed ruler: what it measures, its scales, and lengths that stay in the data."""

import pytest
import torch

import latentpath as lp
from latentpath import priors
from latentpath.decoding import points_to_data
from latentpath.ruler import SAMPLES

F64 = torch.float64
PRIOR = priors.standard_normal(3, dtype=F64)
MAP = torch.tensor([[3.0, 0, 0, 1], [0, 2, 0, 1], [1, 0, 1, 1]], dtype=F64)


def linear(z):
    return z @ MAP.to(z)


def curved(z):
    return torch.stack([z[:, 0] * 2, z[:, 1] + z[:, 0] ** 2, z.prod(-1)], -1)


def points(count, seed=0):
    return torch.randn(count, 3, dtype=F64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("mu", [0.0, 0.3, 0.8, 1.0])
def test_squared_lengths_are_the_weighted_sum_of_data_and_latents(mu):
    ruler = lp.Ruler(mu, data_scale=5, latent_scale=2)
    measured = points_to_data(curved, ruler)
    a, b = points(7), points(7, seed=1)
    expected = ((1 - mu) / 5) ** 2 * (curved(a) - curved(b)).square().sum(-1) + (mu / 2) ** 2 * (a - b).square().sum(-1)
    torch.testing.assert_close((measured(a) - measured(b)).square().sum(-1), expected)


def test_scales_are_the_mean_distances_of_two_samples():
    samples = points(200)
    ruler = lp.Ruler(0.5).scaled(linear, samples, max_points=64)
    assert ruler.latent_scale == pytest.approx(float(torch.pdist(samples).mean()))
    assert ruler.data_scale == pytest.approx(float(torch.pdist(linear(samples)).mean()))


def test_scales_do_not_depend_on_units():
    """A generator in other units, or latents in others, give the same lengths."""
    samples, a, b = points(100), points(5, seed=1), points(5, seed=2)
    plain = points_to_data(curved, lp.Ruler(0.4).scaled(curved, samples))
    in_units = lp.Ruler(0.4).scaled(lambda u: 1000 * curved(u / 7), 7 * samples)
    other = points_to_data(lambda u: 1000 * curved(u / 7), in_units)
    torch.testing.assert_close((plain(a) - plain(b)).norm(dim=-1), (other(7 * a) - other(7 * b)).norm(dim=-1))


def test_features_replace_the_data():
    ruler = lp.Ruler(0.5, lambda x: x[:, :1] ** 2, data_scale=1, latent_scale=1)
    z = points(4)
    torch.testing.assert_close(points_to_data(curved, ruler)(z), torch.cat([0.5 * curved(z)[:, :1] ** 2, 0.5 * z], 1))


def test_metric_tensor_is_the_weighted_sum():
    z, index = points(6), lp.RealismIndex(PRIOR)
    ruler = lp.Ruler(0.7, data_scale=4, latent_scale=3)
    data = lp.metric_tensor(z, curved, index)
    latent = lp.metric_tensor(z, curved, index, embed="latent")
    mixed = lp.metric_tensor(z, curved, index, embed=ruler)
    torch.testing.assert_close(mixed, (0.3 / 4) ** 2 * data + (0.7 / 3) ** 2 * latent)


def test_interpolate_scales_by_samples_of_the_prior():
    path = lp.interpolate(linear, PRIOR, points(2), -points(2), embed=lp.Ruler(0.5), segments=8)
    found = path.source.embed
    samples = lp.index.prior_adapter.draw(PRIOR, 3, SAMPLES, 0)
    assert found == lp.Ruler(0.5).scaled(linear, samples)
    again = lp.interpolate(linear, PRIOR, points(2), -points(2), embed=found, segments=8)
    torch.testing.assert_close(again.latents, path.latents, rtol=0, atol=0)


@pytest.mark.parametrize("mu", [0, 1])
def test_the_ends_of_the_scale_are_the_paths_in_data_and_in_latents(mu):
    start, end = points(3), points(3, seed=5)
    plain = lp.interpolate(curved, PRIOR, start, end, embed=["data", "latent"][mu], segments=8)
    ruler = lp.interpolate(curved, PRIOR, start, end, embed=lp.Ruler(mu), segments=8)
    torch.testing.assert_close(ruler.latents, plain.latents, rtol=0, atol=2e-2)
    scale = ruler.source.embed.latent_scale if mu else ruler.source.embed.data_scale
    torch.testing.assert_close(ruler.cost * scale, plain.cost, rtol=1e-3, atol=0)


@pytest.mark.parametrize("embed", [None, "data", "latent", lp.Ruler(0.5)], ids=str)
def test_length_stays_in_the_data(embed):
    start, end = points(3), points(3, seed=5)
    path = lp.interpolate(curved, PRIOR, start, end, embed=embed, segments=20)
    torch.testing.assert_close(
        path.length, lp.audit(path.latents, curved, lambda z: -z[..., 0] * 0).length, rtol=1e-3, atol=0
    )
    frames = path.frames(40)
    steps = frames.diff(dim=1).norm(dim=-1)
    assert float((steps.amax(1) / steps.amin(1)).max()) < 1.2  # evenly spaced for the eye


def test_directness_is_the_length_over_that_of_the_straight_line():
    start, end = points(3), points(3, seed=5)
    path = lp.interpolate(curved, PRIOR, start, end, embed=lp.Ruler(0.5), segments=20)
    report = path.report()
    line = lp.audit(lp.lerp(start, end, 20), curved, lambda z: -z[..., 0] * 0).length
    assert report["lerp"].directness == [1.0] * 3
    torch.testing.assert_close(
        torch.tensor(report["path"].directness, dtype=F64), path.length / line, rtol=1e-4, atol=0
    )


def test_other_paths_stand_in_the_report_between_the_same_ends():
    start, end = points(2), points(2, seed=5)
    path = lp.interpolate(curved, PRIOR, start, end, embed=lp.Ruler(0.5), segments=8)
    other = lp.interpolate(curved, PRIOR, start, end, segments=8)
    report = path.report(others={"paper": other})
    assert [row.name for row in report.rows] == ["lerp", "slerp", "paper", "path"]
    assert report["paper"].length == pytest.approx(other.length.tolist(), rel=1e-3)
    assert report["paper"].evaluations == other.evaluations.tolist()
    with pytest.raises(lp.errors.InputError, match="the same endpoints"):
        path.report(others={"paper": other.reversed()})
    with pytest.raises(lp.errors.InputError, match="names of their own"):
        path.report(others={"path": other})


def test_length_survives_a_file(tmp_path):
    path = lp.interpolate(curved, PRIOR, points(2), -points(2), embed="latent", segments=8)
    path.save(tmp_path / "path.safetensors")
    torch.testing.assert_close(lp.Path.load(tmp_path / "path.safetensors").length, path.length, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mu": 1.5}, "mu must be"),
        ({"mu": float("nan")}, "mu must be"),
        ({"mu": 0.5, "data_scale": 1.0}, "given together"),
        ({"mu": 0.5, "data_scale": 0.0, "latent_scale": 1.0}, "data_scale must be"),
    ],
    ids=["above", "nan", "one scale", "scale of 0"],
)
def test_bad_rulers_are_refused(arguments, message):
    with pytest.raises(lp.errors.InputError, match=message):
        lp.Ruler(**arguments)


def test_scales_are_needed():
    with pytest.raises(lp.errors.InputError, match="scales"):
        points_to_data(curved, lp.Ruler(0.5))
    with pytest.raises(lp.errors.InputError, match="callable index"):
        lp.interpolate(curved, lambda z: -z.square().sum(-1), points(1), -points(1), embed=lp.Ruler(0.5), segments=4)
    with pytest.raises(lp.errors.InputError, match="must differ"):
        lp.Ruler(0.5).scaled(lambda z: 0 * z, points(10))
    with pytest.raises(lp.errors.InputError, match="at least two"):
        lp.Ruler(0.5).scaled(curved, points(1))
