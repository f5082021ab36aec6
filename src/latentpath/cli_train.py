"""``latentpath train``: train the generators and the judge, and package them as models."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer

from .errors import InputError, LatentPathError

if TYPE_CHECKING:
    from .data import Images
    from .models import Model
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

_SEVERAL = "Several processes: [bold]torchrun --nproc-per-node 2 -m latentpath.cli train ...[/bold]"


def one_line_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Show an error of ours as one line on stderr, with exit code 2; Ctrl-C as one line, with exit code 130."""

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except LatentPathError as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            typer.echo("Interrupted.", err=True)
            raise typer.Exit(130) from None

    return guarded


@contextmanager
def _shown(title: str, steps: int, start: int = 0) -> Iterator[Progress]:
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

    def line(step: int, numbers: dict[str, float]) -> None:
        if step % 500 == 0:
            left = (steps - step) * numbers["seconds_per_step"] / 60
            typer.echo(f"{title}: step {step} of {steps}  {losses(numbers)}  {left:.0f} min left", err=True)

    yield line


def use_threads(threads: int | None) -> None:
    import torch

    if threads is not None:
        torch.set_num_threads(threads)


def images_of(source: str | None, size: int, channels: int, hold_out: int) -> Images:
    """The images of ``--data``, with a line of progress while they are read for the first time."""
    from .data import load_images

    def show(done: int, of: int) -> None:
        if done in (0, of) or done % 10_000 == 0:
            typer.echo(f"Reading images: {done:,} of {of:,}", err=True)

    return load_images(source, size=size, channels=channels, hold_out=hold_out, progress=show)


