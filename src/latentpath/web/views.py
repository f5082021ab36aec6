"""The views of a path: strips, profiles, maps, numbers, code, and the progress of its solve."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .._words import counted
from ..curves import lerp, slerp
from ..models import Model
from ..models.sampling import draw
from ..path import Path as Curve
from ..report import LABELS
from ..value_range import pixels
from ..viz import film, plots, strip
from ..viz.grid import pixel_side, tile
from .choices import Choices
from .sessions import SAMPLES, Keyframe, Map
from .solving import Glimpse, Solved

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

__all__ = ["code", "films", "glimpse", "map_of", "numbers", "picture", "plane", "profile", "strips", "unsolved_map"]

_BASELINES = ("lerp", "slerp")
_SIDE, _LIVE, _MAP_SAMPLES = 96, 9, 20_000


def picture(frame: Tensor, value_range: tuple[float, float], side: int = _SIDE) -> Image:
    """Returns a frame ``(C, H, W)``, enlarged by a whole factor to about ``side`` pixels."""
    return tile(pixels(frame[None], value_range), 1, scale=pixel_side(None, max(frame.shape[1:]), side))


_NO_OTHERS: Mapping[str, Curve] = MappingProxyType({})


def _named(others: Mapping[str, Curve]) -> dict[str, Curve]:
    return {LABELS.get(name, name): other for name, other in others.items()}


def strips(path: Curve, model: Model, choices: Choices, file: Path, others: Mapping[str, Curve] = _NO_OTHERS) -> None:
    """Draws straight line, slerp, the paths of other methods and the path, one under the other."""
    lines = {name: replace(path, latents=latents) for name, latents in path.baselines(_BASELINES).items()}
    strip(
        path,
        file,
        frames=choices.shown,
        spacing=choices.spacing,  # type: ignore[arg-type]
        side_by_side=_named({**lines, **others}),
        value_range=model.value_range,
    )


def films(
    path: Curve,
    model: Model,
    choices: Choices,
    file: Path,
    stop: Callable[[], bool] = lambda: False,
    others: Mapping[str, Curve] = _NO_OTHERS,
) -> None:
    """Writes the path, right of the paths of other methods, as a film, until ``stop`` returns True."""
    film(
        path,
        file,
        seconds=choices.seconds,
        fps=choices.fps,
        spacing=choices.spacing,  # type: ignore[arg-type]
        side_by_side=_named(others),
        loop=None if choices.loop == "once" else choices.loop,  # type: ignore[arg-type]
        value_range=model.value_range,
        callback=lambda *_: stop(),
    )


def profile(path: Curve, file: Path) -> None:
    """Draws realism and steps along all three curves, at evenly spaced latents."""
    assert path.source is not None
    curves = _curves(path)
    ri = {name: path.source.ri(latents) for name, latents in curves.items()}
    steps = {name: path.source.step_lengths(latents, "data") for name, latents in curves.items()}
    plots.save(plots.profiles(ri, steps), file)


def _curves(path: Curve) -> dict[str, Tensor]:
    """Returns latents by caption, the path last, which is drawn on top."""
    return {LABELS[name]: latents for name, latents in {**path.baselines(_BASELINES), "path": path.latents}.items()}


def map_of(path: Curve, model: Model, file: Path) -> Map:
    """Draws all curves over the prior's density in the first two coordinates."""
    return _drawn(model, _curves(path), file)


def unsolved_map(keyframes: list[Keyframe], model: Model, file: Path) -> Map:
    """Draws the baselines through keyframes without a path."""
    latents = [keyframe.latent for keyframe in keyframes]
    lines = {
        LABELS[name]: torch.cat([curve(a, b, 25) for a, b in pairwise(latents)])
        for name, curve in (("lerp", lerp), ("slerp", slerp))
    }
    return _drawn(model, lines, file)


def _drawn(model: Model, curves: dict[str, Tensor], file: Path) -> Map:
    assert model.prior is not None
    samples = draw(model.prior, _MAP_SAMPLES, torch.Generator().manual_seed(0))
    figure = plots.prior_map(samples, curves)
    plots.save(figure, file)
    return _pixel_map(figure)


def _pixel_map(figure: Figure) -> Map:
    """Returns the map from pixels to latents of a figure."""
    axes = figure.axes[0]
    height = figure.get_figheight() * figure.dpi
    back = axes.transData.inverted()
    (x0, y0), (x1, y1) = back.transform([(0.0, height), (1.0, height - 1.0)])
    low, high = axes.get_xlim()
    bottom, top = axes.get_ylim()
    across, along = (float(low), float(high)), (float(bottom), float(top))
    return Map(float(x0), float(x1 - x0), float(y0), float(y1 - y0), across, along)


def plane(path: Curve, file: Path) -> None:
    """Draws straight line and path in the plane of equation 4."""
    curves = {name: latents for name, latents in _curves(path).items() if name != LABELS["slerp"]}
    plots.save(plots.plane(curves), file)


