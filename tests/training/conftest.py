"""Fixtures of the training tests: a short recalibration, and a whole run."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from latentpath.training import (
    dcgan,
    recalibrate,
    train_dcgan,
)
from runs import PRIOR, TINY, pictures


@pytest.fixture(autouse=True)
def briefly_recalibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dcgan, "recalibrate", partial(recalibrate, batches=2))


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A run of six steps in one go."""
    train_dcgan(TINY, pictures(), PRIOR, tmp_path / "whole")
    return tmp_path / "whole"
