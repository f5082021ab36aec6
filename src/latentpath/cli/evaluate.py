"""``latentpath evaluate``: how good a model is, measured on the user's data."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from .._io import write_json
from .._progress import Stage, silent
from .._words import counted
from ..data import Images
from ..errors import InputError
from ..models import Model, digit_classifier
from ..models.metrics.features import feature_network
from ..models.metrics.quality import measure_generator
from .console import one_line_errors, stages
from .options import (
    HoldOut,
    LatentDim,
    Prior,
    Seed,
    Source,
    Threads,
    epilog,
    images_of,
    test_images,
    use_threads,
)
from .output import check_writable

app = typer.Typer()


@app.command(
    epilog=epilog(
        "latentpath evaluate mnist-dcgan-normal --data ~/data/mnist",
        "latentpath evaluate runs/faces/model --data ~/data/img_align_celeba.zip --hold-out 100",
    )
)
@one_line_errors
def evaluate(
    model: Annotated[str, typer.Argument(help="A shipped model, a folder, a Hub id, or module:attr.")],
    data: Source = None,
    hold_out: HoldOut = 0,
    samples: Annotated[int, typer.Option(min=100, help="How many samples are judged.")] = 10_000,
    features: Annotated[
        str | None, typer.Option(help="The model whose encoder or classifier is the feature network.")
    ] = None,
    prior: Prior = None,
    latent_dim: LatentDim = None,
    out: Annotated[Path | None, typer.Option(help="A file for the numbers, as JSON.")] = None,
    seed: Seed = 0,
    threads: Threads = None,
) -> None:
    """Measure a generator: Fréchet and kernel distance, precision and recall, memorising, classes, reconstruction.

    Samples of the model are compared with the real images of --data, in the feature space of the shipped digit
    classifier (28 x 28, grey), of the shipped auto-encoder of faces (64 x 64, colour), or of --features. Give the data
    the model was trained on, with the same --hold-out, or the question of memorising has no answer.
    """
    use_threads(threads)
    from ..models import load

    if out is not None:
        check_writable(out, folder=False)
    found = load(model, prior=prior, latent_dim=latent_dim)
    channels, size = _frame(found)
    images = images_of(data, size, channels, hold_out)
    test = test_images(data, images)
    with stages() as stage:
        numbers = measured(found, images, test, features=features, samples=samples, seed=seed, stage=stage)
    compared = f"{counted(samples, 'sample')} against {counted(len(images), 'image')} of {images.name}"
    typer.echo(f"{found.name}, {compared}")
    for name, value in numbers.items():
        shown = " ".join(f"{each:g}" for each in value) if isinstance(value, tuple) else value
        typer.echo(f"  {name.replace('_', ' ')}: {shown}")
    if out is not None:
        write_json(out, {"model": found.name, **numbers})


def _frame(model: Model) -> tuple[int, int]:
    if model.prior is None:
        raise InputError(f"{model.name!r} has no prior to draw latents from: name a generator")
    with torch.no_grad():
        shape = tuple(model.generator(model.prior.sample(torch.Size([1]))).shape[1:])
    if len(shape) != 3 or shape[1] != shape[2]:
        raise InputError(f"{model.name!r} makes {shape}, and only square images (C, S, S) can be evaluated")
    return shape[0], shape[1]


def measured(
    model: Model,  # with a prior
    train: Images,  # the images it was trained on
    test: Tensor | None,  # images that were kept out of training
    *,
    features: str | None = None,
    samples: int = 10_000,  # how many to judge
    seed: int = 0,  # of the draws
    stage: Stage = silent,  # told what is being done
) -> dict[str, Any]:
    """Measures the quality of ``model`` as its card has it: the fields of `GeneratorQuality` that apply."""
    shape = tuple(train.pixels.shape[1:])
    network, named = feature_network(model, shape, features)
    judge = digit_classifier() if train.name == "mnist" and shape == (1, 28, 28) else None
    found = measure_generator(
        model,
        network,
        train.pixels,
        test,
        features_name=named,
        judge=judge,
        judge_name=None if judge is None else "mnist-classifier",
        samples=samples,
        seed=seed,
        stage=stage,
    )
    return {name: value for name, value in asdict(found).items() if value is not None}
