"""``latentpath reproduce``: the paper's figures and claims, from the shipped models."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError, require
from .console import console, one_line_errors
from .options import Threads, epilog, given, use_threads
from .output import check_writable

app = typer.Typer()


@app.command(
    epilog=epilog(
        "latentpath reproduce --quick   a few pairs of each model",
        "latentpath reproduce --data ~/data --out out/paper   everything, with the judges that need images",
        "latentpath reproduce --figure 3 --figure 8   these figures alone",
    )
)
@one_line_errors
def reproduce(
    figure: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Only this figure, 1 to 9, and no report; repeatable.")
    ] = None,
    pairs: Annotated[int | None, typer.Option(help="Pairs of each model of digits; 200 by default.")] = None,
    face_pairs: Annotated[int | None, typer.Option(help="Pairs of each model of faces; 48 by default.")] = None,
    seed: Annotated[int, typer.Option(help="Of the endpoints, the judges and the resamples.")] = 0,
    out: Annotated[
        str, typer.Option(help="Folder for figures, report and work; an interrupted run goes on.")
    ] = "out/reproduction",
    quick: Annotated[bool, typer.Option("--quick", help="A few pairs of each model: minutes.")] = False,
    data: Annotated[
        str | None,
        typer.Option(
            envvar="LATENTPATH_DATA",
            help="Folder with mnist/ and celeba/, for the judges that compare with real images; left out without.",
        ),
    ] = None,
    threads: Threads = None,
) -> None:
    """Make every figure of the paper, test each of its claims, and write the report.

    Solves pairs of every shipped model, asks judges that the method never saw, and writes figures (PNG, SVG, JSON),
    report.html, report.md and report.json into --out. The full run takes an hour or two on two cores. Ctrl-C loses only
    the pairs being solved: the same command goes on, and one seed gives the same numbers.
    """
    require("latentpath reproduce", "reproduce")
    use_threads(threads)
    from ..paper.config import Config
    from ..paper.reproduction import reproduce as run

    plan = Config.quick(seed) if quick else Config(seed=seed)
    plan = dataclasses.replace(plan, **given(pairs=pairs, face_pairs=face_pairs))
    if not out.strip():
        raise InputError("--out must name a folder, got an empty name")
    folder = Path(out)
    check_writable(folder, folder=True)
    words = ["latentpath reproduce", *(["--quick"] if quick else []), *(["--data FOLDER"] if data else [])]
    words += [f"--pairs {plan.pairs} --face-pairs {plan.face_pairs} --seed {seed}"]
    told = console()
    try:
        written = run(plan, folder, told, figures=figure or (), data=data or None, command=" ".join(words))
    except KeyboardInterrupt as error:
        error.add_note("The same command goes on from here.")
        raise
    told.print()
    for file in written:
        if file.suffix in (".png", ".html", ".md"):
            told.print(f"  {file.relative_to(folder)}", soft_wrap=True, markup=False)
    told.print(f"Open {folder / 'report.html' if not figure else folder / 'figures'}", soft_wrap=True, markup=False)
