"""Images as ``uint8`` tensors ``(N, channels, H, W)``: from a folder, an archive, or a data set by name."""

from .cache import CACHE_VARIABLE, cache_folder
from .idx import DATA_VARIABLE, find_folder, mnist, read_idx, to_unit_range
from .images import Images, load_images
from .pictures import read_images

__all__ = [
    "CACHE_VARIABLE",
    "DATA_VARIABLE",
    "Images",
    "cache_folder",
    "find_folder",
    "load_images",
    "mnist",
    "read_idx",
    "read_images",
    "to_unit_range",
]
