r"""The regularised incomplete gamma functions P(a, x) and Q(a, x) = 1 - P in the log domain, by series and by table.

With :math:`a = D/2` and x half the squared Mahalanobis distance, :math:`\log Q(a, x)` is the log realism index of a
normal prior. Its complement :math:`\log P = \log(1 - Q)`, for the two-sided index, comes from the same table.
"""

import dataclasses
import functools
import math
from typing import Any

import torch
from torch import Tensor


def log_price(a: float, x: Tensor) -> tuple[Tensor, Tensor]:
    r"""Computes ``log W`` and ``log d(log W)/dx`` for :math:`W = -\log Q(a, x)`.

    The relative error of W is 1e-11 from the mode to the far tail: by the series of ``P = 1 - Q`` below ``a + 1``, and
    by Legendre's continued fraction above.
    """
    ratio = (x - a) / a
    if a >= 20:  # log(a^a e^-a / Gamma(a)) by Stirling's series
        stirling = 1 / (12 * a) - 1 / (360 * a**3) + 1 / (1260 * a**5) - 1 / (1680 * a**7)
        constant = math.log(a / (2 * math.pi)) / 2 - stirling
    else:
        constant = a * math.log(a) - a - math.lgamma(a)
    front = a * ((x / a).log() - ratio) + constant  # log(x^a e^-x / Gamma(a))

    below = x < a + 1
    y = torch.where(below, x, 1.0)
    term = total = torch.ones_like(y)
    for k in range(1, int(60 + 12 * math.sqrt(a))):
        term = term * y / (a + k)
        total = total + term
    log_p = front + total.log() - math.log(a)
    p = log_p.clamp(max=-1e-9).exp()
    few = p < 1e-3
    safe = torch.where(few, 0.5, p)
    excess = torch.where(
        few, torch.log1p(p * (1 / 2 + p * (1 / 3 + p * (1 / 4 + p / 5)))), (-(-safe).log1p() / safe).log()
    )

    y = torch.where(below, a + 1.0, x)
    count = int(200 + 12 * math.sqrt(a))
    fraction = y + (2 * count + 1 - a)
    for k in range(count, 0, -1):
        fraction = y + (2 * k - 1 - a) - k * (k - a) / fraction
    log_q = torch.where(below, -1.0, front - fraction.log())
    price = torch.where(below, log_p + excess, log_q.neg().log())
    low = math.log(a) - total.log() - x.log() - excess - torch.log1p(-p)
    slope = torch.where(below, low, (fraction / y).log() - price)
    return price, slope


