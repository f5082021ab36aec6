"""Batch operations on the fields of a `latentpath.Path`: selection, joining, reversal and conversion.

Each takes the fields by name and returns those of the new path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from ._validate import describe
from .audit import Audit
from .errors import InputError
from .solvers import Multistart
from .source import Source

__all__ = ["converted", "flipped", "joined", "selected", "without_smoothing"]


def selected(path: Mapping[str, Any], rows: list[int]) -> dict[str, Any]:
    """Selects rows of the batch."""
    found = _mapped(path, lambda value: value[rows])
    settings = dict(path["settings"])
    if "smoothed" in settings:  # one bound, and a list entry for each path
        settings["smoothed"] = {
            name: [value[row] for row in rows] if isinstance(value, list) else value
            for name, value in settings["smoothed"].items()
        }
    return {**found, "outcome": tuple(path["outcome"][row] for row in rows), "settings": settings}


def joined(paths: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Joins batches.

    Raises:
        InputError: batches of different segments, dimensions, dtypes, devices or keyframes.
    """
    kinds = {_kind(path) for path in paths}
    if len(kinds) > 1:
        raise InputError(f"paths must have one shape, dtype and device; got {sorted(map(str, kinds))}.")
    first = paths[0]
    audits = [path["audit"] for path in paths]
    return {
        **{name: torch.cat([p[name] for p in paths]) for name, value in first.items() if isinstance(value, Tensor)},
        "audit": Audit(*(torch.cat([getattr(audit, field.name) for audit in audits]) for field in fields(Audit))),
        "outcome": tuple(outcome for path in paths for outcome in path["outcome"]),
        "settings": first["settings"] if all(path["settings"] == first["settings"] for path in paths) else {},
        "source": first["source"] if all(_is_equivalent(path["source"], first["source"]) for path in paths) else None,
        "multistart": Multistart.cat([path["multistart"] for path in paths]),
    }


def _is_equivalent(one: Source | None, other: Source | None) -> bool:
    return one is other or (one is not None and other is not None and one.is_equivalent(other))


def flipped(path: Mapping[str, Any]) -> dict[str, Any]:
    """Reverses the order of the points."""
    audit, indices, segments = path["audit"], path["keyframe_indices"], path["latents"].shape[1] - 1
    facts = {field.name: getattr(audit, field.name) for field in fields(Audit)}
    return {
        **path,
        "latents": path["latents"].flip(1),
        "audit": Audit(**{name: value.flip(-1) if value.ndim == 2 else value for name, value in facts.items()}),
        "discrete_segment_cost": path["discrete_segment_cost"].flip(-1),
        "ri": path["ri"].flip(-1),
        "keyframe_indices": None if indices is None else segments - indices.flip(1),
        "settings": without_smoothing(path["settings"]),
    }


def converted(
    path: Mapping[str, Any], device: torch.device | torch.dtype | str | None, dtype: torch.dtype | None
) -> dict[str, Any]:
    """Converts tensors to a device, and floating-point ones to a dtype; a converted path has no source.

    Raises:
        InputError: ``dtype`` is not float32 or float64.
    """
    if isinstance(device, torch.dtype):  # path.to(torch.float64), as of a tensor
        device, dtype = None, device
    if dtype not in (None, torch.float32, torch.float64):
        raise InputError(f"dtype must be torch.float32 or torch.float64; got {describe(dtype)}.")
    try:
        torch.zeros(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device must be a device of this machine; got {describe(device)}.") from error
    old = path["latents"]
    found = _mapped(path, lambda value: value.to(device=device, dtype=dtype if value.is_floating_point() else None))
    same = found["latents"].dtype == old.dtype and found["latents"].device == old.device
    return found if same else {**found, "source": None}


def without_smoothing(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns settings without the facts about smoothed joints, which hold for the original points alone."""
    return {name: value for name, value in settings.items() if name != "smoothed"}


def _mapped(path: Mapping[str, Any], function: Callable[[Tensor], Tensor]) -> dict[str, Any]:
    """Applies a function to all tensors of the fields, those of the audit and the search included."""

    def apply(value: Any) -> Any:
        if isinstance(value, Tensor):
            return function(value)
        if isinstance(value, Audit | Multistart):
            changes: dict[str, Any] = {f.name: function(getattr(value, f.name)) for f in fields(value)}
            return replace(value, **changes)
        return value

    return {name: apply(value) for name, value in path.items()}


def _kind(path: Mapping[str, Any]) -> tuple[object, ...]:
    """Returns the properties in which joined batches must agree."""
    latents, indices = path["latents"], path["keyframe_indices"]
    return (*latents.shape[1:], latents.dtype, latents.device, None if indices is None else indices.shape[1])
