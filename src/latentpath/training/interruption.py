"""Ctrl-C in a run: it takes effect between two steps."""

from __future__ import annotations

import signal
import threading
from types import FrameType

__all__ = ["BetweenSteps"]


class BetweenSteps:
    """A context in which the first Ctrl-C only sets ``requested``, and a second one interrupts at once.

    Signals reach the main thread alone: elsewhere this does nothing, nor where Ctrl-C is ignored or has another
    handler already.
    """

    def __init__(self) -> None:
        self.requested = False
        self._active = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __enter__(self) -> BetweenSteps:
        in_main_thread = threading.current_thread() is threading.main_thread()
        self._active = in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._active:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._active:
            signal.signal(signal.SIGINT, signal.default_int_handler)
