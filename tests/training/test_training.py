"""Training: the same steps whether in one go or not, nothing lost, and clear errors."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from latentpath.cli.package import package_run
from latentpath.errors import DataError, InputError, MissingDataError, TrainingError
from latentpath.models import load
from latentpath.models.folders import read_model
from latentpath.models.networks.dcgan import DCGANGenerator
from latentpath.priors import semicircle, standard_normal
from latentpath.training import (
    ClassifierConfig,
    DCGANConfig,
    WAEConfig,
    averaged_dcgan,
    averaged_wae,
    dcgan,
    loop,
    read_checkpoint,
    read_config,
    recalibrate,
    train_classifier,
    train_dcgan,
    train_wae,
)
from latentpath.training.config import check
from latentpath.training.randomness import augment, augmenting, flip, flipping
from runs import stop_at, strokes

TINY = DCGANConfig(latent_dim=4, width=2, discriminator_width=2, steps=6, batch=8)
PRIOR = semicircle(4)


@pytest.fixture(autouse=True)
def briefly_recalibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dcgan, "recalibrate", partial(recalibrate, batches=2))


def pictures(count: int = 30) -> Tensor:
    return torch.randint(256, (count, 1, 28, 28), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A run of six steps in one go."""
    train_dcgan(TINY, pictures(), PRIOR, tmp_path / "whole")
    return tmp_path / "whole"


AUTO = WAEConfig(latent_dim=4, width=2, size=28, channels=1, steps=6, batch=8, flip=True)
RUNS = [
    (train_dcgan, TINY),
    (train_dcgan, replace(TINY, precision="bf16")),
    (train_dcgan, replace(TINY, flip=True, augment=True)),
    (train_wae, AUTO),
    (train_wae, replace(AUTO, divergence="gan", precision="bf16")),
]


@pytest.mark.parametrize(("train", "config"), RUNS)
def test_two_halves_are_the_whole_bit_for_bit(tmp_path: Path, train: Any, config: Any) -> None:
    one = train(config, pictures(), PRIOR, tmp_path / "one")
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, 2, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            train(config, pictures(), PRIOR, tmp_path / "two")
    assert read_checkpoint(tmp_path / "two")[1] == 3  # the step in which it came was finished, and no other begun
    two = train(config, pictures(), PRIOR, tmp_path / "two", resume=True)
    assert same(one.state_dict(), two.state_dict())
    assert same(load_file(tmp_path / "one/state.safetensors"), load_file(tmp_path / "two/state.safetensors"))


def test_an_epoch_may_end_between_the_halves(tmp_path: Path) -> None:
    config = replace(TINY, steps=7)  # three batches of 8 in 30 images
    one = train_dcgan(config, pictures(), PRIOR, tmp_path / "one", checkpoint_every=100)
    for _ in range(7):  # a budget of nothing allows one step
        two = train_dcgan(config, pictures(), PRIOR, tmp_path / "two", resume=True, max_minutes=0.0)
    assert read_checkpoint(tmp_path / "two")[1] == 7
    assert same(one.state_dict(), two.state_dict())


def test_training_leaves_the_random_state_alone_and_does_not_read_it(tmp_path: Path) -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    one = train_dcgan(replace(TINY, steps=2), pictures(), PRIOR, tmp_path / "one")
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(4)
    two = train_dcgan(replace(TINY, steps=2), pictures(), PRIOR, tmp_path / "two")
    other = train_dcgan(replace(TINY, steps=2, seed=1), pictures(), PRIOR, tmp_path / "other")
    assert same(one.state_dict(), two.state_dict())
    assert not same(one.state_dict(), other.state_dict())


KILLED = """
import os, signal, sys, torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
import test_training as t
taken, original = [0], t.loop.to_unit_range
def counted(images):
    if taken[0] == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    taken[0] += 1
    return original(images)
t.loop.to_unit_range = counted
t.train_dcgan(t.TINY, t.pictures(), t.PRIOR, sys.argv[2], checkpoint_every=2)
"""


def test_killed_and_resumed_is_the_same_bit_for_bit(tmp_path: Path, whole: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tmp_path / "killed")]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert read_checkpoint(tmp_path / "killed")[1] == 4
    train_dcgan(TINY, pictures(), PRIOR, tmp_path / "killed", resume=True)
    assert same(load_file(whole / "state.safetensors"), load_file(tmp_path / "killed/state.safetensors"))


