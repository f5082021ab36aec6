"""The formats of a film: their limits, and the choice of the writer by the file's suffix.

=========  ===============================================  ========================  ===============  ==========
suffix     pictures                                         time                      needs            written by
=========  ===============================================  ========================  ===============  ==========
``.gif``   grey: exact; colour: 256 colours for each frame  hundredths, 50 a second   Pillow           here
``.webp``  exact                                            thousandths, 90 a second  Pillow           `webp`
``.mp4``   H.264, nearly exact                              exact                     PyAV, ``[viz]``  `mp4`
=========  ===============================================  ========================  ===============  ==========

Every film has exactly the frames it was given, even where neighbours are alike, and lasts exactly as long as asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path as FilePath
from typing import IO, TYPE_CHECKING

from ..errors import InputError
from . import mp4, webp
from .files import whole

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".mp4", ".gif", ".webp")

_UNITS = {".gif": 100, ".webp": 1000}  # the parts of a second in which a format counts; an MP4 has exact times
_MAX_FPS, _MIN_FPS = {".gif": 50, ".webp": 90, ".mp4": 240}, 0.1
"""Frames a second: players show a faster GIF or WebP as slowly as they like."""

_MAX_FRAMES = 100_000


def frame_count(seconds: float, fps: float, suffix: str) -> int:
    """Returns the number of frames of a film, rounded down where the format cannot show one more in this time."""
    if not _MIN_FPS <= fps <= _MAX_FPS[".mp4"]:
        raise InputError(f"fps must be from {_MIN_FPS} to {_MAX_FPS['.mp4']} frames a second; got {fps:g}.")
    frames = seconds * fps
    if frames > _MAX_FRAMES:
        raise InputError(
            f"a film has at most {_MAX_FRAMES:,} frames; {seconds:g} seconds at {fps:g} a second are {frames:,.0f}. "
            "Make it shorter, or write several."
        )
    found = round(frames)
    if suffix in _UNITS:
        most = _MAX_FPS[suffix]
        room = round(_UNITS[suffix] * seconds) * most // _UNITS[suffix]
        if math.floor(frames) > room:
            raise InputError(
                f"a {suffix[1:].upper()} shows at most {most} frames a second: {found} frames need {found / most:g} "
                f"seconds, got {seconds:g}; an .mp4 shows more"
            )
        found = min(found, room)
    if found < 2:
        raise InputError(f"a film has at least 2 frames; {seconds:g} seconds at {fps:g} a second are too few.")
    return found


def durations(frames: int, seconds: float, suffix: str) -> list[int]:
    """Returns the hundredths (WebP: thousandths) of a second of every frame, as even as can be: in sum ``seconds``.

    Example:
        >>> durations(3, 1.0, ".gif")
        [33, 34, 33]
    """
    total = round(_UNITS[suffix] * seconds)
    return [after - before for before, after in pairwise(round(total * i / frames) for i in range(frames + 1))]


def write_film(images: Iterable[Image], file: FilePath, frames: int, seconds: float, loop: bool) -> None:
    """Writes a film, whole or not at all, in the format that the file's suffix names; two frames are held at a time."""
    suffix = file.suffix.lower()
    with whole(file) as partial:
        if suffix == ".mp4":
            mp4.write(images, frames / Fraction(seconds).limit_denominator(1000), partial)
            return
        with partial.open("wb") as out:
            write = write_gif if suffix == ".gif" else webp.write
            write(images, durations(frames, seconds, suffix), out, loop)


def write_gif(images: Iterable[Image], hundredths: Sequence[int], file: IO[bytes], loop: bool) -> None:
    """Writes an animated GIF, one frame after the other; grey frames are exact, frames in colour have 256 colours each.

    ``Image.save(save_all=True)`` of Pillow holds all frames until the last one has come, and merges frames that are
    alike, so that a film loses count.
    """
    from PIL.GifImagePlugin import getdata, getheader

    info = {"optimize": False, "duration": 10, **({"loop": 0} if loop else {})}
    for i, (image, time) in enumerate(zip(images, hundredths, strict=True)):
        reduced = image if image.mode == "L" else image.quantize(256)
        if i == 0:
            file.writelines(getheader(reduced.copy(), info=info)[0])
        file.writelines(getdata(reduced.copy(), duration=10 * time, include_color_table=reduced.mode == "P"))
    file.write(b";")
