r"""The paper's formulas on polylines: discrete energy, discrete cost, length.

For a curve :math:`\gamma` in the latent space, a generator :math:`G` and a realism index :math:`ri`, scaled by
:math:`\alpha \in (0, 1]`, a unit of data-space length at :math:`z` has the *price*

.. math:: w(z) = -\log(\alpha\, ri(z)) \ge 0,

and the curve the *cost* :math:`\int w(\gamma)\,|(G\gamma)'|\,dt = -\log ri(\gamma)` (Definition 2). By Theorem 1 this
is its length in the metric :math:`A_z = w(z)^2 J(z)^T J(z)` with :math:`J = dG/dz`. Its *energy* is
:math:`\tfrac12 \int w(\gamma)^2 |(G\gamma)'|^2\,dt` (equation 2); on a polyline of K segments that becomes, normalised
so that it does not depend on K (equation 3),

.. math::
    E = \tfrac12 K \sum_i \bar w_i^2\, |G(x_{i+1}) - G(x_i)|^2, \qquad
    \bar w_i = -\log\bigl(\alpha\,\tfrac{ri(x_i) + ri(x_{i+1})}{2}\bigr).

Cauchy and Schwarz: :math:`\sqrt{2E} \ge \sum_i \bar w_i |G(x_{i+1}) - G(x_i)|`, equal at constant speed, which a
minimum has; there :math:`2E \to cost^2` as K grows. The paper's text writes :math:`|x_{i+1} - x_i|` in equation 3;
:math:`\gamma` is the decoded curve there, and the unknowns are the latents.

Everything here takes callables: a generator is any ``(N, D) -> (N, ...)``, and an index is a `RealismIndex` or any
``z -> log(alpha * ri(z))``; ``embed`` chooses the space in which lengths are measured (see `latentpath.decoding`).
"""

from __future__ import annotations

from typing import SupportsIndex

import torch
from jaxtyping import Float
from torch import Tensor

from ._validate import check_polylines, whole_number
from .callables import without_autocast
from .curves import spaced
from .decoding import Embed, Generator, chords, decode, decoded_chords
from .segment_cost import Index, SegmentCost

__all__ = ["discrete_cost", "energy", "even_in_data", "length"]


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
        embed: the space in which lengths are measured (see `latentpath.decoding`).
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
    segment_cost = SegmentCost.of(generator, index, embed, max_points).discrete(latents)
    return 0.5 * segment_cost.shape[-1] * segment_cost.square().sum(-1)


@without_autocast()
def discrete_cost(
    latents: Float[Tensor, "*batch P D"],
    generator: Generator,
    index: Index,
    *,
    embed: Embed = None,
    max_points: int | None = None,
) -> Float[Tensor, "*batch"]:
    r"""The discrete cost of a polyline, :math:`\sum_i \bar w_i |G(x_{i+1}) - G(x_i)|` (paper, Definition 2).

    It tends to :math:`-\log ri(\gamma)` as K grows, and ignores the polyline between its points: use `audit`
    for the cost of the polyline itself. Arguments and errors as for `energy`; returns ``(...)`` in units of the
    measured space.

    Example:
        >>> import torch, latentpath as lp
        >>> line = lp.lerp(torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64), segments=10)
        >>> round(float(lp.discrete_cost(line, lambda z: 3 * z, lambda z: -torch.ones(z.shape[:-1], dtype=z.dtype))), 6)
        4.242641
    """
    check_polylines("latents", latents)
    if latents.numel() == 0:
        return latents.sum((-2, -1))
    return SegmentCost.of(generator, index, embed, max_points).discrete(latents).sum(-1)


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
    """Computes ``frames`` points along any polyline that are evenly spaced along the decoded curve, as for a film.

    A solved path has constant speed in the metric instead (`latentpath.Path.at` has both). Every segment is cut into
    eight parts with a straight curve between, so that frames jump where the curve jumps within a part.

    Args:
        latents: ``(..., K+1, D)``.
        generator: ``(N, D) -> (N, ...)``.
        frames: the number of points, endpoints included, which are bit-identical.
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
