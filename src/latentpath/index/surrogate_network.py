"""A small network from latents to scores: D, w, w, 1 with SiLU, and its fit (see `latentpath.index.surrogate`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, silu, smooth_l1_loss

from latentpath._progress import Report
from latentpath._random import seeded

from .rank_correlation import rank_correlation

_HELD_OUT = 10  # one latent in this number is held out
_BATCH = 512  # latents a step
_RATE, _DECAY = 3e-3, 0.3  # the highest learning rate, and AdamW's weight decay: networks overfit few latents
_LOOKS = 40  # evaluations on the held-out latents
_LOSS_BY_HALF = 1e-3  # the rank correlation that float16 weights may cost

_LAYERS = ("input", "hidden", "output")
_NAMES = tuple(f"{layer}.{part}" for layer in _LAYERS for part in ("weight", "bias"))
_SCALES = ("latent_mean", "latent_scale", "score_middle", "score_scale")


class SurrogateNetwork:
    """A network from latents ``(N, D)`` to scores ``(N,)``, with weights in float32, computed in the latents' dtype.

    Args:
        tensors: weights and biases of the three layers, the mean and scale of latents ``(D,)`` and of scores ``()``.

    Attributes:
        tensors: as given, in float32, on the CPU.
        dim: ``D``; likewise ``width``.
        halved: True if all weights and biases are numbers of float16.

    Raises:
        ValueError: tensors are missing, of other shapes, or not finite.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        if set(tensors) != {*_NAMES, *_SCALES}:
            raise ValueError("its tensors have other names")
        self.tensors = {name: value.detach().to("cpu", torch.float32).contiguous() for name, value in tensors.items()}
        self.width, self.dim = (int(size) for size in (*self.tensors["input.weight"].shape, 0, 0)[:2])
        for name, value in self.tensors.items():
            if value.shape != _shapes(self.dim, self.width)[name]:
                raise ValueError(f"{name} has another shape")
            if not bool(value.isfinite().all()):
                raise ValueError(f"{name} is not finite")
        self.halved = all(bool((self.tensors[name].half() == self.tensors[name]).all()) for name in _NAMES)
        self._copies: dict[tuple[torch.device, torch.dtype], dict[str, Tensor]] = {}

    def __call__(self, points: Tensor) -> Tensor:
        """Computes the scores: ``(N, D) -> (N,)``."""
        return _forward(points, self._as(points))

    def _as(self, points: Tensor) -> dict[str, Tensor]:
        """Returns the tensors in the dtype and on the device of ``points``.

        All dtypes of a device are made at once: in the first call, which is made outside of transforms of functions.
        """
        key = points.device, points.dtype
        if key not in self._copies:
            wide = [] if points.device.type == "mps" else [torch.float64]
            for dtype in {torch.float32, points.dtype, *wide}:
                found = {name: value.to(points.device, dtype) for name, value in self.tensors.items()}
                self._copies[points.device, dtype] = found
        return self._copies[key]


def _forward(points: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
    values = (points - tensors["latent_mean"]) / tensors["latent_scale"]
    for layer in _LAYERS[:-1]:
        values = silu(linear(values, tensors[f"{layer}.weight"], tensors[f"{layer}.bias"]))
    values = linear(values, tensors["output.weight"], tensors["output.bias"])[:, 0]
    return values * tensors["score_scale"] + tensors["score_middle"]


def _shapes(dim: int, width: int) -> dict[str, tuple[int, ...]]:
    sizes = ((width, dim), (width,), (width, width), (width,), (1, width), (1,), (dim,), (dim,), (), ())
    return dict(zip((*_NAMES, *_SCALES), sizes, strict=True))


def fit_network(
    latents: Tensor, scores: Tensor, *, width: int, steps: int, seed: int, report: Report
) -> tuple[SurrogateNetwork, float]:
    """Fits a network to the scores ``(n,)`` of latents ``(n, D)``, in float32 on their device.

    Returns:
        The network, its weights rounded to float16 where that does not cost rank correlation; and the rank correlation
        on the held-out latents, NaN where the network is constant.
    """
    latents, scores = latents.detach().float(), scores.detach().float()
    with seeded(seed):
        order = torch.randperm(len(latents)).to(latents.device)
        start = {name: _initial(name, shape) for name, shape in _shapes(latents.shape[1], width).items()}
        picks = torch.randint(len(latents) - len(latents) // _HELD_OUT, (steps, _BATCH))
    held, rest = order[: len(latents) // _HELD_OUT], order[len(latents) // _HELD_OUT :]
    scales = {"latent_mean": latents[rest].mean(0), "latent_scale": _scale(latents[rest])}
    scales |= _score_scales(scores[rest])
    weights = {name: start[name].to(latents.device).requires_grad_() for name in _NAMES}
    target = (scores - scales["score_middle"]) / scales["score_scale"]

    def correlation(tensors: Mapping[str, Tensor]) -> float:
        with torch.no_grad():
            return rank_correlation(_forward(latents[held], tensors), scores[held])

    best, kept = -math.inf, {name: value.detach().clone() for name, value in weights.items()}
    optimizer = torch.optim.AdamW(weights.values(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    plain = {"score_middle": torch.zeros_like(target[0]), "score_scale": torch.ones_like(target[0])}
    for step in range(1, steps + 1):
        batch = rest[picks[step - 1].to(latents.device)]
        with torch.enable_grad():
            loss = smooth_l1_loss(_forward(latents[batch], {**scales, **weights, **plain}), target[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % max(1, steps // _LOOKS) == 0 or step == steps:
            found = correlation({**scales, **weights})
            if found > best:
                best, kept = found, {name: value.detach().clone() for name, value in weights.items()}
            report(step / steps, f"step {step} of {steps}, rank correlation {found:.2f}")
    return _rounded({**scales, **kept}, correlation)


def _rounded(tensors: dict[str, Tensor], correlation: Any) -> tuple[SurrogateNetwork, float]:
    """Returns the network, in numbers of float16 if they rank the held-out latents as well, and its correlation."""
    exact = correlation(tensors)
    half = {**tensors, **{name: tensors[name].half().float() for name in _NAMES}}
    by_half = correlation(half)
    if by_half >= exact - _LOSS_BY_HALF:
        return SurrogateNetwork(half), by_half
    return SurrogateNetwork(tensors), exact


def _score_scales(scores: Tensor) -> dict[str, Tensor]:
    """Returns the median and the standard deviation of scores, without regard to their tails."""
    low, middle, high = scores.quantile(torch.tensor([0.16, 0.5, 0.84], device=scores.device))
    return {"score_middle": middle, "score_scale": (high - low) / 2 if high > low else _scale(scores)}


def _scale(values: Tensor) -> Tensor:
    """Returns the standard deviation of each column, 1 for a constant one."""
    found = values.std(0)
    return torch.where(found > 0, found, 1.0)


def _initial(name: str, shape: tuple[int, ...]) -> Tensor:
    """Draws weights of the size that `torch.nn.Linear` gives to a layer after a scaled one; biases are 0."""
    if not name.endswith(".weight"):
        return torch.zeros(shape)
    return (2 * torch.rand(shape) - 1) / math.sqrt(shape[-1])
