"""`load_images` as the tests of data sets call it."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_files import Load

from latentpath.data import load_images
from latentpath.data.images import Images


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """`load_images` at 4 x 4 grey, with a cache of its own, and no data sets in the environment."""
    monkeypatch.delenv("LATENTPATH_DATA", raising=False)

    def load(source: str | Path | None, **options: object) -> Images:
        return load_images(source, **{"size": 4, "channels": 1, "cache": tmp_path / "cache", **options})  # type: ignore[arg-type]

    return load
