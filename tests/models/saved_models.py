"""A folder with a small saved model."""

from __future__ import annotations

from pathlib import Path

import torch

from latentpath.models import DCGAN


def saved(folder: Path, **options: object) -> Path:
    """A folder of ``save_pretrained`` with a small DCGAN in it."""
    torch.manual_seed(0)
    network = DCGAN(**{"latent_dim": 5, "width": 2, "discriminator_width": 2, **options})  # type: ignore[arg-type]
    network.eval().save_pretrained(folder)
    return folder
