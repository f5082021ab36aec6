"""Animated WebP, frame by frame and without loss.

The container is a RIFF file (https://developers.google.com/speed/webp/docs/riff_container): ``VP8X`` holds the size of
the page, ``ANIM`` how often it plays, and an ``ANMF`` for every frame a still picture with its place and time.
libwebp's own encoder of animations, which Pillow and FFmpeg use, merges frames that are alike, so that a film loses
count. Here every frame is written, one at a time, though of each only the box that differs from the one before.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Sequence
from typing import IO, TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

_ANIMATED, _NO_BLENDING, _LARGEST = 0x02, 0x02, 2**32 - 10


def write(images: Iterable[Image], milliseconds: Sequence[int], file: IO[bytes], loop: bool) -> None:
    """Writes one frame after the other; two are held at a time."""
    from PIL import ImageChops

    before: Image | None = None
    for image, time in zip(images, milliseconds, strict=True):
        wide, high = image.size
        if before is None:
            file.write(b"RIFF\0\0\0\0WEBP")
            file.write(_chunk(b"VP8X", bytes([_ANIMATED, 0, 0, 0]) + _three(wide - 1) + _three(high - 1)))
            file.write(_chunk(b"ANIM", struct.pack("<IH", 0xFFFFFFFF, 0 if loop else 1)))
            box = (0, 0, wide, high)
        else:
            box = ImageChops.difference(before, image).getbbox() or (0, 0, 1, 1)
        left, top = box[0] & ~1, box[1] & ~1  # the format has even corners only
        part = image.crop((left, top, *box[2:]))
        place = _three(left // 2) + _three(top // 2) + _three(part.width - 1) + _three(part.height - 1)
        file.write(_chunk(b"ANMF", place + _three(time) + bytes([_NO_BLENDING]) + _still(part)))
        before = image
    size = file.tell() - 8
    if size > _LARGEST:
        raise InputError(f"a WebP holds at most 4 GiB, this film needs {size / 2**30:.1f}: make it shorter, or an .mp4")
    file.seek(4)
    file.write(struct.pack("<I", size))


def _still(image: Image) -> bytes:
    """Returns the chunk of the picture from a WebP of this image alone."""
    whole = io.BytesIO()
    image.save(whole, "WEBP", lossless=True, method=1, quality=50)
    return whole.getvalue()[12:]


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")
