"""The folder of a run: configuration, last checkpoint, log and samples, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from .._io import replacement, to_json, write_file, write_json
from ..errors import DataError, InputError, MissingDataError, TrainingError
from .config import DCGANConfig, RunConfig, WAEConfig

if TYPE_CHECKING:
    from PIL.Image import Image

KINDS: dict[str, type[RunConfig]] = {"dcgan": DCGANConfig, "wae": WAEConfig}  # by the kind of network

_CHUNK, _STATE = 2_000, "state.safetensors"


class RunFolder:
    """The folder of one run."""

    def __init__(self, out: str | Path, config: RunConfig, images: Tensor, resume: bool) -> None:
        self.path = Path(out)
        self.state = self.path / _STATE
        record, seen = self.path / "config.json", digest(images)
        if record.exists() and (resume or self.state.exists()):
            if not resume:
                raise TrainingError(
                    f"{self.path} holds a run already: go on with it (--resume), or choose another folder (--out)"
                )
            self._compare(config, seen)
        elif self.state.exists():
            raise TrainingError(
                f"{self.path} holds a checkpoint, but not the configuration that it belongs to: put its config.json "
                "back, or choose another folder (--out)"
            )
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            if not (record.exists() and resume):
                kind = next(name for name, of in KINDS.items() if type(config) is of)
                write_json(record, {"kind": kind, "images": seen, **asdict(config)})

    @staticmethod
    def begun(out: str | Path) -> bool:
        """Tells whether the folder ``out`` holds a checkpoint."""
        return (Path(out) / _STATE).exists()

    def _compare(self, config: RunConfig, seen: dict[str, Any]) -> None:
        found = read_config(self.path)
        if type(found) is not type(config):
            raise TrainingError(f"{self.path} holds a {type(found).__name__} run: choose another folder (--out)")
        theirs = asdict(found)
        changed = [f"{k} (there {theirs[k]!r}, here {v!r})" for k, v in asdict(config).items() if theirs[k] != v]
        if changed:
            raise TrainingError(
                f"{self.path} holds a run of another configuration, which differs in {', '.join(changed)}: "
                "use the same, or choose another folder (--out)"
            )
        check_images(self.path, seen)

    def load(
        self, parts: Mapping[str, nn.Module], optimisers: Mapping[str, torch.optim.Optimizer]
    ) -> tuple[int, float]:
        """Restores the last checkpoint; returns its step and the seconds spent, 0 where there is none."""
        if not self.state.exists():
            return 0, 0.0
        tensors, step, seconds = read_checkpoint(self.path)
        try:
            for name, part in parts.items():
                part.load_state_dict(part_of(tensors, name))
            for name, optimiser in optimisers.items():
                state: dict[int, dict[str, Tensor]] = {}
                for key, value in part_of(tensors, name).items():
                    index, field = key.split("/")
                    state.setdefault(int(index), {})[field] = value
                optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
        except (RuntimeError, ValueError, KeyError) as error:
            raise DataError(f"{self.state} is not a checkpoint of this run: {error}") from error
        self._forget_after(step)
        return step, seconds

    def save(
        self,
        step: int,
        seconds: float,
        parts: Mapping[str, nn.Module],
        optimisers: Mapping[str, torch.optim.Optimizer],
    ) -> None:
        """Writes a checkpoint, whole or not at all; refuses weights that are not finite."""
        if not all(bool(torch.isfinite(p).all()) for part in parts.values() for p in part.parameters()):
            raise TrainingError(f"the weights at step {step} are not finite; {self._kept()}")
        tensors = {f"{name}/{k}": v for name, part in parts.items() for k, v in part.state_dict().items()}
        for name, optimiser in optimisers.items():
            for index, values in optimiser.state_dict()["state"].items():
                tensors |= {f"{name}/{index}/{k}": torch.as_tensor(v) for k, v in values.items()}
        metadata = {"step": str(step), "seconds": f"{seconds:.1f}"}
        with writing(self.path), replacement(self.state) as partial:
            partial.write_bytes(save({k: v.cpu().contiguous().clone() for k, v in tensors.items()}, metadata))

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Appends a line to ``log.jsonl``."""
        with writing(self.path), (self.path / "log.jsonl").open("a") as file:
            file.write(to_json({"step": step, **{k: round(v, 5) for k, v in numbers.items()}}, indent=None) + "\n")

    def picture(self, sheet: Image) -> None:
        """Writes ``samples.png``."""
        with writing(self.path), replacement(self.path / "samples.png") as partial:
            sheet.save(partial)

    def not_finite(self, step: int) -> TrainingError:
        """Makes the error for losses at ``step`` that are not finite."""
        return TrainingError(
            f"the losses at step {step} are not finite; {self._kept()}. Try a smaller learning rate, or fp32"
        )

    def _kept(self) -> str:
        if self.state.exists():
            return f"the checkpoint before is kept in {self.state}"
        return "no checkpoint was written yet"

    def _forget_after(self, step: int) -> None:
        """Drops log lines of steps after the last checkpoint, which will be taken again."""
        log = self.path / "log.jsonl"
        if log.exists():
            with writing(self.path):
                lines = log.read_text(errors="replace").splitlines()
                write_file(log, "".join(f"{line}\n" for line in lines if _step_of(line) <= step))


