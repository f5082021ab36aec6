"""The Gradio page. `events` has the handlers of its clicks, `api` the endpoint for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from .api import offer
from .choices import FIELDS, LIMITS, LOOPS, RECOMMENDED, SOLVERS, SPACINGS, Choices
from .events import Events
from .methods import LABELS as METHOD_LABELS
from .methods import NONE
from .studio import MOST_KEYFRAMES, Studio
from .uploads import MOST_BYTES

__all__ = ["CSS", "build", "theme"]

CSS = """
.lp-words { margin: 0.4em 0; line-height: 1.5; }
.lp-wide { overflow-x: auto; }
.lp-numbers { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
.lp-numbers th, .lp-numbers td { padding: 0.25em 0.7em !important; text-align: right; border: 0 !important; }
.lp-numbers tr { border-bottom: 1px solid var(--border-color-primary); }
.lp-numbers th:first-child { text-align: left; }
.lp-numbers tbody tr:last-child { font-weight: 700; }
.lp-live { display: flex; gap: 1em; align-items: center; flex-wrap: wrap; }
.lp-frames { display: flex; gap: 3px; flex-wrap: wrap; }
.lp-frames img { image-rendering: pixelated; height: 56px; width: auto; }
.lp-show label[data-testid="block-label"] { position: static; border: 0; box-shadow: none; background: none; }
.lp-show .grid-wrap { height: auto !important; min-height: 0 !important; max-height: none !important; }
.lp-show .grid-container { grid-template-columns: repeat(var(--grid-cols), minmax(0, 1fr)) !important; }
.lp-show .grid-container { gap: 6px; padding-top: 0; }
.lp-show .thumbnail-lg { width: 100%; height: auto; }
.lp-show .caption-label { font-size: 0.75em; max-width: 100%; white-space: normal; }
#chosen .thumbnail-lg { aspect-ratio: auto; flex-direction: column; }
#chosen .caption-label { position: static; border: 0; background: none; text-align: center; }
.lp-show img { image-rendering: pixelated; }
#map img, #profile img, #plane img { image-rendering: auto; margin: auto; }
#map img, #profile img, #plane img { max-height: 32em; width: auto; max-width: 100%; }
#map img { cursor: crosshair; }
#film video { max-height: 20em; }
[data-testid="status-tracker"]:has(> .error) { display: none !important; } /* errors appear in a message above */
"""

_WELCOME = """# latentpath
Click samples in the order in which they should appear; the images along the path between them stay realistic. Two
samples make a pair, more are keyframes. Then **find the path**.
"""


def theme() -> gr.themes.Base:
    """Returns Gradio's plain theme with system fonts."""
    plain = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "DejaVu Sans", "sans-serif"]
    return gr.themes.Default(
        font=plain, font_mono=["ui-monospace", "DejaVu Sans Mono", "monospace"], primary_hue="orange"
    )


def _slider(name: str, label: str, info: str) -> gr.Slider:
    limit = LIMITS[name]
    return gr.Slider(limit.low, limit.high, limit.default, step=limit.step, label=label, info=info)


def _gallery(label: str, name: str, columns: int) -> gr.Gallery:
    return gr.Gallery(
        label=label,
        columns=columns,
        fit_columns=False,
        allow_preview=False,
        object_fit="contain",
        height="auto",
        buttons=[],
        format="png",
        elem_id=name,
        elem_classes="lp-show",
        interactive=False,
    )


def _picture(label: str, name: str, alt_text: str, buttons: Sequence[Any] = ("fullscreen",)) -> gr.Image:
    return gr.Image(
        label=label,
        type="filepath",
        buttons=list(buttons),
        interactive=False,
        elem_id=name,
        elem_classes="lp-show",
        alt_text=alt_text,
    )


_Components = dict[str, Any]


def build(studio: Studio) -> Any:
    """Builds the page of a studio; `server` serves it."""
    events = Events(studio)
    with gr.Blocks(title="latentpath", analytics_enabled=False, fill_width=True, delete_cache=(60, 900)) as page:
        gr.Markdown(_WELCOME)
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                parts = {**_keyframes(studio), **_settings()}
            with gr.Column(scale=3, min_width=320):
                parts |= {**_results(), **_tabs(), **_downloads()}
        stale = [parts[name] for name in ("words", "strips", "profile", "plane", "lines", "strip_png", "path_file")]
        selection = [parts["chosen"], parts["moving"], *stale, parts["player"], parts["mp4"], parts["gif"]]
        _connect(page, events, parts, selection)
        offer(studio)
        _connect_solves(events, parts, selection)
    return page


