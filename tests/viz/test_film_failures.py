"""A film that is stopped, fails or is refused leaves no file, and the file before it as it was."""

from __future__ import annotations

from pathlib import Path as FilePath

import pytest
import torch
from films import FORMATS, bent, coloured, picture, played

import latentpath as lp
from latentpath.errors import InputError, MissingDataError


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("when", [1, 100, 200])
def test_a_film_that_is_stopped_leaves_nothing(tmp_path, suffix, when):
    file = tmp_path / f"a.{suffix}"
    assert lp.film(bent(), file, seconds=8, scale=1, callback=lambda done, _: done >= when) is False
    assert not list(tmp_path.iterdir())
    file.write_bytes(b"the one before")
    assert lp.film(bent(), file, seconds=8, scale=1, callback=lambda done, _: done >= when) is False
    assert [(found, found.read_bytes()) for found in tmp_path.iterdir()] == [(file, b"the one before")]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError, OSError])
@pytest.mark.parametrize("when", [2, 7])
def test_a_film_that_fails_leaves_nothing_and_says_why(tmp_path, suffix, error, when):
    calls = 0

    def fails(z):
        nonlocal calls
        calls += 1
        if calls > when:
            raise error("of the generator's own")
        return picture(z)

    path = bent(generator=fails)
    calls = 0
    file = tmp_path / f"a.{suffix}"
    file.write_bytes(b"the one before")
    with pytest.raises(error, match="of the generator's own"):
        lp.film(path, file, seconds=8, scale=1, spacing="latent")
    assert [(found, found.read_bytes()) for found in tmp_path.iterdir()] == [(file, b"the one before")]


@pytest.mark.parametrize("suffix", FORMATS)
def test_refuses_places_where_nothing_can_be_written(tmp_path, suffix, monkeypatch):
    with pytest.raises(MissingDataError, match="does not exist"):
        lp.film(bent(), tmp_path / "none" / f"a.{suffix}")
    (tmp_path / f"a.{suffix}").mkdir()
    with pytest.raises(InputError, match="it is a folder"):
        lp.film(bent(), tmp_path / f"a.{suffix}")
    with pytest.raises(InputError, match="name too long"):
        lp.film(bent(), tmp_path / f"{'a' * 300}.{suffix}")
    with pytest.raises(InputError, match="name too long"):
        lp.film(bent(), tmp_path / f"{'a' * 248}.{suffix}")
    assert [found.name for found in tmp_path.iterdir()] == [f"a.{suffix}"]

    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(FilePath, "write_bytes", denied)
    with pytest.raises(InputError, match="cannot write .*Permission denied"):
        lp.film(bent(), tmp_path / f"b.{suffix}")


def test_refuses_other_suffixes(tmp_path):
    for name in ("a.avi", "a", "a.mp4.zip", ".gif"):
        with pytest.raises(InputError, match=r"must end in \.mp4, \.gif or \.webp"):
            lp.film(bent(), tmp_path / name)
    with pytest.raises(InputError, match=r"must end in \.png, \.jpg, \.jpeg or \.webp"):
        lp.strip(bent(), tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"seconds": 0.0}, "seconds must be"),
        ({"seconds": -1.0}, "seconds must be"),
        ({"seconds": float("inf")}, "seconds must be"),
        ({"seconds": float("nan")}, "seconds must be"),
        ({"fps": 0}, "fps must be from"),
        ({"fps": float("nan")}, "fps must be"),
        ({"fps": 1000}, "fps must be from"),
        ({"seconds": 0.05}, "at least 2 frames"),
        ({"seconds": 36000}, "at most 100,000 frames"),
        ({"fps": 60}, "GIF shows at most 50 frames a second"),
        ({"scale": 0}, "scale"),
        ({"scale": 10_000}, "at most 65535 pixels a side"),
        ({"side_by_side": ["lrep"]}, "baselines must be among"),
        ({"side_by_side": "lrep"}, "baselines must be among"),
        ({"side_by_side": {"two": bent(2)}}, "'two' has 2, the path 1"),
        ({"side_by_side": {"other": bent(generator=coloured)}}, "frames of one size"),
        ({"value_range": (1.0, 1.0)}, "value_range"),
    ],
)
def test_refuses_what_it_cannot_show_before_any_work(tmp_path, how, match):
    with pytest.raises(InputError, match=match):
        lp.film(bent(), tmp_path / "a.gif", **how)
    assert not list(tmp_path.iterdir())


def test_refuses_a_webp_that_players_would_slow_down(tmp_path):
    with pytest.raises(InputError, match="WEBP shows at most 90"):
        lp.film(bent(), tmp_path / "a.webp", fps=100)
    lp.film(bent(), tmp_path / "a.mp4", fps=240, seconds=0.5)
    assert len(played(tmp_path / "a.mp4")[0]) == 120


ODD = [None, "fast", "", b"1", [], (1,), {}, object(), float("nan"), float("inf"), -1, 0, True, 1j, torch.ones(2)]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("value", ODD, ids=[repr(value)[:20] for value in ODD])
@pytest.mark.parametrize("name", ["seconds", "fps"])
def test_numbers_of_a_film_that_are_none_are_refused(tmp_path, name, value):
    with pytest.raises(InputError, match=f"{name} must be"):
        lp.film(bent(), tmp_path / "a.gif", **{name: value})
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("how", [{"captions": 3}, {"captions": [3]}, {"file": None}, {"loop": 3}, {"loop": []}])
def test_odd_types_of_a_film_are_refused_by_name(tmp_path, how):
    with pytest.raises(InputError, match=next(iter(how))):
        lp.film(**{"path": bent(), "file": tmp_path / "a.gif", **how})
