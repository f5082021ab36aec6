"""The loop that every training goes through: steps, checkpoints, progress, and how it ends.

One process or several: under ``torchrun`` every process takes its share of each batch, and the gradients are averaged
(`accelerate`). Whatever is random is drawn for the whole batch by every process alike, so the number of processes
changes nothing but the batch statistics and the last digits.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, runtime_checkable

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..data import to_unit_range
from ..errors import InputError, TrainingError, missing
from ..interrupts import first_interrupt
from ..models import load
from ..models.sampling import draw
from .config import RunConfig
from .folder import RunFolder
from .randomness import NOISE, batches, flip, flipping, seeded

if TYPE_CHECKING:
    from accelerate import Accelerator
    from PIL.Image import Image

__all__ = ["Options", "Progress", "Trainer", "autocast", "average", "fit", "measuring_statistics"]

Progress = Callable[[int, dict[str, float]], None]
"""Called as ``progress(step, numbers)`` every 100 steps, every 5 seconds, and after the last step.

It may raise `KeyboardInterrupt` to end the run.
"""

STATISTICS = "measuring batch statistics"
"""The stage after the steps, as it is told."""

_REPORT_EVERY, _REPORT_SECONDS = 100, 5.0


@runtime_checkable
class Trainer(Protocol):
    """What the loop asks of a DCGAN or a WAE in training.

    Attributes:
        parts: the modules that a checkpoint keeps, by name.
        optimisers: theirs; a checkpoint keeps their state.
        rates: the learning rates they begin with.
        draws: latents from the prior that one step needs, in batches.
        begins: the modules that a run with ``config.init`` gives that model's weights, by the `models.Model` attribute
            that holds these.
    """

    parts: dict[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]
    rates: dict[str, float]
    draws: int
    begins: dict[str, list[nn.Module]]

    @property
    def config(self) -> RunConfig:
        """Of the run."""
        ...

    def step(self, real: Tensor, latents: list[Tensor], step: int) -> dict[str, Tensor]:
        """Take the step after ``step`` steps; the losses, by name."""
        ...

    def sheet(self) -> Image:
        """What the averaged weights make now."""
        ...


def accelerator_for(cpu: bool = False) -> Accelerator:
    """What knows the device and the other processes.

    Raises:
        MissingDependencyError: accelerate or tensorboard is not installed.
    """
    try:
        import tensorboard  # noqa: F401
        from accelerate import Accelerator
    except ImportError as error:
        raise missing(error.name or "accelerate", "train", "training") from error
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    accelerator = Accelerator(cpu=cpu or (several and not torch.cuda.is_available()))  # else it sees itself alone
    if several and accelerator.num_processes == 1:
        raise TrainingError("torchrun started several processes, and accelerate sees one: try --cpu")
    return accelerator


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Convolutions and products in ``precision``, the rest in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@torch.no_grad()
def average(averaged: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Let ``averaged`` follow ``model``: closely at first, with its full memory after some thousand steps."""
    decay = min(decay, (1 + step) / (10 + step))
    for mine, theirs in zip(averaged.parameters(), model.parameters(), strict=True):
        mine.lerp_(theirs, 1 - decay)


