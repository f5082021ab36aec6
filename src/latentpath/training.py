"""Training the generators and the judge that ship with the package.

One run is one folder: ``config.json`` (the frozen configuration), ``state.safetensors`` (everything the next step
depends on, written atomically), ``log.jsonl`` (losses), and ``samples.png``. Every random number is drawn from a
generator seeded by ``(seed, purpose, step)``, so a run that was killed and resumed takes the same steps, on the
same CPU with the same threads, as one that was not. Nothing is pickled.

What keeps a small DCGAN stable here: spectral normalisation of the discriminator (Miyato et al. 2018), a
discriminator that learns twice as fast as the generator (Heusel et al. 2017), learning rates that fall to zero over the
last half, and an exponential moving average of the generator's weights (Yazici et al. 2019), whose batch
statistics are measured anew before it is used.
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn import functional

from .data import to_unit_range
from .errors import DataError, InputError, MissingDataError, TrainingError
from .models.classifier import DigitClassifier
from .models.dcgan import DCGANDiscriminator, DCGANGenerator
from .models.sampling import contact_sheet, draw

__all__ = [
    "ClassifierConfig",
    "DCGANConfig",
    "Progress",
    "averaged_generator",
    "read_checkpoint",
    "read_config",
    "recalibrate",
    "train_classifier",
    "train_dcgan",
    "write_json",
]

Progress = Callable[[int, dict[str, float]], None]
"""Called as ``progress(step, numbers)``, every 100 steps; may raise `KeyboardInterrupt` to end the run."""

_NOISE, _ORDER, _CALIBRATION, _AUGMENT = range(4)
_REPORT_EVERY = 100
_SEEDS = 2**28


@dataclass(frozen=True)
class DCGANConfig:
    """Everything that decides what a DCGAN run makes; the data and the prior by name, for the record.

    ``learning_rate`` is the generator's; the discriminator's is ``discriminator_rate`` times that. ``precision`` is
    the one of the convolutions ("bf16" runs them under autocast); the weights are kept in float32.
    """

    data: str = "mnist"
    prior: str = "semicircle"
    latent_dim: int = 20
    width: int = 48
    discriminator_width: int = 64
    size: int = 28
    channels: int = 1
    steps: int = 34_000
    batch: int = 64
    learning_rate: float = 2e-4
    discriminator_rate: float = 2.0
    beta1: float = 0.5
    beta2: float = 0.999
    ema: float = 0.999
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0

    def __post_init__(self) -> None:
        _check_config(self)


@dataclass(frozen=True)
class ClassifierConfig:
    """Everything that decides what a classifier run makes; ``precision`` as for `DCGANConfig`."""

    data: str = "mnist"
    width: int = 24
    epochs: int = 12
    batch: int = 128
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0

    def __post_init__(self) -> None:
        _check_config(self)


def _check_config(config: DCGANConfig | ClassifierConfig) -> None:
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name == "seed":
            if not isinstance(value, int) or not 0 <= value < _SEEDS:
                raise InputError(f"seed must be an integer from 0 to {_SEEDS - 1}, got {value!r}")
        elif field.name == "precision":
            if value not in ("fp32", "bf16"):
                raise InputError(f'precision must be "fp32" or "bf16", got {value!r}')
        elif isinstance(field.default, int) and (not isinstance(value, int) or value < 1):
            raise InputError(f"{field.name} must be a positive integer, got {value!r}")
        elif isinstance(field.default, float) and not (isinstance(value, int | float) and 0 <= value < math.inf):
            raise InputError(f"{field.name} must be a number, not negative, got {value!r}")
    if config.batch < 2:
        raise InputError("batch must be at least 2: batch normalisation needs more than one image")


def _random(seed: int, purpose: int, step: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed * 4 + purpose) * 2**32 + step)


def _batches(items: Tensor, batch: int, seed: int) -> Callable[[int], Tensor]:
    """What gives the batch of a step: every epoch in an order of its own, whole batches only."""
    per_epoch = len(items) // batch
    if per_epoch == 0:
        raise InputError(f"a batch of {batch} needs at least as many images, got {len(items)}")

    @lru_cache(maxsize=1)
    def order(epoch: int) -> Tensor:
        return torch.randperm(len(items), generator=_random(seed, _ORDER, epoch))

    def at(step: int) -> Tensor:
        epoch, i = divmod(step, per_epoch)
        return items[order(epoch)[i * batch : (i + 1) * batch]]

    return at


def _autocast(precision: str) -> AbstractContextManager[Any]:
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")


def _rate(step: int, steps: int) -> float:
    """The factor of the learning rate: 1 over the first half, then down to 0 in a straight line."""
    return min(1.0, 2.0 * (1.0 - step / steps))


class _BetweenSteps:
    """Within it, the first Ctrl-C only sets ``requested``; a second one interrupts at once.

    Signals reach the main thread alone: elsewhere this does nothing. Nor does it where Ctrl-C is ignored or handled by
    somebody else already.
    """

    def __init__(self) -> None:
        self.requested = False
        self._active = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __enter__(self) -> _BetweenSteps:
        in_main_thread = threading.current_thread() is threading.main_thread()
        self._active = in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._active:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._active:
            signal.signal(signal.SIGINT, signal.default_int_handler)


class _Run:
    """The folder of one run, its checkpoint, and its log."""

    def __init__(self, out: str | Path, config: DCGANConfig, resume: bool) -> None:
        self.folder = Path(out)
        self.state = self.folder / "state.safetensors"
        record = self.folder / "config.json"
        if record.exists():
            if not resume:
                raise TrainingError(
                    f"{self.folder} holds a run already: go on with it (--resume), or choose another folder (--out)"
                )
            theirs = asdict(read_config(self.folder))
            changed = [f"{k} (there {theirs[k]!r}, here {v!r})" for k, v in asdict(config).items() if theirs[k] != v]
            if changed:
                raise TrainingError(
                    f"{self.folder} holds a run of another configuration, which differs in {', '.join(changed)}: "
                    "use the same, or choose another folder (--out)"
                )
        with _writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(record, {"kind": "dcgan", **asdict(config)})

    def load(self, parts: dict[str, nn.Module], optimisers: dict[str, torch.optim.Optimizer]) -> tuple[int, float]:
        """Restore the last checkpoint; its step and the seconds spent until then, 0 where there is none."""
        if not self.state.exists():
            return 0, 0.0
        tensors, step, seconds = read_checkpoint(self.folder)
        try:
            for name, part in parts.items():
                part.load_state_dict({k[len(name) + 1 :]: v for k, v in tensors.items() if k.startswith(f"{name}/")})
            for name, optimiser in optimisers.items():
                state: dict[int, dict[str, Tensor]] = {}
                for key, value in tensors.items():
                    if key.startswith(f"{name}/"):
                        _, index, field = key.split("/")
                        state.setdefault(int(index), {})[field] = value
                optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
        except (RuntimeError, ValueError, KeyError) as error:
            raise DataError(f"{self.state} is not a checkpoint of this run: {error}") from error
        self._forget_after(step)
        return step, seconds

    def save(
        self, step: int, seconds: float, parts: dict[str, nn.Module], optimisers: dict[str, torch.optim.Optimizer]
    ) -> None:
        """Write a checkpoint, whole or not at all. Weights that are not finite are not worth keeping."""
        if not all(bool(torch.isfinite(p).all()) for part in parts.values() for p in part.parameters()):
            raise TrainingError(f"the weights at step {step} are not finite; {self._kept()}")
        tensors = {f"{name}/{k}": v for name, part in parts.items() for k, v in part.state_dict().items()}
        for name, optimiser in optimisers.items():
            for index, values in optimiser.state_dict()["state"].items():
                tensors |= {f"{name}/{index}/{k}": torch.as_tensor(v) for k, v in values.items()}
        partial = self.state.with_suffix(".partial")
        metadata = {"step": str(step), "seconds": f"{seconds:.1f}"}
        with _writing(self.folder):
            save_file({k: v.contiguous().clone() for k, v in tensors.items()}, partial, metadata=metadata)
            partial.replace(self.state)

    def log(self, step: int, numbers: dict[str, float]) -> None:
        with _writing(self.folder), (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps({"step": step, **{k: round(v, 5) for k, v in numbers.items()}}) + "\n")

    def sheet(self, generator: nn.Module, latents: Tensor) -> None:
        """``samples.png``: what ``generator`` makes of ``latents`` now; its state is left as it was."""
        copy = deepcopy(generator).train()  # batch statistics of these very samples: the running ones lag behind
        with torch.no_grad():
            sheet = contact_sheet(copy(latents))
        partial = self.folder / "samples.partial"
        with _writing(self.folder):
            sheet.save(partial, format="png")
            partial.replace(self.folder / "samples.png")

    def not_finite(self, step: int) -> TrainingError:
        return TrainingError(f"the losses at step {step} are not finite; {self._kept()}")

    def _kept(self) -> str:
        return (
            f"the checkpoint before is kept in {self.state}" if self.state.exists() else "no checkpoint was written yet"
        )

    def _forget_after(self, step: int) -> None:
        """Drop log lines of steps that a killed run took after its last checkpoint: they are taken again."""
        log = self.folder / "log.jsonl"
        if log.exists():
            lines = [line for line in log.read_text().splitlines() if line.endswith("}")]
            with _writing(self.folder):
                _write(log, "".join(f"{line}\n" for line in lines if json.loads(line)["step"] <= step))


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn a full disk, a missing permission and the like into one clear error."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"cannot write to {folder} ({error}); what was there before is unharmed") from error


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    partial.replace(path)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``content`` to ``path`` as indented JSON, whole or not at all."""
    _write(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_config(run: str | Path) -> DCGANConfig:
    """The configuration of the DCGAN run in the folder ``run``.

    Raises:
        MissingDataError: there is no run.
        DataError: ``config.json`` is not that of a DCGAN run.
    """
    record = Path(run) / "config.json"
    try:
        content = json.loads(record.read_text())
    except FileNotFoundError:
        raise MissingDataError(f"{run} holds no run: {record} does not exist") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{record} cannot be read: {error}") from error
    names = {field.name for field in fields(DCGANConfig)}
    if not isinstance(content, dict) or content.pop("kind", None) != "dcgan" or set(content) != names:
        raise DataError(f"{record} is not the configuration of a DCGAN run of this version of latentpath")
    return DCGANConfig(**content)


def read_checkpoint(run: str | Path) -> tuple[dict[str, Tensor], int, float]:
    """The tensors of the last checkpoint in the folder ``run``, its step, and the seconds spent until then.

    Raises:
        MissingDataError: there is no checkpoint.
        DataError: it is truncated or no checkpoint.
    """
    state = Path(run) / "state.safetensors"
    if not state.is_file():
        raise MissingDataError(f"{run} holds no checkpoint: {state} does not exist")
    try:
        with safe_open(state, "pt") as file:
            metadata = file.metadata() or {}
        return load_file(state), int(metadata["step"]), float(metadata.get("seconds", 0))
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise DataError(f"{state} is damaged or not a checkpoint ({error})") from error


def averaged_generator(run: str | Path, prior: Distribution) -> tuple[DCGANGenerator, int, float]:
    """The averaged generator of the last checkpoint in ``run``, recalibrated, in eval mode; its step; seconds spent.

    This is what `train_dcgan` returns at the end of a run; here it comes from the folder, even while the run goes on.

    Raises:
        MissingDataError: there is no run, or no checkpoint yet.
        DataError: the files are damaged.
    """
    config = read_config(run)
    tensors, step, seconds = read_checkpoint(run)
    generator = DCGANGenerator(
        latent_dim=config.latent_dim, width=config.width, size=config.size, channels=config.channels
    )
    try:
        generator.load_state_dict(
            {k.removeprefix("averaged/"): v for k, v in tensors.items() if k.startswith("averaged/")}
        )
    except RuntimeError as error:
        raise DataError(f"the checkpoint in {run} does not fit its configuration: {error}") from error
    return recalibrate(generator, prior, config.seed), step, seconds


@torch.no_grad()
def _average(ema: nn.Module, model: nn.Module, decay: float) -> None:
    for mine, theirs in zip(ema.parameters(), model.parameters(), strict=True):
        mine.lerp_(theirs, 1 - decay)


@torch.no_grad()
def recalibrate(
    generator: DCGANGenerator, prior: Distribution, seed: int = 0, batches: int = 100, batch: int = 256
) -> DCGANGenerator:
    """Measure the batch statistics of ``generator`` anew over samples of ``prior``; returns it in eval mode.

    Averaged weights need statistics of their own: those gathered in training belong to other weights.
    """
    norms = [m for m in generator.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average
    generator.train()
    for i in range(batches):
        generator(draw(prior, batch, _random(seed, _CALIBRATION, i)))
    for norm in norms:
        norm.momentum = 0.1
    return generator.eval()


def train_dcgan(
    config: DCGANConfig,
    images: Tensor,
    prior: Distribution,
    out: str | Path,
    *,
    resume: bool = False,
    max_minutes: float | None = None,
    checkpoint_every: int = 500,
    progress: Progress | None = None,
) -> DCGANGenerator:
    """Train a DCGAN on ``images`` ``(N, C, S, S)`` ``uint8`` and return the averaged generator, in eval mode.

    The losses are the non-saturating ones of Goodfellow et al. 2014. Ends after ``config.steps``, after
    ``max_minutes`` (of this call), or at Ctrl-C; each time with a checkpoint, from which ``resume=True`` goes on.
    Ctrl-C takes effect between two steps and then raises `KeyboardInterrupt`; pressed twice, it interrupts at once
    and saves nothing.

    Args:
        config: everything that decides the result, but the images and the prior.
        images: at least one batch of them.
        prior: the distribution of the latents, ``(D,)`` vectors.
        out: the folder of the run.
        resume: go on from the checkpoint in ``out``, if there is one.
        max_minutes: stop after so long, measured over this call; one step is always taken.
        checkpoint_every: steps between two checkpoints and sample sheets. Does not change the result.
        progress: called every 100 steps; it may raise `KeyboardInterrupt`, with the effect of Ctrl-C.

    Raises:
        InputError: images of another shape or type, a prior of another dimension, fewer images than a batch.
        TrainingError: ``out`` holds another run, the disk cannot be written, or a loss is not finite (the last good
            checkpoint is kept).
    """
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
    batches = _batches(images, config.batch, config.seed)
    run = _Run(out, config, resume)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        generator = DCGANGenerator(
            latent_dim=config.latent_dim, width=config.width, size=config.size, channels=config.channels
        )
        averaged = DCGANGenerator(
            latent_dim=config.latent_dim, width=config.width, size=config.size, channels=config.channels
        )
        discriminator = DCGANDiscriminator(width=config.discriminator_width, size=config.size, channels=config.channels)
    averaged.load_state_dict(generator.state_dict())
    betas = (config.beta1, config.beta2)
    rates = {"opt_g": config.learning_rate, "opt_d": config.learning_rate * config.discriminator_rate}
    parts: dict[str, nn.Module] = {"generator": generator, "averaged": averaged, "discriminator": discriminator}
    optimisers: dict[str, torch.optim.Optimizer] = {
        "opt_g": torch.optim.Adam(generator.parameters(), rates["opt_g"], betas),
        "opt_d": torch.optim.Adam(discriminator.parameters(), rates["opt_d"], betas),
    }
    start, before = run.load(parts, optimisers)
    on_sheet = draw(prior, 64, _random(config.seed, _NOISE, 2**32 - 1))
    step, saved, began = start, start, time.monotonic()
    reported, sums, count = began, torch.zeros(2), 0

    def save() -> None:
        run.save(step, before + time.monotonic() - began, parts, optimisers)
        run.sheet(averaged, on_sheet)

    with _BetweenSteps() as stop:
        while step < config.steps and not stop.requested:
            for name, optimiser in optimisers.items():
                optimiser.param_groups[0]["lr"] = rates[name] * _rate(step, config.steps)
            real = to_unit_range(batches(step))
            latents = draw(prior, 2 * config.batch, _random(config.seed, _NOISE, step))
            with _autocast(config.precision):
                with torch.no_grad():
                    fake = generator(latents[: config.batch])
                on_real, on_fake = discriminator(torch.cat([real, fake])).float().split(config.batch)
                loss_d = functional.softplus(-on_real).mean() + functional.softplus(on_fake).mean()
            optimisers["opt_d"].zero_grad()
            loss_d.backward()
            optimisers["opt_d"].step()
            with _autocast(config.precision):
                loss_g = functional.softplus(-discriminator(generator(latents[config.batch :])).float()).mean()
            optimisers["opt_g"].zero_grad()
            loss_g.backward()
            optimisers["opt_g"].step()
            step += 1
            # the average follows closely at first and reaches its full memory after some thousand steps
            _average(averaged, generator, min(config.ema, (1 + step) / (10 + step)))
            losses = torch.stack([loss_d.detach(), loss_g.detach()])
            if not math.isfinite(float(losses.sum())):
                raise run.not_finite(step)
            sums, count = sums + losses, count + 1
            if step % checkpoint_every == 0:
                save()
                saved = step
            if step % _REPORT_EVERY == 0:
                now, (mean_d, mean_g) = time.monotonic(), (sums / count).tolist()
                numbers = {"loss_d": mean_d, "loss_g": mean_g, "seconds_per_step": (now - reported) / count}
                reported, sums, count = now, torch.zeros(2), 0
                run.log(step, numbers)
                if progress is not None:
                    try:
                        progress(step, numbers)
                    except KeyboardInterrupt:
                        stop.requested = True
            if max_minutes is not None and time.monotonic() - began >= 60 * max_minutes:
                break
        if step > saved:
            save()
        if stop.requested:
            raise KeyboardInterrupt
    return recalibrate(averaged, prior, config.seed)


def train_classifier(
    config: ClassifierConfig,
    images: Tensor,
    labels: Tensor,
    *,
    progress: Progress | None = None,
) -> DigitClassifier:
    """Train the digit classifier on ``images`` ``(N, 1, 28, 28)`` ``uint8`` and return it in eval mode.

    Cross-entropy, AdamW under a one-cycle learning rate, every image moved, turned and scaled a little each time it is
    seen. No label smoothing: the judge's confidence should mean what it says.

    Raises:
        InputError: images or labels of another shape or type.
        TrainingError: the loss is not finite.
    """
    if images.ndim != 4 or tuple(images.shape[1:]) != (1, 28, 28) or images.dtype != torch.uint8:
        raise InputError(f"images must be uint8 (N, 1, 28, 28), got {images.dtype} {tuple(images.shape)}")
    if labels.shape != images.shape[:1]:
        raise InputError(f"labels must be ({len(images)},), one for each image, got {tuple(labels.shape)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = DigitClassifier(width=config.width)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster on CPU
        steps = config.epochs * (len(images) // config.batch)
        optimiser = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
        batches = _batches(torch.arange(len(images)), config.batch, config.seed)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=max(steps, 1))
        total, began = torch.zeros(()), time.monotonic()
        for step in range(1, steps + 1):
            chosen = batches(step - 1)
            seen = _wobble(to_unit_range(images[chosen]), _random(config.seed, _AUGMENT, step))
            with _autocast(config.precision):
                logits = model(seen)
            loss = functional.cross_entropy(logits.float(), labels[chosen].long())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.detach()
            if step % 100 == 0:
                numbers = {"loss": float(total) / 100, "seconds_per_step": (time.monotonic() - began) / 100}
                total, began = torch.zeros(()), time.monotonic()
                if not math.isfinite(numbers["loss"]):
                    raise TrainingError(f"the loss before step {step} is not finite: try a smaller learning rate")
                if progress is not None:
                    progress(step, numbers)
    model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return model.eval()


def _wobble(images: Tensor, random: torch.Generator) -> Tensor:
    """Each image turned by up to 12 degrees, scaled and slanted by up to 10 %, moved by up to 2 pixels of 28."""
    angle, scale, slant, dx, dy = (2 * torch.rand(5, len(images), generator=random) - 1).unbind()
    angle, scale, slant, dx, dy = angle * math.radians(12), 1 + scale / 10, slant / 10, dx / 7, dy / 7
    cos, sin = scale * angle.cos(), scale * angle.sin()
    maps = torch.stack([torch.stack([cos, slant - sin, dx], -1), torch.stack([sin, cos, dy], -1)], -2)
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(images + 1, grid, align_corners=False) - 1
