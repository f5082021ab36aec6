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
    from .models import Model
    from .training import Progress

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


class Prior(StrEnum):
    """The priors that a generator can be trained with."""

    semicircle = "semicircle"
    normal = "normal"


class Precision(StrEnum):
    """Of the convolutions; weights are kept in float32."""

    fp32 = "fp32"
    bf16 = "bf16"


Data = Annotated[
    Path | None,
    typer.Option(
        envvar="LATENTPATH_DATA",
        help="Folder with the four MNIST files as published (or its parent).",
        show_default=False,
    ),
]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads; PyTorch's choice by default.")]
Seed = Annotated[int, typer.Option(min=0, max=2**28 - 1, help="Of everything that is random.")]


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


def _use_threads(threads: int | None) -> None:
    import torch

    if threads is not None:
        torch.set_num_threads(threads)


def _command(name: str, out: Path, config: Any, *options: str) -> str:
    """The command that makes the same run again, wherever the data are."""
    import torch

    given = " ".join(f"--{option.replace('_', '-')} {getattr(config, option)}" for option in options)
    return (
        f"latentpath train {name} --data FOLDER --out {out.name or 'run'} {given} --threads {torch.get_num_threads()}"
    )


@app.command(
    epilog="Example: [bold]latentpath train dcgan --data ~/data/mnist --out runs/mnist --precision bf16[/bold]   "
    "Go on after an interruption: the same command with [bold]--resume[/bold]"
)
@one_line_errors
def dcgan(
    data: Data = None,
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoint, log, samples, result.")] = Path(
        "runs/dcgan"
    ),
    prior: Annotated[Prior, typer.Option(help="Distribution of the latents.")] = Prior.semicircle,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the whole run.")] = 34_000,
    batch: Annotated[int, typer.Option(min=2, help="Images per step.")] = 64,
    latent_dim: Annotated[int, typer.Option(min=2, help="Length of a latent.")] = 20,
    width: Annotated[int, typer.Option(min=1, help="Channels of the generator's last hidden layer.")] = 48,
    seed: Seed = 0,
    precision: Annotated[Precision, typer.Option(help="bf16 is faster where the CPU has it.")] = Precision.fp32,
    max_minutes: Annotated[float | None, typer.Option(min=0, help="Stop after so long, with a checkpoint.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in --out.")] = False,
    threads: Threads = None,
) -> None:
    """Train a DCGAN on MNIST.

    Ctrl-C stops between two steps and loses nothing; go on with --resume. The folder gets samples.png as the run goes,
    and at the end a folder model/ with weights and card.json.
    """
    _use_threads(threads)
    from dataclasses import asdict

    import torch

    from . import __version__
    from .data import mnist
    from .models.cards import make_card
    from .models.registry import named_prior, write_model
    from .training import DCGANConfig, averaged_generator, read_checkpoint, train_dcgan

    config = DCGANConfig(
        prior=prior.value,
        latent_dim=latent_dim,
        width=width,
        steps=steps,
        batch=batch,
        precision=precision.value,
        seed=seed,
    )
    latents = named_prior(config.prior, config.latent_dim)
    images, _ = mnist("train", data)
    done = read_checkpoint(out)[1] if resume and (out / "state.safetensors").exists() else 0
    try:
        with _shown("DCGAN", steps, done) as progress:
            train_dcgan(config, images, latents, out, resume=resume, max_minutes=max_minutes, progress=progress)
    except KeyboardInterrupt:
        typer.echo(f"Interrupted; go on from the checkpoint in {out} with --resume.", err=True)
        raise typer.Exit(130) from None
    generator, step, seconds = averaged_generator(out, latents)
    card = make_card(
        out.resolve().name,
        f"DCGAN for 28 x 28 digits, {config.latent_dim} latent dimensions, {config.prior} prior",
        asdict(config),
        command=_command("dcgan", out, config, *_DCGAN_OPTIONS),
        version=__version__,
        steps=step,
        seconds=seconds,
        images=len(images),
        value_range=(-1.0, 1.0),
        prior={"name": config.prior, "dim": config.latent_dim},
    )
    write_model(out / "model", generator, card, dtype=torch.float32)
    typer.echo(f"{step} steps in {seconds / 60:.1f} minutes: {out / 'model'}")
    if step < steps:
        typer.echo(f"The run is not finished ({step} of {steps} steps): go on with --resume.")


