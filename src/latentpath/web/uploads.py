"""Safe decoding of uploaded pictures: limited bytes and pixels, known formats, and no stored files.

The header is read first, and the pixels of too large a picture are not decoded, since its file may be small.
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
    """Reads one picture in the model's format, ``(1, C, H, W)``, and removes the file in any case.

    Args:
        file: a file in the folder for uploads.
        name: the name of the file for messages.
        model: a model of pictures with a prior.

    Raises:
        InputError: too many bytes or pixels.
        DataError: no picture of a known format, or a damaged one.
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
    """Returns width and height by the header."""
    from PIL import Image

    try:
        with Image.open(file, formats=FORMATS) as picture:
            return picture.size
    except Image.DecompressionBombError:
        raise InputError(f"{called} has far too many pixels, {_MOST}: make it smaller") from None
    except Exception:  # decoders may raise anything on damaged bytes
        raise DataError(f"{called} is no picture that can be read ({', '.join(FORMATS)})") from None
