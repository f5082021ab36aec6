"""The curves that `film` and `strip` show side by side: paths, baselines or other paths; captions and value ranges."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from .._validate import describe
from ..errors import InputError
from ..path import Path
from ..report import LABELS
from ..source import Source
from ..value_range import Bytes, ValueRange, declared_range, inferred_range, pixels

Beside = Iterable[str] | Mapping[str, Path]  # names of baselines, or other paths by their captions

MAX_BLOCK, BLOCK_VALUES = 32, 2**23
"""The most frames of a path that are decoded at a time, and the most numbers in them where frames are large."""


@dataclass(frozen=True)
class Curve:
    """The paths under one caption."""

    caption: str
    path: Path  # bound so that few frames are decoded at a time
    source: Source
    shape: tuple[int, int, int]  # ``(C, H, W)`` of a frame


def curves_of(path: Any, beside: Any) -> list[Curve]:
    """Returns the curves beside a path, then the path; frames of all have one height and width."""
    if not isinstance(path, Path):
        raise InputError(f"path must be a latentpath.Path, from lp.interpolate; got {describe(path)}.")
    curves = []
    for caption, shown in [*_others(path, beside).items(), (LABELS["path"], path)]:
        if len(shown) != len(path) or len(path) == 0:
            raise InputError(
                f"every curve needs as many paths, at least one: {caption!r} has {len(shown)}, the path {len(path)}"
            )
        source = shown._bound("showing a path")
        frame = source.frames(shown.latents[:1, :1])
        if frame.ndim != 5 or frame.shape[2] not in (1, 3):
            raise InputError(
                "only pictures can be shown: the generator must make (N, 1, H, W) or (N, 3, H, W), "
                f"{caption!r} has {('N', *frame.shape[2:])}"
            )
        most = source.max_points or max(2, min(MAX_BLOCK, BLOCK_VALUES // frame.numel()))
        source = replace(source, max_points=most)
        channels, high, wide = (int(side) for side in frame.shape[2:])
        curves.append(Curve(caption, shown.bind(source), source, (channels, high, wide)))
    if len(sizes := {curve.shape[1:] for curve in curves}) != 1:
        raise InputError(f"curves side by side need frames of one size, got {sorted(sizes)} (height, width)")
    return curves


def _others(path: Path, beside: Any) -> dict[str, Path]:
    """Returns the curves beside a path by caption; refuses anything but names of baselines and paths by caption."""
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
    # Only the polyline of such a path is a baseline's: audit and outcome remain the path's.
    return {LABELS.get(name, name): replace(path, latents=latents) for name, latents in path.baselines(names).items()}


def value_ranges(curves: Sequence[Curve], latents: Sequence[Tensor], given: ValueRange | None) -> list[ValueRange]:
    """Returns the range of every curve, shown at latents ``(P, n, D)``; curves of one generator have one range."""
    found: dict[int, ValueRange] = {}
    for generator in (curve.source.generator for curve in curves):
        if id(generator) not in found:
            same = [each for each in zip(curves, latents, strict=True) if each[0].source.generator is generator]
            found[id(generator)] = given or declared_range(generator) or inferred_range(_frames(same))
    return [found[id(curve.source.generator)] for curve in curves]


def _frames(shown: Iterable[tuple[Curve, Tensor]]) -> Iterator[Tensor]:
    """Yields the frames at the points of curves and at the latents to show, a few at a time."""
    for curve, latents in shown:
        for row in (*curve.path.latents, *latents):
            for few in row.split(MAX_BLOCK):
                yield curve.source.frames(few)


def decode(curve: Curve, latents: Tensor, value_range: ValueRange) -> Bytes:
    """Returns the frames at latents ``(P, n, D)`` as ``(P, n, H, W, C)``, decoded one path after the other."""
    return np.stack([pixels(curve.source.frames(row), value_range) for row in latents])
