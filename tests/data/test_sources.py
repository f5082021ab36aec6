"""Data sets by folder, archive and name."""

from __future__ import annotations

import io
import os
import struct
import sys
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import torch
from image_files import NUMBERED, Load, fill, pack, picture, values
from PIL import Image

from latentpath.data import load_images, mnist, read_images
from latentpath.data.listing import CELEBA_CROP, in_split
from latentpath.errors import DataError, InputError, MissingDataError, MissingDependencyError


def test_a_folder_and_an_archive_of_it_are_the_same_in_natural_order(tmp_path: Path, load: Load) -> None:
    folder = fill(tmp_path / "shapes", NUMBERED)
    archive = pack(tmp_path / "packed.zip", {name: picture(value) for name, value in NUMBERED.items()})
    for source in (folder, str(folder), archive, str(archive)):
        images = load(source, channels=3)
        assert images.pixels.shape == (6, 3, 4, 4)
        assert values(images.pixels) == [10, 20, 30, 40, 50, 60]
        assert len(images) == 6
    assert load(folder).name == "shapes"
    assert load(archive).name == "packed"


def test_the_last_by_name_are_held_out(tmp_path: Path, load: Load) -> None:
    images = load(fill(tmp_path / "shapes", NUMBERED), hold_out=2)
    assert values(images.pixels) == [10, 20, 30, 40]
    assert values(images.held_out) == [50, 60]


def test_what_is_no_picture_by_its_name_is_left_out(tmp_path: Path, load: Load) -> None:
    folder = fill(tmp_path / "mixed", {"1.png": 10, "2.JPG": 20})
    junk = {
        "notes.txt": b"words",
        ".hidden.png": b"x",
        "__MACOSX/1.png": b"x",
        "Thumbs.db": b"x",
        "sub/.DS_Store": b"x",
    }
    for name, content in junk.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    archive = pack(tmp_path / "mixed.zip", {**junk, "1.png": picture(10), "2.JPG": picture(20)})
    assert values(load(folder).pixels) == values(load(archive).pixels) == [10, 20]


def test_folders_called_as_splits_are_splits(tmp_path: Path, load: Load) -> None:
    names = {"pets/train/cat/1.png": 10, "pets/test/cat/1.png": 20}
    folder = fill(tmp_path / "pets", names)
    archive = pack(tmp_path / "pets.zip", {name: picture(value) for name, value in names.items()})
    for source in (folder, archive):
        assert values(load(source).pixels) == [10]
        assert values(load(source, split="test").pixels) == [20]
        with pytest.raises(MissingDataError, match="pets.* has no split 'val': there is test, train"):
            load(source, split="val")


@pytest.mark.parametrize("names", [["train/1.png", "bus/1.png"], ["train/1.png", "1.png"], ["1.png"]])
def test_a_folder_that_happens_to_be_called_train_is_no_split(names: list[str]) -> None:
    paths = [PurePosixPath(name) for name in names]
    assert sorted(in_split(paths, "train", Path("here"))) == sorted(paths)
    with pytest.raises(MissingDataError, match="here has no split 'test': there is train"):
        in_split(paths, "test", Path("here"))


def test_links_to_folders_are_followed_once(tmp_path: Path, load: Load) -> None:
    folder = fill(tmp_path / "shapes", {"a/1.png": 10})
    fill(tmp_path / "elsewhere", {"2.png": 20})
    (folder / "b").symlink_to(tmp_path / "elsewhere")
    (folder / "c").symlink_to(tmp_path / "elsewhere")
    (folder / "loop").symlink_to(folder)
    assert values(load(folder).pixels) == [10, 20]


