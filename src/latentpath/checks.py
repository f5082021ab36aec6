"""The checks at the door: what cannot be interpolated is refused there, once, with a message that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ._batching import blocks
from .callables import any_precision, check_eval, out_of_memory
from .curves import lerp
from .energy import ABOVE, Embed, Generator, points_to_data
from .errors import GeneratorError, InputError, LatentPathError
from .index import PriorIndex, RealismIndex, as_log_index
from .index.foreign import can_be_prior

__all__ = ["check_endpoints", "check_generator", "checked_index"]

_PAIRS, _BETWEEN, _SAME, _ALONE, _ALPHA = 3, 16, 1e-5, 5e-3, 0.9


def checked_index(prior: Any, alpha: float | None) -> PriorIndex | Callable[[Tensor], Tensor]:
    """The index that ``prior`` stands for: that of a density, or ``prior`` itself.

    Raises:
        InputError: ``prior`` is something else, or ``alpha`` is given with an index that carries another.
    """
    if isinstance(prior, PriorIndex):
        if alpha is not None and alpha != prior.alpha:
            kind = type(prior).__name__
            raise InputError(f"alpha={alpha} was given with a {kind} that has alpha={prior.alpha}: set it there")
        return prior
    if isinstance(prior, Distribution) or can_be_prior(prior):
        return RealismIndex(prior, alpha=_ALPHA if alpha is None else alpha)
    if isinstance(prior, nn.Module) or not callable(prior):
        hint = " (are generator and prior swapped?)" if isinstance(prior, nn.Module) else ""
        raise InputError(
            "prior must be a torch.distributions.Distribution or have log_prob and sample, be a RealismIndex, or a "
            f"callable that gives log(alpha * ri), got {type(prior).__name__}{hint}; lp.adapters.zuko_prior takes a "
            "flow of zuko, lp.priors.fit samples"
        )
    if alpha is not None:
        raise InputError(f"alpha={alpha} was given with a callable index, which carries its own: multiply it in there")
    log_index: Callable[[Tensor], Tensor] = prior
    return log_index


def check_endpoints(
    start: Tensor, end: Tensor, index: PriorIndex | Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Both endpoints as ``(B, D)``, detached copies.

    Raises:
        InputError: shapes, dtypes or devices that disagree, values that are not finite, or an index that is 0, positive
            or of the wrong shape there.
    """
    dim = getattr(index, "dim", None)
    wanted = "(D,) or (B, D)" + (f" with D = {dim} (the prior's event size)" if dim is not None else "")
    for name, value in (("start", start), ("end", end)):
        if not isinstance(value, Tensor):
            raise InputError(
                f"{name} must be a tensor {wanted}, got {type(value).__name__}: torch.as_tensor(...) makes one"
            )
        if value.ndim not in (1, 2) or value.numel() == 0 or (dim is not None and value.shape[-1] != dim):
            raise InputError(f"{name} must be {wanted}, got {tuple(value.shape)}")
        if value.dtype not in (torch.float32, torch.float64):
            raise InputError(f"{name} must be float32 or float64, got {value.dtype}: {_remedy(value.dtype)}")
        if value.layout is not torch.strided:
            raise InputError(f"{name} must be a dense tensor, got {value.layout}: convert with .to_dense()")
    if start.dtype != end.dtype or start.device != end.device:
        raise InputError(
            f"start and end must have one dtype and device, got {start.dtype} on {start.device} and {end.dtype} on "
            f"{end.device}: convert with .to(...)"
        )
    if start.is_meta:
        raise InputError("start and end must hold values; got tensors on the meta device, which have a shape alone.")
    counts = [len(value) for value in (start, end) if value.ndim == 2]
    if start.shape[-1] != end.shape[-1] or len({count for count in counts if count > 1}) > 1:
        raise InputError(f"start and end must pair up, got {tuple(start.shape)} and {tuple(end.shape)}")
    for name, value in (("start", start), ("end", end)):
        bad = ~value.detach().isfinite().reshape(-1, value.shape[-1])
        if bool(bad.any()):
            raise InputError(f"{name} must be finite, it holds NaN or infinity in row(s) {_rows(bad)}")
    start, end = torch.broadcast_tensors(start.detach(), end.detach())
    start, end = (value.reshape(-1, value.shape[-1]).clone() for value in (start, end))
    for name, value in (("start", start), ("end", end)):
        _check_index(index, name, value)
    between = lerp(start[:_PAIRS], end[:_PAIRS], _BETWEEN)
    with torch.no_grad():
        logs = as_log_index(index)(between)
    _check_at_most_0(logs, "between start and end")
    return start, end


