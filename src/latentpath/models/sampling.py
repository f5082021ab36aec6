"""Drawing latents reproducibly, and laying images out on a sheet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.distributions import Distribution

from .._random import device_of, seeded
from ..errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["contact_sheet", "draw"]


def draw(prior: Distribution, count: int, random: torch.Generator) -> Tensor:
    """``prior.sample((count,))`` out of a random generator of one's own, which torch.distributions do not take.

    The global random state is as before afterwards; threads may draw at the same time.
    """
    seed = int(torch.randint(2**62, (), generator=random, device=random.device))
    with seeded(seed, device_of(prior)):
        return prior.sample(torch.Size([count]))


def contact_sheet(images: Tensor, columns: int | None = None, zoom: int = 2, gap: int = 1) -> Image:
    """Images ``(N, 1 or 3, H, W)`` in [-1, 1] side by side, row by row, as one Pillow image.

    Args:
        images: what to show; values outside [-1, 1] are clipped.
        columns: images per row; about as many as there are rows by default.
        zoom: side of the square that a pixel becomes.
        gap: dark pixels around every image, before the zoom.

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
    sheet = torch.full((channels, rows * (height + gap) + gap, columns * (width + gap) + gap), 24, dtype=torch.uint8)
    pixels = ((images.detach().float().cpu().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    for i, image in enumerate(pixels):
        top, left = gap + (i // columns) * (height + gap), gap + (i % columns) * (width + gap)
        sheet[:, top : top + height, left : left + width] = image
    array = sheet[0].numpy() if channels == 1 else sheet.permute(1, 2, 0).contiguous().numpy()
    picture = PIL.Image.fromarray(array)
    return picture.resize((picture.width * zoom, picture.height * zoom), PIL.Image.Resampling.NEAREST)
