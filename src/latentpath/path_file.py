"""The file of a saved path: safetensors, with outcomes and settings as JSON in its metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from ._io import read_tensors, replacement
from ._validate import file_path
from .audit import Audit
from .errors import InputError, MissingDataError
from .solvers import Multistart, Outcome

__all__ = ["read_path", "write_path"]

_FORMAT = "latentpath-path-1"

_NAMES = {
    "latents": "latents",
    "discrete_segment_cost": "seen",
    "ri": "ri",
    "evaluations": "evaluations",
    "gain": "gain",
}
"""Attributes of every path, and the names that they have in a file."""

_OPTIONAL = {"keyframe_indices": "joints", "length": "data_length"}
"""Attributes that not every file has, and their names: of paths through keyframes, and of files of this version."""

_AUDIT_NAMES = {"step_lengths": "steps"}
"""Attributes of an audit, and their names in a file."""


def write_path(
    file: str | os.PathLike[str],
    tensors: Mapping[str, Tensor | None],
    audit: Audit,
    multistart: Multistart | None,
    outcome: Sequence[Outcome],
    settings: Mapping[str, Any],
) -> None:
    """Writes the attributes of a path atomically.

    Raises:
        MissingDataError: the folder does not exist.
        InputError: ``file`` is a folder itself, or no path.
    """
    from safetensors.torch import save

    target = file_path("file", file)
    names = _NAMES | _OPTIONAL
    content = {names[name]: value for name, value in tensors.items() if value is not None}
    content |= {f"audit.{_AUDIT_NAMES.get(f.name, f.name)}": getattr(audit, f.name) for f in fields(Audit)}
    if multistart is not None:
        content |= {f"found.{f.name}": getattr(multistart, f.name) for f in fields(Multistart)}
    about = {"outcome": [each.name for each in outcome], "settings": settings}
    metadata = {"format": _FORMAT, "about": json.dumps(about)}
    # clones: two attributes may be one tensor, which the format refuses
    stored = save({name: value.detach().cpu().contiguous().clone() for name, value in content.items()}, metadata)
    if not target.parent.is_dir():
        raise MissingDataError(f"cannot save to {target}: the folder {target.parent} does not exist")
    if target.is_dir():
        raise InputError(f"cannot save to {target}: it is a folder, give the name of a file in it")
    with replacement(target) as partial:
        partial.write_bytes(stored)


def read_path(file: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads the attributes of a path, by name.

    Raises:
        InputError: ``file`` is no path.
        MissingDataError: no such file.
        DataError: the file is damaged, or is not a saved path.
    """
    return read_tensors(file_path("file", file), "path", _FORMAT, _facts)


def _facts(tensors: dict[str, Tensor], about: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the attributes of a path from the tensors of a file."""
    outcome = tuple(Outcome[name] for name in about["outcome"])
    if any(len(value) != len(outcome) for value in tensors.values()):
        raise ValueError("its parts are of different batch sizes")
    tensors.setdefault("audit.limited", torch.zeros_like(tensors["audit.settled"]))  # older files lack it
    tensors.setdefault(_OPTIONAL["length"], tensors["audit.length"])  # as before there were mixed rulers
    audit = {f.name: tensors.pop(f"audit.{_AUDIT_NAMES.get(f.name, f.name)}") for f in fields(Audit)}
    search = {f.name: tensors.pop(f"found.{f.name}") for f in fields(Multistart) if f"found.{f.name}" in tensors}
    return {
        **{name: tensors[stored] for name, stored in _NAMES.items()},
        **{name: tensors[stored] for name, stored in _OPTIONAL.items() if stored in tensors},
        "audit": Audit(**audit),
        "multistart": Multistart(**search) if search else None,
        "outcome": outcome,
        "settings": about["settings"],
    }
