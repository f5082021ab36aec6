"""Paths to show, and the frames of a film as a player shows them."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import torch
from PIL import Image

import latentpath as lp
from latentpath import priors
from latentpath.value_range import pixels

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


def inside(page, piece):
    """Returns the left edges of ``piece`` in ``page``."""
    high, wide = piece.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(page[..., 0], (high, wide))
    return set(np.nonzero((windows == piece[..., 0]).all((-1, -2)))[1].tolist())
