r"""What a curve costs: price, energy, cost, length, metric tensor.

For a curve :math:`\gamma` in the latent space, a generator :math:`G` and a realism index :math:`ri`, scaled by
:math:`\alpha \in (0, 1]`, a unit of data-space length at :math:`z` has the *price*

.. math:: w(z) = -\log(\alpha\, ri(z)) \ge 0,

and the curve the *cost* :math:`\int w(\gamma)\,|(G\gamma)'|\,dt = -\log ri(\gamma)` (Definition 2). By Theorem 1 this
is its length in the metric :math:`A_z = w(z)^2 J(z)^T J(z)` with :math:`J = dG/dz`. On a polyline of K segments the
*energy* of equation 3, normalised so that it does not depend on K, is

.. math::
    E = \tfrac12 K \sum_i \bar w_i^2\, |G(x_{i+1}) - G(x_i)|^2, \qquad
    \bar w_i = -\log\bigl(\alpha\,\tfrac{ri(x_i) + ri(x_{i+1})}{2}\bigr).

Cauchy and Schwarz: :math:`\sqrt{2E} \ge \sum_i \bar w_i |G(x_{i+1}) - G(x_i)|`, equal at constant speed, which a
minimum has; there :math:`2E \to cost^2` as K grows. The paper's text writes :math:`|x_{i+1} - x_i|` in equation 3;
:math:`\gamma` is the decoded curve there, and the unknowns are the latents.

Everything here takes callables: a generator is any ``(N, D) -> (N, ...)``, whose trailing dimensions are flattened for
norms, and an index is a `RealismIndex` or any ``z -> log(alpha * ri(z))``. The argument ``embed`` says in which space
lengths are measured: None for the generator's output, ``"latent"`` for the latents themselves (the literal reading of
equation 3; the generator is not called), or a callable that maps the generator's output to features.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Literal, SupportsIndex

import torch
from jaxtyping import Float
from torch import Tensor

from ._batching import blocks
from ._validate import check_points, check_polylines, whole_number
from .callables import any_precision, in_weights_dtype, lacks_rule, leaf_and_view, without_autocast
from .curves import spaced
from .errors import InputError
from .index import PriorIndex, as_log_index

__all__ = [
    "ABOVE",
    "Embed",
    "Generator",
    "Index",
    "chords",
    "cost",
    "decode",
    "decoded_chords",
    "energy",
    "even_in_data",
    "jacobian_products",
    "length",
    "mean_prices",
    "metric_tensor",
    "points_to_data",
    "prices",
    "pushforward",
    "times",
]

Generator = Callable[[Tensor], Tensor]
"""Latents ``(N, D)`` to data ``(N, ...)``, each point on its own, deterministic and differentiable."""

Index = PriorIndex | Callable[[Tensor], Tensor]
"""A `RealismIndex`, another `PriorIndex`, or any callable ``(..., D) -> (...)`` that gives ``log(alpha * ri)``."""

ABOVE = 1e-6
"""A log index may exceed 0, which it never should, by this much: rounding."""

Embed = Callable[[Tensor], Tensor] | Literal["latent"] | None
"""The space in which lengths are measured: None (data), "latent", or a map from data to features."""


def points_to_data(generator: Generator, embed: Embed = None) -> Callable[[Tensor], Tensor]:
    """The map ``(N, D) -> (N, M)`` whose output lengths are measured in: generator, then ``embed``, then flattened.

    What comes out is in the latents' dtype, whatever the generator computes in. A network in half precision is given
    latents in its own dtype, and half-precision data reach ``embed`` in the latents' dtype.

    Raises:
        InputError: ``embed`` is neither None, "latent", nor callable.
    """
    if embed is None:
        decode = in_weights_dtype(generator)
        return lambda z: decode(z).flatten(1).to(z.dtype)
    if isinstance(embed, str):
        if embed != "latent":
            raise InputError(f'embed must be None, "latent" or a callable from data to features, got {embed!r}')
        return lambda z: z
    if not callable(embed):
        raise InputError(
            f'embed must be None, "latent" or a callable from data to features, got {type(embed).__name__}'
        )
    data, features = any_precision(generator), in_weights_dtype(embed)
    return lambda z: features(data(z)).flatten(1).to(z.dtype)


def decode(
    latents: Float[Tensor, "*batch D"], generator: Generator, embed: Embed = None, max_points: int | None = None
) -> Float[Tensor, "*batch M"]:
    """Latents ``(..., D)`` to points ``(..., M)`` of the space in which lengths are measured."""
    to_data, flat = points_to_data(generator, embed), latents.reshape(-1, latents.shape[-1])
    data = torch.cat([to_data(flat[block]) for block in blocks(len(flat), max_points)])
    return data.reshape(*latents.shape[:-1], -1)


def chords(data: Float[Tensor, "*batch P M"]) -> Float[Tensor, "*batch K"]:
    """The distance ``(..., K)`` of consecutive points; its gradient at distance 0 is 0."""
    square = data.diff(dim=-2).square().sum(-1)
    still = square == 0
    return torch.where(still, 0, torch.where(still, 1, square).sqrt())


def decoded_chords(
    latents: Float[Tensor, "*batch P D"], generator: Generator, embed: Embed = None, max_points: int | None = None
) -> Float[Tensor, "*batch K"]:
    """The numbers of ``chords(decode(...))``, holding no more than ``max_points`` decoded points at a time."""
    if latents.numel() == 0:
        return latents.new_zeros(*latents.shape[:-2], latents.shape[-2] - 1)
    to_data, flat = points_to_data(generator, embed), latents.reshape(-1, latents.shape[-1])
    sizes, last = [], None
    for block in blocks(len(flat), max_points):
        data = to_data(flat[block])
        sizes.append(chords(data if last is None else torch.cat([last, data])))
        last = data[-1:].clone()  # a view would keep the whole block
    # of all points in a row: also from the end of one polyline to the start of the next, which nobody asked for
    size = torch.nn.functional.pad(torch.cat(sizes), (0, 1))
    return size.reshape(latents.shape[:-1])[..., :-1]


def prices(log_index: Float[Tensor, "*batch P"]) -> Float[Tensor, "*batch K"]:
    r"""The price :math:`\bar w_i` of each segment, ``(..., K)``, from the log index at its ends (equation 3)."""
    return math.log(2) - torch.logaddexp(log_index[..., :-1], log_index[..., 1:])


def mean_prices(log_index: Float[Tensor, "*batch P"], cells: int) -> Float[Tensor, "*batch K"]:
    """The mean price of every ``cells`` steps of a fine grid of points, by the trapezoidal rule on the price itself.

    Unlike `prices` it is infinite where a single point lies where the index is 0, and of second order elsewhere.
    """
    mean: Tensor = -(0.5 * (log_index[..., 1:] + log_index[..., :-1])).unflatten(-1, (-1, cells)).mean(-1)
    return mean


def times(price: Tensor, size: Tensor) -> Tensor:
    """``price * size``, where standing still is free even where the price is infinite."""
    return torch.where(size == 0, 0, price) * size


@without_autocast()
def energy(
    latents: Float[Tensor, "*batch P D"],
    generator: Generator,
    index: Index,
    *,
    embed: Embed = None,
    max_points: int | None = None,
) -> Float[Tensor, "*batch"]:
    r"""The energy of a polyline, :math:`E = \frac12 K \sum_i \bar w_i^2 |G(x_{i+1}) - G(x_i)|^2` (paper, equation 3).

    Args:
        latents: ``(..., K+1, D)``.
        generator: ``(N, D) -> (N, ...)``.
        index: a `RealismIndex`, or a callable ``(..., D) -> (...)`` that gives ``log(alpha * ri)``.
        embed: the space in which lengths are measured (see `latentpath.energy`).
        max_points: the most points the generator is given in one call; None for all at once.

    Returns:
        ``(...)``, in squared units of the measured space; differentiable in ``latents``; infinite where a whole
        segment lies where the index is 0.

    Raises:
        InputError: latents of another shape or type, or without a segment.

    Example:
        >>> import torch, latentpath as lp
        >>> line = lp.lerp(torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64), segments=10)
        >>> round(float(lp.energy(line, lambda z: 3 * z, lambda z: -torch.ones(z.shape[:-1], dtype=z.dtype))), 6)
        9.0
    """
    check_polylines("latents", latents)
    if latents.numel() == 0:
        return latents.sum((-2, -1))
    square = decode(latents, generator, embed, max_points).diff(dim=-2).square().sum(-1)
    price = prices(as_log_index(index)(latents))
    return 0.5 * square.shape[-1] * times(price.square(), square).sum(-1)


@without_autocast()
def cost(
    latents: Float[Tensor, "*batch P D"],
    generator: Generator,
    index: Index,
    *,
    embed: Embed = None,
    max_points: int | None = None,
) -> Float[Tensor, "*batch"]:
    r"""The cost of a polyline at its own points, :math:`\sum_i \bar w_i |G(x_{i+1}) - G(x_i)|` (paper, Definition 2).

    It tends to :math:`-\log ri(\gamma)` as K grows, and knows nothing of what lies between the points: use `audit`
    for the cost of the polyline itself. Arguments and errors as for `energy`; returns ``(...)`` in units of the
    measured space.

    Example:
        >>> import torch, latentpath as lp
        >>> line = lp.lerp(torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64), segments=10)
        >>> round(float(lp.cost(line, lambda z: 3 * z, lambda z: -torch.ones(z.shape[:-1], dtype=z.dtype))), 6)
        4.242641
    """
    check_polylines("latents", latents)
    if latents.numel() == 0:
        return latents.sum((-2, -1))
    size = chords(decode(latents, generator, embed, max_points))
    return times(prices(as_log_index(index)(latents)), size).sum(-1)


@without_autocast()
def length(
    latents: Float[Tensor, "*batch P D"],
    generator: Generator,
    *,
    embed: Embed = None,
    max_points: int | None = None,
) -> Float[Tensor, "*batch"]:
    r"""The length of the decoded polyline at its own points, :math:`\sum_i |G(x_{i+1}) - G(x_i)|`.

    Arguments and errors as for `energy`; returns ``(...)`` in units of the measured space.

    Example:
        >>> import torch, latentpath as lp
        >>> float(lp.length(lp.lerp(torch.zeros(2), torch.tensor([3.0, 4.0])), lambda z: 2 * z))
        10.0
    """
    check_polylines("latents", latents)
    if latents.numel() == 0:
        return latents.sum((-2, -1))
    return chords(decode(latents, generator, embed, max_points)).sum(-1)


@torch.no_grad()
@without_autocast()
def even_in_data(
    latents: Float[Tensor, "*batch P D"], generator: Generator, frames: SupportsIndex, *, max_points: int | None = None
) -> Float[Tensor, "*batch Q D"]:
    """``frames`` points along any polyline whose decoded points are evenly spaced along the decoded curve: for a film.

    A solved path has constant speed in the metric instead (`latentpath.Path.at` has both). Every segment is cut into
    eight, and the curve taken as straight in between: where it leaps within an eighth, so do the frames.

    Args:
        latents: ``(..., K+1, D)``.
        generator: ``(N, D) -> (N, ...)``.
        frames: how many, endpoints included; these are bit-identical.
        max_points: the most points the generator is given in one call; None for all at once.

    Returns:
        Latents ``(..., frames, D)``.

    Raises:
        InputError: ``frames < 2``, or latents of another shape or type.

    Example:
        >>> import torch
        >>> from latentpath.energy import even_in_data
        >>> line = torch.linspace(0, 1, 51)[:, None]
        >>> even_in_data(line, lambda z: z**2, frames=5).square().flatten()
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    check_polylines("latents", latents)
    count = whole_number("frames", frames, 2, advice="A curve has two ends.")
    return spaced(latents, count, lambda fine: decoded_chords(fine, generator, None, max_points))


