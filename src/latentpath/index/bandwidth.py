r"""The bandwidth of the empirical distribution function: Silverman's, or narrower where that would move it too far.

A single bandwidth, a share of the standard deviation, is right where the levels have one scale. A mixture of a wide and
a narrow normal has levels in two heaps with a gap between, and a deviation that is the gap's: kernels of that width
carry half of a heap across its edge. An edge alone does that too: the levels of a normal in the plane end at its mode.

So the smoothed function is compared with the empirical one. Where they never differ by more than 2.5 standard errors,
:math:`\sqrt{v (1 - v) / n}` at the share :math:`v` of the levels, everything is as in the paper. Otherwise the levels
are smoothed after a change of scale (Wand, Marron and Ruppert 1991),

.. math:: G_W(x) = \frac1n \sum_i \Phi\bigl(T(x) - T(l_i)\bigr), \qquad T'(x) = \frac1{h(x)},

with a bandwidth :math:`h(x)` that changes with the level: the widest, up to Silverman's, for which smoothing moves the
empirical function by at most 0.6 standard errors there (as Lepski chooses it: for all narrower ones too), and which
grows by a quarter of the distance at most. T rises and is C1, and so is G; to the left and right of all levels it is
linear, so that the tails are those of a single bandwidth.

**Bias.** Smoothing moves the empirical function by 2.5 standard errors at most, so by at most
:math:`1.25/\sqrt n`, 0.018 for 5,000 samples; by about half of that after a change of scale. Samples scatter by
:math:`1.36/\sqrt n` (Kolmogorov and Smirnov, 95 %).

**Atoms.** Where many levels are equal (a mixture of uniform densities) the distribution function jumps, and its value
at the jump is the upper one: these levels are moved to the left by four bandwidths, which are next to nothing there.
"""

import dataclasses
import math

import torch
from torch import Tensor

_ACCEPTED, _WANTED = 2.5, 0.6  # standard errors that smoothing may move the empirical function by: before, after
_GROWTH = 0.25  # of the bandwidth, per distance
_KNOTS, _HALVINGS = 256, 40  # places where a bandwidth is chosen; steps of sqrt(2) from Silverman's down
_LEAST = 1024  # levels that stand for all when it is chosen
_ATOM, _ATOM_WIDTH, _ATOM_SHIFT = 1e-6, 1e-5, 4.0  # of the level: equal levels, their bandwidth; in bandwidths


@dataclasses.dataclass(frozen=True)
class Scale:
    """The change of scale T, a quadratic between its knots and linear outside."""

    knots: Tensor  # (m,), rising
    slopes: Tensor  # (2,), one over the bandwidth at the first and the last knot
    cells: Tensor  # (m - 1, 4): the first knot of a cell, and there T, its slope and half its curvature

    def __call__(self, x: Tensor) -> Tensor:
        """``T(x): (...,) -> (...,)``."""
        first, last = self.knots[0], self.knots[-1]
        before, after = self.slopes.unbind()
        low, high = x < first, x > last
        inside = torch.where(low, first, torch.where(high, last, x))
        beyond = torch.where(low | high, x - inside, 0.0) * torch.where(low, before, after)
        cell = (torch.searchsorted(self.knots, inside.detach().contiguous()) - 1).clamp(0, len(self.cells) - 1)
        begin, value, slope, bend = torch.nn.functional.embedding(cell, self.cells).unbind(-1)
        step = inside - begin
        return value + step * (slope + bend * step) + beyond


def silverman(levels: Tensor) -> float:
    """Computes Silverman's bandwidth, for a normal density."""
    return float(levels.std()) * math.pow(4 / (3 * len(levels)), 0.2)


def adapted_scale(levels: Tensor) -> tuple[Scale | None, Tensor]:
    """Returns the scale on which sorted ``levels`` ``(n,)`` have bandwidth 1, and the levels on it.

    It returns None and the same levels where Silverman's bandwidth is good enough.
    """
    count, width = len(levels), silverman(levels)
    atoms = _atoms(levels)
    picked = torch.linspace(0, count - 1, min(count, _KNOTS), device=levels.device).round().long()
    knots, ranks = levels[picked], (picked.to(levels) + 0.5) / count
    moved = _smoothed(knots, levels, width) - ranks
    if not bool(atoms.any()) and bool((moved.abs() <= _ACCEPTED * _standard_error(ranks, count, 16)).all()):
        return None, levels
    some = max(_LEAST, int(8 * math.sqrt(count)))
    few = levels if count <= some else levels[_middles(some, count, levels)]
    exact = (torch.searchsorted(few, knots) + torch.searchsorted(few, knots, right=True)).to(levels) / (2 * len(few))
    allowed = _WANTED * _standard_error(ranks, count, max(16, 8 * count / len(few)))
    widths, fits = torch.full_like(knots, width * 2 ** (-_HALVINGS / 2)), torch.ones_like(knots, dtype=torch.bool)
    for halving in range(_HALVINGS - 1, -1, -1):  # from narrow to wide, as long as it fits
        tried = width * 2 ** (-halving / 2)
        fits &= (_smoothed(knots, few, tried) - exact).abs() <= allowed
        widths = torch.where(fits, tried, widths)
    if bool(atoms.any()):
        at = levels[atoms].unique()
        knots, widths = torch.cat([knots, at]), torch.cat([widths, _ATOM_WIDTH * (1 + at.abs())])
    scale = _scale(knots, widths, width)
    on_scale = scale(levels)
    return scale, torch.where(atoms, on_scale - _ATOM_SHIFT, on_scale).sort().values


