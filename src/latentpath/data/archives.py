"""Zip archives of pictures, read without extraction."""

import zipfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np

from ..errors import DataError
from .listing import CELEBA, CELEBA_CROP, Source, check_there_are, fingerprint, in_split, is_picture
from .pictures import Frame, decode

_ENCRYPTED = 0x1


def archive_source(path: Path, split: str) -> Source:
    """Opens the pictures in a zip archive; CelebA's is recognised by the name of its folder."""
    archive = _open(path)
    try:
        source = _pictures(path, archive, split)
    except BaseException:
        archive.close()
        raise
    return source


def _pictures(path: Path, archive: zipfile.ZipFile, split: str) -> Source:
    members = {PurePosixPath(info.filename): info for info in archive.infolist() if not info.is_dir()}
    names = [name for name in members if is_picture(name)]
    check_there_are(names, [str(name) for name in members], path)
    names = in_split(names, split, path)
    infos = [members[name] for name in names]
    locked = next((info for info in infos if info.flag_bits & _ENCRYPTED), None)
    if locked is not None:
        raise DataError(f"{path} is encrypted ({locked.filename} needs a password): extract it, and pass the folder")

    def read(i: int, frame: Frame) -> np.ndarray:
        return decode(_content(path, archive, infos[i]), f"{infos[i].filename} in {path}", frame)

    key = fingerprint((info.filename, info.file_size, info.CRC) for info in infos)
    celeba = all(CELEBA in name.parts for name in names)
    name, crop = ("celeba", CELEBA_CROP) if celeba else (path.stem, 1.0)
    return Source(name, key, len(infos), read, crop, close=archive.close)


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    """Makes the error for an archive that cannot be opened: one begins with PK, and has its list at its end."""
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] == b"PK":
        return DataError(f"{path} is a zip archive that is truncated or damaged ({error}): fetch it again")
    hint = "; for MNIST pass the folder of its four files" if "idx" in path.name else ""
    return DataError(
        f"{path} is not a zip archive (its first bytes are {start.hex(' ')!r}): pass a zip archive of images, or the "
        f"folder that they are in{hint}"
    )


def _content(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(info)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise DataError(
            f"{info.filename} in {path} is damaged or truncated ({error}): fetch {path.name} again"
        ) from error
    except (NotImplementedError, RuntimeError) as error:
        raise DataError(
            f"{info.filename} in {path} cannot be unpacked ({error}): extract it, and pass the folder"
        ) from error
