"""Real images: training images for the judges, and faces kept out of training whose encodings are endpoints."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from ..data import DATA_VARIABLE, load_images
from ..errors import DataError, InputError, LatentPathError
from .config import DIGITS, FACES, WAE

HELD_OUT = 100  # the number of faces, the last by name, that the models of faces were not trained on
_SIZES = {"mnist": (28, 1), "celeba": (64, 3)}  # side and channels of the images of each data set
IMAGE_DEPENDENT_JOBS: Mapping[str, tuple[str, ...]] = {  # patterns of their files in the job cache
    "mnist": tuple(f"{name}/{job}*" for name in DIGITS for job in ("indices-", "judged")),
    "celeba": (*(f"{name}/judged*" for name in FACES), f"{WAE}/*"),
}


@dataclass(frozen=True)
class RealImages:
    """The real images of each data set."""

    # training images by data set, ``uint8``; None where there are none, with the reason in ``missing``
    pixels: Mapping[str, Tensor | None] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)  # by data set, the reason why it has no images
    held_out: Tensor | None = None  # faces that were kept out of training; None where there are none

    @property
    def counts(self) -> dict[str, int | None]:
        """The number of images of each data set; None where there are none."""
        return {name: None if images is None else len(images) for name, images in self.pixels.items()}


def data_set_of(model: str) -> str:
    """The data set that a model was trained on."""
    return "celeba" if model in FACES else "mnist"


def read_real_images(wanted: Collection[str], data: str | None) -> RealImages:
    """Reads the data sets ``wanted`` from the folder ``data``; None for the one in ``LATENTPATH_DATA``."""
    data = data if data is not None else os.environ.get(DATA_VARIABLE) or None
    root = None if data is None else Path(data).expanduser()
    if root is not None and not any((root / name).exists() for name in _SIZES):
        problem = "has neither" if root.is_dir() else "is a file" if root.exists() else "does not exist"
        raise InputError(f"--data must name a folder with mnist/ and celeba/ in it, and {data} {problem}")
    pixels: dict[str, Tensor | None] = {}
    missing: dict[str, str] = {}
    held_out = None
    for name in (name for name in _SIZES if name in wanted):
        if root is None or not (root / name).exists():
            remedy = "name a folder (--data)" if root is None else f"{name}/ is not in the folder of --data"
            pixels[name], missing[name] = None, f"there are no images of {name}: {remedy}"
            continue
        images = _load(name, root / name)
        kept = len(images) - (HELD_OUT if name == "celeba" else 0)
        if kept < 1:
            raise InputError(
                f"--data has {len(images)} images of faces in {name}/, and {HELD_OUT} are kept out of training: "
                f"more than {HELD_OUT} are needed"
            )
        pixels[name], held_out = images[:kept], images[kept:] if name == "celeba" else held_out
    return RealImages(pixels, missing, held_out)


def _load(name: str, folder: Path) -> Tensor:
    size, channels = _SIZES[name]
    try:
        images = load_images(folder, size=size, channels=channels)
    except LatentPathError as error:
        raise type(error)(f"the images of {name} in --data cannot be read: {error}") from error
    if images.name != name:
        raise DataError(f"--data has {images.name} in {name}/: put {name} there, or take that folder away")
    return images.pixels
