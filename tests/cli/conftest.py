"""Two images as files, and models by any name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from interpolate_command import SHIPPED
from PIL import Image

import latentpath as lp
from latentpath.models.sampling import draw


@pytest.fixture(autouse=True, scope="session")
def _small_manifold() -> Iterator[None]:
    """Lets precision be decided by few samples, which cost less to draw."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("latentpath.cli.judges._REFERENCE", 50)
        yield


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Callable[[lp.Model], str]:
    """Gives a model a name that ``--model`` takes."""

    def name(model: lp.Model) -> str:
        monkeypatch.setattr("latentpath.models.load", lambda asked, **options: model)
        return model.name

    return name


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path]:
    """Two digits that the shipped model made."""
    model = lp.load(SHIPPED)
    assert model.prior is not None
    made = model.generator(draw(model.prior, 2, torch.Generator().manual_seed(1)))
    files = tmp_path / "a.png", tmp_path / "b.png"
    for file, image in zip(files, made, strict=True):
        Image.fromarray(((image[0] + 1) * 127.5).round().to(torch.uint8).numpy()).save(file)
    return files


@pytest.fixture(autouse=True)
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judges and true indices of few samples: these tests are about the command."""
    monkeypatch.setattr("latentpath.cli.judges._REFERENCE", 50)
    monkeypatch.setattr("latentpath.models.recipes.SAMPLES", 20)
