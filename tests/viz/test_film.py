"""A film has exactly the frames, order, pixels and seconds asked for, and takes no more memory when long."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from fractions import Fraction
from itertools import pairwise
from pathlib import Path as FilePath

import av
import numpy as np
import pytest
import torch
from PIL import Image

import latentpath as lp
from latentpath import priors
from latentpath.curves import lerp, slerp
from latentpath.energy import even_in_data
from latentpath.errors import InputError, MissingDataError, MissingDependencyError
from latentpath.value_range import pixels
from latentpath.viz import webp
from latentpath.viz.grid import Sheet

F64 = torch.float64
FORMATS = ["gif", "webp", "mp4"]
INDEX = lp.RealismIndex(priors.standard_normal(2, dtype=F64))


def picture(z):
    """Grey, 6 x 10: two halves whose greys are nonlinear in the latent."""
    grey = torch.stack([z[:, 0], (z[:, 0] + z[:, 1]) ** 3 / 4], -1)[:, None, None, :].repeat_interleave(5, -1)
    return grey.expand(-1, 1, 6, 10)


def coloured(z):
    """RGB, 7 x 5: smooth in place and latent."""
    x = torch.linspace(-1, 1, 5, dtype=z.dtype) * torch.linspace(-1, 1, 7, dtype=z.dtype)[:, None]
    return torch.stack([z[:, 0, None, None] + 0 * x, z[:, 1, None, None] * x, x.expand(len(z), -1, -1)], 1)


def path_of(latents, generator=picture, **source):
    count = len(latents)
    return lp.Path.measured(
        latents,
        lp.Source(generator, INDEX, **source),
        outcome=(lp.Outcome.CONVERGED,) * count,
        evaluations=torch.zeros(count, dtype=F64),
        gain=torch.zeros(count, dtype=F64),
        settings={},
    )


def bent(count=1, generator=picture, **source):
    """Paths that turn at places of their own, from -1 to 1."""
    turn = 0.4 * torch.randn(count, 3, 2, dtype=F64, generator=torch.Generator().manual_seed(count))
    ends = torch.ones(count, 1, 2, dtype=F64)
    return path_of(torch.cat([-ends, turn, ends], 1), generator, **source)


def closed(count=1):
    """Paths that come back to where they began."""
    latents = bent(count).latents
    return path_of(torch.cat([latents, latents[:, :1]], 1))


def still(count=1):
    """Paths that go nowhere."""
    return path_of(torch.zeros(count, 4, 2, dtype=F64))


def played(file):
    """All frames as a player shows them (n, H, W, 3), the seconds of all, and how often it plays (0: for ever)."""
    if file.suffix == ".mp4":
        with av.open(file) as container:
            stream = container.streams.video[0]
            seconds = stream.duration * stream.time_base
            assert container.duration == round(1_000_000 * seconds)
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
            assert stream.frames == len(frames)
        return np.stack(frames), seconds, None
    with Image.open(file) as film:
        frames, times = [], []
        for i in range(film.n_frames):
            film.seek(i)
            frames.append(np.asarray(film.convert("RGB")))
            times.append(film.info["duration"])
        often = film.info.get("loop", 1)
    return np.stack(frames), Fraction(sum(times), 1000), often


def large(frames, scale):
    """Frames ``(..., C, H, W)`` as they are shown: ``(..., H * scale, W * scale, 3)``."""
    array = pixels(frames).repeat(scale, -3).repeat(scale, -2)
    return np.broadcast_to(array, (*array.shape[:-1], 3))


def same(found, expected, file):
    """Equal, or in an MP4 nearly so."""
    assert found.shape == expected.shape
    if file.suffix == ".mp4":
        assert np.abs(found.astype(int) - expected).mean() < 2
        assert np.abs(found.astype(int) - expected).max() <= 16
    else:
        np.testing.assert_array_equal(found, expected)


# ---------------------------------------------------------------------------------------------------------------------
# Frames, order, time.


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("loop", ["bounce", "repeat", None])
@pytest.mark.parametrize(("seconds", "fps"), [(2, 12), (1.0, 25), (2.5, 10.2), (0.2, 10), (0.5, 6)])
def test_a_film_has_the_frames_the_order_and_the_time_asked_for(tmp_path, suffix, loop, seconds, fps):
    path, file, n = bent(), tmp_path / f"a.{suffix}", round(seconds * fps)
    assert lp.film(path, file, seconds=seconds, fps=fps, loop=loop, scale=8)
    if loop != "bounce":
        expected = path.frames(n)[0]
    elif n % 2 == 0:
        there = path.frames(n // 2 + 1)[0]
        expected = torch.cat([there, there[1:-1].flip(0)])
    else:
        there = path.frames((n + 1) // 2)[0]
        expected = torch.cat([there, there[1:].flip(0)])
    assert len(expected) == n
    frames, time, often = played(file)
    same(frames, large(expected, 8), file)
    assert time == Fraction(str(seconds))
    if suffix != "mp4":
        assert often == (1 if loop is None else 0)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("loop", ["bounce", "repeat", None])
@pytest.mark.parametrize("n", [2, 3, 30, 31])
def test_frames_that_are_alike_still_count(tmp_path, suffix, loop, n):
    file = tmp_path / f"a.{suffix}"
    lp.film(still(2), file, seconds=n / 10, fps=10, loop=loop)
    frames, time, _ = played(file)
    assert (len(frames), time) == (n, Fraction(n, 10))
    assert np.abs(frames.astype(int) - frames[0]).max() <= (2 if suffix == "mp4" else 0)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_closed_path_that_repeats_shows_its_end_once(tmp_path, suffix):
    file, path = tmp_path / f"a.{suffix}", closed(2)
    lp.film(path, file, seconds=2, fps=6, loop="repeat", scale=8)
    frames, _, _ = played(file)
    expected = large(path.frames(13)[:, :-1], 8)
    assert len(frames) == 12
    same(frames[:, :48], expected[0], file)
    same(frames[:, -48:], expected[1], file)


def test_only_the_closed_paths_of_a_batch_omit_their_end(tmp_path):
    goes_on = bent().latents
    latents = torch.cat([closed().latents, torch.cat([goes_on, goes_on[:, -1:] + 0.1], 1)])
    path, file = path_of(latents), tmp_path / "a.webp"
    lp.film(path, file, seconds=1, fps=10, loop="repeat", scale=2)
    frames, _, _ = played(file)
    same(frames[:, :12], large(path.frames(11)[0, :-1], 2), file)
    same(frames[:, -12:], large(path.frames(10)[1], 2), file)


@pytest.mark.parametrize("spacing", ["data", "metric", "latent"])
def test_frames_lie_where_the_path_says(tmp_path, spacing):
    path, file = bent(), tmp_path / "a.webp"
    lp.film(path, file, seconds=1, fps=20, loop=None, spacing=spacing, scale=1)
    same(played(file)[0], large(path.frames(20, spacing)[0], 1), file)


@pytest.mark.parametrize("fps", [24, 25, 29.97, 50])
def test_the_frames_of_a_second_last_alike(tmp_path, fps):
    lp.film(bent(), tmp_path / "a.mp4", seconds=1, fps=fps)
    with av.open(tmp_path / "a.mp4") as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert {round(after - before, 6) for before, after in pairwise(times)} == {round(1 / round(fps), 6)}
    lp.film(bent(), tmp_path / "a.gif", seconds=1, fps=fps)
    with Image.open(tmp_path / "a.gif") as film:
        shown = []
        for i in range(film.n_frames):
            film.seek(i)
            shown.append(film.info["duration"])
    assert max(shown) - min(shown) <= 10
    assert min(shown) >= 20


# ---------------------------------------------------------------------------------------------------------------------
# Pixels.


def test_an_mp4_says_what_its_colours_are_and_starts_at_once(tmp_path):
    file = tmp_path / "a.mp4"
    lp.film(bent(generator=coloured), file, scale=9)
    with av.open(file) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context
        assert (codec.name, codec.pix_fmt, codec.width, codec.height) == ("h264", "yuv420p", 46, 64)  # of 45 x 63
        assert (codec.color_primaries, codec.color_trc, codec.colorspace, codec.color_range) == (1, 1, 1, 1)
    content = file.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize("suffix", FORMATS)
def test_colours_survive(tmp_path, suffix):
    path, file = bent(generator=coloured), tmp_path / f"a.{suffix}"
    lp.film(path, file, seconds=1, fps=8, loop=None, scale=8)
    frames, _, _ = played(file)
    difference = np.abs(frames.astype(int) - large(path.frames(8)[0], 8))
    assert difference.max() <= {"gif": 4, "webp": 0, "mp4": 64}[suffix]  # an MP4 has half the colours' resolution
    assert difference.mean() < 3


@pytest.mark.parametrize("grey", [-1.0, -0.5, 0.0, 0.7, 1.0])
def test_greys_of_an_mp4_are_right(tmp_path, grey):
    path = path_of(torch.zeros(1, 2, 2, dtype=F64), lambda z: torch.full((len(z), 1, 9, 9), grey, dtype=F64))
    lp.film(path, tmp_path / "a.mp4", seconds=1, fps=5, value_range=(-1.0, 1.0))
    assert np.abs(played(tmp_path / "a.mp4")[0].astype(int) - int(pixels(path.frames(2)).max())).max() <= 2


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 2), (3, 7)])
def test_frames_of_any_size(tmp_path, suffix, size):
    file = tmp_path / f"a.{suffix}"
    path = path_of(torch.zeros(1, 2, 2, dtype=F64), lambda z: torch.ones(len(z), 1, *size, dtype=F64))
    lp.film(path, file, seconds=1, fps=5, scale=1)
    frames, _, _ = played(file)
    padded = tuple(side + side % 2 for side in size) if suffix == "mp4" else size
    assert frames.shape == (5, *padded, 3)
    assert frames.min() >= 253


def test_nan_and_what_is_outside_are_shown_as_pixels_shows_them(tmp_path):
    def broken(z):
        data = picture(4 * z).clone()
        data[..., 0] = torch.nan
        return data

    path, file = bent(generator=broken), tmp_path / "a.webp"
    lp.film(path, file, seconds=1, fps=10, loop=None, scale=1, spacing="latent", value_range=(0.0, 1.0))
    expected = pixels(path.frames(10, "latent")[0], (0.0, 1.0))
    np.testing.assert_array_equal(played(file)[0], np.broadcast_to(expected, (10, 6, 10, 3)))
    assert not expected[..., 0, :].any()


def test_small_frames_are_made_comfortable(tmp_path):
    lp.film(bent(), tmp_path / "a.gif", seconds=1)
    lp.film(bent(5), tmp_path / "b.gif", seconds=1)
    assert played(tmp_path / "a.gif")[0].shape[1:] == (22 * 6, 22 * 10, 3)
    assert played(tmp_path / "b.gif")[0].shape[1:] == (5 * 10 * 6 + 4 * 8, 10 * 10, 3)


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


# ---------------------------------------------------------------------------------------------------------------------
# Side by side.


def inside(page, piece):
    """Where ``piece`` is in ``page``: its left edges."""
    high, wide = piece.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(page[..., 0], (high, wide))
    return set(np.nonzero((windows == piece[..., 0]).all((-1, -2)))[1].tolist())


def test_baselines_play_to_the_left_each_spaced_like_the_path(tmp_path):
    path, file = bent(2), tmp_path / "a.webp"
    lp.film(path, file, seconds=1, fps=12, loop=None, side_by_side=("lerp", "slerp"), scale=3)
    frames, _, _ = played(file)
    lines = {curve: curve(path.start, path.end, path.segments) for curve in (lerp, slerp)}
    shown = [picture_of(even_in_data(line, picture, 12)) for line in lines.values()] + [path.frames(12)]
    for i in (0, 3, 7, 11):
        for row in range(2):
            edges = [inside(frames[i], large(film[row, i], 3)) for film in shown]
            assert all(edges)
            if i in (3, 7):
                assert max(edges[0]) < min(edges[2])
                assert max(edges[1]) < min(edges[2])
    head = frames[0][:34]
    assert all(column.min() < 80 for column in np.array_split(head, 3, axis=1)), "a caption is missing"
    assert all((line == 255).all() for line in (head[0], head[:, 0], head[:, -1])), "a caption is cut off"


def picture_of(latents):
    return picture(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])


def test_other_paths_play_beside_with_sources_of_their_own(tmp_path):
    path, other = bent(), path_of(bent(2).latents[:1], lambda z: 0.5 * picture(z))
    file = tmp_path / "a.webp"
    lp.film(path, file, seconds=1, fps=9, loop=None, side_by_side={"another model's": other}, scale=3)
    frames, _, _ = played(file)
    for i in (2, 4, 6):  # the ends are as white as the page
        left = inside(frames[i], large(other.frames(9)[0, i], 3))
        right = inside(frames[i], large(path.frames(9)[0, i], 3))
        assert left
        assert right
        assert min(left) < min(right)


def test_captions_are_those_given(tmp_path):
    def head(name, **how):
        lp.film(bent(), tmp_path / name, seconds=1, fps=5, **how)
        return played(tmp_path / name)[0][0]

    usual = head("a.webp", side_by_side=["lerp"])
    np.testing.assert_array_equal(head("b.webp", side_by_side=["lerp"], captions=["straight line", "path"]), usual)
    other = head("c.webp", side_by_side=["lerp"], captions=["straight line", "detour"])
    assert (other[:34] != usual[:34]).any()
    np.testing.assert_array_equal(other[34:], usual[34:])
    bare = head("d.webp", side_by_side=["lerp"], captions=["", ""])
    assert bare.shape[0] == usual.shape[0] - 34 - 8
    assert head("e.webp", captions=["path"]).shape[0] == usual.shape[0]
    with pytest.raises(InputError, match="captions"):
        head("f.webp", side_by_side=["lerp"], captions=["path"])


# ---------------------------------------------------------------------------------------------------------------------
# Long films.


class Watched:
    """A generator that counts its frames that are alive."""

    def __init__(self):
        self.alive = self.highest = self.most = 0

    def _freed(self, count):
        self.alive -= count

    def __call__(self, z):
        data = np.repeat(z.numpy(), 18, 1).astype(np.float32).reshape(len(z), 1, 6, 6)
        weakref.finalize(data, self._freed, len(z))  # what torch makes of it keeps it
        self.alive += len(z)
        self.highest, self.most = max(self.highest, self.alive), max(self.most, len(z))
        return torch.from_numpy(data)


@pytest.mark.parametrize(("suffix", "max_points"), [("gif", 10), ("webp", None), ("mp4", None)])
def test_a_film_of_3000_frames_holds_few(tmp_path, monkeypatch, suffix, max_points):
    generator, pages = Watched(), {"alive": 0, "highest": 0}
    compose = Sheet.compose

    def freed():
        pages["alive"] -= 1

    def counted(self, frames):
        page = compose(self, frames)
        weakref.finalize(page, freed)
        pages["alive"] += 1
        pages["highest"] = max(pages["highest"], pages["alive"])
        return page

    monkeypatch.setattr(Sheet, "compose", counted)
    path = path_of(lerp(-torch.ones(2, 2, dtype=F64), torch.ones(2, 2, dtype=F64), 500), generator)
    path = path.bind(lp.Source(generator, INDEX, max_points=max_points))
    generator.highest = generator.most = 0
    file = tmp_path / f"a.{suffix}"
    lp.film(path, file, seconds=120, fps=25, scale=1, side_by_side=("lerp",), captions=["", ""])
    assert generator.most <= (max_points or 32)
    assert generator.highest <= 3 * 32
    assert pages["highest"] <= 3
    if suffix == "mp4":
        with av.open(file) as container:
            assert container.streams.video[0].frames == 3000
    else:
        with Image.open(file) as film:
            assert film.n_frames == 3000


def test_large_frames_are_decoded_few_at_a_time(tmp_path):
    asked = []

    def large_picture(z):
        asked.append(len(z))
        return torch.zeros(len(z), 3, 700, 900, dtype=torch.float32)

    path = path_of(torch.zeros(1, 2, 2, dtype=F64), large_picture)
    asked.clear()
    lp.film(path, tmp_path / "a.mp4", seconds=1, fps=20, spacing="latent", scale=1)
    assert max(asked) <= 2**23 // (700 * 900)


# ---------------------------------------------------------------------------------------------------------------------
# Stopping, failing, refusing.


@pytest.mark.parametrize("loop", ["bounce", "repeat"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_the_callback_hears_of_every_block(tmp_path, suffix, loop):
    heard = []
    lp.film(
        bent(), tmp_path / f"a.{suffix}", seconds=8, fps=25, scale=1, loop=loop, callback=lambda *n: heard.append(n)
    )
    done = [n for n, _ in heard]
    assert {total for _, total in heard} == {200}
    assert done[-1] == 200
    assert all(0 < after - before <= 64 for before, after in pairwise([0, *done]))


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
def test_a_film_takes_the_place_of_the_one_before(tmp_path, suffix):
    file = tmp_path / f"A.{suffix.upper()}"
    file.write_bytes(b"the one before")
    lp.film(bent(), str(file), seconds=1)
    assert list(tmp_path.iterdir()) == [file]
    assert len(played(file.rename(tmp_path / f"a.{suffix}"))[0]) == 25


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
        ({"side_by_side": ["lrep"]}, "unknown baselines"),
        ({"side_by_side": "lrep"}, "unknown baselines"),
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


@pytest.mark.parametrize("show", [lp.film, lambda path, file: lp.strip(path)])
def test_refuses_what_is_no_picture(tmp_path, show):
    for shape in ((5,), (2, 4, 4), (4, 4), (1, 2, 4, 4)):

        def other(z, shape=shape):
            return torch.zeros(len(z), *shape, dtype=z.dtype)

        with pytest.raises(InputError, match="only pictures can be shown"):
            show(bent(generator=other), tmp_path / "a.gif")
    with pytest.raises(InputError, match="at least one"):
        show(bent()[0:0], tmp_path / "a.gif")
    bent().save(tmp_path / "path.safetensors")
    with pytest.raises(InputError, match="bind"):
        show(lp.Path.load(tmp_path / "path.safetensors"), tmp_path / "a.gif")


def test_without_pyav_an_mp4_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r"PyAV.*latentpath\[viz\]"):
        lp.film(bent(), tmp_path / "a.mp4")
    lp.film(bent(), tmp_path / "a.webp", seconds=1)
    assert [found.name for found in tmp_path.iterdir()] == ["a.webp"]


def test_neither_film_nor_strip_asks_for_a_library_before_it_is_called():
    code = (
        "import latentpath as lp, sys; lp.film, lp.strip; assert not {'PIL', 'av', 'matplotlib'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)


# ---------------------------------------------------------------------------------------------------------------------
# Strips.


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


# ---------------------------------------------------------------------------------------------------------------------
# Odd arguments, and times that do not divide evenly.


@pytest.mark.parametrize(
    ("suffix", "seconds", "fps", "count"),
    [
        ("gif", 0.55, 50, 27),  # 27.5 frames: 28 would be more than 50 a second
        ("gif", 0.07, 50, 3),
        ("webp", 0.55, 90, 49),
        ("gif", 0.55, 10, 6),  # rounded as ever where there is time for it
        ("mp4", 0.55, 50, 28),
    ],
)
def test_a_time_that_holds_half_a_frame_is_no_reason_to_refuse(tmp_path, suffix, seconds, fps, count):
    file = tmp_path / f"a.{suffix}"
    assert lp.film(bent(), file, seconds=seconds, fps=fps, scale=1, value_range=(-1, 1))
    frames, lasts, _ = played(file)
    assert len(frames) == count
    assert float(lasts) == pytest.approx(seconds, abs=1e-6)


ODD = [None, "fast", "", b"1", [], (1,), {}, object(), float("nan"), float("inf"), -1, 0, True, 1j, torch.ones(2)]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("value", ODD, ids=[repr(value)[:20] for value in ODD])
@pytest.mark.parametrize("name", ["seconds", "fps"])
def test_numbers_of_a_film_that_are_none_are_refused(tmp_path, name, value):
    with pytest.raises(InputError, match=f"{name} must be"):
        lp.film(bent(), tmp_path / "a.gif", **{name: value})
    assert not list(tmp_path.iterdir())


def test_numbers_of_numpy_and_tensors_are_taken(tmp_path):
    how = {"seconds": np.float32(0.5), "fps": torch.tensor(10), "scale": np.int64(1)}
    assert lp.film(bent(), tmp_path / "a.gif", value_range=(np.float64(-1), 1), **how)
    assert len(played(tmp_path / "a.gif")[0]) == 5


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("how", "word"),
    [
        ({"path": None}, "path must be"),
        ({"path": torch.zeros(2, 2)}, "path must be"),
        ({"path": [bent()]}, "path must be"),
        ({"file": 3}, "file must be"),
        ({"file": b"a.gif"}, "file must be"),
        ({"file": object()}, "file must be"),
        ({"spacing": "even"}, "spacing"),
        ({"spacing": None}, "spacing"),
        ({"scale": "big"}, "scale must be"),
        ({"scale": 1.5}, "scale must be"),
        ({"side_by_side": None}, "side_by_side must be"),
        ({"side_by_side": 3}, "side_by_side must be"),
        ({"side_by_side": bent()}, "side_by_side must be"),
        ({"side_by_side": {"other": 3}}, "side_by_side"),
        ({"side_by_side": {3: bent()}}, "side_by_side"),
        ({"side_by_side": [bent()]}, "side_by_side"),
        ({"side_by_side": [["lerp"]]}, "side_by_side"),
    ],
)
@pytest.mark.parametrize("show", [lp.film, lp.strip])
def test_odd_types_are_refused_by_name(tmp_path, monkeypatch, show, how, word):
    monkeypatch.chdir(tmp_path)
    given = {"path": bent(), "file": "a.gif" if show is lp.film else "a.png", **how}
    with pytest.raises(InputError, match=word):
        show(**given)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("how", [{"captions": 3}, {"captions": [3]}, {"file": None}, {"loop": 3}, {"loop": []}])
def test_odd_types_of_a_film_are_refused_by_name(tmp_path, how):
    with pytest.raises(InputError, match=next(iter(how))):
        lp.film(**{"path": bent(), "file": tmp_path / "a.gif", **how})


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
