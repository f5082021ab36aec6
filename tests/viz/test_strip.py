"""A strip has every frame in its place, and is written whole or not at all."""

from __future__ import annotations

from pathlib import Path as FilePath

import numpy as np
import pytest
from films import bent, coloured, large, path_of
from PIL import Image

import latentpath as lp
from latentpath.curves import lerp, slerp
from latentpath.errors import InputError, MissingDataError


@pytest.mark.parametrize("spacing", ["data", "latent"])
@pytest.mark.parametrize("beside", [(), ("lerp",), ("lerp", "slerp")])
def test_a_strip_has_every_frame_in_its_place_pixel_by_pixel(beside, spacing):
    path, scale = bent(3), 4
    page = np.asarray(lp.strip(path, frames=7, spacing=spacing, side_by_side=beside, scale=scale))
    assert page.ndim == 2
    lines = {"lerp": lerp(path.start, path.end, path.segments), "slerp": slerp(path.start, path.end, path.segments)}
    films = [path_of(lines[name]).frames(7, spacing) for name in beside] + [path.frames(7, spacing)]
    high, wide, right = 6 * scale, 10 * scale, page.shape[1] - 8
    top = 8
    for pair in range(3):
        for film in films:
            for i in range(7):
                left = right - (7 - i) * wide - (6 - i) * 2
                found = page[top : top + high, left : left + wide]
                np.testing.assert_array_equal(found, large(film[pair, i], scale)[..., 0])
            label = page[top : top + high, : right - 7 * wide - 6 * 2]
            assert label.min() < 80, "no label"
            assert (label[:, :4] == 255).all(), "the label is cut off"
            top += high + 4
        top += 16
    assert page.shape[0] == top - 16 - 4 + 8


def test_a_strip_in_colour_with_frames_that_suit_the_eye():
    image = lp.strip(bent(generator=coloured), frames=3)
    assert image.mode == "RGB"
    assert image.height == 7 * round(96 / 7) + 16


@pytest.mark.parametrize("suffix", ["png", "webp", "jpg", "JPEG"])
def test_a_strip_is_written_as_the_suffix_says(tmp_path, suffix):
    file = tmp_path / f"a.{suffix}"
    image = lp.strip(bent(generator=coloured), file)
    with Image.open(file) as written:
        assert written.format == {"png": "PNG", "webp": "WEBP"}.get(suffix, "JPEG")
        difference = np.abs(np.asarray(written.convert("RGB")).astype(int) - np.asarray(image))
    assert difference.mean() < (3 if suffix.lower().startswith("jp") else 1e-9)
    assert list(tmp_path.iterdir()) == [file]


def test_refuses_strips_that_cannot_be(tmp_path):
    with pytest.raises(InputError, match="frames must .*at least 2"):
        lp.strip(bent(), frames=1)
    with pytest.raises(InputError, match="scale"):
        lp.strip(bent(), scale=0)
    with pytest.raises(MissingDataError, match="does not exist"):
        lp.strip(bent(), tmp_path / "none" / "a.png")
    (tmp_path / "a.png").mkdir()
    with pytest.raises(InputError, match="it is a folder"):
        lp.strip(bent(), tmp_path / "a.png")


def test_what_was_there_stays_where_a_strip_fails(tmp_path, monkeypatch):
    file = tmp_path / "a.png"
    file.write_bytes(b"the one before")

    def half(self, place, **_):
        FilePath(place).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(KeyboardInterrupt):
        lp.strip(bent(), file)
    assert [(found, found.read_bytes()) for found in tmp_path.iterdir()] == [(file, b"the one before")]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("frames", [None, "many", 1, 2.5, -3, float("nan"), True])
def test_a_strip_wants_a_number_of_frames(frames):
    with pytest.raises(InputError, match="frames must be"):
        lp.strip(bent(), frames=frames)


@pytest.mark.parametrize(("name", "frames"), [("a.webp", 200), ("a.jpg", 700), ("a.png", 1100)])
def test_a_strip_that_is_wider_than_its_format_is_refused_before_any_work(tmp_path, name, frames):
    with pytest.raises(InputError, match="pixels a side"):
        lp.strip(bent(), tmp_path / name, frames=frames)
    assert not list(tmp_path.iterdir())
