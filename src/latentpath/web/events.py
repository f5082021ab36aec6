"""What happens on a click, for the visitor who clicks; what it means is in the other rooms."""

from __future__ import annotations

import inspect
import logging
import shutil
import uuid
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from ..errors import LatentPathError
from ..models import Model
from . import views
from .choices import Choices
from .memory import trim
from .sessions import Session
from .solving import Solved, solve
from .studio import Studio

__all__ = ["Events", "told"]

P = ParamSpec("P")
R = TypeVar("R")


def told(function: Callable[P, R]) -> Callable[P, R]:
    """What we raise on purpose as a message on the page; anything else in the server's log, and an apology."""

    def message(error: Exception) -> gr.Error:
        if isinstance(error, gr.Error):
            return error
        if isinstance(error, LatentPathError):
            return gr.Error(str(error), title="That did not work", print_exception=False)
        logging.getLogger(__name__).exception("an event failed")
        return gr.Error("Something went wrong here, and the server has noted it. Try again.", print_exception=False)

    if inspect.isgeneratorfunction(function):

        @wraps(function)
        def steps(*args: P.args, **kwargs: P.kwargs) -> Iterator[Any]:
            try:
                yield from function(*args, **kwargs)
            except Exception as error:
                raise message(error) from None

        return steps  # type: ignore[return-value]

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            raise message(error) from None

    return call


_KEPT = 3
"""Earlier files of a name that stay: they may be on their way to the visitor."""

_BLANK = ("", None, None, None, "", None, None, None, None, None)
"""Words, strips, profile, plane, lines, strip and path to take home, player, MP4 and GIF, where there is no path."""