def _remedy(dtype: torch.dtype) -> str:
    """How to make latents of values of another dtype."""
    if dtype.is_complex:
        return "its real and imaginary parts are two latents, torch.view_as_real(...).flatten(-2) joins them"
    if dtype.is_floating_point:
        return "convert with .float(), which a generator in half precision takes too"
    return "convert with .float()"


@torch.no_grad()
def _check_index(index: PriorIndex | Callable[[Tensor], Tensor], name: str, value: Tensor) -> None:
    try:
        logs = as_log_index(index)(value)
    except Exception as error:  # anything may go wrong in somebody's index
        if out_of_memory(error):
            raise
        raise InputError(f"the index failed on {name} {tuple(value.shape)} {value.dtype}: {error}") from error
    if not isinstance(logs, Tensor) or logs.shape != value.shape[:1]:
        got = tuple(logs.shape) if isinstance(logs, Tensor) else type(logs).__name__
        raise InputError(f"the index must map (N, {value.shape[-1]}) to (N,), it gave {got} for {tuple(value.shape)}")
    if bool((logs == -torch.inf).any()):
        raise InputError(
            f"{name} lies outside the prior's support in row(s) {_rows(logs == -torch.inf)}, where the realism index "
            "is 0: every path from there has infinite cost; choose points inside"
        )
    _check_at_most_0(logs, f"at {name}")


def _check_at_most_0(logs: Tensor, where: str) -> None:
    if bool((logs.isnan() | (logs > ABOVE)).any()):
        raise InputError(
            f"the index must give log(alpha * ri), at most 0; {where} it gave values from {float(logs.min())} to "
            f"{float(logs.max())}"
        )


def _rows(bad: Tensor) -> list[int]:
    """The first rows of a mask ``(B, ...)`` with a True in them."""
    each = bad.flatten(1).any(-1) if bad.ndim > 1 else bad
    rows: list[int] = each.nonzero()[:8, 0].tolist()
    return rows


def check_generator(generator: Generator, embed: Embed, start: Tensor, end: Tensor, max_points: int | None) -> int:
    """Refuse a generator, or an embedding, whose paths would mean nothing; returns the values in one measured point.

    Raises:
        InputError: a generator that is not callable, of another dtype or device, or an ``embed`` that is neither.
        GeneratorError: a generator or embedding that fails, is in training mode, random, coupled over the batch, not
            differentiable, not finite, or makes the wrong shape.
    """
    points_to_data(generator, embed)
    if embed == "latent":
        return start.shape[-1]
    if not callable(generator):
        raise InputError(f"generator must be a callable (N, D) -> (N, ...), got {type(generator).__name__}")
    if isinstance(generator, nn.Module):
        _check_module(generator, start)
    a, b = start[:_PAIRS], end[:_PAIRS]
    data = _Probe("the generator", "(N, D)", any_precision(generator), max_points).check(
        torch.cat([a, b, torch.lerp(a, b, 0.5)])
    )
    if callable(embed):
        data = _Probe("embed", "(N, ...)", any_precision(embed), max_points).check(data)
    return data[0].numel()


