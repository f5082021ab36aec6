"""The real images of a reproduction: training images for the judges, and faces kept out of training, to encode."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from ..data import DATA_VARIABLE, load_images
from ..errors import DataError, InputError, LatentPathError
from .config import DIGITS, FACES, WAE

__all__ = ["DEPENDENT", "RealImages", "data_of", "real_images"]

HELD_OUT = 100
"""Faces, the last by name, that the models of faces were not trained on."""

_SETS = {"mnist": (DIGITS, 28, 1), "celeba": (FACES, 64, 3)}

DEPENDENT: Mapping[str, tuple[str, ...]] = {
    "mnist": tuple(f"{name}/{job}*" for name in DIGITS for job in ("indices-", "judged")),
    "celeba": (*(f"{name}/judged*" for name in FACES), f"{WAE}/*"),
}
"""The files of the jobs that depend on a data set."""


@dataclass(frozen=True)
class RealImages:
    """What there is.

    Attributes:
        pixels: training images by data set, ``uint8``; None where they are not here, with the reason in ``missing``.
        missing: why there are no images of a data set.
        encoded: faces that were kept out of training, whose encodings are endpoints; None where there are none.
    """

    pixels: Mapping[str, Tensor | None] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    encoded: Tensor | None = None

    @property
    def counts(self) -> dict[str, int | None]:
        """How many there are of each data set; None where they are not here."""
        return {name: None if images is None else len(images) for name, images in self.pixels.items()}


def data_of(model: str) -> str:
    """The data set that a model was trained on."""
    return "celeba" if model in FACES else "mnist"


def real_images(wanted: Collection[str], data: str | None) -> RealImages:
    """The images of the data sets ``wanted``, of those in the folder ``data`` (None: that in ``LATENTPATH_DATA``).

    Raises:
        InputError: there is no such folder, or neither data set is in it, or too few faces.
        LatentPathError: what is there cannot be read.
    """
    data = data if data is not None else os.environ.get(DATA_VARIABLE) or None
    root = None if data is None else Path(data).expanduser()
    if root is not None and not root.is_dir():
        how = "is a file" if root.exists() else "does not exist"
        raise InputError(f"--data must name a folder with mnist/ and celeba/ in it, and {data} {how}")
    if root is not None and not any((root / name).exists() for name in _SETS):
        raise InputError(f"--data must name a folder with mnist/ and celeba/ in it, and {data} has neither")
    pixels: dict[str, Tensor | None] = {}
    missing: dict[str, str] = {}
    encoded = None
    for name in (name for name in _SETS if name in wanted):
        if root is None or not (root / name).exists():
            where = "name a folder (--data)" if root is None else f"{name}/ is not in the folder of --data"
            pixels[name], missing[name] = None, f"there are no images of {name}: {where}"
            continue
        images = _load(name, root / name)
        kept = len(images) - (HELD_OUT if name == "celeba" else 0)
        if kept < 1:
            raise InputError(
                f"--data has {len(images)} images of faces in {name}/, and {HELD_OUT} are kept out of training: "
                f"more than {HELD_OUT} are needed"
            )
        pixels[name], encoded = images[:kept], images[kept:] if name == "celeba" else encoded
    return RealImages(pixels, missing, encoded)


def _load(name: str, folder: Path) -> Tensor:
    _, size, channels = _SETS[name]
    try:
        images = load_images(folder, size=size, channels=channels)
    except LatentPathError as error:
        raise type(error)(f"the images of {name} in --data cannot be read: {error}") from error
    if images.name != name:
        raise DataError(f"--data has {images.name} in {name}/: put {name} there, or take that folder away")
    return images.pixels
