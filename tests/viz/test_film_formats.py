"""A film has exactly the frames, the pixels and the seconds that were asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import latentpath as lp
from latentpath.value_range import pixels
from latentpath.viz import film_formats


def played(file: Path) -> tuple[list[np.ndarray], list[int], int | None]:
    """All frames as the player shows them, their milliseconds, and the loop count."""
    with Image.open(file) as film:
        frames, times = [], []
        for i in range(film.n_frames):
            film.seek(i)
            frames.append(np.asarray(film.convert("RGB")))
            times.append(film.info["duration"])
        return frames, times, film.info.get("loop")


@pytest.mark.parametrize("bounce", [False, True])
@pytest.mark.parametrize("seconds", [1.0, 2.37])
def test_frames_pixels_and_seconds_are_exact(tmp_path: Path, bounce: bool, seconds: float) -> None:
    given = torch.rand(17, 1, 6, 5) * 2 - 1
    film_formats.gif(given, tmp_path / "a.gif", seconds=seconds, bounce=bounce, scale=3)
    frames, times, loop = played(tmp_path / "a.gif")
    order = [*range(17), *(range(15, 0, -1) if bounce else ())]
    assert len(frames) == len(order)
    assert sum(times) == round(1000 * seconds)
    assert loop == 0
    for frame, i in zip(frames, order, strict=True):
        expected = pixels(given[i]).repeat(3, 0).repeat(3, 1).repeat(3, 2)
        np.testing.assert_array_equal(frame, expected)


def test_frames_that_are_alike_still_count(tmp_path: Path) -> None:
    film_formats.gif(torch.zeros(9, 1, 4, 4), tmp_path / "a.gif", seconds=1, bounce=False, loop=False)
    frames, times, loop = played(tmp_path / "a.gif")
    assert (len(frames), sum(times), loop) == (9, 1000, None)


def test_one_frame_is_a_still(tmp_path: Path) -> None:
    film_formats.gif([torch.zeros(1, 4, 4)], tmp_path / "a.gif", seconds=1)
    assert len(played(tmp_path / "a.gif")[0]) == 1


def test_a_list_is_a_stack(tmp_path: Path) -> None:
    given = torch.rand(5, 1, 4, 4)
    film_formats.gif(given, tmp_path / "a.gif", seconds=1)
    film_formats.gif(list(given), tmp_path / "b.gif", seconds=1)
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


def test_films_side_by_side_are_whole_and_captioned(tmp_path: Path) -> None:
    left, right = torch.rand(2, 2, 7, 1, 10, 40) * 2 - 1
    film_formats.gif({"straight line": left, "path": right}, tmp_path / "a.gif", seconds=1, bounce=False, scale=4)
    frames, _, _ = played(tmp_path / "a.gif")
    assert len(frames) == 7

    def inside(sheet: np.ndarray, piece: np.ndarray) -> bool:
        """Whether ``piece`` is somewhere in ``sheet``."""
        height, width = piece.shape[:2]
        windows = np.lib.stride_tricks.sliding_window_view(sheet[..., 0], (height, width))
        rows, columns = np.nonzero((windows[..., 0, 0] == piece[0, 0, 0]) & (windows[..., -1, -1] == piece[-1, -1, 0]))
        return any((windows[r, c] == piece[..., 0]).all() for r, c in zip(rows, columns, strict=True))

    for i in (0, 3, 6):
        for film in (left, right):
            for row in film:
                assert inside(frames[i], pixels(row[i]).repeat(4, 0).repeat(4, 1))
    caption = frames[0][:30]
    half = caption.shape[1] // 2
    assert caption[:, :half].min() < 80
    assert caption[:, half:].min() < 80
    border = [caption[0], caption[:, 0], caption[:, -1]]
    assert all((line == 255).all() for line in border), "a caption is cut off"


def test_small_frames_are_made_comfortable(tmp_path: Path) -> None:
    film_formats.gif(torch.zeros(2, 1, 28, 28), tmp_path / "a.gif", bounce=False)
    assert played(tmp_path / "a.gif")[0][0].shape == (224, 224, 3)


def test_colour_survives(tmp_path: Path) -> None:
    given = -torch.ones(3, 3, 8, 8)
    for i in range(3):
        given[i, i] = 1.0
    film_formats.gif(given, tmp_path / "a.gif", seconds=1, bounce=False, scale=1)
    frames, _, _ = played(tmp_path / "a.gif")
    for i, frame in enumerate(frames):
        np.testing.assert_allclose(frame, pixels(given[i]), atol=2)


@pytest.mark.parametrize(("frames", "seconds"), [(1, 0.02), (7, 1.0), (100, 8.0), (100, 2.01), (48, 3.333)])
def test_durations_are_even_and_add_up(frames: int, seconds: float) -> None:
    found = film_formats.durations(frames, seconds)
    assert len(found) == frames
    assert sum(found) == round(100 * seconds)
    assert max(found) - min(found) <= 1
    assert min(found) >= 2


def test_refuses_what_it_cannot_show_and_leaves_nothing(tmp_path: Path) -> None:
    film = torch.zeros(30, 1, 4, 4)
    with pytest.raises(lp.LatentPathError, match="50 frames a second"):
        film_formats.gif(film, tmp_path / "a.gif", seconds=0.5)
    with pytest.raises(lp.LatentPathError, match="same number of frames"):
        film_formats.gif({"a": film, "b": film[:3]}, tmp_path / "a.gif")
    with pytest.raises(lp.LatentPathError, match="scale"):
        film_formats.gif(film, tmp_path / "a.gif", scale=0)
    with pytest.raises(lp.LatentPathError, match="C = 1 or 3"):
        film_formats.gif(torch.zeros(3, 2, 4, 4), tmp_path / "a.gif")
    with pytest.raises(lp.LatentPathError, match="film"):
        film_formats.gif([], tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())
