"""Folders and archives of small images."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image

from latentpath.data import Images

Load = Callable[..., Images]


def picture(value: int, width: int = 6, height: int = 6, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (value, value, value)).save(file, kind)
    return file.getvalue()


def fill(root: Path, names: dict[str, int]) -> Path:
    for name, value in names.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(value))
    return root


def pack(path: Path, content: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def values(images: torch.Tensor) -> list[int]:
    """Returns the values of images of one colour."""
    assert bool((images == images[:, :1, :1, :1]).all())
    return [int(value) for value in images[:, 0, 0, 0]]


NUMBERED = {"b/1.png": 60, "a10.png": 50, "a9.png": 40, "10/x.png": 30, "9/x.png": 20, "9/b.png": 10}
