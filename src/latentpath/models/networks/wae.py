r"""Wasserstein auto-encoder: an encoder whose codes, all together, are spread like the prior.

It minimises the reconstruction error plus ``weight`` times a distance between the distribution of the codes
:math:`Q(Z)` and the prior :math:`P(Z)` (Tolstikhin, Bousquet, Gelly, Schölkopf 2018, "Wasserstein Auto-Encoders"). Two
distances: the maximum mean discrepancy with a sum of inverse multiquadratic kernels,

.. math:: k(x, y) = \sum_s \frac{s\, C}{s\, C + |x - y|^2}, \qquad C = 2 D \sigma^2,

(`mmd`), or what a small discriminator in the latent space finds (`LatentDiscriminator`, the GAN variant).
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from ...errors import InputError
from .base import Pretrained
from .convolutions import SIDES, upwards, widths_from

_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class WAEEncoder(nn.Module):
    """Images ``(N, channels, size, size)`` in [-1, 1] to latents ``(N, D)``; without chance, as in the paper."""

    def __init__(self, *, latent_dim: int, width: int, size: int, channels: int) -> None:
        super().__init__()
        widths, layers = [channels, *widths_from(width, size)], []
        for before, after in pairwise(widths):
            layers += [
                nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(widths[-1] * SIDES[size] ** 2, latent_dim)

    def features(self, images: Tensor) -> Tensor:
        """Computes the last maps, averaged over the image: ``(N, 8 width)`` at 64 pixels, ``(N, 2 width)`` at 28."""
        maps: Tensor = self.body[:-1](images)
        return maps.mean((-2, -1))

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(N, channels, size, size)`` to latents ``(N, D)``."""
        latents: Tensor = self.head(self.body(images))
        return latents


class WAEDecoder(nn.Module):
    """Latents ``(N, D)`` to images ``(N, channels, size, size)`` in [-1, 1]."""

    value_range = (-1.0, 1.0)

    def __init__(self, *, latent_dim: int, width: int, size: int, channels: int) -> None:
        super().__init__()
        self.net = upwards(latent_dim, width, size, channels)

    def forward(self, latents: Tensor) -> Tensor:
        """Latents ``(N, D)`` to images ``(N, channels, size, size)``."""
        images: Tensor = self.net(latents)
        return images


class WAE(Pretrained):
    """An encoder and a decoder, and the name of the prior that the codes were spread over.

    Args:
        latent_dim: ``D``.
        width: channels next to the image, in the encoder and in the decoder; each layer inwards has twice as many.
        size: 28 or 64.
        channels: 1 for grey, 3 for colour.
        prior: what `latentpath.models.named_prior` calls the distribution of the latents.

    Raises:
        InputError: another size.

    Example:
        >>> import torch
        >>> from latentpath.models import WAE
        >>> network = WAE(latent_dim=8, width=4, size=28, channels=1).eval()
        >>> latents = network.encoder(torch.zeros(2, 1, 28, 28))
        >>> latents.shape, network(latents).shape
        (torch.Size([2, 8]), torch.Size([2, 1, 28, 28]))
    """

    def __init__(
        self, *, latent_dim: int = 64, width: int = 64, size: int = 64, channels: int = 3, prior: str = "normal"
    ) -> None:
        super().__init__()
        self.encoder = WAEEncoder(latent_dim=latent_dim, width=width, size=size, channels=channels)
        self.decoder = WAEDecoder(latent_dim=latent_dim, width=width, size=size, channels=channels)

    def forward(self, latents: Tensor) -> Tensor:
        """Latents ``(N, D)`` to images ``(N, channels, size, size)``."""
        images: Tensor = self.decoder(latents)
        return images


class LatentDiscriminator(nn.Module):
    """Latents ``(N, D)`` to one logit each ``(N,)``: positive means drawn from the prior. Four layers of ``width``."""

    def __init__(self, *, latent_dim: int, width: int = 512) -> None:
        super().__init__()
        sizes = [latent_dim, *[width] * 4]
        layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
        self.net = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, latents: Tensor) -> Tensor:
        """Latents ``(N, D)`` to logits ``(N,)``."""
        logits: Tensor = self.net(latents)
        return logits.squeeze(1)


def mmd(latents: Tensor, drawn: Tensor, variance: float | Tensor = 1.0) -> Tensor:
    r"""The squared maximum mean discrepancy of two samples, by the unbiased U-statistic.

    .. math:: \frac1{n(n-1)} \sum_{i \ne j} k(x_i, x_j) + \frac1{m(m-1)} \sum_{i \ne j} k(y_i, y_j)
              - \frac2{nm} \sum_{i, j} k(x_i, y_j)

    with the sum of inverse multiquadratic kernels at seven scales (Tolstikhin et al. 2018, section 4 and appendix).
    It is 0 on average where both come from one distribution, and may be below 0.

    ``latents``: ``(n, D)``, n > 1. ``drawn``: ``(m, D)`` from the prior, m > 1.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> x, y = torch.randn(2, 500, 3)
        >>> bool(mmd(x, y).abs() < 0.02), bool(mmd(x, y + 1) > 0.1)
        (True, True)
    """
    if latents.ndim != 2 or drawn.ndim != 2 or latents.shape[1] != drawn.shape[1] or min(len(latents), len(drawn)) < 2:
        raise InputError(
            f"mmd compares (n, D) with (m, D), at least two rows each; got {tuple(latents.shape)}, {tuple(drawn.shape)}"
        )
    base = 2 * latents.shape[1] * variance

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        # the difference by products of its own: cdist has no gradient at distance 0
        squares = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.mT
        squares = squares.clamp_min(0)
        total = torch.zeros_like(squares)
        for scale in _SCALES:
            total = total + scale * base / (scale * base + squares)
        return total

    def among(a: Tensor) -> Tensor:
        k = kernel(a, a)
        return (k.sum() - k.diagonal().sum()) / (len(a) * (len(a) - 1))

    return among(latents) + among(drawn) - 2 * kernel(latents, drawn).mean()
