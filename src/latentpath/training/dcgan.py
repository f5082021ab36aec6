"""Training a DCGAN.

The losses are the non-saturating ones of Goodfellow et al. 2014. A small DCGAN stays stable by spectral
normalisation of the discriminator with a gain after each layer (Miyato et al. 2018), a discriminator that learns twice
as fast as the generator (Heusel et al. 2017), learning rates that fall to zero over the last half, an exponential
moving average of the generator's weights (Yazici et al. 2019), whose batch statistics are measured anew before it is
used, and, where there are only some thousand images, differentiable augmentation (Zhao et al. 2020).
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn import functional

from .._progress import Stage, each, silent
from .._random import seeded
from ..models.networks.dcgan import DCGAN, DCGANDiscriminator, DCGANGenerator
from ..models.sampling import draw
from ..viz.grid import contact_sheet
from .config import DCGANConfig
from .loop import Options, fit
from .randomness import CALIBRATION, NOISE, augment, augmenting, generator_for
from .trainer import STATISTICS, Trainer, autocast, average, config_of, measuring_statistics, restore, shape_of

if TYPE_CHECKING:
    from accelerate import Accelerator
    from PIL.Image import Image


class DCGANTrainer(Trainer):
    """The trainer of a DCGAN."""

    draws = 2

    def __init__(self, config: DCGANConfig, prior: Distribution, accelerator: Accelerator) -> None:
        super().__init__(config, accelerator)
        self.config = config
        with seeded(config.seed):
            self.generator, self.averaged = (DCGANGenerator(**shape_of(config)) for _ in range(2))
            width, gain = config.discriminator_width, config.discriminator_gain
            self.discriminator = DCGANDiscriminator(width=width, size=config.size, channels=config.channels, gain=gain)
        self.averaged.load_state_dict(self.generator.state_dict())
        self.averaged.to(self.device)
        rate = config.learning_rate
        self.generates = self.optimise("opt_g", self.generator, rate)
        self.discriminates = self.optimise("opt_d", self.discriminator, rate * config.discriminator_rate)
        self.parts = {"generator": self.generator, "averaged": self.averaged, "discriminator": self.discriminator}
        self.begins = {"generator": [self.generator, self.averaged], "discriminator": [self.discriminator]}
        self.shown = draw(prior, 64, generator_for(config.seed, NOISE, 2**32 - 1)).to(self.device)

    def step(self, real: Tensor, latents: list[Tensor], step: int) -> dict[str, Tensor]:
        """Takes the discriminator's step, then the generator's."""
        config = self.config
        random = augmenting(config.seed, step, self.index)
        with autocast(self.device, config.precision):
            with torch.no_grad():
                fake = self.generator(latents[0])
            on_real, on_fake = self.discriminates(self._seen(torch.cat([real, fake]), random)).float().split(len(real))
            loss_d = functional.softplus(-on_real).mean() + functional.softplus(on_fake).mean()
        self.descend("opt_d", loss_d)
        # the bare discriminator, frozen: else its gradients would be averaged over the processes
        self.discriminator.requires_grad_(False)
        with autocast(self.device, config.precision):
            on_fake = self.discriminator(self._seen(self.generates(latents[1]), random)).float()
            loss_g = functional.softplus(-on_fake).mean()
        self.descend("opt_g", loss_g)
        self.discriminator.requires_grad_(True)
        average(self.averaged, self.generator, config.ema, step + 1)
        return {"loss_d": loss_d.detach(), "loss_g": loss_g.detach()}

    def _seen(self, images: Tensor, random: torch.Generator) -> Tensor:
        return augment(images, random) if self.config.augment else images

    def sheet(self) -> Image:
        """Draws images that the averaged generator makes of the same latents each time."""
        copy = deepcopy(self.averaged).train()  # batch statistics of these very samples: the running ones lag behind
        with torch.no_grad():
            return contact_sheet(copy(self.shown), value_range=(-1.0, 1.0))


@torch.no_grad()
def recalibrate(
    generator: DCGANGenerator,
    prior: Distribution,
    seed: int = 0,
    batches: int = 100,
    batch: int = 256,
    stage: Stage = silent,
) -> DCGANGenerator:
    """Measures the batch statistics of ``generator`` anew over samples of ``prior``; returns it in eval mode."""
    with measuring_statistics(generator):
        for i in each(range(batches), STATISTICS, stage):
            generator(draw(prior, batch, generator_for(seed, CALIBRATION, i)))
    return generator.eval()


def averaged_dcgan(run: str | Path, prior: Distribution, stage: Stage = silent) -> tuple[DCGAN, int, float]:
    """Returns the recalibrated averaged generator of a run's last checkpoint with its discriminator, in eval mode.

    Also returns the checkpoint's step, and the seconds spent. A run may still be going on.
    """
    config = config_of(run, DCGANConfig)
    with seeded(config.seed, torch.get_default_device()):
        others = {name: getattr(config, name) for name in ("discriminator_width", "discriminator_gain", "prior")}
        network = DCGAN(**shape_of(config), **others)
    step, seconds = restore(run, {"averaged": network.generator, "discriminator": network.discriminator})
    recalibrate(network.generator, prior, config.seed, stage=stage)
    return network.eval(), step, seconds


def train_dcgan(
    config: DCGANConfig, images: Tensor, prior: Distribution, out: str | Path, **options: Unpack[Options]
) -> DCGAN:
    """Trains a DCGAN on ``images`` ``(N, C, S, S)`` ``uint8``; returns it with averaged weights, in eval mode, on CPU.

    Arguments, endings and errors: those of `training.loop.fit` and `training.loop.Options`.
    """
    fit_dcgan(config, images, prior, out, **options)
    return averaged_dcgan(out, prior)[0]


def fit_dcgan(
    config: DCGANConfig, images: Tensor, prior: Distribution, out: str | Path, **options: Unpack[Options]
) -> None:
    """Takes the steps of `train_dcgan` alone; `averaged_dcgan` reads the network from the folder."""
    fit(lambda accelerator: DCGANTrainer(config, prior, accelerator), config, images, prior, out, options)