class _Probe:
    """Tries a map on a few points: ``(N, ...) -> (N, ...)``, deterministic, differentiable, each point on its own."""

    def __init__(self, name: str, takes: str, function: Callable[[Tensor], Tensor], max_points: int | None) -> None:
        self.name, self.takes, self.function, self.max_points = name, takes, function, max_points

    def check(self, points: Tensor) -> Tensor:
        """What the map makes of ``points``, once nothing speaks against it."""
        with torch.enable_grad():
            leaf = points.clone().requires_grad_()
            found = self._run(leaf)
            slope = self._slope(found, leaf)
        found = found.detach()
        with torch.no_grad():
            if not bool(found.isfinite().all()):
                raise GeneratorError(f"{self.name} returns NaN or infinity at the endpoints or between them")
            largest = float(found.abs().max().clamp_min(torch.finfo(found.dtype).tiny))
            if float((self._run(points) - found).abs().max()) > _SAME * largest:
                raise GeneratorError(
                    f"{self.name} is random: two calls with the same latents differ. Switch dropout off with .eval(), "
                    "or hold its noise inputs fixed"
                )
            spread = float((found.float() - found.float().mean(0)).abs().max())
            if float((self._apart(points) - found).abs().max()) > _ALONE * spread + _SAME * largest:
                raise self._coupled()
            differ = bool((found != found[:1]).any())
        if slope is None or (differ and not bool((slope != 0).any())):
            raise GeneratorError(
                f"{self.name} is not differentiable: its gradient is 0 at every point tried, though its output "
                "changes (rounding inside?)"
            )
        if not bool(slope.isfinite().all()):
            raise GeneratorError(f"{self.name} has a gradient that is NaN or infinite at the endpoints or between them")
        return found

    def _run(self, points: Tensor) -> Tensor:
        return torch.cat([self._call(points[block]) for block in blocks(len(points), self.max_points)])

    def _call(self, points: Tensor) -> Tensor:
        try:
            found = self.function(points)
        except Exception as error:  # anything may go wrong in somebody's network
            if out_of_memory(error):
                raise
            shown = f"{tuple(points.shape)} {points.dtype} on {points.device}"
            half = {"BFloat16": "bfloat16", "Half": "half"}
            cast = next((method for kind, method in half.items() if kind in str(error)), None)
            hint = f"; lambda z: generator(z.{cast}()) serves one that computes in half precision" if cast else ""
            raise GeneratorError(f"{self.name} failed on {shown}: {type(error).__name__}: {error}{hint}") from error
        if not isinstance(found, Tensor):
            raise GeneratorError(
                f"{self.name} must return a tensor (N, ...), it returned {type(found).__name__}: wrap it in a function"
            )
        if found.ndim < 2 or len(found) != len(points):
            raise GeneratorError(
                f"{self.name} must map {self.takes} to (N, ...) with at least one dimension after the first, it made "
                f"{tuple(found.shape)} of {tuple(points.shape)}"
            )
        if not found.is_floating_point():
            raise GeneratorError(
                f"{self.name} must return floating point values, it returned {found.dtype}: skip the conversion to "
                "pixels"
            )
        return found

    def _slope(self, found: Tensor, leaf: Tensor) -> Tensor | None:
        if not found.requires_grad:
            raise GeneratorError(
                f"{self.name} is not differentiable: its output has no gradient (torch.no_grad, .detach(), NumPy or "
                "rounding inside?)"
            )
        weights = torch.cos(torch.arange(found[0].numel(), device=found.device)).to(found.dtype)  # no direction's own
        try:
            return torch.autograd.grad((found.flatten(1) * weights).sum(), leaf, allow_unused=True)[0]
        except (RuntimeError, ValueError) as error:
            if out_of_memory(error):
                raise
            raise GeneratorError(f"{self.name} is not differentiable: {error}") from error

    def _apart(self, points: Tensor) -> Tensor:
        """The same points in other company: the first alone."""
        try:
            return torch.cat([self._run(points[:1]), self._run(points[1:])])
        except LatentPathError as error:
            raise self._coupled(f" (of the first point alone: {error})") from error

    def _coupled(self, why: str = "") -> GeneratorError:
        return GeneratorError(
            f"{self.name} couples the points of a batch: its output for a point depends on the others (batch "
            f"statistics?). Put it in eval mode, or decode points one by one inside{why}"
        )


def _check_module(generator: nn.Module, start: Tensor) -> None:
    check_eval(generator, "the generator", "call generator.eval() first")
    weight = next((p for p in generator.parameters() if p.is_floating_point()), None)
    if weight is not None and weight.is_meta:
        raise InputError(
            "the generator's weights must hold numbers, got ones on the meta device: .to_empty(device=...) gives them "
            "memory, load_state_dict(...) their values"
        )
    if weight is not None and weight.device != start.device:
        raise InputError(f"start is on {start.device} and the generator on {weight.device}: move one with .to(...)")
    if weight is not None and weight.dtype != start.dtype and weight.dtype in (torch.float32, torch.float64):
        raise InputError(
            f"start is {start.dtype} and the generator's weights are {weight.dtype}: convert one with .to(...)"
        )
