"""Folders of pictures, at any depth, as a table of the ``datasets`` library."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from ..errors import missing
from .listing import CELEBA, CELEBA_CROP, Source, check_there_are, fingerprint, in_split, is_picture
from .pictures import Frame, decode

if TYPE_CHECKING:
    from datasets import Dataset


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
