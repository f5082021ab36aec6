"""Films of paths: animated GIFs, frame for frame and pixel for pixel what the generator made.

Grey frames are stored exactly; frames in colour are reduced to 256 colours each, which the format asks for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from PIL.GifImagePlugin import getdata, getheader
from torch import Tensor

from .errors import InputError

__all__ = ["durations", "gif", "pixels"]

Bytes = np.ndarray[Any, np.dtype[np.uint8]]

_MIN_HUNDREDTHS, _COMFORTABLE_SIDE, _COMFORTABLE_HEIGHT, _GAP = 2, 224, 500, 8


def pixels(frames: Tensor, value_range: tuple[float, float] = (-1.0, 1.0)) -> Bytes:
    """Frames ``(..., C, H, W)``, C = 1 or 3, as bytes ``(..., H, W, C)``; values outside ``value_range`` are clipped.

    Raises:
        InputError: another shape, or an empty range.

    Example:
        >>> pixels(torch.tensor([-1.0, 0.0, 2.0]).reshape(1, 1, 3)).ravel().tolist()
        [0, 128, 255]
    """
    low, high = value_range
    if frames.ndim < 3 or frames.shape[-3] not in (1, 3) or frames.numel() == 0:
        raise InputError(f"frames must be (..., C, H, W) with C = 1 or 3, got {tuple(frames.shape)}")
    if not low < high:
        raise InputError(f"value_range must be (low, high) with low < high, got {value_range}")
    scaled = (frames.detach().double().cpu() - low) * (255 / (high - low))
    rounded = scaled.nan_to_num(0.0).clamp(0, 255).round().to(torch.uint8)
    array: Bytes = rounded.movedim(-3, -1).contiguous().numpy()
    return array


def durations(frames: int, seconds: float) -> list[int]:
    """Hundredths of a second for every one of ``frames`` frames, as even as can be, that add up to ``seconds``.

    Raises:
        InputError: fewer than 2 hundredths for a frame, which players take for "as slow as you like".

    Example:
        >>> durations(3, 1.0)
        [33, 34, 33]
    """
    total = round(100 * seconds)
    if total < _MIN_HUNDREDTHS * frames:
        raise InputError(
            f"a GIF shows at most 50 frames a second: {frames} frames need {frames / 50:g} seconds, got {seconds:g}"
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
    value_range: tuple[float, float] = (-1.0, 1.0),
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
        value_range: of the frames; black and white of grey ones.

    Raises:
        InputError: frames of another shape, films of different length, more than 50 frames a second, or ``scale < 1``.
    """
    films = frames if isinstance(frames, Mapping) else {"": _stacked(frames)}
    if not films or any(film.ndim not in (4, 5) for film in films.values()):
        shapes = [tuple(film.shape) for film in films.values()]
        raise InputError(f"a film must be (n, C, H, W) or (P, n, C, H, W), got {shapes}")
    columns = [pixels(film if film.ndim == 5 else film[None], value_range) for film in films.values()]
    sizes = {column.shape[:4] for column in columns}
    if len(sizes) != 1:
        raise InputError(f"films side by side need the same number of frames of one size, got {sorted(sizes)}")
    rows, count, side, _ = sizes.pop()
    if scale is None:
        scale = max(1, round(min(_COMFORTABLE_SIDE, _COMFORTABLE_HEIGHT / rows) / side))
    if scale < 1:
        raise InputError(f"scale must be a whole number of at least 1, got {scale}")
    order = [*range(count), *(range(count - 2, 0, -1) if bounce else ())]
    times = durations(len(order), seconds)
    sheets = [_sheet(films, columns, i, scale) for i in range(count)]
    _write([sheets[i] for i in order], times, FilePath(file), loop)


def _stacked(frames: Tensor | Sequence[Tensor]) -> Tensor:
    if isinstance(frames, Tensor):
        return frames
    if not frames or any(frame.shape != frames[0].shape for frame in frames):
        raise InputError("a film needs at least one frame, and all of one shape")
    return torch.stack(list(frames))


def _sheet(films: Mapping[str, Tensor], columns: Sequence[Bytes], i: int, scale: int) -> Image.Image:
    """Frame ``i`` of every film, on white; without captions and with one film it is the frame and nothing else."""
    rows, _, side, wide, _ = columns[0].shape
    colour = any(column.shape[-1] == 3 for column in columns)
    side, wide = side * scale, wide * scale
    font = ImageFont.load_default(size=15)
    captioned = any(films)
    cell = max([wide, *(int(font.getlength(name)) + 8 for name in films)]) if captioned else wide
    edge, head = (_GAP, 34) if captioned else (0, 0)
    size = (
        2 * edge + len(films) * cell + (len(films) - 1) * 2 * _GAP,
        head + rows * side + (rows - 1) * _GAP + edge,
    )
    sheet = Image.new("RGB" if colour else "L", size, "white")
    for column, (name, film) in enumerate(zip(films, columns, strict=True)):
        left = edge + column * (cell + 2 * _GAP)
        if name:
            ImageDraw.Draw(sheet).text((left + cell / 2, head / 2), name, fill="#22272E", font=font, anchor="mm")
        for row in range(rows):
            frame = film[row, i]
            image = Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame)
            image = image.resize((wide, side), Image.Resampling.NEAREST)
            sheet.paste(image, (left + (cell - wide) // 2, head + row * (side + _GAP)))
    return sheet if not colour else sheet.quantize(256)


def _write(images: Sequence[Image.Image], hundredths: Sequence[int], target: FilePath, loop: bool) -> None:
    # Image.save(save_all=True) would merge frames that happen to be alike, and the film would lose count.
    info = {"optimize": False, "duration": 10, **({"loop": 0} if loop else {})}
    parts: list[bytes] = list(getheader(images[0].copy(), info=info)[0])
    for image, time in zip(images, hundredths, strict=True):
        parts += getdata(image.copy(), duration=10 * time, include_color_table=image.mode == "P")
    partial = target.with_name(f".partial-{target.name}")
    try:
        partial.write_bytes(b"".join(parts) + b";")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