def _keyframes(studio: Studio) -> _Components:
    """Builds the choice of the model and of the keyframes."""
    model = gr.Dropdown(list(studio.names), value=studio.names[0], label="Model")
    with gr.Row():
        seed = gr.Number(0, precision=0, label="Seed of the samples", scale=2)
        other = gr.Button("Other samples", scale=1, elem_id="reseed")
    samples = _gallery(f"Samples: click to add one (at most {MOST_KEYFRAMES})", "samples", columns=6)
    chosen = _gallery("The path goes through: click one to remove it", "chosen", columns=4)
    with gr.Row():
        closed = gr.Checkbox(Choices().closed, label="Closed loop", info="back to the start in the end")
        clear = gr.Button("Choose none", elem_id="clear")
    with gr.Accordion("From pictures of your own", open=False):
        pictures = gr.File(
            label=f"JPEG, PNG, WebP, BMP or GIF, at most {MOST_BYTES // 2**20} MB each",
            file_count="multiple",
            file_types=[".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"],
            elem_id="pictures",
        )
        send = gr.Button("Add them to the path", elem_id="send")
        message = gr.Markdown(elem_id="said")
    found: _Components = {"model": model, "seed": seed, "other": other, "samples": samples, "chosen": chosen}
    return found | {"closed": closed, "clear": clear, "pictures": pictures, "send": send, "message": message}


def _settings() -> _Components:
    """Builds the controls of the solve, of the film and of the strips; by the names of `Choices`."""
    usual = Choices()
    spacing = "Where frames lie evenly: data is even to the eye."
    mu = "How much of a path's length is measured in the latents: 0 is the shortest way in the picture."
    parts: _Components = {
        "method": gr.Radio(
            [(label, name) for name, label in METHOD_LABELS.items()],
            value=usual.method,
            label="Method",
            elem_id="method",
        ),
        "no_choice": gr.Markdown(NONE, visible=False),
        "mu": _slider("mu", "Direct ... realistic", mu),
        "beside": gr.Checkbox(usual.beside, label="The paper's path beside it", elem_id="beside"),
        "alpha": _slider("alpha", "alpha", "How much plain length matters: small values make the shortest path."),
        "segments": _slider("segments", "Segments", "Points of the path, for each leg."),
        "spacing": gr.Radio(SPACINGS, value=usual.spacing, label="Spacing", info=spacing),
        "restarts": _slider("restarts", "Restarts", "Starts of the search; more may find a cheaper path."),
        "solver": gr.Dropdown(SOLVERS, value=usual.solver, label="Solver", info="gradient_descent is the paper's."),
    }
    with gr.Accordion("Advanced", open=False):
        tol = "The relative gain in cost not worth more work."
        return parts | {
            "rounded": gr.Checkbox(usual.rounded, label="Round the joints at keyframes"),
            "smooth": _slider("smooth", "Largest jump at a joint", "Of the velocity: 1 is a turn of 60 degrees."),
            "tol": gr.Number(usual.tol, label="Tolerance", info=tol),
            "max_evaluations": _slider("max_evaluations", "Most evaluations", "Of each leg, from each start."),
            "seconds": _slider("seconds", "Film: seconds", "Of one round."),
            "fps": _slider("fps", "Film: frames a second", ""),
            "loop": gr.Radio(LOOPS, value=usual.loop, label="Film: at its end"),
            "shown": _slider("shown", "Frames in a strip", ""),
        }


def _results() -> _Components:
    """Builds the buttons of a solve, its numbers and its strips."""
    with gr.Row():
        find = gr.Button("Find the path", variant="primary", elem_id="find")
        cancel = gr.Button("Cancel", variant="stop", elem_id="cancel")
    words = gr.HTML(label="Numbers", elem_id="words")
    alt_text = "film strips of the straight line, of slerp and of the path"
    strips = _picture("Straight line, slerp and path", "strips", alt_text)
    return {"find": find, "cancel": cancel, "words": words, "strips": strips}


