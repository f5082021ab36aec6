"""Sources of pictures, the values of ``--data``: a folder, an archive, or a name.

| given | pictures |
|---|---|
| nothing | the folder in ``LATENTPATH_DATA`` |
| ``mnist``, ``celeba`` | that data set in the folder in ``LATENTPATH_DATA``, or in its sub-folder of that name |
| a folder with MNIST's IDX files, or whose sub-folder ``mnist`` has them | MNIST |
| ``img_align_celeba.zip``, or a folder that has it or its content, or whose sub-folder ``celeba`` has | CelebA |
| any other folder or zip archive | every picture in it, at any depth |
| ``name``, ``org/name``, ``org/name:configuration`` | the data set of that name on the Hugging Face Hub |

Files on this disk come first, in the order of the table. Nothing is extracted.
"""

import hashlib
import os
import re
from pathlib import Path

import numpy as np

from ..errors import DataError, InputError, LatentPathError, MissingDataError
from .archives import archive_source
from .idx import DATA_VARIABLE, find_folder, mnist
from .listing import CELEBA, Source
from .pictures import Frame, fit
from .tables import folder_source, hub_source

_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?(:[\w.-]+)?", re.ASCII)


def find_source(source: str | Path | None, split: str = "train") -> Source:
    """Finds the pictures of ``source`` by the table above."""
    given = source if source is not None else os.environ.get(DATA_VARIABLE, "")
    try:
        return _find(str(given), split)
    except LatentPathError:
        raise
    except OSError as error:
        raise DataError(
            f"{error.filename or given} cannot be read ({error.strerror or error}): it needs to be readable, or copy it"
        ) from error


def _find(given: str, split: str) -> Source:
    if not given:
        raise MissingDataError(
            "no data: pass a folder, a zip archive or the name of a data set (--data), or set "
            f"{DATA_VARIABLE} to the folder that holds your data sets"
        )
    path = Path(given).expanduser()
    if given in ("mnist", "celeba") and (os.environ.get(DATA_VARIABLE) or not path.is_dir()):
        root = find_folder(given)
        found = _mnist(root, split) if given == "mnist" else _celeba(root, split)
        if found is None:
            wanted = "MNIST's four files (train-images-idx3-ubyte.gz, ...)" if given == "mnist" else f"{CELEBA}.zip"
            raise MissingDataError(f"{root} does not have {wanted}: put them there, or pass where they are (--data)")
        return found
    if path.is_dir():
        return _in_folder(path, split)
    if path.exists():
        return archive_source(path, split)
    if _HUB_NAME.fullmatch(given):
        return hub_source(given, split)
    raise MissingDataError(f"{given} does not exist: pass a folder, a zip archive, or the name of a data set (--data)")


def _in_folder(root: Path, split: str) -> Source:
    return _mnist(root, split) or _celeba(root, split) or folder_source(root, split)


def _mnist(root: Path, split: str) -> Source | None:
    place = root / "mnist" if (root / "mnist").is_dir() else root
    if not any(place.glob("*-images-idx3-ubyte*")):
        return None
    if split not in ("train", "test"):
        raise InputError(f'MNIST has the splits "train" and "test"; got {split!r}')
    pixels = mnist("train" if split == "train" else "test", place)[0].numpy()

    def read(i: int, frame: Frame) -> np.ndarray:
        from PIL import Image

        return fit(Image.fromarray(pixels[i, 0]), frame)

    return Source("mnist", hashlib.sha256(pixels.data).hexdigest(), len(pixels), read, pixels=pixels)


def _celeba(root: Path, split: str) -> Source | None:
    for place in (root, root / "celeba"):
        if (place / f"{CELEBA}.zip").is_file():
            return archive_source(place / f"{CELEBA}.zip", split)
        if place.name == CELEBA or (place / CELEBA).is_dir():
            return folder_source(place, split)
    return None
