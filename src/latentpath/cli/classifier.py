"""``latentpath train classifier``: the judges of digits."""

import tempfile
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import __version__
from ..data import mnist, to_unit_range
from ..errors import DataError, InputError, WriteError
from ..models.cards import make_card
from ..models.files import as_stored
from ..models.folders import write_model
from ..models.metrics.quality import measure_classifier
from ..training import ClassifierConfig, train_classifier
from .console import one_line_errors, stages, training
from .options import Threads, configured, epilog, use_threads
from .output import check_writable
from .package import command_of

_DESCRIPTIONS = {  # by the network
    "cnn": "Classifier of 28 x 28 digits, the independent judge of generated ones",
    "mlp": "Multilayer perceptron for 28 x 28 digits, the second independent judge of generated ones",
}

app = typer.Typer()


@app.command(
    epilog=epilog(
        "latentpath train classifier --data ~/data/mnist --out runs/judge",
        "latentpath train classifier --data ~/data/mnist --out runs/second --network mlp --epochs 40 --seed 1",
    )
)
@one_line_errors
@configured(ClassifierConfig)
def classifier(
    config: ClassifierConfig,
    data: Annotated[
        Path | None,
        typer.Option(
            envvar="LATENTPATH_DATA",
            help="Folder with the four MNIST files as published (or its parent).",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the result.")] = Path("runs/classifier"),
    threads: Threads = None,
) -> None:
    """Train a digit classifier, a judge of generated digits.

    Takes some minutes. The folder gets the weights and card.json, with the accuracy on the test images.
    """
    use_threads(threads)
    check_writable(out, folder=True)
    images, labels = mnist("train", data)
    test = mnist("test", data)
    if (out / "config.json").exists() or (out / "card.json").exists():
        raise InputError(f"{out} holds another run: choose another folder (--out)")
    began, steps = time.monotonic(), config.epochs * (len(images) // config.batch)
    with training("classifier", steps) as progress:
        network = train_classifier(config, images, labels, progress=progress)
    accuracy = _finish_classifier(network, config, len(images), test, out, time.monotonic() - began)
    typer.echo(f"test accuracy {accuracy:.2%}: {out}")


def _finish_classifier(
    network: Any, config: Any, images: int, test: tuple[Any, Any], out: Path, seconds: float
) -> float:
    """Writes the folder of a classifier that has been trained; returns its test accuracy, as stored."""
    network.load_state_dict(as_stored(network))  # judge what will be stored
    card = partial(
        make_card,
        out.resolve().name,
        _DESCRIPTIONS[config.network],
        asdict(config),
        command=command_of(config),
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
