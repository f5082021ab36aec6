"""A film has exactly the frames, order, pixels and seconds asked for, and takes no more memory when long."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
import torch
from films import F64, FORMATS, INDEX, bent, closed, coloured, large, path_of, picture, played, same, still
from PIL import Image

import latentpath as lp
from latentpath.curves import lerp
from latentpath.value_range import pixels
from latentpath.viz.grid import Grid


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


@pytest.mark.parametrize("suffix", FORMATS)
def test_colours_survive(tmp_path, suffix):
    path, file = bent(generator=coloured), tmp_path / f"a.{suffix}"
    lp.film(path, file, seconds=1, fps=8, loop=None, scale=8)
    frames, _, _ = played(file)
    difference = np.abs(frames.astype(int) - large(path.frames(8)[0], 8))
    assert difference.max() <= {"gif": 4, "webp": 0, "mp4": 64}[suffix]  # an MP4 has half the colours' resolution
    assert difference.mean() < 3


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
    compose = Grid.compose

    def freed():
        pages["alive"] -= 1

    def counted(self, frames):
        page = compose(self, frames)
        weakref.finalize(page, freed)
        pages["alive"] += 1
        pages["highest"] = max(pages["highest"], pages["alive"])
        return page

    monkeypatch.setattr(Grid, "compose", counted)
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
def test_a_film_takes_the_place_of_the_one_before(tmp_path, suffix):
    file = tmp_path / f"A.{suffix.upper()}"
    file.write_bytes(b"the one before")
    lp.film(bent(), str(file), seconds=1)
    assert list(tmp_path.iterdir()) == [file]
    assert len(played(file.rename(tmp_path / f"a.{suffix}"))[0]) == 25


def test_neither_film_nor_strip_asks_for_a_library_before_it_is_called():
    code = (
        "import latentpath as lp, sys; lp.film, lp.strip; assert not {'PIL', 'av', 'matplotlib'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)


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


def test_numbers_of_numpy_and_tensors_are_taken(tmp_path):
    how = {"seconds": np.float32(0.5), "fps": torch.tensor(10), "scale": np.int64(1)}
    assert lp.film(bent(), tmp_path / "a.gif", value_range=(np.float64(-1), 1), **how)
    assert len(played(tmp_path / "a.gif")[0]) == 5
