"""Films of paths: the frames of all curves side by side, decoded and written block by block.

However long a film is, only some tens of its frames are ever held, and only the latents of all of them. Which formats
there are, and which file writes them, is in `latentpath.viz.film_formats`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Literal, SupportsFloat, SupportsIndex

import torch
from torch import Tensor

from .._validate import describe, real_number
from ..errors import InputError
from ..path import Path, Spacing
from ..value_range import ValueRange, checked_range
from .files import check_size, target
from .film_formats import SUFFIXES, frame_count, write_film
from .grid import Grid, pixel_side
from .mp4 import pyav
from .side_by_side import BLOCK_VALUES, MAX_BLOCK, Beside, Curve, curves_of, decode, value_ranges

if TYPE_CHECKING:
    from PIL.Image import Image

Loop = Literal["bounce", "repeat"] | None  # after the end: the way back, the start again, or nothing

_COMFORTABLE = (224, 500)  # about the height of a frame, and of all rows together, that is comfortable to see


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
    """Writes a film of paths, whole or not at all: ``round(seconds * fps)`` frames that take exactly ``seconds``.

    Where that rounds up to more frames than a GIF or a WebP can show in this time, there is one less.
    Several paths play one above the other, in step. `latentpath.viz.film_formats` compares the formats.

    Args:
        path: the paths, from `interpolate`, or loaded and bound to a source.
        file: its suffix chooses the format: ``.mp4`` (needs PyAV, from the extra ``viz``), ``.gif`` or ``.webp``.
        seconds: how long one round takes, there and back if it bounces.
        fps: frames a second; at most 50 in a GIF, 90 in a WebP and 240 in an MP4.
        spacing: where along the curves the frames lie evenly, as for `Path.at`.
        side_by_side: the curves to the left of the path, each spaced like it: names from
            ``latentpath.report.BASELINES``, or other paths by caption, as many as there are in ``path``.
        loop: "bounce" plays to the end and back; "repeat" plays to the end, then from the start (where a path ends at
            its start, bit for bit, that frame is shown once a round); None plays once. An MP4 holds the order of the
            frames only.
        scale: the side of the square that a pixel becomes; by default such that small frames are comfortable to see.
        value_range: the values shown as 0 and 255, black and white of grey frames; others are clipped, NaN is 0.
            None for the range that the model or its generator declares, or else what the frames hold: they are then
            decoded once more, all of them, before the first is shown (see `latentpath.value_range`).
        captions: the names above the columns, from left to right, instead of the usual ones.
        callback: called with the frames done and their total after every block; a true answer stops the film.

    Returns:
        True where the film was written; False where the callback stopped it: then there is no file, or the one there
        was before.

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
    place = target(file, SUFFIXES)
    suffix = place.suffix.lower()
    if suffix == ".mp4":
        pyav()
    seconds = real_number("seconds", seconds, above=0, below=math.inf)
    frames = frame_count(seconds, real_number("fps", fps), suffix)
    if loop not in ("bounce", "repeat", None):
        raise InputError(f'loop must be "bounce", "repeat" or None, got {loop!r}')
    if callback is not None and not callable(callback):
        raise InputError(f"callback must be callable, got {type(callback).__name__}")
    given = None if value_range is None else checked_range(value_range)
    curves = curves_of(path, side_by_side)
    grid = _grid(curves, len(path), captions, scale)
    check_size(grid.size, suffix)
    order = _order(frames, loop)
    latents = [_latents(curve.path, max(order) + 1, spacing, loop) for curve in curves]
    ranges = value_ranges(curves, latents, given)
    shown = list(zip(curves, latents, ranges, strict=True))
    try:
        write_film(_pages(shown, grid, order, callback), place, frames, seconds, loop is not None)
    except _StoppedError:
        return False
    return True


class _StoppedError(Exception):
    pass


def _grid(curves: Sequence[Curve], pairs: int, captions: Sequence[str] | None, scale: SupportsIndex | None) -> Grid:
    """Returns the page: a column for every curve, a row for every pair."""
    high, wide = curves[0].shape[1:]
    return Grid(
        (high, wide),
        rows=[""] * pairs,
        columns=_captions(captions, [curve.caption for curve in curves]),
        scale=pixel_side(scale, max(high, wide), min(_COMFORTABLE[0], _COMFORTABLE[1] / pairs)),
        colour=any(curve.shape[0] == 3 for curve in curves),
    )


def _captions(given: Sequence[str] | None, usual: Sequence[str]) -> list[str]:
    """Returns the names above the columns: by default none above a path alone."""
    if given is None:
        return list(usual) if len(usual) > 1 else [""]
    names = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else [given]
    if len(names) != len(usual) or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"captions must be texts, one for each of {len(usual)} columns, from left to right; got {describe(given)}."
        )
    return names


def _order(frames: int, loop: Loop) -> list[int]:
    """Returns the point shown in every frame; there and back, an odd number of frames shows the end twice."""
    if loop != "bounce":
        return list(range(frames))
    last = frames // 2
    there = list(range(last + 1)) if frames % 2 == 0 else [*range(last + 1), last]
    return there + list(range(last - 1, 0, -1))


@torch.no_grad()
def _latents(path: Path, points: int, spacing: Spacing, loop: Loop) -> Tensor:
    """Returns the latents of every point shown, ``(P, points, D)``; a closed path that is repeated omits its end."""
    plain = path.at(points, spacing)
    closed = (path.start == path.end).all(-1)
    if loop != "repeat" or not closed.any():
        return plain
    return torch.where(closed[:, None, None], path.at(points + 1, spacing)[:, :-1], plain)


def _pages(
    shown: Sequence[tuple[Curve, Tensor, ValueRange]],
    grid: Grid,
    order: Sequence[int],
    callback: Callable[[int, int], bool | None] | None,
) -> Iterator[Image]:
    """Yields every page of the film. On the way back the blocks are decoded again, and are the same to the bit."""
    curve, latents, _ = shown[0]
    size = max(1, min(MAX_BLOCK, BLOCK_VALUES // (len(latents) * len(shown) * math.prod(curve.shape[1:]))))
    done = 0
    for block, points in groupby(order, lambda point: point // size):
        first = block * size
        columns = [decode(curve, latents[:, first : first + size], held) for curve, latents, held in shown]
        for point in points:
            yield grid.compose([[column[row, point - first] for column in columns] for row in range(len(columns[0]))])
            done += 1
        if callback is not None and callback(done, len(order)):
            raise _StoppedError
