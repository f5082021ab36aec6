"""The command ``latentpath``: a demo, interpolation, the shipped models, training, and the paper's experiments.

One file a command; `options` has what several of them ask for, `console` their progress and errors, `settings`,
`methods`, `endpoints` and `image_endpoints` the input of a run that interpolates, `comparison`, `comparison_table`,
`judges`, `drawings` and `output` its result.
"""

from typing import Annotated

import typer

from . import classifier, demo, evaluate, interpolate, models, package, reproduce, serve, train
from .options import epilog

__all__ = ["app", "main"]

app = typer.Typer(
    name="latentpath",
    help="Paths between latents of a generative model along which it keeps producing realistic things.",
    epilog=epilog(
        "latentpath demo",
        "latentpath demo --out out/quick --pairs 4",
        "latentpath interpolate --from a.png --to b.png",
        "latentpath models",
        "latentpath train dcgan --help",
        "latentpath reproduce --quick",
    ),
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
training = typer.Typer(
    name="train",
    help="Train generators and the digit classifier, and package them as models with a measured card.",
    no_args_is_help=True,
)
for module in (demo, interpolate, models, serve, evaluate, reproduce):
    app.add_typer(module.app)
for module in (train, classifier, package):
    training.add_typer(module.app)
app.add_typer(training)


def _version(wanted: bool) -> bool:
    if wanted:
        from .. import __version__

        typer.echo(f"latentpath {__version__}")
        raise typer.Exit()
    return wanted


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Options of the command itself; the text for people is the app's."""


def main() -> None:
    """The entry point."""
    app(prog_name="latentpath")
