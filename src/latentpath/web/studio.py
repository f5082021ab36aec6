"""The models, the folder for files, the sessions, and the actions of a visitor, without a page."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from ..errors import GeneratorError, InputError, LatentPathError
from ..inversion import invert
from ..models import Model, available, load
from ..models.inputs import encoded
from ..models.sampling import as_taken, draw
from .choices import LIMITS, text_of
from .sessions import SAMPLES, Keyframe, Session, Sessions
from .uploads import MOST_PICTURES, read_upload

__all__ = ["MOST_KEYFRAMES", "Studio", "shipped"]

MOST_KEYFRAMES = 8
_FAR = 6.0
"""The largest distance of a moved latent from the mean of the prior, in standard deviations."""


def shipped() -> tuple[str, ...]:
    """Returns the names of the shipped generators, the fastest first, without the one for benchmarks."""
    found = (name for name in available() if not name.endswith("-narrow") and load(name).prior is not None)
    return tuple(sorted(found, key=lambda name: (not name.startswith("mnist"), not name.endswith("semicircle"), name)))


class Studio:
    """The models, the folder for files, and the sessions.

    Args:
        names: the names of the models for `latentpath.load`.
        folder: the folder for all files.

    Raises:
        InputError: no model, or one that makes no pictures; errors of `latentpath.load`.
    """

    def __init__(self, names: Sequence[str], folder: Path) -> None:
        if not names:
            raise InputError("a page needs a model: name one with --model")
        self.names = tuple(dict.fromkeys(names))
        self._models = {name: _checked(load(name)) for name in self.names}
        self._idle, self._busy = threading.Condition(), 0
        self.sessions = Sessions(folder, self.begin)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Marks long work within a ``with`` block, for which `finish` waits."""
        with self._idle:
            self._busy += 1
        try:
            yield
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def finish(self, seconds: float) -> bool:
        """Ends all sessions and waits for running work; returns True if it ended in time."""
        self.sessions.forget_all()
        with self._idle:
            return self._idle.wait_for(lambda: self._busy == 0, seconds)

    def model(self, name: str) -> Model:
        """Returns the model of a name.

        Raises:
            InputError: a name that is not on this page.
        """
        if not isinstance(name, str) or name not in self._models:
            raise InputError(f"model must be one of {', '.join(self.names)}; got {text_of(name)}.")
        return self._models[name]

    def begin(self, session: Session) -> None:
        """Initialises a session with the first model."""
        self.choose_model(session, self.names[0])

    def choose_model(self, session: Session, name: str) -> None:
        """Chooses a model, with its first two samples as keyframes."""
        model = self.model(name)
        if session.busy.locked():
            session.stop.set()
        session.model, session.path = name, None
        self._draw(session, model, session.seed)
        session.keyframes = [self._sample(session, 0), self._sample(session, 1)]

    def reseed(self, session: Session, seed: object) -> None:
        """Draws other samples; the keyframes stay."""
        self._draw(session, self.model(session.model), int(LIMITS["seed"].check(seed)))

    def _draw(self, session: Session, model: Model, seed: int) -> None:
        assert model.prior is not None
        session.seed = seed
        session.samples = as_taken(model, draw(model.prior, SAMPLES, torch.Generator().manual_seed(seed)))

    def _sample(self, session: Session, which: int) -> Keyframe:
        return Keyframe(session.samples[which], f"sample {which + 1} of seed {session.seed}", which, session.seed)

    def pick(self, session: Session, which: object) -> None:
        """Adds a sample to the keyframes.

        Raises:
            InputError: no such sample, or too many keyframes.
        """
        if type(which) is not int or not 0 <= which < len(session.samples):
            raise InputError(f"choose one of the {len(session.samples)} samples; got {text_of(which)}.")
        with session.lock:
            self._add(session, [self._sample(session, which)])

    def drop(self, session: Session, which: object) -> None:
        """Removes a keyframe.

        Raises:
            InputError: no such keyframe.
        """
        with session.lock:
            if type(which) is not int or not 0 <= which < len(session.keyframes):
                raise InputError(f"there are {len(session.keyframes)} keyframes; got {text_of(which)}.")
            session.keyframes = [*session.keyframes[:which], *session.keyframes[which + 1 :]]

    def _add(self, session: Session, more: Sequence[Keyframe]) -> None:
        if len(session.keyframes) + len(more) > MOST_KEYFRAMES:
            raise InputError(
                f"a path goes through at most {MOST_KEYFRAMES} keyframes here: click one of those chosen to remove it"
            )
        session.keyframes = [*session.keyframes, *more]

    def add_pictures(self, session: Session, files: Sequence[tuple[Path, str]]) -> str:
        """Adds pictures as keyframes, encoded or inverted, and removes the files; returns their errors in words.

        Files that are no pictures, or too large, are named and left out.

        Raises:
            InputError: no file, too many, or none that can be used.
        """
        try:
            return self._add_pictures(session, files)
        finally:
            for file, _ in files:
                file.unlink(missing_ok=True)

    def _add_pictures(self, session: Session, files: Sequence[tuple[Path, str]]) -> str:
        room = MOST_KEYFRAMES - len(session.keyframes)
        if not files or len(files) > min(MOST_PICTURES, room):
            raise InputError(f"choose 1 to {max(room, 0)} pictures (there can be {MOST_KEYFRAMES} keyframes)")
        if session.stop.is_set():
            raise InputError("cancelled before it began")
        model, read, problems = self.model(session.model), [], []
        for file, name in files:
            try:
                read.append((name, read_upload(file, name, model)))
            except LatentPathError as problem:
                problems.append(str(problem))
        if not read:
            raise InputError("; ".join(problems))
        images = torch.cat([image for _, image in read])
        if model.encoder is not None:
            how, (latents, _, error) = "encoded", encoded(model, images)
        else:
            found = invert(model, images, starts=4, steps=200, callback=lambda _: session.stop.is_set())
            how, latents, error = "inverted", found.latents, found.error
        labels = [f"picture {Path(name).name[:40]}" for name, _ in read]
        self._add(session, [Keyframe(latent, label) for latent, label in zip(latents, labels, strict=True)])
        messages = [f"{label} {how}, RMS error {float(e):.2f}" for label, e in zip(labels, error, strict=True)]
        return "; ".join([*messages, *problems])

    def move(self, session: Session, which: object, x: float, y: float) -> None:
        """Sets the first two coordinates of a keyframe.

        Raises:
            InputError: no such keyframe, latents of one coordinate, or a point far outside of the prior.
        """
        if type(which) is not int or not 0 <= which < len(session.keyframes):
            raise InputError(f"there are {len(session.keyframes)} keyframes; got {text_of(which)}.")
        old = session.keyframes[which].latent
        if len(old) < 2:
            raise InputError("there is no map of latents with one coordinate")
        there = torch.tensor([x, y], dtype=old.dtype, device=old.device)
        prior = self.model(session.model).prior
        assert prior is not None
        cloud = draw(prior, 1000, torch.Generator().manual_seed(0))[:, :2].to(there)
        if not bool(((there - cloud.mean(0)).abs() <= _FAR * cloud.std(0)).all()):
            raise InputError(
                "this place is too far from where the prior has its mass: click nearer to the shaded region"
            )
        moved = Keyframe(torch.cat([there, old[2:]]), f"moved to ({x:.2f}, {y:.2f})")
        session.keyframes = [*session.keyframes[:which], moved, *session.keyframes[which + 1 :]]

    @torch.no_grad()
    def frames(self, name: str, latents: Tensor) -> Tensor:
        """Decodes latents ``(N, D)`` to ``(N, C, H, W)``."""
        return self.model(name).generator(latents)


@torch.no_grad()
def _checked(model: Model) -> Model:
    """Returns the model if it makes pictures.

    Raises:
        InputError: it makes none.
    """
    if model.prior is None:
        raise InputError(f"Model {model.name!r} has no generator. Choose another one.")
    try:
        made = model.generator(as_taken(model, draw(model.prior, 2, torch.Generator().manual_seed(0))))
    except Exception as error:  # a user's generator may raise anything
        raise GeneratorError(
            f"{model.name!r} fails on samples of its prior: {type(error).__name__}: {error}"
        ) from error
    if made.ndim != 4 or made.shape[1] not in (1, 3):
        raise InputError(
            f"the page shows pictures, (N, 1 or 3, H, W), and {model.name!r} makes {tuple(made.shape)}: use "
            "lp.interpolate, which takes anything"
        )
    return model