def _step_of(line: str) -> float:
    """Returns the step in a line of a log; infinity where the line is damaged."""
    try:
        step = json.loads(line)["step"]
    except (ValueError, TypeError, KeyError):
        return math.inf
    return step if isinstance(step, int) else math.inf


def digest(images: Tensor) -> dict[str, Any]:
    """Computes the identity of images: their number, and a hash of their shape and of all pixels."""
    found = hashlib.sha256(repr(tuple(images.shape)).encode())
    for chunk in images.split(_CHUNK):
        found.update(chunk.contiguous().numpy().tobytes())
    return {"count": len(images), "digest": found.hexdigest()[:16]}


def check_images(run: str | Path, seen: Mapping[str, Any]) -> None:
    """Refuses images whose `digest` differs from that of the training images of a run."""
    images = json.loads((Path(run) / "config.json").read_text())["images"]
    if images != seen:
        raise TrainingError(
            f"{run} holds a run on other images (there {images.get('count')}, here {seen['count']}, or with another "
            "content): use the same --data and --hold-out, or choose another folder (--out)"
        )


def part_of(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Selects the tensors of one part of a checkpoint, by their names within the part."""
    return {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}


class Means:
    """Mean losses and seconds per step since the last `clear`."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Starts new means."""
        self._since, self._steps = time.monotonic(), list[Mapping[str, float]]()

    def add(self, losses: Mapping[str, float]) -> None:
        """Adds the losses of a step."""
        self._steps.append(losses)

    def numbers(self) -> dict[str, float]:
        """Returns the means."""
        count, losses = len(self._steps), self._steps[0]
        means = {name: sum(step[name] for step in self._steps) / count for name in losses}
        return {**means, "seconds_per_step": (time.monotonic() - self._since) / count}


class Board:
    """Scalars and samples for TensorBoard; writes nothing where ``folder`` is None."""

    def __init__(self, folder: Path | None, step: int) -> None:
        self._writer: Any = None
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(folder / "tensorboard", purge_step=step + 1)

    def numbers(self, step: int, numbers: Mapping[str, float]) -> None:
        """Writes scalars."""
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, sheet: Image) -> None:
        """Writes samples."""
        import numpy as np

        self._writer.add_image("samples", np.asarray(sheet.convert("RGB")), step, dataformats="HWC")

    def close(self) -> None:
        """Ends the file."""
        if self._writer is not None:
            self._writer.close()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns a full disk, a missing permission and the like into one error."""
    try:
        yield
    except (DataError, OSError, SafetensorError) as error:
        raise TrainingError(f"cannot write to {folder} ({error}); what was there before is unharmed") from error


_BASIC = {"data", "prior", "latent_dim", "steps", "seed"}


def read_config(run: str | Path) -> RunConfig:
    """Reads the configuration of the run in the folder ``run``: a `DCGANConfig` or a `WAEConfig`.

    Raises:
        MissingDataError: there is no run.
        DataError: ``config.json`` is not that of a run.
    """
    record = Path(run) / "config.json"
    try:
        content = json.loads(record.read_text())
    except FileNotFoundError:
        raise MissingDataError(f"{run} holds no run: {record} does not exist") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{record} cannot be read: {error}") from error
    if isinstance(content, dict) and isinstance(content.pop("images", None), dict):
        kind = KINDS.get(content.pop("kind", None))
        if kind is not None and _BASIC <= set(content) <= {field.name for field in fields(kind)}:
            try:
                return kind(**content)
            except InputError as error:
                raise DataError(f"{record} is not the configuration of a run: {error}") from error
    raise DataError(f"{record} is not the configuration of a run of this version of latentpath")


def read_checkpoint(run: str | Path) -> tuple[dict[str, Tensor], int, float]:
    """Reads the tensors of the last checkpoint in the folder ``run``, its step, and the seconds spent until then."""
    state = Path(run) / _STATE
    if not state.is_file():
        raise MissingDataError(f"{run} holds no checkpoint: {state} does not exist")
    try:
        with safe_open(state, "pt") as file:
            metadata = file.metadata() or {}
        return load_file(state), int(metadata["step"]), float(metadata.get("seconds", 0))
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise DataError(f"{state} is damaged or not a checkpoint ({error})") from error
