"""``latentpath serve``: the page in the browser."""

from typing import Annotated

import typer

from ..errors import require
from .console import console, one_line_errors
from .options import Threads, epilog, use_threads

app = typer.Typer()


@app.command(
    epilog=epilog(
        "latentpath serve   the shipped models, on this machine alone",
        "latentpath serve --model runs/faces --model my.package:model --port 0   models of your own",
    )
)
@one_line_errors
def serve(
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="What the page offers, instead of the shipped models; repeatable: a shipped model, a folder, "
            "[bold]package.module:attr[/bold], a Hub id.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. The default is this machine alone; 0.0.0.0 is everybody.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any that is free.")] = 7860,
    threads: Threads = None,
) -> None:
    """Open a page on which paths are chosen, found, watched, compared and filmed.

    Nothing is loaded from the net or kept: a visitor's files go when they leave. Ctrl-C or SIGTERM ends it.
    """
    require("the page", "web")
    from ..web.server import serve as run
    from ..web.studio import shipped

    use_threads(threads)
    out = console(stderr=True)
    run(
        model or shipped(),
        host,
        port,
        lambda address: out.print(f"The page is at {address} (Ctrl-C ends it)", soft_wrap=True),
    )
