"""Pictures of a user as inputs of a model: read, resized and cropped to what it makes, and encoded."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .._words import listed
from ..data import read_images
from ..errors import InputError
from ..value_range import ValueRange
from .model import Model
from .sampling import as_taken, draw

_CHUNK, _ALIKE = 64, 0.02
_DEPTHS = (10, 12, 14)  # bits a channel that cameras and scanners store in 16


def read_pictures(
    model: Model, files: Sequence[Path], crop: float | None = None, picture_range: ValueRange | None = None
) -> tuple[Tensor, list[str]]:
    """Reads pictures as the model makes them, ``(N, C, H, W)``, with notes on the changes to them."""
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
    """Describes the changes to a picture of another size or mode; empty where there are none."""
    from PIL import Image

    with Image.open(file) as picture:
        size, mode = picture.size, picture.mode
    wanted = "L" if channels == 1 else "RGB"
    changes = [] if crop in (None, 1) else [f"cropped to the central {crop:.1%} of its width"]
    changes += [f"resized to {width} x {height}"] * (size != (width, height))
    changes += [f"made {'grey' if channels == 1 else 'RGB'}"] * (mode != wanted)
    return f"{file}: {size[0]} x {size[1]} {mode}, {listed(changes)}" if changes else ""


def _note_on_depth(file: Path) -> str:
    """Advises on a picture of 16 bits whose values are so low that it may hold fewer bits; empty elsewhere."""
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


def encoded(model: Model, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Encodes images: latents ``(N, D)``, what the model makes of them, and the RMS error ``(N,)``."""
    latents = as_taken(model, model.encode(images))
    made = _decoded(model, latents)
    return latents, made, (made - images).flatten(1).square().mean(1).sqrt()


@torch.no_grad()
def _decoded(model: Model, latents: Tensor) -> Tensor:
    return torch.cat([model.generator(block) for block in latents.split(_CHUNK)])
