"""A network of a surrogate that nothing was fitted for."""

from __future__ import annotations

import torch

from latentpath.index.surrogate_network import SurrogateNetwork


def random_network(dim: int, width: int = 2, seed: int = 0) -> SurrogateNetwork:
    """A network with small random weights."""
    random = torch.Generator().manual_seed(seed)
    return SurrogateNetwork(
        {
            "input.weight": torch.randn(width, dim, generator=random),
            "input.bias": torch.zeros(width),
            "hidden.weight": torch.randn(width, width, generator=random),
            "hidden.bias": torch.zeros(width),
            "output.weight": torch.randn(1, width, generator=random),
            "output.bias": torch.zeros(1),
            "latent_mean": torch.zeros(dim),
            "latent_scale": torch.ones(dim),
            "score_middle": torch.tensor(0.0),
            "score_scale": torch.tensor(1.0),
        }
    )
