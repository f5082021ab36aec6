"""The page behind a port: limits, what may be read, and how it ends."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..errors import InputError, LatentPathError, missing
from . import views
from .choices import Choices
from .memory import few_arenas
from .solving import Solved, solve
from .studio import Studio
from .uploads import MOST_BYTES

if TYPE_CHECKING:
    from gradio import Blocks

__all__ = ["QUEUE", "serve"]

_SWEEP = 60.0
"""Seconds between looks for sessions that have been idle for long."""

_PATIENCE = 30.0
"""Seconds that what is being done gets to end, once it has been told to."""

QUEUE = 32
"""Requests that may wait; whoever comes then is told that the queue is full."""


def serve(
    names: Sequence[str], host: str = "127.0.0.1", port: int = 7860, ready: Callable[[str], None] = lambda _: None
) -> None:
    """Serve the page until SIGINT or SIGTERM.

    Args:
        names: of the models, as `latentpath.load` takes them.
        host: the address to listen on; the default is this machine alone.
        port: 1 to 65535, or 0 for any that is free.
        ready: told the page's address.

    Raises:
        InputError: an address that cannot be listened on, or a model that cannot be shown.
        MissingDependencyError: Gradio or what draws is not installed.
    """
    if isinstance(port, bool) or not 0 <= port <= 65535:
        raise InputError(f"port must be from 1 to 65535, or 0 for any that is free, got {port}")
    few_arenas()
    before = Path.cwd()
    with (
        _told_to_end() as told,
        tempfile.TemporaryDirectory(prefix="latentpath-", ignore_cleanup_errors=True) as folder,
    ):
        work = Path(folder).resolve()
        # Gradio shows files of its cache and of the working directory: nobody else's lie in these.
        for name in ("empty", "cache", "sessions"):
            (work / name).mkdir()
        # read when Gradio and torch are imported, so before that
        os.environ["GRADIO_TEMP_DIR"], os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(work / "cache"), str(work / "torch")
        try:
            from .page import CSS, build, theme
        except ModuleNotFoundError as error:
            raise missing(error.name or "gradio", "web", "the page") from error
        studio = Studio(names, work / "sessions")
        page = build(studio).queue(max_size=QUEUE, default_concurrency_limit=8)
        os.chdir(work / "empty")
        try:
            address = _launched(page, host, port, theme=theme(), css=CSS)
            warming = threading.Thread(target=_warm, args=(studio,), name="latentpath-warm", daemon=True)
            warming.start()
            ready(address)
            _wait(told, studio)
            warming.join()
        finally:
            page.close(verbose=False)
            if not studio.finish(_PATIENCE):
                logging.getLogger(__name__).warning("something was still being done at the end")
            os.chdir(before)


def _launched(page: Blocks, host: str, port: int, **looks: Any) -> str:
    """The address of the page, once it can be opened."""
    from starlette.middleware import Middleware

    try:
        _, address, _ = page.launch(
            server_name=host,
            server_port=port or _free(host),
            prevent_thread_lock=True,
            quiet=True,
            show_error=True,  # in words: what we raise, and what Gradio says of values that it refuses
            share=False,
            max_file_size=MOST_BYTES,
            ssr_mode=False,
            footer_links=[],
            enable_monitoring=False,
            pwa=False,
            mcp_server=False,
            app_kwargs={"middleware": [Middleware(_Polite)]},
            **looks,
        )
    except OSError as error:
        raise InputError(
            f"cannot listen on {host}, port {port}: choose another --port (0 takes any that is free)"
        ) from error
    return address


def _warm(studio: Studio) -> None:
    """Do once what the first visitor would wait for: load libraries, tabulate the first model's index, make a film."""
    session = studio.sessions.of(None)
    try:
        choices, model = Choices(segments=10, tol=0.1, seconds=1, fps=5), studio.model(session.model)
        *_, found = solve(studio, session, choices)
        assert isinstance(found, Solved)
        views.strips(found.path, model, choices, session.folder / "strips.png")
        views.films(found.path, model, choices, session.folder / "film.mp4")
        if found.path.latents.shape[-1] > 1:
            views.map_of(found.path, model, session.folder / "map.png")
    except (LatentPathError, OSError):  # whoever asks for it is told
        pass
    finally:
        session.forget()


class _Polite:
    """What no route knows how to take is the sender's mistake: 400 and a word, not 500 and the server's whole stack."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        begun = False

        async def told(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, told)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            logging.getLogger(__name__).warning("refused %s: %s", scope["path"], type(error).__name__)
            body = b'{"detail": "there is nothing here that takes this request"}'
            head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 400, "headers": head})
            await send({"type": "http.response.body", "body": body})


def _free(host: str) -> int:
    """A port that is free now."""
    import socket

    try:
        with socket.socket() as found:
            found.bind((host, 0))
            return int(found.getsockname()[1])
    except OSError as error:
        raise InputError(f"cannot listen on {host}: {error.strerror or error}") from error


@contextmanager
def _told_to_end() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; until all is cleared away they do nothing else."""
    told = threading.Event()

    def tell(_: int, __: FrameType | None) -> None:
        told.set()

    earlier: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        earlier = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _wait(told: threading.Event, studio: Studio) -> None:
    """Until told to end; idle sessions are forgotten meanwhile."""
    swept = time.monotonic()
    while not told.wait(0.5):
        if time.monotonic() - swept > _SWEEP:
            studio.sessions.sweep()
            swept = time.monotonic()
