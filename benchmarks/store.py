"""Finished measurements, one JSON file each, so that an interrupted run goes on with the missing ones."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor

import latentpath as lp
from latentpath._io import to_json, write_file

FORMAT = 1
"""The version of the files; a file of another version is not read."""

Record = dict[str, Any]


class Store:
    """A folder of measurements.

    A measurement is known by the ``kind`` and ``name`` that begin its file's name and by its ``key``: everything that
    it depends on, but for the code and the machine.

    Args:
        folder: made when the first one is saved.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, kind: str, name: str, key: Record) -> Path:
        """The file of a measurement."""
        content = json.dumps({"format": FORMAT, **key}, sort_keys=True)
        return self.folder / f"{slug(kind)}--{slug(name)}--{hashlib.sha256(content.encode()).hexdigest()[:12]}.json"

    def load(self, kind: str, name: str, key: Record) -> Record | None:
        """The measurement, if it was made; a file that cannot be read was not."""
        try:
            found: Record = json.loads(self.path(kind, name, key).read_text(encoding="utf-8"))["record"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found

    def save(self, kind: str, name: str, key: Record, record: Record) -> None:
        """Saves the measurement: the whole file or none."""
        write(self.path(kind, name, key), {"key": key, "record": record})

    def forget(self, kind: str, name: str, key: Record) -> None:
        """Removes the measurement, so that the next run makes it again."""
        self.path(kind, name, key).unlink(missing_ok=True)

    def clear(self, kind: str) -> None:
        """Removes all measurements of a kind."""
        for path in self.folder.glob(f"{slug(kind)}--*.json"):
            path.unlink()


def write(path: Path, content: Record) -> None:
    """Writes JSON, the whole file or none; a line for every entry, and for every record in a list of them."""
    lines = []
    for name, value in content.items():
        one = to_json(value, indent=None)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            one = "[\n" + ",\n".join(to_json(item, indent=None) for item in value) + "\n]"
        lines.append(f"{json.dumps(name)}: {one}")
    write_file(path, "{\n" + ",\n".join(lines) + "\n}\n")


def slug(name: str) -> str:
    """Returns a name in characters that a file name may have."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")


def plain(values: Tensor | Sequence[float] | float) -> Any:
    """Returns numbers for JSON, to seven digits; NaN and infinities become null."""
    if isinstance(values, Tensor):
        return plain(values.tolist())
    if isinstance(values, Sequence):
        return [plain(value) for value in values]
    return float(f"{values:.7g}") if math.isfinite(values) else None


@cache
def source_digest() -> str:
    """Returns a digest of the library's source code."""
    found = hashlib.sha256()
    for path in sorted(Path(lp.__file__).parent.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


def digest(*tensors: Tensor) -> str:
    """Returns a digest of the numbers in tensors."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:12]