@contextmanager
def measuring_statistics(network: nn.Module) -> Iterator[None]:
    """Within it, ``network`` measures its batch statistics anew, over all batches that it is given.

    Averaged weights need statistics of their own: those gathered in training belong to other weights.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average
    network.train()
    yield
    for norm in norms:
        norm.momentum = 0.1


class Options(TypedDict, total=False):
    """How a run goes, whatever it makes.

    Attributes:
        resume: go on from the checkpoint in the folder, if there is one; False by default.
        max_minutes: stop after so long, measured over this call; one step is always taken. None: no limit.
        checkpoint_every: steps between two checkpoints and sample sheets; 500 by default. Does not change the result.
        progress: see `Progress`; it may raise `KeyboardInterrupt`, which acts like Ctrl-C.
        cpu: stay on the CPU even where there is a GPU; False by default.
    """

    resume: bool
    max_minutes: float | None
    checkpoint_every: int
    progress: Progress | None
    cpu: bool


def check_options(options: Options) -> None:
    """Refuse a time and a number of steps that mean nothing.

    Raises:
        InputError: minutes that are negative or not finite, or less than one step between checkpoints.
    """
    minutes, every = options.get("max_minutes"), options.get("checkpoint_every", 500)
    if minutes is not None and not 0 <= minutes < math.inf:
        raise InputError(
            f"max_minutes must be a number of at least 0, and finite, got {minutes}; leave it out for all steps"
        )
    if every < 1:
        raise InputError(f"checkpoint_every must be at least 1 step, got {every}")


def fit(
    make: Callable[[Accelerator], Trainer],
    config: RunConfig,
    images: Tensor,
    prior: Distribution,
    out: str | Path,
    options: Options,
) -> None:
    """Train what ``make`` makes, in the folder ``out``.

    Ends after ``config.steps``, after ``max_minutes``, or at Ctrl-C; each time with a checkpoint, from which
    ``resume=True`` goes on. Ctrl-C takes effect between two steps and then raises `KeyboardInterrupt`; pressed twice,
    it interrupts at once and saves nothing.

    Args:
        make: of the trainer.
        config: everything that decides the result, but the images and the prior.
        images: at least one batch of them, ``uint8 (N, C, S, S)``.
        prior: the distribution of the latents, ``(D,)`` vectors, on CPU.
        out: the folder of the run.
        options: see `Options`.

    Raises:
        InputError: images of another shape or type, a prior of another dimension, fewer images than a batch, or a
            ``config.init`` that does not fit.
        TrainingError: ``out`` holds another run, the disk cannot be written, or a loss is not finite (the last good
            checkpoint is kept).
        MissingDependencyError: accelerate or tensorboard is not installed.
    """
    check_options(options)
    accelerator = accelerator_for(options.get("cpu", False))
    check(config, images, prior, accelerator.num_processes)
    trainer = make(accelerator)
    if config.init is not None and not RunFolder.begun(out):
        begin(trainer, config.init, prior)
    with accelerator.main_process_first():
        resume = options.get("resume", False) or not accelerator.is_main_process
        run = RunFolder(out, config, images, resume)
    train(
        trainer,
        images,
        prior,
        run,
        accelerator,
        max_minutes=options.get("max_minutes"),
        checkpoint_every=options.get("checkpoint_every", 500),
        progress=options.get("progress"),
    )


def check(config: RunConfig, images: Tensor, prior: Distribution, processes: int) -> None:
    """Refuse images and priors that do not fit the configuration."""
    expected = (config.channels, config.size, config.size)
    if images.ndim != 4 or tuple(images.shape[1:]) != expected or images.dtype != torch.uint8:
        raise InputError(
            f"images must be uint8 (N, {', '.join(map(str, expected))}), got {images.dtype} {tuple(images.shape)}"
        )
    if tuple(prior.event_shape) != (config.latent_dim,):
        raise InputError(
            f"the prior must be over vectors of length {config.latent_dim} (latent_dim), "
            f"its event shape is {tuple(prior.event_shape)}"
        )
    batches(images, config.batch, config.seed)
    if config.batch % processes:
        raise InputError(f"batch must be a multiple of the {processes} processes, got {config.batch}")


def begin(trainer: Trainer, name: str, prior: Distribution) -> None:
    """Give ``trainer`` the weights of the model called ``name`` to begin with.

    Raises:
        InputError: there is no such model, or it is built differently.
    """
    model = load(name, prior=prior)  # whichever it had, this run has its own
    for part, modules in trainer.begins.items():
        theirs = getattr(model, part)
        if not isinstance(theirs, nn.Module):
            raise InputError(f"a run like this cannot begin with {name}: it has no {part}")
        for module in modules:
            try:
                module.load_state_dict(theirs.state_dict())
            except RuntimeError as error:
                raise InputError(
                    f"a run like this cannot begin with {name}: its {part} is built differently, it must have the same "
                    f"size, channels, latent_dim and widths ({' '.join(str(error).split())[:160]} ...)"
                ) from error


def train(
    trainer: Trainer,
    images: Tensor,
    prior: Distribution,
    run: RunFolder,
    accelerator: Accelerator,
    *,
    max_minutes: float | None,
    checkpoint_every: int,
    progress: Progress | None,
) -> None:
    """Take the steps of ``trainer`` that its folder does not have yet."""
    config, main = trainer.config, accelerator.is_main_process
    at = batches(images, config.batch, config.seed)
    accelerator.wait_for_everyone()
    step, before = run.load(trainer.parts, trainer.optimisers)
    saved, began = step, time.monotonic()
    board = _Board(run.path, step) if main else None
    report = _Report(began)

    def save() -> None:
        if main:
            run.save(step, before + time.monotonic() - began, trainer.parts, trainer.optimisers)
            sheet = trainer.sheet()
            run.picture(sheet)
            assert board is not None
            board.picture(step, sheet)
        accelerator.wait_for_everyone()

    try:
        with first_interrupt() as stop:
            ending = False
            while step < config.steps and not ending:
                for name, optimiser in trainer.optimisers.items():
                    optimiser.param_groups[0]["lr"] = trainer.rates[name] * _rate(step, config.steps)
                real = to_unit_range(at(step))
                latents = draw(prior, trainer.draws * config.batch, seeded(config.seed, NOISE, step))
                if config.flip:
                    real = flip(real, flipping(config.seed, step))
                share = _share(accelerator, config.batch)
                mine = [part[share].to(accelerator.device) for part in (real, *latents.split(config.batch))]
                losses = trainer.step(mine[0], mine[1:], step)
                step += 1
                late = max_minutes is not None and time.monotonic() - began >= 60 * max_minutes
                means, ending = _together(accelerator, losses, stop.asked or late)
                if not all(map(math.isfinite, means.values())):
                    raise run.not_finite(step)
                report.add(means)
                if step % checkpoint_every == 0:
                    save()
                    saved = step
                due = step % _REPORT_EVERY == 0 or ending or step == config.steps
                if main and due:
                    run.log(step, report.numbers())
                    assert board is not None
                    board.numbers(step, report.numbers())
                if main and progress is not None and (due or report.waited() >= _REPORT_SECONDS):
                    try:
                        progress(step, report.numbers())
                    except KeyboardInterrupt:
                        stop.asked = True
                        ending = accelerator.num_processes == 1
                    report.told()
                if due:
                    report.clear()
            if step > saved:
                save()
            if stop.asked:
                raise KeyboardInterrupt
    finally:
        if board is not None:
            board.close()


def _share(accelerator: Accelerator, batch: int) -> slice:
    """The part of a batch that this process takes."""
    each = batch // accelerator.num_processes
    return slice(accelerator.process_index * each, (accelerator.process_index + 1) * each)


def _together(accelerator: Accelerator, losses: Mapping[str, Tensor], ending: bool) -> tuple[dict[str, float], bool]:
    """The mean losses over all processes, and whether any of them wants to end."""
    values = torch.stack([*losses.values(), torch.tensor(float(ending), device=accelerator.device)])
    if accelerator.num_processes > 1:
        values = accelerator.reduce(values, "mean")
    *means, wanted = values.tolist()
    return dict(zip(losses, means, strict=True)), wanted > 0


def _rate(step: int, steps: int) -> float:
    """The factor of the learning rate: 1 over the first half, then down to 0 in a straight line."""
    return min(1.0, 2.0 * (1.0 - step / steps))


class _Report:
    """Mean losses and seconds per step since they were last cleared, and the time since somebody was told."""

    def __init__(self, began: float) -> None:
        self.since, self.last, self.sums, self.count = began, began, dict[str, float](), 0

    def add(self, losses: Mapping[str, float]) -> None:
        self.sums = {name: self.sums.get(name, 0.0) + value for name, value in losses.items()}
        self.count += 1

    def numbers(self) -> dict[str, float]:
        means = {name: value / self.count for name, value in self.sums.items()}
        return {**means, "seconds_per_step": (time.monotonic() - self.since) / self.count}

    def waited(self) -> float:
        return time.monotonic() - self.last

    def told(self) -> None:
        self.last = time.monotonic()

    def clear(self) -> None:
        self.since, self.sums, self.count = time.monotonic(), {}, 0


class _Board:
    """Scalars and samples for TensorBoard."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer: Any = SummaryWriter(folder / "tensorboard", purge_step=step + 1)

    def numbers(self, step: int, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            self.writer.add_scalar(name, value, step)

    def picture(self, step: int, sheet: Image) -> None:
        import numpy as np

        self.writer.add_image("samples", np.asarray(sheet.convert("RGB")), step, dataformats="HWC")

    def close(self) -> None:
        self.writer.close()
