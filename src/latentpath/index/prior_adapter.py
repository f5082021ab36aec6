"""Priors as an index takes them: validation, samples, names, and the priors of other libraries.

Anything with ``log_prob`` and ``sample`` is a prior; libraries differ in the argument and the result of ``sample``:

=================== ============================ =====================================
library             ``sample`` takes             ``sample`` gives
=================== ============================ =====================================
torch.distributions a shape ``(N,)``             latents ``(N, D)``
nflows              a number ``N``               latents ``(N, D)``
normflows           a number ``N``               latents ``(N, D)`` and their log-density
=================== ============================ =====================================
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MixtureSameFamily

from latentpath._random import device_of, seeded
from latentpath._validate import describe
from latentpath.errors import InputError


class ForeignPrior:
    """A prior of another library, with the ``sample`` and ``log_prob`` of `torch.distributions`.

    ``log_prob`` passes points ``(N, D)`` on, since some libraries take no other shape.
    """

    batch_shape = torch.Size()

    def __init__(self, prior: Any) -> None:
        self.prior = prior
        with seeded(0, device_of(prior)), torch.no_grad():
            self.by_number, samples = _two_samples(prior)
        self.event_shape = samples.shape[1:]

    def sample(self, shape: Any) -> Tensor:
        """Draws samples ``(*shape, D)``, without a gradient."""
        count = math.prod(shape)
        with torch.no_grad():
            drawn = _latents(self.prior.sample(count if self.by_number else (count,)))
        return drawn.reshape(*shape, *drawn.shape[1:]) if isinstance(drawn, Tensor) else drawn

    def log_prob(self, value: Tensor) -> Tensor:
        """Computes the log-density: ``(..., D) -> (...,)``."""
        points = value.reshape(-1, value.shape[-1])
        density = self.prior.log_prob(points)
        if not isinstance(density, Tensor) or density.shape != points.shape[:1]:
            raise InputError(f"prior.log_prob must map (N, D) to (N,); got {describe(density)} for N = {len(points)}.")
        return density.reshape(value.shape[:-1])


def can_be_prior(prior: Any) -> bool:
    """Returns True for an object that has ``log_prob`` and ``sample``."""
    return not isinstance(prior, type) and all(callable(getattr(prior, name, None)) for name in ("log_prob", "sample"))


def adapted(prior: Any) -> Any:
    """Returns a `torch.distributions.Distribution` itself, and a `ForeignPrior` of any other prior."""
    return prior if isinstance(prior, Distribution | ForeignPrior) else ForeignPrior(prior)


def check_prior(prior: Any) -> int:
    """Returns the dimension ``D`` of a prior."""
    if not can_be_prior(prior):
        zuko = type(prior).__module__.partition(".")[0] == "zuko"
        advice = "lp.adapters.zuko_prior(flow) takes a flow of zuko" if zuko else "lp.priors.fit takes samples"
        got = f"the class {prior.__name__}" if isinstance(prior, type) else describe(prior)
        raise InputError(
            "prior must be a torch.distributions.Distribution, or have log_prob: (N, D) -> (N,) and "
            f"sample((N,)) -> (N, D); got {got}. {advice}."
        )
    prior = adapted(prior)
    batch, event = prior.batch_shape, prior.event_shape
    if _is_discrete(prior):
        raise InputError(
            f"prior must have a continuous density; got {name_of(prior)}, which is discrete. No path leads from one of "
            "its values to another: give the density of a relaxation, or of an embedding."
        )
    if tuple(batch) != () or len(event) != 1:
        advice = "Describe one latent vector, without a batch."
        if len(batch) + len(event) == 1:
            advice = f"Make its coordinates one event with torch.distributions.Independent({name_of(prior)}(...), 1)."
        shapes = f"batch_shape {tuple(batch)} and event_shape {tuple(event)}"
        raise InputError(f"prior must have batch_shape () and event_shape (D,); got {shapes}. {advice}")
    return int(event[0])


def draw(prior: Any, dim: int, samples: int, seed: int) -> Tensor:
    """Draws samples ``(samples, D)`` of a prior from a seed; leaves the global random state as it was."""
    with seeded(seed, device_of(prior)):
        points = adapted(prior).sample((samples,))
    if not isinstance(points, Tensor) or points.shape != (samples, dim) or not points.is_floating_point():
        raise InputError(
            f"prior.sample(({samples},)) must be a floating-point tensor ({samples}, {dim}); got {describe(points)}."
        )
    return points


def name_of(prior: Any) -> str:
    """Returns the name of a prior for a message."""
    if isinstance(prior, ForeignPrior):
        prior = prior.prior
    name = type(prior).__name__
    if type(prior) is Independent:
        return f"{name}({name_of(prior.base_dist)})"
    if type(prior) is MixtureSameFamily:
        count = prior.mixture_distribution.logits.shape[-1]
        return f"{name}({count} x {name_of(prior.component_distribution)})"
    return name


def _is_discrete(prior: Any) -> bool:
    if not isinstance(prior, Distribution):
        return False
    try:
        support: Any = prior.support
        if support.is_discrete:
            return True
    except (NotImplementedError, AttributeError):
        pass
    return any(_is_discrete(getattr(prior, name, None)) for name in ("base_dist", "component_distribution"))


def _latents(samples: Any) -> Any:
    """Returns the latents of a result that may hold their log-density too."""
    return samples[0] if isinstance(samples, tuple) and samples else samples


def _two_samples(prior: Any) -> tuple[bool, Tensor]:
    """Draws two samples; the first value is True if ``sample`` takes a number instead of a shape."""
    reasons = []
    for by_number, argument in ((False, (2,)), (True, 2)):
        try:
            samples = _latents(prior.sample(argument))
        except TypeError as error:
            reasons.append(str(error).partition("\n")[0][:200])
            continue
        if isinstance(samples, Tensor) and samples.dim() >= 1 and len(samples) == 2:
            return by_number, samples
        reasons.append(f"sample({argument}) gave {describe(samples)}")
    raise InputError(
        f"prior.sample((N,)) or prior.sample(N) must give a tensor (N, D); got {'; '.join(reasons)}. Wrap "
        f"{type(prior).__name__} in an object with log_prob: (N, D) -> (N,) and sample: (N,) -> (N, D)."
    )