def _tabs() -> _Components:
    """Builds the tabs of film, map, profiles, plane and code."""
    look: dict[str, Any] = {"interactive": False, "elem_id": "film", "elem_classes": "lp-show"}
    with gr.Tabs():
        with gr.Tab("Film"):
            player = gr.Video(label="The path", autoplay=True, loop=True, buttons=[], **look)
        with gr.Tab("Map"):
            moving = gr.Radio([], label="A click on the map moves keyframe", elem_id="moving")
            alt_text = "straight line, slerp and path over the density of the prior"
            place = _picture("The first two latent coordinates, over the prior's density", "map", alt_text, buttons=[])
        with gr.Tab("Profiles"):
            alt_text = "realism index and data-space steps along the three curves"
            profile = _picture("Realism and steps along the curves", "profile", alt_text)
        with gr.Tab("Plane"):
            alt_text = "straight line and path in the plane of their ends"
            plane = _picture("The plane of the two ends (equation 4); a pair only", "plane", alt_text)
        with gr.Tab("Python"):
            label = "The lines that make this path"
            lines = gr.Code(label=label, language="python", wrap_lines=True, interactive=False, elem_id="code")
    return {"player": player, "moving": moving, "place": place, "profile": profile, "plane": plane, "lines": lines}


def _downloads() -> _Components:
    """Builds the downloads."""
    gr.Markdown("### Take home")
    with gr.Row():
        return {
            "mp4": gr.DownloadButton("Film, MP4", elem_id="mp4"),
            "gif": gr.DownloadButton("Film, GIF", elem_id="gif"),
            "strip_png": gr.DownloadButton("Strips, PNG", elem_id="png"),
            "path_file": gr.DownloadButton("Path file", elem_id="path"),
        }


_QUICK: dict[str, Any] = {
    "api_visibility": "private",
    "concurrency_limit": 8,
    "concurrency_id": "quick",
    "show_progress": "minimal",
}
_HEAVY: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 2, "concurrency_id": "heavy"}


def _connect(page: Any, events: Events, parts: _Components, selection: list[Any]) -> None:
    """Connects the events of the page and of the keyframes to their handlers."""

    def drawn(changed: Any) -> Any:
        return changed.then(events.redraw, None, parts["place"], **_QUICK)

    model, seed, samples = (parts[name] for name in ("model", "seed", "samples"))
    many = {**_QUICK, "trigger_mode": "multiple"}  # every click counts
    method = [parts[name] for name in ("method", "no_choice", "mu", "beside", "alpha")]
    drawn(page.load(events.begin, None, [model, seed, samples, *selection, *method], **_QUICK))
    page.unload(events.leave)
    drawn(model.input(events.choose_model, model, [samples, *selection, *method], **_QUICK))
    recommended = [parts["mu"], parts["beside"]]
    parts["method"].change(
        lambda name: (gr.Slider(visible=name == RECOMMENDED), gr.Checkbox(visible=name == RECOMMENDED)),
        parts["method"],
        recommended,
        **_QUICK,
    )
    reseeded = parts["other"].click(lambda seed: (seed or 0) + 1, seed, seed, **_QUICK)
    reseeded.then(events.reseed, seed, samples, **_QUICK)
    seed.submit(events.reseed, seed, samples, **_QUICK)
    drawn(samples.select(events.pick, None, [samples, *selection], **many))
    drawn(parts["chosen"].select(events.drop, None, selection, **many))
    drawn(parts["clear"].click(events.clear, None, selection, **_QUICK))
    sent = parts["send"].click(events.ready, None, [parts["player"], parts["mp4"], parts["gif"]], **_QUICK)
    pictures = parts["pictures"]
    drawn(sent.then(events.upload, pictures, [pictures, parts["message"], *selection], **_HEAVY))
    parts["cancel"].click(events.cancel, None, None, queue=False, api_visibility="private")


def _connect_solves(events: Events, parts: _Components, selection: list[Any]) -> None:
    """Connects the button of the solve and the map, a click on which moves a keyframe and solves again."""
    names = ("words", "strips", "profile", "place", "plane", "lines", "strip_png", "path_file")
    settings, results = [parts[name] for name in FIELDS], [parts[name] for name in names]
    film, place = [parts["player"], parts["mp4"], parts["gif"]], parts["place"]

    def solved(begun: Any) -> None:
        begun.then(events.solve, settings, results, show_progress="hidden", **_HEAVY).success(
            events.film, settings, film, show_progress="minimal", show_progress_on=parts["player"], **_HEAVY
        )

    solved(parts["find"].click(events.ready, None, film, **_QUICK))
    solved(place.select(events.move, parts["moving"], selection, **_QUICK).success(events.ready, None, film, **_QUICK))
