"""Paths: facts, selection, points and frames, resampling, reversal."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import latentpath as lp
from latentpath import priors
from latentpath.errors import InputError
from path_examples import F64, FACTS, INDEX, SOURCE, TENSORS, assert_same, measured, picture, randn, wandering

SPACINGS = ["metric", "data", "latent"]


@pytest.fixture(scope="module")
def path():
    return wandering()


def test_facts_agree_with_the_functionals(path):
    z = path.latents
    torch.testing.assert_close(path.energy, lp.energy(z, picture, INDEX))
    facts = lp.audit(z, picture, INDEX)
    torch.testing.assert_close(path.cost, facts.cost)
    torch.testing.assert_close(path.log_index, -facts.cost)
    torch.testing.assert_close(path.length, facts.length)
    torch.testing.assert_close(path.gap, path.cost / (2 * path.energy).sqrt() - 1)
    torch.testing.assert_close(path.ri, INDEX(z))
    torch.testing.assert_close(path.step_lengths.sum(-1), lp.length(z, picture))
    for i in range(3):
        frames = picture(z[i]).flatten(1)
        torch.testing.assert_close(path.step_lengths[i], (frames[1:] - frames[:-1]).norm(dim=-1))
    assert torch.equal(path.tunnels, facts.tunnels)
    assert torch.equal(path.start, z[:, 0])
    assert torch.equal(path.end, z[:, -1])
    assert path.segments == 6
    assert len(path) == 3


def test_what_interpolate_returns_is_measured_the_same_way():
    a, b = randn(2, 2, seed=1), randn(2, 2, seed=2)
    path = lp.interpolate(picture, INDEX, a, b, segments=6, max_points=5)
    again = lp.Path.measured(
        path.latents,
        SOURCE,
        outcome=path.outcome,
        evaluations=path.evaluations,
        gain=path.gain,
        settings=path.settings,
    )
    assert_same(path, again, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("which", [0, 2, -1, -3])
def test_an_integer_gives_a_batch_of_one(path, which):
    one, i = path[which], which % 3
    assert len(one) == 1
    assert_same(one, replace(measured(path.latents)[i : i + 1], settings=one.settings))
    assert torch.equal(one.latents[0], path.latents[i])
    assert one.outcome == (path.outcome[i],)
    assert float(one.evaluations) == i


@pytest.mark.parametrize("which", [slice(1, 3), slice(None), slice(None, None, 2), slice(-2, None), slice(3, 9)])
def test_slices_give_those_paths(path, which):
    some, rows = path[which], list(range(3))[which]
    assert len(some) == len(rows)
    assert some.outcome == tuple(path.outcome[i] for i in rows)
    for name in TENSORS:
        assert torch.equal(getattr(some, name), getattr(path, name)[rows])
    for name in FACTS:
        assert torch.equal(getattr(some.audit, name), getattr(path.audit, name)[rows])


def test_a_slice_may_run_backwards(path):
    assert torch.equal(path[::-1].latents, path.latents.flip(0))


@pytest.mark.parametrize("which", [3, -4, 100])
def test_a_path_that_is_not_there_is_an_index_error(path, which):
    with pytest.raises(IndexError, match=f"path {which} of a batch of 3"):
        path[which]


def test_paths_can_be_walked_through(path):
    assert [float(one.evaluations) for one in path] == [0.0, 1.0, 2.0]


def test_its_name_tells_the_facts(path):
    text = repr(path)
    for words in (
        "3 paths",
        "6 segments",
        "2 dimensions",
        f"{float(path.cost.mean()):.4g}",
        "1 converged",
        "1 stalled",
    ):
        assert words in text


def position(path, points, spacing):
    """Returns the arc length of each point, in the space of ``spacing``: that of the nearest of 64 per segment."""
    fine = torch.cat([lp.lerp(p, q, 64)[:-1] for p, q in zip(path.latents[0, :-1], path.latents[0, 1:], strict=True)])
    fine = torch.cat([fine, path.end])
    data = fine if spacing == "latent" else picture(fine).flatten(1)
    size = data.diff(dim=0).norm(dim=-1)
    if spacing == "metric":
        log = INDEX.log(fine)
        size = size * (math.log(2) - torch.logaddexp(log[1:], log[:-1]))
    arc = torch.cat([torch.zeros(1, dtype=F64), size.cumsum(0)]) / size.sum()
    return arc[(points[:, None] - fine).norm(dim=-1).argmin(-1)]


@pytest.mark.parametrize("spacing", SPACINGS)
@settings(max_examples=8)
@given(seed=st.integers(0, 10**6), points=st.integers(2, 30))
def test_points_lie_evenly_in_the_space_that_was_chosen(spacing, seed, points):
    path = wandering(count=1, segments=5, seed=seed)
    at = path.at(points, spacing)
    assert torch.equal(at[:, 0], path.start)
    assert torch.equal(at[:, -1], path.end)
    expected = torch.linspace(0, 1, points, dtype=F64)
    torch.testing.assert_close(position(path, at[0], spacing), expected, rtol=0, atol=0.015)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_frames_are_the_decoded_points_and_the_ends_are_exact(path, spacing):
    frames = path.frames(9, spacing)
    assert frames.shape == (3, 9, 2, 2)
    assert torch.equal(frames, picture(path.at(9, spacing).flatten(0, 1)).unflatten(0, (3, 9)))
    torch.testing.assert_close(frames[:, 0], picture(path.start), rtol=0, atol=0)
    torch.testing.assert_close(frames[:, -1], picture(path.end), rtol=0, atol=0)


def test_the_defaults_are_data_for_a_film_and_the_metric_for_points(path):
    assert torch.equal(path.frames(7), path.frames(7, "data"))
    assert torch.equal(path.at(7), path.at(7, "metric"))
    assert not torch.allclose(path.at(7, "metric"), path.at(7, "data"))


def test_a_batch_of_frames_is_a_loop(path):
    for spacing in SPACINGS:
        whole = path.at(8, spacing)
        for i in range(3):
            torch.testing.assert_close(path[i].at(8, spacing)[0], whole[i], rtol=0, atol=1e-13)


def test_embed_is_the_space_of_the_films_pace():
    line = lp.lerp(torch.zeros(1, 2, dtype=F64), torch.ones(1, 2, dtype=F64), 6)
    path = measured(line, lp.Source(picture, INDEX, embed=lambda x: x.flatten(1)[:, :1].square()))
    expected = torch.linspace(0, 1, 9, dtype=F64).sqrt()[:, None].expand(9, 2)
    torch.testing.assert_close(path.at(9, "data")[0], expected, rtol=0, atol=0.01)
    assert path.frames(9).shape == (1, 9, 2, 2)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_path_of_one_point_stays_there(spacing):
    path = measured(randn(1, 1, 2, seed=3).expand(2, 7, 2).clone())
    assert torch.equal(path.at(5, spacing), path.latents[:, :5])


def test_where_nothing_is_paid_the_frames_still_move_on():
    """A uniform prior with alpha = 1: the metric is 0 all over, and no spacing is wrong but a jump at the end."""
    free = lp.Source(picture, lp.RealismIndex(priors.uniform_box(2, dtype=F64), alpha=1.0))
    line = lp.lerp(torch.zeros(1, 2, dtype=F64), torch.ones(1, 2, dtype=F64), 6)
    torch.testing.assert_close(measured(line, free).at(9, "metric"), lp.lerp(line[:, 0], line[:, -1], 8))


@pytest.mark.parametrize("spacing", SPACINGS)
def test_frames_of_a_path_through_a_wall_are_still_frames(spacing):
    def wall(z):
        return torch.full_like(z[..., 0], -0.5).masked_fill((z[..., 0] - 0.5).abs() < 0.2, -torch.inf)

    line = lp.lerp(torch.zeros(1, 2, dtype=F64), torch.ones(1, 2, dtype=F64), 6)
    path = measured(line, lp.Source(picture, wall))
    assert path.cost.tolist() == [math.inf]
    points = path.at(9, spacing)
    assert bool(points.isfinite().all())
    assert bool((points.diff(dim=1) >= 0).all())


def test_wrong_requests_are_refused(path):
    with pytest.raises(InputError, match="at least 2"):
        path.frames(1)
    with pytest.raises(InputError, match="segments.*at least 1"):
        path.resample(0)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_resampling_keeps_the_curve_and_audits_anew(path, spacing):
    finer = path.resample(80, spacing)
    assert finer.latents.shape == (3, 81, 2)
    assert torch.equal(finer.latents, path.at(81, spacing))
    anew = measured(finer.latents)
    assert finer.outcome == (lp.Outcome.UNRESOLVED, *anew.outcome[1:])  # an arc is no minimum
    assert_same(finer, replace(anew, settings=finer.settings, outcome=finer.outcome, gain=finer.gain))
    assert finer.settings == {**path.settings, "resampled": {"segments": 80, "spacing": spacing}}
    torch.testing.assert_close(finer.cost, path.cost, rtol=0.02, atol=0)
    torch.testing.assert_close(finer.length, path.length, rtol=0.02, atol=0)


def test_even_in_the_metric_the_energy_tells_the_cost(path):
    assert bool((path.gap < -0.01).all())
    assert bool((path.resample(80, "metric").gap.abs() < 0.005).all())


def test_even_in_the_data_the_steps_are_even(path):
    steps = path.resample(40, "data").step_lengths
    assert bool(((steps / steps.mean(-1, keepdim=True) - 1).abs() < 0.1).all())


def test_reversed_is_the_same_path_from_the_other_end(path):
    back = path.reversed()
    assert_same(back, measured(path.latents.flip(1)), rtol=1e-9, atol=1e-12)
    assert torch.equal(back.start, path.end)
    assert torch.equal(back.audit.segment_cost, path.audit.segment_cost.flip(-1))
    assert torch.equal(back.audit.tunnels, path.audit.tunnels.flip(-1))
    assert_same(back.reversed(), path)
    assert back.source is path.source


@pytest.mark.parametrize("source", [None, picture, (picture, INDEX)], ids=["None", "a generator", "a pair"])
def test_bind_refuses_anything_but_a_source(path, source):
    with pytest.raises(InputError, match="Source"):
        path.bind(source)


def test_joined_paths_keep_a_source_that_measures_the_same(path):
    index = path.source.index
    for other, kept in (
        (lp.Source(picture, lp.RealismIndex(index.prior, alpha=index.alpha)), True),
        (lp.Source(picture, lp.RealismIndex(index.prior, alpha=index.alpha / 2)), False),
        (lp.Source(picture, lp.RealismIndex(index.prior, alpha=index.alpha, samples=100)), False),
        (lp.Source(lambda z: 2 * picture(z), index), False),
    ):
        joined = lp.Path.cat([path, replace(path, source=other)])
        assert (joined.source is not None) is kept
