"""Animated GIF, frame by frame: grey frames are exact, frames in colour have 256 colours each.

``Image.save(save_all=True)`` of Pillow is not used: it holds all frames until the last one has come, and merges frames
that are alike, so that a film loses count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


def write(images: Iterable[Image], hundredths: Sequence[int], file: IO[bytes], loop: bool) -> None:
    """Writes one frame after the other; one is held at a time."""
    from PIL.GifImagePlugin import getdata, getheader

    info = {"optimize": False, "duration": 10, **({"loop": 0} if loop else {})}
    for i, (image, time) in enumerate(zip(images, hundredths, strict=True)):
        reduced = image if image.mode == "L" else image.quantize(256)
        if i == 0:
            file.writelines(getheader(reduced.copy(), info=info)[0])
        file.writelines(getdata(reduced.copy(), duration=10 * time, include_color_table=reduced.mode == "P"))
    file.write(b";")
