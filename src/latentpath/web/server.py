"""Serves the page on a port, with its limits and its shutdown."""

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
"""Seconds between searches for idle sessions."""

_PATIENCE = 30.0
"""Seconds for running work to end at shutdown."""

QUEUE = 32
"""The number of requests that may wait; further ones are refused."""


def serve(
    names: Sequence[str], host: str = "127.0.0.1", port: int = 7860, ready: Callable[[str], None] = lambda _: None
) -> None:
    """Serves the page until SIGINT or SIGTERM.

    Args:
        names: the names of the models for `latentpath.load`.
        host: the address to listen on; the default is this machine alone.
        port: 1 to 65535, or 0 for any free port.
        ready: called with the address of the page.

    Raises:
        InputError: an address that cannot be listened on, or a model that cannot be shown.
        MissingDependencyError: Gradio or a drawing library is not installed.
    """
    if isinstance(port, bool) or not 0 <= port <= 65535:
        raise InputError(f"port must be from 1 to 65535, or 0 for any free port; got {port}.")
    few_arenas()
    before = Path.cwd()
    with (
        _end_signal() as ended,
        tempfile.TemporaryDirectory(prefix="latentpath-", ignore_cleanup_errors=True) as folder,
    ):
        work = Path(folder).resolve()
        # Gradio serves files of its cache and of the working directory, so both are folders without other files.
        for name in ("empty", "cache", "sessions"):
            (work / name).mkdir()
        # set before the imports of Gradio and torch, which read them
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
            _wait(ended, studio)
            warming.join()
        finally:
            page.close(verbose=False)
            if not studio.finish(_PATIENCE):
                logging.getLogger(__name__).warning("work was still running at shutdown")
            os.chdir(before)


def _launched(page: Blocks, host: str, port: int, **looks: Any) -> str:
    """Launches the page and returns its address."""
    from starlette.middleware import Middleware

    try:
        _, address, _ = page.launch(
            server_name=host,
            server_port=port or _free(host),
            prevent_thread_lock=True,
            quiet=True,
            show_error=True,  # messages of this package, and of Gradio for refused values
            share=False,
            max_file_size=MOST_BYTES,
            ssr_mode=False,
            footer_links=[],
            enable_monitoring=False,
            pwa=False,
            mcp_server=False,
            app_kwargs={"middleware": [Middleware(_BadRequests)]},
            **looks,
        )
    except OSError as error:
        raise InputError(f"cannot listen on {host}, port {port}: choose another --port (0 takes a free one)") from error
    return address


def _warm(studio: Studio) -> None:
    """Loads libraries, tabulates the index of the first model and makes a film, so that no visitor waits for these."""
    session = studio.sessions.of(None)
    try:
        choices, model = Choices(segments=10, tol=0.1, seconds=1, fps=5), studio.model(session.model)
        *_, found = solve(studio, session, choices)
        assert isinstance(found, Solved)
        views.strips(found.path, model, choices, session.folder / "strips.png")
        views.films(found.path, model, choices, session.folder / "film.mp4")
        if found.path.latents.shape[-1] > 1:
            views.map_of(found.path, model, session.folder / "map.png")
    except (LatentPathError, OSError):  # recurs for a visitor, with a message
        pass
    finally:
        session.forget()


class _BadRequests:
    """Answers requests that a route fails on with status 400 instead of 500 and a stack trace."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        begun = False

        async def watched_send(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            logging.getLogger(__name__).warning("refused %s: %s", scope["path"], type(error).__name__)
            body = b'{"detail": "invalid request"}'
            head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 400, "headers": head})
            await send({"type": "http.response.body", "body": body})


def _free(host: str) -> int:
    """Returns a free port."""
    import socket

    try:
        with socket.socket() as found:
            found.bind((host, 0))
            return int(found.getsockname()[1])
    except OSError as error:
        raise InputError(f"cannot listen on {host}: {error.strerror or error}") from error


@contextmanager
def _end_signal() -> Iterator[threading.Event]:
    """Yields an event that SIGINT and SIGTERM set, without other effects until the end of the block."""
    ended = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        ended.set()

    earlier: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        earlier = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _wait(ended: threading.Event, studio: Studio) -> None:
    """Waits for the end, and removes idle sessions meanwhile."""
    swept = time.monotonic()
    while not ended.wait(0.5):
        if time.monotonic() - swept > _SWEEP:
            studio.sessions.sweep()
            swept = time.monotonic()
