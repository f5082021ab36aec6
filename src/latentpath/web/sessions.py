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

from ..path import Path as Curve

__all__ = ["Keyframe", "Map", "Session", "Sessions"]


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
    """Where a pixel of a map lies in the latent space: ``x = left + right * column``, ``y = top + down * row``."""

    left: float
    right: float
    top: float
    down: float

    def at(self, column: float, row: float) -> tuple[float, float]:
        """The two coordinates of a pixel."""
        return self.left + self.right * column, self.top + self.down * row


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
    seen: float = field(default_factory=time.monotonic)

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
    """

    def __init__(self, folder: Path, begin: Callable[[Session], None], most: int = 200, idle: float = 3600.0) -> None:
        self._folder, self._begin, self._most, self._idle = folder, begin, most, idle
        self._known: dict[str, Session] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def of(self, name: str | None) -> Session:
        """The session of that name, a new one where it is not known; without a name one that nobody else gets."""
        with self._lock:
            now = time.monotonic()
            idle = [key for key, session in self._known.items() if now - session.seen > self._idle]
            session = self._known.get(name) if name else None
            if session is None:
                by_age = sorted(self._known, key=lambda key: self._known[key].seen)
                idle = list(dict.fromkeys([*idle, *by_age[: len(self._known) + 1 - self._most]]))
            else:
                session.seen = now
                idle = [key for key in idle if key != name]
            gone = [self._known.pop(key) for key in idle]
        for old in gone:
            old.forget()
        if session is not None:
            return session
        made = Session(Path(tempfile.mkdtemp(dir=self._folder)))
        self._begin(made)
        if not name:
            return made
        with self._lock:
            kept = self._known.setdefault(name, made)
        if kept is not made:
            made.forget()
        return kept

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
