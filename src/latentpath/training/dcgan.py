"""Training a DCGAN.

The losses are the non-saturating ones of Goodfellow et al. 2014. What keeps a small one stable here: spectral
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
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn import functional

from .._progress import Stage, each, silent
from .._random import borrowed_randomness
from ..errors import DataError
from ..models.dcgan import DCGAN, DCGANDiscriminator, DCGANGenerator
from ..models.sampling import draw
from ..viz.grid import contact_sheet
from .config import DCGANConfig
from .folder import part_of, read_checkpoint, read_config
from .loop import STATISTICS, Options, autocast, average, fit, measuring_statistics
from .randomness import CALIBRATION, NOISE, augment, augmenting, seeded

if TYPE_CHECKING:
    from accelerate import Accelerator
    from PIL.Image import Image

__all__ = ["averaged_dcgan", "fit_dcgan", "recalibrate", "train_dcgan"]


class DCGANTrainer:
    """A `loop.Trainer`."""

    draws = 2

    def __init__(self, config: DCGANConfig, prior: Distribution, accelerator: Accelerator) -> None:
        self.config, self.device = config, accelerator.device
        with borrowed_randomness():
            torch.manual_seed(config.seed)
            self.generator, self.averaged = _generator(config), _generator(config)
            self.discriminator = _discriminator(config)
        self.averaged.load_state_dict(self.generator.state_dict())
        self.averaged.to(self.device)
        betas, rate = (config.beta1, config.beta2), config.learning_rate
        self.rates = {"opt_g": rate, "opt_d": rate * config.discriminator_rate}
        self.generates, opt_g = accelerator.prepare(
            self.generator, torch.optim.Adam(self.generator.parameters(), self.rates["opt_g"], betas)
        )
        self.discriminates, opt_d = accelerator.prepare(
            self.discriminator, torch.optim.Adam(self.discriminator.parameters(), self.rates["opt_d"], betas)
        )
        self.optimisers = {"opt_g": opt_g, "opt_d": opt_d}
        self.parts: dict[str, nn.Module] = {
            "generator": self.generator,
            "averaged": self.averaged,
            "discriminator": self.discriminator,
        }
        self.begins: dict[str, list[nn.Module]] = {
            "generator": [self.generator, self.averaged],
            "discriminator": [self.discriminator],
        }
        self.backward = accelerator.backward
        self.index = accelerator.process_index
        self.shown = draw(prior, 64, seeded(config.seed, NOISE, 2**32 - 1)).to(self.device)

    def step(self, real: Tensor, latents: list[Tensor], step: int) -> dict[str, Tensor]:
        """The discriminator's step, then the generator's."""
        config = self.config
        random = augmenting(config.seed, step, self.index)
        with autocast(self.device, config.precision):
            with torch.no_grad():
                fake = self.generator(latents[0])
            on_real, on_fake = self.discriminates(self._seen(torch.cat([real, fake]), random)).float().split(len(real))
            loss_d = functional.softplus(-on_real).mean() + functional.softplus(on_fake).mean()
        self._descend("opt_d", loss_d)
        # the bare discriminator, held: its own gradients are not wanted here, nor their average over processes
        self.discriminator.requires_grad_(False)
        with autocast(self.device, config.precision):
            on_fake = self.discriminator(self._seen(self.generates(latents[1]), random)).float()
            loss_g = functional.softplus(-on_fake).mean()
        self._descend("opt_g", loss_g)
        self.discriminator.requires_grad_(True)
        average(self.averaged, self.generator, config.ema, step + 1)
        return {"loss_d": loss_d.detach(), "loss_g": loss_g.detach()}

    def _seen(self, images: Tensor, random: torch.Generator) -> Tensor:
        return augment(images, random) if self.config.augment else images

    def _descend(self, name: str, loss: Tensor) -> None:
        self.optimisers[name].zero_grad()
        self.backward(loss)
        self.optimisers[name].step()

    def sheet(self) -> Image:
        """What the averaged generator makes of the same latents each time."""
        copy = deepcopy(self.averaged).train()  # batch statistics of these very samples: the running ones lag behind
        with torch.no_grad():
            return contact_sheet(copy(self.shown), value_range=(-1.0, 1.0))


def _generator(config: DCGANConfig) -> DCGANGenerator:
    return DCGANGenerator(latent_dim=config.latent_dim, width=config.width, size=config.size, channels=config.channels)


def _discriminator(config: DCGANConfig) -> DCGANDiscriminator:
    return DCGANDiscriminator(
        width=config.discriminator_width, size=config.size, channels=config.channels, gain=config.discriminator_gain
    )


@torch.no_grad()
def recalibrate(
    generator: DCGANGenerator,
    prior: Distribution,
    seed: int = 0,
    batches: int = 100,
    batch: int = 256,
    stage: Stage = silent,
) -> DCGANGenerator:
    """Measure the batch statistics of ``generator`` anew over samples of ``prior``; returns it in eval mode."""
    with measuring_statistics(generator):
        for i in each(range(batches), STATISTICS, stage):
            generator(draw(prior, batch, seeded(seed, CALIBRATION, i)))
    return generator.eval()


def averaged_dcgan(run: str | Path, prior: Distribution, stage: Stage = silent) -> tuple[DCGAN, int, float]:
    """The averaged generator of the last checkpoint in ``run``, recalibrated, with its discriminator, in eval mode.

    Also returns the checkpoint's step, and the seconds spent. This is what `train_dcgan` returns at the end of a run;
    here it comes from the folder, even while the run goes on.

    Raises:
        MissingDataError: there is no run, or no checkpoint yet.
        DataError: the files are damaged, or the run is of another kind.
    """
    config = read_config(run)
    if not isinstance(config, DCGANConfig):
        raise DataError(f"{run} holds a {type(config).__name__} run, not a DCGANConfig one")
    tensors, step, seconds = read_checkpoint(run)
    with borrowed_randomness():
        network = DCGAN(
            latent_dim=config.latent_dim,
            width=config.width,
            discriminator_width=config.discriminator_width,
            size=config.size,
            channels=config.channels,
            discriminator_gain=config.discriminator_gain,
            prior=config.prior,
        )
    try:
        network.generator.load_state_dict(part_of(tensors, "averaged"))
        network.discriminator.load_state_dict(part_of(tensors, "discriminator"))
    except RuntimeError as error:
        raise DataError(f"the checkpoint in {run} does not fit its configuration: {error}") from error
    recalibrate(network.generator, prior, config.seed, stage=stage)
    return network.eval(), step, seconds


def train_dcgan(
    config: DCGANConfig, images: Tensor, prior: Distribution, out: str | Path, **options: Unpack[Options]
) -> DCGAN:
    """Train a DCGAN on ``images`` ``(N, C, S, S)`` ``uint8``; returns it with averaged weights, in eval mode, on CPU.

    Arguments, endings and errors: those of `training.loop.fit` and `training.loop.Options`.
    """
    fit_dcgan(config, images, prior, out, **options)
    return averaged_dcgan(out, prior)[0]


def fit_dcgan(
    config: DCGANConfig, images: Tensor, prior: Distribution, out: str | Path, **options: Unpack[Options]
) -> None:
    """The run of `train_dcgan` alone: what it makes is read from its folder, by `averaged_dcgan`."""
    fit(lambda accelerator: DCGANTrainer(config, prior, accelerator), config, images, prior, out, options)
