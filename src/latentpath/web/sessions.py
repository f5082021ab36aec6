"""What the server knows of every visitor, and forgets again."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError
from ..path import Path as Curve

__all__ = ["SAMPLES", "Keyframe", "Map", "Session", "Sessions"]

SAMPLES = 12
"""How many samples are shown."""


@dataclass(frozen=True, eq=False)
class Keyframe:
    """One latent that a path is to go through.

    Attributes:
        latent: ``(D,)``.
        label: where it comes from, for people.
        sample: the place among the samples of ``seed``; None for others.
        seed: see there.
    """

    latent: Tensor
    label: str
    sample: int | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Map:
    """Where a pixel of a map lies in the latent space: ``x = left + right * column``, ``y = top + down * row``.

    ``across`` and ``along`` are the lowest and highest coordinates that are shown.
    """

    left: float
    right: float
    top: float
    down: float
    across: tuple[float, float]
    along: tuple[float, float]

    def at(self, column: float, row: float) -> tuple[float, float]:
        """The two coordinates of a pixel.

        Raises:
            InputError: it lies on the margin.
        """
        x, y = self.left + self.right * column, self.top + self.down * row
        if not (self.across[0] <= x <= self.across[1] and self.along[0] <= y <= self.along[1]):
            raise InputError("this is the margin of the map: click inside it")
        return x, y


@dataclass(eq=False)
class Session:
    """What one visitor has chosen and found.

    Attributes:
        folder: for the files that are made for this visitor alone.
        model: the name of the chosen model.
        seed: of the samples that are shown.
        samples: these, ``(n, D)``.
        keyframes: in the order in which they were chosen.
        path: the last one found.
        map: where on the map that is shown a click lies; None where there is no map.
        stop: set to stop what is running for this visitor.
        gone: set once the visitor has been forgotten.
        busy: held while something is solved.
        lock: held while the choice is changed: clicks may come faster than they are dealt with.
        drawing: held while the map is drawn, so that `map` is that of the last one.
        seen: when something was last asked for.
    """

    folder: Path
    model: str = ""
    seed: int = 0
    samples: Tensor = field(default_factory=lambda: torch.empty(0, 0))
    keyframes: list[Keyframe] = field(default_factory=list)
    path: Curve | None = None
    map: Map | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)
    busy: threading.Lock = field(default_factory=threading.Lock)
    lock: threading.RLock = field(default_factory=threading.RLock)
    drawing: threading.Lock = field(default_factory=threading.Lock)
    seen: float = 0.0

    def forget(self) -> None:
        """Stop what is running, and remove the files."""
        self.gone.set()
        self.stop.set()
        shutil.rmtree(self.folder, ignore_errors=True)


class Sessions:
    """All visitors, by the name that the page gives each; those that have been idle for long are forgotten.

    Args:
        folder: where each gets a folder of its own.
        begin: what a new session starts with.
        most: how many there may be; the one that has been idle for longest makes room.
        idle: seconds after which one is forgotten.
        clock: tells the time, in seconds.
    """

    def __init__(
        self,
        folder: Path,
        begin: Callable[[Session], None],
        most: int = 200,
        idle: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._begin, self._most, self._idle, self._clock = folder, begin, most, idle, clock
        self._known: dict[str, Session] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def of(self, name: str | None) -> Session:
        """The session of that name, a new one where it is not known; without a name one that nobody else gets."""
        with self._lock:
            session = self._known.get(name) if name else None
            if session is not None:
                session.seen = self._clock()
        self.sweep(room=int(session is None and bool(name)))
        if session is not None:
            return session
        made = Session(Path(tempfile.mkdtemp(dir=self._folder)), seen=self._clock())
        self._begin(made)
        if not name:
            return made
        with self._lock:
            kept = self._known.setdefault(name, made)
        if kept is not made:
            made.forget()
        return kept

    def sweep(self, room: int = 0) -> None:
        """Forget those that have been idle for long, and as many more as make ``room``."""
        with self._lock:
            now = self._clock()
            by_age = sorted(self._known, key=lambda key: self._known[key].seen)
            idle = [key for key in by_age if now - self._known[key].seen > self._idle]
            many = max(0, len(self._known) + room - self._most)
            gone = [self._known.pop(key) for key in dict.fromkeys([*idle, *by_age[:many]])]
        for session in gone:
            session.forget()

    def forget(self, name: str | None) -> None:
        """End the session of that name, if there is one."""
        with self._lock:
            session = self._known.pop(name, None) if name else None
        if session is not None:
            session.forget()

    def forget_all(self) -> None:
        """End all of them."""
        with self._lock:
            gone, self._known = list(self._known.values()), {}
        for session in gone:
            session.forget()
