"""The probe of a user's map: on a few points it must be deterministic, differentiable, and free of coupling.

A path is meaningless under a map that fails any of these, and the solver would not notice. The probe calls the map
three times: without a gradient, with one, and with the first point apart from the others.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .callables import check_eval, leaf_and_view, out_of_memory
from .errors import GeneratorError, InputError, LatentPathError

_ROUNDING = 1e-5  # the difference of two calls that rounding explains, relative to the largest value
_COUPLING = 5e-3
"""The difference of a point alone and in a batch that kernels explain, relative to the spread of the values."""


def check_callable(name: str, function: object) -> None:
    """Refuses an object that is not callable, and a module in training mode."""
    if not callable(function) or isinstance(function, type):
        raise InputError(f"{name} must be a callable; got {type(function).__name__}.")
    check_eval(function, name, f"Call {name}.eval() first.")


def tried(name: str, function: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """Returns ``function(points)``; an error of the function becomes one that names it."""
    try:
        return function(points)
    except LatentPathError:
        raise
    except Exception as error:  # anything may go wrong in a user's network
        if out_of_memory(error):
            raise
        half = {"BFloat16": "bfloat16", "Half": "half"}
        cast = next((method for kind, method in half.items() if kind in str(error)), None)
        hint = f" If it computes in half precision, pass lambda z: {name}(z.{cast}())." if cast else ""
        shown = f"{tuple(points.shape)} {points.dtype} on {points.device}"
        raise GeneratorError(f"{name} failed on {shown}: {type(error).__name__}: {error}{hint}") from error


def probe(name: str, function: Callable[[Tensor], Tensor], points: Tensor, ends: int | None = None) -> Tensor:
    """Returns what ``function`` makes of points ``(N, ...)``, floating point ``(N, ...)``, if a path can follow it.

    Values and gradients must be finite at the first ``ends`` points, or at all; the others are left out where they lie
    in a hole of the function.
    """
    with torch.no_grad():
        given = points.clone()
        found = tried(name, function, given)
        if not torch.equal(given, points):
            raise GeneratorError(f"{name} must leave its input as it is; it works in place. Let it work on a copy.")
        finite = found.reshape(len(found), -1).isfinite().all(-1)
        if not bool(finite[:ends].all()):
            raise GeneratorError(f"{name} must be finite; it gave NaN or infinity at a point tried.")
    if not bool(finite.all()):
        return probe(name, function, points[finite], ends)
    again, slope = _value_and_slope(name, function, points)
    if slope is not None and not bool(slope.isfinite().all()):
        finite = slope.reshape(len(slope), -1).isfinite().all(-1)
        if not bool(finite[:ends].all()):
            raise GeneratorError(f"{name} must have finite gradients; got NaN or infinity at a point tried.")
        return probe(name, function, points[finite], ends)
    with torch.no_grad():
        rounding = _ROUNDING * float(found.abs().max().clamp_min(torch.finfo(found.dtype).tiny))
        if float((again - found).abs().max()) > rounding:
            raise GeneratorError(
                f"{name} must be deterministic; it is random: two calls with the same points differ. Switch dropout "
                "off with .eval(), or hold its noise inputs fixed."
            )
        spread = float((found.float() - found.float().mean(0)).abs().max())
        if float((_first_apart(name, function, points) - found).abs().max()) > _COUPLING * spread + rounding:
            raise _coupled(name)
        differ = bool((found != found[:1]).any())
    if slope is None or (differ and not bool((slope != 0).any())):
        raise GeneratorError(
            f"{name} must be differentiable; its gradient is 0 at every point tried, though its values change "
            "(argmax or rounding inside?)."
        )
    return found


def _value_and_slope(name: str, function: Callable[[Tensor], Tensor], points: Tensor) -> tuple[Tensor, Tensor | None]:
    """Computes the values, and the gradient of a weighted sum of them, which favours no direction."""
    with torch.enable_grad():
        leaf, view = leaf_and_view(points.clone())
        found = tried(name, function, view)
        if not found.requires_grad:
            raise GeneratorError(
                f"{name} must be differentiable; its values have no gradient (torch.no_grad, .detach(), NumPy or "
                "rounding inside?)."
            )
        weights = torch.cos(torch.arange(found[0].numel(), device=found.device)).to(found.dtype)
        total = (found.reshape(len(found), -1) * weights).sum()
        try:
            return found.detach(), torch.autograd.grad(total, leaf, allow_unused=True)[0]
        except (RuntimeError, ValueError) as error:
            if out_of_memory(error):
                raise
            raise GeneratorError(
                f"{name} must be differentiable; its backward pass failed: {error}. If it works in place, let it "
                "work on a copy."
            ) from error


def _first_apart(name: str, function: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """Computes the values again, of the first point alone and of the others together."""
    try:
        return torch.cat([tried(name, function, points[:1]), tried(name, function, points[1:])])
    except LatentPathError as error:
        raise _coupled(name, f" For the first point alone: {error}") from error


def _coupled(name: str, why: str = "") -> GeneratorError:
    return GeneratorError(
        f"{name} must map each point on its own; it couples the points of a batch (batch statistics?). Put it in eval "
        f"mode, or decode points one by one inside.{why}"
    )
