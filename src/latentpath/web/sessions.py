"""The state of every visitor, for a limited time."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError
from ..path import Path as Curve

__all__ = ["SAMPLES", "Keyframe", "Map", "Session", "Sessions"]

SAMPLES = 12
"""The number of samples on the page."""


@dataclass(frozen=True, eq=False)
class Keyframe:
    """One keyframe of a path.

    Attributes:
        latent: ``(D,)``.
        label: the origin in words.
        sample: the number among the samples of ``seed``; None for other latents.
        seed: the seed of the samples; None for other latents.
    """

    latent: Tensor
    label: str
    sample: int | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Map:
    """The map from pixels to latents: ``x = left + right * column``, ``y = top + down * row``.

    ``across`` and ``along`` are the lowest and highest coordinates inside the axes.
    """

    left: float
    right: float
    top: float
    down: float
    across: tuple[float, float]
    along: tuple[float, float]

    def at(self, column: float, row: float) -> tuple[float, float]:
        """Returns the two coordinates of a pixel.

        Raises:
            InputError: the pixel is on the margin.
        """
        x, y = self.left + self.right * column, self.top + self.down * row
        if not (self.across[0] <= x <= self.across[1] and self.along[0] <= y <= self.along[1]):
            raise InputError("this is the margin of the map: click inside it")
        return x, y


@dataclass(eq=False)
class Session:
    """The state of one visitor; changed in place.

    Attributes:
        folder: the folder of the visitor's files.
        model: the name of the chosen model.
        seed: the seed of the samples.
        samples: the samples on the page, ``(n, D)``.
        keyframes: the keyframes in order.
        path: the last path; None without one.
        others: the paths of other methods beside the last path, by name.
        map: the map from pixels of the map to latents; None without a map.
        stop: set to stop running work.
        gone: set once the session has ended.
        busy: held during a solve.
        lock: held while keyframes change, since clicks may overlap.
        drawing: held while the map is drawn, so that `map` belongs to the last one.
        last_request: the time of the last request.
    """

    folder: Path
    model: str = ""
    seed: int = 0
    samples: Tensor = field(default_factory=lambda: torch.empty(0, 0))
    keyframes: list[Keyframe] = field(default_factory=list)
    path: Curve | None = None
    others: Mapping[str, Curve] = field(default_factory=dict)
    map: Map | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)
    busy: threading.Lock = field(default_factory=threading.Lock)
    lock: threading.RLock = field(default_factory=threading.RLock)
    drawing: threading.Lock = field(default_factory=threading.Lock)
    last_request: float = 0.0

    def forget(self) -> None:
        """Stops running work and removes the files."""
        self.gone.set()
        self.stop.set()
        shutil.rmtree(self.folder, ignore_errors=True)


class Sessions:
    """The sessions of all visitors by name; idle ones are removed.

    Args:
        folder: the folder for the sessions' folders.
        begin: initialises a new session.
        limit: the number of sessions; the longest idle one makes room for a new one.
        idle: seconds after which an idle session is removed.
        clock: returns the time in seconds.
    """

    def __init__(
        self,
        folder: Path,
        begin: Callable[[Session], None],
        limit: int = 200,
        idle: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._begin, self._limit, self._idle, self._clock = folder, begin, limit, idle, clock
        self._known: dict[str, Session] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def of(self, name: str | None) -> Session:
        """Returns the session of a name, a new one for a new name; without a name a private one."""
        with self._lock:
            session = self._known.get(name) if name else None
            if session is not None:
                session.last_request = self._clock()
        self.sweep(room=int(session is None and bool(name)))
        if session is not None:
            return session
        created = Session(Path(tempfile.mkdtemp(dir=self._folder)), last_request=self._clock())
        self._begin(created)
        if not name:
            return created
        with self._lock:
            kept = self._known.setdefault(name, created)
        if kept is not created:
            created.forget()
        return kept

    def sweep(self, room: int = 0) -> None:
        """Removes idle sessions, and the longest idle others to make ``room``."""
        with self._lock:
            now = self._clock()
            by_age = sorted(self._known, key=lambda key: self._known[key].last_request)
            idle = [key for key in by_age if now - self._known[key].last_request > self._idle]
            excess = max(0, len(self._known) + room - self._limit)
            gone = [self._known.pop(key) for key in dict.fromkeys([*idle, *by_age[:excess]])]
        for session in gone:
            session.forget()

    def forget(self, name: str | None) -> None:
        """Ends the session of a name, if there is one."""
        with self._lock:
            session = self._known.pop(name, None) if name else None
        if session is not None:
            session.forget()

    def forget_all(self) -> None:
        """Ends all sessions."""
        with self._lock:
            gone, self._known = list(self._known.values()), {}
        for session in gone:
            session.forget()
