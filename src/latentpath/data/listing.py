"""Lists of pictures, the common form of all sources, in the order of their names.

Numbers in names count by their value: 9 comes before 10. Where all pictures lie in folders called ``train``, ``test``,
``validation``, ``valid`` or ``val``, these are the splits; otherwise there is one, ``train``.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath

import numpy as np

from ..errors import MissingDataError
from .pictures import Frame

CELEBA = "img_align_celeba"  # the name of CelebA's folder of aligned faces, and of its archive
CELEBA_CROP = 108 / 178  # the width of the face in CelebA's pictures, as DCGANs take it: 108 of 178 pixels
_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff"),
        *("ppm", "pgm", "pbm", "pnm", "jp2", "avif", "tga"),
    )
)
_SPLITS = frozenset(("train", "test", "validation", "valid", "val"))


@dataclass(frozen=True)
class Source:
    """Pictures in their order, read one by one, from several threads if need be.

    Attributes:
        name: of the data set.
        key: a hash that changes with what the pictures are read from.
        count: how many pictures there are.
        read: the i-th one, in a frame: ``uint8`` ``(channels, H, W)``.
        crop: the usual one for this data set.
        pixels: all of them ``(N, channels, H, W)``, if they are in memory anyway.
        close: closes open files.
    """

    name: str
    key: str
    count: int
    read: Callable[[int, Frame], np.ndarray]
    crop: float = 1.0
    pixels: np.ndarray | None = None
    close: Callable[[], None] = lambda: None


def is_picture(name: PurePosixPath) -> bool:
    """Tells whether a file has a picture's suffix and is not hidden, as some systems put beside each."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
    return name.suffix.lower() in _SUFFIXES and not hidden


def in_split(names: Sequence[PurePosixPath], split: str, where: Path) -> list[PurePosixPath]:
    """Selects the names that belong to ``split``, in natural order.

    Example:
        >>> names = [PurePosixPath(name) for name in ("faces/10.png", "faces/9.png")]
        >>> [str(name) for name in in_split(names, "train", Path("faces.zip"))]
        ['faces/9.png', 'faces/10.png']
    """
    parents = [name.parent.parts for name in names]
    common = takewhile(lambda pair: pair[0] == pair[1] not in _SPLITS, zip(min(parents), max(parents), strict=False))
    depth = len(list(common))
    tops = {parts[depth] if len(parts) > depth else "" for parts in parents}
    has_splits = tops <= _SPLITS
    there = sorted(tops) if has_splits else ["train"]
    if split not in there:
        raise MissingDataError(f"{where} has no split {split!r}: there is {', '.join(there)}")
    chosen = [name for name in names if name.parts[depth] == split] if has_splits else names
    return sorted(chosen, key=_natural)


def _natural(name: PurePosixPath) -> tuple[list[list[str | tuple[int, str]]], str]:
    """Returns a key that sorts 9 before 10."""
    parts = [re.split(r"([0-9]+)", part) for part in name.parts]
    return [[(int(bit), bit) if i % 2 else bit for i, bit in enumerate(bits)] for bits in parts], str(name)


def check_there_are(pictures: Sequence[object], others: Sequence[str], where: Path) -> None:
    """Refuses a place without pictures."""
    if not pictures:
        found = f"has no images ({len(others)} other files, e.g. {others[0]})" if others else "is empty"
        raise MissingDataError(f"{where} {found}: expected files like .jpg or .png, at any depth")


def fingerprint(parts: Iterable[object]) -> str:
    """Computes a hash of the printed forms of ``parts``.

    Example:
        >>> fingerprint(["a.png", 3]) == fingerprint(["a.png", 3]) != fingerprint(["a.png", 4])
        True
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{part!r}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
