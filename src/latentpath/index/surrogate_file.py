"""The file of a surrogate: safetensors, with the facts of its fit as JSON in the metadata."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from latentpath._io import read_tensors, to_json, write_file
from latentpath._validate import SEED, file_path, real_number, whole_number

from .surrogate import SurrogateFit
from .surrogate_network import SurrogateNetwork

_FORMAT = "latentpath-surrogate-1"
_SETTINGS = ("latents", "steps", "seed", "width")


def write_surrogate(file: str | os.PathLike[str], fit: SurrogateFit, about: Mapping[str, Any]) -> None:
    """Writes a fit and the facts of its index atomically.

    Raises:
        InputError: ``file`` is not a path.
        DataError: the file cannot be written.
    """
    from safetensors.torch import save

    tensors = {
        name: value.half() if fit.network.halved and name.endswith(("weight", "bias")) else value
        for name, value in fit.network.tensors.items()
    }
    facts = {**about, "correlation": fit.correlation, "fitted": dict(fit.settings)}
    write_file(file_path("file", file), save(tensors, {"format": _FORMAT, "about": to_json(facts, indent=None)}))


def read_surrogate(file: str | os.PathLike[str]) -> tuple[SurrogateFit, dict[str, Any]]:
    """Reads a fit and the facts of its index.

    Raises:
        InputError: ``file`` is not a path.
        MissingDataError: no such file.
        DataError: the file is damaged, or is not a saved surrogate.
    """
    return read_tensors(
        file_path("file", file), "surrogate", _FORMAT, lambda tensors, about: (_fit(tensors, about), _facts(about))
    )


def _fit(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> SurrogateFit:
    correlation = about["correlation"]
    return SurrogateFit(
        SurrogateNetwork(tensors),
        math.nan if correlation is None else float(real_number("correlation", correlation)),
        {name: whole_number(name, about["fitted"][name], 0) for name in _SETTINGS},
    )


def _facts(about: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "target_name": str(about["target_name"]),
        "samples": whole_number("samples", about["samples"], 2),
        "seed": whole_number("seed", about["seed"], 0, SEED),
    }
