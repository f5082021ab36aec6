"""The endpoint for programs, ``/interpolate``, independent of the visitors' sessions.

.. code-block:: python

    from gradio_client import Client

    client = Client("http://127.0.0.1:7860")
    facts, strip, film, path = client.predict("mnist-dcgan-semicircle", "1,2", api_name="/interpolate")
"""

from __future__ import annotations

import inspect
import re
import threading
from typing import Any

import gradio as gr
import torch

from ..errors import InputError
from ..models.sampling import draw
from . import views
from .choices import FIELDS, LIMITS, LOOPS, METHODS, SOLVERS, SPACINGS, Choices, text_of
from .events import reporting_errors
from .memory import trim
from .methods import RECIPES, completed
from .sessions import Keyframe
from .solving import Solved, solve
from .studio import MOST_KEYFRAMES, Studio

__all__ = ["offer"]

_KEEP_SECONDS = 60.0
"""Seconds until sent files are removed."""

_NUMBER = re.compile(r"[0-9]{0,20}\.?[0-9]{1,20}")
_SEEDS = re.compile(r"\s*[0-9]{1,10}(\s*,\s*[0-9]{1,10})+\s*")


def offer(studio: Studio) -> None:
    """Adds the endpoint to the page under construction."""
    usual = Choices()

    @reporting_errors
    def interpolate(model: str, seeds: str, *values: Any) -> tuple[Any, ...]:
        given = dict(zip(FIELDS, values, strict=True))
        given |= {name: _number(given[name]) for name in ("alpha", "mu")}
        choices = Choices.of(completed(given, studio.model(model)))
        session = studio.sessions.of(None)  # a new session, not a visitor's
        prior, numbers = studio.model(model).prior, _seeds(seeds)
        assert prior is not None
        session.model = model
        latents = [draw(prior, 1, torch.Generator().manual_seed(number))[0] for number in numbers]
        session.keyframes = [Keyframe(z, f"seed {number}") for z, number in zip(latents, numbers, strict=True)]
        files = [session.folder / name for name in ("strips.png", "morph.mp4", "path.safetensors")]
        try:
            with studio.working():
                *_, found = solve(studio, session, choices)
                assert isinstance(found, Solved)
                views.strips(found.path, studio.model(model), choices, files[0], found.others)
                views.films(found.path, studio.model(model), choices, files[1], others=found.others)
                found.path.save(files[2])
        finally:  # Gradio copies the files first
            later = threading.Timer(_KEEP_SECONDS, session.forget)
            later.daemon = True
            later.start()
        report = found.path.report(("lerp", "slerp"), others=found.others).to_dict()
        trim()
        facts = {**report, "seconds": round(found.seconds, 3), "settings": found.path.settings}
        return facts, *(str(file) for file in files)

    # the names of the arguments in the API
    named = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("model", "seeds", *FIELDS)]
    interpolate.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
    with gr.Row(visible=False):
        limits = {
            name: gr.Number(limit.default, label=name) for name, limit in LIMITS.items() if name not in ("alpha", "mu")
        }
        others: dict[str, Any] = {
            "method": gr.Textbox(usual.method, label="method", info=", ".join(METHODS)),
            "spacing": gr.Textbox(usual.spacing, label="spacing", info=", ".join(SPACINGS)),
            "solver": gr.Textbox(usual.solver, label="solver", info=", ".join(SOLVERS)),
            "loop": gr.Textbox(usual.loop, label="loop", info=", ".join(LOOPS)),
            "alpha": gr.Textbox(RECIPES, label="alpha", info="a number, or recipe for the recipe's"),
            "mu": gr.Textbox(RECIPES, label="mu", info="a number, or recipe for the recipe's"),
            "beside": gr.Checkbox(usual.beside, label="beside"),
            "closed": gr.Checkbox(usual.closed, label="closed"),
            "rounded": gr.Checkbox(usual.rounded, label="rounded"),
        }
        model = gr.Textbox(studio.names[0], label="model")
        seeds = gr.Textbox("1,2", label="seeds", info="seeds of the keyframes, 2 or more")
        outputs = [gr.JSON(label="facts"), gr.File(label="strips"), gr.File(label="film"), gr.File(label="path")]
        gr.Button().click(
            interpolate,
            [model, seeds, *({**limits, **others}[name] for name in FIELDS)],
            outputs,
            api_name="interpolate",
            api_description="The path through latents that these seeds draw from the model's prior.",
            concurrency_limit=2,
            concurrency_id="heavy",
        )


def _number(text: object) -> object:
    """Returns the number of a text, which `Choices` validates; anything else as it is."""
    return float(text) if isinstance(text, str) and _NUMBER.fullmatch(text) else text


def _seeds(text: object) -> list[int]:
    """Returns two or more seeds from a text with commas."""
    if not isinstance(text, str) or not _SEEDS.fullmatch(text):
        raise InputError(f'seeds must be two or more whole numbers such as "1,2"; got {text_of(text)}.')
    numbers = [int(part) for part in text.split(",")]
    if len(numbers) > MOST_KEYFRAMES:
        raise InputError(f"seeds must be at most {MOST_KEYFRAMES}; got {len(numbers)}.")
    return [int(LIMITS["seed"].check(number)) for number in numbers]
