"""Paths to look at: `film` plays them, `strip` lays them out.

Both show what the generator makes at points that lie evenly along each curve, and beside the path whatever it is to be
compared with. A film is decoded and written block by block: however long it is, only some tens of its frames are ever
held, and only the latents of all of them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat, SupportsIndex

import numpy as np
import torch
from torch import Tensor

from .._validate import describe, real_number, whole_number
from ..errors import InputError
from ..evaluate import LABELS
from ..path import Path, Spacing
from ..value_range import Bytes, ValueRange, checked_range, declared_range, inferred_range, pixels
from . import film_formats as video
from .grid import Sheet, enlarged

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Beside", "Loop", "film", "strip"]

Beside = Iterable[str] | Mapping[str, Path]
"""What is shown beside a path: names of baselines, or other paths by their captions."""

Loop = Literal["bounce", "repeat"] | None
"""How a film goes on at its end: back the way it came, from the start again, or not at all."""

_POINTS, _VALUES = 32, 2**23
"""The most frames of a path in a block, and the most numbers that all frames of a block may have, if it can be."""

_MOST_FRAMES, _MOST_A_SECOND, _LEAST_A_SECOND = 100_000, 240, 0.1
_STRIP_SIDE = 96
_STRIP_SUFFIXES = {".png": 100_000, ".jpg": 65_500, ".jpeg": 65_500, ".webp": 16_383}
"""The formats of a strip, and the most pixels of a side: the format's own limit, or (PNG) what a viewer opens."""


