"""Atomic writes of files, tensors read from files of this package, and strict JSON."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from .errors import DataError, MissingDataError

T = TypeVar("T")


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


def read_tensors(file: Path, what: str, file_format: str, parse: Callable[[dict[str, Tensor], Any], T]) -> T:
    """Returns ``parse(tensors, about)`` of a safetensors file with its format and, as JSON, ``about`` in the metadata.

    Args:
        file: the file.
        what: the name of its content, for messages.
        file_format: the value of ``format`` in its metadata.
        parse: takes the tensors and ``about``; a `KeyError`, `TypeError` or `ValueError` of it means a damaged file.

    Raises:
        MissingDataError: no such file.
        DataError: the file is damaged, or of another format.
    """
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        raise MissingDataError(f"no {what} file at {file}")
    try:
        with safe_open(file, "pt") as content:
            metadata = content.metadata() or {}
            if metadata.get("format") != file_format:
                raise DataError(f"{file} is a safetensors file, but not a {what} saved by latentpath")
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
        return parse(tensors, json.loads(metadata["about"]))
    except DataError:
        raise
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file} is damaged or not a {what} saved by latentpath ({error})") from error


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
