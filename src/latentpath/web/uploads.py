"""Pictures that anybody sends, decoded safely: few bytes, few pixels, known formats, and never kept.

A picture's header is read first, and its pixels are not decoded where there are too many of them, whatever the file's
size: a bomb is small.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ..errors import DataError, InputError
from ..models import Model
from ..models.inputs import read_pictures

__all__ = ["FORMATS", "MOST_BYTES", "MOST_PICTURES", "MOST_PIXELS", "read_upload"]

MOST_BYTES, MOST_PIXELS, MOST_PICTURES = 10 * 2**20, 24_000_000, 8
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")


def read_upload(file: Path, name: str, model: Model) -> Tensor:
    """One picture as the model makes them, ``(1, C, H, W)``; the file is gone afterwards, whatever happens.

    Args:
        file: in the folder for uploads.
        name: what its sender calls it, for messages.
        model: with a prior, that makes pictures.

    Raises:
        InputError: too many bytes or pixels.
        DataError: no picture of a known format, or damaged.
    """
    called = "".join(c for c in Path(name).name if c.isprintable())[:60] or "the picture"
    try:
        count = file.stat().st_size
        if count == 0:
            raise DataError(f"{called} is empty: choose a picture")
        if count > MOST_BYTES:
            raise InputError(f"{called} has {count / 2**20:.0f} MB, and at most {MOST_BYTES // 2**20} are taken")
        width, height = _size(file, called)
        if width * height > MOST_PIXELS:
            raise InputError(f"{called} has {width} x {height} pixels, and {_MOST}: make it smaller")
        try:
            return read_pictures(model, [file])[0]
        except DataError as error:
            raise DataError(str(error).replace(str(file), called)) from None
    except OSError:
        raise DataError(f"{called} is not there any more: choose it again") from None
    finally:
        file.unlink(missing_ok=True)


_MOST = f"at most {MOST_PIXELS // 10**6} million are taken"


def _size(file: Path, called: str) -> tuple[int, int]:
    """Width and height by the header."""
    from PIL import Image

    try:
        with Image.open(file, formats=FORMATS) as picture:
            return picture.size
    except Image.DecompressionBombError:
        raise InputError(f"{called} has far too many pixels, {_MOST}: make it smaller") from None
    except Exception:  # decoders raise whatever their bytes lead them to
        raise DataError(f"{called} is no picture that can be read ({', '.join(FORMATS)})") from None
