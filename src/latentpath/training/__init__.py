"""Training of the generators and the classifier that ship with the package.

One run is one folder: ``config.json`` (the frozen configuration), ``state.safetensors`` (everything the next step
depends on, written whole or not at all), ``log.jsonl`` (losses), ``tensorboard``, and ``samples.png``. Every random
number is drawn from a generator seeded by ``(seed, purpose, step)``, so a resumed run takes the same steps as an
uninterrupted one, on the same CPU with the same threads. Nothing is pickled.
"""

from .classifier import train_classifier
from .config import ClassifierConfig, DCGANConfig, Progress, RunConfig, WAEConfig
from .dcgan import averaged_dcgan, fit_dcgan, recalibrate, train_dcgan
from .folder import check_images, digest, read_checkpoint, read_config
from .loop import Options, check_options
from .wae import averaged_wae, fit_wae, train_wae

__all__ = [
    "ClassifierConfig",
    "DCGANConfig",
    "Options",
    "Progress",
    "RunConfig",
    "WAEConfig",
    "averaged_dcgan",
    "averaged_wae",
    "check_images",
    "check_options",
    "digest",
    "fit_dcgan",
    "fit_wae",
    "read_checkpoint",
    "read_config",
    "recalibrate",
    "train_classifier",
    "train_dcgan",
    "train_wae",
]
