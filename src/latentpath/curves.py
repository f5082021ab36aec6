r"""Polylines in the latent space: the two baselines, and points along a curve.

A *polyline* is a tensor ``(..., K+1, D)``: K segments, the first and last point its endpoints. The baselines are the
straight line :math:`(1-t)a + tb` and the spherical one, which turns the direction at constant angular speed (Shoemake
1985, "Animating Rotation with Quaternion Curves"; for latents White 2016, "Sampling Generative Networks").
"""

from collections.abc import Callable
from typing import Any, SupportsIndex

import torch
from jaxtyping import Float
from torch import Tensor

from ._validate import check_pair, check_points, whole_number

__all__ = ["arc_length", "at_arc", "even_arc", "lerp", "slerp", "spaced", "subdivide"]

_FINE = 8
"""The parts of a segment in which points are placed along it."""


def _parameters(start: Tensor, end: Tensor, segments: SupportsIndex) -> Tensor:
    check_points("start", start)
    check_points("end", end)
    check_pair(start, end)
    count = whole_number("segments", segments, 1)
    return torch.linspace(0, 1, count + 1, dtype=start.dtype, device=start.device)[:, None]


def lerp(start: Tensor, end: Tensor, segments: SupportsIndex = 50) -> Tensor:
    r"""The straight line :math:`x_i = (1 - i/K)\,a + (i/K)\,b`, the paper's initial path (Section 5).

    Args:
        start: ``a``, ``(..., D)``.
        end: ``b``, ``(..., D)``; leading dimensions broadcast.
        segments: ``K``.

    Returns:
        ``(..., K+1, D)``; its first and last points are bit-identical to the endpoints.

    Raises:
        InputError: shapes, dtypes or devices disagree, or ``segments < 1``.

    Example:
        >>> import torch, latentpath as lp
        >>> lp.lerp(torch.zeros(2), torch.tensor([1.0, 2.0]), segments=2)
        tensor([[0.0000, 0.0000],
                [0.5000, 1.0000],
                [1.0000, 2.0000]])
    """
    t = _parameters(start, end, segments)
    start, end = torch.broadcast_tensors(start, end)
    return torch.lerp(start[..., None, :], end[..., None, :], t)


def slerp(start: Tensor, end: Tensor, segments: SupportsIndex = 50) -> Tensor:
    r"""The spherical line: directions turn at constant angular speed, norms change linearly.

    With :math:`u` the direction of ``a``, :math:`\omega` the angle between the endpoints, and :math:`v` the unit vector
    orthogonal to :math:`u` in their plane,

    .. math:: x(t) = \bigl((1-t)|a| + t|b|\bigr)\,\bigl(\cos(t\omega)\,u + \sin(t\omega)\,v\bigr).

    For equal norms this is Shoemake's formula. Parallel vectors give the straight line; opposite ones a half circle
    through a fixed orthogonal direction (the axis with the smallest entry of :math:`u`, made orthogonal); where an
    endpoint is zero it has no direction, and the line is straight.

    Args:
        start: ``a``, ``(..., D)``.
        end: ``b``, ``(..., D)``; leading dimensions broadcast.
        segments: ``K``.

    Returns:
        ``(..., K+1, D)``; its first and last points are bit-identical to the endpoints.

    Raises:
        InputError: as for `lerp`.

    Example:
        >>> import torch, latentpath as lp
        >>> lp.slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), segments=2)[1]
        tensor([0.7071, 0.7071])
    """
    t = _parameters(start, end, segments)
    start, end = torch.broadcast_tensors(start, end)
    a, b = start[..., None, :], end[..., None, :]
    norm_a, norm_b = _norm(a), _norm(b)
    tiny = torch.finfo(start.dtype).tiny
    u, u_end = a / norm_a.clamp_min(tiny), b / norm_b.clamp_min(tiny)
    cosine = (u * u_end).sum(-1, keepdim=True)
    across = u_end - cosine * u
    sine = across.norm(dim=-1, keepdim=True)
    angle = torch.atan2(sine, cosine)  # accurate at 0 and at pi, where acos is not
    axis = torch.nn.functional.one_hot(u.abs().argmin(-1), u.shape[-1]).to(u)
    aside = axis - (axis * u).sum(-1, keepdim=True) * u
    # below this the direction of `across` is rounding noise
    flat = sine <= 8 * torch.finfo(start.dtype).eps
    v = torch.where(flat, aside / aside.norm(dim=-1, keepdim=True).clamp_min(tiny), across / sine.clamp_min(tiny))
    direction = torch.cos(t * angle) * u + torch.sin(t * angle) * v
    curved = torch.lerp(norm_a, norm_b, t) * direction
    straight = torch.lerp(a, b, t)
    no_turn = (norm_a == 0) | (norm_b == 0) | (flat & (cosine > 0)) | (aside.norm(dim=-1, keepdim=True) == 0)
    points = torch.where(no_turn, straight, curved)
    return torch.cat([a, points[..., 1:-1, :], b], dim=-2)