def pushforward(to_data: Callable[[Tensor], Tensor], points: Tensor, tangents: Tensor) -> Tensor:
    r"""The directional derivatives :math:`J(z)\,v`: points and tangents ``(N, D)`` to ``(N, M)``, no graph kept.

    Forward-mode where every operation of the generator has it; otherwise two backward passes (the derivative of the
    vector-Jacobian product, which is linear in its vector); where there is no second one, central differences. Errors
    of other kinds reach the caller, see `latentpath.callables.lacks_rule`.
    """
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*torch.jit.script", DeprecationWarning)  # torch's own, on first use
            moved: Tensor = torch.func.jvp(to_data, (points,), (tangents,))[1]
            return moved
    except (RuntimeError, ValueError) as error:
        if not lacks_rule(error):
            raise
    try:
        with torch.enable_grad():
            leaf, view = leaf_and_view(points)
            data = to_data(view)
            probe = torch.zeros_like(data, requires_grad=True)
            (pulled,) = torch.autograd.grad(data, leaf, probe, create_graph=True)
            pushed: Tensor = torch.autograd.grad(pulled, probe, tangents)[0].detach()
            return pushed
    except (RuntimeError, ValueError) as error:
        if not lacks_rule(error):
            raise
        step = torch.finfo(points.dtype).eps ** (1 / 3) * points.norm(dim=-1, keepdim=True).clamp_min(1)
        step = step / tangents.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(points.dtype).tiny)
        with torch.no_grad():
            slope: Tensor = (to_data(points + step * tangents) - to_data(points - step * tangents)) / (2 * step)
            return slope


