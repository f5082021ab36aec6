"""Drawing latents reproducibly, and laying images out on a sheet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, MixtureSameFamily

from .._random import device_of, seeded
from ..errors import InputError
from ..value_range import ValueRange, inferred_range, pixels

if TYPE_CHECKING:
    from PIL.Image import Image

    from .model import Model

__all__ = ["as_taken", "contact_sheet", "draw", "draw_pairs"]


def draw(prior: Distribution, count: int, random: torch.Generator) -> Tensor:
    """``prior.sample((count,))`` out of a random generator of one's own, which torch.distributions do not take.

    The global random state is as before afterwards; threads may draw at the same time.
    """
    seed = int(torch.randint(2**62, (), generator=random, device=random.device))
    with seeded(seed, device_of(prior)):
        return prior.sample(torch.Size([count]))


def draw_pairs(prior: Distribution, pairs: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draws starts and ends of ``pairs`` paths, ``(pairs, D)`` each, from ``prior``.

    A mixture gives starts from its first component and ends from its last: of the semicircle its two ends, around
    (2, 6) and (2, -6). Any other prior gives two independent draws.
    """
    random = torch.Generator().manual_seed(seed)
    if isinstance(prior, MixtureSameFamily) and prior.component_distribution.batch_shape[-1] > 1:
        drawn = draw(prior.component_distribution, pairs, random)
        return drawn[:, 0].contiguous(), drawn[:, -1].contiguous()
    start, end = draw(prior, 2 * pairs, random).split(pairs)
    return start, end


def as_taken(model: Model, latents: Tensor, images: object = None) -> Tensor:
    """Latents in the dtype and on the device of the generator's weights, or else of the images, if any."""
    generator = model.generator
    weights = generator.parameters() if isinstance(generator, torch.nn.Module) else ()
    like = next((weight for weight in weights if weight.is_floating_point()), images)
    if not isinstance(like, Tensor):
        return latents
    return latents.to(like.device, like.dtype if like.dtype in (torch.float32, torch.float64) else latents.dtype)


def contact_sheet(
    images: Tensor, columns: int | None = None, zoom: int = 2, gap: int = 1, *, value_range: ValueRange | None = None
) -> Image:
    """Images ``(N, 1 or 3, H, W)`` side by side, row by row, as one Pillow image.

    Args:
        images: what to show; values outside the range are clipped.
        columns: images per row; about as many as there are rows by default.
        zoom: side of the square that a pixel becomes.
        gap: dark pixels around every image, before the zoom.
        value_range: the values shown as 0 and 255; None for what all images hold.

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
        raise InputError(f"images must be (N, 1, H, W) or (N, 3, H, W) with N > 0, got {tuple(images.shape)}")
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
