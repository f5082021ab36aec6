"""One picture: what is taken of it, what becomes of every mode, and what is refused."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from latentpath.data import read_images
from latentpath.data.pictures import Frame, fit
from latentpath.errors import DataError, InputError, MissingDataError


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)


def values(path: Path, channels: int = 3, size: int | tuple[int, int] = 12, crop: float | None = None) -> np.ndarray:
    return read_images([path], size, channels, crop)[0].permute(1, 2, 0).squeeze(-1).numpy()


def test_a_picture_of_the_wanted_size_is_untouched(tmp_path: Path, noise: np.ndarray) -> None:
    Image.fromarray(noise).save(tmp_path / "rgb.png")
    Image.fromarray(noise[..., 0]).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(values(tmp_path / "rgb.png"), noise)
    np.testing.assert_array_equal(values(tmp_path / "grey.png", 1), noise[..., 0])
    np.testing.assert_array_equal(values(tmp_path / "grey.png"), noise[..., :1].repeat(3, axis=-1))


def test_colour_becomes_grey_by_its_luma(tmp_path: Path, noise: np.ndarray) -> None:
    Image.fromarray(noise).save(tmp_path / "rgb.png")
    luma = noise @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(values(tmp_path / "rgb.png", 1), luma, atol=1)


def test_sixteen_bits_are_divided_by_257(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 1 << 16, (12, 12), dtype=np.uint16)
    deep[0, :2] = 0, 65535
    for name in ("deep.png", "deep.tif", "deep.pgm"):
        Image.fromarray(deep).save(tmp_path / name)
        np.testing.assert_array_equal(values(tmp_path / name, 1), np.round(deep / 257))


def test_palette_and_transparency(tmp_path: Path) -> None:
    half = np.zeros((12, 12, 4), np.uint8)
    half[:, :6] = 200, 10, 20, 255
    Image.fromarray(half).save(tmp_path / "rgba.png")
    over_white = np.where(half[..., 3:] == 255, half[..., :3], 255)
    np.testing.assert_array_equal(values(tmp_path / "rgba.png"), over_white)
    opaque = Image.fromarray(over_white.astype(np.uint8))
    opaque.quantize(4).save(tmp_path / "palette.png")
    opaque.quantize(4).save(tmp_path / "palette.gif")
    np.testing.assert_array_equal(values(tmp_path / "palette.png"), over_white)
    np.testing.assert_array_equal(values(tmp_path / "palette.gif"), over_white)
    indexed = Image.fromarray((half[..., 3] == 0).astype(np.uint8)).convert("P")
    indexed.putpalette([200, 10, 20, 0, 0, 0])
    indexed.save(tmp_path / "hole.png", transparency=bytes([255, 0]))
    np.testing.assert_array_equal(values(tmp_path / "hole.png"), over_white)
    grey = Image.fromarray(half[..., [0, 3]].copy())
    assert grey.mode == "LA"
    grey.save(tmp_path / "la.png")
    np.testing.assert_array_equal(values(tmp_path / "la.png", 1), np.where(half[..., 3] == 255, 200, 255))


def test_every_other_mode_shows_the_same_picture(tmp_path: Path) -> None:
    plain = Image.new("RGB", (12, 12), (250, 130, 20))
    plain.convert("CMYK").save(tmp_path / "cmyk.tif")
    plain.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=100)
    plain.save(tmp_path / "plain.jpg", quality=100)
    plain.save(tmp_path / "plain.webp", lossless=True)
    for name in ("cmyk.tif", "cmyk.jpg", "plain.jpg", "plain.webp"):
        np.testing.assert_allclose(values(tmp_path / name), np.asarray(plain), atol=4, err_msg=name)
    Image.new("1", (12, 12), 1).save(tmp_path / "bits.png")
    assert (values(tmp_path / "bits.png", 1) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_upright(tmp_path: Path, noise: np.ndarray, orientation: int) -> None:
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # Pillow's numbers of what undoes each
    upright = Image.fromarray(noise[:6])
    stored = upright
    if orientation > 1:
        undo = {0: 0, 1: 1, 2: 4, 3: 3, 4: 2, 5: 5, 6: 6}[turns[orientation]]
        stored = upright.transpose(Image.Transpose(undo))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(values(tmp_path / "turned.png", size=(6, 12)), noise[:6])


def test_the_middle_is_taken(tmp_path: Path) -> None:
    wide = np.zeros((20, 40, 3), np.uint8)
    wide[:, 10:30] = 255
    Image.fromarray(wide).save(tmp_path / "wide.png")
    Image.fromarray(wide.transpose(1, 0, 2)).save(tmp_path / "tall.png")
    assert (values(tmp_path / "wide.png", size=20) == 255).all()
    assert (values(tmp_path / "tall.png", size=20) == 255).all()
    assert (values(tmp_path / "tall.png", size=10, crop=0.5) == 255).all()
    np.testing.assert_array_equal(values(tmp_path / "wide.png", size=(20, 40)), wide)


@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 64), st.integers(1, 64), st.floats(0.01, 1))
def test_the_box_is_inside_centred_and_has_the_aspect(width: int, height: int, h: int, w: int, crop: float) -> None:
    left, top, right, bottom = Frame((h, w), 3, crop).box(width, height)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert left + right == pytest.approx(width)
    assert top + bottom == pytest.approx(height)
    assert (right - left) * h == pytest.approx((bottom - top) * w)
    assert right - left == pytest.approx(min(crop * width, height * w / h))


def test_shrinking_does_not_alias() -> None:
    stripes = np.zeros((256, 256), np.uint8)
    stripes[:, ::2] = 255
    small = fit(Image.fromarray(stripes), Frame((20, 20), 1))
    assert np.abs(small.astype(int) - 127).max() <= 8  # every second column alone would be black or white


def test_enlarging_keeps_a_ramp(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(54, dtype=np.uint8) * 4, (54, 1))
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    wanted = ((np.arange(64) + 0.5) * 54 / 64 - 0.5) * 4
    np.testing.assert_allclose(values(tmp_path / "ramp.png", 1, 64)[32, 4:-4], wanted[4:-4], atol=2)


def test_a_corner_of_a_pixel_is_taken_too() -> None:
    """The published size, and half of it, whose box lies between pixels, show the same."""
    published = Image.radial_gradient("L").resize((178, 218))
    half = published.resize((89, 109), Image.Resampling.BOX)
    frame = Frame((64, 64), 1, 108 / 178)
    assert frame.box(89, 109) == (17.5, 27.5, 71.5, 81.5)
    difference = fit(published, frame).astype(int) - fit(half, frame)
    assert np.abs(difference).max() <= 2


def test_many_pictures_in_their_order(tmp_path: Path) -> None:
    paths = []
    for i in (3, 1, 2):
        Image.new("L", (5 + i, 9), 50 * i).save(tmp_path / f"{i}.png")
        paths.append(tmp_path / f"{i}.png")
    images = read_images([str(path) for path in paths], (4, 6), 1)
    assert images.dtype == torch.uint8
    assert images.shape == (3, 1, 4, 6)
    assert images[:, 0, 0, 0].tolist() == [150, 50, 100]
    assert read_images([], 4, 1).shape == (0, 1, 4, 4)


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="nothing.png does not exist"):
        read_images([tmp_path / "nothing.png"], 8, 3)
    (tmp_path / "words.png").write_text("not a picture")
    with pytest.raises(DataError, match="words.png is not an image that can be read.*JPEG, PNG.*remove or replace"):
        read_images([tmp_path / "words.png"], 8, 3)
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(DataError, match="empty.jpg is not an image"):
        read_images([tmp_path / "empty.jpg"], 8, 3)
    (tmp_path / "page.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n")
    with pytest.raises(DataError, match="page.eps is not an image"):
        read_images([tmp_path / "page.eps"], 8, 3)
    with pytest.raises(DataError, match="cannot be read.*Is a directory"):
        read_images([tmp_path], 8, 3)


@pytest.mark.parametrize("kind", ["jpg", "png", "gif", "tif", "webp", "bmp"])
def test_truncated_pictures_are_named(tmp_path: Path, noise: np.ndarray, kind: str) -> None:
    path = tmp_path / f"picture.{kind}"
    Image.fromarray(noise.repeat(3, axis=0).repeat(3, axis=1)).save(path)
    content = path.read_bytes()
    for length in range(0, len(content) * 3 // 4, max(1, len(content) // 40)):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match=rf"picture\.{kind} (is not an image|cannot be read)"):
            read_images([path], 8, 3)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", ["jpg", "png", "gif", "tif", "webp", "bmp"])
def test_damaged_pictures_are_read_or_refused(tmp_path: Path, noise: np.ndarray, kind: str) -> None:
    path = tmp_path / f"picture.{kind}"
    Image.fromarray(noise).save(path)
    content, random = path.read_bytes(), np.random.default_rng(1)
    for place in random.integers(0, len(content), 120):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        with contextlib.suppress(DataError):
            assert read_images([path], 8, 3).shape == (1, 3, 8, 8)


def test_values_of_unknown_range_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(DataError, match="float.tif has floating-point values.*save it with 8 or 16 bits"):
        read_images([tmp_path / "float.tif"], 8, 1)
    Image.fromarray(np.full((4, 4), 1 << 20, np.int32)).save(tmp_path / "deep.tif")
    with pytest.raises(DataError, match="deep.tif has 32 bits a channel"):
        read_images([tmp_path / "deep.tif"], 8, 1)


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (40, 40)).save(tmp_path / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match="huge.png is too large to be safe.*make it smaller"):
        read_images([tmp_path / "huge.png"], 8, 1)


def test_a_damaged_orientation_is_refused_with_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "odd.tif")

    def broken(*_: object) -> None:
        raise TypeError("no orientation")

    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "getexif", broken)
    with pytest.raises(DataError, match="odd.tif cannot be read as an image.*no orientation"):
        read_images([tmp_path / "odd.tif"], 8, 1)


def test_sizes_channels_and_crops_that_mean_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="size must be at least 1 pixel; got 0 x 0"):
        read_images([], 0, 3)
    with pytest.raises(InputError, match="got 8 x -1"):
        read_images([], (8, -1), 3)
    with pytest.raises(InputError, match=r"channels must be 1 \(grey\) or 3 \(RGB\); got 4"):
        read_images([], 8, 4)
    for crop in (0.0, -1.0, 1.5, float("nan")):
        with pytest.raises(InputError, match="crop is a fraction of the width"):
            read_images([], 8, 3, crop)
    with pytest.raises(InputError, match=r"sequence of paths; got one: write \['a.png'\]"):
        read_images("a.png", 8, 3)
