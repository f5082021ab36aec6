"""MNIST from its IDX files: what is read, and what is refused."""

from __future__ import annotations

import contextlib
import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from latentpath.data import find_folder, mnist, read_idx, to_unit_range
from latentpath.errors import DataError, LatentPathError, MissingDataError


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """A folder with 12 training and 5 test images of noise; the training files packed, the test files not."""
    random = np.random.default_rng(0)
    for prefix, count, packed in (("train", 12, True), ("t10k", 5, False)):
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for stem, array in (("images-idx3", images), ("labels-idx1", labels)):
            name, content = f"{prefix}-{stem}-ubyte", idx(array)
            if packed:
                (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (tmp_path / name).write_bytes(content)
    return tmp_path


def test_idx_gives_back_what_was_written(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)
    (tmp_path / "plain").write_bytes(idx(array))
    (tmp_path / "packed").write_bytes(gzip.compress(idx(array)))
    for name in ("plain", "packed"):
        found = read_idx(tmp_path / name)
        assert found.dtype == torch.uint8
        np.testing.assert_array_equal(found.numpy(), array)


def test_mnist_shapes_packed_or_not(digits: Path) -> None:
    for split, count in (("train", 12), ("test", 5)):
        images, labels = mnist(split, digits)  # type: ignore[arg-type]
        assert images.shape == (count, 1, 28, 28)
        assert images.dtype == labels.dtype == torch.uint8
        assert labels.tolist() == [i % 10 for i in range(count)]


def test_folder_is_given_or_from_the_environment(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENTPATH_DATA", str(digits))
    assert find_folder("mnist") == digits
    assert torch.equal(mnist("test")[0], mnist("test", digits)[0])
    (digits / "mnist").mkdir()
    assert find_folder("mnist") == digits / "mnist"


def test_no_folder_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LATENTPATH_DATA", raising=False)
    with pytest.raises(MissingDataError, match="--data FOLDER.*LATENTPATH_DATA"):
        mnist("train")
    with pytest.raises(MissingDataError, match="nowhere.*does not exist"):
        mnist("train", tmp_path / "nowhere")


def test_missing_file_is_named(digits: Path) -> None:
    (digits / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(MissingDataError, match="t10k-labels-idx1-ubyte"):
        mnist("test", digits)
    with pytest.raises(MissingDataError, match="does not exist"):
        read_idx(digits / "nothing")


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    content = idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    packed = gzip.compress(content)
    path = tmp_path / "file"
    for whole in (content, packed):
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            with pytest.raises(DataError, match="file"):
                read_idx(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(DataError, match="should hold 24 values"):
        read_idx(path)


def test_every_flipped_byte_of_a_packed_file_is_noticed_or_harmless(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    packed = gzip.compress(idx(array))
    path = tmp_path / "file"
    for i in range(len(packed)):
        path.write_bytes(packed[:i] + bytes([packed[i] ^ 0x40]) + packed[i + 1 :])
        with contextlib.suppress(LatentPathError):
            assert read_idx(path).numpy().tolist() == array.tolist()  # a byte of the header that means nothing


def test_foreign_files_are_refused(digits: Path) -> None:
    path = digits / "train-images-idx3-ubyte.gz"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    with pytest.raises(DataError, match=r"not an IDX file.*89 50 4e 47"):
        mnist("train", digits)
    path.write_bytes(idx(np.zeros((12, 28, 28), np.float32), kind=13))
    with pytest.raises(DataError, match="not an IDX file of unsigned bytes"):
        mnist("train", digits)
    path.write_bytes(idx(np.zeros((12, 32, 32), np.uint8)))
    with pytest.raises(DataError, match=r"does not hold MNIST.*\(12, 32, 32\)"):
        mnist("train", digits)
    path.write_bytes(idx(np.zeros((11, 28, 28), np.uint8)))
    with pytest.raises(DataError, match=r"labels \(12,\)"):
        mnist("train", digits)
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(path)


def test_labels_beyond_nine_are_not_mnist(digits: Path) -> None:
    (digits / "t10k-labels-idx1-ubyte").write_bytes(idx(np.full(5, 26, np.uint8)))
    with pytest.raises(DataError, match="go up to 26"):
        mnist("test", digits)


def test_unit_range_is_exact_at_its_ends() -> None:
    assert to_unit_range(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1.0, 1.0]


@pytest.mark.data("mnist")
def test_real_mnist_is_as_published(data_folder: Path) -> None:
    images, labels = mnist("train", data_folder)
    assert images.shape == (60_000, 1, 28, 28)
    assert torch.bincount(labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert len(mnist("test", data_folder)[0]) == 10_000
