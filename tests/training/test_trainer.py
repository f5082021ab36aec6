"""Trainers: arguments, initial weights, and the statistics of the averaged generator."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from latentpath.cli.package import package_run
from latentpath.errors import InputError
from latentpath.models.networks.dcgan import DCGANGenerator
from latentpath.priors import standard_normal
from latentpath.training import (
    recalibrate,
    train_dcgan,
)
from runs import PRIOR, RUNS, TINY, pictures, same


def test_arguments_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"images must be uint8 \(N, 1, 28, 28\)"):
        train_dcgan(TINY, pictures().float(), PRIOR, tmp_path)
    with pytest.raises(InputError, match=r"\(30, 1, 27, 28\)"):
        train_dcgan(TINY, pictures()[:, :, 1:], PRIOR, tmp_path)
    with pytest.raises(InputError, match="vectors of length 4"):
        train_dcgan(TINY, pictures(), standard_normal(5), tmp_path)
    with pytest.raises(InputError, match="at least as many images; got 5"):
        train_dcgan(TINY, pictures(5), PRIOR, tmp_path)
    assert not list(tmp_path.iterdir())
    for wrong in ({"steps": 0}, {"batch": 1}, {"seed": -1}, {"learning_rate": -1.0}, {"width": 0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            replace(TINY, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("train", "config"), [RUNS[0], RUNS[4]])
def test_a_run_begins_with_the_weights_of_a_model(tmp_path: Path, train: Any, config: Any) -> None:
    first = train(config, pictures(), PRIOR, tmp_path / "first")
    package_run(tmp_path / "first", "first", tmp_path / "model", pictures(), PRIOR, dtype=torch.float32)
    held = replace(config, init=str(tmp_path / "model"), learning_rate=0.0, steps=2)
    again = train(held, pictures(), PRIOR, tmp_path / "again")
    mine, theirs = dict(again.named_parameters()), dict(first.named_parameters())
    assert all(torch.allclose(mine[name], theirs[name], rtol=1e-6, atol=0) for name in mine)
    random = train(replace(held, init=None), pictures(), PRIOR, tmp_path / "random")
    assert not same(dict(random.named_parameters()), theirs)

    moved = replace(held, learning_rate=1e-3, steps=4)
    one = train(moved, pictures(), PRIOR, tmp_path / "one")
    train(moved, pictures(), PRIOR, tmp_path / "two", max_minutes=0.0)
    shutil.rmtree(tmp_path / "model")  # what has begun needs it no more
    two = train(moved, pictures(), PRIOR, tmp_path / "two", resume=True)
    assert same(one.state_dict(), two.state_dict())


def test_a_model_that_a_run_cannot_begin_with_is_refused(tmp_path: Path) -> None:
    for name, message in (
        ("mnist-dcgan-normal", r"prior must be over vectors \(20,\)"),
        ("celeba-wae", r"prior must be over vectors \(64,\)"),
        ("mnist-classifier", "built differently"),
        ("no-such-model", "there is no shipped model"),
    ):
        with pytest.raises(InputError, match=message):
            train_dcgan(replace(TINY, init=name), pictures(), PRIOR, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_recalibration_measures_mean_and_variance_of_the_prior() -> None:
    torch.manual_seed(0)
    generator = DCGANGenerator(latent_dim=4, width=2)
    first = generator.net[0]
    recalibrate(generator, standard_normal(4), batches=200)
    norm = generator.net[2]
    exact = (first.weight.double() ** 2).sum(1).reshape(4, 49).mean(1)  # of a linear map of N(0, I), over the places
    torch.testing.assert_close(norm.running_var.double(), exact, rtol=0.02, atol=0)  # type: ignore[union-attr,operator]
    assert float(norm.running_mean.abs().max()) < 0.002  # type: ignore[union-attr,operator]
    assert not generator.training
