"""Contact sheets of the pairs whose recommended path a judge finds worst, beside line, slerp and the paper's path.

They show what kind of failure is left. The judge is the first of `JUDGES` that was measured and had no part in the
model. Every pair has a strip of each method, of frames evenly spaced in the data, and the judge's number beside it: the
mean over the inner frames that were judged, which are more than those shown.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ..._io import write_json
from ...models import Model
from ...value_range import Bytes, pixels
from ...viz.plots.style import FAINT, house_style, save
from ..config import MODEL_TITLES
from ..results import METHODS, RECOMMENDED
from .canvas import GAP, SMALL, STYLE, Canvas, method_colour

JUDGES = ("confidence", "nearest_imagenet", "nearest_features", "nearest_pixels")
FRAMES = 9

_WIDTH, _COLUMNS, _TOP = 7.0, 2, 0.56
_LABEL, _NOTE, _BETWEEN = 0.86, 0.32, 0.1  # inches beside a strip, and between the columns
_STRIP = (_WIDTH - 0.06 - _BETWEEN) / _COLUMNS - _LABEL - _NOTE
_ROW_GAP, _PAIR_GAP = 0.02, 0.14


@dataclass(frozen=True)
class WorstPairs:
    """The worst pairs of one model by one judge, the worst first."""

    model: str  # its name
    judge: Mapping[str, Any]  # its row of the record, with numbers by pair
    pairs: tuple[int, ...]  # their numbers, from 0
    of: int  # the number of all pairs
    frames: Mapping[str, Bytes]  # by method, ``(P, 9, H, W, C)``

    def value(self, method: str, pair: int) -> float:
        """The judge's number of a pair."""
        return float(self.judge["values"][method][pair])


def worst_pairs(
    model: Model,
    record: Mapping[str, Any],  # of the judges, with numbers by pair
    count: int,  # the most pairs
    even: Callable[[str, list[int]], Tensor],  # method and pairs to latents ``(P, 9, D)``
) -> WorstPairs | None:
    """Returns the pairs whose recommended path the judge finds worst; None where no such judge was measured."""
    rows = {row["name"]: row for row in record["rows"] if row["independent"]}
    judge = next((rows[name] for name in JUDGES if name in rows), None)
    if judge is None or RECOMMENDED not in record["kinds"] or count < 1:
        return None
    values = torch.tensor(judge["values"][RECOMMENDED], dtype=torch.float64)
    badness = (-values if judge["higher_is_better"] else values).nan_to_num(nan=torch.inf)  # a broken frame is worst
    pairs = badness.argsort(descending=True, stable=True)[:count].tolist()
    shown = {method: _decoded(model, even(method, pairs)) for method in METHODS}
    return WorstPairs(model.name, judge, tuple(pairs), len(values), shown)


@torch.no_grad()
def _decoded(model: Model, latents: Tensor) -> Bytes:
    data = torch.cat([model.generator(each) for each in latents]).unflatten(0, latents.shape[:2])
    return pixels(data, model.value_range)


def draw_worst(worst: WorstPairs, folder: str | os.PathLike[str]) -> list[Path]:
    """Writes ``worst-MODEL.png``, and its pairs and numbers as JSON, each whole or not at all."""
    target = Path(folder)
    files = [target / f"worst-{worst.model}{suffix}" for suffix in (".png", ".json")]
    with house_style(STYLE):
        figure = worst_figure(worst)
        target.mkdir(parents=True, exist_ok=True)
        save(figure, files[0])
    content = {
        "model": worst.model,
        "caption": worst_caption(worst),
        "judge": {key: worst.judge[key] for key in ("name", "title", "unit", "higher_is_better")},
        "pairs": [
            {"pair": pair + 1, **{method: worst.value(method, pair) for method in METHODS}} for pair in worst.pairs
        ],
    }
    write_json(files[-1], content, indent=None)
    return files


def worst_caption(worst: WorstPairs) -> str:
    """Describes the contact sheet in a few sentences."""
    extreme = "lowest" if worst.judge["higher_is_better"] else "largest"
    better = sum(_is_better(worst, pair) for pair in worst.pairs)
    return (
        f"The {len(worst.pairs)} of {worst.of} pairs with the {extreme} number of the recommended path by one judge: "
        f"{worst.judge['title']} ({worst.judge['unit']}), the mean over inner frames, beside every strip. For {better} "
        "of them it finds the recommended path better than the straight line all the same."
    )


def _is_better(worst: WorstPairs, pair: int) -> bool:
    mine, line = worst.value(RECOMMENDED, pair), worst.value("straight line", pair)
    return mine > line if worst.judge["higher_is_better"] else mine < line


def worst_figure(worst: WorstPairs) -> Figure:
    """Lays out the strips in two columns, the worst pair at the top left; call it within the house style."""
    _, count, height, wide, _ = worst.frames[RECOMMENDED].shape
    across = count * (wide + GAP) - GAP
    zoom = max(1, round(540 / across))
    dpi = across * zoom / _STRIP
    row = height * zoom / dpi
    block = len(METHODS) * row + (len(METHODS) - 1) * _ROW_GAP
    down = -(-len(worst.pairs) // _COLUMNS)
    title = f"The worst pairs: {MODEL_TITLES.get(worst.model, worst.model)}"
    canvas = Canvas(_WIDTH, _TOP + down * (block + _PAIR_GAP), dpi, title)
    extreme = "lowest" if worst.judge["higher_is_better"] else "largest"
    about = f"by {worst.judge['title']} of the recommended path, the {extreme} of {worst.of} pairs"
    canvas.text(0.08, 0.38, about, fontsize=SMALL, color=FAINT)
    for k, pair in enumerate(worst.pairs):
        left = 0.04 + k // down * (_LABEL + _STRIP + _NOTE + _BETWEEN)
        top = _TOP + k % down * (block + _PAIR_GAP)
        canvas.text(left + 0.06, top + block / 2, f"pair {pair + 1}", fontsize=6, color=FAINT, rotation=90, ha="center")
        for method, name in METHODS.items():
            middle = top + row / 2
            bold = {"fontweight": "bold"} if method == RECOMMENDED else {}
            canvas.text(left + _LABEL - 0.05, middle, name, ha="right", fontsize=6, color=method_colour(method), **bold)
            canvas.strip(worst.frames[method][k], left + _LABEL, top, zoom)
            canvas.text(left + _LABEL + _STRIP + 0.04, middle, f"{worst.value(method, pair):.3g}", fontsize=6, **bold)
            top += row + _ROW_GAP
    return canvas.figure
