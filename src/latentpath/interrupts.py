"""Ctrl-C in every phase of a command: imports, options, its work, and the end of the process.

The package imports this module first. If the process is the command ``latentpath``, an interrupt then ends it with one
line and exit code 130 while libraries are imported, where no code could catch a `KeyboardInterrupt` and some libraries
suppress or print it. While a command works, Ctrl-C raises `KeyboardInterrupt` as usual, so that the command can save
its results and clean up; within `first_interrupt` the first one only asks the work to stop.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import PurePath
from types import FrameType

__all__ = ["INTERRUPTED", "Stop", "end_at_once", "first_interrupt", "is_command", "raised"]

INTERRUPTED = 130
"""The exit code of a process that was interrupted."""

_MODULES = {"latentpath", "latentpath.__main__"}


def is_command() -> bool:
    """Returns True if this process is ``latentpath`` or ``python -m latentpath``, not a program that imports it."""
    program = sys.argv[0] if sys.argv else ""
    if program == "-m":  # Python is still finding the module
        return not _MODULES.isdisjoint(sys.orig_argv)
    return PurePath(program).stem == "latentpath"


def end_at_once(number: int, frame: FrameType | None) -> None:
    """Ends the process with one line, as a signal handler."""
    with contextlib.suppress(Exception):  # it may be in the middle of a write
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        os.write(2, b"Interrupted.\n")
    os._exit(INTERRUPTED)


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Lets Ctrl-C raise `KeyboardInterrupt` within a ``with`` block instead of ending the process."""
    if signal.getsignal(signal.SIGINT) is not end_at_once:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, end_at_once)
        # After a KeyboardInterrupt leaves an exec of text (libraries run some at import), Python under -m ends with
        # SIGINT instead of the exit code. The next exec resets this flag.
        exec("")


class Stop:
    """The request of a user to stop."""

    asked = False


@contextlib.contextmanager
def first_interrupt() -> Iterator[Stop]:
    """Makes the first Ctrl-C within a ``with`` block a request to stop; the next one raises `KeyboardInterrupt`.

    It does nothing outside the main thread, which alone receives signals, or where Ctrl-C is ignored or has a handler.
    """
    stop, usual = Stop(), signal.default_int_handler

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True

    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not usual:
        yield stop
        return
    signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, usual)


if (
    is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler
):  # else the caller ignores it on purpose
    signal.signal(signal.SIGINT, end_at_once)
