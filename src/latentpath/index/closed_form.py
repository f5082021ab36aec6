"""From a prior to a rule: a map from latents, in the dtype and on the device of its tensors, to ``log ri``."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.distributions import (
    Distribution,
    Independent,
    LowRankMultivariateNormal,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    Uniform,
)

from latentpath._random import device_of, seeded
from latentpath.errors import InputError
from latentpath.priors import UniformBall, UniformBox, plateau

from .empirical_distribution import estimated
from .incomplete_gamma import NormalRule, gamma_table
from .prior_adapter import ForeignPrior, adapted, can_be_prior, draw
from .support import AnyDensity, anchor, lenient, unchanged

__all__ = ["Rule", "check_prior", "choose", "draw", "moved", "name_of"]


def check_prior(prior: Any) -> int:
    """The dimension of a prior, which must be over single vectors, and continuous."""
    if not can_be_prior(prior):
        raise InputError(f"prior must {_WANTED}; got {_shown(prior)}. {_advice(prior)}")
    prior = adapted(prior)
    batch, event = prior.batch_shape, prior.event_shape
    if _is_discrete(prior):
        raise InputError(
            f"prior must have a continuous density; got {name_of(prior)}, which is discrete. No path leads from one of "
            "its values to another: give the density of a relaxation, or of an embedding"
        )
    if tuple(batch) != () or len(event) != 1:
        shapes = f"batch_shape {tuple(batch)} and event_shape {tuple(event)}"
        if len(batch) + len(event) == 1:
            advice = f"make its coordinates one event with torch.distributions.Independent({name_of(prior)}(...), 1)"
        else:
            advice = "describe one latent vector, without a batch"
        raise InputError(f"prior must have batch_shape () and event_shape (D,), got {shapes}; {advice}")
    return int(event[0])


_WANTED = "be a torch.distributions.Distribution, or have log_prob: (N, D) -> (N,) and sample((N,)) -> (N, D)"


def _shown(prior: Any) -> str:
    """A value in an error: never the data themselves."""
    if isinstance(prior, Tensor):
        return f"a tensor {tuple(prior.shape)}"
    return f"the class {prior.__name__}" if isinstance(prior, type) else f"a {type(prior).__name__}"


def _advice(prior: Any) -> str:
    if type(prior).__module__.partition(".")[0] == "zuko":
        return "lp.adapters.zuko_prior(flow) makes one of a flow of zuko"
    return "lp.priors.fit makes one from samples"


def _is_discrete(prior: Any) -> bool:
    """Whether the support of a distribution, or of one that it is made of, is discrete."""
    if not isinstance(prior, Distribution):
        return False
    try:
        support: Any = prior.support
        if support.is_discrete:
            return True
    except (NotImplementedError, AttributeError):
        pass
    return any(_is_discrete(getattr(prior, name, None)) for name in ("base_dist", "component_distribution"))


def choose(prior: Any, dim: int, samples: int, seed: int) -> tuple[str, Rule]:
    """The kind of index and its rule in float64 on the prior's device."""
    core = prior = adapted(prior)
    while unchanged(core, Independent) and core.reinterpreted_batch_ndims == 0:
        core = core.base_dist
    if unchanged(core, MixtureSameFamily) and core.mixture_distribution.logits.numel() == 1:
        core = core.component_distribution  # a fitted mixture of one
    normal = _normal_form(core, dim)
    if normal is not None:
        return "normal", NormalRule(normal[0].flatten(), normal[1].reshape(normal[1].shape[-2:]), dim, gamma_table(dim))
    box = _as_box(core)
    if box is not None:
        return "uniform", _UniformRule(box)
    points = draw(prior, dim, samples, seed)
    with seeded(seed, device_of(prior)):
        density: Callable[[Tensor], Tensor] = AnyDensity(lenient(core), anchor(core), points.dtype, points.device)
    if unchanged(core, MixtureSameFamily):
        parts = _normal_form(core.component_distribution, dim)
        density = density if parts is None else _mixture(core, *parts)
    levels = density(points.to(torch.float64))
    if levels.shape != (samples,):
        raise InputError(f"prior.log_prob must map (N, D) to (N,), got {tuple(levels.shape)} for N = {samples}")
    if not bool(levels.isfinite().all()):
        bad = int((~levels.isfinite()).sum())
        raise InputError(
            f"prior.log_prob must be finite on the prior's own samples, but {bad} of {samples} values are NaN or "
            "infinite; make sample and log_prob agree"
        )
    if isinstance(core, ForeignPrior):
        _check_repeatable(core, points[:8])
    if float(levels.max() - levels.min()) <= 1e3 * torch.finfo(points.dtype).eps * (1 + float(levels.abs().max())):
        return "uniform", _FlatRule(density)
    return "kde", estimated(density, levels)