def _norm(v: Tensor) -> Tensor:
    """Computes the norm ``(..., 1)`` without overflow or underflow."""
    largest = v.abs().amax(-1, keepdim=True)
    norm: Tensor = largest * (v / torch.where(largest > 0, largest, 1)).norm(dim=-1, keepdim=True)
    return norm


def subdivide(latents: Float[Tensor, "*batch P D"], parts: int) -> Float[Tensor, "*batch Q D"]:
    """Returns the same polyline with every segment cut into ``parts`` equal ones: ``(..., K * parts + 1, D)``."""
    t = torch.arange(parts, dtype=latents.dtype, device=latents.device)[:, None] / parts
    cut = torch.lerp(latents[..., :-1, None, :], latents[..., 1:, None, :], t)
    return torch.cat([cut.flatten(-3, -2), latents[..., -1:, :]], dim=-2)


def arc_length(steps: Float[Tensor, "*batch K"]) -> Float[Tensor, "*batch P"]:
    """Computes the arc length ``(..., K+1)`` at every point, from 0, given the length ``(..., K)`` of every segment."""
    return torch.nn.functional.pad(steps.cumsum(-1), (1, 0))


def even_arc(arc: Float[Tensor, "*batch P"], points: int) -> Float[Tensor, "*batch Q"]:
    """Returns ``points`` evenly spaced arc lengths ``(..., points)`` from 0 to the last entry of ``arc``."""
    t = torch.linspace(0, 1, points, dtype=arc.dtype, device=arc.device)
    return arc[..., -1:] * t


def at_arc(
    latents: Float[Tensor, "*batch P D"], arc: Float[Tensor, "*batch P"], targets: Float[Tensor, "*batch Q"]
) -> Float[Tensor, "*batch Q D"]:
    """Computes the points of a polyline at the arc lengths ``targets``, linear within each segment.

    ``arc`` must not decrease. Where it does not grow at all (both endpoints the same) its points count as evenly
    spaced.
    """
    still = arc[..., -1:] <= 0
    arc = torch.where(still, torch.linspace(0, 1, arc.shape[-1], dtype=arc.dtype, device=arc.device), arc)
    even = torch.linspace(0, 1, targets.shape[-1], dtype=arc.dtype, device=arc.device)
    targets = torch.where(still, even, targets)
    right = torch.searchsorted(arc.contiguous(), targets.contiguous(), right=True).clamp(1, arc.shape[-1] - 1)
    low, high = arc.gather(-1, right - 1), arc.gather(-1, right)
    t = ((targets - low) / (high - low).clamp_min(torch.finfo(arc.dtype).tiny)).clamp(0, 1)[..., None]

    def at(i: Tensor) -> Tensor:
        return latents.gather(-2, i[..., None].expand(*i.shape, latents.shape[-1]))

    return torch.lerp(at(right - 1), at(right), t)


def spaced(
    latents: Float[Tensor, "*batch P D"], points: int, steps: Callable[[Tensor], Tensor]
) -> Float[Tensor, "*batch Q D"]:
    """Computes ``points`` points along a polyline, ``(..., points, D)``, evenly spaced by the lengths of ``steps``.

    Args:
        latents: ``(..., K+1, D)``.
        points: their number, endpoints included; these are bit-identical.
        steps: the lengths ``(..., L)`` of the segments of a polyline ``(..., L+1, D)``: it is given this one, every
            segment cut into eight.

    Example:
        >>> import torch
        >>> from latentpath.curves import spaced
        >>> bent = torch.tensor([[0.0], [1.0], [4.0]])
        >>> spaced(bent, 5, lambda fine: fine.diff(dim=-2).norm(dim=-1)).flatten()
        tensor([0., 1., 2., 3., 4.])
    """
    fine = subdivide(latents, _FINE)
    arc = arc_length(steps(fine))
    inner = at_arc(fine, arc, even_arc(arc, points))[..., 1:-1, :]
    return torch.cat([latents[..., :1, :], inner, latents[..., -1:, :]], dim=-2)


def resampled(latents: Float[Tensor, "B P D"], segments: int) -> Float[Tensor, "B Q D"]:
    """Returns polylines ``(B, K+1, D)`` with ``segments`` segments, at evenly spaced indices; the ends are copied."""
    options: dict[str, Any] = {"dtype": latents.dtype, "device": latents.device}
    index = torch.arange(latents.shape[1], **options).expand(latents.shape[:2])
    targets = torch.linspace(0, latents.shape[1] - 1, segments + 1, **options).expand(len(latents), -1)
    points = at_arc(latents, index, targets)
    return torch.cat([latents[:, :1], points[:, 1:-1], latents[:, -1:]], dim=1)
