"""DCGAN: a convolutional generator and discriminator.

The generator projects a latent to a small image with many channels and doubles its side by fractionally strided
convolutions, with batch normalisation and ReLU between and tanh at the end; the discriminator mirrors it with strided
convolutions and leaky ReLU (Radford, Metz, Chintala 2015, "Unsupervised Representation Learning with Deep
Convolutional Generative Adversarial Networks"). One departure: the discriminator is normalised spectrally
(Miyato et al. 2018) rather than by batches, which is what keeps small ones stable. Since a leaky ReLU halves what
passes on average, layers of norm one would hand on almost nothing; each is followed by a gain: the larger, the
stronger the discriminator.
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from .base import Pretrained
from .convolutions import SIDES, upwards, widths_from


class DCGANGenerator(Pretrained):
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
        >>> from latentpath.models import DCGANGenerator
        >>> DCGANGenerator(latent_dim=20, width=8).eval()(torch.zeros(2, 20)).shape
        torch.Size([2, 1, 28, 28])
    """

    value_range = (-1.0, 1.0)

    def __init__(self, *, latent_dim: int = 20, width: int = 64, size: int = 28, channels: int = 1) -> None:
        super().__init__()
        self.net = upwards(latent_dim, width, size, channels)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, latents: Tensor) -> Tensor:
        """Latents ``(N, D)`` to images ``(N, channels, size, size)``."""
        images: Tensor = self.net(latents)
        return images


class DCGANDiscriminator(Pretrained):
    """Images ``(N, channels, size, size)`` to one logit each ``(N,)``: positive means real.

    Every weight is divided by its largest singular value, every layer's output multiplied by ``gain``.

    Args:
        width: channels of the first layer; each later one has twice as many.
        size: 28 or 64.
        channels: 1 for grey, 3 for colour.
        gain: after every layer.

    Raises:
        InputError: another size.
    """

    def __init__(self, *, width: int = 64, size: int = 28, channels: int = 1, gain: float = 2.0) -> None:
        super().__init__()
        widths = [channels, *widths_from(width, size)]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += _layer(nn.Conv2d(before, after, 4, stride=2, padding=1), gain)
        if SIDES[size] == 7:  # one more, down to 4 x 4
            layers += _layer(nn.Conv2d(widths[-1], 2 * widths[-1], 3, stride=2, padding=1), gain)
            widths.append(2 * widths[-1])
        layers += [nn.Flatten(), *_layer(nn.Linear(widths[-1] * 16, 1), gain)[:-1]]
        self.net = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(N, channels, size, size)`` to logits ``(N,)``."""
        logits: Tensor = self.net(images)
        return logits.squeeze(1)


class _Gain(nn.Module):
    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, values: Tensor) -> Tensor:
        return self.gain * values


def _layer(linear: nn.Module, gain: float) -> list[nn.Module]:
    return [spectral_norm(linear), _Gain(gain), nn.LeakyReLU(0.2)]


class DCGAN(Pretrained):
    """A generator with its discriminator, and the name of the prior that they were trained with.

    Args:
        latent_dim: ``D``.
        width: of the generator: channels of its last hidden layer.
        discriminator_width: channels of the discriminator's first layer.
        size: 28 or 64.
        channels: 1 for grey, 3 for colour.
        discriminator_gain: by which the discriminator multiplies the output of every layer.
        prior: what `latentpath.models.named_prior` calls the distribution of the latents.

    Raises:
        InputError: another size.

    Example:
        >>> import torch
        >>> from latentpath.models import DCGAN
        >>> network = DCGAN(latent_dim=100, width=8, discriminator_width=8, size=64, channels=3).eval()
        >>> images = network(torch.zeros(2, 100))
        >>> images.shape, network.discriminator(images).shape
        (torch.Size([2, 3, 64, 64]), torch.Size([2]))
    """

    def __init__(
        self,
        *,
        latent_dim: int = 20,
        width: int = 64,
        discriminator_width: int = 64,
        size: int = 28,
        channels: int = 1,
        discriminator_gain: float = 2.0,
        prior: str = "normal",
    ) -> None:
        super().__init__()
        self.generator = DCGANGenerator(latent_dim=latent_dim, width=width, size=size, channels=channels)
        self.discriminator = DCGANDiscriminator(
            width=discriminator_width, size=size, channels=channels, gain=discriminator_gain
        )

    def forward(self, latents: Tensor) -> Tensor:
        """Latents ``(N, D)`` to images ``(N, channels, size, size)``."""
        images: Tensor = self.generator(latents)
        return images
