"""``latentpath train dcgan`` and ``train wae``; the rest of ``latentpath train`` is in `cli_package`."""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ParamSpec, TypeVar

import typer

from . import interrupts
from .counts import counted
from .errors import InputError, LatentPathError, require

if TYPE_CHECKING:
    from .data import Images
    from .stages import Stage
    from .training import Progress, RunConfig

__all__ = ["app"]

P = ParamSpec("P")
R = TypeVar("R")

app = typer.Typer(
    name="train",
    help="Train generators and the digit classifier, and package them as models with a measured card.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


class Precision(StrEnum):
    """Of the convolutions; weights are kept in float32."""

    fp32 = "fp32"
    bf16 = "bf16"


class Divergence(StrEnum):
    """What keeps the codes of a WAE spread like the prior."""

    mmd = "mmd"
    gan = "gan"


Source = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="A folder, an archive, mnist, celeba, or a data set on the Hub; without it, the folder that "
        "LATENTPATH_DATA names.",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Option(help="Folder of the run: checkpoint, log, samples, TensorBoard, result.")]
PriorName = Annotated[str, typer.Option(help="Of the latents: normal, semicircle, or module:attr of your own.")]
Steps = Annotated[int, typer.Option(min=1, help="Steps of the whole run.")]
Batch = Annotated[int, typer.Option(min=2, help="Images per step, of all processes together.")]
Latent = Annotated[int, typer.Option(min=1, help="Length of a latent.")]
Size = Annotated[int, typer.Option(help="Side of the images: 28 or 64.")]
Channels = Annotated[int, typer.Option(help="1 for grey, 3 for colour.")]
HoldOut = Annotated[int, typer.Option(min=0, help="How many images, the last by name, are kept out of training.")]
Flip = Annotated[bool, typer.Option("--flip", help="Show every other image mirrored.")]
Rate = Annotated[float, typer.Option(min=0, help="Learning rate; it falls to 0 over the last half.")]
Seed = Annotated[int, typer.Option(min=0, max=2**28 - 1, help="Of everything that is random.")]
PrecisionName = Annotated[
    Precision, typer.Option(help="bf16: faster where the CPU or GPU has it, much slower elsewhere.")
]
Init = Annotated[
    str | None,
    typer.Option(
        help="A model to begin with, instead of random weights: its name, folder, or Hub id. It must be built alike.",
        show_default=False,
    ),
]
Minutes = Annotated[float | None, typer.Option(min=0, help="Stop after so long, with a checkpoint.")]
Every = Annotated[int, typer.Option(min=1, help="Steps between two checkpoints.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in --out.")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads; PyTorch's choice by default.")]
Cpu = Annotated[bool, typer.Option("--cpu", help="Stay on the CPU even where there is a GPU.")]

_SECONDS = 30.0  # between two lines of progress off a terminal
_SEVERAL = "Several processes: [bold]torchrun --nproc-per-node 2 -m latentpath.cli train ...[/bold]"


def one_line_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Show an error of ours as one line on stderr, with exit code 2; Ctrl-C as one line, with exit code 130."""

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with interrupts.raised():
                return command(*args, **kwargs)
        except LatentPathError as error:
            typer.echo(f"Error: {'. '.join([str(error), *getattr(error, '__notes__', [])])}", err=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt as error:
            typer.echo(" ".join(["Interrupted.", *getattr(error, "__notes__", [])]), err=True)
            raise typer.Exit(interrupts.INTERRUPTED) from None

    return guarded


@contextmanager
def progress_bar(title: str, steps: int, start: int = 0) -> Iterator[Progress]:
    """A progress bar with losses and time left on a terminal; a line now and then elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[losses]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )

    def losses(numbers: dict[str, float]) -> str:
        return "  ".join(f"{name.replace('_', ' ')} {numbers[name]:.3f}" for name in numbers if name.startswith("loss"))

    if console.is_terminal:
        with Bar(*columns, console=console, speed_estimate_period=120) as bar:
            task = bar.add_task(title, total=steps, completed=start, losses="")
            yield lambda step, numbers: bar.update(task, completed=step, losses=losses(numbers))
            return

    shown = -math.inf

    def line(step: int, numbers: dict[str, float]) -> None:
        nonlocal shown
        if step == steps or time.monotonic() - shown >= _SECONDS:
            shown = time.monotonic()
            left = (steps - step) * numbers["seconds_per_step"] / 60
            typer.echo(f"{title}: step {step} of {steps}  {losses(numbers)}  {left:.0f} min left", err=True)

    yield line


