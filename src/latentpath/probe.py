"""What is asked of the callables that a score is made of: eval mode, and a score that a path can follow."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .callables import leaf_and_view, out_of_memory, training_parts
from .errors import GeneratorError, InputError, LatentPathError

__all__ = ["as_weights", "check_parts", "kind_of", "probe"]

_ROUNDING, _ALONE = 1e-5, 5e-3  # of the largest score; of their spread


def check_parts(**parts: object) -> None:
    """Refuse what is no callable, and modules in training mode.

    Raises:
        InputError: a part is not callable.
        GeneratorError: a part is in training mode.
    """
    for name, part in parts.items():
        if not callable(part) or isinstance(part, type):
            raise InputError(f"{name} must be a callable, got {type(part).__name__}")
        busy = training_parts(part)
        if busy:
            raise GeneratorError(f"{name} is in training mode ({busy}): call {name}.eval() first")


def kind_of(found: object) -> str:
    """What a callable gave, in words: dtype and shape of a tensor, the type of anything else."""
    return f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__


def as_weights(like: object, points: Tensor) -> Tensor:
    """The points in the dtype and on the device of a module's weights, where ``like`` is one that has any.

    Latents for weights in half precision are float32: that they are rounded to the weights' dtype is the module's.
    """
    weights = like.parameters() if isinstance(like, nn.Module) else iter(())
    weight = next((p for p in weights if p.is_floating_point()), None)
    if weight is None:
        return points
    return points.to(weight.device, torch.promote_types(weight.dtype, torch.float32))


def probe(score: Callable[[Tensor], Tensor], points: Tensor) -> None:
    """Refuse a score that fails, works in place, is random, couples the batch or has no gradient."""
    with torch.no_grad():
        given = points.clone()
        _tried(score, given)
        if not torch.equal(given, points):
            raise GeneratorError("the score changes the latents that it is given, in place: let it work on a copy")
    with torch.enable_grad():
        leaf, view = leaf_and_view(points.clone())
        found = _tried(score, view)
        try:
            slope = torch.autograd.grad(found.sum(), leaf, allow_unused=True)[0] if found.requires_grad else None
        except RuntimeError as error:
            raise GeneratorError(
                "the score has no gradient; does a network change its input in place? Let it work on a copy "
                f"({type(error).__name__}: {error})"
            ) from error
    found = found.detach()
    if not bool(found.isfinite().all()):
        return  # which is said with more to show
    with torch.no_grad():
        spread = float((found - found.mean()).abs().max())
        rounding = _ROUNDING * float(found.abs().max())
        if float((score(points) - found).abs().max()) > rounding:
            raise GeneratorError("the score is random: two calls with the same latents differ; hold its noise fixed")
        if float((torch.cat([score(points[:1]), score(points[1:])]) - found).abs().max()) > _ALONE * spread + rounding:
            raise GeneratorError(
                "the score of a latent depends on the others in its batch (batch statistics?): put the networks "
                "in eval mode"
            )
    if slope is None or (spread > 0 and not bool((slope != 0).any())):
        raise GeneratorError(
            "the score is not differentiable: it has no gradient, or one that is 0 everywhere (no_grad, argmax or "
            "rounding inside?)"
        )
    if not bool(slope.isfinite().all()):
        raise GeneratorError("the score has a gradient that is NaN or infinite on the prior's samples")


def _tried(score: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    try:
        return score(points)
    except LatentPathError:
        raise
    except Exception as error:  # anything may go wrong in somebody's network
        if out_of_memory(error):
            raise
        shown = f"{tuple(points.shape)} {points.dtype} on {points.device}"
        raise GeneratorError(
            f"the score failed on samples of the prior, {shown}: {type(error).__name__}: {error}"
        ) from error
