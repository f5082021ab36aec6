"""Feature networks, in whose outputs the metrics compare images; numbers of different networks do not compare."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..._progress import Stage, each, silent
from ...data import to_unit_range
from ...errors import InputError
from ..loading import load
from ..model import Model
from ..registry import available

Features = Callable[[Tensor], Tensor]  # images ``(N, C, H, W)`` in [-1, 1] to vectors ``(N, F)``
CHUNK, IMAGES = 500, 250  # rows of features that are compared, and images that a network computes, at a time

_SHIPPED: dict[tuple[int, ...], str] = {(1, 28, 28): "mnist-classifier", (3, 64, 64): "celeba-wae"}


def feature_network(model: Model, shape: tuple[int, ...], name: str | None = None) -> tuple[Features, str]:
    """Returns the network in whose features images are compared, and the name of its model.

    It maps images ``(N, C, H, W)`` in [-1, 1] to features ``(N, F)``; the model's own encoder is no independent judge.

    Example:
        >>> network, name = feature_network(load("mnist-dcgan-semicircle"), (1, 28, 28))
        >>> name, tuple(network(torch.zeros(2, 1, 28, 28)).shape)
        ('mnist-classifier', (2, 64))
    """
    shipped = _SHIPPED.get(shape)
    if name is None and shipped in available():
        name = shipped
    judge = model if name is None else load(name)
    for network in (judge.generator if judge.prior is None else None, judge.encoder):
        if network is not None:
            return getattr(network, "features", network), judge.name
    raise InputError(
        f"there is no feature network for images {shape}: name a model with an encoder, or a classifier (--features)"
    )


def over(network: Callable[[Tensor], Tensor], images: Tensor, stage: Stage = silent, what: str = "images") -> Tensor:
    """Computes ``network`` on images or latents in chunks; ``uint8`` images are scaled to [-1, 1] first."""
    with torch.no_grad():
        chunks = (to_unit_range(c) if c.dtype == torch.uint8 else c for c in each(images.split(IMAGES), what, stage))
        return torch.cat([network(chunk) for chunk in chunks])


def check_features(features1: Tensor, features2: Tensor) -> None:
    """Refuses features that are not ``(N, F)`` and ``(M, F)`` with at least two rows each."""
    for features in (features1, features2):
        if features.ndim != 2 or len(features) < 2 or features.shape[1] != features1.shape[1]:
            raise InputError(
                "features must be (N, F) and (M, F) with at least two rows each; "
                f"got {tuple(features1.shape)} and {tuple(features2.shape)}"
            )
