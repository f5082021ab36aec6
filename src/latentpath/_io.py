"""Atomic writes of files, and strict JSON."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import DataError


@contextmanager
def replacement(path: Path, name: Callable[[], str] | None = None) -> Iterator[Path]:
    """Yields a new path in the folder of ``path``; the file written there replaces ``path`` at the end.

    After an error or an interrupt the new file is removed, and an older ``path`` is unharmed. ``name`` returns the
    final name in that folder, where it depends on the content.
    """
    partial = path.with_name(f".partial-{path.name}")  # its suffix stays: encoders choose the format by it
    try:
        yield partial
        partial.replace(path if name is None else path.with_name(name()))
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def write_file(path: Path, content: bytes | str) -> None:
    """Writes a file atomically, text as UTF-8; creates a missing folder.

    Raises:
        DataError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacement(path) as partial:
            partial.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise DataError(f"cannot write {path} ({error.strerror or error}); an older file is unchanged") from error


def write_json(path: Path, content: Any, indent: int | None = 2) -> None:
    """Writes ``content`` by `to_json` and `write_file`, with a line end."""
    write_file(path, to_json(content, indent) + "\n")


def to_json(content: Any, indent: int | None = 2) -> str:
    """Returns ``content`` as JSON text; NaN and infinities become null.

    Example:
        >>> to_json({"cost": [1.5, float("inf")]}, indent=None)
        '{"cost": [1.5, null]}'
    """
    return json.dumps(finite(content), indent=indent, ensure_ascii=False, allow_nan=False)


def finite(value: Any) -> Any:
    """Returns ``value`` with None in place of NaN and infinities, in dictionaries, lists and tuples too."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
