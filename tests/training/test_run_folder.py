"""The folder of a run: configuration, checkpoints and the packaged model, and what is refused."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from latentpath.cli.package import package_run
from latentpath.errors import DataError, InputError, MissingDataError, TrainingError
from latentpath.models import load
from latentpath.models.folders import read_model
from latentpath.training import (
    averaged_dcgan,
    averaged_wae,
    read_config,
    train_dcgan,
    train_wae,
)
from latentpath.training.config import check
from runs import AUTO, PRIOR, TINY, pictures, same


def test_a_checkpoint_is_readable_for_whom_other_files_are(whole: Path) -> None:
    assert (whole / "state.safetensors").stat().st_mode == (whole / "config.json").stat().st_mode


def test_a_configuration_of_other_types_is_refused(whole: Path) -> None:
    record = whole / "config.json"
    content = json.loads(record.read_text())
    for wrong in ({"width": True}, {"seed": True}, {"width": 0}, {"ema": -1.0}):
        record.write_text(json.dumps({**content, **wrong}))
        with pytest.raises(DataError, match=f"not the configuration of a run: {next(iter(wrong))} must be"):
            read_config(whole)
    for name, value in {"width": "2", "prior": 5, "init": 5, "ema": "x", "flip": 1, "precision": []}.items():
        config = replace(TINY)
        object.__setattr__(config, name, value)  # as from a file, where annotations are not checked at run time
        with pytest.raises(InputError, match=f"{name} must be"):
            check(config)


def test_a_model_of_a_run_that_has_gone_on_says_so(whole: Path) -> None:
    package_run(whole, "tiny", whole / "model", pictures(), PRIOR)
    load(whole)
    state = whole / "state.safetensors"
    save_file(load_file(state), state, metadata={"step": "9"})
    with pytest.warns(UserWarning, match="was made after 6 steps of its run, which is at step 9 by now"):
        load(whole)


def test_the_folder_holds_the_configuration_and_the_samples(whole: Path) -> None:
    import PIL.Image

    assert read_config(whole) == TINY
    with PIL.Image.open(whole / "samples.png") as sheet:
        assert sheet.size == (2 * (8 * 29 + 1), 2 * (8 * 29 + 1))
    assert not list(whole.glob("*partial*"))


def test_the_generator_comes_from_the_folder_as_from_the_run(tmp_path: Path) -> None:
    returned = train_dcgan(TINY, pictures(), PRIOR, tmp_path)
    found, step, seconds = averaged_dcgan(tmp_path, PRIOR)
    assert (step, found.training) == (6, False)
    assert seconds >= 0
    assert same(returned.state_dict(), found.state_dict())


def test_a_run_is_neither_overwritten_nor_mixed_up(whole: Path) -> None:
    before = (whole / "state.safetensors").read_bytes()
    with pytest.raises(TrainingError, match="holds a run already.*--resume"):
        train_dcgan(TINY, pictures(), PRIOR, whole)
    with pytest.raises(TrainingError, match=r"differs in width \(there 2, here 3\)"):
        train_dcgan(replace(TINY, width=3), pictures(), PRIOR, whole, resume=True)
    assert (whole / "state.safetensors").read_bytes() == before


def test_damaged_checkpoints_and_configurations_are_refused(whole: Path) -> None:
    state = whole / "state.safetensors"
    content = state.read_bytes()
    state.write_bytes(content[:1000])
    with pytest.raises(DataError, match="damaged or not a checkpoint"):
        train_dcgan(TINY, pictures(), PRIOR, whole, resume=True)
    save_file({"generator/strange": torch.zeros(1)}, state, metadata={"step": "3"})
    with pytest.raises(DataError, match="not a checkpoint of this run"):
        train_dcgan(TINY, pictures(), PRIOR, whole, resume=True)
    with pytest.raises(DataError, match="does not fit its configuration"):
        averaged_dcgan(whole, PRIOR)
    for text in ("{", "[]", '{"kind": "wae"}', json.dumps({"kind": "dcgan", **asdict(TINY), "odd": 1})):
        (whole / "config.json").write_text(text)
        with pytest.raises(DataError, match=r"config\.json"):
            train_dcgan(TINY, pictures(), PRIOR, whole, resume=True)
    with pytest.raises(MissingDataError, match="holds no run"):
        averaged_dcgan(whole / "nothing", PRIOR)


def test_other_images_or_another_kind_are_not_gone_on_with(whole: Path) -> None:
    with pytest.raises(TrainingError, match=r"other images \(there 30, here 30, or with another content\)"):
        train_dcgan(TINY, pictures().flip(0), PRIOR, whole, resume=True)
    with pytest.raises(TrainingError, match=r"other images \(there 30, here 29"):
        train_dcgan(TINY, pictures(29), PRIOR, whole, resume=True)
    one = pictures()
    one[17, 0, 5, 5] ^= 1
    with pytest.raises(TrainingError, match="another content"):
        train_dcgan(TINY, one, PRIOR, whole, resume=True)
    with pytest.raises(TrainingError, match="holds a DCGANConfig run"):
        train_wae(AUTO, pictures(), PRIOR, whole, resume=True)
    with pytest.raises(DataError, match="holds a DCGANConfig run, not a WAEConfig one"):
        averaged_wae(whole, pictures())


def test_a_checkpoint_without_its_configuration_is_not_gone_on_with(whole: Path) -> None:
    (whole / "config.json").unlink()
    for resume in (False, True):
        with pytest.raises(TrainingError, match="not the configuration that it belongs to"):
            train_dcgan(TINY, pictures(), PRIOR, whole, resume=resume)


def test_a_run_is_packaged_with_its_own_images_and_is_no_model_before(whole: Path) -> None:
    with pytest.raises(TrainingError, match="other images"):
        package_run(whole, "tiny", whole / "model", pictures().flip(0), PRIOR)
    with pytest.raises(MissingDataError, match="holds a training run, but no model yet"):
        read_model(whole)
    assert package_run(whole, "tiny", whole / "model", pictures(), PRIOR).card["steps"] == 6


def test_a_run_that_failed_before_its_first_checkpoint_does_not_block_its_folder(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no checkpoint was written yet"):
        train_dcgan(replace(TINY, learning_rate=1e30), pictures(), PRIOR, tmp_path)
    train_dcgan(TINY, pictures(), PRIOR, tmp_path)
    assert read_config(tmp_path) == TINY


def test_a_full_disk_leaves_the_model_that_was_there(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package_run(whole, "tiny", whole / "model", pictures(), PRIOR)
    before = {file.name: file.read_bytes() for file in (whole / "model").iterdir()}

    def full(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match="No space left on device.*unchanged"):
        package_run(whole, "other", whole / "model", pictures(), PRIOR)
    assert {file.name: file.read_bytes() for file in (whole / "model").iterdir()} == before
