"""Uploads to the page: read, inverted, limited, removed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from benchmarks.hostile import png_of
from PIL import Image

from latentpath.errors import DataError, InputError
from latentpath.web.sessions import Session
from latentpath.web.studio import Studio
from latentpath.web.uploads import MOST_BYTES, read_upload

DIGITS = "mnist-dcgan-semicircle"


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio([DIGITS], tmp_path)


@pytest.fixture
def session(studio: Studio) -> Session:
    return studio.sessions.of("a visitor")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"GIF89a", "no picture"),
        (b"not a picture at all" * 100, "no picture"),
        (png_of(40_000, 40_000), "pixels"),
        (png_of(6_000, 5_000), "pixels"),
        (png_of(100, 100), "a.png"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * (MOST_BYTES + 1), "MB"),
        (b"%PDF-1.4\n", "no picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture"),
    ],
)
def test_what_is_no_small_picture_is_refused_and_removed(
    studio: Studio, tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "upload"
    file.write_bytes(content)
    with pytest.raises((InputError, DataError)) as caught:
        read_upload(file, "../../a.png", studio.model(DIGITS))
    assert said in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert not file.exists()


def test_a_picture_comes_as_the_model_makes_them(studio: Studio, tmp_path: Path) -> None:
    file = tmp_path / "upload"
    Image.new("RGB", (56, 56), "white").save(file, "PNG")
    image = read_upload(file, "white.png", studio.model(DIGITS))
    assert torch.equal(image, torch.ones(1, 1, 28, 28))
    assert not file.exists()


def test_pictures_are_inverted_into_keyframes(studio: Studio, session: Session, tmp_path: Path) -> None:
    session.keyframes = []
    made = studio.frames(DIGITS, session.samples[:1])[0, 0]
    file = tmp_path / "digit.png"
    Image.fromarray(((made + 1) * 127.5).round().byte().numpy()).save(file)
    said = studio.add_pictures(session, [(file, "digit.png")])
    assert "digit.png inverted" in said
    again = studio.frames(DIGITS, session.keyframes[0].latent[None])[0, 0]
    assert float((again - made).square().mean().sqrt()) < 0.1
    assert not file.exists()


def test_what_is_no_picture_is_named_and_the_others_are_taken(studio: Studio, session: Session, tmp_path: Path) -> None:
    Image.new("L", (28, 28)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"nothing")
    said = studio.add_pictures(session, [(tmp_path / "good.png", "good.png"), (tmp_path / "bad.png", "bad.png")])
    assert len(session.keyframes) == 3
    assert "good.png inverted" in said
    assert "bad.png is no picture" in said


def test_too_many_pictures_are_refused_and_removed(studio: Studio, session: Session, tmp_path: Path) -> None:
    files = [(tmp_path / f"{i}.png", f"{i}.png") for i in range(9)]
    for file, _ in files:
        Image.new("L", (4, 4)).save(file)
    with pytest.raises(InputError, match="keyframes"):
        studio.add_pictures(session, files)
    assert not any(file.exists() for file, _ in files)
    with pytest.raises(InputError, match="choose"):
        studio.add_pictures(session, [])