def jacobian_products(
    to_data: Callable[[Tensor], Tensor], points: Tensor, tangents: Tensor, max_points: int | None = None
) -> tuple[Tensor, int]:
    r"""Several directional derivatives :math:`J(z)\,v` at every point: ``(N, D)`` and ``(N, r, D)`` to ``(N, r, M)``.

    Where the generator can be vectorised over tangents, the points themselves are decoded once for all of them. Also
    returns what it cost, in forward passes of each point.
    """
    count = tangents.shape[1]

    def push(z: Tensor, v: Tensor) -> Tensor:
        moved: Tensor = torch.func.vmap(lambda one: torch.func.jvp(to_data, (z,), (one,))[1], 1, 1)(v)
        return moved

    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*torch.jit.script", DeprecationWarning)  # torch's own, on first use
            size = None if max_points is None else max(1, max_points // count)
            return torch.cat([push(points[block], tangents[block]) for block in blocks(len(points), size)]), 2 + count
    except (RuntimeError, ValueError) as error:
        if not lacks_rule(error):
            raise
    every = points.repeat_interleave(count, 0), tangents.flatten(0, 1)
    moved = [pushforward(to_data, every[0][block], every[1][block]) for block in blocks(len(every[0]), max_points)]
    return torch.cat(moved).unflatten(0, (len(points), count)), 3 * count


@without_autocast()
def metric_tensor(
    points: Float[Tensor, "*batch D"],
    generator: Generator,
    index: Index,
    *,
    embed: Embed = None,
    max_points: int | None = None,
) -> Float[Tensor, "*batch D D"]:
    r"""The metric :math:`A_z = \log^2(\alpha\, ri(z))\, J(z)^T J(z)` of Theorem 1.

    Computed from D directional derivatives. No graph is kept.

    Args:
        points: ``(..., D)``.
        generator: ``(N, D) -> (N, ...)``.
        index: a `RealismIndex`, or a callable that gives ``log(alpha * ri)``.
        embed: the space in which lengths are measured.
        max_points: the most points the generator is given in one call; None for all at once.

    Returns:
        ``(..., D, D)``, symmetric and positive semi-definite.

    Raises:
        InputError: points of another shape or type.

    Example:
        >>> import torch, latentpath as lp
        >>> lp.metric_tensor(torch.zeros(2), lambda z: 3 * z, lambda z: -2 * torch.ones(z.shape[:-1]))
        tensor([[36.,  0.],
                [ 0., 36.]])
    """
    check_points("points", points)
    if points.numel() == 0:
        return points.new_zeros(*points.shape, points.shape[-1])
    to_data, flat = points_to_data(generator, embed), points.detach().reshape(-1, points.shape[-1])
    axes = torch.eye(flat.shape[-1], dtype=flat.dtype, device=flat.device)
    pulled = []
    for block in blocks(len(flat), max_points):
        z = flat[block]
        jacobian, _ = jacobian_products(to_data, z, axes.expand(len(z), -1, -1), max_points)
        pulled.append(jacobian @ jacobian.mT)
    with torch.no_grad():
        square = as_log_index(index)(points).square()
    return square[..., None, None] * torch.cat(pulled).reshape(*points.shape, points.shape[-1])
