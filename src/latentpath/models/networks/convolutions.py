"""Convolutions that double or halve the side of an image: what DCGAN and WAE are made of."""

from itertools import pairwise

from torch import nn

from ...errors import InputError

SIDES = {28: 7, 64: 4}  # the sides of images, and how small the networks make them by halving


def widths_from(width: int, size: int) -> list[int]:
    """Channels of the layers that halve the side of an image: ``width`` next to the image, doubled each time."""
    if size not in SIDES:
        raise InputError(f"the networks here work on images of side 28 or 64; got size={size}")
    return [width * 2**i for i in range((size // SIDES[size]).bit_length() - 1)]


def upwards(latent_dim: int, width: int, size: int, channels: int) -> nn.Sequential:
    """Latents ``(N, D)`` to images ``(N, channels, size, size)`` in [-1, 1].

    A projection to a small image with many channels, then fractionally strided convolutions that double its side, with
    batch normalisation and ReLU between and tanh at the end (Radford, Metz, Chintala 2015).
    """
    widths, side = widths_from(width, size)[::-1], SIDES[size]
    layers: list[nn.Module] = [
        nn.Linear(latent_dim, widths[0] * side**2, bias=False),
        nn.Unflatten(1, (widths[0], side, side)),
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(),
    ]
    for before, after in pairwise(widths):
        layers += [
            nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1), nn.Tanh())
