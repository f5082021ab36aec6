"""Pictures as endpoints of paths: read, encoded or inverted, with the reconstruction error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from torch import Tensor

from ..errors import InputError
from ..index import RealismIndex
from ..inversion import Inversion, invert
from ..models import Model
from ..models.inputs import encoded, read_pictures
from ..value_range import ValueRange
from ..viz.grid import contact_sheet
from .console import inverting
from .endpoints import Pairs

if TYPE_CHECKING:
    from PIL.Image import Image

_SHOWN = 8


def from_images(
    model: Model,  # with a prior, that makes grey or RGB pictures
    start_files: Sequence[Path],  # B pictures
    end_files: Sequence[Path],
    console: Console,  # for notes, progress and the errors
    *,
    alpha: float,  # the scale of the index
    search: bool | None = None,  # whether to invert; None: where there is no encoder
    crop: float | None = None,  # as for `latentpath.models.inputs.read_pictures`
    picture_range: ValueRange | None = None,  # as for the same
    **options: Any,
) -> Pairs:
    """Finds the latents of pairs of pictures, and how near these come."""
    if len(start_files) != len(end_files):
        raise InputError(
            f"every --from needs its --to, and there are {len(start_files)} --from and {len(end_files)} --to: give as "
            "many of each"
        )
    search = _searches(model, search, options)
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


def _searches(model: Model, search: bool | None, options: Mapping[str, Any]) -> bool:
    """Decides whether latents are searched for, by default where there is no encoder; refuses options without use."""
    if search is False and model.encoder is None:
        raise InputError(f"{model.name!r} has no encoder, so its images must be inverted: leave --no-invert out")
    searches = model.encoder is None if search is None else search
    given = [name for name, value in options.items() if value is not None and name not in ("seed", "max_points")]
    if not searches and given:
        raise InputError(
            f"--{', --'.join(given)} is for inversion, and the encoder of {model.name!r} answers: add --invert to "
            "search on from its answer, or leave it out"
        )
    return searches


def _tell(
    console: Console, files: Sequence[Path], error: Tensor, log_index: Tensor, alpha: float, search: bool
) -> None:
    ri = (log_index - math.log(alpha)).exp().tolist()
    for file, e, r in zip(files, error.tolist(), ri, strict=True):
        done = "inverted" if search else "encoded"
        console.print(f"{file}: {done} with RMS error {e:.3f}, ri {r:.2g}", soft_wrap=True, markup=False)


def _by_pair(values: Sequence[Any]) -> list[list[Any]]:
    half = len(values) // 2
    return [[start, end] for start, end in zip(values[:half], values[half:], strict=True)]


def _inverted(
    model: Model, images: Tensor, console: Console, alpha: float, options: Mapping[str, Any]
) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
    """Latents, what is made of them, the errors, and facts for the report. Ctrl-C keeps the best so far."""
    given = {name: value for name, value in options.items() if value is not None}
    with inverting(console, len(images)) as watch:
        found: Inversion = invert(model, images, alpha=alpha, callback=watch, **given)
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