def _check_repeatable(prior: ForeignPrior, points: Tensor) -> None:
    """Refuse a log-density that is random, or depends on the other points of a batch."""
    first = prior.log_prob(points)
    each = torch.stack([prior.log_prob(point) for point in points.split(1)]).reshape(first.shape)
    spread = 1e-3 * (1 + float(first.abs().max()))
    if not bool(((first - each).abs() <= spread).logical_or(first.isnan()).all()):
        raise InputError(
            f"prior.log_prob must give each point one density, whatever its batch; that of {name_of(prior)} is random "
            "or couples the points. Call prior.eval() first"
        )


def _given(prior: Distribution, *names: str) -> tuple[str, Tensor]:
    """The parameter that the prior was made with, in float64; the others are derived from it, with its rounding."""
    name = next(name for name in vars(prior) if name in names)
    return name, getattr(prior, name).detach().to(torch.float64)


def _normal_form(prior: Any, dim: int) -> tuple[Tensor, Tensor] | None:
    r"""The mean and whitening of normals with batch shape () or (K,): ``|(z - mean) A|^2`` is Mahalanobis' distance.

    ``A`` is ``(..., D, D)``, or ``(..., 1, D)`` for a diagonal to multiply with; None if the prior is no normal.
    """
    while unchanged(prior, Independent) and prior.reinterpreted_batch_ndims == 0:
        prior = prior.base_dist
    if unchanged(prior, Independent) and unchanged(prior.base_dist, Normal) and prior.event_shape == (dim,):
        base = prior.base_dist
        return base.loc.detach().to(torch.float64), 1 / base.scale.detach().to(torch.float64)[..., None, :]
    if unchanged(prior, MultivariateNormal):
        name, matrix = _given(prior, "covariance_matrix", "scale_tril", "precision_matrix")
        mean = prior.loc.detach().to(torch.float64)
        if name == "precision_matrix":
            return mean, torch.linalg.cholesky(matrix)
        factor = torch.linalg.cholesky(matrix) if name == "covariance_matrix" else matrix
        eye = torch.eye(dim, dtype=torch.float64, device=mean.device)
        return mean, torch.linalg.solve_triangular(factor, eye, upper=False).mT
    if unchanged(prior, LowRankMultivariateNormal):
        # Sigma = S (I + V V^T) S with S = diag^(1/2): A = S^-1 (I - U diag(1 - (1 + s^2)^(-1/2)) U^T), V = U s R^T
        root = prior.cov_diag.detach().to(torch.float64).sqrt()
        left, s, _ = torch.linalg.svd(
            prior.cov_factor.detach().to(torch.float64) / root[..., None], full_matrices=False
        )
        shrink = (left * (1 - (1 + s**2).rsqrt())[..., None, :]) @ left.mT
        eye = torch.eye(dim, dtype=torch.float64, device=root.device)
        return prior.loc.detach().to(torch.float64), (eye - shrink) / root[..., None]
    return None


