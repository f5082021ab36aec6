"""Argument validation for `interpolate`: the prior or index, the endpoints, the generator and the embedding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ._batching import blocks
from ._validate import agreed, check_pair, describe
from .callables import any_precision, out_of_memory
from .curves import lerp
from .decoding import Embed, Generator, points_to_data, space_of_data
from .errors import GeneratorError, InputError
from .index import PriorIndex, RealismIndex, as_log_index
from .index.prior_adapter import can_be_prior, draw
from .probe import check_callable, probe
from .ruler import SAMPLES, Ruler
from .segment_cost import LOG_INDEX_ROUNDING

__all__ = ["GenerativeModel", "check_endpoints", "check_generator", "checked_index", "scaled_embed", "split_model"]

_PAIRS = 3
"""The pairs of endpoints at which a generator and an index between them are tried."""

_BETWEEN = 16
"""The segments of the line between two endpoints on which an index is tried."""

_ALPHA = 0.9


@runtime_checkable
class GenerativeModel(Protocol):
    """A generator together with the prior of its latents, such as `latentpath.Model`."""

    @property
    def generator(self) -> Generator:
        """Latents ``(N, D)`` to data ``(N, ...)``."""

    @property
    def prior(self) -> Any:
        """The density of the latents; None for a model that generates nothing."""


def split_model(
    generator: Generator | GenerativeModel, prior: Any, latents: Sequence[Any], names: str
) -> tuple[Generator, Any, tuple[Any, ...]]:
    """Returns generator, prior and latents, given (generator, prior, *latents) or (model, *latents).

    A prior or index beside a model is used in place of the model's.

    Raises:
        InputError: an argument is missing, or the model has no prior.
    """
    if isinstance(generator, nn.Module) or not isinstance(generator, GenerativeModel):
        if any(value is None for value in (prior, *latents)):
            after = f", {names}" if names else ""
            hint = " lp.load(name) gives a model." if isinstance(generator, str) else ""
            raise InputError(f"The arguments must be (generator, prior{after}) or (model{after}); got too few.{hint}")
        return generator, prior, tuple(latents)
    given = [value for value in (prior, *latents) if value is not None]
    if len(given) == len(latents):
        prior, given = generator.prior, [None, *given]
    if len(given) != len(latents) + 1:
        raise InputError(
            f"The arguments must be (model, {names}) or (model, index, {names}); got {len(given)} beside the model."
        )
    if prior is None:
        name = getattr(generator, "name", type(generator).__name__)
        raise InputError(f"{name!r} has no generator of a prior's latents. Choose a model that generates.")
    return generator.generator, prior, tuple(given[1:])


def checked_index(prior: Any, alpha: float | None) -> PriorIndex | Callable[[Tensor], Tensor]:
    """Returns the index of a density, or ``prior`` itself if it is an index already.

    Raises:
        InputError: ``prior`` is something else, or ``alpha`` is given with an index that carries another.
    """
    if isinstance(prior, PriorIndex):
        agreed("alpha", alpha, prior.alpha, prior)
        return prior
    if can_be_prior(prior):
        return RealismIndex(prior, alpha=_ALPHA if alpha is None else alpha)
    if isinstance(prior, nn.Module) or not callable(prior):
        hint = " (are generator and prior swapped?)" if isinstance(prior, nn.Module) else ""
        raise InputError(
            "prior must be a torch.distributions.Distribution or have log_prob and sample, be a RealismIndex, or a "
            f"callable that gives log(alpha * ri); got {type(prior).__name__}{hint}. lp.adapters.zuko_prior takes a "
            "flow of zuko, lp.priors.fit samples."
        )
    if alpha is not None:
        raise InputError(
            f"alpha must be left out beside a callable index, which carries its own; got {describe(alpha)}. Multiply "
            "it in there."
        )
    log_index: Callable[[Tensor], Tensor] = prior
    return log_index


def scaled_embed(
    embed: Embed, generator: Generator, index: PriorIndex | Callable[[Tensor], Tensor], like: Tensor, max_points: int
) -> Embed:
    """Returns ``embed`` itself, or a `Ruler` with the scales of samples of the index's prior, drawn with seed 0.

    Raises:
        InputError: a ruler without scales beside a callable index, which has no prior.
    """
    if not isinstance(embed, Ruler) or embed.is_scaled:
        return embed
    if not isinstance(index, PriorIndex):
        raise InputError(
            "embed must be a Ruler with scales beside a callable index, which has no prior to sample; got one "
            "without. Call .scaled(generator, samples)."
        )
    return embed.scaled(generator, draw(index.prior, index.dim, SAMPLES, 0).to(like), max_points)


def check_endpoints(
    start: Tensor, end: Tensor, index: PriorIndex | Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Returns both endpoints as ``(B, D)``, detached copies.

    Raises:
        InputError: shapes, dtypes or devices that disagree, values that are not finite, or an index that is 0, positive
            or of the wrong shape there.
    """
    for name, value in (("start", start), ("end", end)):
        _check_latents(name, value, getattr(index, "dim", None))
    check_pair(start, end)
    for name, value in (("start", start), ("end", end)):
        bad = ~value.detach().isfinite().reshape(-1, value.shape[-1])
        if bool(bad.any()):
            raise InputError(f"{name} must be finite; got NaN or infinity in row(s) {_rows(bad)}.")
    start, end = torch.broadcast_tensors(start.detach(), end.detach())
    start, end = (value.reshape(-1, value.shape[-1]).clone() for value in (start, end))
    for name, value in (("start", start), ("end", end)):
        _check_index(index, name, value)
    between = lerp(start[:_PAIRS], end[:_PAIRS], _BETWEEN)
    with torch.no_grad():
        logs = as_log_index(index)(between)
    _check_at_most_0(logs, "between start and end")
    return start, end


