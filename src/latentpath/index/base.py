"""The contract of an index: latents ``(..., D)`` to ``log(alpha * ri)``, at most 0, in the dtype of the latents."""

import copy
import dataclasses
import math
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor
from torch.distributions import Distribution

from latentpath._validate import SEED, describe, real_number, whole_number
from latentpath.callables import without_autocast
from latentpath.errors import InputError
from latentpath.priors import UniformBall, UniformBox

from .prior_adapter import check_prior, name_of

IndexT = TypeVar("IndexT", bound="PriorIndex")


@runtime_checkable
class Rule(Protocol):
    """The map from the argument of an index, most often the latents, to ``log ri``, in the dtype of its tensors."""

    def __call__(self, z: Tensor, eps: float, /) -> Tensor:
        """Computes ``log ri``: ``(..., D) -> (...,)``; ``eps`` is the rounding of the caller's ``z``."""
        ...

    def direct(self, z: Tensor, /) -> Tensor:
        """Computes the same without tables."""
        ...


class PriorIndex:
    """The base of every index under a prior: it validates arguments, follows dtype and device, and scales by alpha.

    Args:
        prior: a `torch.distributions.Distribution` with batch shape ``()`` and event shape ``(D,)``, or any object with
            ``log_prob: (N, D) -> (N,)`` and ``sample((N,)) -> (N, D)``.
        alpha: the scale in (0, 1].
        samples: the number of samples that an estimate is made from, at least 2.
        seed: the seed of these samples.

    Attributes:
        prior: as given; likewise ``alpha``, ``samples`` and ``seed``.
        dim: ``D``.
        kind: the method: ``"normal"``, ``"uniform"``, ``"kde"`` or ``"score"``; ``"product"`` or ``"ceiling"`` for what
            is made of other indices.
        name: the short name for tables, such as ``"density"`` or ``"discriminator"``.
        decodes: True where every evaluation runs the generator.

    Raises:
        InputError: ``alpha``, ``samples``, ``seed`` or the prior is not as above.
    """

    prior: Any
    alpha: float
    samples: int
    seed: int
    dim: int
    kind: str
    decodes: bool = False
    _rule: Rule
    _rules: dict[tuple[torch.dtype, torch.device], Rule]

    def __init__(self, prior: Any, *, alpha: float | int, samples: int, seed: int) -> None:
        self._set(
            alpha=checked_alpha(alpha),
            samples=whole_number("samples", samples, 2, advice="The paper has 5000."),
            seed=whole_number("seed", seed, 0, SEED),
            dim=check_prior(prior),
            prior=prior,
            _rules={},
        )

    def _set(self, **facts: Any) -> None:
        self.__dict__.update(facts)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a {type(self).__name__} cannot be changed; make a new one with another {name}")

    def __repr__(self) -> str:
        estimate = f", samples={self.samples}, seed={self.seed}" if self.kind in ("kde", "score") else ""
        facts = f"{name_of(self.prior)}, dim={self.dim}, kind={self.kind!r}, alpha={self.alpha:g}{estimate}"
        return f"{type(self).__name__}({facts})"

    @property
    def is_expensive(self) -> bool:
        """True where an evaluation costs a network's pass, so that few points between those of a path are looked at."""
        return self.decodes

    @property
    def name(self) -> str:
        """The short name for tables: that of the class, without "Index"."""
        return type(self).__name__.removesuffix("Index").lower()

    def with_alpha(self: IndexT, alpha: float | int) -> IndexT:
        r"""Returns a copy with another ``alpha``; nothing is estimated anew.

        Args:
            alpha: the scale in (0, 1].

        Raises:
            InputError: ``alpha`` is not as above.

        Example:
            >>> from latentpath.index import RealismIndex
            >>> from latentpath.priors import standard_normal
            >>> RealismIndex(standard_normal(2)).with_alpha(0.5)
            RealismIndex(Independent(Normal), dim=2, kind='normal', alpha=0.5)
        """
        found = copy.copy(self)
        found._set(alpha=checked_alpha(alpha))
        return found

    def __call__(self, z: Tensor) -> Tensor:
        r"""Computes the index :math:`\mathrm{ri}(z)` in [0, 1], without ``alpha``: ``(..., D) -> (...,)``.

        Raises:
            InputError: ``z`` has another last dimension or is no floating-point tensor.
        """
        return self._evaluate(z, 0.0).exp()

    def log(self, z: Tensor) -> Tensor:
        r"""Computes :math:`\log(\alpha\, \mathrm{ri}(z)) \le 0` in nats: ``(..., D) -> (...,)``.

        It follows the dtype and device of ``z``, gives NaN where ``z`` is NaN, and can be differentiated twice, in
        forward and in reverse mode, and mapped by `torch.func.vmap`, as far as the prior or the score can.

        Raises:
            InputError: ``z`` has another last dimension or is no floating-point tensor.

        Source: section 3 of the paper (Definition 1, scaled by alpha).

        Example:
            >>> from latentpath.index import RealismIndex
            >>> from latentpath.priors import semicircle
            >>> RealismIndex(semicircle()).log(torch.zeros(3, 5, 20)).shape
            torch.Size([3, 5])
        """
        return self._evaluate(z, math.log(self.alpha))

    def log_direct(self, z: Tensor) -> Tensor:
        r"""Computes `log` from its series, or its sum over all samples, without tables: slow, for tests.

        Raises:
            InputError: ``z`` has another last dimension or is no floating-point tensor.
        """
        return self._evaluate(z, math.log(self.alpha), direct=True)

    @without_autocast()
    def _evaluate(self, z: Tensor, shift: float, direct: bool = False) -> Tensor:
        if not isinstance(z, Tensor) or not z.is_floating_point() or z.dim() == 0 or z.shape[-1] != self.dim:
            raise InputError(
                f"z must be a floating-point tensor (..., {self.dim}), the prior's event size; got {describe(z)}."
            )
        return (self._log_ri(z, direct) + shift).to(z.dtype)

    def _log_ri(self, z: Tensor, direct: bool) -> Tensor:
        """Computes ``log ri``, ``(..., D) -> (...,)``, in float64 where the device has it."""
        dtype = torch.float32 if z.device.type == "mps" else torch.float64
        rule = self._rules.get((dtype, z.device))
        if rule is None:
            rule = self._rules[dtype, z.device] = _converted(self._rule, dtype, z.device)
        argument = self._argument(z).to(dtype)
        return rule.direct(argument) if direct else rule(argument, torch.finfo(z.dtype).eps)

    def _argument(self, z: Tensor) -> Tensor:
        """Returns the argument of the rule: the latents themselves; a score overrides it."""
        return z


