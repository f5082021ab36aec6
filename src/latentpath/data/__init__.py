"""Images as ``uint8`` tensors ``(N, channels, H, W)``: MNIST's files, and any picture that Pillow reads."""

from .idx import DATA_VARIABLE, find_folder, mnist, read_idx, to_unit_range
from .pictures import read_images

__all__ = ["DATA_VARIABLE", "find_folder", "mnist", "read_idx", "read_images", "to_unit_range"]