class Events:
    """What happens on a click, for the visitor who clicks."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def session(self, request: gr.Request) -> Session:
        """The visitor's session."""
        return self.studio.sessions.of(request.session_hash)

    def samples(self, session: Session) -> Any:
        """The gallery of samples."""
        model = self.studio.model(session.model)
        frames = self.studio.frames(session.model, session.samples)
        shown = [(views.picture(frame, model.value_range), f"{i + 1}") for i, frame in enumerate(frames)]
        return gr.Gallery(shown, selected_index=None)

    def chosen(self, session: Session) -> Any:
        """The gallery of what the path goes through."""
        if not session.keyframes:
            return gr.Gallery([], selected_index=None)
        model, count = self.studio.model(session.model), len(session.keyframes)
        frames = [self.studio.frames(session.model, keyframe.latent[None])[0] for keyframe in session.keyframes]
        names = ["start", *(f"keyframe {i}" for i in range(2, count)), *(["end"] if count > 1 else [])]
        shown = [
            (
                views.picture(frame, model.value_range),
                name if keyframe.seed is not None else f"{name}: {keyframe.label}",
            )
            for frame, name, keyframe in zip(frames, names, session.keyframes, strict=True)
        ]
        return gr.Gallery(shown, selected_index=None)

    def movable(self, session: Session) -> Any:
        """Which keyframe a click on the map moves."""
        names = [str(i + 1) for i in range(len(session.keyframes))]
        return gr.Radio(choices=names, value=names[0] if names else None)

    def map(self, session: Session) -> Any:
        """The map of what is chosen, or of the path where that is what was found."""
        with session.drawing:
            keyframes, path = list(session.keyframes), session.path
            if len(keyframes) < 2 or len(keyframes[0].latent) < 2:
                session.map = None
                return None
            model, file = self.studio.model(session.model), self.file(session, "map.png")
            if path is not None:
                session.map = views.map_of(path, model, file)
            else:
                session.map = views.unsolved_map(keyframes, model, file)
            return str(file)

    @staticmethod
    def file(session: Session, name: str) -> Path:
        """A new file of that name, in the session's folder; earlier ones go, but for the last few."""
        earlier = sorted(session.folder.glob(f"*/{name}"), key=lambda file: file.stat().st_mtime)
        for old in earlier[:-_KEPT]:
            shutil.rmtree(old.parent, ignore_errors=True)
        folder = session.folder / uuid.uuid4().hex
        folder.mkdir()  # a visitor who has left has no folder any more
        return folder / name

    def everything(self, session: Session) -> tuple[Any, ...]:
        """All that shows what can be chosen and what is."""
        return self.samples(session), *self.selection(session)

    def selection(self, session: Session) -> tuple[Any, ...]:
        """All that shows what is chosen; a path that was found before is not of this any more, and goes."""
        with session.lock:
            stale = [gr.skip()] * len(_BLANK) if session.path is None else _BLANK
            session.path = None
            return self.chosen(session), self.movable(session), *stale

    @told
    def redraw(self, request: gr.Request) -> Any:
        """The map of what is chosen now."""
        session = self.session(request)
        with self.studio.working(), _WhileThere(session):
            return self.map(session)
        return None

    @told
    def begin(self, request: gr.Request) -> tuple[Any, ...]:
        """The page was opened."""
        session = self.session(request)
        return session.model, session.seed, *self.everything(session)

    @told
    def choose_model(self, name: str, request: gr.Request) -> tuple[Any, ...]:
        """Another model."""
        session = self.session(request)
        self.studio.choose_model(session, name)
        return self.everything(session)

    @told
    def reseed(self, seed: float, request: gr.Request) -> Any:
        """Other samples."""
        session = self.session(request)
        self.studio.reseed(session, int(seed) if isinstance(seed, float) and seed.is_integer() else seed)
        return self.samples(session)

    @told
    def pick(self, request: gr.Request, event: gr.SelectData) -> tuple[Any, ...]:
        """A click on a sample."""
        session = self.session(request)
        self.studio.pick(session, event.index)
        return gr.Gallery(selected_index=None), *self.selection(session)

    @told
    def drop(self, request: gr.Request, event: gr.SelectData) -> tuple[Any, ...]:
        """A click on what is chosen."""
        session = self.session(request)
        self.studio.drop(session, event.index)
        return self.selection(session)

    @told
    def clear(self, request: gr.Request) -> tuple[Any, ...]:
        """Nothing chosen."""
        session = self.session(request)
        session.keyframes = []
        return self.selection(session)

    @told
    def upload(self, files: list[str] | None, request: gr.Request) -> tuple[Any, ...]:
        """Pictures sent."""
        session = self.session(request)
        named = [(Path(file), Path(file).name) for file in files or []]
        try:
            with self.studio.working():
                said = self.studio.add_pictures(session, named)
        except LatentPathError as error:  # the box is emptied all the same
            gr.Warning(str(error), title="That did not work")
            return None, str(error), *([gr.skip()] * (2 + len(_BLANK)))
        return None, said, *self.selection(session)

    @told
    def move(self, which: str | None, request: gr.Request, event: gr.SelectData) -> tuple[Any, ...]:
        """A click on the map."""
        session = self.session(request)
        place = session.map
        if place is None or which is None or not str(which).isdigit():
            raise gr.Error("Choose the keyframe to move first.", print_exception=False)
        column, row = event.index
        self.studio.move(session, int(which) - 1, *place.at(float(column), float(row)))
        chosen, _, *stale = self.selection(session)
        return chosen, gr.Radio(value=which), *stale

    @told
    def ready(self, request: gr.Request) -> tuple[Any, ...]:
        """Something that takes a while comes next: an earlier cancel is forgotten, and an earlier film goes."""
        self.session(request).stop.clear()
        return None, None, None

    @told
    def cancel(self, request: gr.Request) -> None:
        """Stop what runs, and keep the best so far."""
        self.session(request).stop.set()

    @told
    def solve(self, request: gr.Request, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Live progress, and then strips, profiles, map, plane, numbers, code, the strip and the path to take home."""
        session, nothing = self.session(request), gr.skip()
        choices = Choices.read(values)
        name, model = session.model, self.studio.model(session.model)
        with self.studio.working(), _WhileThere(session):
            try:
                for now in solve(self.studio, session, choices):
                    if not isinstance(now, Solved):
                        yield views.glimpse(now, model), *([nothing] * 7)
                    elif session.model == name:
                        session.path = now.path
                        yield from self._results(session, model, choices, now)
                    else:  # another was chosen meanwhile
                        yield "", *([nothing] * 7)
            except LatentPathError:
                yield "", *([nothing] * 7)
                raise

    def _results(self, session: Session, model: Model, choices: Choices, found: Solved) -> Iterator[tuple[Any, ...]]:
        """What is seen first, and then what takes a moment to draw."""
        path, nothing = found.path, gr.skip()
        strip_file, path_file = self.file(session, "strips.png"), self.file(session, "path.safetensors")
        views.strips(path, model, choices, strip_file)
        path.save(path_file)
        words = views.numbers(path, choices, found.seconds, found.stopped)
        lines = views.code(session.model, found.keyframes, choices)
        yield words, str(strip_file), *([nothing] * 3), lines, nothing, nothing
        profile_file, plane_file = self.file(session, "profiles.png"), self.file(session, "plane.png")
        flat = not choices.many(len(found.keyframes)) and path.latents.shape[-1] > 1
        views.profile(path, profile_file)
        if flat:
            views.plane(path, plane_file)
        shown = str(profile_file), self.map(session), str(plane_file) if flat else None
        yield nothing, nothing, *shown, nothing, str(strip_file), str(path_file)

    @told
    def film(self, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """The film to play, and as a GIF."""
        session = self.session(request)
        choices, model = Choices.read(values), self.studio.model(session.model)
        if session.path is not None:
            with self.studio.working(), _WhileThere(session):
                files = [self.file(session, f"morph.{suffix}") for suffix in ("mp4", "gif")]
                for file in files:
                    views.films(session.path, model, choices, file, session.gone.is_set)
                trim()
                return str(files[0]), str(files[0]), str(files[1])
        return None, None, None

    def leave(self, request: gr.Request) -> None:
        """The page was closed."""
        self.studio.sessions.forget(request.session_hash)


class _WhileThere:
    """Files of a visitor who has left meanwhile are gone, and that is well."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, OSError | LatentPathError) and self._session.gone.is_set()
