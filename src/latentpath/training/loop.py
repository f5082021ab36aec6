"""The loop of every training: steps, checkpoints, progress, and the end of a run.

One process or several: under ``torchrun`` every process takes its share of each batch, and the gradients are averaged
(`accelerate`). Every process draws the random numbers of the whole batch, so the number of processes changes nothing
but the batch statistics and the last digits.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..data import to_unit_range
from ..errors import InputError, TrainingError, missing
from ..interrupts import Stop, first_interrupt
from ..models.loading import load
from ..models.sampling import draw
from .config import Progress, RunConfig
from .folder import Board, Means, RunFolder
from .randomness import NOISE, batches, flip, flipping, generator_for
from .trainer import Trainer

if TYPE_CHECKING:
    from accelerate import Accelerator

REPORT_EVERY, REPORT_SECONDS = 100, 5.0  # steps between two lines of the log; seconds between two reports to the caller


class Options(TypedDict, total=False):
    """Options of a run that do not decide its result.

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
    """Refuses an invalid time or number of steps."""
    minutes, every = options.get("max_minutes"), options.get("checkpoint_every", 500)
    if minutes is not None and not 0 <= minutes < math.inf:
        raise InputError(
            f"max_minutes must be a number of at least 0, and finite; got {minutes}; leave it out for all steps"
        )
    if every < 1:
        raise InputError(f"checkpoint_every must be at least 1 step; got {every}")


def accelerator_for(cpu: bool = False) -> Accelerator:
    """Makes the object that knows the device and the other processes."""
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


