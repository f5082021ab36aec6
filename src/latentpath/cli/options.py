"""Options that several commands share, and what becomes of their values."""

from __future__ import annotations

import functools
import inspect
import os
import re
import typing
from collections.abc import Callable
from dataclasses import Field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError
from ..training.config import SEEDS, ClassifierConfig, RunConfig, chosen

if TYPE_CHECKING:
    from torch import Tensor

    from ..data import Images

CONFIGURATION = "Configuration, kept with the result"  # the help's panel of options from a training configuration

Source = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="A folder, an archive, mnist, celeba, or a data set on the Hub; without it, the folder that "
        "LATENTPATH_DATA names.",
    ),
]
HoldOut = Annotated[int, typer.Option(min=0, help="How many images, the last by name, are kept out of training.")]
Prior = Annotated[str | None, typer.Option(help="Of the latents, where the model does not say.")]
LatentDim = Annotated[int | None, typer.Option(min=1, help="Length of a latent, where the model does not say.")]
Seed = Annotated[int, typer.Option(min=0, max=SEEDS - 1, help="Of everything that is random.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads; PyTorch's choice by default.")]

_LIMITS: dict[Any, dict[str, Any]] = {  # by name, or else by type; a configuration refuses the rest itself
    "seed": {"min": 0, "max": SEEDS - 1},
    "batch": {"min": 2},
    int: {"min": 1},
    float: {"min": 0},
}


def epilog(*examples: str, last: str = "") -> str:
    """The end of a command's help: examples, each a command and after three blanks a remark."""
    told = (example.partition("   ") for example in examples)
    lines = [f"[bold]{command}[/bold]{blanks}{remark}" for command, blanks, remark in told]
    return "\n\n".join(["Examples:", *lines, *filter(None, [last])])


def given(**options: Any) -> dict[str, Any]:
    """The options that were given: those that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def use_threads(threads: int | None) -> None:
    """Sets the number of CPU threads, at most one for each core; None for PyTorch's choice."""
    import torch

    if threads is not None:
        if threads < 1:
            raise InputError(f"threads must be at least 1, got {threads}")
        torch.set_num_threads(min(threads, os.cpu_count() or 1))


def images_of(source: str | None, size: int, channels: int, hold_out: int) -> Images:
    """The images of ``--data``, with a line of progress while they are read for the first time."""
    from ..data import load_images

    def show(done: int, of: int) -> None:
        if done in (0, of) or done % 10_000 == 0:
            typer.echo(f"Reading images: {done:,} of {of:,}", err=True)

    return load_images(source, size=size, channels=channels, hold_out=hold_out, progress=show)


def test_images(source: str | None, images: Images) -> Tensor | None:
    """The real images that were kept out of training: MNIST's test images, or those held out."""
    from ..data import load_images

    if images.name == "mnist":
        _, channels, size, _ = images.pixels.shape
        return load_images(source, size=size, channels=channels, split="test").pixels
    return images.held_out if len(images.held_out) else None


def configured(config: type[RunConfig | ClassifierConfig]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command an option for every field of ``config`` that is `chosen`, described as its docstring does.

    The command gets the configuration as its first argument. A parameter of its own that is named as a field takes the
    place of that field's option.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [*inspect.signature(command, eval_str=True).parameters.values()][1:]
        hints = typing.get_type_hints(config)
        fields = [field for field in chosen(config) if field.name not in {each.name for each in own}]

        @functools.wraps(command)
        def with_configuration(**options: Any) -> None:
            settings = {field.name: options.pop(field.name) for field in fields}
            command(config(**settings), **options)

        parameters = [*own, *(_parameter(config, field, hints[field.name]) for field in fields)]
        with_configuration.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return with_configuration

    return decorate


def _parameter(config: type, field: Field[Any], hint: Any) -> inspect.Parameter:
    option = typer.Option(
        f"--{field.name.replace('_', '-')}",
        help=_described(config, field.name),
        rich_help_panel=CONFIGURATION,
        **_LIMITS.get(field.name, _LIMITS.get(hint, {})),
    )
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(field.name, kind, default=field.default, annotation=Annotated[hint, option])


def _described(config: type, name: str) -> str:
    """The description of an attribute in the docstring of a class, or of one that it inherits from."""
    for base in config.__mro__:
        found = re.search(rf"^    {name}: (.+?)(?=^    \w+: |\Z)", inspect.getdoc(base) or "", re.MULTILINE | re.DOTALL)
        if found:
            return " ".join(found[1].split())
    return ""
