"""Every figure of the paper, from solved pairs of the shipped models: PNG, SVG, and all that is drawn as JSON.

`FIGURES` says what each figure shows and needs, `draw` writes one. The pairs shown are the first ones that were solved,
never chosen for what came of them. Straight lines are green, as in the paper, and paths orange.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .._io import write_json
from ..errors import InputError
from ..plots import house_style, save
from . import layouts
from .selection import EVERY, Selection
from .sheet import STYLE
from .solved import Solved

__all__ = ["FIGURES", "FigureSpec", "caption", "draw"]

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
    """What a figure of the paper shows, and what it needs.

    Attributes:
        title: its first line.
        text: what it shows, in words; `caption` adds what depends on the pairs.
        models: the shipped models, from left to right.
        pairs: how many pairs of each it shows, if so many are solved.
        shows: what is drawn: "frames", "plane", "first two", "prior", "steps", "ri".
        layout: title and selections to a figure.
        last: only the last of the pairs is shown.
    """

    title: str
    text: str
    models: tuple[str, ...]
    pairs: int
    shows: tuple[str, ...]
    layout: layouts.Layout
    last: bool = False


_FACES, _NORMAL_FACES, _WAE = "celeba-dcgan-semicircle", "celeba-dcgan-normal", "celeba-wae"
_STEPS = (
    "Left: L2 distance of the images at consecutive points, of the straight line above and of the path below, on one "
    "scale. Right: the realism index at every point of both. Cost and length are audited."
)

FIGURES: Mapping[int, FigureSpec] = {
    1: FigureSpec(
        "Lines and paths over the semicircle prior",
        "First two coordinates of samples of the semicircle prior, of straight lines (green) and of paths (orange) "
        "between "
        "latents of a DCGAN trained on CelebA: the pairs of Figure 2. Discs are starts, squares are ends.",
        (_FACES,),
        3,
        ("first two", "prior"),
        layouts.prior,
    ),
    2: FigureSpec(
        "Faces, semicircle prior",
        "What a DCGAN trained on CelebA with the semicircle prior makes of the straight line (top of each pair) and of "
        "the path (bottom). Cost and length are audited.",
        (_FACES,),
        3,
        ("frames",),
        layouts.strips,
    ),
    3: FigureSpec(
        "Faces, normal prior",
        "A DCGAN trained on CelebA with the normal prior. (a) What it makes of the straight line (top of each pair) "
        "and of the path (bottom). (b) Straight line (green) and path (orange) of the same pairs, projected onto the "
        "plane of their endpoints (equation 4). Cost and length are audited.",
        (_NORMAL_FACES,),
        3,
        ("frames", "plane"),
        layouts.strips_above_plane,
    ),
    4: FigureSpec(
        "Digits",
        "What DCGANs trained on MNIST make of the straight line (top of each pair) and of the path (bottom): with the "
        "semicircle prior on the left, with the normal prior on the right. Cost and length are audited.",
        ("mnist-dcgan-semicircle", "mnist-dcgan-normal"),
        3,
        ("frames",),
        layouts.columns,
    ),
    5: FigureSpec(
        "Steps and index, semicircle prior",
        f"The pairs of Figure 2. {_STEPS}",
        (_FACES,),
        3,
        ("steps", "ri"),
        layouts.profiles,
    ),
    6: FigureSpec(
        "Projections, semicircle prior",
        "The pairs of Figure 5, straight line (green) and path (orange). (a) Projected onto the plane of their "
        "endpoints (equation 4). (b) Their first two latent coordinates, over samples of the prior.",
        (_FACES,),
        3,
        ("plane", "first two", "prior"),
        layouts.plane_and_prior,
    ),
    7: FigureSpec(
        "Faces, auto-encoder",
        "Left: what the decoder of a Wasserstein auto-encoder trained on CelebA makes of the straight line (top) and "
        "of the path (bottom). Right: both, projected onto the plane of their endpoints (equation 4). Cost and "
        "length are audited.",
        (_WAE,),
        1,
        ("frames", "plane"),
        layouts.strip_beside_plane,
    ),
    8: FigureSpec(
        "Steps and index, normal prior",
        f"The last pair of Figure 3. {_STEPS}",
        (_NORMAL_FACES,),
        3,
        ("steps", "ri"),
        layouts.profiles,
        last=True,
    ),
    9: FigureSpec(
        "Steps and index, auto-encoder",
        f"The pair of Figure 7. {_STEPS}",
        (_WAE,),
        1,
        ("steps", "ri"),
        layouts.profiles,
    ),
}
"""The paper's figures by their number."""


def draw(number: int, solved: Mapping[str, Solved], folder: str | os.PathLike[str]) -> list[Path]:
    """Write ``figure-N.png``, ``figure-N.svg`` and ``figure-N.json``, each whole or not at all.

    The same pairs give the same files, byte for byte. The JSON holds what is drawn (coordinates, index, steps, the
    latents of the frames), cost and length of each curve, the points and pairs shown, and the caption.

    Args:
        number: of the figure in the paper.
        solved: by the name of the model; those in ``FIGURES[number].models`` are needed.
        folder: where to; made if it is not there.

    Returns:
        The three files.

    Raises:
        InputError: no such figure, a model that is missing, no solved pair, or a generator that makes no pictures.
    """
    spec, chosen = _chosen(number, solved)
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
        "caption": caption(number, solved),
        "about": {name: what for name, what in _UNITS.items() if _has(records[0], name)},
        "models": records,
    }
    write_json(files[-1], content, indent=None)
    return files


def caption(number: int, solved: Mapping[str, Solved]) -> str:
    """What a figure shows, in a few sentences: which frames, which pairs, which alpha.

    Raises:
        InputError: no such figure, a model that is missing, or no solved pair.
    """
    spec, chosen = _chosen(number, solved)
    words = [spec.text]
    if "frames" in spec.shows:
        words += dict.fromkeys(_shown(selection.segments) for selection in chosen)
    words += dict.fromkeys(_which(selection, spec) for selection in chosen)
    words += dict.fromkeys(f"The endpoints are {one.solved.ends}." for one in chosen if one.solved.ends)
    alphas = sorted({selection.solved.alpha for selection in chosen})
    return " ".join([*words, f"alpha = {' and '.join(f'{alpha:g}' for alpha in alphas)}."])


def _chosen(number: int, solved: Mapping[str, Solved]) -> tuple[FigureSpec, list[Selection]]:
    """What a figure shows of what was solved."""
    if number not in FIGURES:
        raise InputError(f"the paper has no Figure {number}: choose from {', '.join(map(str, FIGURES))}")
    spec = FIGURES[number]
    lacking = [name for name in spec.models if name not in solved]
    if lacking:
        given = ", ".join(sorted(solved)) or "none"
        raise InputError(f"Figure {number} needs solved pairs of {' and '.join(lacking)}, given were those of: {given}")
    return spec, [Selection.of(solved[name], spec.pairs, spec.last) for name in spec.models]


def _shown(segments: int) -> str:
    """Which frames a strip shows."""
    midpoints, missed = segments - 1, (segments // EVERY) * EVERY
    words = f"Every fifth of the {midpoints} midpoints is shown, and both ends"
    close = missed if EVERY <= missed < segments else None
    return f"{words}; midpoint {close}, close to the end, is left out." if close else f"{words}."


def _which(selection: Selection, spec: FigureSpec) -> str:
    """Which pairs are shown, and that they were not chosen."""
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