_DCGAN_OPTIONS = ("prior", "latent_dim", "width", "steps", "batch", "precision", "seed")
_CLASSIFIER_OPTIONS = ("width", "epochs", "precision", "seed")


@app.command(epilog="Example: [bold]latentpath train classifier --data ~/data/mnist --out runs/judge[/bold]")
@one_line_errors
def classifier(
    data: Data = None,
    out: Annotated[Path, typer.Option(help="Folder for the result.")] = Path("runs/classifier"),
    epochs: Annotated[int, typer.Option(min=1, help="Times that every image is seen.")] = 12,
    width: Annotated[int, typer.Option(min=1, help="Channels of the first layer.")] = 24,
    seed: Seed = 0,
    precision: Annotated[Precision, typer.Option(help="bf16 is faster where the CPU has it.")] = Precision.fp32,
    threads: Threads = None,
) -> None:
    """Train the digit classifier, the judge of generated digits.

    Takes some minutes. The folder gets the weights and card.json, with the accuracy on the test images.
    """
    _use_threads(threads)
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

    network.load_state_dict(as_stored(network))  # judge what will be stored
    quality = measure_classifier(network, to_unit_range(test[0]), test[1])
    card = make_card(
        out.resolve().name,
        "Classifier of 28 x 28 digits, the independent judge of generated ones",
        asdict(config),
        command=_command("classifier", out, config, *_CLASSIFIER_OPTIONS),
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
    run: Annotated[Path, typer.Argument(help="Folder of a run of train dcgan or train classifier.")],
    name: Annotated[str, typer.Option(help="What the model will be called.")],
    out: Annotated[Path, typer.Option(help="Folder that gets a folder of that name.")] = Path("models"),
    data: Data = None,
    samples: Annotated[int, typer.Option(min=100, help="How many samples the quality is measured on.")] = 10_000,
    threads: Threads = None,
) -> None:
    """Make a run into a model: half-precision weights, a card with measured quality, a sample sheet.

    The quality is that of the weights as they are stored, judged by the classifier that ships with the package. A
    generator can be packaged while its run is still going, from its last checkpoint.
    """
    if not name or Path(name).name != name or name.startswith("."):
        raise InputError(f"a model's name becomes the name of a folder, got {name!r}")
    _use_threads(threads)
    from .models.pretrained import Pretrained
    from .models.registry import read_model, write_model

    if not (run / "state.safetensors").exists():
        model = read_model(run)
        assert isinstance(model.generator, Pretrained)
        write_model(out / name, model.generator, {**model.card, "name": name})
    else:
        _package_generator(run, name, out, data, samples)
    finished = read_model(out / name)
    typer.echo(_summary(finished))


def _package_generator(run: Path, name: str, out: Path, data: Path | None, samples: int) -> None:
    from dataclasses import asdict

    import torch

    from . import __version__
    from .data import mnist, to_unit_range
    from .models.cards import make_card
    from .models.pretrained import as_stored
    from .models.quality import measure_generator
    from .models.registry import digit_classifier, named_prior, write_model
    from .models.sampling import contact_sheet, draw
    from .training import averaged_generator, read_config

    config = read_config(run)
    prior = named_prior(config.prior, config.latent_dim)
    generator, step, seconds = averaged_generator(run, prior)
    generator.load_state_dict(as_stored(generator))
    train, test = (to_unit_range(mnist(split, data)[0]) for split in ("train", "test"))
    quality = measure_generator(generator, prior, digit_classifier(), train, test, samples=samples, seed=config.seed)
    card = make_card(
        name,
        f"DCGAN for 28 x 28 digits, {config.latent_dim} latent dimensions, {config.prior} prior",
        asdict(config),
        command=_command("dcgan", run, config, *_DCGAN_OPTIONS),
        version=__version__,
        steps=step,
        seconds=seconds,
        images=len(train),
        value_range=(-1.0, 1.0),
        prior={"name": config.prior, "dim": config.latent_dim},
        quality={"judge": "mnist-classifier", **asdict(quality)},
    )
    with torch.no_grad():
        sheet = contact_sheet(generator(draw(prior, 160, torch.Generator().manual_seed(config.seed))), columns=16)
    write_model(out / name, generator, card, sheet)


def _summary(model: Model) -> str:
    lines = [f"{model.name}: {model.card['description']}"]
    for key, value in (model.card["quality"] or {}).items():
        lines.append(
            f"  {key.replace('_', ' ')}: {value if not isinstance(value, list) else ' '.join(map(str, value))}"
        )
    return "\n".join(lines)
