"""The solve of a path in a thread, with progress and cancellation."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..interpolate import interpolate
from ..keyframes import interpolate_through
from ..path import Path
from ..solvers import Progress
from .choices import Choices
from .methods import beside_options, solve_options
from .sessions import Keyframe, Session
from .studio import Studio

__all__ = ["Glimpse", "Solved", "solve"]

_EVERY = 0.4
"""Seconds between glimpses."""


@dataclass(frozen=True)
class Glimpse:
    """The progress of a solve.

    Attributes:
        energies: the mean energy over the legs after every step of the running method; empty before the first.
        running: the number of running legs.
        legs: the number of legs.
        latents: the present polylines of the legs, ``(legs, P, D)``; None before the first step.
        seconds: the time since the beginning.
        stopping: True once the visitor has cancelled.
    """

    energies: tuple[float, ...]
    running: int
    legs: int
    latents: Tensor | None
    seconds: float
    stopping: bool


@dataclass(frozen=True)
class Solved:
    """A solved path with its keyframes, the duration, and True for ``stopped`` if the visitor cancelled.

    ``others`` has the paths of other methods, by name.
    """

    path: Path
    keyframes: list[Keyframe]
    seconds: float
    stopped: bool
    others: Mapping[str, Path] = field(default_factory=dict)


@dataclass
class _Watch:
    energies: list[float] = field(default_factory=list)
    last: Progress | None = None
    legs: Tensor | None = None
    path: Path | None = None
    others: dict[str, Path] = field(default_factory=dict)
    error: BaseException | None = None


def solve(studio: Studio, session: Session, choices: Choices) -> Iterator[Glimpse | Solved]:
    """Finds the path through the session's keyframes; yields glimpses, then the path. Closing the iterator stops it.

    Raises:
        InputError: fewer than two keyframes, a cancelled session, or a session with a running solve.
        LatentPathError: an error of `interpolate`.
    """
    chosen = list(session.keyframes)
    if session.stop.is_set():
        raise InputError("cancelled before the solve began: find the path again")
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
    has_legs = choices.has_legs(len(chosen))
    legs = len(keyframes) - 1 + choices.closed
    paper = beside_options(choices, model)
    watch, stop, began = _Watch(), threading.Event(), time.monotonic()

    def ended() -> bool:
        return stop.is_set() or session.stop.is_set()

    def callback(now: Progress) -> bool:
        watch.energies.append(float(now.energy[now.energy.isfinite()].mean()))
        watch.last, watch.legs = now, now.latents.detach().clone()
        return ended()

    def path_by(method: dict[str, Any]) -> Path:
        options = {**choices.options(len(chosen)), **method, "callback": callback}
        if has_legs:
            return interpolate_through(model.generator, prior, keyframes, **options)
        return interpolate(model.generator, prior, keyframes[0], keyframes[1], **options)

    def work() -> None:
        try:
            watch.path = path_by(solve_options(choices, model))
            if paper is not None and not ended():
                watch.legs, watch.energies = None, []  # another energy
                watch.others["paper"] = path_by(paper)
        except BaseException as error:  # raised in the caller's thread
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
    yield Solved(watch.path, chosen, time.monotonic() - began, session.stop.is_set(), watch.others)
