"""Saved paths: bit-identical, whole or not at all, damaged files refused, files of the first format."""

from __future__ import annotations

import json
from pathlib import Path as FilePath

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import latentpath as lp
from latentpath import priors
from latentpath.errors import DataError, InputError, MissingDataError
from path_examples import F64, INDEX, SOURCE, assert_same, measured, picture, randn, wandering


@pytest.fixture(scope="module")
def path():
    return wandering()


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


def saved_generator(z):
    """The generator of the saved paths below."""
    return torch.cat([z, z.square(), z.prod(-1, keepdim=True)], -1)


@pytest.mark.parametrize(
    ("name", "costs"), [("", [2.0342, 2.6367, 8.0671]), ("-keyframes", [10.9613])], ids=["starts", "keyframes"]
)
def test_paths_of_the_first_format_load(name, costs):
    file = FilePath(__file__).parent / "files" / f"path-format-1{name}.safetensors"
    loaded = lp.Path.load(
        file, lp.Source(saved_generator, lp.RealismIndex(priors.standard_normal(2, dtype=F64), alpha=0.9))
    )
    assert loaded.cost.tolist() == pytest.approx(costs, abs=1e-4)
    assert all(outcome is lp.Outcome.CONVERGED for outcome in loaded.outcome)
    anew = lp.audit(loaded.latents, saved_generator, loaded.source.index)
    assert torch.allclose(anew.cost, loaded.cost, rtol=1e-9)
    assert torch.allclose(anew.segment_cost, loaded.audit.segment_cost, rtol=1e-9)
    assert loaded.frames(5).shape == (len(costs), 5, 5)
