"""Reproducible draws of latents, and contact sheets of images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from .._random import device_of, seeded
from ..errors import InputError
from ..value_range import ValueRange, inferred_range, pixels

if TYPE_CHECKING:
    from PIL.Image import Image

    from .model import Model

__all__ = ["as_taken", "contact_sheet", "draw"]


def draw(prior: Distribution, count: int, random: torch.Generator) -> Tensor:
    """Draws ``prior.sample((count,))`` from a given random generator, which torch.distributions do not accept.

    The global random state is restored; threads may draw at the same time.
    """
    seed = int(torch.randint(2**62, (), generator=random, device=random.device))
    with seeded(seed, device_of(prior)):
        return prior.sample(torch.Size([count]))


def as_taken(model: Model, latents: Tensor, images: object = None) -> Tensor:
    """Moves latents to the dtype and device of the generator's weights, or else of the images, if any."""
    generator = model.generator
    weights = generator.parameters() if isinstance(generator, torch.nn.Module) else ()
    like = next((weight for weight in weights if weight.is_floating_point()), images)
    if not isinstance(like, Tensor):
        return latents
    return latents.to(like.device, like.dtype if like.dtype in (torch.float32, torch.float64) else latents.dtype)


def contact_sheet(
    images: Tensor, columns: int | None = None, zoom: int = 2, gap: int = 1, *, value_range: ValueRange | None = None
) -> Image:
    """Lays images ``(N, 1 or 3, H, W)`` out row by row, as one Pillow image.

    Args:
        images: values outside the range are clipped.
        columns: images per row; about as many as there are rows by default.
        zoom: side of the square that a pixel becomes.
        gap: dark pixels around every image, before the zoom.
        value_range: the values shown as 0 and 255; None for the range of all images.

    Raises:
        InputError: images of another shape, or none.

    Example:
        >>> import torch
        >>> from latentpath.models.sampling import contact_sheet
        >>> contact_sheet(torch.zeros(6, 1, 28, 28), columns=3, zoom=1, gap=1).size
        (88, 59)
    """
    import PIL.Image

    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise InputError(f"images must be (N, 1, H, W) or (N, 3, H, W) with N > 0; got {tuple(images.shape)}")
    count, channels, height, width = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, channels), 24, dtype=np.uint8)
    shown = inferred_range([images]) if value_range is None else value_range
    for i, image in enumerate(pixels(images, shown)):
        top, left = gap + (i // columns) * (height + gap), gap + (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image
    picture = PIL.Image.fromarray(sheet[..., 0] if channels == 1 else sheet)
    return picture.resize((picture.width * zoom, picture.height * zoom), PIL.Image.Resampling.NEAREST)
