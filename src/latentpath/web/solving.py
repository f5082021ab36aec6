"""A path, found in a thread that can be watched and stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..errors import InputError
from ..interpolate import interpolate
from ..keyframes import interpolate_through
from ..path import Path
from ..solvers import Progress
from .choices import Choices
from .sessions import Keyframe, Session
from .studio import Studio

__all__ = ["Glimpse", "Solved", "solve"]

_EVERY = 0.4
"""Seconds between glimpses."""


@dataclass(frozen=True)
class Glimpse:
    """How a solve is getting on.

    Attributes:
        energies: the mean over the legs after every step so far.
        running: the legs that still run.
        legs: their number.
        latents: the polylines of the legs as they are now, ``(legs, P, D)``; None before the first step.
        seconds: since it began.
        stopping: whether it has been told to stop.
    """

    energies: tuple[float, ...]
    running: int
    legs: int
    latents: Tensor | None
    seconds: float
    stopping: bool


@dataclass(frozen=True)
class Solved:
    """A path, what it goes through, how long it took, and whether it was stopped."""

    path: Path
    keyframes: list[Keyframe]
    seconds: float
    stopped: bool


@dataclass
class _Watch:
    energies: list[float] = field(default_factory=list)
    last: Progress | None = None
    legs: Tensor | None = None
    path: Path | None = None
    error: BaseException | None = None


def solve(studio: Studio, session: Session, choices: Choices) -> Iterator[Glimpse | Solved]:
    """Find the path through the session's keyframes; glimpses, and then the path.

    Closing the iterator stops the solve.

    Raises:
        InputError: fewer than two keyframes, the session is told to stop, or something is being solved for it already.
        LatentPathError: what `interpolate` raises.
    """
    chosen = list(session.keyframes)
    if session.stop.is_set():
        raise InputError("cancelled before it began: find the path when you like")
    if len(chosen) < 2:
        raise InputError("a path needs two ends: click two samples, or upload two pictures")
    if not session.busy.acquire(blocking=False):
        raise InputError("a path is being found for you already: wait for it, or cancel it")
    try:
        yield from _solve(studio, session, choices, chosen)
    finally:
        session.busy.release()


def _solve(studio: Studio, session: Session, choices: Choices, chosen: list[Keyframe]) -> Iterator[Glimpse | Solved]:
    keyframes = torch.stack([keyframe.latent for keyframe in chosen])
    model = studio.model(session.model)
    assert model.prior is not None
    prior = model.prior
    many = choices.many(len(chosen))
    legs = len(keyframes) - 1 + choices.closed
    options = choices.options(len(chosen))
    watch, stop, began = _Watch(), threading.Event(), time.monotonic()

    def callback(now: Progress) -> bool:
        watch.energies.append(float(now.energy[now.energy.isfinite()].mean()))
        watch.last, watch.legs = now, now.latents.detach().clone()
        return stop.is_set() or session.stop.is_set()

    def work() -> None:
        try:
            if many:
                found = interpolate_through(model.generator, prior, keyframes, callback=callback, **options)
            else:
                found = interpolate(model.generator, prior, keyframes[0], keyframes[1], callback=callback, **options)
            watch.path = found
        except BaseException as error:  # handed to whoever watches
            watch.error = error

    thread = threading.Thread(target=work, name="latentpath-solve", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_EVERY)
            now = watch.last
            yield Glimpse(
                tuple(watch.energies),
                now.running if now else legs,
                legs,
                watch.legs,
                time.monotonic() - began,
                session.stop.is_set(),
            )
    finally:
        stop.set()
        thread.join()
    if watch.error is not None:
        raise watch.error
    assert watch.path is not None
    yield Solved(watch.path, chosen, time.monotonic() - began, session.stop.is_set())