def _mixture(prior: Any, means: Tensor, whiten: Tensor) -> _MixtureDensity:
    name, value = _given(prior.mixture_distribution, "probs", "logits")
    weights = (value.log() if name == "probs" else value).log_softmax(-1)
    count, dim = means.shape
    middle = means.mean(0)
    if whiten.shape[-2] == 1:
        log_det = whiten.log().sum((-1, -2))
        matrix, shift = whiten[:, 0], (means - middle) * whiten[:, 0]
    else:
        log_det = torch.linalg.slogdet(whiten).logabsdet
        matrix = whiten.permute(1, 0, 2).reshape(dim, count * dim)
        shift = ((means - middle)[:, None] @ whiten)[:, 0]
    return _MixtureDensity(middle, matrix, shift, weights + log_det - dim / 2 * math.log(2 * math.pi))


def _as_box(prior: Any) -> UniformBall | UniformBox | None:
    if unchanged(prior, Independent) and unchanged(prior.base_dist, Uniform):
        prior = UniformBox(prior.base_dist.low, prior.base_dist.high)
    if unchanged(prior, UniformBall):
        return UniformBall(prior.radius.detach().to(torch.float64), prior.center.detach().to(torch.float64))
    if unchanged(prior, UniformBox):
        return UniformBox(prior.low.detach().to(torch.float64), prior.high.detach().to(torch.float64))
    return None


def moved(part: Any, dtype: torch.dtype, device: torch.device) -> Any:
    """A copy of a rule with all its tensors in ``dtype`` on ``device``."""
    if isinstance(part, Tensor):
        return part.to(device, dtype)
    if type(part) is UniformBall:
        return UniformBall(part.radius.to(device, dtype), part.center.to(device, dtype))
    if type(part) is UniformBox:
        return UniformBox(part.low.to(device, dtype), part.high.to(device, dtype))
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        fields = {field.name: moved(getattr(part, field.name), dtype, device) for field in dataclasses.fields(part)}
        return dataclasses.replace(part, **fields)
    return part


def name_of(prior: Any) -> str:
    """What to call a prior in a message."""
    if isinstance(prior, ForeignPrior):
        prior = prior.prior
    name = type(prior).__name__
    if type(prior) is Independent:
        return f"{name}({name_of(prior.base_dist)})"
    if type(prior) is MixtureSameFamily:
        count = prior.mixture_distribution.logits.shape[-1]
        return f"{name}({count} x {name_of(prior.component_distribution)})"
    return name


@dataclasses.dataclass(frozen=True)
class _MixtureDensity:
    """The log-density of a mixture of K normals by one product: ``(..., D) -> (...,)``.

    ``matrix`` is ``(D, K D)``, or ``(K, D)`` where all covariances are diagonal; ``shift`` is ``(K, D)``.
    """

    middle: Tensor
    matrix: Tensor
    shift: Tensor
    constant: Tensor

    def __call__(self, z: Tensor) -> Tensor:
        centred = z - self.middle
        if self.matrix.shape == self.shift.shape:
            white = centred[..., None, :] * self.matrix
        else:
            white = (centred @ self.matrix).unflatten(-1, self.shift.shape)
        return torch.logsumexp(self.constant - (white - self.shift).square().sum(-1) / 2, -1)


@runtime_checkable
class Rule(Protocol):
    """Latents ``(..., D)`` to ``log ri`` ``(...,)``."""

    def __call__(self, z: Tensor, eps: float, /) -> Tensor:
        """``log ri: (..., D) -> (...,)``; ``eps`` is the rounding of the caller's ``z``."""
        ...

    def direct(self, z: Tensor, /) -> Tensor:
        """The same without tables."""
        ...


@dataclasses.dataclass(frozen=True)
class _UniformRule:
    prior: UniformBall | UniformBox

    def __call__(self, z: Tensor, eps: float) -> Tensor:
        return plateau(z, self.prior.contains(z, eps), z.new_zeros(()))

    def direct(self, z: Tensor) -> Tensor:
        return self(z, torch.finfo(z.dtype).eps)


@dataclasses.dataclass(frozen=True)
class _FlatRule:
    """Any other prior whose log-density takes one value on its support."""

    density: Callable[[Tensor], Tensor]

    def __call__(self, z: Tensor, eps: float) -> Tensor:
        return plateau(z, self.density(z.detach()).isfinite(), z.new_zeros(()))

    def direct(self, z: Tensor) -> Tensor:
        return self(z, 0.0)