def _middles(some: int, count: int, like: Tensor) -> Tensor:
    return ((torch.arange(some, device=like.device).to(like) + 0.5) * count / some).long()


def _smoothed(x: Tensor, levels: Tensor, width: float) -> Tensor:
    """Computes the distribution function of ``levels``, smoothed with one bandwidth, at ``x`` ``(m,)``."""
    return torch.cat([torch.special.ndtr((part[:, None] - levels) / width).mean(-1) for part in x.split(64)])


def _standard_error(ranks: Tensor, count: int, fewest: float) -> Tensor:
    """Computes the standard error of the empirical function, at least its value at the ``fewest`` lowest levels.

    Above the median it is the error at the median: near 1 the logarithm of the index needs no relative accuracy.
    """
    share = ranks.clamp(min=min(0.5, fewest / count), max=0.5)
    return (share * (1 - share) / count).sqrt()


def _atoms(levels: Tensor) -> Tensor:
    """Returns a mask of the sorted levels that equal more than a standard error's share of the others."""
    run = max(2, math.ceil(math.sqrt(len(levels))))
    found = torch.zeros_like(levels, dtype=torch.bool)
    if len(levels) > run:
        starts = levels[run:] - levels[:-run] <= _ATOM * (1 + levels[run:].abs())
        ends = torch.zeros(len(levels) + 1, dtype=torch.long, device=levels.device)
        ends[:-1][:-run] += starts
        ends[1 + run :] -= starts[: len(levels) - run].long()
        found = ends[:-1].cumsum(0) > 0
    return found


def _scale(knots: Tensor, widths: Tensor, widest: float) -> Scale:
    """Computes T from the bandwidths wanted at ``knots``, with more knots in the gaps."""
    knots, order = knots.sort()
    widths = widths[order]
    distinct = torch.ones_like(knots, dtype=torch.bool)
    distinct[1:] = knots.diff() > 0.1 * torch.minimum(widths[1:], widths[:-1])
    sparse, narrow = knots[distinct], torch.full_like(knots[distinct], torch.inf)
    nearest = distinct.long().cumsum(0) - 1
    narrow = narrow.scatter_reduce(0, nearest, widths, "amin")
    places = _with_gaps(sparse.tolist(), narrow.tolist())
    x = torch.tensor(places, dtype=knots.dtype, device=knots.device)
    # the largest function below the wanted bandwidths that grows by _GROWTH at most
    from_left = (narrow - _GROWTH * sparse).cummin(0).values
    from_right = (narrow + _GROWTH * sparse).flip(0).cummin(0).values.flip(0)
    left = (torch.searchsorted(sparse, x, right=True) - 1).clamp(min=0)
    right = torch.searchsorted(sparse, x).clamp(max=len(sparse) - 1)
    h = torch.minimum(from_left[left] + _GROWTH * x, from_right[right] - _GROWTH * x).clamp(max=widest)
    slopes = 1 / h
    area = ((slopes[1:] + slopes[:-1]) / 2 * x.diff()).cumsum(0)
    values = torch.cat([area.new_zeros(1), area[:-1]])
    cells = torch.stack([x[:-1], values, slopes[:-1], slopes.diff() / x.diff() / 2], -1)
    return Scale(x, slopes[[0, -1]], cells)


def _with_gaps(knots: list[float], widths: list[float]) -> list[float]:
    """Adds knots between distant ones, at distances that grow by half from either side."""
    found = [knots[0]]
    for start, stop, before, after in zip(knots[:-1], knots[1:], widths[:-1], widths[1:], strict=True):
        inner: list[float] = []
        for origin, sign, width in ((start, 1, before), (stop, -1, after)):
            step = width
            while step < (stop - start) / 2:
                inner.append(origin + sign * step)
                step *= 1.5
        found += sorted([*inner, (start + stop) / 2]) if inner else []
        found.append(stop)
    return found
