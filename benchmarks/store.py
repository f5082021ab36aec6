"""Finished measurements, one JSON file each, so that an interrupted run goes on where it was."""

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
"""Of the files; a higher one makes the old ones unknown."""

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
        """Keep the measurement: the whole file or none."""
        write(self.path(kind, name, key), {"key": key, "record": record})

    def forget(self, kind: str, name: str, key: Record) -> None:
        """Measure it again next time."""
        self.path(kind, name, key).unlink(missing_ok=True)

    def clear(self, kind: str) -> None:
        """Measure everything of that kind again."""
        for path in self.folder.glob(f"{slug(kind)}--*.json"):
            path.unlink()


def write(path: Path, content: Record) -> None:
    """Write JSON, the whole file or none; a line for every entry, and for every record in a list of them."""
    lines = []
    for name, value in content.items():
        one = to_json(value, indent=None)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            one = "[\n" + ",\n".join(to_json(item, indent=None) for item in value) + "\n]"
        lines.append(f"{json.dumps(name)}: {one}")
    write_file(path, "{\n" + ",\n".join(lines) + "\n}\n")


def slug(name: str) -> str:
    """A name as part of a file's name."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")


def plain(values: Tensor | Sequence[float] | float) -> Any:
    """Numbers for JSON, to seven digits; None for what is not finite."""
    if isinstance(values, Tensor):
        return plain(values.tolist())
    if isinstance(values, Sequence):
        return [plain(value) for value in values]
    return float(f"{values:.7g}") if math.isfinite(values) else None


@cache
def source_digest() -> str:
    """What tells one state of the library's code from another."""
    found = hashlib.sha256()
    for path in sorted(Path(lp.__file__).parent.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


def digest(*tensors: Tensor) -> str:
    """What tells these numbers from others."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:12]