def numbers(found: Solved, choices: Choices, method: str = "") -> str:
    """Returns the table of all curves and the verdict in words, after the method's, as HTML."""
    path = found.path
    report = path.report(_BASELINES, others=found.others)
    head = ("", "cost", "mean ri", "lowest ri", "length", "directness", "evaluations")
    rows = []
    for row in report.rows:
        means = row.means()
        cells = (
            html.escape(LABELS.get(row.name, row.name)),
            f"{means['cost']:.2f}",
            f"{means['mean ri']:.3f}",
            f"{means['lowest ri']:.2g}",
            f"{means['length']:.1f}",
            f"{means['directness']:.2f}",
            f"{means['evaluations']:.0f}",
        )
        rows.append(
            "<tr><th scope='row'>" + cells[0] + "</th>" + "".join(f"<td>{cell}</td>" for cell in cells[1:]) + "</tr>"
        )
    words = f"{method} {report.verdict(choices.tol, found.stopped)} It took {found.seconds:.1f} s.".strip()
    smoothed = path.settings.get("smoothed")
    if smoothed:
        before, after = max(smoothed["before"][0], default=0.0), max(smoothed["after"][0], default=0.0)
        words += (
            f" Rounding the joints took the largest jump of the velocity from {before:.2f} to {after:.2f}, "
            f"for {smoothed['rise'][0]:.1%} more cost."
        )
        if after > smoothed["bound"]:
            words += f" More would have cost too much, so the bound of {smoothed['bound']:g} is not kept everywhere."
    titles = "".join(f"<th scope='col'>{name}</th>" for name in head)
    return (
        f"<p class='lp-words'>{html.escape(words)}</p><div class='lp-wide'><table class='lp-numbers'><thead>"
        f"<tr>{titles}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def glimpse(now: Glimpse, model: Model) -> str:
    """Returns the energy and frames of a running solve as self-contained HTML."""
    if now.latents is None or not now.energies:
        return f"<p class='lp-words' role='status'>Starting ({now.seconds:.0f} s)</p>"
    words = (
        f"{'Stopping: ' if now.stopping else ''}{now.running} of {counted(now.legs, 'leg')} running, energy "
        f"{now.energies[0]:.4g} → {now.energies[-1]:.4g} ({now.seconds:.0f} s)"
    )
    points = now.latents.flatten(0, 1) if now.latents.ndim == 3 else now.latents
    chosen = points[torch.linspace(0, len(points) - 1, _LIVE).round().long()]
    with torch.no_grad():
        frames = model.generator(chosen)
    images = [picture(frame, model.value_range, 56) for frame in frames]
    row = "".join(f"<img alt='' src='{_data_uri(image)}'>" for image in images)
    return (
        f"<p class='lp-words' role='status'>{words}</p><div class='lp-live'>{_sparkline(now.energies)}"
        f"<div class='lp-frames'>{row}</div></div>"
    )


def _data_uri(image: Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _sparkline(energies: tuple[float, ...]) -> str:
    """Returns the energy on a logarithmic scale as SVG."""
    logs = [math.log(max(e, 1e-12)) if math.isfinite(e) else 0.0 for e in energies]
    low, high = min(logs), max(logs)
    span = high - low or 1.0
    across = max(1, len(logs) - 1)
    points = " ".join(f"{4 + 152 * i / across:.1f},{4 + 48 * (high - v) / span:.1f}" for i, v in enumerate(logs))
    return (
        "<svg viewBox='0 0 160 56' width='160' height='56' role='img' aria-label='energy, falling'>"
        f"<polyline points='{points}' fill='none' stroke='currentColor' stroke-width='2'/></svg>"
    )


def code(model: str, keyframes: list[Keyframe], choices: Choices, method: str, paper: str = "") -> str:
    """Returns the Python code for the path of a model through keyframes.

    ``method`` and ``paper`` are those of `methods.in_code` and `methods.paper_in_code`.
    """
    has_legs = choices.has_legs(len(keyframes))
    options = "".join(f", {name}={value!r}" for name, value in choices.options(len(keyframes)).items())
    lines = ["import torch", "", "import latentpath as lp", "", f"model = lp.load({model!r})"]
    seeds = {keyframe.seed for keyframe in keyframes}
    if None not in seeds and len(seeds) == 1:
        lines[2:3] = ["import latentpath as lp", "from latentpath.models.sampling import draw"]
        lines += [
            f"samples = draw(model.prior, {SAMPLES}, torch.Generator().manual_seed({seeds.pop()}))",
            f"keyframes = samples[{[keyframe.sample for keyframe in keyframes]}]",
        ]
    else:
        which = "0, :-1" if choices.closed else "0"  # a closed path ends with its first keyframe
        lines += [f'keyframes = lp.Path.load("path.safetensors").keyframes[{which}]  # the downloaded file']
    call = "interpolate_through(model.generator, model.prior, keyframes"
    if not has_legs:
        call = "interpolate(model.generator, model.prior, keyframes[0], keyframes[1]"
    solved = {"path": method} | ({"paper": paper} if paper else {})
    lines += [f"{name} = lp.{call}, {arguments}{options})" for name, arguments in solved.items()]
    loop = "None" if choices.loop == "once" else repr(choices.loop)
    film = f"seconds={choices.seconds:g}, fps={choices.fps}, spacing={choices.spacing!r}, loop={loop}"
    if paper:
        film += f", side_by_side={{{LABELS['paper']!r}: paper}}"
    shown = "others={'paper': paper}" if paper else ""
    lines += [f"print(path.report({shown}))", f'lp.film(path, "morph.mp4", {film}, value_range=model.value_range)']
    return "\n".join(lines)
