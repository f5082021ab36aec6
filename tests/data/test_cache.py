"""The cache of decoded images: read once, whole or not at all, and made anew when damaged."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from latentpath.data import Images, cache, cache_folder, load_images
from latentpath.errors import DataError

COUNT = 130  # more than two blocks


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """An archive of 130 pictures of noise."""
    random, path = np.random.default_rng(0), tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(COUNT):
            with archive.open(f"{i}.png", "w") as file:
                Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(file, "PNG")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def load(source: Path, folder: Path, **options: object) -> Images:
    return load_images(source, **{"size": 8, "channels": 3, "cache": folder, **options})  # type: ignore[arg-type]


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def refuse(*_: object) -> None:
    raise AssertionError("decoded again")


def test_pictures_are_decoded_once(faces: Path, folder: Path) -> None:
    steps: list[tuple[int, int]] = []
    first = load(faces, folder, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(64, COUNT), (128, COUNT), (COUNT, COUNT)]
    (file,) = files(folder)
    assert file.name.startswith("faces-")
    np.testing.assert_array_equal(np.load(file), first.pixels.numpy())
    again = load(faces, folder, hold_out=7, progress=refuse)
    assert torch.equal(torch.cat([again.pixels, again.held_out]), first.pixels)
    assert (len(again), len(again.held_out)) == (COUNT - 7, 7)


def test_threads_change_nothing(faces: Path, folder: Path) -> None:
    alone = load(faces, folder / "1")
    torch.set_num_threads(3)
    try:
        together = load(faces, folder / "3")
    finally:
        torch.set_num_threads(1)
    assert torch.equal(alone.pixels, together.pixels)
    assert alone.fingerprint == together.fingerprint


def test_the_fingerprint_follows_what_is_in_the_images(faces: Path, folder: Path) -> None:
    variants: list[dict[str, object]] = [{}, {"size": 4}, {"channels": 1}, {"crop": 0.5}, {"hold_out": 1}]
    found = [load(faces, folder, **options).fingerprint for options in variants]
    assert len(set(found)) == len(variants)
    assert len(files(folder)) == len(variants) - 1
    moved = faces.rename(faces.with_name("moved.zip"))
    os.utime(moved, (0, 0))
    assert [load(moved, folder, **options).fingerprint for options in variants] == found
    with zipfile.ZipFile(moved, "a") as archive, archive.open("200.png", "w") as file:
        Image.new("RGB", (8, 8)).save(file, "PNG")
    assert load(moved, folder).fingerprint not in found


def test_a_picture_that_changes_in_a_folder_is_seen(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "shapes" / "1.png"
    path.parent.mkdir()
    for value in (10, 20):
        Image.new("L", (8, 8), value).save(path)
        os.utime(path, (value, value))
        assert bool((load(path.parent, folder).pixels == value).all())


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "foreign", "another shape", "longer name"])
def test_a_damaged_cache_is_made_anew(faces: Path, folder: Path, damage: str) -> None:
    first = load(faces, folder)
    (file,) = files(folder)
    content = file.read_bytes()
    if damage == "truncated":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        file.write_bytes(content[:5000] + bytes([content[5000] ^ 1]) + content[5001:])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "foreign":
        file.write_bytes(b"words" * 100)
    elif damage == "another shape":
        np.save(file, np.zeros((3, 3), np.uint8))
    else:
        file.rename(file.with_name(file.name.replace(".npy", "0.npy")))
    steps: list[int] = []
    again = load(faces, folder, progress=lambda done, _: steps.append(done))
    assert steps[-1] == COUNT
    assert again.fingerprint == first.fingerprint
    assert torch.equal(again.pixels, first.pixels)
    assert [path.read_bytes() for path in files(folder)] == [content]


def test_large_sets_are_mapped_and_the_file_is_safe(faces: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = load(faces, folder)
    monkeypatch.setattr(cache, "_IN_MEMORY", 0)
    large = load(faces, folder, hold_out=5, progress=refuse)
    (file,) = files(folder)
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert str(file) in maps.read_text()
    assert torch.equal(large.pixels, small.pixels[:-5])
    content = file.read_bytes()
    large.pixels.zero_()
    assert file.read_bytes() == content
    assert torch.equal(load(faces, folder).pixels, small.pixels)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("the terminal is gone")])
def test_an_interrupted_run_leaves_nothing(faces: Path, folder: Path, error: BaseException) -> None:
    def stop(done: int, _: int) -> None:
        if done > 64:
            raise error

    with pytest.raises((KeyboardInterrupt, OSError)) as caught:
        load(faces, folder, progress=stop)
    assert not isinstance(caught.value, DataError)
    assert files(folder) == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_killed_run_leaves_no_half_cache(faces: Path, folder: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from latentpath.data import load_images\n"
        "load_images(sys.argv[1], size=8, channels=3, cache=Path(sys.argv[2]),\n"
        "            progress=lambda done, _: done > 64 and os.kill(os.getpid(), signal.SIGKILL))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(faces), str(folder)], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = files(folder)
    assert left.name.startswith(".partial-")
    assert len(load(faces, folder)) == COUNT
    assert left in files(folder)  # it may be another run's that is still going
    os.utime(left, (0, 0))
    load(faces, folder, size=4)
    assert left not in files(folder)


def test_two_runs_at_once_do_no_harm(faces: Path, folder: Path) -> None:
    inner: list[Images] = []

    def meanwhile(done: int, _: int) -> None:
        if done == 64:
            inner.append(load(faces, folder))

    outer = load(faces, folder, progress=meanwhile)
    assert torch.equal(outer.pixels, inner[0].pixels)
    assert len(files(folder)) == 1


def test_a_full_disk_is_named(faces: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage(100, 99, 1))
        with pytest.raises(DataError, match="cache of decoded images in .* cannot be written .No space left"):
            load(faces, folder, progress=refuse)
    assert files(folder) == []


def test_a_disk_that_fills_up_is_named(faces: Path, folder: Path) -> None:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # of 25,088 bytes: a write fails, half-way
    try:
        with pytest.raises(DataError, match=r"cache cannot be written \(File too large\), it needs 0.0 MB: make room"):
            load(faces, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files(folder) == []


def test_a_cache_that_cannot_be_made_is_named(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file/cache cannot be written.*name another folder in LATENTPATH_CACHE"):
        load(faces, tmp_path / "file" / "cache")


def test_where_the_cache_is(tmp_path: Path, faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LATENTPATH_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "latentpath"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "latentpath"
    monkeypatch.setenv("LATENTPATH_CACHE", str(tmp_path / "named"))
    assert cache_folder() == tmp_path / "named"
    load_images(faces, size=8, channels=3)
    assert len(files(tmp_path / "named")) == 1
