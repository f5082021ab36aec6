"""The cache of decoded pixels: a data set is decoded once for each frame, and later mapped into memory.

The cache is the folder in ``LATENTPATH_CACHE``, or ``latentpath`` in ``XDG_CACHE_HOME`` or ``~/.cache``; it can be
deleted at any time. A data set is one ``.npy`` file ``NAME-KEY-DIGEST.npy``: the key says what was decoded and how, the
digest is of the pixels, and is checked on every load, so that a damaged file is noticed and made anew. Of two runs at
once the later replaces the file by an equal one.
"""

import contextlib
import errno
import hashlib
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO, FileIO
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .._batching import blocks
from .._io import replacement
from ..errors import DataError
from .listing import Source, fingerprint
from .pictures import Frame

CACHE_VARIABLE = "LATENTPATH_CACHE"
_VERSION = 1  # of the decoding in `pictures`
_BLOCK = 64
_IN_MEMORY = 256 << 20
_ABANDONED = 24 * 3600.0


def cache_folder() -> Path:
    """Returns the folder of the cache: ``$LATENTPATH_CACHE``, or ``latentpath`` in the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "latentpath"


def cached_pixels(
    source: Source, frame: Frame, folder: Path, progress: Callable[[int, int], None] | None = None
) -> tuple[Tensor, str]:
    """Returns the pixels of ``source`` in ``frame``, ``(N, channels, H, W)``, and their SHA-256; decodes missing ones.

    Up to 256 MiB are read into memory; more are mapped, and the operating system reads them when they are used.
    Changing them changes no file.
    """
    shape = (source.count, *frame.shape)
    key = fingerprint([_VERSION, source.key, frame])[:20]
    stem = f"{re.sub(r'[^A-Za-z0-9._-]+', '-', source.name)[:40]}-{key}"
    for path in sorted(folder.glob(f"{stem}-*.npy")):
        found = _read(path, shape)
        if found is not None:
            return found
        with contextlib.suppress(OSError):
            path.unlink()
    path = _write(folder, stem, shape, _decoded(source, frame, progress))
    found = _read(path, shape)
    if found is None:
        raise DataError(f"{path} was damaged while it was written: check the disk of {folder}, or set {CACHE_VARIABLE}")
    return found


def _read(path: Path, shape: tuple[int, ...]) -> tuple[Tensor, str] | None:
    try:
        pixels = np.load(path, mmap_mode="c")
    except (OSError, ValueError, EOFError):
        return None
    if pixels.shape != shape or pixels.dtype != np.uint8:
        return None
    if pixels.nbytes <= _IN_MEMORY:
        pixels = np.array(pixels)
    digest = hashlib.sha256(pixels.data).hexdigest()
    return (torch.from_numpy(pixels), digest) if path.stem.endswith(f"-{digest[:20]}") else None


def _decoded(source: Source, frame: Frame, progress: Callable[[int, int], None] | None) -> Iterator[np.ndarray]:
    """Decodes the pictures in blocks, by as many threads as PyTorch may use."""
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        for block in blocks(source.count, _BLOCK):
            rows = range(block.start, block.stop)
            yield np.stack(list(threads.map(lambda i: source.read(i, frame), rows)))
            if progress is not None:
                progress(block.stop, source.count)


def _write(folder: Path, stem: str, shape: tuple[int, ...], parts: Iterator[np.ndarray]) -> Path:
    size = math.prod(shape)
    header, digest = BytesIO(), hashlib.sha256()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with _writing(folder, size):
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        if shutil.disk_usage(folder).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    path = folder / f"{stem}-{secrets.token_hex(8)}.npy"  # of two runs at once each has its own
    with replacement(path, lambda: f"{stem}-{digest.hexdigest()[:20]}.npy") as partial:
        with _writing(folder, size):
            file = partial.open("xb", buffering=0)
        with file:
            with _writing(folder, size):
                _put(file, header.getbuffer())
            for pixels in parts:
                digest.update(pixels.data)
                with _writing(folder, size):
                    _put(file, pixels.reshape(-1).data)
    return folder / f"{stem}-{digest.hexdigest()[:20]}.npy"


def _put(file: FileIO, data: memoryview) -> None:
    while data:
        data = data[file.write(data) :]


@contextlib.contextmanager
def _writing(folder: Path, size: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"the cache of decoded images in {folder} cannot be written ({error.strerror or error}), it needs "
            f"{size / 1e6:.1f} MB: make room there, or name another folder in {CACHE_VARIABLE}"
        ) from error


def _remove_abandoned(folder: Path) -> None:
    """Removes partial files that were not written to for a day: their runs were killed."""
    for path in folder.glob(".partial-*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink()