def _check_latents(name: str, value: Any, dim: int | None) -> None:
    """Refuses what is not a dense floating-point tensor ``(D,)`` or ``(B, D)``."""
    wanted = "(D,) or (B, D)" + (f" with D = {dim} (the prior's event size)" if dim is not None else "")
    if not isinstance(value, Tensor):
        got = type(value).__name__
        raise InputError(f"{name} must be a tensor {wanted}; got {got}. torch.as_tensor(...) makes one.")
    if value.ndim not in (1, 2) or value.numel() == 0 or (dim is not None and value.shape[-1] != dim):
        empty = " It is empty." if value.numel() == 0 else ""
        raise InputError(f"{name} must be {wanted}; got {tuple(value.shape)}.{empty}")
    if value.dtype not in (torch.float32, torch.float64):
        raise InputError(f"{name} must be float32 or float64; got {value.dtype}. {_remedy(value.dtype)}.")
    if value.layout is not torch.strided:
        raise InputError(f"{name} must be a dense tensor; got {value.layout}. Convert with .to_dense().")


def _remedy(dtype: torch.dtype) -> str:
    """Returns the advice on how to convert values of another dtype to latents."""
    if dtype.is_complex:
        return "Its real and imaginary parts are two latents: torch.view_as_real(...).flatten(-2) joins them"
    if dtype.is_floating_point:
        return "Convert with .float(), which a generator in half precision takes too"
    return "Convert with .float()"


@torch.no_grad()
def _check_index(index: PriorIndex | Callable[[Tensor], Tensor], name: str, value: Tensor) -> None:
    try:
        logs = as_log_index(index)(value)
    except Exception as error:  # anything may go wrong in a user's index
        if out_of_memory(error):
            raise
        raise InputError(f"the index failed on {name} {tuple(value.shape)} {value.dtype}: {error}") from error
    if not isinstance(logs, Tensor) or logs.shape != value.shape[:1]:
        raise InputError(
            f"the index must map (N, {value.shape[-1]}) to (N,); got {describe(logs)} for {tuple(value.shape)}."
        )
    if bool((logs == -torch.inf).any()):
        raise InputError(
            f"{name} must lie inside the prior's support; got points outside in row(s) {_rows(logs == -torch.inf)}, "
            "from where every path has infinite cost. Choose points inside."
        )
    _check_at_most_0(logs, f"at {name}")


