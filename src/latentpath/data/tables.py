"""Tables of the ``datasets`` library: folders of pictures, at any depth, and data sets of the Hub by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataError, MissingDataError, missing
from .listing import CELEBA, CELEBA_CROP, Source, check_there_are, fingerprint, in_split, is_picture
from .pictures import Frame, decode

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict


def folder_source(root: Path, split: str) -> Source:
    """Lists the pictures in a folder; CelebA's is recognised by its name.

    Files without a picture's suffix are left out; a damaged picture is an error when it is read.
    """
    files = _files(root)
    names = [name for name in files if is_picture(name)]
    check_there_are(names, [str(name) for name in files], root)
    names = in_split(names, split, root)
    try:
        from datasets import Dataset, Features, Image
    except ImportError:
        raise missing("datasets", "data", f"reading the images in {root}") from None

    def fact(name: PurePosixPath) -> tuple[str, int, int]:
        status = (root / name).stat()
        return str(name), status.st_size, status.st_mtime_ns

    paths = [str(root / name) for name in names]
    table = Dataset.from_dict({"image": paths}, features=Features({"image": Image(decode=False)}))
    celeba = root.resolve().name == CELEBA or all(CELEBA in name.parts for name in names)
    name, crop = ("celeba", CELEBA_CROP) if celeba else (root.resolve().name, 1.0)
    return Source(name, fingerprint(map(fact, names)), len(names), row_reader(table, "image", str(root)), crop)


def row_reader(table: Dataset, column: str, where: str) -> Callable[[int, Frame], np.ndarray]:
    """Returns a function that reads the picture in a row of ``column``, a feature ``Image(decode=False)``."""

    def read(i: int, frame: Frame) -> np.ndarray:
        cell = table[i][column] or {}
        if cell.get("bytes") is not None:
            return decode(cell["bytes"], f"row {i} of {where}", frame)
        return decode(Path(cell["path"]) if cell.get("path") else b"", cell.get("path") or f"row {i} of {where}", frame)

    return read


def _files(root: Path) -> list[PurePosixPath]:
    """Lists every file below ``root``, relative to it; links to folders are followed, each folder is visited once."""

    def refuse(error: OSError) -> None:
        raise error

    found, seen = [], set()
    for place, folders, files in os.walk(root, onerror=refuse, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = sorted(folders) if real not in seen else []
        if real in seen:
            continue
        seen.add(real)
        relative = PurePosixPath(Path(place).relative_to(root).as_posix())
        found += [relative / name for name in sorted(files)]
    return found


def hub_source(given: str, split: str) -> Source:
    """Opens the pictures in a data set of the Hub, called ``name``, ``org/name`` or ``org/name:configuration``.

    They are in the column whose feature is an image: the one called ``image`` if there are several, else the first.
    Its rows keep their order. A second call reads the Hub's cache, offline too.
    """
    tables = _load(given)
    if split not in tables:
        raise MissingDataError(f"{given} has no split {split!r}: there is {', '.join(map(str, tables))}")
    table = tables[split]
    column = _image_column(table, given)
    files = [Path(entry["filename"]) for entry in table.cache_files]
    key = fingerprint([given, split, column, len(table), *((f.name, f.stat().st_size, str(f.parent)) for f in files)])
    return Source(given, key, len(table), row_reader(_undecoded(table, column), column, f"{given} ({split})"))


def _load(given: str) -> DatasetDict:
    name, _, configuration = given.partition(":")
    where = f"there is no file or folder {given!r} here, and reading it as a data set of the Hugging Face Hub"
    try:
        from datasets import DatasetDict, load_dataset
    except ImportError:
        raise missing("datasets", "data", where) from None
    try:
        tables = load_dataset(name, configuration or None)
    except Exception as error:  # of datasets, huggingface_hub, httpx, fsspec and the file formats
        reason = " ".join(str(error).split())[:300]  # with the configurations there are, where one must be chosen
        raise MissingDataError(
            f"{where} failed ({type(error).__name__}: {reason}): check the name and the connection (HF_HUB_OFFLINE "
            "forbids it; HF_TOKEN opens what is gated), or pass a folder or zip archive of images"
        ) from error
    if not isinstance(tables, DatasetDict):
        raise DataError(f"{given} is a {type(tables).__name__}, expected tables by split")
    return tables


def _image_column(table: Dataset, given: str) -> str:
    from datasets import Image

    columns = [column for column, feature in table.features.items() if isinstance(feature, Image)]
    if not columns:
        there = ", ".join(f"{name} ({type(feature).__name__})" for name, feature in table.features.items())
        raise DataError(f"{given} has no column of images: there is {there}; choose another data set")
    return "image" if "image" in columns else columns[0]


def _undecoded(table: Dataset, column: str) -> Dataset:
    from datasets import Image

    return table.select_columns([column]).cast_column(column, Image(decode=False))
