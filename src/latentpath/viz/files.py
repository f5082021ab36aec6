"""Output files of pictures and films: argument validation, and replacement of a file as a whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path as FilePath

from .._io import replacement
from .._validate import file_path
from ..errors import InputError, MissingDataError

_MAX_SIDE = {".mp4": 16_384, ".gif": 65_535, ".webp": 16_383, ".png": 100_000, ".jpg": 65_500, ".jpeg": 65_500}
"""The most pixels of a picture's side: the format's own limit, or (PNG) what a viewer opens."""


def check_size(size: tuple[int, int], suffix: str) -> None:
    """Refuses a picture of a size (width, height) that its format cannot hold, with an InputError."""
    if max(size) > _MAX_SIDE[suffix]:
        raise InputError(
            f"a {suffix} holds at most {_MAX_SIDE[suffix]} pixels a side; this picture would have "
            f"{size[0]} x {size[1]}. Show fewer frames or paths, or give a smaller scale."
        )


def target(file: str | os.PathLike[str], suffixes: tuple[str, ...]) -> FilePath:
    """Returns the path of a file to be written."""
    found = file_path("file", file)
    if found.suffix.lower() not in suffixes:
        raise InputError(
            f"the file's name must end in {', '.join(suffixes[:-1])} or {suffixes[-1]}, got {found.name!r}"
        )
    try:
        has_folder, is_folder = found.parent.is_dir(), found.is_dir()
    except OSError as error:
        raise _unwritable(found, error) from error
    if not has_folder:
        raise MissingDataError(f"cannot write {found}: the folder {found.parent} does not exist")
    if is_folder:
        raise InputError(f"cannot write {found}: it is a folder, give the name of a file in it")
    return found


@contextmanager
def whole(file: str | os.PathLike[str]) -> Iterator[FilePath]:
    """Yields an empty file in the same folder, which replaces ``file`` on success and is removed on failure."""
    place = FilePath(file).absolute()
    drawing = False
    try:
        with replacement(place) as partial:
            partial.write_bytes(b"")
            drawing = True
            yield partial
            drawing = False
    except OSError as error:
        if drawing:  # an error of the caller's own
            raise
        raise _unwritable(place, error) from error


def _unwritable(file: FilePath, error: OSError) -> InputError:
    return InputError(f"cannot write {file}: {error.strerror or error}; choose another place or name")
