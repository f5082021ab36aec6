"""An MP4 declares its colours, starts at once, and needs PyAV."""

from __future__ import annotations

import sys

import av
import numpy as np
import pytest
import torch
from films import F64, bent, coloured, path_of, played

import latentpath as lp
from latentpath.errors import MissingDependencyError
from latentpath.value_range import pixels


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


@pytest.mark.parametrize("grey", [-1.0, -0.5, 0.0, 0.7, 1.0])
def test_greys_of_an_mp4_are_right(tmp_path, grey):
    path = path_of(torch.zeros(1, 2, 2, dtype=F64), lambda z: torch.full((len(z), 1, 9, 9), grey, dtype=F64))
    lp.film(path, tmp_path / "a.mp4", seconds=1, fps=5, value_range=(-1.0, 1.0))
    assert np.abs(played(tmp_path / "a.mp4")[0].astype(int) - int(pixels(path.frames(2)).max())).max() <= 2


def test_without_pyav_an_mp4_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r"PyAV.*latentpath\[viz\]"):
        lp.film(bent(), tmp_path / "a.mp4")
    lp.film(bent(), tmp_path / "a.webp", seconds=1)
    assert [found.name for found in tmp_path.iterdir()] == ["a.webp"]
