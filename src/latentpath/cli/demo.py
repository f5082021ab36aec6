"""``latentpath demo``: `latentpath interpolate` with a shipped generator and endpoints from its prior."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import require
from .console import console, one_line_errors
from .endpoints import Ends
from .interpolate import Alpha, Compare, MethodOption, Mu, Out, Polish, Segments, Tol, run
from .options import Threads, epilog
from .settings import Settings

app = typer.Typer()


@app.command(
    epilog=epilog(
        "latentpath demo   16 pairs, about half a minute on two cores",
        "latentpath demo --pairs 4 --no-compare   a quick look",
        "latentpath demo --mu 0.8   more realistic, less direct",
        "latentpath demo --pairs 1 --seed 7 --tol 0.0001 --out out/one   one other pair, solved further",
    )
)
@one_line_errors
def demo(
    out: Out = Path("out/demo"),
    pairs: Annotated[int, typer.Option(help="Pairs of endpoints, solved together.")] = 16,
    segments: Segments = 50,
    method: MethodOption = None,
    mu: Mu = None,
    alpha: Alpha = None,
    polish: Polish = False,
    compare: Compare = True,
    tol: Tol = 1e-3,
    seed: Annotated[int, typer.Option(help="Of the endpoints.")] = 0,
    threads: Threads = None,
    model: Annotated[
        str, typer.Option(help="A shipped generator; see [bold]latentpath models[/bold].")
    ] = "mnist-dcgan-semicircle",
) -> None:
    """Interpolate between digits, and compare with the straight line, slerp and the paper's method.

    Draws endpoints at the two ends of the prior, solves all pairs in one batch by the model's recommended recipe and by
    the paper's method, prints a table with independent judges, and writes film strips, profiles, projections, a film,
    the paths and a report into --out.

    Ctrl-C while it solves stops there and writes what it has; a second one leaves at once, with the paths where they
    are solved, and with nothing before that.
    """
    require("latentpath demo", "viz", "matplotlib")
    usual: dict[str, Any] = {"segments": segments, "tol": tol, "seed": seed, "threads": threads, "pairs": pairs}
    chosen: dict[str, Any] = {"method": method, "mu": mu, "alpha": alpha, "polish": polish, "compare": compare}
    settings = Settings(model, **usual, **chosen)
    run(settings, Ends(pairs=pairs), out, console(), console(stderr=True))
