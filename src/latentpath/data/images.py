"""Data sets of images as tensors for training."""

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import SupportsIndex

import torch
from torch import Tensor

from .._validate import whole_number
from ..errors import InputError
from ..value_range import ValueRange
from .cache import cache_folder, cached_pixels
from .listing import fingerprint
from .pictures import Frame
from .sources import find_source


@dataclass(frozen=True, eq=False)
class Images:
    """A data set: all its images in one shape, some of them held out.

    Attributes:
        pixels: ``uint8`` ``(N, channels, H, W)``, in the order of their names; mapped from the cache when large.
        held_out: the images after ``pixels``, kept out of training.
        name: of the data set.
        fingerprint: a hash that changes with the images, their size, crop and channels, and how many are held out.
    """

    pixels: Tensor
    held_out: Tensor
    name: str
    fingerprint: str

    def __len__(self) -> int:
        return len(self.pixels)


def load_images(
    source: str | Path | None,
    *,
    size: SupportsIndex,
    channels: SupportsIndex,
    split: str = "train",
    hold_out: SupportsIndex = 0,
    crop: float | None = None,
    value_range: ValueRange | None = None,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Images:
    """Loads the images of a folder, an archive or a named data set, decoded once and then read from the cache.

    Args:
        source: see `latentpath.data.sources`; None is the folder in ``LATENTPATH_DATA``.
        size: of the square images, in pixels.
        channels: 1 for grey, 3 for RGB.
        split: where a data set has several.
        hold_out: how many images, the last ones by name, go into ``held_out``.
        crop: width of the centred square, as a fraction of the picture's; by default 108/178 for CelebA (108 of the
            published 178 pixels), the largest square for everything else.
        value_range: the values that are black and white in pictures of more than 8 bits; see `read_images`.
        cache: folder for decoded images; by default `latentpath.data.cache_folder`.
        progress: called with images decoded and their number, when they are not in the cache.

    Raises:
        InputError: an invalid size, number of channels, crop, split or ``hold_out``.
        MissingDataError, DataError: there is no such data set or split; a file or the cache cannot be used.
        MissingDependencyError: a folder or a data set of the Hub, and ``datasets`` is not installed.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from zipfile import ZipFile
        >>> from PIL import Image
        >>> with TemporaryDirectory() as folder:
        ...     Image.new("RGB", (89, 109), "red").save(Path(folder) / "red.png")
        ...     with ZipFile(Path(folder) / "faces.zip", "w") as archive:
        ...         for i in range(10):
        ...             archive.write(Path(folder) / "red.png", f"{i}.png")
        ...     images = load_images(f"{folder}/faces.zip", size=64, channels=3, hold_out=2, cache=Path(folder))
        >>> images.name, len(images), images.pixels.shape, len(images.held_out)
        ('faces', 8, torch.Size([8, 3, 64, 64]), 2)
    """
    size, hold_out = whole_number("size", size), whole_number("hold_out", hold_out, 0)
    frame = Frame((size, size), whole_number("channels", channels), 1.0 if crop is None else crop, value_range)
    with contextlib.closing(find_source(source, split)) as found:
        if crop is None:
            frame = replace(frame, crop=found.crop)
        if hold_out >= found.count:
            raise InputError(
                f"hold_out must leave images to train on: {found.name} ({split}) has {found.count}; got {hold_out}"
            )
        if found.pixels is not None and found.pixels.shape[1:] == frame.shape and frame.crop == 1:
            pixels, digest = torch.from_numpy(found.pixels), hashlib.sha256(found.pixels.data).hexdigest()
        else:
            pixels, digest = cached_pixels(found, frame, cache or cache_folder(), progress)
    kept, key = len(pixels) - hold_out, fingerprint([digest, len(pixels), frame, hold_out])
    return Images(pixels[:kept], pixels[kept:], found.name, key)
