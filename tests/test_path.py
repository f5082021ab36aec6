from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from pathlib import Path as FilePath

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

import latentpath as lp
from latentpath import priors
from latentpath.errors import DataError, InputError, MissingDataError

F64 = torch.float64
INDEX = lp.RealismIndex(priors.standard_normal(2, dtype=F64))
SPACINGS = ["metric", "data", "latent"]
TENSORS = ["latents", "ri", "step_lengths", "evaluations", "gain"]
FACTS = [f.name for f in fields(lp.Audit)]


def randn(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def picture(z):
    return torch.stack([2 * z[:, 0], z[:, 1] + 0.2 * z[:, 0] ** 2, z.prod(-1), z.sum(-1)], -1).unflatten(1, (2, 2))


SOURCE = lp.Source(picture, INDEX)


def measured(latents, source=SOURCE):
    count = len(latents)
    return lp.Path.measured(
        latents,
        source,
        outcome=tuple(list(lp.Outcome)[1 + i % 4] for i in range(count)),
        evaluations=torch.arange(count, dtype=F64),
        gain=torch.linspace(0.1, 1, count, dtype=F64),
        settings={"segments": latents.shape[1] - 1, "tol": 1e-3, "embed": None},
    )


def wandering(count=3, segments=6, seed=0):
    """Arcs between random places, travelled slowly at first and fast in the end."""
    draw = torch.Generator().manual_seed(seed)
    start, turn, bulge = (
        0.7 * torch.randn(count, 2, dtype=F64, generator=draw),
        *torch.rand(2, count, 1, dtype=F64, generator=draw),
    )
    t = torch.linspace(0, 1, segments + 1, dtype=F64)[:, None] ** 2
    ahead = torch.cat([(7 * turn).cos(), (7 * turn).sin()], -1)[:, None]
    aside = torch.stack([-ahead[..., 1], ahead[..., 0]], -1)
    return measured(start[:, None] + 2 * t * ahead + (bulge[:, None] - 0.5) * torch.sin(math.pi * t) * aside)


@pytest.fixture(scope="module")
def path():
    return wandering()


def assert_same(found, expected, **tolerance):
    tolerance = tolerance or {"rtol": 0, "atol": 0}
    for name in TENSORS:
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), **tolerance, equal_nan=True)
    for name in FACTS:
        torch.testing.assert_close(
            getattr(found.audit, name), getattr(expected.audit, name), **tolerance, equal_nan=True
        )
    assert found.outcome == expected.outcome
    assert found.settings == expected.settings


# ---------------------------------------------------------------------------------------------------------------------
# Facts and parts.


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


# ---------------------------------------------------------------------------------------------------------------------
# Frames.


def position(path, points, spacing):
    """How far along the path, in the space of ``spacing``, each of the points lies: the nearest of 64 per segment."""
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


# ---------------------------------------------------------------------------------------------------------------------
# Resampled and reversed.


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
    steps = path.resample(40, "data").steps
    assert bool(((steps / steps.mean(-1, keepdim=True) - 1).abs() < 0.1).all())


def test_reversed_is_the_same_path_from_the_other_end(path):
    back = path.reversed()
    assert_same(back, measured(path.latents.flip(1)), rtol=1e-9, atol=1e-12)
    assert torch.equal(back.start, path.end)
    assert torch.equal(back.audit.segment_cost, path.audit.segment_cost.flip(-1))
    assert torch.equal(back.audit.tunnels, path.audit.tunnels.flip(-1))
    assert_same(back.reversed(), path)
    assert back.source is path.source


# ---------------------------------------------------------------------------------------------------------------------
# On disk.


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_save_and_load_are_bit_identical(tmp_path, dtype):
    path = measured(randn(3, 7, 2, seed=5).to(dtype), lp.Source(picture, INDEX))
    file = tmp_path / "path.safetensors"
    path.save(file)
    loaded = lp.Path.load(file)
    assert_same(loaded, path)
    assert loaded.source is None
    assert [p.name for p in tmp_path.iterdir()] == [file.name]
    loaded.save(str(file))
    assert_same(lp.Path.load(str(file)), path)


def test_parts_mirrors_and_infinities_are_saved_too(tmp_path):
    def wall(z):
        return torch.full_like(z[..., 0], -0.5).masked_fill(z[..., 0] > 0, -torch.inf)

    walled = measured(lp.lerp(-torch.ones(2, 2, dtype=F64), torch.ones(2, 2, dtype=F64), 6), lp.Source(picture, wall))
    for n, path in enumerate((wandering()[1], wandering()[1:], wandering().reversed(), walled, wandering(1, 1))):
        path.save(tmp_path / f"{n}")
        assert_same(lp.Path.load(tmp_path / f"{n}"), path)


def test_the_file_is_safetensors_with_readable_metadata(path, tmp_path):
    path.save(tmp_path / "path")
    with safe_open(tmp_path / "path", "pt") as content:
        metadata = content.metadata()
        assert torch.equal(content.get_tensor("latents"), path.latents)
    assert metadata["format"].startswith("latentpath-path")
    about = json.loads(metadata["about"])
    assert about == {"outcome": [o.name for o in path.outcome], "settings": path.settings}


def test_a_path_of_interpolate_comes_back_from_disk(tmp_path):
    def features(x):
        return x.flatten(1)

    path = lp.interpolate(picture, INDEX, randn(2, seed=1), randn(2, seed=2), segments=4, embed=features)
    path.save(tmp_path / "path")
    source = lp.Source(picture, INDEX, embed=features)
    loaded = lp.Path.load(tmp_path / "path", source)
    assert_same(loaded, path)
    assert torch.equal(loaded.frames(6), path.frames(6))
    assert str(loaded.report()) == str(path.report())