def fit(
    make: Callable[[Accelerator], Trainer],
    config: RunConfig,
    images: Tensor,
    prior: Distribution,
    out: str | Path,
    options: Options,
) -> None:
    """Trains the networks of a trainer in the folder ``out``.

    Ends after ``config.steps``, after ``max_minutes``, or at Ctrl-C; each time with a checkpoint, from which
    ``resume=True`` goes on. Ctrl-C takes effect between two steps and then raises `KeyboardInterrupt`; pressed twice,
    it interrupts at once and saves nothing.

    Args:
        make: makes the trainer.
        config: with the images and the prior, it decides the result.
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
    _check(config, images, prior, accelerator.num_processes)
    trainer = make(accelerator)
    if config.init is not None and not RunFolder.begun(out):
        _begin(trainer, config.init, prior)
    with accelerator.main_process_first():
        resume = options.get("resume", False) or not accelerator.is_main_process
        run = RunFolder(out, config, images, resume)
    _Run(trainer, config, images, prior, run, accelerator, options).take()


def _check(config: RunConfig, images: Tensor, prior: Distribution, processes: int) -> None:
    expected = (config.channels, config.size, config.size)
    if images.ndim != 4 or tuple(images.shape[1:]) != expected or images.dtype != torch.uint8:
        raise InputError(
            f"images must be uint8 (N, {', '.join(map(str, expected))}); got {images.dtype} {tuple(images.shape)}"
        )
    if tuple(prior.event_shape) != (config.latent_dim,):
        raise InputError(
            f"the prior must be over vectors of length {config.latent_dim} (latent_dim), "
            f"its event shape is {tuple(prior.event_shape)}"
        )
    batches(images, config.batch, config.seed)
    if config.batch % processes:
        raise InputError(f"batch must be a multiple of the {processes} processes; got {config.batch}")


def _begin(trainer: Trainer, name: str, prior: Distribution) -> None:
    model = load(name, prior=prior)  # the run's prior, not the model's
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


class _Run:
    """The steps of a trainer that its folder does not have yet."""

    def __init__(
        self,
        trainer: Trainer,
        config: RunConfig,
        images: Tensor,
        prior: Distribution,
        folder: RunFolder,
        accelerator: Accelerator,
        options: Options,
    ) -> None:
        self.trainer, self.config, self.prior, self.folder = trainer, config, prior, folder
        self.accelerator, self.main = accelerator, accelerator.is_main_process
        self.progress = options.get("progress") if self.main else None
        self.every, self.minutes = options.get("checkpoint_every", 500), options.get("max_minutes")
        self.at = batches(images, config.batch, config.seed)
        accelerator.wait_for_everyone()
        self.step, self.before = folder.load(trainer.parts, trainer.optimisers)
        self.saved, self.began = self.step, time.monotonic()
        self.told = self.began
        self.means, self.board = Means(), Board(folder.path if self.main else None, self.step)

    def take(self) -> None:
        """Takes the steps until the run ends, and raises `KeyboardInterrupt` if it was interrupted."""
        try:
            with first_interrupt() as stop:
                ending = False
                while self.step < self.config.steps and not ending:
                    losses = self._next()
                    ending = self._noted(losses, stop)
                if self.step > self.saved:
                    self._save()
                if stop.asked:
                    raise KeyboardInterrupt
        finally:
            self.board.close()

    def _next(self) -> dict[str, Tensor]:
        """Takes one step; returns its losses in this process."""
        config, step, trainer = self.config, self.step, self.trainer
        for name, optimiser in trainer.optimisers.items():
            optimiser.param_groups[0]["lr"] = trainer.rates[name] * _rate(step, config.steps)
        real = to_unit_range(self.at(step))
        latents = draw(self.prior, trainer.draws * config.batch, generator_for(config.seed, NOISE, step))
        if config.flip:
            real = flip(real, flipping(config.seed, step))
        share = _share(self.accelerator, config.batch)
        mine = [part[share].to(self.accelerator.device) for part in (real, *latents.split(config.batch))]
        losses = trainer.step(mine[0], mine[1:], step)
        self.step += 1
        return losses

    def _noted(self, losses: Mapping[str, Tensor], stop: Stop) -> bool:
        """Notes the losses of a step, writes what is due, and returns whether the run ends."""
        late = self.minutes is not None and time.monotonic() - self.began >= 60 * self.minutes
        means, ending = _together(self.accelerator, losses, stop.asked or late)
        if not all(map(math.isfinite, means.values())):
            raise self.folder.not_finite(self.step)
        self.means.add(means)
        if self.step % self.every == 0:
            self._save()
            self.saved = self.step
        due = self.step % REPORT_EVERY == 0 or ending or self.step == self.config.steps
        if self.main and due:
            self.folder.log(self.step, self.means.numbers())
            self.board.numbers(self.step, self.means.numbers())
        if self.progress is not None and (due or time.monotonic() - self.told >= REPORT_SECONDS):
            try:
                self.progress(self.step, self.means.numbers())
            except KeyboardInterrupt:
                stop.asked = True
                ending = self.accelerator.num_processes == 1
            self.told = time.monotonic()
        if due:
            self.means.clear()
        return ending

    def _save(self) -> None:
        if self.main:
            seconds = self.before + time.monotonic() - self.began
            self.folder.save(self.step, seconds, self.trainer.parts, self.trainer.optimisers)
            sheet = self.trainer.sheet()
            self.folder.picture(sheet)
            self.board.picture(self.step, sheet)
        self.accelerator.wait_for_everyone()


def _share(accelerator: Accelerator, batch: int) -> slice:
    each = batch // accelerator.num_processes
    return slice(accelerator.process_index * each, (accelerator.process_index + 1) * each)


def _together(accelerator: Accelerator, losses: Mapping[str, Tensor], ending: bool) -> tuple[dict[str, float], bool]:
    values = torch.stack([*losses.values(), torch.tensor(float(ending), device=accelerator.device)])
    if accelerator.num_processes > 1:
        values = accelerator.reduce(values, "mean")
    *means, wanted = values.tolist()
    return dict(zip(losses, means, strict=True)), wanted > 0


def _rate(step: int, steps: int) -> float:
    """Returns the factor of the learning rate: 1 over the first half, then down to 0 in a straight line."""
    return min(1.0, 2.0 * (1.0 - step / steps))
