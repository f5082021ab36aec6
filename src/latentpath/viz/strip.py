"""Strips of frames: every curve a row of frames on one picture, written as PNG, WebP or JPEG."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, SupportsIndex

from .._validate import whole_number
from ..path import Path, Spacing
from ..value_range import ValueRange, checked_range
from .files import check_size, target, whole
from .grid import Grid, pixel_side
from .side_by_side import Beside, Curve, curves_of, decode, value_ranges

if TYPE_CHECKING:
    from PIL.Image import Image

_SIDE = 96  # about the pixels of a frame's longer side that are comfortable to see
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


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
    """Lays out frames of paths as one picture: a row for every curve, named at its left, the pairs one below the other.

    Args:
        path: the paths, from `interpolate`, or loaded and bound to a source.
        file: where to write the picture too: ``.png``, ``.webp`` (both exact) or ``.jpg``; whole or not at all.
        frames: of each curve, endpoints included.
        spacing: of the frames along the curves, as for `Path.at`.
        side_by_side: the curves shown above every path, each spaced like it, as for `film`.
        scale: the side of the square that a pixel becomes; by default such that small frames are comfortable to see.
        value_range: the values shown as 0 and 255, as for `film`.

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
    suffix = ".png" if file is None else target(file, _SUFFIXES).suffix.lower()
    given = None if value_range is None else checked_range(value_range)
    curves = curves_of(path, side_by_side)
    grid = _grid(curves, len(path), frames, scale)
    check_size(grid.size, suffix)
    latents = [curve.path.at(frames, spacing) for curve in curves]
    ranges = value_ranges(curves, latents, given)
    rows = [decode(*each) for each in zip(curves, latents, ranges, strict=True)]
    image = grid.compose(row[pair] for pair in range(len(path)) for row in rows)
    image.info["value_range"] = ranges[-1]
    if file is not None:
        how = {".png": {}, ".webp": {"lossless": True}}.get(suffix, {"quality": 95})
        with whole(file) as partial:
            image.save(partial, **how)
    return image


def _grid(curves: Sequence[Curve], pairs: int, frames: int, scale: SupportsIndex | None) -> Grid:
    """Returns the page: the curves of a pair one below the other, a wider gap after every pair."""
    captions, (high, wide) = [curve.caption for curve in curves], curves[0].shape[1:]
    scale = pixel_side(scale, max(high, wide), _SIDE)
    return Grid(
        (high, wide),
        rows=[f"pair {i + 1}" for i in range(pairs)] if len(curves) == 1 and pairs > 1 else captions * pairs,
        columns=[""] * frames,
        scale=scale,
        colour=any(curve.shape[0] == 3 for curve in curves),
        font=max(15, high * scale // 6),
        between=(2, 4),
        group=len(curves),
    )