def test_without_a_source_only_what_needs_none_works(path, tmp_path):
    path.save(tmp_path / "path")
    loaded = lp.Path.load(tmp_path / "path")
    assert torch.equal(loaded.at(5, "latent"), path.at(5, "latent"))
    assert_same(loaded.reversed()[0], path.reversed()[0])
    for ask in (
        lambda: loaded.frames(5),
        lambda: loaded.at(5, "data"),
        lambda: loaded.at(5, "metric"),
        lambda: loaded.resample(5),
        loaded.report,
    ):
        with pytest.raises(InputError, match=r"needs a path with a source.*path\.bind\("):
            ask()
    bound = loaded.bind(SOURCE)
    assert torch.equal(bound.frames(5), path.frames(5))
    assert_same(bound.resample(5), path.resample(5))
    assert loaded.source is None


@pytest.mark.parametrize("broken", ["write_bytes", "replace"])
def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(path, tmp_path, monkeypatch, broken):
    file = tmp_path / "path"
    path.save(file)
    before = file.read_bytes()

    def fail(self, content):
        if broken == "write_bytes":
            with self.open("wb") as half:
                half.write(content[:100])
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(FilePath, broken, fail)
        with pytest.raises(OSError, match="disk full"):
            path[0].save(file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_missing_file_is_missing(tmp_path):
    for file in (tmp_path / "nothing", tmp_path):
        with pytest.raises(MissingDataError, match="no path file at") as caught:
            lp.Path.load(file)
        assert str(file) in str(caught.value)


def save_foreign(file):
    save_file({"weight": torch.zeros(3)}, file)


def save_without(name):
    def spoil(file):
        with safe_open(file, "pt") as content:
            metadata, tensors = content.metadata(), {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118
        tensors.pop(name)
        save_file(tensors, file, metadata)

    return spoil


def save_with(change):
    def spoil(file):
        with safe_open(file, "pt") as content:
            metadata, tensors = content.metadata(), {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118
        change(tensors, metadata)
        save_file(tensors, file, metadata)

    return spoil


def truncate(file):
    file.write_bytes(file.read_bytes()[:-50])


def cut_short(file):
    file.write_bytes(file.read_bytes()[:5])


def scribble(file):
    file.write_text("these are no tensors")


def another_outcome(tensors, metadata):
    metadata["about"] = json.dumps({"outcome": ["SPLENDID"] * 3, "settings": {}})


def no_json(tensors, metadata):
    metadata["about"] = "{outcome: converged"


def a_list(tensors, metadata):
    metadata["about"] = "[1, 2]"


def no_about(tensors, metadata):
    del metadata["about"]


def a_stranger(tensors, metadata):
    tensors["stranger"] = torch.zeros(2)


def too_few_outcomes(tensors, metadata):
    metadata["about"] = json.dumps({"outcome": ["CONVERGED"], "settings": {}})


def another_batch(tensors, metadata):
    tensors["ri"] = tensors["ri"][:1].clone()


DAMAGE = {
    "foreign safetensors": save_foreign,
    "truncated": truncate,
    "cut short": cut_short,
    "text": scribble,
    "empty": lambda file: file.write_bytes(b""),
    "no latents": save_without("latents"),
    "no audit": save_without("audit.cost"),
    **{
        change.__name__.replace("_", " "): save_with(change)
        for change in (another_outcome, no_json, a_list, no_about, a_stranger, too_few_outcomes, another_batch)
    },
}


@pytest.mark.parametrize("spoil", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_or_foreign_file_is_refused_by_name(path, tmp_path, spoil):
    file = tmp_path / "path.safetensors"
    path.save(file)
    spoil(file)
    with pytest.raises(DataError) as caught:
        lp.Path.load(file)
    assert str(file) in str(caught.value)


def test_saving_onto_a_folder_is_refused_in_plain_words(tmp_path):
    path = lp.interpolate(lambda z: z, lp.priors.standard_normal(2), torch.ones(2), -torch.ones(2), segments=4)
    with pytest.raises(lp.LatentPathError, match="is a folder"):
        path.save(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("source", [None, picture, (picture, INDEX)], ids=["None", "a generator", "a pair"])
def test_bind_refuses_anything_but_a_source(path, source):
    with pytest.raises(InputError, match="Source"):
        path.bind(source)


def saved_generator(z):
    """The generator of the saved paths below."""
    return torch.cat([z, z.square(), z.prod(-1, keepdim=True)], -1)


@pytest.mark.parametrize(
    ("name", "costs"), [("", [2.0342, 2.6367, 8.0671]), ("-keyframes", [10.9613])], ids=["starts", "keyframes"]
)
def test_paths_of_the_first_format_load(name, costs):
    file = FilePath(__file__).parent / "files" / f"path-format-1{name}.safetensors"
    loaded = lp.Path.load(file, lp.Source(saved_generator, lp.RealismIndex(priors.standard_normal(2, dtype=F64), 0.9)))
    assert loaded.cost.tolist() == pytest.approx(costs, abs=1e-4)
    assert all(outcome is lp.Outcome.CONVERGED for outcome in loaded.outcome)
    anew = lp.audit(loaded.latents, saved_generator, loaded.source.index)
    assert torch.allclose(anew.cost, loaded.cost, rtol=1e-9)
    assert torch.allclose(anew.segment_cost, loaded.audit.segment_cost, rtol=1e-9)
    assert loaded.frames(5).shape == (len(costs), 5, 5)
