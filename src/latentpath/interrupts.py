"""Ctrl-C in every phase of a command: imports, options, its work, and the end of the process.

Imported first of all. Where the process is the command ``latentpath``, an interrupt then ends it with one line and
exit code 130, whatever library is being imported. A `KeyboardInterrupt` would not do there: the package is imported
before any code of ours could catch it, and some libraries swallow one or print it. While a command works, Ctrl-C
raises `KeyboardInterrupt` as in any program, so that it can keep what it has and clean up; within `first_interrupt`
the first one only asks the work to stop.
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
    """Whether this process is ``latentpath`` or ``python -m latentpath``, and no program that imports the package."""
    program = sys.argv[0] if sys.argv else ""
    if program == "-m":  # the module is still being looked for
        return not _MODULES.isdisjoint(sys.orig_argv)
    return PurePath(program).stem == "latentpath"


def end_at_once(number: int, frame: FrameType | None) -> None:
    """Ends the process with one line: a signal handler."""
    with contextlib.suppress(Exception):  # it may be in the middle of a write
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        os.write(2, b"Interrupted.\n")
    os._exit(INTERRUPTED)


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Within it, Ctrl-C raises `KeyboardInterrupt` where it would have ended the process."""
    if signal.getsignal(signal.SIGINT) is not end_at_once:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, end_at_once)
        # Python notes a KeyboardInterrupt that leaves an exec of text (as libraries run while they are imported), and
        # under -m then dies of SIGINT at the end, whatever the exit code is to be. The next exec resets the note.
        exec("")


class Stop:
    """Remembers that the user has asked to stop."""

    asked = False


@contextlib.contextmanager
def first_interrupt() -> Iterator[Stop]:
    """Within it, the first Ctrl-C only asks to stop; the next one raises `KeyboardInterrupt`.

    Signals reach the main thread alone: elsewhere this does nothing. Nor does it where Ctrl-C is ignored or handled by
    another program already.
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


if is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # who ignores it, means it
    signal.signal(signal.SIGINT, end_at_once)
