"""The Gradio page: what is where. What happens on a click is in `events`, what a program may ask in `api`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from .api import offer
from .choices import FIELDS, LIMITS, LOOPS, SOLVERS, SPACINGS, Choices
from .events import Events
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
[data-testid="status-tracker"]:has(> .error) { display: none !important; } /* errors are told above, and hide nothing */
"""

_WELCOME = """# latentpath
Click samples in the order in which they should appear; the path between them keeps the model in places where it makes
realistic things. Two make a pair, more are keyframes. Then **find the path**.
"""


def theme() -> gr.themes.Base:
    """Gradio's plain theme, in fonts that every machine has."""
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


def _picture(label: str, name: str, shows: str, buttons: Sequence[Any] = ("fullscreen",)) -> gr.Image:
    return gr.Image(
        label=label,
        type="filepath",
        buttons=list(buttons),
        interactive=False,
        elem_id=name,
        elem_classes="lp-show",
        alt_text=shows,
    )


def build(studio: Studio) -> Any:
    """The page over a studio; `server` puts it behind a port."""
    events, usual = Events(studio), Choices()
    with gr.Blocks(title="latentpath", analytics_enabled=False, fill_width=True, delete_cache=(60, 900)) as page:
        gr.Markdown(_WELCOME)
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                model = gr.Dropdown(list(studio.names), value=studio.names[0], label="Model")
                with gr.Row():
                    seed = gr.Number(0, precision=0, label="Seed of the samples", scale=2)
                    other = gr.Button("Other samples", scale=1, elem_id="reseed")
                samples = _gallery(f"Samples: click to add one (at most {MOST_KEYFRAMES})", "samples", columns=6)
                chosen = _gallery("The path goes through: click one to remove it", "chosen", columns=4)
                with gr.Row():
                    closed = gr.Checkbox(usual.closed, label="Closed loop", info="back to the start in the end")
                    clear = gr.Button("Choose none", elem_id="clear")
                with gr.Accordion("From pictures of your own", open=False):
                    pictures = gr.File(
                        label=f"JPEG, PNG, WebP, BMP or GIF, at most {MOST_BYTES // 2**20} MB each",
                        file_count="multiple",
                        file_types=[".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"],
                        elem_id="pictures",
                    )
                    send = gr.Button("Add them to the path", elem_id="send")
                    said = gr.Markdown(elem_id="said")
                alpha = _slider("alpha", "alpha", "How much plain length matters: small values make the shortest path.")
                segments = _slider("segments", "Segments", "Points of the path, for each leg.")
                spacing = gr.Radio(
                    SPACINGS,
                    value=usual.spacing,
                    label="Spacing",
                    info="Where frames lie evenly: data is even to the eye.",
                )
                restarts = _slider("restarts", "Restarts", "Starts of the search; more may find a cheaper path.")
                solver = gr.Dropdown(
                    SOLVERS, value=usual.solver, label="Solver", info="gradient_descent is the paper's."
                )
                with gr.Accordion("Advanced", open=False):
                    rounded = gr.Checkbox(usual.rounded, label="Round the joints at keyframes")
                    smooth = _slider("smooth", "Largest jump at a joint", "Of the velocity: 1 is a turn of 60 degrees.")
                    tol = gr.Number(usual.tol, label="Tolerance", info="The relative gain in cost not worth more work.")
                    most = _slider("max_evaluations", "Most evaluations", "Of each leg, from each start.")
                    seconds = _slider("seconds", "Film: seconds", "Of one round.")
                    fps = _slider("fps", "Film: frames a second", "")
                    loop = gr.Radio(LOOPS, value=usual.loop, label="Film: at its end")
                    shown = _slider("shown", "Frames in a strip", "")
            with gr.Column(scale=3, min_width=320):
                with gr.Row():
                    find = gr.Button("Find the path", variant="primary", elem_id="find")
                    cancel = gr.Button("Cancel", variant="stop", elem_id="cancel")
                words = gr.HTML(label="Numbers", elem_id="words")
                strips = _picture(
                    "Straight line, slerp and path",
                    "strips",
                    "film strips of the straight line, of slerp and of the path",
                )
                with gr.Tabs():
                    with gr.Tab("Film"):
                        player = gr.Video(
                            label="The path",
                            interactive=False,
                            autoplay=True,
                            loop=True,
                            buttons=[],
                            elem_id="film",
                            elem_classes="lp-show",
                        )
                    with gr.Tab("Map"):
                        moving = gr.Radio([], label="A click on the map moves keyframe", elem_id="moving")
                        place = _picture(
                            "The first two latent coordinates, over the prior's density",
                            "map",
                            "straight line, slerp and path over the density of the prior",
                            buttons=[],
                        )
                    with gr.Tab("Profiles"):
                        profile = _picture(
                            "Realism and steps along the curves",
                            "profile",
                            "realism index and data-space steps along the three curves",
                        )
                    with gr.Tab("Plane"):
                        plane = _picture(
                            "The plane of the two ends (equation 4); a pair only",
                            "plane",
                            "straight line and path in the plane of their ends",
                        )
                    with gr.Tab("Python"):
                        lines = gr.Code(
                            label="The lines that make this path",
                            language="python",
                            wrap_lines=True,
                            interactive=False,
                            elem_id="code",
                        )
                gr.Markdown("### Take home")
                with gr.Row():
                    mp4 = gr.DownloadButton("Film, MP4", elem_id="mp4")
                    gif = gr.DownloadButton("Film, GIF", elem_id="gif")
                    strip_png = gr.DownloadButton("Strips, PNG", elem_id="png")
                    path_file = gr.DownloadButton("Path file", elem_id="path")

        stale = [words, strips, profile, plane, lines, strip_png, path_file, player, mp4, gif]
        selection = [chosen, moving, *stale]
        controls = {
            "alpha": alpha,
            "segments": segments,
            "spacing": spacing,
            "restarts": restarts,
            "solver": solver,
            "closed": closed,
            "rounded": rounded,
            "smooth": smooth,
            "tol": tol,
            "max_evaluations": most,
            "seconds": seconds,
            "fps": fps,
            "loop": loop,
            "shown": shown,
        }
        settings = [controls[name] for name in FIELDS]
        results = [words, strips, profile, place, plane, lines, strip_png, path_file]
        taken = [player, mp4, gif]
        quick: dict[str, Any] = {
            "api_visibility": "private",
            "concurrency_limit": 8,
            "concurrency_id": "quick",
            "show_progress": "minimal",
        }
        heavy: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 2, "concurrency_id": "heavy"}

        def drawn(changed: Any) -> Any:
            return changed.then(events.redraw, None, place, **quick)

        many = {**quick, "trigger_mode": "multiple"}  # no click is lost
        drawn(page.load(events.begin, None, [model, seed, samples, *selection], **quick))
        page.unload(events.leave)
        drawn(model.input(events.choose_model, model, [samples, *selection], **quick))
        other.click(lambda seed: (seed or 0) + 1, seed, seed, **quick).then(events.reseed, seed, samples, **quick)
        seed.submit(events.reseed, seed, samples, **quick)
        drawn(samples.select(events.pick, None, [samples, *selection], **many))
        drawn(chosen.select(events.drop, None, selection, **many))
        drawn(clear.click(events.clear, None, selection, **quick))
        sent = send.click(events.ready, None, taken, **quick)
        drawn(sent.then(events.upload, pictures, [pictures, said, *selection], **heavy))
        cancel.click(events.cancel, None, None, queue=False, api_visibility="private")

        def solved(begun: Any) -> None:
            begun.then(events.solve, settings, results, show_progress="hidden", **heavy).success(
                events.film, settings, taken, show_progress="minimal", show_progress_on=player, **heavy
            )

        offer(studio)
        solved(find.click(events.ready, None, taken, **quick))
        solved(place.select(events.move, moving, selection, **quick).success(events.ready, None, taken, **quick))
    return page
