r"""The log-density of any prior, minus infinity outside its support.

Without argument checks a log-density gives anything outside its support: NaN, or the formula continued. So the support
is tested first, from the inside out:

* a transformed distribution holds what its transforms reach from the support of its base;
* a product (``Independent``) holds what all of its factors hold;
* a mixture holds what one of its components holds, and only these components contribute to its density.

Points outside are replaced by a sample before the density sees them, so that neither a value nor a gradient there
is NaN: the value is :math:`-\infty`, the gradient 0. Where nothing is known of the support, a log-density that is NaN
at a finite point says that the point is outside. A latent that is NaN has the density NaN.
"""

import copy
import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.distributions import (
    ComposeTransform,
    Distribution,
    Independent,
    IndependentTransform,
    MixtureSameFamily,
    Transform,
    TransformedDistribution,
)


@dataclasses.dataclass(frozen=True)
class AnyDensity:
    """The log-density of a prior without a formula here, computed in the prior's own dtype and on its own device."""

    prior: Any
    anchor: Tensor
    dtype: torch.dtype
    device: torch.device

    def __call__(self, z: Tensor) -> Tensor:
        """Computes the log-density ``(..., D) -> (...,)`` in the dtype and on the device of ``z``."""
        value = _log_prob(self.prior, z.to(self.device, self.dtype), self.anchor.to(self.device, self.dtype))
        if z.requires_grad and not value.requires_grad:  # a density of steps
            value = value + (0 * z.clamp(-1, 1)).sum(-1).to(value)
        return value.to(z.device, z.dtype)


def unchanged(prior: Any, base: type[Distribution]) -> bool:
    """Returns True for PyTorch's class ``base``, or a subclass that changes neither density nor draws."""
    names = ("log_prob", "sample", "rsample")
    return isinstance(prior, base) and all(
        getattr(type(prior), name) is getattr(base, name) and name not in vars(prior) for name in names
    )


def lenient(prior: Any) -> Any:
    """Returns a shallow copy without argument checks, which gives a value outside the support instead of raising."""
    if not isinstance(prior, Distribution):
        return prior
    twin = copy.copy(prior)
    for name, value in vars(prior).items():
        if isinstance(value, Distribution):
            twin.__dict__[name] = lenient(value)
    twin.__dict__["_validate_args"] = False
    return twin


def anchor(prior: Any) -> Tensor:
    """Draws one sample inside the support, ``(D,)``; for a mixture, one inside each component's, ``(K, D)``."""
    if unchanged(prior, Independent):
        return anchor(prior.base_dist)
    if unchanged(prior, MixtureSameFamily):
        return anchor(prior.component_distribution)
    sample: Tensor = prior.sample() if isinstance(prior, Distribution) else prior.sample((1,))[0]
    return sample


def _log_prob(prior: Any, value: Tensor, inside: Tensor) -> Tensor:
    if unchanged(prior, Independent):
        found = _log_prob(prior.base_dist, value, inside)
        count = prior.reinterpreted_batch_ndims
        return found.flatten(-count).sum(-1) if count else found
    size = _event_dims(prior)
    if unchanged(prior, MixtureSameFamily):
        each = _log_prob(prior.component_distribution, value.unsqueeze(-1 - size), inside)
        return torch.logsumexp(each + prior.mixture_distribution.logits.log_softmax(-1), -1)
    nan = _reduced(value.detach().isnan(), value.dim() - size, torch.any)
    shown = nan | _holds(prior, value.detach())
    found = prior.log_prob(torch.where(shown[(..., *[None] * size)], value, inside))
    found = torch.where(shown & ~found.detach().isnan(), found, -torch.inf)
    return torch.where(nan, torch.nan, found)


def _holds(prior: Any, value: Tensor) -> Tensor:
    """Returns a mask ``(...,)`` of the values ``(..., *event)`` inside the support; True where it is unknown."""
    batch = value.dim() - _event_dims(prior)
    if unchanged(prior, Independent):
        return _reduced(_holds(prior.base_dist, value), batch)
    if unchanged(prior, MixtureSameFamily):
        return _holds(prior.component_distribution, value.unsqueeze(batch)).any(-1)
    if isinstance(prior, TransformedDistribution) and type(prior).support is TransformedDistribution.support:
        inside = _reduced(torch.ones_like(value, dtype=torch.bool), batch)
        for transform in _parts(reversed(prior.transforms)):
            inside = inside & _reduced(transform.codomain.check(value), batch)
            value = transform.inv(value)
        return inside & _reduced(_holds(prior.base_dist, value), batch)
    try:
        return _reduced(prior.support.check(value), batch)
    except (NotImplementedError, AttributeError):
        return _reduced(torch.ones_like(value, dtype=torch.bool), batch)


def _parts(transforms: Iterable[Transform]) -> Iterator[Transform]:
    """Yields the transforms, last first; compositions in parts, since they know only the range of their last part."""
    for transform in transforms:
        if isinstance(transform, IndependentTransform):
            yield from _parts([transform.base_transform])
        elif isinstance(transform, ComposeTransform):
            yield from _parts(reversed(transform.parts))
        else:
            yield transform


def _event_dims(prior: Any) -> int:
    return len(prior.event_shape) if isinstance(prior, Distribution) else 1


def _reduced(mask: Tensor, batch: int, by: Any = torch.all) -> Tensor:
    """Reduces a mask to its first ``batch`` dimensions."""
    return by(mask.flatten(batch), -1) if mask.dim() > batch else mask
