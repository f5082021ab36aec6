"""The realism index and the steps along every kind of curve."""

from collections.abc import Mapping

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from .style import batch_of, colour, finish, house_style, legend_keys, stroke


def profiles(ri: Mapping[str, Tensor], steps: Mapping[str, Tensor], *, title: str | None = None) -> Figure:
    """Draws the realism index along every kind of curve, and the lengths of its decoded steps (paper, Figure 5).

    Of several pairs: the median, in a band that holds the middle half of them.

    Args:
        ri: by name, the index at every point, ``(K+1,)`` or ``(B, K+1)``, in [0, 1].
        steps: by name, the length of every decoded step, ``(K,)`` or ``(B, K)``, in units of the data space.
        title: of the figure.

    Raises:
        InputError: other shapes.
    """
    values, lengths = batch_of(ri, 2, "ri (K+1,) or (B, K+1)"), batch_of(steps, 2, "steps (K,) or (B, K)")
    pairs = len(next(iter(values.values())))
    with house_style():
        figure = Figure(figsize=(9.2, 3.9), layout="constrained")
        left, right = figure.subplots(1, 2)
        for name in values:
            _banded(left, name, torch.linspace(0, 1, values[name].shape[1]), values[name])
        for name in lengths:
            count = lengths[name].shape[1]
            _banded(right, name, (torch.arange(count) + 0.5) / count, lengths[name])
        left.set(title="How realistic the points are", ylabel="realism index ri", ylim=(0, 1))
        right.set(title="How far apart neighbours look", ylabel="data-space step |G(x$_{i+1}$) − G(x$_i$)|")
        right.set_ylim(bottom=0)
        for axes in (left, right):
            axes.set(xlabel="position on the curve, i / K", xlim=(0, 1))
        note = f"Line: median of {pairs} pairs. Band: the middle half of them." if pairs > 1 else None
        return finish(figure, title, note, legend_keys({**values, **lengths}))


def _banded(axes: Axes, name: str, x: Tensor, y: Tensor) -> None:
    if len(y) > 1:
        low, high = torch.quantile(y.double(), torch.tensor([0.25, 0.75], dtype=torch.double), dim=0)
        axes.fill_between(x.numpy(), low.numpy(), high.numpy(), color=colour(name), alpha=0.15, linewidth=0)
    axes.plot(x.numpy(), y.quantile(0.5, dim=0).numpy(), **stroke(name))
