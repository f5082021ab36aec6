"""Endpoints of paths: draws of the prior, files of latents, and pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from safetensors.torch import save_file
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

import latentpath as lp
from latentpath.cli import image_endpoints
from latentpath.cli.endpoints import Ends, Pairs, from_file
from latentpath.data import read_images
from latentpath.errors import InputError, MissingDataError
from latentpath.models.sampling import draw_pairs


def test_endpoints_come_from_the_two_ends_of_the_semicircle() -> None:
    start, end = draw_pairs(lp.priors.semicircle(20), 4000, seed=0)
    for found, mean in ((start, (2.0, 6.0)), (end, (2.0, -6.0))):
        torch.testing.assert_close(found[:, :2].mean(0), torch.tensor(mean), atol=0.15, rtol=0)
        torch.testing.assert_close(found[:, 2:].mean(0), torch.zeros(18), atol=0.06, rtol=0)
    assert torch.equal(start[:3], draw_pairs(lp.priors.semicircle(20), 4000, seed=0)[0][:3])


def test_endpoints_of_other_priors_are_draws_from_them() -> None:
    start, end = draw_pairs(lp.priors.standard_normal(4), 3000, seed=0)
    assert not torch.equal(start, end)
    torch.testing.assert_close(torch.cat([start, end]).std(0), torch.ones(4), atol=0.06, rtol=0)
    one = MixtureSameFamily(Categorical(torch.ones(1)), MultivariateNormal(torch.zeros(1, 3), torch.eye(3)[None]))
    start, end = draw_pairs(one, 5, seed=0)
    assert not torch.equal(start, end)


@pytest.mark.parametrize("size", [(178, 218), (89, 109), (90, 90)])
def test_pictures_of_the_proportions_of_the_training_images_are_cropped_like_them(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    noise = torch.randint(256, (size[1], size[0], 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    Image.fromarray(noise.numpy()).save(tmp_path / "a.png")
    model, files, text = lp.load("celeba-wae"), [tmp_path / "a.png"], io.StringIO()
    found = image_endpoints.from_images(model, files, files, Console(file=text, width=200), alpha=0.9)
    crop = 108 / 178 if size[0] != size[1] else 1.0
    expected = read_images(files, 64, 3, crop)[0].float() / 127.5 - 1
    assert found.images is not None
    torch.testing.assert_close(found.images[0], expected, atol=0.02, rtol=0)
    assert ("cropped to the central 60.7% of its width" in text.getvalue()) is (crop < 1)
    whole = image_endpoints.from_images(model, files, files, Console(file=text), alpha=0.9, crop=1.0)
    assert whole.images is not None
    torch.testing.assert_close(whole.images[0], read_images(files, 64, 3, 1.0)[0].float() / 127.5 - 1)


@pytest.mark.parametrize(
    "kind", ["npy", "npy of one pair", "npz", "npz, start and end", "safetensors", "whole numbers"]
)
def test_latents_come_from_a_file(tmp_path: Path, kind: str) -> None:
    both = torch.randn(2, 2, 4, generator=torch.Generator().manual_seed(0))
    file = tmp_path / f"ends.{kind[:3] if kind != 'safetensors' else kind}"
    if kind == "npy":
        np.save(file, both.numpy().astype(">f4"))
    elif kind == "npy of one pair":
        both = both[:1]
        np.save(file, both[0].numpy())
    elif kind == "npz":
        np.savez(file, whatever=both.numpy())
    elif kind == "npz, start and end":
        np.savez(file, start=both[:, 0].numpy(), end=both[:, 1].numpy(), more=np.zeros(3))
    elif kind == "safetensors":
        save_file({"latents": both, "more": torch.zeros(3)}, file)
    else:
        both, file = both.round(), tmp_path / "ends.npy"
        np.save(file, both.numpy().astype(np.int64))
    found = from_file(file, 4)
    torch.testing.assert_close(torch.stack([found.start, found.end], 1).float(), both)
    assert found.about == {"from": "latents", "file": str(file)}


def write(file: Path, content: Any) -> Path:
    if file.suffix == ".npz":
        np.savez(file, **content)
    elif file.suffix == ".safetensors":
        save_file(content, file)
    else:
        np.save(file, content)
    return file


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.npy", np.zeros((3, 2, 64)), "must hold (B, 2, 4), D = 4 being the model's, it holds (3, 2, 64)"),
        ("a.npy", np.zeros((3, 4)), "it holds (1, 3, 4)"),
        ("a.npy", np.zeros(4), "it holds (4,)"),
        ("a.npy", np.zeros((0, 2, 4)), "it holds (0, 2, 4)"),
        ("a.npy", np.zeros((3, 9, 4)), "of whole paths take latents[:, [0, -1]]"),
        ("a.npy", np.full((1, 2, 4), np.nan), "holds NaN or infinity"),
        ("a.npy", np.array(["a", "b"]), "expected numbers"),
        ("a.npy", np.array([{}, []], dtype=object), "cannot be read as .npy"),
        ("a.npy", np.zeros((1, 2, 4), complex), "expected numbers"),
        ("a.npz", {"a": np.zeros(3), "b": np.zeros(3)}, "holds 'a', 'b': expected one array"),
        ("a.npz", {}, "holds nothing: expected one array"),
        ("a.npz", {"start": np.zeros((2, 4)), "end": np.zeros((3, 4))}, "start and end (B, 4)"),
        ("a.safetensors", {"latents": torch.zeros(1, 2, 4, dtype=torch.bool)}, "expected numbers"),
    ],
)
def test_files_of_other_latents_are_refused(tmp_path: Path, name: str, content: Any, words: str) -> None:
    file = write(tmp_path / name, content)
    with pytest.raises(lp.LatentPathError) as caught:
        from_file(file, 4)
    assert words in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_damaged_files_of_latents(tmp_path: Path, suffix: str) -> None:
    both = np.random.default_rng(0).normal(size=(50, 2, 4))
    content = {".npy": both, ".npz": {"latents": both}, ".safetensors": {"latents": torch.from_numpy(both)}}[suffix]
    whole = write(tmp_path / f"a{suffix}", content).read_bytes()
    for damaged in (b"", b"something else", whole[:20], whole[: len(whole) // 2]):
        (tmp_path / f"b{suffix}").write_bytes(damaged)
        with pytest.raises(lp.LatentPathError, match=f"cannot be read as {suffix}"):
            from_file(tmp_path / f"b{suffix}", 4)
    with pytest.raises(MissingDataError):
        from_file(tmp_path / f"c{suffix}", 4)


def test_the_sheet_shows_pairs_side_by_side() -> None:
    images = torch.stack([torch.full((1, 4, 4), value) for value in (0.0, 0.25, 0.5, 1.0)])  # two starts, two ends
    pairs = Pairs(torch.zeros(2, 3), torch.zeros(2, 3), images=images, made=1 - images)
    sheet = np.asarray(image_endpoints.sheet(pairs, (0.0, 1.0)))
    side = 5 * 28
    found = [[int(sheet[28 + row * side, 28 + column * side]) for column in range(4)] for row in range(2)]
    assert found == [[0, 128, 64, 255], [255, 128, 191, 0]]


def test_endpoints_come_from_one_place() -> None:
    with pytest.raises(InputError, match="come from one place"):
        Ends(pairs=1, latents=Path("a.npy"))