def test_a_second_ctrl_c_interrupts_at_once_and_saves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    stop_at(monkeypatch, 3, twice)
    with pytest.raises(KeyboardInterrupt):
        train_dcgan(TINY, pictures(), PRIOR, tmp_path, checkpoint_every=2)
    assert read_checkpoint(tmp_path)[1] == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_somebody_else_stays(tmp_path: Path) -> None:
    def theirs(*_: object) -> None: ...

    previous = signal.signal(signal.SIGINT, theirs)
    try:
        train_dcgan(replace(TINY, steps=1), pictures(), PRIOR, tmp_path)
        assert signal.getsignal(signal.SIGINT) is theirs
    finally:
        signal.signal(signal.SIGINT, previous)


def test_works_outside_the_main_thread(tmp_path: Path) -> None:
    thread = threading.Thread(target=train_dcgan, args=(replace(TINY, steps=1), pictures(), PRIOR, tmp_path))
    thread.start()
    thread.join()
    assert read_checkpoint(tmp_path)[1] == 1


def test_progress_may_end_the_run_without_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "REPORT_EVERY", 2)

    def progress(step: int, numbers: dict[str, float]) -> None:
        assert set(numbers) == {"loss_d", "loss_g", "seconds_per_step"}
        if step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_dcgan(TINY, pictures(), PRIOR, tmp_path, progress=progress)
    assert read_checkpoint(tmp_path)[1] == 4


def test_the_log_has_each_step_once_after_a_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "REPORT_EVERY", 1)
    train_dcgan(TINY, pictures(), PRIOR, tmp_path)
    lines = (tmp_path / "log.jsonl").read_text()
    torn = '{"step": 9, "loss_d": 1.0}\n{}\n[1]\n{"step": "x"}\n\n{"step": 10, "lo'
    (tmp_path / "log.jsonl").write_bytes(lines.encode() + torn.encode() + b"\xff")
    train_dcgan(TINY, pictures(), PRIOR, tmp_path, resume=True)
    assert (tmp_path / "log.jsonl").read_text() == lines
    assert [json.loads(line)["step"] for line in lines.splitlines()] == [1, 2, 3, 4, 5, 6]


def test_progress_comes_after_some_seconds_and_the_log_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    told: list[int] = []
    train_dcgan(TINY, pictures(), PRIOR, tmp_path, progress=lambda step, numbers: told.append(step))
    assert told == [1, 2, 3, 4, 5, 6]
    logged = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert logged == [6]


