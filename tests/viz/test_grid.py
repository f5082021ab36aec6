"""The image grid has every frame in its place."""

import numpy as np
import pytest
import torch

from latentpath.errors import InputError
from latentpath.viz.grid import contact_sheet, tile


def test_a_contact_sheet_has_each_image_in_its_place() -> None:
    values = torch.linspace(-1, 1, 6)
    images = values[:, None, None, None].expand(6, 3, 4, 5)
    pixels = np.asarray(contact_sheet(images, columns=3, zoom=2, gap=1))
    assert pixels.shape == (2 * (2 * 5 + 1), 2 * (3 * 6 + 1), 3)
    for i, value in enumerate(values.tolist()):
        top, left = 2 * (1 + 5 * (i // 3)), 2 * (1 + 6 * (i % 3))
        assert np.all(pixels[top : top + 8, left : left + 10] == round((value + 1) * 127.5))
    with pytest.raises(InputError, match=r"\(0, 1, 4, 4\)"):
        contact_sheet(torch.zeros(0, 1, 4, 4))


def test_a_tiling_with_a_short_last_row_leaves_its_places_white() -> None:
    frames = np.arange(5, dtype=np.uint8).repeat(2 * 3).reshape(5, 2, 3, 1)
    page = np.asarray(tile(frames, 3, between=1))
    expected = np.full((5, 11), 255, np.uint8)
    for i in range(5):
        top, left = 3 * (i // 3), 4 * (i % 3)
        expected[top : top + 2, left : left + 3] = i
    np.testing.assert_array_equal(page, expected)