def _check_at_most_0(logs: Tensor, where: str) -> None:
    if bool((logs.isnan() | (logs > LOG_INDEX_ROUNDING)).any()):
        raise InputError(
            f"the index must give log(alpha * ri), at most 0; got values from {float(logs.min())} to "
            f"{float(logs.max())} {where}."
        )


def _rows(bad: Tensor) -> list[int]:
    """Returns the first rows of a mask ``(B, ...)`` with a True in them."""
    each = bad.flatten(1).any(-1) if bad.ndim > 1 else bad
    rows: list[int] = each.nonzero()[:8, 0].tolist()
    return rows


def check_generator(generator: Generator, embed: Embed, start: Tensor, end: Tensor, max_points: int | None) -> int:
    """Returns the number of values in one measured point, if a path can follow the generator and the embedding.

    Raises:
        InputError: a generator that is not callable, of another dtype or device, or an ``embed`` that is neither.
        GeneratorError: a generator or embedding that fails, is in training mode, random, coupled over the batch, not
            differentiable, not finite, or makes the wrong shape.
    """
    if not isinstance(embed, Ruler):
        points_to_data(generator, embed)
    if isinstance(embed, str) and embed == "latent":
        return start.shape[-1]
    check_callable("generator", generator)
    if isinstance(generator, nn.Module):
        _check_weights(generator, start)
    a, b = start[:_PAIRS], end[:_PAIRS]
    points, ends = torch.cat([a, b, torch.lerp(a, b, 0.5)]), 2 * len(a)
    data = probe("generator", _decoder("generator", "(N, D)", generator, max_points), points, ends)
    features = space_of_data(embed)
    if callable(features):
        data = probe("embed", _decoder("embed", "(N, ...)", features, max_points), data, ends)
    return data[0].numel()


def _decoder(
    name: str, takes: str, function: Callable[[Tensor], Tensor], max_points: int | None
) -> Callable[[Tensor], Tensor]:
    """Returns ``function`` in blocks of ``max_points``, which refuses results of another kind than ``(N, ...)``."""
    function = any_precision(function)

    def called(points: Tensor) -> Tensor:
        found = function(points)
        if not isinstance(found, Tensor):
            raise GeneratorError(
                f"{name} must return a tensor (N, ...); got {type(found).__name__}. Wrap it in a function."
            )
        if found.ndim < 2 or len(found) != len(points):
            raise GeneratorError(
                f"{name} must map {takes} to (N, ...) with at least one dimension after the first; got "
                f"{tuple(found.shape)} for {tuple(points.shape)}."
            )
        if found[0].numel() == 0:
            raise GeneratorError(f"{name} must return at least one value for each point; got {tuple(found.shape)}.")
        if not found.is_floating_point():
            raise GeneratorError(
                f"{name} must return floating point values; got {found.dtype}. Skip the conversion to pixels."
            )
        return found

    return lambda points: torch.cat([called(points[block]) for block in blocks(len(points), max_points)])


def _check_weights(generator: nn.Module, start: Tensor) -> None:
    """Refuses weights without values, or of another dtype or device than the endpoints."""
    weight = next((p for p in generator.parameters() if p.is_floating_point()), None)
    if weight is None:
        return
    if weight.is_meta:
        raise InputError(
            "generator must have weights with values; got weights on the meta device. .to_empty(device=...) gives them "
            "memory, load_state_dict(...) their values."
        )
    if weight.device != start.device:
        raise InputError(
            f"start must be on the generator's device, {weight.device}; got {start.device}. Move one with .to(...)."
        )
    if weight.dtype != start.dtype and weight.dtype in (torch.float32, torch.float64):
        raise InputError(
            f"start must have the dtype of the generator's weights, {weight.dtype}; got {start.dtype}. Convert one "
            "with .to(...)."
        )
