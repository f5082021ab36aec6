"""Films in files: writers that take one picture after the other, and `gif` for frames that are there already.

=========  =======================================================  ==========================  ==================
suffix     pictures                                                 time                        needs
=========  =======================================================  ==========================  ==================
``.gif``   grey: exact; colour: 256 colours for each frame          hundredths, 50 a second     Pillow
``.webp``  exact                                                    thousandths, 90 a second    Pillow
``.mp4``   H.264, nearly so; colours at half the resolution         exact                       PyAV, ``[viz]``
=========  =======================================================  ==========================  ==================

Every film has exactly the frames it was given, even where neighbours are alike, and lasts exactly as long as was asked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from . import webp
from ._io import replacement
from ._validate import describe, file_path, real_number
from .errors import InputError, MissingDataError, missing
from .sheets import Sheet, enlarged
from .value_range import Bytes, ValueRange, inferred_range, pixels

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["COMFORTABLE", "check", "durations", "gif", "most_frames", "target", "whole", "write"]

COMFORTABLE = (224, 500)
"""About the height of a frame, and of all rows together, that is comfortable to see."""

_MOST_A_SECOND = {".gif": 50, ".webp": 90}  # players take shorter times for "as slow as you like"
_UNITS = {".gif": 100, ".webp": 1000}
_LARGEST_SIDE = {".gif": 65535, ".webp": 16383, ".mp4": 16384}
_QUALITY = {"crf": "15", "preset": "medium"}


def most_frames(seconds: float, suffix: str) -> int | None:
    """The most frames that a format shows in this time; None where it has no bound."""
    if suffix not in _MOST_A_SECOND:
        return None
    return round(_UNITS[suffix] * seconds) * _MOST_A_SECOND[suffix] // _UNITS[suffix]


def durations(frames: int, seconds: float, suffix: str = ".gif") -> list[int]:
    """Hundredths (WebP: thousandths) of a second for every frame, as even as can be, that add up to ``seconds``.

    Raises:
        InputError: more than 50 (WebP: 90) frames a second.

    Example:
        >>> durations(3, 1.0)
        [33, 34, 33]
    """
    most, total = _MOST_A_SECOND[suffix], round(_UNITS[suffix] * seconds)
    if (most_frames(seconds, suffix) or 0) < frames:
        raise InputError(
            f"a {suffix[1:].upper()} shows at most {most} frames a second: {frames} frames need {frames / most:g} "
            f"seconds, got {seconds:g}; an .mp4 shows more"
        )
    ends = [round(total * i / frames) for i in range(frames + 1)]
    return [after - before for before, after in pairwise(ends)]


def gif(
    frames: Tensor | Sequence[Tensor] | Mapping[str, Tensor],
    file: str | os.PathLike[str],
    *,
    seconds: float = 4.0,
    bounce: bool = True,
    loop: bool = True,
    scale: int | None = None,
    value_range: ValueRange | None = None,
) -> None:
    """Write a film as an animated GIF, whole or not at all.

    Args:
        frames: ``(n, C, H, W)``, C = 1 or 3, or a list of n frames ``(C, H, W)``. Several films by caption play side by
            side, the caption above each. ``(P, n, C, H, W)`` plays P films one above the other.
        file: where to.
        seconds: how long one round takes, there and back if it bounces.
        bounce: play to the end and back: 2n - 2 frames instead of n.
        loop: play round after round.
        scale: the side of the square that a pixel becomes; by default such that small frames are comfortable to see.
        value_range: the values shown as 0 and 255, as for `latentpath.value_range.pixels`; None for what the frames of
            all films hold.

    Raises:
        InputError: frames of another shape, films of different length, more than 50 frames a second, or ``scale < 1``.
        MissingDataError: the folder does not exist.
    """
    seconds = real_number("seconds", seconds, above=0)
    target(file, (".gif",))
    films = frames if isinstance(frames, Mapping) else {"": _stacked(frames)}
    if not films or any(film.ndim not in (4, 5) for film in films.values()):
        shapes = [tuple(film.shape) for film in films.values()]
        raise InputError(f"a film must be (n, C, H, W) or (P, n, C, H, W), got {shapes}")
    shown = inferred_range(films.values()) if value_range is None else value_range
    columns = [pixels(film if film.ndim == 5 else film[None], shown) for film in films.values()]
    sizes = {column.shape[:4] for column in columns}
    if len(sizes) != 1:
        raise InputError(f"films side by side need the same number of frames of one size, got {sorted(sizes)}")
    rows, count, high, wide = sizes.pop()
    scale = enlarged(scale, max(high, wide), min(COMFORTABLE[0], COMFORTABLE[1] / rows))
    colour = any(column.shape[-1] == 3 for column in columns)
    sheet = Sheet((high, wide), rows=[""] * rows, columns=list(films), scale=scale, colour=colour)
    order = [*range(count), *(range(count - 2, 0, -1) if bounce else ())]
    images = (sheet.compose([[column[row, i] for column in columns] for row in range(rows)]) for i in order)
    with whole(file) as partial:
        _gif(images, partial, len(order), seconds, loop)


def _stacked(frames: Tensor | Sequence[Tensor]) -> Tensor:
    if isinstance(frames, Tensor):
        return frames
    if not isinstance(frames, Sequence) or not all(isinstance(frame, Tensor) for frame in frames):
        raise InputError(f"frames must be a tensor or a list of tensors (C, H, W); got {describe(frames)}.")
    if not frames or any(frame.shape != frames[0].shape for frame in frames):
        raise InputError("a film needs at least one frame, and all of one shape")
    return torch.stack(list(frames))


def check(file: str | os.PathLike[str], frames: int, seconds: float, size: tuple[int, int]) -> None:
    """Refuse a film that cannot be written, before any work: of so many ``frames`` of this ``size`` (width, height).

    Raises:
        InputError: the suffix is none of ``.mp4``, ``.gif`` and ``.webp``, the file is a folder, there are too many
            frames a second or the frames are too large for the format.
        MissingDataError: the folder does not exist.
        MissingDependencyError: an MP4 without PyAV.
    """
    suffix = target(file, tuple(_WRITERS)).suffix.lower()
    if suffix == ".mp4":
        _av()
    else:
        durations(frames, seconds, suffix)
    if max(size) > _LARGEST_SIDE[suffix]:
        raise InputError(
            f"{suffix} holds frames of at most {_LARGEST_SIDE[suffix]} pixels a side, these are {size[0]} x {size[1]}: "
            "show fewer paths, or a smaller scale"
        )


def write(images: Iterable[Image], file: str | os.PathLike[str], frames: int, seconds: float, loop: bool) -> None:
    """Write a film, whole or not at all, in the format that the file's suffix names; two pictures are held at a time.

    Args:
        images: one after the other, all of one size, "L" or "RGB".
        file: ``.mp4``, ``.gif`` or ``.webp``.
        frames: how many images there are.
        seconds: how long one round takes.
        loop: play round after round; an MP4 cannot say so.

    Raises:
        InputError: another suffix, a file that cannot be written, or too many frames a second.
        MissingDataError: the folder does not exist.
        MissingDependencyError: an MP4 without PyAV.
    """
    writer = _WRITERS[target(file, tuple(_WRITERS)).suffix.lower()]
    with whole(file) as partial:
        writer(images, partial, frames, seconds, loop)


def target(file: str | os.PathLike[str], suffixes: tuple[str, ...]) -> FilePath:
    """The path of a file to be written.

    Raises:
        InputError: it is no path, its suffix is not one of these, or it is a folder.
        MissingDataError: it would be in a folder that does not exist.
    """
    found = file_path("file", file)
    if found.suffix.lower() not in suffixes:
        raise InputError(
            f"the file's name must end in {', '.join(suffixes[:-1])} or {suffixes[-1]}, got {found.name!r}"
        )
    _place(found)
    return found


def _place(file: FilePath) -> None:
    try:
        if not file.parent.is_dir():
            raise MissingDataError(f"cannot write {file}: the folder {file.parent} does not exist")
        if file.is_dir():
            raise InputError(f"cannot write {file}: it is a folder, give the name of a file in it")
    except MissingDataError:  # which is of the operating system's kind, too
        raise
    except OSError as error:
        raise _unwritable(file, error) from error


@contextmanager
def whole(file: str | os.PathLike[str]) -> Iterator[FilePath]:
    """An empty file in the same folder, which takes the place of ``file`` at the end, or vanishes.

    Raises:
        InputError: ``file`` is a folder, or cannot be written.
        MissingDataError: the folder does not exist.
    """
    place = FilePath(file).absolute()
    _place(place)
    drawing = False
    try:
        with replacement(place) as partial:
            partial.write_bytes(b"")
            drawing = True
            yield partial
            drawing = False
    except OSError as error:
        if drawing:  # the caller's own
            raise
        raise _unwritable(place, error) from error


def _unwritable(file: FilePath, error: OSError) -> InputError:
    return InputError(f"cannot write {file}: {error.strerror or error}; choose another place or name")


def _gif(images: Iterable[Image], file: FilePath, frames: int, seconds: float, loop: bool) -> None:
    # Image.save(save_all=True) would merge frames that happen to be alike, and the film would lose count.
    from PIL.GifImagePlugin import getdata, getheader

    info = {"optimize": False, "duration": 10, **({"loop": 0} if loop else {})}
    times = durations(frames, seconds)
    with file.open("wb") as out:
        for i, (image, time) in enumerate(zip(images, times, strict=True)):
            reduced = image if image.mode == "L" else image.quantize(256)
            if i == 0:
                out.write(b"".join(getheader(reduced.copy(), info=info)[0]))
            for part in getdata(reduced.copy(), duration=10 * time, include_color_table=reduced.mode == "P"):
                out.write(part)
        out.write(b";")


def _webp(images: Iterable[Image], file: FilePath, frames: int, seconds: float, loop: bool) -> None:
    with file.open("wb") as out:
        webp.write(images, durations(frames, seconds, ".webp"), out, loop)


def _mp4(images: Iterable[Image], file: FilePath, frames: int, seconds: float, _loop: bool) -> None:
    av = _av()
    from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

    rate = frames / Fraction(seconds).limit_denominator(1000)
    ordered = iter(images)
    first = next(ordered)
    with av.open(str(file), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate, options=_QUALITY)
        stream.width, stream.height = (side + side % 2 for side in first.size)
        stream.pix_fmt = "yuv420p"
        codec = stream.codec_context
        codec.time_base = 1 / rate
        codec.colorspace, codec.color_range = Colorspace.ITU709, ColorRange.MPEG
        codec.color_primaries, codec.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        for i, image in enumerate(chain([first], ordered)):
            frame = av.VideoFrame.from_ndarray(_even(image), format="rgb24").reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            frame.pts, frame.time_base = i, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise missing("PyAV", "viz", "an MP4") from error
    return av


def _even(image: Image) -> Bytes:
    """An image ``(H, W, 3)`` with even sides, which H.264 wants: an odd one has its last row or column twice."""
    array = np.asarray(image.convert("RGB"))
    return np.pad(array, ((0, array.shape[0] % 2), (0, array.shape[1] % 2), (0, 0)), mode="edge")


_WRITERS: Mapping[str, Callable[[Iterable[Image], FilePath, int, float, bool], None]] = {
    ".mp4": _mp4,
    ".gif": _gif,
    ".webp": _webp,
}
