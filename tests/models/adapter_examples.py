"""Small networks of every kind that has an adapter."""

from __future__ import annotations

import torch
import zuko
from diffusers import AutoencoderKL
from torch import Tensor, nn

F64 = torch.float64
SHAPE = (4, 4, 4)


def autoencoder(**changes: object) -> AutoencoderKL:
    """A tiny one, with attention in the middle, random but the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = AutoencoderKL(
            block_out_channels=(8, 16),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            norm_num_groups=4,
            latent_channels=4,
            sample_size=8,
            **changes,
        )
    return network.eval()


def flow(kind: str = "MAF", dim: int = 3, context: int = 0) -> zuko.flows.Flow:
    """A tiny one whose transform is far from the identity; in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = getattr(zuko.flows, kind)(dim, context, transforms=2, hidden_features=(8,))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(1.5)
    return made.double().eval()


class Conditional(nn.Module):
    """``tanh(z A + table[label] + onehot B)``: as a label, or as a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.table = nn.Linear(3, 5), nn.Embedding(4, 5)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        shift = self.table(label) if label.dtype == torch.int64 else label @ self.table.weight
        return torch.tanh(self.body(z) + shift)


class Noisy(nn.Module):
    """In the manner of StyleGAN: noise of two resolutions; drawn anew where none is given."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 8)

    def forward(self, z: Tensor, noise: list[Tensor] | None = None) -> Tensor:
        small, large = noise or [torch.randn(len(z), 1, 1, 1), torch.randn(len(z), 1, 2, 2)]
        return torch.tanh(self.body(z).unflatten(1, (2, 2, 2)) + 0.3 * small + 0.3 * large)


def on_sphere() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 6)).double().eval()
