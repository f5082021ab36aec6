"""Pictures of any size and mode as ``uint8`` values of one shape.

A picture is turned upright (EXIF), laid on white where it is transparent, and made grey or RGB. The largest centred
part with the wanted aspect, or the centred part of a given width, is resized.

Resizing is Pillow's Lanczos filter over the exact box, fractions of a pixel included. It widens its support when it
shrinks a picture, so nothing aliases, and interpolates when it enlarges one (half-size CelebA: 54 pixels to 64), where
a box filter would repeat some columns and not others. A picture more than three times too large is first averaged over
whole blocks, which is much faster and looks the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np
import torch
from torch import Tensor

from .._validate import whole_number
from ..errors import DataError, InputError, LatentPathError, MissingDataError
from ..value_range import ValueRange, checked_range, scaled

if TYPE_CHECKING:
    from PIL.Image import Image

# Not all that Pillow opens: some of its formats call other programs (EPS), or are no pictures.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF", "TGA")
_REDUCING_GAP = 3.0
_LARGEST = 65535.0  # that 16 bits hold
_GIVE_RANGE = "give value_range=(low, high), or save it with 8 or 16 bits a channel"


@dataclass(frozen=True)
class Frame:
    """The size, channels and crop of every picture."""

    size: tuple[int, int]  # height and width in pixels
    channels: int  # 1 for grey, 3 for RGB
    # width of the centred part that is taken, as a fraction of the picture's; less where the height does not allow it.
    # 1 takes the largest part with the aspect of ``size``
    crop: float = 1.0
    # the stored values that are black and white in pictures of more than 8 bits a channel; None for all that 16 bits
    # hold, (0, 65535). (0, 4095) is for 12 bits. Pictures of 8 bits are not affected
    value_range: ValueRange | None = None

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise InputError(f"size must be at least 1 pixel; got {self.size[0]} x {self.size[1]}")
        if self.channels not in (1, 3):
            raise InputError(f"channels must be 1 (grey) or 3 (RGB); got {self.channels}")
        if not 0 < self.crop <= 1:
            raise InputError(f"crop is a fraction of the width, above 0 and at most 1; got {self.crop}")
        if self.value_range is not None:
            object.__setattr__(self, "value_range", checked_range(self.value_range))

    def __repr__(self) -> str:
        # caches and fingerprints are hashes of this text: without a range it must stay as it was before there was one
        held = "" if self.value_range is None else f", value_range={self.value_range}"
        return f"Frame(size={self.size}, channels={self.channels}, crop={self.crop}{held})"

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of one image: ``(channels, H, W)``."""
        return (self.channels, *self.size)

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Returns left, top, right and bottom of the crop, in pixels.

        Example:
            >>> Frame((64, 64), 3, crop=108 / 178).box(178, 218)
            (35.0, 55.0, 143.0, 163.0)
        """
        aspect = self.size[1] / self.size[0]
        across = min(width * self.crop, height * aspect)
        down = min(across / aspect, height)
        left, top = (width - across) / 2, (height - down) / 2
        return left, top, min(left + across, width), min(top + down, height)


def read_images(
    paths: Sequence[str | Path],
    size: SupportsIndex | tuple[SupportsIndex, SupportsIndex],
    channels: SupportsIndex,
    crop: float | None = None,
    value_range: ValueRange | None = None,
) -> Tensor:
    """Reads picture files of any size and mode, as one ``uint8`` tensor ``(N, channels, H, W)``.

    Args:
        paths: N files (JPEG, PNG, WebP, GIF, BMP, TIFF, ...); of an animation the first frame is read.
        size: height and width in pixels, or one number for both.
        channels: 1 for grey, 3 for RGB.
        crop: width of the centred part that is taken, as a fraction of the picture's; by default the largest part
            with the aspect of ``size`` that fits.
        value_range: the stored values that are black and white in pictures of more than 8 bits a channel, such as
            (0, 4095) for 12 bits in a PNG of 16; None for (0, 65535).

    Raises:
        InputError: a size below 1, channels other than 1 and 3, a crop outside (0, 1], or an empty range.
        MissingDataError: there is no such file.
        DataError: a file is not a picture, or is truncated; the message names it.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from PIL import Image
        >>> with TemporaryDirectory() as folder:
        ...     Image.new("RGB", (90, 60), "red").save(Path(folder) / "a.png")
        ...     images = read_images([Path(folder) / "a.png"], size=32, channels=3)
        >>> images.shape, images[0, :, 0, 0].tolist()
        (torch.Size([1, 3, 32, 32]), [255, 0, 0])
    """
    if isinstance(paths, str | Path):
        raise InputError(f"paths must be a sequence of paths; got one: write [{str(paths)!r}]")
    high, wide = (whole_number("size", side) for side in (size if isinstance(size, tuple | list) else (size, size)))
    frame = Frame((high, wide), whole_number("channels", channels), 1.0 if crop is None else crop, value_range)
    images = np.empty((len(paths), *frame.shape), np.uint8)
    for i, path in enumerate(paths):
        images[i] = decode(Path(path), str(path), frame)
    return torch.from_numpy(images)


def decode(file: Path | bytes, name: str, frame: Frame) -> np.ndarray:
    """Decodes the picture in ``file``, called ``name`` in messages, as ``uint8`` ``(channels, H, W)``."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(BytesIO(file) if isinstance(file, bytes) else file, formats=_FORMATS) as picture:
            if frame.value_range is not None and picture.mode in ("RGB", "RGBA") and ";16" in str(picture.tile):
                raise DataError(
                    "has 16 bits a channel in colour, of which only the upper 8 can be read: save it with 8 bits"
                )
            return fit(ImageOps.exif_transpose(picture), frame)
    except LatentPathError as error:
        raise DataError(f"{name} {error}") from None
    except FileNotFoundError:
        raise MissingDataError(f"the image {name} does not exist") from None
    except UnidentifiedImageError:
        raise DataError(
            f"{name} is not an image that can be read ({', '.join(_FORMATS)}): remove or replace it"
        ) from None
    except Image.DecompressionBombError as error:
        raise DataError(f"{name} is too large to be safe ({error}): make it smaller first") from None
    except Exception as error:  # decoders raise whatever their bytes lead them to
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"{name} cannot be read as an image, it may be truncated ({reason}): fetch it again") from error


def fit(picture: Image, frame: Frame) -> np.ndarray:
    """Crops and resizes an upright picture of any mode: ``uint8`` ``(channels, H, W)``."""
    from PIL.Image import Resampling

    plain = _plain(picture, frame.value_range).convert("L" if frame.channels == 1 else "RGB")
    height, width = frame.size
    resized = plain.resize((width, height), Resampling.LANCZOS, frame.box(*plain.size), _REDUCING_GAP)
    values = np.asarray(resized, np.uint8).reshape(height, width, frame.channels)
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def _plain(picture: Image, value_range: ValueRange | None) -> Image:
    from PIL import Image

    if picture.mode == "F" or picture.mode.startswith("I"):
        values = np.asarray(picture).astype(np.float64)
        if value_range is None and picture.mode == "F":
            raise DataError(f"has floating-point values, whose range is unknown: {_GIVE_RANGE}")
        if value_range is None and values.size and not 0 <= values.min() <= values.max() <= _LARGEST:
            raise DataError(f"has 32 bits a channel, of unknown range: {_GIVE_RANGE}")
        return Image.fromarray(scaled(values, value_range or (0.0, _LARGEST)))
    if picture.has_transparency_data:
        with_alpha = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), with_alpha)
    return picture