@dataclasses.dataclass(frozen=True)
class GammaTable:
    """The table of ``W = -log Q(a, x)``.

    Its cells are quintics for ``R = log W - a log(x / a)`` on a uniform grid of ``u = r / (r + c)``, ``r = sqrt(2x)``.
    """

    cells: Tensor  # (n - 1, 6), powers of the local coordinate
    a: float
    c: float
    step: float
    cut: float  # x beyond which three terms of the asymptotic expansion are exact to 1e-12

    def log_q(self, x: Tensor) -> Tensor:
        """Computes ``log Q(a, x)``."""
        log_q: Tensor = _LogGamma.apply(x, self.cells, self, _log_q)[0]  # type: ignore[no-untyped-call]
        return log_q

    def log_p(self, x: Tensor) -> Tensor:
        """Computes ``log P(a, x)``; ``x`` must stay away from 0."""
        log_p: Tensor = _LogGamma.apply(x, self.cells, self, _log_p)[0]  # type: ignore[no-untyped-call]
        return log_p

    def log_price(self, x: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Computes ``log W`` and its derivative at ``x > 0``."""
        r = (2 * x).sqrt()
        scale = 1 / (r + self.c)
        s = r * scale / self.step - 0.5
        cell = s.detach().long().clamp(0, cells.shape[0] - 1)
        s = s - cell
        k = torch.nn.functional.embedding(cell, cells).unbind(-1)
        value = ((((k[5] * s + k[4]) * s + k[3]) * s + k[2]) * s + k[1]) * s + k[0]
        slope = (((5 * k[5] * s + 4 * k[4]) * s + 3 * k[3]) * s + 2 * k[2]) * s + k[1]
        growth = self.a / x + slope * (self.c / self.step) * scale * scale / r
        return self.a * (x / self.a).log() + value, growth

    def tail(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Computes ``W`` and its derivative for large ``x``."""
        b = self.a - 1
        return x - b * x.log() + math.lgamma(self.a) - b / x, 1 - b / x + b / (x * x)


@functools.lru_cache(maxsize=64)
def gamma_table(dim: int) -> GammaTable:
    """Makes the table of the price of a normal prior in ``dim`` dimensions, once."""
    a, c = dim / 2, math.sqrt(dim) + 2
    n = 1500 + int(60 * math.sqrt(dim))
    step = 1 / n
    u = (torch.arange(n - 40 if dim < 200 else n - 80, dtype=torch.float64, device="cpu") + 0.5) * step
    r = c * u / (1 - u)
    x = r**2 / 2
    log_w, log_growth = log_price(a, x)
    value = log_w - a * (x / a).log()
    growth = log_growth.exp()  # (log W)'
    curvature = growth * ((log_w + log_growth).exp() + (a - 1) / x - 1 - growth)
    r1, r2 = c / (1 - u) ** 2, 2 * c / (1 - u) ** 3
    first = (growth - a / x) * r * r1
    second = (curvature + a / x**2) * (r * r1) ** 2 + (growth - a / x) * (r1**2 + r * r2)
    return GammaTable(_quintic(value, first * step, second * step**2), a, c, step, float(x[-1]))


def _quintic(f: Tensor, d: Tensor, e: Tensor) -> Tensor:
    """Computes the cells of a C2 quintic with values ``f`` and derivatives ``d``, ``e`` (per cell) at the nodes."""
    rise, d0, d1, e0, e1 = f[1:] - f[:-1], d[:-1], d[1:], e[:-1], e[1:]
    g0, g1, g2 = rise - d0 - e0 / 2, d1 - d0 - e0, e1 - e0
    return torch.stack(
        [f[:-1], d0, e0 / 2, 10 * g0 - 4 * g1 + g2 / 2, -15 * g0 + 7 * g1 - g2, 6 * g0 - 3 * g1 + g2 / 2], -1
    )


def tiny(dtype: torch.dtype) -> float:
    """Returns the smallest ``x`` that is told from the mode."""
    return 1e-60 if dtype == torch.float64 else 1e-12


def huge(dtype: torch.dtype) -> float:
    """Returns the largest ``x`` whose price does not overflow."""
    return 1e300 if dtype == torch.float64 else 1e30


def _log_q(x: Tensor, cells: Tensor, table: GammaTable) -> tuple[Tensor, Tensor]:
    x = x.clamp(tiny(x.dtype), huge(x.dtype))
    log_price, growth = table.log_price(x.clamp(max=table.cut), cells)
    price = log_price.exp()
    far_price, far_slope = table.tail(x)
    far = x > table.cut
    return -torch.where(far, far_price, price), -torch.where(far, far_slope, price * growth)


def _log_p(x: Tensor, cells: Tensor, table: GammaTable) -> tuple[Tensor, Tensor]:
    """Computes ``log P`` and its derivative; beyond the cut P is 1."""
    log_w, growth = table.log_price(x.clamp(max=table.cut), cells)
    w = log_w.exp()
    small = w < 1e-5
    share = torch.where(small, 1.0, w)
    # P = 1 - e^-W; P'/P = W' / (e^W - 1)
    log_p = torch.where(small, log_w - w / 2, torch.log(-torch.expm1(-share)))
    slope = growth * torch.where(small, 1 - w / 2, share / torch.expm1(share))
    return log_p, torch.where(x > table.cut, 0.0, slope)


class _LogGamma(torch.autograd.Function):
    """``x -> (L, L')`` for ``L = log Q`` or ``log P``; both have ``L'' = L' ((a - 1)/x - 1 - L')``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, cells: Tensor, table: GammaTable, function: Any) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = function(x, cells, table)
        return found

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(inputs[0], output[1])
        ctx.save_for_forward(inputs[0], output[1])
        ctx.a = inputs[2].a
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, None, None, None]:
        x, slope = ctx.saved_tensors
        total = None if grads[0] is None else grads[0] * slope
        if grads[1] is not None:
            second = grads[1] * _bend(ctx.a, x, slope)
            total = second if total is None else total + second
        return total, None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> tuple[Tensor, Tensor]:
        x, slope = ctx.saved_tensors
        return tangents[0] * slope, tangents[0] * _bend(ctx.a, x, slope)


def _bend(a: float, x: Tensor, slope: Tensor) -> Tensor:
    return slope * (-slope - 1 + (a - 1) / x.clamp(min=tiny(x.dtype)))
