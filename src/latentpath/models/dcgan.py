"""DCGAN: a convolutional generator and discriminator.

The generator projects a latent to a small image with many channels and doubles its side by fractionally strided
convolutions, with batch normalisation and ReLU between and tanh at the end; the discriminator mirrors it with strided
convolutions and leaky ReLU (Radford, Metz, Chintala 2015, "Unsupervised Representation Learning with Deep
Convolutional Generative Adversarial Networks"). One departure: the discriminator is normalised spectrally
(Miyato et al. 2018) rather than by batches, which is what keeps small ones stable.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ..errors import InputError

__all__ = ["DCGANDiscriminator", "DCGANGenerator"]

_FIRST_SIDE = {28: 7, 64: 4}


def _widths(size: int, width: int) -> list[int]:
    """Channels after the projection and after every doubling but the last."""
    if size not in _FIRST_SIDE:
        raise InputError(f"a DCGAN here makes images of side 28 or 64, got size={size}")
    doublings = (size // _FIRST_SIDE[size]).bit_length() - 1
    return [width * 2**i for i in reversed(range(doublings))]


class DCGANGenerator(nn.Module):
    """Latents ``(N, D)`` to images ``(N, channels, size, size)`` in [-1, 1].

    Args:
        latent_dim: ``D``.
        width: channels of the last hidden layer; each earlier one has twice as many.
        size: 28 or 64.
        channels: 1 for grey, 3 for colour.

    Raises:
        InputError: another size.

    Example:
        >>> import torch
        >>> from latentpath.models.dcgan import DCGANGenerator
        >>> DCGANGenerator(latent_dim=20, width=8).eval()(torch.zeros(2, 20)).shape
        torch.Size([2, 1, 28, 28])
    """

    def __init__(self, latent_dim: int = 20, width: int = 64, size: int = 28, channels: int = 1) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"latent_dim": latent_dim, "width": width, "size": size, "channels": channels}
        widths, side = _widths(size, width), _FIRST_SIDE.get(size, 4)
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
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1), nn.Tanh()]
        self.net = nn.Sequential(*layers)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, latents: Tensor) -> Tensor:
        """Latents ``(N, D)`` to images ``(N, channels, size, size)``."""
        images: Tensor = self.net(latents)
        return images


class DCGANDiscriminator(nn.Module):
    """Images ``(N, channels, size, size)`` to one logit each ``(N,)``: positive means real.

    Arguments as for `DCGANGenerator`; every weight is divided by its largest singular value.
    """

    def __init__(self, width: int = 64, size: int = 28, channels: int = 1) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"width": width, "size": size, "channels": channels}
        widths, side = [channels, *reversed(_widths(size, width))], _FIRST_SIDE.get(size, 4)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [spectral_norm(nn.Conv2d(before, after, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
        layers += [nn.Flatten(), spectral_norm(nn.Linear(widths[-1] * side**2, 1))]
        self.net = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(N, channels, size, size)`` to logits ``(N,)``."""
        logits: Tensor = self.net(images)
        return logits.squeeze(1)
