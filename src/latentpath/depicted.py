"""Pictures as endpoints of paths: read, encoded or inverted, with the reconstruction error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from ._batching import blocks
from .data import read_images
from .errors import InputError
from .index import RealismIndex
from .invert import Inversion, invert
from .live import first_interrupt, inverting
from .models import Model
from .models.sampling import as_taken, contact_sheet, draw
from .pairs import Pairs
from .summary import listed
from .value_range import ValueRange

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["encoded", "from_images", "read_pictures", "sheet"]

_SHOWN, _CHUNK, _ALIKE = 8, 64, 0.02
_DEPTHS = (10, 12, 14)
"""Bits a channel that cameras and scanners store in 16."""


def from_images(
    model: Model,
    start_files: Sequence[Path],
    end_files: Sequence[Path],
    console: Console,
    *,
    alpha: float,
    search: bool | None = None,
    crop: float | None = None,
    picture_range: ValueRange | None = None,
    **options: Any,
) -> Pairs:
    """Pairs of pictures as pairs of latents, and how near these come.

    Args:
        model: with a prior, that makes grey or RGB pictures.
        start_files: B pictures.
        end_files: as many.
        console: for notes, progress and the errors.
        alpha: the scale of the index.
        search: whether to invert; None: where there is no encoder.
        crop: see `latentpath.data.read_images`; None: that of the training images where a picture has their
            proportions, else all of it.
        picture_range: the stored values that are black and white in pictures of more than 8 bits a channel.
        options: of `invert`.

    Raises:
        InputError: another number of ends, a model that makes no pictures, options of a search that is not made.
        MissingDataError: no such file.
        DataError: a file that is not a picture, or is damaged.
    """
    if len(start_files) != len(end_files):
        raise InputError(
            f"every --from needs its --to, and there are {len(start_files)} --from and {len(end_files)} --to: give as "
            "many of each"
        )
    if search is False and model.encoder is None:
        raise InputError(f"{model.name!r} has no encoder, so its images must be inverted: leave --no-invert out")
    search = model.encoder is None if search is None else search
    given = [name for name, value in options.items() if value is not None and name not in ("seed", "max_points")]
    if not search and given:
        raise InputError(
            f"--{', --'.join(given)} is for inversion, and the encoder of {model.name!r} answers: add --invert to "
            "search on from its answer, or leave it out"
        )
    files = [*start_files, *end_files]
    images, notes = read_pictures(model, files, crop, picture_range)
    for note in notes:
        console.print(note, soft_wrap=True, markup=False)
    if search:
        latents, made, error, more = _inverted(model, images, console, alpha, options)
    else:
        latents, made, error = encoded(model, images)
        more = {}
    assert model.prior is not None
    log_index = RealismIndex(model.prior, alpha=alpha).log(latents)
    about = {
        "from": "images",
        "images": [[str(a), str(b)] for a, b in zip(start_files, end_files, strict=True)],
        "by": "inversion" if search else "encoder",
        "unit": f"root of the mean squared error, pixels in [{', '.join(f'{v:g}' for v in model.value_range)}]",
        "notes": notes,
        **{name: _by_pair(value.tolist()) for name, value in {"error": error, "log_index": log_index}.items()},
        **more,
    }
    _tell(console, files, error, log_index, alpha, search)
    start, end = latents.chunk(2)
    return Pairs(start, end, about, images, made)


def encoded(model: Model, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """By the encoder: latents ``(N, D)``, what the model makes of them, and the RMS error ``(N,)``.

    Raises:
        InputError: as for `Model.encode`.
    """
    latents = as_taken(model, model.encode(images))
    made = _decoded(model, latents)
    return latents, made, (made - images).flatten(1).square().mean(1).sqrt()


def _tell(
    console: Console, files: Sequence[Path], error: Tensor, log_index: Tensor, alpha: float, search: bool
) -> None:
    """A line for every picture."""
    ri = (log_index - math.log(alpha)).exp().tolist()
    for file, e, r in zip(files, error.tolist(), ri, strict=True):
        done = "inverted" if search else "encoded"
        console.print(f"{file}: {done} with RMS error {e:.3f}, ri {r:.2g}", soft_wrap=True, markup=False)


def _by_pair(values: Sequence[Any]) -> list[list[Any]]:
    """Values of starts and then ends, as a list of pairs; what JSON has no word for is None."""
    plain = [None if isinstance(value, float) and not math.isfinite(value) else value for value in values]
    half = len(plain) // 2
    return [[plain[i], plain[half + i]] for i in range(half)]


def read_pictures(
    model: Model, files: Sequence[Path], crop: float | None = None, picture_range: ValueRange | None = None
) -> tuple[Tensor, list[str]]:
    """The pictures as the model makes them, ``(N, C, H, W)`` in its range and on its device; what was done to them.

    Args:
        model: with a prior, that makes grey or RGB pictures.
        files: N pictures.
        crop: as for `from_images`.
        picture_range: as for `from_images`.

    Raises:
        InputError: a model that makes no pictures.
        MissingDataError: no such file.
        DataError: a file that is not a picture, or is damaged.
    """
    assert model.prior is not None
    like = _decoded(model, as_taken(model, draw(model.prior, 1, torch.Generator().manual_seed(0))))
    if like.ndim != 4 or like.shape[1] not in (1, 3):
        raise InputError(
            f"--from takes pictures, and {model.name!r} makes (N, {', '.join(map(str, like.shape[1:]))}): give its "
            "endpoints by --latents, --seeds or --pairs"
        )
    channels, height, width = like.shape[1:]
    crops = [_usual_crop(model, file) if crop is None else crop for file in files]
    pictures = [
        read_images([file], (height, width), channels, part, picture_range)
        for file, part in zip(files, crops, strict=True)
    ]
    low, high = model.value_range
    images = (low + (high - low) * torch.cat(pictures).double() / 255).to(like)
    notes = [_note(file, channels, height, width, part) for file, part in zip(files, crops, strict=True)]
    if picture_range is None:
        notes += map(_note_on_depth, files)
    return images, list(filter(None, notes))


def _usual_crop(model: Model, file: Path) -> float | None:
    """The part of a picture that the model saw in training, where it has the proportions of those it saw."""
    from PIL import Image

    seen = model.card.get("data") or {}
    try:
        with Image.open(file) as picture:
            aspect = picture.width / picture.height
    except OSError:  # told when it is read
        return None
    alike = "crop" in seen and abs(aspect / seen["aspect"] - 1) < _ALIKE
    return float(seen["crop"]) if alike else None


def _note(file: Path, channels: int, height: int, width: int, crop: float | None) -> str:
    """What happens to a picture of another size or mode; empty where nothing does."""
    from PIL import Image

    with Image.open(file) as picture:
        size, mode = picture.size, picture.mode
    wanted = "L" if channels == 1 else "RGB"
    changes = [] if crop in (None, 1) else [f"cropped to the central {crop:.1%} of its width"]
    changes += [f"resized to {width} x {height}"] * (size != (width, height))
    changes += [f"made {'grey' if channels == 1 else 'RGB'}"] * (mode != wanted)
    return f"{file}: {size[0]} x {size[1]} {mode}, {listed(changes)}" if changes else ""


def _note_on_depth(file: Path) -> str:
    """What to try where the values of a picture of 16 bits are all so low that it may hold fewer; empty elsewhere."""
    from PIL import Image

    with Image.open(file) as picture:
        if not picture.mode.startswith("I"):
            return ""
        highest = int(np.asarray(picture).max())
    bits = next((bits for bits in _DEPTHS if highest < 1 << bits), 16)
    if bits == 16:
        return ""
    return (
        f"{file}: 16 bits a channel, but no value above {highest}, so it is dark: if it has {bits} bits, give "
        f"--value-range 0,{(1 << bits) - 1}"
    )


@torch.no_grad()
def _decoded(model: Model, latents: Tensor) -> Tensor:
    return torch.cat([model.generator(latents[block]) for block in blocks(len(latents), _CHUNK)])


def _inverted(
    model: Model, images: Tensor, console: Console, alpha: float, options: Mapping[str, Any]
) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
    """Latents, what is made of them, the errors, and facts for the report. Ctrl-C keeps the best so far."""
    given = {name: value for name, value in options.items() if value is not None}
    with first_interrupt() as stop, inverting(console, len(images)) as show:

        def callback(now: Any) -> bool:
            show(now)
            return stop.asked

        found: Inversion = invert(model, images, alpha=alpha, callback=callback, **given)
    if found.stopped:
        console.print("Stopped inverting; going on from the best latents so far.")
    facts = {
        "converged": _by_pair(found.converged.tolist()),
        "steps": _by_pair(found.steps.tolist()),
        "from_encoder": _by_pair(found.encoded.tolist()),
        "best_start_error": _by_pair(found.start_errors.amin(1).tolist()),
        "stopped": found.stopped,
        "options": given,
    }
    return found.latents, found.images, found.error, facts


def sheet(pairs: Pairs, value_range: ValueRange) -> Image:
    """The first pictures, pair by pair, over what the model makes of them."""
    assert pairs.images is not None
    assert pairs.made is not None
    shown = min(_SHOWN, len(pairs.start))
    rows = []
    for images in (pairs.images, pairs.made):
        start, end = images.chunk(2)
        rows.append(torch.stack([start[:shown], end[:shown]], dim=1).flatten(0, 1))
    images = torch.cat(rows)
    zoom = max(1, round(112 / images.shape[-1]))
    return contact_sheet(images, columns=2 * shown, zoom=zoom, value_range=value_range)
