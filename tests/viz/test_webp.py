"""An animated WebP is exact, whatever changes between its frames."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from films import played
from PIL import Image

from latentpath.viz import webp


def test_a_webp_is_exact_whatever_changes(tmp_path):
    random = np.random.default_rng(0)
    page, pages = random.integers(0, 256, (37, 41, 3), np.uint8), []
    for i in range(40):
        page = page.copy()
        if i % 4:
            top, left = random.integers(0, 36), random.integers(0, 40)
            page[top : top + i, left : left + 1 + i // 3] = random.integers(0, 256, 3, np.uint8)
        pages.append(page)
    with (tmp_path / "a.webp").open("wb") as file:
        webp.write((Image.fromarray(page) for page in pages), range(20, 60), file, loop=True)
    frames, seconds, often = played(tmp_path / "a.webp")
    np.testing.assert_array_equal(frames, np.stack(pages))
    assert (seconds, often) == (Fraction(sum(range(20, 60)), 1000), 0)
