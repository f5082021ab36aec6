"""The handlers of clicks on the page, each for the session of its visitor."""

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
from .choices import RECOMMENDED, Choices
from .memory import trim
from .methods import RECIPES, completed, in_code, in_words, paper_in_code
from .sessions import Session
from .solving import Solved, solve
from .studio import Studio

__all__ = ["Events", "reporting_errors"]

P = ParamSpec("P")
R = TypeVar("R")


def reporting_errors(function: Callable[P, R]) -> Callable[P, R]:
    """Decorates a handler: errors of this package appear on the page, others in the server's log."""

    def message(error: Exception) -> gr.Error:
        if isinstance(error, gr.Error):
            return error
        if isinstance(error, LatentPathError):
            return gr.Error(str(error), title="Error", print_exception=False)
        logging.getLogger(__name__).exception("an event failed")
        return gr.Error("The server failed, and has logged the error. Try again.", print_exception=False)

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
"""The number of earlier files of a name that stay, since the visitor may be downloading them."""

_BLANK = ("", None, None, None, "", None, None, None, None, None)
"""Words, strips, profile, plane, code, downloads of strip and path, player, MP4 and GIF without a path."""


class Events:
    """The handlers of clicks, which return the new contents of the page."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def session(self, request: gr.Request) -> Session:
        """Returns the session of the visitor."""
        return self.studio.sessions.of(request.session_hash)

    def samples(self, session: Session) -> Any:
        """Returns the gallery of samples."""
        model = self.studio.model(session.model)
        frames = self.studio.frames(session.model, session.samples)
        shown = [(views.picture(frame, model.value_range), f"{i + 1}") for i, frame in enumerate(frames)]
        return gr.Gallery(shown, selected_index=None)

    def chosen(self, session: Session) -> Any:
        """Returns the gallery of keyframes."""
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
        """Returns the choice of the keyframe that a click on the map moves."""
        names = [str(i + 1) for i in range(len(session.keyframes))]
        return gr.Radio(choices=names, value=names[0] if names else None)

    def map(self, session: Session) -> Any:
        """Returns the map of the path, or of the keyframes without a path."""
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
        """Returns a new file of a name in the session's folder, and removes all but the last few earlier ones."""
        earlier = sorted(session.folder.glob(f"*/{name}"), key=lambda file: file.stat().st_mtime)
        for old in earlier[:-_KEPT]:
            shutil.rmtree(old.parent, ignore_errors=True)
        folder = session.folder / uuid.uuid4().hex
        folder.mkdir()  # fails for a visitor who has left
        return folder / name

    def everything(self, session: Session) -> tuple[Any, ...]:
        """Returns samples and selection."""
        return self.samples(session), *self.selection(session)

    def selection(self, session: Session) -> tuple[Any, ...]:
        """Returns the views of the keyframes, and removes the path of earlier ones."""
        with session.lock:
            stale = [gr.skip()] * len(_BLANK) if session.path is None else _BLANK
            session.path = None
            return self.chosen(session), self.movable(session), *stale

    @reporting_errors
    def redraw(self, request: gr.Request) -> Any:
        """Draws the map again."""
        session = self.session(request)
        with self.studio.working(), _WhileThere(session):
            return self.map(session)
        return None

    @reporting_errors
    def begin(self, request: gr.Request) -> tuple[Any, ...]:
        """Opens the page."""
        session = self.session(request)
        return session.model, session.seed, *self.everything(session), *self.method(session)

    @reporting_errors
    def choose_model(self, name: str, request: gr.Request) -> tuple[Any, ...]:
        """Chooses a model."""
        session = self.session(request)
        self.studio.choose_model(session, name)
        return *self.everything(session), *self.method(session)

    def method(self, session: Session) -> tuple[Any, ...]:
        """Returns the choice of the method, its words where there is none, and mu, checkbox and alpha of the recipe."""
        model = self.studio.model(session.model)
        has, start = model.recipe is not None, completed({"alpha": RECIPES, "mu": RECIPES}, model)
        choice = gr.Radio(visible=has, value=RECOMMENDED), gr.Markdown(visible=not has)
        slider = gr.Slider(visible=has, value=start["mu"])
        return *choice, slider, gr.Checkbox(visible=has), gr.Slider(value=start["alpha"])

    @reporting_errors
    def reseed(self, seed: float, request: gr.Request) -> Any:
        """Draws other samples."""
        session = self.session(request)
        self.studio.reseed(session, int(seed) if isinstance(seed, float) and seed.is_integer() else seed)
        return self.samples(session)

    @reporting_errors
    def pick(self, request: gr.Request, event: gr.SelectData) -> tuple[Any, ...]:
        """Adds a clicked sample to the keyframes."""
        session = self.session(request)
        self.studio.pick(session, event.index)
        return gr.Gallery(selected_index=None), *self.selection(session)

    @reporting_errors
    def drop(self, request: gr.Request, event: gr.SelectData) -> tuple[Any, ...]:
        """Removes a clicked keyframe."""
        session = self.session(request)
        self.studio.drop(session, event.index)
        return self.selection(session)

    @reporting_errors
    def clear(self, request: gr.Request) -> tuple[Any, ...]:
        """Removes all keyframes."""
        session = self.session(request)
        session.keyframes = []
        return self.selection(session)

    @reporting_errors
    def upload(self, files: list[str] | None, request: gr.Request) -> tuple[Any, ...]:
        """Adds uploaded pictures to the keyframes."""
        session = self.session(request)
        named = [(Path(file), Path(file).name) for file in files or []]
        try:
            with self.studio.working():
                message = self.studio.add_pictures(session, named)
        except LatentPathError as error:  # the upload box is cleared in any case
            gr.Warning(str(error), title="Error")
            return None, str(error), *([gr.skip()] * (2 + len(_BLANK)))
        return None, message, *self.selection(session)

    @reporting_errors
    def move(self, which: str | None, request: gr.Request, event: gr.SelectData) -> tuple[Any, ...]:
        """Moves a keyframe to a click on the map."""
        session = self.session(request)
        place = session.map
        if place is None or which is None or not str(which).isdigit():
            raise gr.Error("Choose the keyframe to move first.", print_exception=False)
        column, row = event.index
        self.studio.move(session, int(which) - 1, *place.at(float(column), float(row)))
        chosen, _, *stale = self.selection(session)
        return chosen, gr.Radio(value=which), *stale

    @reporting_errors
    def ready(self, request: gr.Request) -> tuple[Any, ...]:
        """Prepares for long work: resets an earlier cancellation and removes an earlier film."""
        self.session(request).stop.clear()
        return None, None, None

    @reporting_errors
    def cancel(self, request: gr.Request) -> None:
        """Stops the running work, which keeps its best result."""
        self.session(request).stop.set()

    @reporting_errors
    def solve(self, request: gr.Request, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Yields live progress, then strips, profiles, map, plane, numbers, code, and the downloads."""
        session, nothing = self.session(request), gr.skip()
        choices = Choices.read(values)
        name, model = session.model, self.studio.model(session.model)
        with self.studio.working(), _WhileThere(session):
            try:
                for now in solve(self.studio, session, choices):
                    if not isinstance(now, Solved):
                        yield views.glimpse(now, model), *([nothing] * 7)
                    elif session.model == name:
                        session.path, session.others = now.path, now.others
                        yield from self._results(session, model, choices, now)
                    else:  # the visitor has chosen another model
                        yield "", *([nothing] * 7)
            except LatentPathError:
                yield "", *([nothing] * 7)
                raise

    def _results(self, session: Session, model: Model, choices: Choices, found: Solved) -> Iterator[tuple[Any, ...]]:
        """Yields quick results first, then slow drawings."""
        path, nothing = found.path, gr.skip()
        strip_file, path_file = self.file(session, "strips.png"), self.file(session, "path.safetensors")
        views.strips(path, model, choices, strip_file, found.others)
        path.save(path_file)
        words = views.numbers(found, choices, in_words(choices, model))
        methods = in_code(choices, model), paper_in_code(choices, model)
        lines = views.code(session.model, found.keyframes, choices, *methods)
        yield words, str(strip_file), *([nothing] * 3), lines, nothing, nothing
        profile_file, plane_file = self.file(session, "profiles.png"), self.file(session, "plane.png")
        flat = not choices.has_legs(len(found.keyframes)) and path.latents.shape[-1] > 1
        views.profile(path, profile_file)
        if flat:
            views.plane(path, plane_file)
        shown = str(profile_file), self.map(session), str(plane_file) if flat else None
        yield nothing, nothing, *shown, nothing, str(strip_file), str(path_file)

    @reporting_errors
    def film(self, request: gr.Request, *values: Any) -> tuple[Any, ...]:
        """Returns the film for the player and for download."""
        session = self.session(request)
        choices, model = Choices.read(values), self.studio.model(session.model)
        if session.path is not None:
            with self.studio.working(), _WhileThere(session):
                files = [self.file(session, f"morph.{suffix}") for suffix in ("mp4", "gif")]
                for file in files:
                    views.films(session.path, model, choices, file, session.gone.is_set, session.others)
                trim()
                return str(files[0]), str(files[0]), str(files[1])
        return None, None, None

    def leave(self, request: gr.Request) -> None:
        """Ends the session of a closed page."""
        self.studio.sessions.forget(request.session_hash)


class _WhileThere:
    """Ignores errors after the visitor has left, whose files are removed."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, OSError | LatentPathError) and self._session.gone.is_set()
