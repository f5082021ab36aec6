"""``latentpath train classifier`` and ``train package``: the judge of digits, and models out of runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_train import (
    HoldOut,
    Precision,
    PrecisionName,
    Seed,
    Source,
    Threads,
    app,
    check_writable,
    images_of,
    one_line_errors,
    progress_bar,
    stages,
    use_threads,
)
from .errors import DataError, InputError, WriteError

if TYPE_CHECKING:
    from .data import Images
    from .models import Model

__all__ = ["app", "summary", "test_images"]


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
    from .data import mnist
    from .training import ClassifierConfig, train_classifier

    check_writable(out, folder=True)
    config = ClassifierConfig(width=width, epochs=epochs, precision=precision.value, seed=seed)
    images, labels = mnist("train", data)
    test = mnist("test", data)
    if (out / "config.json").exists() or (out / "card.json").exists():
        raise InputError(f"{out} holds another run: choose another folder (--out)")
    began, steps = time.monotonic(), epochs * (len(images) // config.batch)
    with progress_bar("classifier", steps) as progress:
        network = train_classifier(config, images, labels, progress=progress)
    accuracy = _finish_classifier(network, config, len(images), test, out, time.monotonic() - began)
    typer.echo(f"test accuracy {accuracy:.2%}: {out}")


def _finish_classifier(
    network: Any, config: Any, images: int, test: tuple[Any, Any], out: Path, seconds: float
) -> float:
    """Write the folder of a classifier that has been trained; its test accuracy, as stored."""
    import tempfile
    from dataclasses import asdict
    from functools import partial

    from . import __version__
    from .data import to_unit_range
    from .models.cards import make_card
    from .models.files import as_stored
    from .models.folders import write_model
    from .models.metrics.quality import measure_classifier
    from .packaging import command

    network.load_state_dict(as_stored(network))  # judge what will be stored
    card = partial(
        make_card,
        out.resolve().name,
        "Classifier of 28 x 28 digits, the independent judge of generated ones",
        asdict(config),
        command=command("classifier", config),
        version=__version__,
        steps=config.epochs * (images // config.batch),
        seconds=seconds,
        images=images,
        value_range=None,
    )
    try:
        write_model(out, network, card())  # first of all, so that nothing that fails later costs the training
    except (OSError, DataError) as error:
        rescue = Path(tempfile.mkdtemp(prefix="latentpath-"))
        write_model(rescue, network, card())
        raise WriteError(f"{error}. The classifier is in {rescue}, and its accuracy is not measured") from error
    with stages() as stage:
        quality = measure_classifier(network, to_unit_range(test[0]), test[1], stage)
    write_model(out, network, card(quality=asdict(quality)))
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
    check_writable(out / name, folder=True)
    use_threads(threads)
    from .models.folders import read_model, write_model
    from .models.networks.base import Pretrained
    from .models.prior_names import named_prior, stored_prior
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

        with stages() as stage:

            def quality(found: Model) -> dict[str, Any]:
                return measured(found, images, test, samples=samples, seed=config.seed, stage=stage)

            model = package_run(
                run, name, out / name, images.pixels, latents, hold_out=hold_out, quality=quality, stage=stage
            )
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
