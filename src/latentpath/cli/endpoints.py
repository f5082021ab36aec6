"""The sources of a command's endpoints: the prior, seeds, a file of latents, or pictures."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..errors import DataError, InputError, MissingDataError
from ..models.sampling import draw

_PICKLES = {".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt"}


@dataclass(frozen=True)
class Ends:
    """The source of the endpoints: one of these."""

    seeds: tuple[str, ...] = ()  # texts such as ``"1,2"``, one for each pair
    pairs: int | None = None  # how many are drawn from the prior
    latents: Path | None = None
    starts: tuple[Path, ...] = ()
    ends: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        given = {
            "--seeds": bool(self.seeds),
            "--pairs": self.pairs is not None,
            "--latents": self.latents is not None,
            "--from and --to": bool(self.starts or self.ends),
        }
        chosen = [name for name, there in given.items() if there]
        ways = "--seeds 1,2 or --pairs 4 or --latents FILE or --from a.png --to b.png"
        if not chosen:
            raise InputError(f"between what? Give the endpoints: {ways}")
        if len(chosen) > 1:
            raise InputError(f"endpoints come from one place, and {' and '.join(chosen)} were given: choose {ways}")
        if self.pairs is not None and self.pairs < 1:
            raise InputError(f"--pairs must be at least 1, got {self.pairs}")


@dataclass(frozen=True)
class Pairs:
    """Endpoints, and where they come from."""

    start: Tensor  # ``(B, D)``
    end: Tensor  # ``(B, D)``
    about: dict[str, Any] = field(default_factory=dict)  # for ``report.json``
    # where the endpoints were pictures, those, first all starts, then all ends, ``(2B, C, H, W)``
    images: Tensor | None = None
    made: Tensor | None = None  # what the model makes of the latents found for them


def from_seeds(prior: Distribution, seeds: Sequence[str]) -> Pairs:
    """A pair for each ``"1,2"``: the draw of seed 1 and that of seed 2."""
    numbers = [_two_seeds(text) for text in seeds]
    start, end = (
        torch.cat([draw(prior, 1, torch.Generator().manual_seed(seed)) for seed in side])
        for side in zip(*numbers, strict=True)
    )
    return Pairs(start, end, {"from": "seeds", "seeds": [list(two) for two in numbers]})


def _two_seeds(text: str) -> tuple[int, int]:
    parts = text.split(",")
    try:
        first, second = (int(part) for part in parts)
    except ValueError:
        raise InputError(f"--seeds takes two whole numbers with a comma between, such as 1,2, got {text!r}") from None
    if not (0 <= first < 2**63 and 0 <= second < 2**63):
        raise InputError(f"a seed must be at least 0 and below 2 ** 63, got {text!r}")
    return first, second


def from_file(file: Path, dim: int) -> Pairs:
    """The pairs in a file of latents: ``(B, 2, D)``, or ``start`` and ``end`` of ``(B, D)`` each."""
    arrays = _read_arrays(file)
    if {"start", "end"} <= arrays.keys():
        start, end = (_as_latents(file, name, arrays[name]) for name in ("start", "end"))
        start, end = (value[None] if value.ndim == 1 else value for value in (start, end))
        shapes = [tuple(start.shape), tuple(end.shape)]
        fits, expected = start.ndim == 2 and shapes[0] == shapes[1], f"start and end (B, {dim})"
        got = f"{shapes[0]} and {shapes[1]}"
    else:
        name = "latents" if "latents" in arrays else next(iter(arrays), "")
        if name != "latents" and len(arrays) != 1:
            raise DataError(
                f"{file} holds {', '.join(map(repr, sorted(arrays))) or 'nothing'}: expected one array, or 'latents' "
                f"(B, 2, {dim}), or 'start' and 'end' (B, {dim})"
            )
        both = _as_latents(file, name, arrays[name])
        both = both[None] if both.ndim == 2 else both
        fits, expected, got = both.ndim == 3 and both.shape[1] == 2, f"(B, 2, {dim})", str(tuple(both.shape))
        if both.ndim == 3 and both.shape[1] > 2:
            expected += " (of whole paths take latents[:, [0, -1]])"
        start, end = (both[:, 0], both[:, 1]) if fits else (both, both)
    if not fits or start.shape[-1] != dim or len(start) == 0:
        raise InputError(f"{file} must hold {expected}, D = {dim} being the model's, it holds {got}")
    for value in (start, end):
        if not bool(value.isfinite().all()):
            raise InputError(f"{file} holds NaN or infinity")
    return Pairs(start.contiguous(), end.contiguous(), {"from": "latents", "file": str(file)})


def _as_latents(file: Path, name: str, value: Any) -> Tensor:
    """An array as a tensor of floating point; float64 stays float64."""
    tensor: Tensor = value if isinstance(value, Tensor) else torch.from_numpy(value)
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise DataError(f"{file} holds {name or 'an array'} of {tensor.dtype}, expected numbers")
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _read_arrays(file: Path) -> dict[str, Any]:
    """The arrays of a file by name; that of an ``.npy`` has no name."""
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.torch import load

    suffix = file.suffix.lower()
    if suffix in _PICKLES:
        raise InputError(
            f"{file} is a pickle, which can run any code when it is read, and is not loaded. Where you trust it, "
            "convert it: numpy.save('latents.npy', torch.load(FILE, weights_only=True).numpy())"
        )
    if suffix not in {".npy", ".npz", ".safetensors"}:
        raise InputError(f"--latents takes a file .npy, .npz or .safetensors, got {file}")
    if not file.is_file():
        raise MissingDataError(f"{file} does not exist, or is no file")
    try:
        if suffix == ".safetensors":
            return dict(load(file.read_bytes()))
        content = np.load(BytesIO(file.read_bytes()), allow_pickle=False)
        if suffix == ".npy":
            return {"": _numbers(content)}
        with content:
            return {name: _numbers(content[name]) for name in content.files}
    except (OSError, EOFError, ValueError, TypeError, AttributeError, zipfile.BadZipFile, SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{file} cannot be read as {suffix}: {reason}") from error


def _numbers(array: Any) -> Any:
    if array.dtype.kind not in "fiu":
        raise TypeError(f"it holds {array.dtype}, expected numbers")
    return array.astype(array.dtype.newbyteorder("=")) if array.dtype.kind == "f" else array.astype("float64")