def checked_alpha(alpha: object) -> float:
    """Returns the scale ``alpha`` as a `float`, if it is in (0, 1]."""
    return float(real_number("alpha", alpha, above=0, most=1, advice="0.9 is a good choice."))


def _converted(part: Any, dtype: torch.dtype, device: torch.device) -> Any:
    if isinstance(part, Tensor):
        return part.to(device, dtype)
    if type(part) is UniformBall:
        return UniformBall(part.radius.to(device, dtype), part.center.to(device, dtype))
    if type(part) is UniformBox:
        return UniformBox(part.low.to(device, dtype), part.high.to(device, dtype))
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        fields = dataclasses.fields(part)
        return dataclasses.replace(part, **{f.name: _converted(getattr(part, f.name), dtype, device) for f in fields})
    return part


def as_log_index(index: Any) -> Callable[[Tensor], Tensor]:
    r"""Returns the function ``z -> log(alpha * ri)`` of an index: ``log`` of a `PriorIndex`, or a callable itself.

    A callable is given points ``(N, D)``, whatever the shape of ``z``, and gives ``(N,)``.

    Args:
        index: a `PriorIndex`, such as `RealismIndex`, or a callable ``(N, D) -> (N,)`` of
            :math:`\log(\alpha\, \mathrm{ri}(z))`.

    Raises:
        InputError: ``index`` is neither; a prior, for example.

    Example:
        >>> as_log_index(lambda z: -z.square().sum(-1))(torch.ones(2, 3))
        tensor([-3., -3.])
    """
    if isinstance(index, PriorIndex):
        return index.log
    if isinstance(index, Distribution) or not callable(index) or isinstance(index, type):
        got, prior = ("a prior", name_of(index)) if isinstance(index, Distribution) else (describe(index), "prior")
        raise InputError(
            f"index must be a RealismIndex or a callable z -> log(alpha * ri); got {got}. Use RealismIndex({prior})."
        )

    def by_points(z: Tensor) -> Any:
        points = z.reshape(-1, z.shape[-1])
        value = index(points)
        fits = isinstance(value, Tensor) and value.shape == points.shape[:1]
        return value.reshape(z.shape[:-1]) if fits else value

    return by_points
