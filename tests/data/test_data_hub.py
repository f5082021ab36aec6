"""Data sets of the Hub, from a cache of it as a first load leaves it, and a Hub that does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from latentpath.data import Images, load_images
from latentpath.errors import DataError, MissingDataError


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The cache of the data sets of the Hub."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    datasets.disable_progress_bars()
    yield tmp_path / "hub"
    datasets.enable_progress_bars()


def publish(hub: Path, name: str, table: datasets.Dataset, configuration: str = "default") -> None:
    """Put a table, and its first row as the split test, where they are once the Hub's have been fetched."""
    place = hub / name.replace("/", "___") / configuration / "0.0.0" / "abc"
    for split, part in (("train", table), ("test", table.select([0]))):
        part.to_parquet(str(hub.parent / f"{split}.parquet"))
    files = {split: str(hub.parent / f"{split}.parquet") for split in ("train", "test")}
    datasets.load_dataset("parquet", configuration, data_files=files, cache_dir=str(hub.parent / "built"))
    built = next((hub.parent / "built").rglob("dataset_info.json")).parent
    place.parent.mkdir(parents=True, exist_ok=True)
    built.rename(place)
    for file in place.glob("*.arrow"):
        file.rename(place / file.name.replace("parquet", name.rsplit("/", maxsplit=1)[-1]))


def table(**columns: list[object] | None) -> datasets.Dataset:
    """Columns of numbers and of pictures; None stands for three pictures."""
    pictures = [Image.new("RGB", (9, 6), (value,) * 3) for value in (30, 10, 20)]
    filled = {name: pictures if content is None else content for name, content in columns.items()}
    kinds = {
        name: datasets.Value("int64") if isinstance(content[0], int) else datasets.Image()
        for name, content in filled.items()
    }
    return datasets.Dataset.from_dict(filled, features=datasets.Features(kinds))


def load(name: str, **options: object) -> Images:
    return load_images(name, **{"size": 4, "channels": 1, "cache": Path("cache"), **options})  # type: ignore[arg-type]


def test_rows_in_their_order_and_splits(hub: Path) -> None:
    publish(hub, "org/faces", table(label=[0, 1, 2], img=None))
    images = load("org/faces", hold_out=1)
    assert images.name == "org/faces"
    assert images.pixels[:, 0, 0, 0].tolist() == [30, 10]
    assert images.held_out[:, 0, 0, 0].tolist() == [20]
    assert load("org/faces", split="test").pixels[:, 0, 0, 0].tolist() == [30]
    assert torch.equal(load("org/faces").pixels, load("org/faces").pixels)
    with pytest.raises(MissingDataError, match="org/faces has no split 'validation': there is train, test"):
        load("org/faces", split="validation")


def test_a_configuration_is_named_after_a_colon(hub: Path) -> None:
    publish(hub, "org/faces", table(image=None), "small")
    publish(hub, "org/faces", table(image=None).select([1, 2]), "tiny")
    assert len(load("org/faces:small")) == 3
    assert len(load("org/faces:tiny")) == 2
    with pytest.raises(MissingDataError, match="org/faces.*failed.*configurations.*tiny"):
        load("org/faces")


def test_the_column_called_image_goes_before_others(hub: Path) -> None:
    publish(hub, "faces", table(mask=None, image=[Image.new("L", (6, 6), 77)] * 3))
    assert load("faces").pixels[:, 0, 0, 0].tolist() == [77, 77, 77]
    publish(hub, "masks", table(mask=None, face=[Image.new("L", (6, 6), 77)] * 3))
    assert load("masks").pixels[:, 0, 0, 0].tolist() == [30, 10, 20]


def test_without_a_column_of_images(hub: Path) -> None:
    publish(hub, "org/numbers", table(label=[0, 1, 2], age=[3, 4, 5]))
    with pytest.raises(DataError, match=r"org/numbers has no column of images: there is label \(Value\), age"):
        load("org/numbers")


def test_a_broken_or_missing_picture_is_named_by_its_row(hub: Path) -> None:
    cells = [{"bytes": b"words", "path": None}]
    kinds = datasets.Features({"image": datasets.Image()})
    publish(hub, "org/broken", datasets.Dataset.from_dict({"image": cells}, features=kinds))
    with pytest.raises(DataError, match=r"row 0 of org/broken \(train\) is not an image"):
        load("org/broken")
    publish(hub, "org/holes", datasets.Dataset.from_dict({"image": [None]}, features=kinds))
    with pytest.raises(DataError, match=r"row 0 of org/holes \(train\) is not an image"):
        load("org/holes")


def test_a_hub_that_is_forbidden_or_does_not_answer(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        MissingDataError,
        match="no file or folder 'org/nothing' here.*Hub failed.*org/nothing.*check the name and the connection.*"
        "HF_HUB_OFFLINE.*pass a folder or zip archive",
    ):
        load("org/nothing")

    def unreachable(*_: object) -> None:
        raise ConnectionError("Config name is missing.\nPlease pick one: a, b")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(
        MissingDataError, match=r"failed \(ConnectionError: Config name is missing. Please pick one: a, b\): check"
    ):
        load("org/nothing")


def test_a_streamed_or_foreign_answer_is_refused(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: np.zeros(3))
    with pytest.raises(DataError, match="org/odd is a ndarray, expected tables by split"):
        load("org/odd")
