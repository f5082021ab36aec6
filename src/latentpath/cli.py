"""The command ``latentpath``: a demo, interpolation, the shipped models, training, and the paper's experiments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .cli_evaluate import evaluate
from .cli_interpolate import interpolate
from .cli_package import app as train_app
from .cli_reproduce import reproduce
from .cli_serve import serve
from .cli_train import one_line_errors
from .errors import require

__all__ = ["app", "main"]

app = typer.Typer(
    name="latentpath",
    help="Paths between latents of a generative model along which it keeps producing realistic things.",
    epilog="Examples:\n\n[bold]latentpath demo[/bold]\n\n[bold]latentpath demo --out out/quick --pairs 4[/bold]"
    "\n\n[bold]latentpath interpolate --from a.png --to b.png[/bold]"
    "\n\n[bold]latentpath models[/bold]\n\n[bold]latentpath train dcgan --help[/bold]\n\n[bold]latentpath "
    "reproduce --quick[/bold]",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(train_app, name="train")


def _version(wanted: bool) -> bool:
    if wanted:
        from . import __version__

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


@app.command(
    epilog="Examples:\n\n[bold]latentpath demo[/bold]   16 pairs, about half a minute on two cores"
    "\n\n[bold]latentpath demo --pairs 4[/bold]   a quick look"
    "\n\n[bold]latentpath demo --pairs 1 --seed 7 --tol 0.0001 --out out/one[/bold]   one other pair, solved further"
)
@one_line_errors
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the pictures, the paths and the report.")] = Path("out/demo"),
    pairs: Annotated[int, typer.Option(help="Pairs of endpoints, solved together.")] = 16,
    segments: Annotated[int, typer.Option(help="Segments of every curve.")] = 50,
    alpha: Annotated[float, typer.Option(help="Scale of the realism index, in (0, 1].")] = 0.9,
    tol: Annotated[float, typer.Option(help="Gain in cost that is not worth more work.")] = 1e-3,
    seed: Annotated[int, typer.Option(help="Of the endpoints.")] = 0,
    threads: Annotated[
        int | None, typer.Option(help="CPU threads; PyTorch's choice by default.", show_default=False)
    ] = None,
    model: Annotated[
        str, typer.Option(help="A shipped generator; see [bold]latentpath models[/bold].")
    ] = "mnist-dcgan-semicircle",
) -> None:
    """Interpolate between digits, and compare with the straight line and slerp.

    Draws endpoints at the two ends of the prior, solves all pairs in one batch, prints a table, and writes film strips,
    profiles, projections, a film, the paths and a report into --out.

    Ctrl-C while it solves stops there and writes what it has; a second one leaves at once, with the paths where they
    are solved, and with nothing before that.
    """
    require("latentpath demo", "viz", "matplotlib")
    from .demo import Demo, run
    from .live import console

    settings = Demo(model, pairs, segments, alpha, tol, seed, threads)
    run(settings, out, console(), console(stderr=True))


app.command(
    epilog="Examples:\n\n[bold]latentpath interpolate --pairs 4 --seed 7[/bold]   drawn, as in the demo"
    "\n\n[bold]latentpath interpolate --seeds 1,2 --seeds 3,4 --restarts auto[/bold]   two pairs, searched further"
    "\n\n[bold]latentpath interpolate --latents ends.npy --segments 100 --tol 0.0001[/bold]   from a file"
    "\n\n[bold]latentpath interpolate --from a.png --to b.png --out out/mine[/bold]   between pictures"
)(interpolate)


@app.command(epilog="Examples:\n\n[bold]latentpath models[/bold]\n\n[bold]latentpath models --markdown[/bold]")
@one_line_errors
def models(
    markdown: Annotated[bool, typer.Option("--markdown", help="The numbers as a Markdown table.")] = False,
) -> None:
    """List the models that ship with the package, with the quality on their cards."""
    from rich import box
    from rich.table import Table

    from .live import console
    from .models import available, load
    from .models.cards import table_of
    from .models.files import WEIGHTS_FILE
    from .models.registry import WEIGHTS

    if markdown:
        typer.echo(table_of(load(name).card for name in available()))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("name", no_wrap=True, style="bold")
    table.add_column("D", justify="right")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("what it is, and how good")
    for name in available():
        card = load(name).card
        size = (WEIGHTS / name / WEIGHTS_FILE).stat().st_size
        dim = str(card["prior"]["dim"]) if card["prior"] else ""
        lines = [card["description"], *_quality(card.get("quality") or {})]
        table.add_row(name, dim, f"{size / 1000:.0f} kB", "\n".join(lines))
    console().print(table)


app.command(
    epilog="Examples:\n\n[bold]latentpath serve[/bold]   the shipped models, on this machine alone"
    "\n\n[bold]latentpath serve --model runs/faces --model my.package:model --port 0[/bold]   models of your own"
)(serve)

app.command(
    epilog="Examples:\n\n[bold]latentpath evaluate mnist-dcgan-normal --data ~/data/mnist[/bold]"
    "\n\n[bold]latentpath evaluate runs/faces/model --data ~/data/img_align_celeba.zip --hold-out 100[/bold]"
)(evaluate)

app.command(
    epilog="Examples:\n\n[bold]latentpath reproduce --quick[/bold]   a few pairs of each model"
    "\n\n[bold]latentpath reproduce --data ~/data --out out/paper[/bold]   everything, with the judges that need images"
    "\n\n[bold]latentpath reproduce --figure 3 --figure 8[/bold]   these figures alone"
)(reproduce)


def _quality(found: dict[str, Any]) -> list[str]:
    """The numbers that say most, a line each."""
    if "accuracy" in found:
        return [f"{found['accuracy']:.2%} of {found['images']:,} test images right"]
    lines = []
    if "mean_confidence" in found:
        lines += [
            f"judge's confidence {found['mean_confidence']:.3f} (real test images {found['test_mean_confidence']:.3f})",
            f"rarest digit {found['least_class_share']:.1%} of {found['samples']:,} samples",
        ]
    if "frechet" in found:
        lines.append(f"Fréchet distance {found['frechet']:.3g} (real images {found['frechet_floor']:.3g})")
    if "precision" in found:
        lines.append(f"precision {found['precision']:.2f}, recall {found['recall']:.2f}")
    if "reconstruction_error" in found:
        lines.append(f"reconstruction error {found['reconstruction_error']:.3f}, pixels in [-1, 1]")
    return lines


def main() -> None:
    """The entry point."""
    app(prog_name="latentpath")


if __name__ == "__main__":
    main()
