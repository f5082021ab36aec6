"""``latentpath evaluate``: how good a model is, measured on data of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .cli_package import test_images
from .cli_train import HoldOut, Seed, Source, Threads, check_writable, images_of, one_line_errors, stages, use_threads
from .counts import counted

__all__ = ["evaluate"]


@one_line_errors
def evaluate(
    model: Annotated[str, typer.Argument(help="A shipped model, a folder, a Hub id, or module:attr.")],
    data: Source = None,
    hold_out: HoldOut = 0,
    samples: Annotated[int, typer.Option(min=100, help="How many samples are judged.")] = 10_000,
    features: Annotated[
        str | None,
        typer.Option(help="The model whose encoder or classifier is the feature network.", show_default=False),
    ] = None,
    prior: Annotated[
        str | None, typer.Option(help="Of the latents, where the model does not say.", show_default=False)
    ] = None,
    latent_dim: Annotated[
        int | None, typer.Option(min=1, help="Length of a latent, where the model does not say.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A file for the numbers, as JSON.", show_default=False)] = None,
    seed: Seed = 0,
    threads: Threads = None,
) -> None:
    """Measure a generator: Fréchet and kernel distance, precision and recall, memorising, classes, reconstruction.

    Samples of the model are compared with the real images of --data, in the feature space of the shipped digit
    classifier (28 x 28, grey), of the shipped auto-encoder of faces (64 x 64, colour), or of --features. Give the data
    the model was trained on, with the same --hold-out, or the question of memorising has no answer.
    """
    use_threads(threads)
    from ._io import write_json
    from .models import load
    from .packaging import measured

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


def _frame(model: Any) -> tuple[int, int]:
    """Channels and side of what ``model`` makes."""
    import torch

    from .errors import InputError

    if model.prior is None:
        raise InputError(f"{model.name!r} has no prior to draw latents from: name a generator")
    with torch.no_grad():
        shape = tuple(model.generator(model.prior.sample(torch.Size([1]))).shape[1:])
    if len(shape) != 3 or shape[1] != shape[2]:
        raise InputError(f"{model.name!r} makes {shape}, and only square images (C, S, S) can be evaluated")
    return shape[0], shape[1]
