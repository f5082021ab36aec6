"""MP4 films: H.264 with bt709 colours at half the resolution, which plays everywhere.

Needs PyAV, which the extra ``viz`` installs.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import missing
from ..value_range import Bytes

if TYPE_CHECKING:
    from PIL.Image import Image

_QUALITY = {"crf": "15", "preset": "medium"}


def pyav() -> Any:
    """Imports PyAV, or raises a MissingDependencyError."""
    try:
        import av
    except ImportError as error:
        raise missing("PyAV", "viz", "an MP4") from error
    return av


def write(images: Iterable[Image], rate: Fraction, file: FilePath) -> None:
    """Writes one frame after the other; two are held at a time."""
    av = pyav()
    from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

    ordered = iter(images)
    first = next(ordered)
    with av.open(str(file), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate, options=_QUALITY)
        stream.width, stream.height = (side + side % 2 for side in first.size)
        stream.pix_fmt = "yuv420p"
        codec = stream.codec_context
        codec.time_base = 1 / rate
        codec.colorspace, codec.color_range = Colorspace.ITU709, ColorRange.MPEG
        codec.color_primaries, codec.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        for i, image in enumerate(chain([first], ordered)):
            frame = av.VideoFrame.from_ndarray(_even(image), format="rgb24").reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            frame.pts, frame.time_base = i, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _even(image: Image) -> Bytes:
    """Returns an image as ``(H, W, 3)`` with even sides, as H.264 needs: the last row or column of an odd one twice."""
    array = np.asarray(image.convert("RGB"))
    return np.pad(array, ((0, array.shape[0] % 2), (0, array.shape[1] % 2), (0, 0)), mode="edge")