@contextmanager
def stages() -> Iterator[Stage]:
    """Progress of work in stages: live on a terminal, elsewhere a line for each stage, and another now and then."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(16), MofNCompleteColumn())
        with Bar(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
            task = bar.add_task("", total=None)
            yield lambda what, done, of: bar.update(task, description=what.capitalize(), completed=done, total=of)
        return

    current, shown = "", -math.inf

    def line(what: str, done: int, of: int) -> None:
        nonlocal current, shown
        if what != current or time.monotonic() - shown >= _SECONDS:
            current, shown = what, time.monotonic()
            typer.echo(f"{what.capitalize()}: {done:,} of {of:,}" if of > 1 else what.capitalize(), err=True)

    yield line


def check_writable(out: Path, *, folder: bool) -> None:
    """Refuse, before any work, a place that nothing can be written to.

    Args:
        out: where the result goes.
        folder: whether that is to be a folder, made if it is not there, or else a file in one that is.

    Raises:
        InputError: it is of the other kind, its folder is not there, or nobody may write there.
    """
    if out.exists() and out.is_dir() is not folder:
        raise InputError(f"cannot write to {out}: it is a {'file' if folder else 'folder'}")
    parents = out.resolve().parents
    if not folder and not parents[0].is_dir():
        raise InputError(f"cannot write to {out}: the folder {parents[0]} does not exist")
    place = next(each for each in (out.resolve(), *parents) if each.exists())
    if not os.access(place, os.W_OK):
        raise InputError(f"cannot write to {out}: {place} is read-only")


def use_threads(threads: int | None) -> None:
    """Use so many CPU threads, at most one for each core; None for PyTorch's choice.

    Raises:
        InputError: fewer than one.
    """
    import torch

    if threads is not None:
        if threads < 1:
            raise InputError(f"threads must be at least 1, got {threads}")
        torch.set_num_threads(min(threads, os.cpu_count() or 1))


def images_of(source: str | None, size: int, channels: int, hold_out: int) -> Images:
    """The images of ``--data``, with a line of progress while they are read for the first time."""
    from .data import load_images

    def show(done: int, of: int) -> None:
        if done in (0, of) or done % 10_000 == 0:
            typer.echo(f"Reading images: {done:,} of {of:,}", err=True)

    return load_images(source, size=size, channels=channels, hold_out=hold_out, progress=show)


def _train(
    config: RunConfig,
    data: str | None,
    out: Path,
    *,
    resume: bool,
    max_minutes: float | None,
    checkpoint_every: int,
    cpu: bool,
    hold_out: int,
) -> None:
    """Train, and make a model of the run; whatever can be refused is, before the images are read."""
    from dataclasses import replace

    import torch

    from .models import named_prior
    from .packaging import kind_of, package_run
    from .training import DCGANConfig, Options, WAEConfig, check_options, fit_dcgan, fit_wae, read_checkpoint

    prior = named_prior(config.prior, config.latent_dim)
    options: Options = {
        "resume": resume,
        "max_minutes": max_minutes,
        "checkpoint_every": checkpoint_every,
        "cpu": cpu,
    }
    check_options(options)
    check_writable(out, folder=True)
    images = images_of(data, config.size, config.channels, hold_out)
    config = replace(config, data=images.name)
    done = read_checkpoint(out)[1] if resume and (out / "state.safetensors").exists() else 0
    try:
        with progress_bar(kind_of(config).upper(), config.steps, done) as progress:
            options["progress"] = progress
            if isinstance(config, DCGANConfig):
                fit_dcgan(config, images.pixels, prior, out, **options)
            elif isinstance(config, WAEConfig):
                fit_wae(config, images.pixels, prior, out, **options)
        from accelerate import PartialState

        if not PartialState().is_main_process:
            return
        name, folder = out.resolve().name, out / "model"
        with stages() as stage:
            model = package_run(
                out, name, folder, images.pixels, prior, hold_out=hold_out, dtype=torch.float32, stage=stage
            )
    except KeyboardInterrupt:
        typer.echo(f"Interrupted; go on from the checkpoint in {out} with --resume.", err=True)
        raise typer.Exit(interrupts.INTERRUPTED) from None
    step = model.card["steps"]
    typer.echo(f"{counted(step, 'step')} in {model.card['minutes']:.1f} minutes: {folder}")
    if step < config.steps:
        typer.echo(f"The run is not finished ({step} of {config.steps} steps): go on with --resume.")


@app.command(
    epilog="Examples:\n\n[bold]latentpath train dcgan --data ~/data/mnist --prior semicircle --out runs/mnist "
    "--precision bf16[/bold]\n\n[bold]latentpath train dcgan --data ~/data/img_align_celeba.zip --size 64 --channels 3 "
    "--width 32 --flip --augment --out runs/faces[/bold]\n\nGo on after an interruption: the same command with "
    "[bold]--resume[/bold]\n\n" + _SEVERAL
)
@one_line_errors
def dcgan(
    data: Source = None,
    out: Out = Path("runs/dcgan"),
    prior: PriorName = "normal",
    steps: Steps = 34_000,
    batch: Batch = 64,
    latent_dim: Latent = 20,
    width: Annotated[int, typer.Option(min=1, help="Channels of the generator's last hidden layer.")] = 48,
    discriminator_width: Annotated[int, typer.Option(min=1, help="Channels of the discriminator's first layer.")] = 64,
    discriminator_gain: Annotated[
        float,
        typer.Option(min=0, help="What the discriminator multiplies every layer's output by: higher is stronger."),
    ] = 2.0,
    size: Size = 28,
    channels: Channels = 1,
    hold_out: HoldOut = 0,
    flip: Flip = False,
    augment: Annotated[
        bool,
        typer.Option("--augment", help="Show the discriminator images moved and recoloured: for some thousand images."),
    ] = False,
    learning_rate: Rate = 2e-4,
    seed: Seed = 0,
    precision: PrecisionName = Precision.fp32,
    init: Init = None,
    max_minutes: Minutes = None,
    checkpoint_every: Every = 500,
    resume: Resume = False,
    threads: Threads = None,
    cpu: Cpu = False,
) -> None:
    """Train a DCGAN.

    Ctrl-C stops between two steps and loses nothing; go on with --resume. The folder gets samples.png and TensorBoard's
    files as the run goes, and at the end a folder model/ that every other command takes as --model.
    """
    require("training", "train")
    use_threads(threads)
    from .training import DCGANConfig

    config = DCGANConfig(
        prior=prior,
        latent_dim=latent_dim,
        width=width,
        size=size,
        channels=channels,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        flip=flip,
        precision=precision.value,
        seed=seed,
        init=init,
        discriminator_width=discriminator_width,
        discriminator_gain=discriminator_gain,
        augment=augment,
    )
    _train(
        config,
        data,
        out,
        resume=resume,
        max_minutes=max_minutes,
        checkpoint_every=checkpoint_every,
        cpu=cpu,
        hold_out=hold_out,
    )


@app.command(
    epilog="Examples:\n\n[bold]latentpath train wae --data ~/data/img_align_celeba.zip --flip --out runs/wae "
    "--precision bf16[/bold]\n\n[bold]latentpath train wae --data ~/data/mnist --size 28 --channels 1 --latent-dim 8 "
    "--divergence gan --weight 0.1[/bold]\n\n" + _SEVERAL
)
@one_line_errors
def wae(
    data: Source = None,
    out: Out = Path("runs/wae"),
    prior: PriorName = "normal",
    steps: Steps = 12_000,
    batch: Batch = 64,
    latent_dim: Latent = 64,
    width: Annotated[int, typer.Option(min=1, help="Channels next to the image, in both networks.")] = 32,
    size: Size = 64,
    channels: Channels = 3,
    hold_out: HoldOut = 0,
    flip: Flip = False,
    divergence: Annotated[Divergence, typer.Option(help="Of the codes from the prior.")] = Divergence.mmd,
    weight: Annotated[
        float | None, typer.Option(min=0, help="Of the divergence: 1 by default for mmd, 0.1 for gan.")
    ] = None,
    noise: Annotated[
        float, typer.Option(min=0, help="On the codes in training, as a share of the prior's standard deviation.")
    ] = 0.3,
    learning_rate: Rate = 1e-3,
    seed: Seed = 0,
    precision: PrecisionName = Precision.fp32,
    init: Init = None,
    max_minutes: Minutes = None,
    checkpoint_every: Every = 500,
    resume: Resume = False,
    threads: Threads = None,
    cpu: Cpu = False,
) -> None:
    """Train a Wasserstein auto-encoder.

    Ctrl-C stops between two steps and loses nothing; go on with --resume. The folder gets samples.png (images over
    their reconstructions, then samples) and TensorBoard's files as the run goes, and at the end a folder model/.
    """
    require("training", "train")
    use_threads(threads)
    from .training import WAEConfig

    default = 1.0 if divergence is Divergence.mmd else 0.1
    config = WAEConfig(
        prior=prior,
        latent_dim=latent_dim,
        width=width,
        size=size,
        channels=channels,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        flip=flip,
        precision=precision.value,
        seed=seed,
        init=init,
        divergence=divergence.value,
        weight=default if weight is None else weight,
        noise=noise,
    )
    _train(
        config,
        data,
        out,
        resume=resume,
        max_minutes=max_minutes,
        checkpoint_every=checkpoint_every,
        cpu=cpu,
        hold_out=hold_out,
    )
