"""Data sets of the Hugging Face Hub, by name, through the ``datasets`` library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError, MissingDataError, missing
from .folders import row_reader
from .listing import Source, fingerprint

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict


def hub_source(given: str, split: str) -> Source:
    """Opens the pictures in a data set of the Hub, called ``name``, ``org/name`` or ``org/name:configuration``.

    They are in the column whose feature is an image: the one called ``image`` if there are several, else the first.
    Its rows keep their order. A second call reads the Hub's cache, offline too.
    """
    tables = _load(given)
    if split not in tables:
        raise MissingDataError(f"{given} has no split {split!r}: there is {', '.join(map(str, tables))}")
    table = tables[split]
    column = _image_column(table, given)
    files = [Path(entry["filename"]) for entry in table.cache_files]
    key = fingerprint([given, split, column, len(table), *((f.name, f.stat().st_size, str(f.parent)) for f in files)])
    return Source(given, key, len(table), row_reader(_undecoded(table, column), column, f"{given} ({split})"))


def _load(given: str) -> DatasetDict:
    name, _, configuration = given.partition(":")
    where = f"there is no file or folder {given!r} here, and reading it as a data set of the Hugging Face Hub"
    try:
        from datasets import DatasetDict, load_dataset
    except ImportError:
        raise missing("datasets", "data", where) from None
    try:
        tables = load_dataset(name, configuration or None)
    except Exception as error:  # of datasets, huggingface_hub, httpx, fsspec and the file formats
        reason = " ".join(str(error).split())[:300]  # with the configurations there are, where one must be chosen
        raise MissingDataError(
            f"{where} failed ({type(error).__name__}: {reason}): check the name and the connection (HF_HUB_OFFLINE "
            "forbids it; HF_TOKEN opens what is gated), or pass a folder or zip archive of images"
        ) from error
    if not isinstance(tables, DatasetDict):
        raise DataError(f"{given} is a {type(tables).__name__}, expected tables by split")
    return tables


def _image_column(table: Dataset, given: str) -> str:
    from datasets import Image

    columns = [column for column, feature in table.features.items() if isinstance(feature, Image)]
    if not columns:
        there = ", ".join(f"{name} ({type(feature).__name__})" for name, feature in table.features.items())
        raise DataError(f"{given} has no column of images: there is {there}; choose another data set")
    return "image" if "image" in columns else columns[0]


def _undecoded(table: Dataset, column: str) -> Dataset:
    from datasets import Image

    return table.select_columns([column]).cast_column(column, Image(decode=False))