def _train(
    config: RunConfig,
    images: Images,
    out: Path,
    *,
    resume: bool,
    max_minutes: float | None,
    checkpoint_every: int,
    cpu: bool,
    hold_out: int,
) -> None:
    import torch

    from .models.registry import named_prior
    from .packaging import kind_of, package_run
    from .training import DCGANConfig, Options, WAEConfig, read_checkpoint, train_dcgan, train_wae

    prior = named_prior(config.prior, config.latent_dim)
    done = read_checkpoint(out)[1] if resume and (out / "state.safetensors").exists() else 0
    options: Options = {
        "resume": resume,
        "max_minutes": max_minutes,
        "checkpoint_every": checkpoint_every,
        "cpu": cpu,
    }
    try:
        with _shown(kind_of(config).upper(), config.steps, done) as progress:
            options["progress"] = progress
            if isinstance(config, DCGANConfig):
                train_dcgan(config, images.pixels, prior, out, **options)
            elif isinstance(config, WAEConfig):
                train_wae(config, images.pixels, prior, out, **options)
    except KeyboardInterrupt:
        typer.echo(f"Interrupted; go on from the checkpoint in {out} with --resume.", err=True)
        raise typer.Exit(130) from None
    from accelerate import PartialState

    if not PartialState().is_main_process:
        return
    name, folder = out.resolve().name, out / "model"
    model = package_run(out, name, folder, images.pixels, prior, hold_out=hold_out, dtype=torch.float32)
    step = model.card["steps"]
    typer.echo(f"{step} steps in {model.card['minutes']:.1f} minutes: {folder}")
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
    use_threads(threads)
    from .training import DCGANConfig

    images = images_of(data, size, channels, hold_out)
    config = DCGANConfig(
        data=images.name,
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
        images,
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
    use_threads(threads)
    from .training import WAEConfig

    images = images_of(data, size, channels, hold_out)
    default = 1.0 if divergence is Divergence.mmd else 0.1
    config = WAEConfig(
        data=images.name,
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
        images,
        out,
        resume=resume,
        max_minutes=max_minutes,
        checkpoint_every=checkpoint_every,
        cpu=cpu,
        hold_out=hold_out,
    )


@app.command(epilog="Example: [bold]latentpath train classifier --data ~/data/mnist --out runs/judge[/bold]")
@one_line_errors
def classifier(
    data: Annotated[
        Path | None,
        typer.Option(
            envvar="LATENTPATH_DATA",
            help="Folder with the four MNIST files as published (or its parent).",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the result.")] = Path("runs/classifier"),
    epochs: Annotated[int, typer.Option(min=1, help="Times that every image is seen.")] = 12,
    width: Annotated[int, typer.Option(min=1, help="Channels of the first layer.")] = 24,
    seed: Seed = 0,
    precision: PrecisionName = Precision.fp32,
    threads: Threads = None,
) -> None:
    """Train the digit classifier, the judge of generated digits.

    Takes some minutes. The folder gets the weights and card.json, with the accuracy on the test images.
    """
    use_threads(threads)
    import time

    from .data import mnist
    from .training import ClassifierConfig, train_classifier

    config = ClassifierConfig(width=width, epochs=epochs, precision=precision.value, seed=seed)
    images, labels = mnist("train", data)
    test = mnist("test", data)
    if (out / "config.json").exists() or (out / "card.json").exists():
        raise InputError(f"{out} holds another run: choose another folder (--out)")
    began, steps = time.monotonic(), epochs * (len(images) // config.batch)
    with _shown("classifier", steps) as progress:
        network = train_classifier(config, images, labels, progress=progress)
    accuracy = _finish_classifier(network, config, len(images), test, out, time.monotonic() - began)
    typer.echo(f"test accuracy {accuracy:.2%}: {out}")


def _finish_classifier(
    network: Any, config: Any, images: int, test: tuple[Any, Any], out: Path, seconds: float
) -> float:
    """Write the folder of a classifier that has been trained; its test accuracy, as stored."""
    from dataclasses import asdict

    from . import __version__
    from .data import to_unit_range
    from .models.cards import make_card
    from .models.pretrained import as_stored
    from .models.quality import measure_classifier
    from .models.registry import write_model
    from .packaging import command

    network.load_state_dict(as_stored(network))  # judge what will be stored
    quality = measure_classifier(network, to_unit_range(test[0]), test[1])
    card = make_card(
        out.resolve().name,
        "Classifier of 28 x 28 digits, the independent judge of generated ones",
        asdict(config),
        command=command("classifier", config),
        version=__version__,
        steps=config.epochs * (images // config.batch),
        seconds=seconds,
        images=images,
        value_range=None,
        quality=asdict(quality),
    )
    write_model(out, network, card)
    return quality.accuracy


@app.command(
    epilog="Example: [bold]latentpath train package runs/mnist --name mnist-dcgan-semicircle --out models "
    "--data ~/data/mnist[/bold]"
)
@one_line_errors
def package(
    run: Annotated[Path, typer.Argument(help="Folder of a run of train dcgan, train wae or train classifier.")],
    name: Annotated[str, typer.Option(help="What the model will be called.")],
    out: Annotated[Path, typer.Option(help="Folder that gets a folder of that name.")] = Path("models"),
    data: Source = None,
    hold_out: HoldOut = 0,
    prior: Annotated[
        str | None, typer.Option(help="Of a run with a prior of your own: module:attr again.", show_default=False)
    ] = None,
    samples: Annotated[int, typer.Option(min=100, help="How many samples the quality is measured on.")] = 10_000,
    threads: Threads = None,
) -> None:
    """Make a run into a model: half-precision weights, a card with measured quality, a sample sheet.

    The quality is that of the weights as they are stored. A generator can be packaged while its run is still going,
    from its last checkpoint.
    """
    if not name or Path(name).name != name or name.startswith("."):
        raise InputError(f"a model's name becomes the name of a folder, got {name!r}")
    use_threads(threads)
    from .models.pretrained import Pretrained
    from .models.registry import named_prior, read_model, stored_prior, write_model
    from .packaging import measured, package_run
    from .training import read_config

    if not (run / "state.safetensors").exists():
        model = read_model(run)
        assert isinstance(model.generator, Pretrained)
        write_model(out / name, model.generator, {**model.card, "name": name})
        model = read_model(out / name)
    else:
        config = read_config(run)
        if prior is None:
            latents = stored_prior({"name": config.prior, "dim": config.latent_dim}, run)
        else:
            latents = named_prior(prior, config.latent_dim)
        images = images_of(data, config.size, config.channels, hold_out)
        test = test_images(data, images)

        def quality(found: Model) -> dict[str, Any]:
            return measured(found, images, test, samples=samples, seed=config.seed)

        model = package_run(run, name, out / name, images.pixels, latents, hold_out=hold_out, quality=quality)
    typer.echo(summary(model))


def test_images(source: str | None, images: Images) -> Any:
    """The real images that were kept out of training: MNIST's test images, or those held out."""
    from .data import load_images

    if images.name == "mnist":
        _, channels, size, _ = images.pixels.shape
        return load_images(source, size=size, channels=channels, split="test").pixels
    return images.held_out if len(images.held_out) else None


def summary(model: Model) -> str:
    """A model's name and the numbers on its card, a line each."""
    lines = [f"{model.name}: {model.card['description']}"]
    for key, value in (model.card["quality"] or {}).items():
        shown = " ".join(map(str, value)) if isinstance(value, list) else value
        lines.append(f"  {key.replace('_', ' ')}: {shown}")
    return "\n".join(lines)
