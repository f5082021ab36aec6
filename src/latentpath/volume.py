r"""The log-volume of a generator: the logarithm of the factor by which it stretches volumes of latents.

With the Jacobian :math:`J = dG/dz`, ``(M, D)``, a small piece of the latent space of volume 1 becomes a piece of the
image of G of D-dimensional volume :math:`\sqrt{\det J^T J}`. Generators squeeze some directions to almost nothing, and
all of them where they have fewer outputs than latents; so the log-volume has a ridge,

.. math:: V(z) = \tfrac12 \log\det\bigl(J^T J + \epsilon c I\bigr), \qquad c = \tfrac1D \mathrm{tr}\, J^T J.

**The ridge.** It raises V by :math:`\tfrac12 \sum_i \log(1 + \epsilon c / \lambda_i)`, with :math:`\lambda_i` the
eigenvalues of :math:`J^T J`: by about :math:`D \epsilon / 2` for a conformal map, and by next to nothing while all of
them are well above :math:`\epsilon c`. A direction with a smaller eigenvalue counts as :math:`\epsilon c`, so that V is
finite wherever J is not 0, although :math:`\det J^T J` is 0 for a J of rank below D: with fewer outputs than latents,
or with dead latents. It keeps V's law under a scaling of the data, :math:`V_{sG} = V_G + D \log s`.

**Exact**, by D forward products at every point and a Cholesky factor of ``(D, D)``. Its gradient is reverse over
forward mode.

**By Lanczos**, for many latents. With probes :math:`v_p` (a random orthogonal frame, :math:`|v_p|^2 = D`),
:math:`\mathrm{tr} \log A` is the mean of :math:`v_p^T (\log A) v_p`; k products :math:`J^T J v` give a tridiagonal
matrix T whose eigenvalues :math:`\theta_i` and vectors :math:`s_i` are the nodes and weights of a Gauss quadrature,

.. math:: v^T \log(J^T J + \epsilon c I)\, v \approx D \sum_i s_{i1}^2 \log(\theta_i + \epsilon c), \qquad
          c \approx \text{mean of } T_{11}.

The mean over probes is an unbiased estimate of V, but for the quadrature and for the noise of c in the ridge. Probes of
a frame are a sample without replacement, so the variance of the mean of P of them is
:math:`\tfrac{s^2}{P} (1 - \tfrac PD)`, and D probes are exact. The probes come from a seed and are the same at every
point, so that the estimate is a deterministic, smooth function; its error varies little between neighbours. Its
gradient follows from the derivative of the matrix function within the Krylov space,

.. math:: d\,(v^T \log(A)\, v) = \sum_{ij} a_i a_j \frac{\log t_i - \log t_j}{t_i - t_j}\, u_i^T\, dA\, u_j, \qquad
          t_i = \theta_i + \epsilon c,

(:math:`u_i` Ritz vectors, :math:`a_i = u_i^T v`), that is from derivatives of at most D products :math:`J u`.

**Flows** know their log-determinant. A generator with a method ``log_volume``, latents ``(N, D)`` to ``(N,)``, is asked
for it, and neither products nor a ridge are needed; the flows of `latentpath.adapters.zuko_flow` have one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ._batching import in_blocks
from ._random import seeded
from ._validate import SEED, check_points, describe, real_number, whole_number
from .callables import any_precision, in_weights_dtype, without_autocast
from .errors import InputError
from .jacobian import jacobian_products
from .lanczos import lanczos_log_volume
from .probe import check_callable

__all__ = ["estimate_log_volume", "log_volume"]

METHODS = ("auto", "exact", "lanczos")
_EXACT = 128  # the most latents for which "auto" is exact: at D = 100 it is cheaper than the estimate
_CPU_POINTS, _GPU_POINTS = 128, 4096  # tangents at once: on a CPU more are slower, by the caches


def log_volume(
    points: Tensor,
    generator: Callable[[Tensor], Tensor],
    *,
    ridge: float | int = 1e-3,
    method: str = "auto",
    probes: int = 8,
    steps: int = 16,
    seed: int = 0,
    max_points: int | None = None,
) -> Tensor:
    r"""Computes the log-volume of a generator: the logarithm of the factor by which it stretches volumes.

    .. math:: V(z) = \tfrac12 \log\det\bigl(J^T J + \epsilon c I\bigr), \qquad J = \frac{dG}{dz},\quad
              c = \tfrac1D \mathrm{tr}\, J^T J

    It can be differentiated in ``points``, twice where it is exact, once by Lanczos. Directions that the generator
    squeezes below the ridge count as the ridge; where all of J is 0, the log-volume is minus infinity.

    Args:
        points: latents ``(..., D)``.
        generator: latents ``(N, D)`` to data ``(N, ...)``, each point on its own; a module must be in eval mode. With
            a method ``log_volume``, ``(N, D) -> (N,)``, it is asked for its own, by ``method="auto"``.
        ridge: :math:`\epsilon`, without a unit, of at least 0; 0 gives minus infinity where J has a rank below D.
        method: ``"exact"``, from D forward products at every point; ``"lanczos"``, an estimate from
            ``probes * steps`` forward and as many transposed products, which is cheaper where D is larger than their
            number; ``"auto"``, the generator's own where it has one, else exact up to D = 128 and by Lanczos beyond.
        probes: the number of probes of the estimate, at least 2; all D are used where D is less.
        steps: the number of products :math:`J^T J v` for a probe, at least 1; at most D.
        seed: the seed of the probes, which are the same at every point.
        max_points: the most latents times directions that the generator is given at once, or all D directions of one
            latent; None for 128 on a CPU and 4,096 elsewhere.

    Returns:
        ``(...)``, in nats, in the dtype of ``points``. NaN where ``points`` are NaN.

    Raises:
        InputError: an argument is not as above.
        GeneratorError: the generator is in training mode.

    Source: not in the paper; the change of variables, on the image of G. Lanczos: Ubaru, Chen and Saad (2017).

    Example:
        >>> import torch, latentpath as lp
        >>> lp.log_volume(torch.zeros(2), lambda z: z @ torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 3.0]]), ridge=0)
        tensor(1.7918)
    """
    return estimate_log_volume(
        points,
        generator,
        ridge=ridge,
        method=method,
        probes=probes,
        steps=steps,
        seed=seed,
        max_points=max_points,
    )[0]


@without_autocast()
def estimate_log_volume(
    points: Tensor,
    generator: Callable[[Tensor], Tensor],
    *,
    ridge: float | int = 1e-3,
    method: str = "auto",
    probes: int = 8,
    steps: int = 16,
    seed: int = 0,
    max_points: int | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Computes the log-volume of a generator, and its standard error.

    The error is that of the mean over the probes, and 0 where the log-volume is exact. It does not see the error of the
    quadrature, which falls geometrically with ``steps``.

    Args:
        points: as for `log_volume`, like all other arguments.
        generator: latents ``(N, D)`` to data ``(N, ...)``.
        ridge: :math:`\epsilon`, of at least 0.
        method: ``"auto"``, ``"exact"`` or ``"lanczos"``.
        probes: the number of probes of the estimate.
        steps: the number of products for a probe.
        seed: the seed of the probes.
        max_points: the most latents times directions at once.

    Returns:
        The log-volume ``(...)`` and its standard error ``(...)``, which has no gradient.

    Raises:
        InputError: as for `log_volume`.

    Source: as for `log_volume`.

    Example:
        >>> import torch, latentpath as lp
        >>> z = torch.zeros(200, dtype=torch.float64)
        >>> value, error = lp.estimate_log_volume(z, lambda z: z * torch.arange(1, 201))
        >>> exact = lp.log_volume(z, lambda z: z * torch.arange(1, 201), method="exact")
        >>> bool((value - exact).abs() < 3 * error)
        True
    """
    check_points("points", points)
    check_callable("generator", generator)
    ridge = real_number("ridge", ridge, least=0, below=float("inf"), advice="1e-3 is a good choice.")
    probes = whole_number("probes", probes, 2, advice="8 is a good choice.")
    steps, seed = whole_number("steps", steps, 1, advice="16 is a good choice."), whole_number("seed", seed, 0, SEED)
    at_once = _CPU_POINTS if points.device.type == "cpu" else _GPU_POINTS
    if max_points is not None:
        at_once = whole_number("max_points", max_points, 1)
    dim, flat = points.shape[-1], points.reshape(-1, points.shape[-1])
    method = _resolved(method, generator, dim)
    error = torch.zeros_like(flat[:, 0]).detach()
    if flat.shape[0] == 0:
        value = flat.sum(-1)
    elif method == "own":
        value = _own(generator, flat)
    elif method == "exact":
        to_data = _flattened(generator)
        value = in_blocks(lambda z: _exact(to_data, z, ridge), flat, max(1, at_once // dim))
    else:
        frame = _frame(min(probes, dim), flat, seed)
        value, error = lanczos_log_volume(_flattened(generator), flat, frame, min(steps, dim), ridge, at_once)
    if flat.requires_grad and not value.requires_grad:
        value = value + (0 * flat.clamp(-1, 1)).sum(-1)  # constant, as that of a linear generator
    return value.reshape(points.shape[:-1]), error.reshape(points.shape[:-1])


def is_estimated(method: str, generator: Callable[[Tensor], Tensor], dim: int) -> bool:
    """Returns True if `log_volume` is an estimate for this method, generator and number of latents."""
    return _resolved(method, generator, dim) == "lanczos"


def _resolved(method: str, generator: Callable[[Tensor], Tensor], dim: int) -> str:
    """Returns the way to the log-volume: "own", "exact" or "lanczos"."""
    if method not in METHODS:
        raise InputError(f"method must be one of {', '.join(map(repr, METHODS))}; got {describe(method)}.")
    if method != "auto":
        return method
    if callable(getattr(generator, "log_volume", None)):
        return "own"
    return "exact" if dim <= _EXACT else "lanczos"


def _own(generator: Any, points: Tensor) -> Tensor:
    """Asks the generator for its log-volume."""
    found = in_weights_dtype(generator.log_volume)(points)
    if not isinstance(found, Tensor) or found.shape != points.shape[:1] or not found.is_floating_point():
        raise InputError(
            f"generator.log_volume must map (N, D) to (N,), in floating point; got {describe(found)} for N = "
            f'{len(points)}. method="exact" does without it.'
        )
    return found.to(points.dtype)


def _flattened(generator: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Returns the generator with flat data ``(N, M)`` in the dtype of the latents."""
    decode = any_precision(generator)

    def to_data(points: Tensor) -> Tensor:
        data = decode(points)
        if not isinstance(data, Tensor) or data.shape[:1] != points.shape[:1] or not data.is_floating_point():
            raise InputError(
                "generator must map latents (N, D) to data (N, ...), a floating-point tensor; got "
                f"{describe(data)} for {tuple(points.shape)}."
            )
        return data.reshape(len(points), -1).to(points.dtype)

    return to_data


def _exact(to_data: Callable[[Tensor], Tensor], points: Tensor, ridge: float) -> Tensor:
    axes = torch.eye(points.shape[-1], dtype=points.dtype, device=points.device)
    directions, graph = axes.expand(len(points), -1, -1), torch.is_grad_enabled()
    jacobian, _ = jacobian_products(to_data, points, directions, create_graph=graph)
    wide = torch.float32 if points.device.type == "mps" else torch.float64
    square, unit = (jacobian @ jacobian.mT).to(wide), axes.to(wide)
    shifted = square + ridge * square.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None] * unit
    regular = torch.linalg.cholesky_ex(shifted.detach()).info == 0
    factor = torch.linalg.cholesky_ex(torch.where(regular[..., None, None], shifted, unit)).L
    value = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    finite = shifted.detach().isfinite().flatten(-2).all(-1)
    found: Tensor = torch.where(regular, value, torch.where(finite, -torch.inf, torch.nan)).to(points.dtype)
    return found


def _frame(count: int, like: Tensor, seed: int) -> Tensor:
    """Draws random orthonormal probes ``(count, D)``, the same in every dtype and on every device."""
    with seeded(seed):
        drawn = torch.randn(like.shape[-1], count, dtype=torch.float64)
    frame: Tensor = torch.linalg.qr(drawn).Q.mT.to(like)
    return frame