def faces(width: int, height: int) -> dict[str, bytes]:
    """Black, but for the part that CelebA's crop takes."""
    image = Image.new("RGB", (width, height))
    side = round(width * CELEBA_CROP)
    image.paste("white", ((width - side) // 2, (height - side) // 2, (width + side) // 2, (height + side) // 2))
    file = io.BytesIO()
    image.save(file, "PNG")
    return {f"img_align_celeba/{i:06}.png": file.getvalue() for i in (1, 2)}


def test_celeba_is_cropped_wherever_it_is_found(tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    published = faces(178, 218)
    root = tmp_path / "root"
    archive = pack(root / "celeba" / "img_align_celeba.zip", published)
    renamed = pack(tmp_path / "faces.zip", published)
    for name, content in published.items():
        (tmp_path / "extracted" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "extracted" / name).write_bytes(content)
    extracted = tmp_path / "extracted"
    for source in (root, root / "celeba", archive, renamed, extracted, extracted / "img_align_celeba"):
        images = load(source, size=8)
        assert images.name == "celeba"
        assert bool((images.pixels[..., 1:-1, 1:-1] > 250).all()), source  # a filter sees a little beyond
    monkeypatch.setenv("LATENTPATH_DATA", str(root))
    assert torch.equal(load("celeba", size=8).pixels, load(archive, size=8).pixels)
    assert torch.equal(load(None, size=8).pixels, load(archive, size=8).pixels)
    assert int(load("celeba", crop=1.0).pixels[0, 0, 0, 0]) < 50


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """A folder with the sub-folder mnist: 12 training and 5 test images of noise."""
    random = np.random.default_rng(0)
    (tmp_path / "sets" / "mnist").mkdir(parents=True)
    for prefix, count in (("train", 12), ("t10k", 5)):
        for stem, array in (
            ("images-idx3", random.integers(0, 256, (count, 28, 28), dtype=np.uint8)),
            ("labels-idx1", (np.arange(count) % 10).astype(np.uint8)),
        ):
            content = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
            (tmp_path / "sets" / "mnist" / f"{prefix}-{stem}-ubyte").write_bytes(content)
    return tmp_path / "sets"


def test_mnist_is_found_by_folder_parent_and_name(digits: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENTPATH_DATA", str(digits))
    for source in (digits, digits / "mnist", "mnist", None):
        for split, count in (("train", 12), ("test", 5)):
            images = load(source, size=28, split=split)
            assert images.name == "mnist"
            assert len(images) == count
            assert torch.equal(images.pixels, mnist(split, digits)[0])  # type: ignore[arg-type]
    assert not (digits.parent / "cache").exists()


def test_mnist_is_resized_and_repeated(digits: Path, load: Load) -> None:
    large = load(digits, size=64, channels=3, hold_out=2)
    assert large.pixels.shape == (10, 3, 64, 64)
    assert large.held_out.shape == (2, 3, 64, 64)
    assert torch.equal(large.pixels[:, 0], large.pixels[:, 2])
    pixels = mnist("train", digits)[0][0, 0].numpy()
    wanted = Image.fromarray(pixels).resize((64, 64), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(large.pixels[0, 0].numpy(), np.asarray(wanted))


def test_nothing_given_and_names_without_a_folder(tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingDataError, match="no data: pass a folder.*--data.*LATENTPATH_DATA"):
        load(None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingDataError, match="no data folder for celeba: pass one.*LATENTPATH_DATA"):
        load("celeba")
    fill(tmp_path / "celeba", {"1.png": 10})
    assert values(load("celeba").pixels) == [10]  # there is a folder of that name, and no other place to look
    (tmp_path / "sets").mkdir()
    monkeypatch.setenv("LATENTPATH_DATA", str(tmp_path / "sets"))
    with pytest.raises(MissingDataError, match="sets does not have img_align_celeba.zip: put them there, or pass"):
        load("celeba")
    with pytest.raises(MissingDataError, match="sets does not have MNIST's four files"):
        load("mnist")
    with pytest.raises(MissingDataError, match=r"elsewhere/faces\.zip does not exist: pass a folder, a zip"):
        load(tmp_path / "elsewhere" / "faces.zip")


def test_folders_without_pictures(tmp_path: Path, load: Load) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingDataError, match="empty is empty: expected files like .jpg or .png, at any depth"):
        load(tmp_path / "empty")
    (tmp_path / "empty" / "notes.txt").write_text("words")
    with pytest.raises(MissingDataError, match=r"empty has no images \(1 other files, e.g. notes.txt\)"):
        load(tmp_path / "empty")
    with pytest.raises(MissingDataError, match="none.zip is empty"):
        load(pack(tmp_path / "none.zip", {}))
    with pytest.raises(MissingDataError, match="words.zip has no images"):
        load(pack(tmp_path / "words.zip", {"a/notes.txt": b"words"}))


@pytest.mark.parametrize(
    "content",
    [b"words", b"", picture(0)[:45], picture(0, 90, 90, "JPEG")[:-60]],
    ids=["foreign", "empty", "truncated PNG", "truncated JPEG"],
)
def test_one_broken_picture_among_good_ones_is_named(tmp_path: Path, load: Load, content: bytes) -> None:
    folder = fill(tmp_path / "shapes", NUMBERED)
    (folder / "b" / "0.jpg").write_bytes(content)
    with pytest.raises(DataError, match=r"shapes/b/0\.jpg (is not an image|cannot be read)"):
        load(folder)
    archive = pack(tmp_path / "shapes.zip", {"b/0.jpg": content, **{name: picture(0) for name in NUMBERED}})
    with pytest.raises(DataError, match=r"^b/0\.jpg in .*shapes\.zip (is not an image|cannot be read)"):
        load(archive)


def test_what_may_not_be_read(tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fill(tmp_path / "shapes", NUMBERED)
    real = os.scandir

    def scandir(path: str) -> object:  # the tests may run as root, who may read everything
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        with pytest.raises(DataError, match="shapes/b cannot be read .Permission denied.: it needs to be readable"):
            load(folder)
    archive = pack(tmp_path / "faces.zip", {"1.png": picture(1)})

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(zipfile, "ZipFile", refuse)
    with pytest.raises(DataError, match="faces.zip cannot be read .Permission denied."):
        load(archive)


def test_numbers_that_mean_nothing(digits: Path, load: Load) -> None:
    for hold_out in (12, 13):
        with pytest.raises(InputError, match=rf"hold_out must leave images.*mnist \(train\) has 12; got {hold_out}"):
            load(digits, hold_out=hold_out)
    with pytest.raises(InputError, match="hold_out.* -1"):
        load(digits, hold_out=-1)
    with pytest.raises(InputError, match="size must be at least 1 pixel"):
        load(digits, size=0)
    with pytest.raises(InputError, match="channels must be 1"):
        load(digits, channels=2)
    with pytest.raises(InputError, match="crop is a fraction"):
        load(digits, crop=0.0)
    with pytest.raises(InputError, match='MNIST has the splits "train" and "test"; got \'val\''):
        load(digits, split="val")


def test_a_folder_needs_datasets_and_an_archive_does_not(
    tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert values(load(pack(tmp_path / "faces.zip", {"1.png": picture(1)})).pixels) == [1]
    with pytest.raises(MissingDependencyError, match=r"images in .*shapes needs datasets.*latentpath\[data\]"):
        load(fill(tmp_path / "shapes", NUMBERED))
    with pytest.raises(MissingDependencyError, match=r"no file or folder 'org/name' here.*needs datasets"):
        load("org/name")


@pytest.mark.data("celeba")
def test_real_celeba(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten faces of the real archive, repacked: each is cropped as CelebA is, in the order of their numbers."""
    monkeypatch.setenv("LATENTPATH_DATA", str(tmp_path))
    with zipfile.ZipFile(data_folder / "celeba" / "img_align_celeba.zip") as archive:
        content = {info.filename: archive.read(info) for info in archive.infolist()[:10]}
    pack(tmp_path / "celeba" / "img_align_celeba.zip", content)
    images = load_images("celeba", size=64, channels=3, hold_out=4, cache=tmp_path / "cache")
    assert images.pixels.shape == (6, 3, 64, 64)
    for i, (name, data) in enumerate(content.items()):
        path = tmp_path / Path(name).name
        path.write_bytes(data)
        wanted = read_images([path], 64, 3, CELEBA_CROP)[0]
        assert torch.equal(torch.cat([images.pixels, images.held_out])[i], wanted)
