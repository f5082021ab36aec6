"""Baselines and other paths beside a path, captions, and curves that cannot be shown."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from films import bent, inside, large, path_of, picture, played

import latentpath as lp
from latentpath.curves import lerp, slerp
from latentpath.energy import even_in_data
from latentpath.errors import InputError


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
