r"""Normalising flows of zuko, as generators and as priors.

A flow has a base density :math:`p_0`, most often normal, and an invertible transform :math:`f` of data to the base. As
a generator it is :math:`G = f^{-1}`, the base is the prior of its latents, and :math:`f` the encoder. As a prior it is
:math:`\log p(x) = \log p_0(f(x)) + \log|\det f'(x)|`, trained on the latents of another generator.

Flows with an explicit inverse (NICE, RealNVP, MAF, NSF) have all derivatives. Those whose inverse is searched for or
integrated (NAF, UNAF, SOSPF, GF, CNF) have first ones only, in reverse mode: as generators they work, slowly. A
circular one (NCSF) jumps where it wraps around, and so do its paths, which the audit reports.
"""

import copy
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, constraints

from ...callables import check_eval, out_of_memory
from ...errors import InputError, missing
from ..model import Model

_HALF = (torch.float16, torch.bfloat16)


class _Conditioned(nn.Module):
    """A flow with its context held; made anew at every call, so that ``.to(...)`` reaches all of it."""

    context: Tensor | None

    def __init__(self, flow: Any, context: Tensor | None) -> None:
        super().__init__()
        self.flow = flow
        self.register_buffer("context", context)
        self.training = False

    def distribution(self) -> Any:
        """The flow as zuko's ``NormalizingFlow``."""
        return self.flow(self.context) if isinstance(self.flow, nn.Module) else self.flow


class FlowDecoder(_Conditioned):
    """Base latents ``(N, D)`` to data ``(N, D)``: the inverse transform."""

    def forward(self, latents: Tensor) -> Tensor:
        """See the class."""
        data: Tensor = self.distribution().transform.inv(latents)
        return data

    def log_volume(self, latents: Tensor) -> Tensor:
        r"""Computes :math:`\log|\det dG/dz|` exactly, ``(N, D) -> (N,)``; see `latentpath.log_volume`."""
        _, found = self.distribution().transform.inv.call_and_ladj(latents)
        volume: Tensor = found.reshape(len(latents), -1).sum(-1)
        return volume


class FlowEncoder(_Conditioned):
    """Data ``(N, D)`` to base latents ``(N, D)``: the transform."""

    def forward(self, data: Tensor) -> Tensor:
        """See the class."""
        latents: Tensor = self.distribution().transform(data)
        return latents


class FlowPrior(Distribution):
    """A flow as a density over vectors ``(D,)``; see `zuko_prior`."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, conditioned: _Conditioned) -> None:
        self.flow = conditioned
        self.base_dist = conditioned.distribution().base
        super().__init__(torch.Size(), self.base_dist.event_shape, validate_args=False)

    def __repr__(self) -> str:
        return f"FlowPrior({type(self.flow.flow).__name__}, dim={self.event_shape[0]})"

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density: ``(..., D) -> (...)``."""
        found: Tensor = self.flow.distribution().log_prob(value)
        return found

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Samples ``(*sample_shape, D)``; no gradient."""
        with torch.no_grad():
            found: Tensor = self.flow.distribution().sample(torch.Size(sample_shape))
        return found


def zuko_flow(flow: Any, context: Tensor | None = None, *, name: str = "flow") -> Model:
    """A flow of zuko as a `Model`: base latents to data, with the base as their prior, and the encoder.

    Args:
        flow: a ``zuko.flows.Flow`` in eval mode, over vectors ``(D,)``; or a ``NormalizingFlow``, which is what a
            flow gives when called (its parameters are then not the generator's, and ``.to`` does not reach them).
        context: ``(C,)``, held, where the flow is conditional.
        name: of the model.

    Raises:
        InputError: it is something else, not over vectors, or fails with this context.
        GeneratorError: it is in training mode.
        MissingDependencyError: zuko is not installed.

    Example:
        >>> import torch, zuko, latentpath as lp
        >>> model = lp.adapters.zuko_flow(zuko.flows.MAF(2, transforms=2, hidden_features=(8,)).eval())
        >>> latents = model.prior.sample((3,))
        >>> torch.allclose(model.encode(model.generator(latents)), latents, atol=1e-4)
        True
    """
    context, found = _checked(flow, context)
    base = found.base
    if isinstance(flow, nn.Module) and base.sample().dtype in _HALF:
        wide, held = _in_full_precision(copy.deepcopy(flow), context)
        base = wide(held).base
    if isinstance(base, Independent):  # as PyTorch's own, whose index is known exactly
        base = Independent(base.base_dist, base.reinterpreted_batch_ndims, validate_args=False)
    return Model(FlowDecoder(flow, context), base, FlowEncoder(flow, context), name)


def zuko_prior(flow: Any, context: Tensor | None = None) -> FlowPrior:
    """A flow of zuko as the prior of another generator's latents, as it is now: it does not follow further training.

    Args:
        flow: as for `zuko_flow`, trained on latents ``(D,)``.
        context: ``(C,)``, held, where the flow is conditional.

    Raises:
        InputError: it is something else, not over vectors, or fails with this context.
        GeneratorError: it is in training mode.
        MissingDependencyError: zuko is not installed.

    Example:
        >>> import torch, zuko, latentpath as lp
        >>> prior = lp.adapters.zuko_prior(zuko.flows.NSF(2, transforms=1, hidden_features=(8,)).eval())
        >>> lp.RealismIndex(prior).kind
        'kde'
    """
    context, _ = _checked(flow, context)
    if isinstance(flow, nn.Module):
        flow, context = _in_full_precision(copy.deepcopy(flow).requires_grad_(False), context)
    return FlowPrior(_Conditioned(flow, context))


def _in_full_precision(flow: nn.Module, context: Tensor | None) -> tuple[nn.Module, Tensor | None]:
    """A flow and its context, those in half precision as float32: a density needs more digits than half has."""
    if not any(weight.dtype in _HALF for weight in flow.parameters()):
        return flow, context
    return flow.float(), None if context is None else context.float()


def _checked(flow: Any, context: Tensor | None) -> tuple[Tensor | None, Any]:
    """The context, detached, and the flow's distribution, once nothing speaks against them."""
    try:
        from zuko.distributions import NormalizingFlow
        from zuko.lazy import Flow
    except ImportError as error:
        raise missing("zuko", "flows", "a flow") from error
    if not isinstance(flow, Flow | NormalizingFlow):
        raise InputError(f"flow must be a zuko.flows.Flow or a zuko NormalizingFlow; got {type(flow).__name__}")
    if context is not None and (
        not isinstance(context, Tensor) or context.ndim != 1 or isinstance(flow, NormalizingFlow)
    ):
        got = f"a tensor {tuple(context.shape)}" if isinstance(context, Tensor) else type(context).__name__
        raise InputError(f"context must be one vector (C,), for a zuko.flows.Flow; got {got} for {type(flow).__name__}")
    check_eval(flow, f"the flow ({type(flow).__name__})")
    context = None if context is None else context.detach()
    try:
        with torch.no_grad():
            found = flow(context) if isinstance(flow, Flow) else flow
            found.transform.inv(found.base.sample((2,)))
    except Exception as error:  # anything may go wrong in a user's flow
        if out_of_memory(error):
            raise
        given = "without a context" if context is None else f"with context {tuple(context.shape)}"
        raise InputError(f"the flow fails {given}: {type(error).__name__}: {error}") from error
    if len(found.batch_shape) or len(found.event_shape) != 1:
        raise InputError(
            "flow must be over single vectors (D,), its batch shape is "
            f"{tuple(found.batch_shape)} and its event shape {tuple(found.event_shape)}"
        )
    return context, found
