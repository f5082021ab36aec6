"""The empirical distribution function of the log-density of samples, smoothed and tabulated."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import torch
from torch import Tensor

from .bandwidth import Scale, adapted_scale, silverman

_EDGE = -20.0  # the left end of the table proper, in bandwidths from the smallest level
_NODES = 12  # per bandwidth
_TAIL_NODES = 32  # per unit of log distance, in the left tail
_TAIL_END = 20.0  # the tail's correction is tabulated up to 20 e^20 bandwidths, and constant beyond


@dataclasses.dataclass(frozen=True)
class KernelRule:
    """``log ri`` as the smoothed distribution function of a log-density, at that log-density."""

    density: Callable[[Tensor], Tensor]
    scale: Scale | None
    kernel: Kernel

    def level(self, z: Tensor) -> Tensor:
        """Computes the log-density on the scale of the smoothing: ``(..., D) -> (...,)``."""
        found = self.density(z)
        return found if self.scale is None else self.scale(found)

    def __call__(self, z: Tensor, eps: float) -> Tensor:
        """Computes ``log ri: (..., D) -> (...,)`` by the table."""
        return self.kernel.log_cdf(self.level(z))

    def direct(self, z: Tensor) -> Tensor:
        """Computes the same by the sum over the samples."""
        return self.kernel.direct(self.level(z))


@dataclasses.dataclass(frozen=True)
class Kernel:
    """``log G_W`` as cubics: first the cells of the tail's correction, in log distance, then those of the function."""

    levels: Tensor  # (n,), sorted
    width: float
    lowest: float
    cells: Tensor  # (tail + main, 4)
    tail_cells: int

    def log_cdf(self, x: Tensor) -> Tensor:
        """Computes ``log G_W`` at levels ``(...)`` by the table."""
        wall = x == -math.inf  # outside the support
        t = (torch.where(wall, self.lowest, x) - self.lowest) / self.width
        far = t < _EDGE
        left = t.clamp(max=_EDGE)
        u = torch.where(far, (left / _EDGE).log() * -_TAIL_NODES, (t - _EDGE) * _NODES) + self.tail_cells
        u = u.clamp(0, self.cells.shape[0])
        cell = u.detach().long().clamp(0, self.cells.shape[0] - 1)
        s = u - cell
        k = torch.nn.functional.embedding(cell, self.cells).unbind(-1)
        value = ((k[3] * s + k[2]) * s + k[1]) * s + k[0] + torch.where(far, _log_ndtr_tail(left), 0.0)
        return torch.where(wall, -math.inf, value)

    def direct(self, x: Tensor) -> Tensor:
        """Computes the same by the sum over all samples."""
        t = (x[..., None] - self.levels) / self.width
        right = (t * math.sqrt(0.5)).erfc().mean(-1) / 2
        sums = torch.logsumexp(_log_ndtr(t), -1) - math.log(len(self.levels))
        return torch.where(right < 0.5, torch.log1p(-right.clamp(max=0.5)), sums)


def estimated(density: Callable[[Tensor], Tensor], levels: Tensor) -> KernelRule:
    """Returns the rule of a log-density, or another score, from its ``levels`` on samples."""
    scale, levels = adapted_scale(levels.sort().values)
    return KernelRule(density, scale, smooth(levels, silverman(levels) if scale is None else 1.0))


def smooth(levels: Tensor, width: float) -> Kernel:
    """Tabulates ``log G_W`` of sorted levels, with exact derivatives at the nodes."""
    d = (levels - levels[0]) / width
    nodes = _EDGE + torch.arange((float(d[-1]) + 9 - _EDGE) * _NODES + 2, dtype=d.dtype, device=d.device) / _NODES
    main = torch.cat([_log_cdf_and_slope(t, d) for t in nodes.split(256)])
    tail_nodes = torch.arange(_TAIL_END * _TAIL_NODES, -1, -1, dtype=d.dtype, device=d.device) / _TAIL_NODES
    tail = torch.cat([_correction_and_slope(t, d) for t in (_EDGE * tail_nodes.exp()).split(256)])
    tail[:, 1] *= -_EDGE * tail_nodes.exp() / _TAIL_NODES
    cells = torch.cat([_monotone(*tail.unbind(-1)), _monotone(main[:, 0], main[:, 1] / _NODES)])
    return Kernel(levels, width, float(levels[0]), cells, len(tail) - 1)


def _log_cdf_and_slope(t: Tensor, d: Tensor) -> Tensor:
    """Computes ``log G`` and its derivative at ``t: (m,)``, in bandwidths: ``(m, 2)``."""
    below = t < d[len(d) // 2]
    t = t[:, None] - d
    side = (torch.where(below[:, None], -t, t) * math.sqrt(0.5)).erfc_().mean(-1) / 2  # G or 1 - G
    value = torch.where(below, side.log(), torch.log1p(-side))
    slope = t.square_().mul_(-0.5).exp_().mean(-1) / (math.sqrt(2 * math.pi) * value.exp())
    return torch.stack([value, slope], -1)


def _correction_and_slope(t: Tensor, d: Tensor) -> Tensor:
    """Computes ``e = log G - log Phi(t)`` and its derivative at ``t << 0: (m,)``, without cancellation: ``(m, 2)``."""
    t = t[:, None]
    y0, y1 = t**-2, (t - d) ** -2
    series = _tail_series(y1).log1p() - _tail_series(y0).log1p()
    log_ratio = t * d - d.square() / 2 - (-d / t).log1p() + series
    # phi / Phi (t) = -t / (1 + series)
    surplus = (d - t) * (1 / (1 + _tail_series(y1)) - 1) + t * (1 / (1 + _tail_series(y0)) - 1)
    weights = log_ratio.softmax(-1)
    value = torch.logsumexp(log_ratio, -1) - math.log(d.shape[-1])
    return torch.stack([value, (weights * (d + surplus)).sum(-1)], -1)


def _monotone(f: Tensor, slope: Tensor) -> Tensor:
    """Computes the cells of a rising C1 cubic from values and derivatives, with Fritsch and Carlson's limiter."""
    rise = (f[1:] - f[:-1]).clamp(min=0)
    bound = 3 * torch.cat([rise[:1], torch.minimum(rise[1:], rise[:-1]), rise[-1:]])
    m = torch.minimum(slope.clamp(min=0), bound)
    m0, m1 = m[:-1], m[1:]
    return torch.stack([f[:-1], m0, 3 * rise - 2 * m0 - m1, m0 + m1 - 2 * rise], -1)


def _log_ndtr(t: Tensor) -> Tensor:
    """Computes ``log Phi`` with a gradient that is right in the far left tail too, where torch's cancels."""
    far = t < _EDGE
    return torch.where(far, _log_ndtr_tail(t.clamp(max=_EDGE)), torch.special.log_ndtr(t.clamp(min=_EDGE)))


def _log_ndtr_tail(t: Tensor) -> Tensor:
    """Computes ``log Phi(t)`` for ``t <= -20``: relative error below 1e-14."""
    return -t.square() / 2 - (-t).log() - math.log(2 * math.pi) / 2 + _tail_series(t**-2).log1p()


def _tail_series(y: Tensor) -> Tensor:
    return y * (-1 + y * (3 + y * (-15 + y * (105 + y * (-945 + y * 10395)))))
