"""The training loop: the same steps whether in one go or not, interruptions, progress, logs, and failures."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from latentpath.errors import InputError, TrainingError
from latentpath.training import (
    loop,
    read_checkpoint,
    train_dcgan,
    train_wae,
)
from runs import AUTO, PRIOR, RUNS, TINY, pictures, same, stop_at


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
import runs as t
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
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parents[1]), str(tmp_path / "killed")]
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


def test_a_handler_of_the_user_stays(tmp_path: Path) -> None:
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
import runs as t
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
    command = [*launch, str(tmp_path / "ranks.py"), str(Path(__file__).parents[1]), str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert one == two
    assert one[0] == 2
    for name in ("dcgan", "wae"):
        assert read_checkpoint(tmp_path / name)[1] == 6


def test_a_time_budget_ends_the_run_with_a_checkpoint(tmp_path: Path) -> None:
    began = time.monotonic()
    train_dcgan(replace(TINY, steps=10**6), pictures(), PRIOR, tmp_path, max_minutes=0.01)
    assert 0.6 <= time.monotonic() - began < 20
    assert 0 < read_checkpoint(tmp_path)[1] < 10**6
