"""The catalogue of the paper's figures, and the files of each: PNG, SVG, and everything that is drawn as JSON.

`FIGURES` has the content of each figure, `draw` writes one. The pairs are always the first ones. Straight lines are
green, as in the paper, and paths orange.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..._io import write_json
from ...errors import InputError
from ...viz.plots.style import house_style, save
from ..config import DIGITS, FACES, WAE
from ..results import ModelResult
from . import layouts
from .canvas import STYLE
from .selection import EVERY, Selection

_UNITS = {
    "latents": "latents of the frames shown, in the order of points_shown",
    "plane": "least-squares coordinates of every point in the basis (start, end), equation 4",
    "first_two": "first two latent coordinates of every point",
    "prior_samples": "first two latent coordinates of draws of the prior",
    "steps": "L2 distance of the images at consecutive points, pixel values as the generator makes them",
    "ri": "realism index at every point, in [0, 1], without alpha",
    "cost": "audited: minus the logarithm of the curve's realism index",
    "length": "audited length of the decoded curve, in the unit of steps",
}


@dataclass(frozen=True)
class FigureSpec:
    """The content of a figure."""

    title: str
    text: str  # describes the figure; `caption` adds what depends on the pairs
    models: tuple[str, ...]  # the shipped models, from left to right
    shows: tuple[str, ...]  # the drawn quantities: "frames", "plane", "first two", "prior", "steps", "ri"
    layout: layouts.Layout  # lays out the figure
    pairs: int = 3  # the most pairs of each model
    last: bool = False  # show only the last of the pairs


_FACES, _NORMAL_FACES = FACES[:2]
_STEPS = (
    "Left: L2 distance of the images at consecutive points, of the straight line above and of the path below, on one "
    "scale. Right: the realism index at every point of both. Cost and length are audited."
)

FIGURES: Mapping[int, FigureSpec] = {  # by their number in the paper
    1: FigureSpec(
        "Lines and paths over the semicircle prior",
        "First two coordinates of samples of the semicircle prior, of straight lines (green) and of paths (orange) "
        "between latents of a DCGAN trained on CelebA: the pairs of Figure 2. Discs are starts, squares are ends.",
        (_FACES,),
        ("first two", "prior"),
        layouts.prior,
    ),
    2: FigureSpec(
        "Faces, semicircle prior",
        "What a DCGAN trained on CelebA with the semicircle prior makes of the straight line (top of each pair) and of "
        "the path (bottom). Cost and length are audited.",
        (_FACES,),
        ("frames",),
        layouts.strips,
    ),
    3: FigureSpec(
        "Faces, normal prior",
        "A DCGAN trained on CelebA with the normal prior. (a) What it makes of the straight line (top of each pair) "
        "and of the path (bottom). (b) Straight line (green) and path (orange) of the same pairs, projected onto the "
        "plane of their endpoints (equation 4). Cost and length are audited.",
        (_NORMAL_FACES,),
        ("frames", "plane"),
        layouts.strips_above_plane,
    ),
    4: FigureSpec(
        "Digits",
        "What DCGANs trained on MNIST make of the straight line (top of each pair) and of the path (bottom): with the "
        "semicircle prior on the left, with the normal prior on the right. Cost and length are audited.",
        DIGITS,
        ("frames",),
        layouts.columns,
    ),
    5: FigureSpec(
        "Steps and index, semicircle prior",
        f"The pairs of Figure 2. {_STEPS}",
        (_FACES,),
        ("steps", "ri"),
        layouts.profiles,
    ),
    6: FigureSpec(
        "Projections, semicircle prior",
        "The pairs of Figure 5, straight line (green) and path (orange). (a) Projected onto the plane of their "
        "endpoints (equation 4). (b) Their first two latent coordinates, over samples of the prior.",
        (_FACES,),
        ("plane", "first two", "prior"),
        layouts.plane_and_prior,
    ),
    7: FigureSpec(
        "Faces, auto-encoder",
        "Left: what the decoder of a Wasserstein auto-encoder trained on CelebA makes of the straight line (top) and "
        "of the path (bottom). Right: both, projected onto the plane of their endpoints (equation 4). Cost and "
        "length are audited.",
        (WAE,),
        ("frames", "plane"),
        layouts.strip_beside_plane,
        pairs=1,
    ),
    8: FigureSpec(
        "Steps and index, normal prior",
        f"The last pair of Figure 3. {_STEPS}",
        (_NORMAL_FACES,),
        ("steps", "ri"),
        layouts.profiles,
        last=True,
    ),
    9: FigureSpec(
        "Steps and index, auto-encoder",
        f"The pair of Figure 7. {_STEPS}",
        (WAE,),
        ("steps", "ri"),
        layouts.profiles,
        pairs=1,
    ),
}


def draw(number: int, results: Mapping[str, ModelResult], folder: str | os.PathLike[str]) -> list[Path]:
    """Writes ``figure-N.png``, ``figure-N.svg`` and ``figure-N.json``, each whole or not at all.

    The same pairs give the same files, byte for byte. The JSON holds what is drawn (coordinates, index, steps, the
    latents of the frames), cost and length of each curve, the points and pairs shown, and the caption.
    """
    spec, chosen = _chosen(number, results)
    target = Path(folder)
    files = [target / f"figure-{number}{suffix}" for suffix in (".png", ".svg", ".json")]
    with house_style(STYLE):
        figure = spec.layout(f"Figure {number}. {spec.title}", chosen)
        target.mkdir(parents=True, exist_ok=True)
        for file in files[:-1]:
            save(figure, file)
    records = [selection.record(spec.shows) for selection in chosen]
    content = {
        "figure": number,
        "title": spec.title,
        "caption": caption(number, results),
        "about": {name: what for name, what in _UNITS.items() if _has(records[0], name)},
        "models": records,
    }
    write_json(files[-1], content, indent=None)
    return files


def caption(number: int, results: Mapping[str, ModelResult]) -> str:
    """Describes a figure in a few sentences: its frames, its pairs, its alpha."""
    spec, chosen = _chosen(number, results)
    words = [spec.text]
    if "frames" in spec.shows:
        words += dict.fromkeys(_frame_sentence(selection.segments) for selection in chosen)
    words += dict.fromkeys(_pair_sentence(selection, spec) for selection in chosen)
    sources = dict.fromkeys(one.result.endpoint_source for one in chosen)
    words += [f"The endpoints are {source}." for source in sources if source]
    alphas = sorted({selection.result.alpha for selection in chosen})
    return " ".join([*words, f"alpha = {' and '.join(f'{alpha:g}' for alpha in alphas)}."])


def _chosen(number: int, results: Mapping[str, ModelResult]) -> tuple[FigureSpec, list[Selection]]:
    if number not in FIGURES:
        raise InputError(f"the paper has no Figure {number}: choose from {', '.join(map(str, FIGURES))}")
    spec = FIGURES[number]
    lacking = [name for name in spec.models if name not in results]
    if lacking:
        given = ", ".join(sorted(results)) or "none"
        raise InputError(f"Figure {number} needs solved pairs of {' and '.join(lacking)}, given were those of: {given}")
    return spec, [Selection.first(results[name], spec.pairs, spec.last) for name in spec.models]


def _frame_sentence(segments: int) -> str:
    midpoints, missed = segments - 1, (segments // EVERY) * EVERY
    words = f"Every fifth of the {midpoints} midpoints is shown, and both ends"
    close = missed if EVERY <= missed < segments else None
    return f"{words}; midpoint {close}, close to the end, is left out." if close else f"{words}."


def _pair_sentence(selection: Selection, spec: FigureSpec) -> str:
    first, last = selection.pairs[0] + 1, selection.pairs[-1] + 1
    if spec.last:
        return f"It is pair {last} of those drawn."
    if first == last:
        return "It is the first pair drawn, not chosen."
    return f"Pairs {first} to {last}: the first ones drawn, not chosen."


def _has(record: Mapping[str, object], name: str) -> bool:
    pairs = record["pairs"]
    assert isinstance(pairs, list)
    return name in record or name in pairs[0]