@pytest.mark.parametrize("options", [{"max_minutes": float("nan")}, {"max_minutes": -1.0}, {"checkpoint_every": 0}])
def test_times_that_mean_nothing_are_refused(tmp_path: Path, options: Any) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        train_dcgan(TINY, pictures(), PRIOR, tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


def test_a_run_shorter_than_a_report_is_logged_and_shown(tmp_path: Path) -> None:
    seen: list[int] = []
    train_dcgan(TINY, pictures(), PRIOR, tmp_path, progress=lambda step, _: seen.append(step))
    assert seen == [6]
    assert json.loads((tmp_path / "log.jsonl").read_text())["step"] == 6


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


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, written = Path.write_bytes, iter(range(100))

    def full(path: Path, content: bytes) -> int:
        if "state" not in path.name or next(written) < 1:
            return original(path, content)
        original(path, content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(TrainingError, match="No space left"):
        train_dcgan(TINY, pictures(), PRIOR, tmp_path, checkpoint_every=2)
    assert read_checkpoint(tmp_path)[1] == 2
    assert not list(tmp_path.glob("*partial*"))


def test_losses_that_are_not_finite_end_the_run_with_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = loop.to_unit_range
    calls = iter(range(100))
    monkeypatch.setattr(loop, "to_unit_range", lambda x: original(x) * (torch.nan if next(calls) == 4 else 1))
    with pytest.raises(TrainingError, match="losses at step 5 are not finite.*kept"):
        train_dcgan(TINY, pictures(), PRIOR, tmp_path, checkpoint_every=2)
    tensors, step, _ = read_checkpoint(tmp_path)
    assert step == 4
    assert all(bool(t.isfinite().all()) for t in tensors.values())


def test_what_does_not_fit_is_refused_at_the_door(tmp_path: Path) -> None:
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


def test_a_run_that_failed_before_its_first_checkpoint_does_not_block_its_folder(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no checkpoint was written yet"):
        train_dcgan(replace(TINY, learning_rate=1e30), pictures(), PRIOR, tmp_path)
    train_dcgan(TINY, pictures(), PRIOR, tmp_path)
    assert read_config(tmp_path) == TINY


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


def test_a_full_disk_leaves_the_model_that_was_there(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package_run(whole, "tiny", whole / "model", pictures(), PRIOR)
    before = {file.name: file.read_bytes() for file in (whole / "model").iterdir()}

    def full(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match="No space left on device.*unharmed"):
        package_run(whole, "other", whole / "model", pictures(), PRIOR)
    assert {file.name: file.read_bytes() for file in (whole / "model").iterdir()} == before


def test_tensorboard_can_read_what_a_run_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr(loop, "REPORT_EVERY", 2)
    train_wae(AUTO, pictures(), PRIOR, tmp_path, checkpoint_every=3)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == {"loss_error", "loss_divergence", "seconds_per_step"}
    assert [event.step for event in events.Scalars("loss_error")] == [2, 4, 6]
    assert [event.step for event in events.Images("samples")] == [3, 6]
    logged = [json.loads(line)["loss_error"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [event.value for event in events.Scalars("loss_error")] == pytest.approx(logged, abs=1e-5)


RANKS = """
import hashlib, json, sys, torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
import test_training as t
from accelerate import PartialState
found = {}
for name, (train, config) in {"dcgan": t.RUNS[2], "wae": t.RUNS[4]}.items():
    network = train(config, t.pictures(), t.PRIOR, f"{sys.argv[2]}/{name}")
    content = b"".join(value.numpy().tobytes() for value in network.state_dict().values())
    found[name] = hashlib.sha256(content).hexdigest()
rank = PartialState().process_index
open(f"{sys.argv[2]}/{rank}.json", "w").write(json.dumps([PartialState().num_processes, found]))
"""


def test_two_processes_train_together_and_agree(tmp_path: Path) -> None:
    (tmp_path / "ranks.py").write_text(RANKS)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launch, str(tmp_path / "ranks.py"), str(Path(__file__).parent), str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert one == two
    assert one[0] == 2
    for name in ("dcgan", "wae"):
        assert read_checkpoint(tmp_path / name)[1] == 6


def test_mirroring_is_the_same_for_all_processes_and_augmenting_each_ones_own() -> None:
    images = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1
    whole = flip(images, flipping(3, 5))
    mirrored = [bool(torch.equal(a, b.flip(-1))) for a, b in zip(whole, images, strict=True)]
    kept = [bool(torch.equal(a, b)) for a, b in zip(whole, images, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 0 < sum(mirrored) < 8
    assert torch.equal(whole, flip(images, flipping(3, 5)))
    assert not torch.equal(augment(images, augmenting(3, 5, 0)), augment(images, augmenting(3, 5, 1)))


def test_augmentation_moves_and_recolours_and_hands_back_gradients() -> None:
    images = torch.full((64, 3, 16, 16), -1.0)
    images[:, :, 8, 8] = 1.0
    images.requires_grad_()
    seen = augment(images, torch.Generator().manual_seed(0))
    places = seen.detach().sum(1).flatten(1).argmax(1)
    down, right = places // 16 - 8, places % 16 - 8
    assert set(down.tolist()) == set(right.tolist()) == {-2, -1, 0, 1, 2}
    assert seen.shape == images.shape
    seen.sum().backward()
    assert images.grad is not None
    assert float(images.grad.abs().sum()) > 0


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


def test_the_classifier_learns_and_repeats_itself() -> None:
    images, labels = strokes(320)
    config = ClassifierConfig(width=4, epochs=12, batch=32, learning_rate=1e-2)
    model = train_classifier(config, images, labels)
    assert not model.training
    unit = loop.to_unit_range(images)
    assert float((model(unit).argmax(1) == labels).float().mean()) > 0.95
    again = train_classifier(config, images, labels)
    assert same(model.state_dict(), again.state_dict())


def test_the_classifier_refuses_what_does_not_fit() -> None:
    images, labels = strokes(20)
    with pytest.raises(InputError, match=r"images must be uint8"):
        train_classifier(ClassifierConfig(), images[:, 0], labels)
    with pytest.raises(InputError, match=r"labels must be \(20,\)"):
        train_classifier(ClassifierConfig(), images, labels[:3])


def test_a_time_budget_ends_the_run_with_a_checkpoint(tmp_path: Path) -> None:
    began = time.monotonic()
    train_dcgan(replace(TINY, steps=10**6), pictures(), PRIOR, tmp_path, max_minutes=0.01)
    assert 0.6 <= time.monotonic() - began < 20
    assert 0 < read_checkpoint(tmp_path)[1] < 10**6
