"""MNIST, from its four IDX files as published, packed (``.gz``) or not.

The folder is the argument ``folder``, or the environment variable ``LATENTPATH_DATA``, whose sub-folder ``mnist`` comes
first. Nothing is downloaded.
"""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError, InputError, MissingDataError

DATA_VARIABLE = "LATENTPATH_DATA"
_IDX_UNSIGNED_BYTE = 0x08
_MNIST_PREFIX = {"train": "train", "test": "t10k"}


def find_folder(name: str, folder: str | Path | None = None) -> Path:
    """Finds the folder of a data set: ``folder``, or ``$LATENTPATH_DATA``; its sub-folder ``name`` if it has one."""
    given = folder if folder is not None else os.environ.get(DATA_VARIABLE)
    if not given:
        raise MissingDataError(
            f"no data folder for {name}: pass one (--data FOLDER) or set {DATA_VARIABLE} to the folder that holds it"
        )
    root = Path(given).expanduser()
    if not root.is_dir():
        raise MissingDataError(f"the data folder {root} for {name} does not exist or is not a folder")
    return root / name if (root / name).is_dir() else root


def read_idx(path: str | Path) -> Tensor:
    """Reads the ``uint8`` tensor in an IDX file (LeCun's format), packed with gzip or not.

    Raises:
        MissingDataError: there is no such file.
        DataError: the file is truncated, damaged, or not an IDX file of unsigned bytes.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise MissingDataError(f"{path} does not exist") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
    try:
        content = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is damaged or truncated ({error}): fetch it again") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _IDX_UNSIGNED_BYTE or content[3] == 0:
        raise DataError(f"{path} is not an IDX file of unsigned bytes (its first bytes are {content[:4].hex(' ')!r})")
    dims = content[3]
    header = 4 + 4 * dims
    if len(content) < header:
        raise DataError(f"{path} ends inside its header: fetch it again")
    shape = struct.unpack(f">{dims}I", content[4:header])
    expected = math.prod(shape)
    if len(content) - header != expected:
        raise DataError(f"{path} should hold {expected} values of shape {shape}, it holds {len(content) - header}")
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy())


def mnist(split: Literal["train", "test"], folder: str | Path | None = None) -> tuple[Tensor, Tensor]:
    """Reads MNIST: images ``(N, 1, 28, 28)`` and labels ``(N,)``, both ``uint8``.

    Raises:
        InputError: another split.
        MissingDataError: the files are not there (the message names them).
        DataError: a file is damaged, or is not MNIST.
    """
    if split not in _MNIST_PREFIX:
        raise InputError(f'split must be "train" or "test"; got {split!r}')
    root = find_folder("mnist", folder)
    prefix = _MNIST_PREFIX[split]

    def read(kind: str) -> Tensor:
        stem = f"{prefix}-{kind}-ubyte"
        for name in (stem, f"{stem}.gz"):
            if (root / name).is_file():
                return read_idx(root / name)
        raise MissingDataError(f"MNIST is incomplete: {root} has neither {stem} nor {stem}.gz")

    images, labels = read("images-idx3"), read("labels-idx1")
    if images.ndim != 3 or images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
        raise DataError(
            f"{root} does not hold MNIST: {split} images {tuple(images.shape)} and labels {tuple(labels.shape)}, "
            "expected (N, 28, 28) and (N,)"
        )
    if len(labels) and int(labels.max()) > 9:
        raise DataError(f"{root} does not hold MNIST: its {split} labels go up to {int(labels.max())}, expected 0 to 9")
    return images[:, None], labels


def to_unit_range(images: Tensor) -> Tensor:
    """Scales ``uint8`` pixels to ``float32`` in [-1, 1], the range of the DCGAN's tanh."""
    return images.float() / 127.5 - 1