def film(
    path: Path,
    file: str | os.PathLike[str],
    *,
    seconds: SupportsFloat = 4.0,
    fps: SupportsFloat = 25,
    spacing: Spacing = "data",
    side_by_side: Beside = (),
    loop: Loop = "bounce",
    scale: SupportsIndex | None = None,
    value_range: ValueRange | None = None,
    captions: Sequence[str] | None = None,
    callback: Callable[[int, int], bool | None] | None = None,
) -> bool:
    """Write a film of paths, whole or not at all: ``round(seconds * fps)`` frames that take exactly ``seconds``.

    Where that rounds up to more frames than a GIF or a WebP can show in this time, there is one less.

    Several paths play one above the other, in step. The frames of a GIF are exact where they are grey and have 256
    colours where not, those of a WebP are exact; an MP4 is H.264 with bt709 colours, which plays everywhere.

    Args:
        path: the paths, from `interpolate`, or loaded and bound to a source.
        file: whose suffix says what is written: ``.mp4`` (needs PyAV, from the extra ``viz``), ``.gif`` or ``.webp``.
        seconds: how long one round takes, there and back if it bounces.
        fps: frames a second; at most 50 in a GIF, 90 in a WebP and 240 in an MP4.
        spacing: where along the curves the frames lie evenly, as for `Path.at`.
        side_by_side: what to show to the left of the path, each spaced like it: names from
            ``latentpath.evaluate.BASELINES``, or other paths by caption, as many as there are in ``path``.
        loop: "bounce" plays to the end and back; "repeat" plays to the end, then from the start (where a path ends at
            its start, bit for bit, that frame is shown once a round); None plays once. An MP4 cannot ask for another
            round, most players can: there, this is only the order of the frames.
        scale: the side of the square that a pixel becomes; by default such that small frames are comfortable to see.
        value_range: the values shown as 0 and 255, black and white of grey frames; others are clipped, NaN is 0.
            None for the range that the model or its generator declares, or else what the frames hold: they are then
            decoded once more, all of them, before the first is shown (see `latentpath.value_range`).
        captions: the names above the columns, from left to right, instead of the usual ones.
        callback: called with the frames done and their total after every block; a true answer stops the film.

    Returns:
        Whether the film was written. False where the callback stopped it: then there is no file, or the one there was
        before. That is no error: whoever asked for it knows, and has nothing to catch.

    Raises:
        InputError: another suffix, a file that cannot be written, frames that are no grey or RGB pictures, paths that
            cannot be shown side by side, or a path without a source; fewer than 2 frames or more than 100,000.
        MissingDataError: the folder does not exist.
        MissingDependencyError: an MP4 without PyAV.

    Example:
        >>> import tempfile, torch, latentpath as lp
        >>> square = lambda z: z[:, :, None, None].expand(-1, 1, 8, 8)  # a grey that is the latent
        >>> path = lp.interpolate(square, lp.priors.standard_normal(1), torch.tensor([-0.5]), torch.tensor([0.5]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     lp.film(path, folder + "/path.gif", seconds=1, fps=10, side_by_side=["lerp"])
        True
    """
    suffix = video.target(file, (".mp4", ".gif", ".webp")).suffix.lower()
    seconds = real_number("seconds", seconds, above=0, below=math.inf)
    frames = _frames(seconds, real_number("fps", fps), suffix)
    if loop not in ("bounce", "repeat", None):
        raise InputError(f'loop must be "bounce", "repeat" or None, got {loop!r}')
    if callback is not None and not callable(callback):
        raise InputError(f"callback must be callable, got {type(callback).__name__}")
    given = None if value_range is None else checked_range(value_range)
    columns, (high, wide), colour = _columns(path, side_by_side)
    names = _captions(captions, [name for name, _ in columns])
    scale = enlarged(scale, max(high, wide), min(video.COMFORTABLE[0], video.COMFORTABLE[1] / len(path)))
    sheet = Sheet((high, wide), rows=[""] * len(path), columns=names, scale=scale, colour=colour)
    video.check(file, frames, seconds, sheet.size)
    order = _order(frames, loop)
    points = [(curve, _latents(curve, max(order) + 1, spacing, loop)) for _, curve in columns]
    size = max(1, min(_POINTS, _VALUES // (len(path) * len(columns) * high * wide)))
    images = _images(_ranged(points, given), sheet, order, size, callback)
    try:
        video.write(images, file, frames, seconds, loop is not None)
    except _StoppedError:
        return False
    return True


def strip(
    path: Path,
    file: str | os.PathLike[str] | None = None,
    *,
    frames: SupportsIndex = 11,
    spacing: Spacing = "data",
    side_by_side: Beside = (),
    scale: SupportsIndex | None = None,
    value_range: ValueRange | None = None,
) -> Image:
    """Lay out frames of paths as one picture: a row for every curve, named at its left, the pairs one below the other.

    Args:
        path: the paths, from `interpolate`, or loaded and bound to a source.
        file: where to write the picture too: ``.png``, ``.webp`` (both exact) or ``.jpg``; whole or not at all.
        frames: how many of each curve, endpoints included.
        spacing: where along the curves the frames lie evenly, as for `Path.at`.
        side_by_side: what to show above every path, each spaced like it, as for `film`.
        scale: the side of the square that a pixel becomes; by default such that small frames are comfortable to see.
        value_range: the values shown as 0 and 255, black and white of grey frames; others are clipped, NaN is 0.
            None for the range that the model or its generator declares, or else what the frames hold: they are then
            decoded once more, all of them, before the first is shown (see `latentpath.value_range`).

    Returns:
        A Pillow image, grey or RGB; ``info["value_range"]`` is the range that the path's frames are shown in.

    Raises:
        InputError: another suffix, a file that cannot be written, frames that are no grey or RGB pictures, paths that
            cannot be shown together, a path without a source, ``frames < 2``, or more than the format holds.
        MissingDataError: the folder does not exist.

    Example:
        >>> import torch, latentpath as lp
        >>> square = lambda z: z[:, :, None, None].expand(-1, 1, 8, 8)  # a grey that is the latent
        >>> path = lp.interpolate(square, lp.priors.standard_normal(1), torch.tensor([-0.5]), torch.tensor([0.5]))
        >>> sheet = lp.strip(path, frames=5, side_by_side=["lerp"], scale=4)
        >>> sheet.mode, sheet.height
        ('L', 84)
    """
    frames = whole_number("frames", frames, 2, advice="A strip shows both ends.")
    suffix = ".png" if file is None else video.target(file, tuple(_STRIP_SUFFIXES)).suffix.lower()
    given = None if value_range is None else checked_range(value_range)
    columns, (high, wide), colour = _columns(path, side_by_side)
    scale = enlarged(scale, max(high, wide), _STRIP_SIDE)
    pairs, kinds = range(len(path)), [name for name, _ in columns]
    rows = [f"pair {i + 1}" for i in pairs] if len(kinds) == 1 and len(path) > 1 else kinds * len(path)
    sheet = Sheet(
        (high, wide),
        rows=rows,
        columns=[""] * frames,
        scale=scale,
        colour=colour,
        font=max(15, high * scale // 6),
        between=(2, 4),
        group=len(kinds),
    )
    if max(sheet.size) > _STRIP_SUFFIXES[suffix]:
        raise InputError(
            f"a {suffix} picture has at most {_STRIP_SUFFIXES[suffix]} pixels a side; this strip would have "
            f"{sheet.size[0]} x {sheet.size[1]}. Show fewer frames or paths, or give a smaller scale."
        )
    shown = _ranged([(curve, curve.at(frames, spacing)) for _, curve in columns], given)
    rows_of = [_pixels(*each) for each in shown]
    image = sheet.compose(kind[pair] for pair in pairs for kind in rows_of)
    image.info["value_range"] = shown[-1][-1]
    if file is not None:
        how = {".png": {}, ".webp": {"lossless": True}}.get(suffix, {"quality": 95})
        with video.whole(file) as partial:
            image.save(partial, **how)
    return image


class _StoppedError(Exception):
    """The callback asked to stop."""


def _frames(seconds: float, fps: float, suffix: str) -> int:
    """How many frames a film has: rounded down where the format cannot show one more in this time."""
    if not _LEAST_A_SECOND <= fps <= _MOST_A_SECOND:
        raise InputError(f"fps must be from {_LEAST_A_SECOND} to {_MOST_A_SECOND} frames a second; got {fps:g}.")
    frames = seconds * fps
    if frames > _MOST_FRAMES:
        raise InputError(
            f"a film has at most {_MOST_FRAMES:,} frames; {seconds:g} seconds at {fps:g} a second are {frames:,.0f}. "
            "Make it shorter, or write several."
        )
    most = video.most_frames(seconds, suffix)
    found = most if most is not None and math.floor(frames) <= most < round(frames) else round(frames)
    if found < 2:
        raise InputError(f"a film has at least 2 frames; {seconds:g} seconds at {fps:g} a second are too few.")
    return found


def _order(frames: int, loop: Loop) -> list[int]:
    """Which point is shown in every frame; there and back, an odd number of frames shows the end twice."""
    if loop != "bounce":
        return list(range(frames))
    last = frames // 2
    there = list(range(last + 1)) if frames % 2 == 0 else [*range(last + 1), last]
    return there + list(range(last - 1, 0, -1))


def _baselines(path: Path, names: Iterable[str]) -> dict[str, Path]:
    """The baselines of a path by caption. Of each there is nothing but the polyline: the facts are the path's."""
    return {LABELS.get(name, name): replace(path, latents=latents) for name, latents in path.baselines(names).items()}


def _columns(path: Any, beside: Any) -> tuple[list[tuple[str, Path]], tuple[int, int], bool]:
    """All curves by caption, bound so that little is decoded at a time; their frames' height and width; any in colour?

    Raises:
        InputError: what cannot be shown, or not side by side.
    """
    if not isinstance(path, Path):
        raise InputError(f"path must be a latentpath.Path, from lp.interpolate; got {describe(path)}.")
    columns, shapes = [], []
    for name, curve in [*_others(path, beside).items(), (LABELS["path"], path)]:
        if len(curve) != len(path) or len(path) == 0:
            raise InputError(
                f"every curve needs as many paths, at least one: {name!r} has {len(curve)}, the path {len(path)}"
            )
        source = curve._bound("showing a path")
        frame = source.frames(curve.latents[:1, :1])
        if frame.ndim != 5 or frame.shape[2] not in (1, 3):
            raise InputError(
                "only pictures can be shown: the generator must make (N, 1, H, W) or (N, 3, H, W), "
                f"{name!r} has {('N', *frame.shape[2:])}"
            )
        shapes.append(frame.shape[2:])
        most = source.max_points or max(2, min(_POINTS, _VALUES // frame.numel()))
        columns.append((name, curve.bind(replace(source, max_points=most))))
    sizes = {(int(shape[1]), int(shape[2])) for shape in shapes}
    if len(sizes) != 1:
        raise InputError(f"curves side by side need frames of one size, got {sorted(sizes)} (height, width)")
    return columns, sizes.pop(), any(shape[0] == 3 for shape in shapes)


def _others(path: Path, beside: Any) -> dict[str, Path]:
    """The curves beside a path by caption.

    Raises:
        InputError: neither names of baselines nor paths by caption.
    """
    if isinstance(beside, Mapping):
        for name, curve in beside.items():
            if not isinstance(name, str):
                raise InputError(f"side_by_side must have text for captions; got {describe(name)}.")
            if not isinstance(curve, Path):
                raise InputError(f"side_by_side[{name!r}] must be a latentpath.Path; got {describe(curve)}.")
        return dict(beside)
    names = (beside,) if isinstance(beside, str) else tuple(beside) if isinstance(beside, Iterable) else (None,)
    if not all(isinstance(name, str) for name in names):
        raise InputError(
            'side_by_side must be names of baselines, such as ("lerp",), or paths by caption, such as '
            f'{{"other": path}}; got {describe(beside)}.'
        )
    return _baselines(path, names)


def _captions(given: Sequence[str] | None, usual: Sequence[str]) -> list[str]:
    """What stands above the columns: nothing above a path alone, unless it is asked for."""
    if given is None:
        return list(usual) if len(usual) > 1 else [""]
    names = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else [given]
    if len(names) != len(usual) or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"captions must be texts, one for each of {len(usual)} columns, from left to right; got {describe(given)}."
        )
    return names


@torch.no_grad()
def _latents(curve: Path, points: int, spacing: Spacing, loop: Loop) -> Tensor:
    """The latents of every point shown, ``(P, points, D)``; those of a closed path that is repeated omit its end."""
    plain = curve.at(points, spacing)
    closed = (curve.start == curve.end).all(-1)
    if loop != "repeat" or not closed.any():
        return plain
    return torch.where(closed[:, None, None], curve.at(points + 1, spacing)[:, :-1], plain)


def _ranged(points: Sequence[tuple[Path, Tensor]], given: ValueRange | None) -> list[tuple[Path, Tensor, ValueRange]]:
    """Curves and the latents to show ``(P, n, D)``, each with its range: curves of one generator have one range."""
    ranges: dict[int, ValueRange] = {}
    for curve, _ in points:
        assert curve.source is not None
        generator = curve.source.generator
        if id(generator) not in ranges:
            same = [each for each in points if each[0].source and each[0].source.generator is generator]
            ranges[id(generator)] = given or declared_range(generator) or inferred_range(_decoded(same))
    return [(curve, latents, ranges[id(curve.source and curve.source.generator)]) for curve, latents in points]


def _decoded(points: Sequence[tuple[Path, Tensor]]) -> Iterator[Tensor]:
    """The frames at the points of curves and at the latents to show, a few at a time."""
    for curve, latents in points:
        assert curve.source is not None
        for row in (*curve.latents, *latents):
            for few in row.split(_POINTS):
                yield curve.source.frames(few)


def _pixels(curve: Path, latents: Tensor, value_range: ValueRange) -> Bytes:
    """The frames at latents ``(P, n, D)``, ``(P, n, H, W, C)``, one path after the other."""
    assert curve.source is not None
    return np.stack([pixels(curve.source.frames(row), value_range) for row in latents])


def _images(
    curves: Sequence[tuple[Path, Tensor, ValueRange]],
    sheet: Sheet,
    order: Sequence[int],
    size: int,
    callback: Callable[[int, int], bool | None] | None,
) -> Iterator[Image]:
    """Every page of the film. On the way back the blocks are decoded again, and are the same to the bit."""
    done = 0
    for block, points in groupby(order, lambda point: point // size):
        first = block * size
        shown = [_pixels(curve, latents[:, first : first + size], held) for curve, latents, held in curves]
        for point in points:
            yield sheet.compose([[column[row, point - first] for column in shown] for row in range(len(shown[0]))])
            done += 1
        if callback is not None and callback(done, len(order)):
            raise _StoppedError
