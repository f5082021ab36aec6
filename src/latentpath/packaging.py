"""From a run to a model: averaged weights, a card with measured quality, a sample sheet."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from . import __version__
from .data import Images
from .errors import InputError
from .models.cards import make_card
from .models.files import as_stored
from .models.folders import as_model, read_model, write_model
from .models.metrics.features import feature_network
from .models.metrics.quality import measure_generator
from .models.model import Model
from .models.networks.base import Pretrained
from .models.registry import digit_classifier
from .models.sampling import contact_sheet, draw
from .stages import Stage, silent
from .training import DCGANConfig, RunConfig, averaged_dcgan, averaged_wae, check_images, digest, read_config

__all__ = ["OPTIONS", "command", "kind_of", "measured", "package_run", "trained"]

_DIGITS = "mnist-classifier"

_SHEET, _COLUMNS = 160, 16

OPTIONS = {
    "dcgan": (
        "prior", "latent_dim", "width", "discriminator_width", "discriminator_gain", "size", "channels", "steps",
        "batch", "learning_rate", "flip", "augment", "precision", "seed", "init",
    ),
    "wae": (
        "prior", "latent_dim", "width", "size", "channels", "steps", "batch", "learning_rate", "flip", "divergence",
        "weight", "noise", "precision", "seed", "init",
    ),
    "classifier": ("width", "epochs", "precision", "seed"),
}  # fmt: skip
"""What a command must be given to make the same run again."""


def command(kind: str, config: Any, **others: Any) -> str:
    """The command that makes the same run again, wherever the data are."""
    words = ["latentpath", "train", kind, "--data", "FOLDER"]
    for name in OPTIONS[kind]:
        value, flag = getattr(config, name), f"--{name.replace('_', '-')}"
        words += [flag] if value is True else [] if value is False or value is None else [flag, str(value)]
    for name, value in others.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return " ".join([*words, "--threads", str(torch.get_num_threads())])


def kind_of(config: RunConfig) -> str:
    """What ``latentpath train`` calls a run of this configuration."""
    return "dcgan" if isinstance(config, DCGANConfig) else "wae"


def trained(
    run: str | Path, images: Tensor, prior: Distribution, stage: Stage = silent
) -> tuple[Pretrained, int, float]:
    """The averaged network of the last checkpoint in ``run``, its step, and the seconds spent."""
    if isinstance(read_config(run), DCGANConfig):
        return averaged_dcgan(run, prior, stage)
    return averaged_wae(run, images, stage)


def package_run(
    run: str | Path,
    name: str,
    folder: str | Path,
    images: Tensor,
    prior: Distribution,
    *,
    hold_out: int = 0,
    quality: Any = None,
    dtype: torch.dtype = torch.float16,
    stage: Stage = silent,
) -> Model:
    """Make a model of the last checkpoint in ``run``, finished or not, and read it back.

    Args:
        run: the folder of a run of a DCGAN or a WAE.
        name: of the model.
        folder: the one that becomes the model's.
        images: that it was trained on.
        prior: that it was trained with.
        hold_out: how many were kept out of training.
        quality: a callable that measures the model with its weights as they are stored; its answer goes onto the card.
        dtype: of the stored parameters.
        stage: told what is being done.

    Raises:
        InputError: a name that cannot be that of a folder.
        TrainingError: the run was made with other images.
        MissingDataError, DataError: there is no checkpoint, or it is damaged; or the folder cannot be written.
    """
    if not name or Path(name).name != name or name.startswith("."):
        raise InputError(f"a model's name becomes the name of a folder, got {name!r}")
    config = read_config(run)
    check_images(run, digest(images))
    kind = kind_of(config)
    network, step, seconds = trained(run, images, prior, stage)
    network.load_state_dict(as_stored(network, dtype))
    model = as_model(network, prior, name, {})
    others = {"hold_out": hold_out} if hold_out else {}
    card = make_card(
        name,
        f"{kind.upper()} for {config.data} at {config.size} x {config.size}, {config.latent_dim} latent dimensions, "
        f"{config.prior} prior",
        asdict(config),
        command=command(kind, config, **others),
        version=__version__,
        steps=step,
        seconds=seconds,
        images=len(images),
        value_range=model.value_range,
        prior={"name": config.prior, "dim": config.latent_dim},
        quality=None if quality is None else quality(model),
    )
    stage("writing the model", 0, 1)
    with torch.no_grad():
        drawn = draw(prior, _SHEET, torch.Generator().manual_seed(config.seed))
        sheet = contact_sheet(
            model.generator(drawn), columns=_COLUMNS, zoom=2 if config.size < 64 else 1, value_range=model.value_range
        )
    write_model(folder, network, card, sheet, dtype=dtype)
    return read_model(folder, prior)


def measured(
    model: Model,
    train: Images,
    test: Tensor | None,
    *,
    features: str | None = None,
    samples: int = 10_000,
    seed: int = 0,
    stage: Stage = silent,
) -> dict[str, Any]:
    """The quality of ``model`` as a card has it: `models.metrics.quality.GeneratorQuality` without what does not apply.

    Args:
        model: with a prior.
        train: the images it was trained on.
        test: images that were kept out of training.
        features: the model whose encoder or classifier is the feature network. By default the shipped classifier for
            images (1, 28, 28), the shipped auto-encoder for (3, 64, 64), and otherwise the model's own encoder.
        samples: how many to judge.
        seed: of the draws.
        stage: told what is being done.

    Raises:
        InputError: there is no feature network for such images.
    """
    shape = tuple(train.pixels.shape[1:])
    network, named = feature_network(model, shape, features)
    judge = digit_classifier() if train.name == "mnist" and shape == (1, 28, 28) else None
    found = measure_generator(
        model,
        network,
        train.pixels,
        test,
        features_name=named,
        judge=judge,
        judge_name=None if judge is None else _DIGITS,
        samples=samples,
        seed=seed,
        stage=stage,
    )
    return {name: value for name, value in asdict(found).items() if value is not None}
