"""What every index under a prior has in common: its arguments, the doors, dtype and device, the scale alpha."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from latentpath.callables import without_autocast
from latentpath.errors import InputError

from .closed_form import Rule, check_prior, moved, name_of

__all__ = ["PriorIndex"]


class PriorIndex:
    """An index under a prior; the base of `RealismIndex`, `TypicalityIndex` and `ScoreIndex`, which say what it is.

    Args:
        prior: a `torch.distributions.Distribution` with batch shape ``()`` and event shape ``(D,)``, or any object with
            ``log_prob: (N, D) -> (N,)`` and ``sample((N,)) -> (N, D)``.
        alpha: the scale in (0, 1].
        samples: how many samples an estimate is made from, at least 2.
        seed: of those samples.

    Attributes:
        prior: as given.
        alpha: as given.
        samples: as given.
        seed: as given.
        dim: ``D``.
        kind: how the index is computed.
        decodes: whether every evaluation runs the generator.

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

    def __init__(self, prior: Any, alpha: float | int, samples: int, seed: int) -> None:
        if not isinstance(alpha, float | int) or isinstance(alpha, bool) or not 0 < alpha <= 1:
            raise InputError(f"alpha must be a number in (0, 1], got {alpha!r}; 0.9 is a good choice")
        if not isinstance(samples, int) or isinstance(samples, bool) or samples < 2:
            raise InputError(f"samples must be an integer of 2 or more, got {samples!r}; the paper has 5000")
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
            raise InputError(f"seed must be a whole number from 0 to 2 ** 63 - 1, got {seed!r}")
        dim = check_prior(prior)
        self._set(prior=prior, alpha=float(alpha), samples=samples, seed=seed, dim=dim, _rules={})

    def _set(self, **facts: Any) -> None:
        self.__dict__.update(facts)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a {type(self).__name__} cannot be changed; make a new one with another {name}")

    def __repr__(self) -> str:
        made = f", samples={self.samples}, seed={self.seed}" if self.kind in ("kde", "score") else ""
        facts = f"{name_of(self.prior)}, dim={self.dim}, kind={self.kind!r}, alpha={self.alpha:g}{made}"
        return f"{type(self).__name__}({facts})"

    def __call__(self, z: Tensor) -> Tensor:
        r"""The index :math:`\mathrm{ri}(z)` in [0, 1], without ``alpha``: ``(..., D) -> (...,)``.

        Raises:
            InputError: ``z`` has another last dimension or is no floating-point tensor.
        """
        return self._evaluate(z, 0.0).exp()

    def log(self, z: Tensor) -> Tensor:
        r"""The logarithm :math:`\log(\alpha\, \mathrm{ri}(z)) \le 0` in nats: ``(..., D) -> (...,)``.

        It follows the dtype and device of ``z``, gives NaN where ``z`` is NaN, and can be differentiated twice, in
        forward and in reverse mode, and mapped by `torch.func.vmap`, as far as what it is made of can.

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
        r"""What `log` tabulates, from its series or its sum over all samples: ``(..., D) -> (...,)``; slow, for tests.

        Raises:
            InputError: ``z`` has another last dimension or is no floating-point tensor.
        """
        return self._evaluate(z, math.log(self.alpha), direct=True)

    @without_autocast()
    def _evaluate(self, z: Tensor, shift: float, direct: bool = False) -> Tensor:
        if not isinstance(z, Tensor):
            raise InputError(
                f"z must be a floating-point tensor (..., {self.dim}), the prior's event size, got {type(z).__name__}"
            )
        if not z.is_floating_point() or z.dim() == 0 or z.shape[-1] != self.dim:
            raise InputError(
                f"z must be a floating-point tensor (..., {self.dim}), the prior's event size, "
                f"got {z.dtype} of shape {tuple(z.shape)}"
            )
        dtype = torch.float32 if z.device.type == "mps" else torch.float64
        rule = self._rules.get((dtype, z.device))
        if rule is None:
            rule = self._rules[dtype, z.device] = moved(self._rule, dtype, z.device)
        argument = self._argument(z).to(dtype)
        value = rule.direct(argument) if direct else rule(argument, torch.finfo(z.dtype).eps)
        return (value + shift).to(z.dtype)

    def _argument(self, z: Tensor) -> Tensor:
        """What the rule is a function of: the latents, unless a subclass says otherwise."""
        return z
