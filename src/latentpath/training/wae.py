r"""Training a Wasserstein auto-encoder.

The mean squared error of a pixel in [-1, 1] plus ``weight`` times a divergence of the codes from the prior: the maximum
mean discrepancy (`models.networks.wae.mmd`), or the non-saturating losses of a discriminator of latents (Tolstikhin
et al. 2018, algorithms 1 and 2). Their lambda of 100 for the first, beside 0.05 times the squared error summed over
64 x 64 x 3 pixels in [-1, 1], is a weight of about 0.16 here.

Small ones sample well by noise on the codes. A deterministic encoder can hide its images on a thin surface
in the latent space, between whose sheets the prior draws and the decoder has learnt nothing (Rubenstein et al. 2018,
"On the latent space of Wasserstein auto-encoders"). The trained encoder is used without it.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn import functional

from .._progress import Stage, each, silent
from .._random import seeded
from ..data import to_unit_range
from ..models.networks.wae import WAE, LatentDiscriminator, mmd
from ..models.sampling import draw
from ..viz.grid import contact_sheet
from .config import WAEConfig
from .loop import Options, fit
from .randomness import NOISE, augmenting, batches, generator_for
from .trainer import STATISTICS, Trainer, autocast, average, config_of, measuring_statistics, restore, shape_of

if TYPE_CHECKING:
    from accelerate import Accelerator
    from PIL.Image import Image

_SHOWN, _CRITIC_WIDTH = 16, 256


class _Both(nn.Module):
    """Images and noise to noisy latents and reconstructions, in one pass: several processes need a single module."""

    def __init__(self, network: WAE) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        latents = self.network.encoder(images) + noise
        return latents, self.network.decoder(latents)


class WAETrainer(Trainer):
    """The trainer of a WAE."""

    def __init__(self, config: WAEConfig, images: Tensor, prior: Distribution, accelerator: Accelerator) -> None:
        super().__init__(config, accelerator)
        self.config = config
        with seeded(config.seed):
            self.network, self.averaged = (WAE(**shape_of(config), prior=config.prior) for _ in range(2))
            critic = LatentDiscriminator(latent_dim=config.latent_dim, width=_CRITIC_WIDTH)
        self.averaged.load_state_dict(self.network.state_dict())
        self.averaged.to(self.device)
        self.both = self.optimise("opt", _Both(self.network), config.learning_rate)
        self.parts = {"network": self.network, "averaged": self.averaged}
        self.critic: nn.Module | None = None
        if config.divergence == "gan":
            self.criticises = self.optimise("opt_c", critic, 0.5 * config.learning_rate)
            self.critic = self.parts["critic"] = critic
        self.begins = {
            "generator": [self.network.decoder, self.averaged.decoder],
            "encoder": [self.network.encoder, self.averaged.encoder],
        }
        self.variance = float(prior.variance.mean())
        self.shown = to_unit_range(images[: 2 * _SHOWN]).to(self.device)
        self.drawn = draw(prior, 2 * _SHOWN, generator_for(config.seed, NOISE, 2**32 - 1)).to(self.device)

    def step(self, real: Tensor, latents: list[Tensor], step: int) -> dict[str, Tensor]:
        """Takes the networks' step, after that of the latent discriminator, if any."""
        config, drawn = self.config, latents[0]
        losses: dict[str, Tensor] = {}
        noise = torch.randn(drawn.shape, generator=augmenting(config.seed, step, self.index)).to(drawn)
        with autocast(self.device, config.precision):
            codes, decoded = self.both(real, config.noise * self.variance**0.5 * noise)
        error = (decoded.float() - real).square().mean()
        if self.critic is None:
            divergence = mmd(codes.float(), drawn, self.variance)
        else:
            on_drawn, on_codes = self.criticises(torch.cat([drawn, codes.detach().float()])).split(len(real))
            losses["loss_critic"] = functional.softplus(-on_drawn).mean() + functional.softplus(on_codes).mean()
            self.descend("opt_c", losses["loss_critic"])
            divergence = functional.softplus(-self.critic(codes.float())).mean()
        self.descend("opt", error + config.weight * divergence)
        average(self.averaged, self.network, config.ema, step + 1)
        losses |= {"loss_error": error, "loss_divergence": divergence}
        return {name: loss.detach() for name, loss in losses.items()}

    def sheet(self) -> Image:
        """Draws images over their reconstructions by the averaged networks, twice; then two rows of samples."""
        copy = deepcopy(self.averaged).train()  # batch statistics of these very images: the running ones lag behind
        with torch.no_grad():
            again = copy.decoder(copy.encoder(self.shown))
            samples = copy.decoder(self.drawn)
        rows = [part for pair in zip(self.shown.split(_SHOWN), again.split(_SHOWN), strict=True) for part in pair]
        return contact_sheet(torch.cat([*rows, samples]), columns=_SHOWN, value_range=(-1.0, 1.0))


@torch.no_grad()
def _recalibrate(network: WAE, images: Tensor, config: WAEConfig, stage: Stage, count: int = 100) -> None:
    at = batches(images, min(256, len(images)), config.seed)
    with measuring_statistics(network):
        for i in each(range(count), STATISTICS, stage):
            network.decoder(network.encoder(to_unit_range(at(i))))


def averaged_wae(run: str | Path, images: Tensor, stage: Stage = silent) -> tuple[WAE, int, float]:
    """Returns the averaged networks of the last checkpoint in ``run``, recalibrated on ``images``, in eval mode.

    Also returns the checkpoint's step, and the seconds spent.
    """
    config = config_of(run, WAEConfig)
    with seeded(config.seed, torch.get_default_device()):
        network = WAE(**shape_of(config), prior=config.prior)
    step, seconds = restore(run, {"averaged": network})
    _recalibrate(network, images, config, stage)
    return network.eval(), step, seconds


def train_wae(
    config: WAEConfig, images: Tensor, prior: Distribution, out: str | Path, **options: Unpack[Options]
) -> WAE:
    """Trains a WAE on ``images`` ``(N, C, S, S)`` ``uint8``; returns it with averaged weights, in eval mode, on CPU.

    Arguments, endings and errors: those of `training.loop.fit` and `training.loop.Options`.
    """
    fit_wae(config, images, prior, out, **options)
    return averaged_wae(out, images)[0]


def fit_wae(
    config: WAEConfig, images: Tensor, prior: Distribution, out: str | Path, **options: Unpack[Options]
) -> None:
    """Takes the steps of `train_wae` alone; `averaged_wae` reads the networks from the folder."""
    fit(lambda accelerator: WAETrainer(config, images, prior, accelerator), config, images, prior, out, options)
