"""The pictures and the film of a comparison: profiles, strips, the plane of the endpoints, and the prior's map."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path as FilePath

import torch
from torch import Tensor

from ..decoding import chords, decode
from ..models import Model
from ..models.sampling import draw
from ..path import Path
from ..report import LABELS, Report, Row
from ..source import Source
from ..viz import film, plots

_SHOWN, _FILM_FRAMES, _FILM_SECONDS, _PRIOR_SAMPLES = 3, 51, 8.0, 200_000


@torch.no_grad()
def drawings(
    curves: Mapping[str, Tensor], path: Path, model: Model, report: Report, others: Mapping[str, Path]
) -> dict[str, Callable[[FilePath], object]]:
    """Functions that draw the pictures and the film, by the name of the file. The pairs shown are the first ones.

    Frames are shown where they are pictures, and latents where they have two coordinates. ``others`` are the paths of
    other methods among the curves.
    """
    source, shown = path.source, min(_SHOWN, len(path))
    assert source is not None
    which = f"the first {shown} pairs" if shown > 1 else "the first pair"
    named = {LABELS[name]: latents for name, latents in curves.items()}
    few = {name: latents[:shown] for name, latents in named.items()}
    unbent = {name: latents for name, latents in few.items() if name != LABELS["slerp"]}
    made: dict[str, Callable[[FilePath], object]] = {"profiles.png": lambda file: _draw_profiles(named, source, file)}
    frames = source.frames(path.latents[:1, :1])
    if frames.ndim == 5 and frames.shape[2] in (1, 3):  # grey or RGB pictures
        made["strips.png"] = lambda file: _draw_strips(few, source, model, report, which.capitalize(), file)
        made["morph.gif"] = lambda file: _film(
            path[:shown], {name: other[:shown] for name, other in others.items()}, source, model, file
        )
    if path.latents.shape[-1] > 1:
        title = f"{which.capitalize()} in the plane of their endpoints"
        made["plane.png"] = lambda file: plots.save(plots.plane(unbent, title=title), file)
        made["map.png"] = lambda file: _draw_map(named, model, shown, file)
    return made


@torch.no_grad()
def _draw_profiles(named: Mapping[str, Tensor], source: Source, file: FilePath) -> None:
    ri = {name: source.ri(latents) for name, latents in named.items()}
    steps = {
        name: chords(decode(latents, source.generator, None, source.max_points)) for name, latents in named.items()
    }
    plots.save(plots.profiles(ri, steps, title="Along the curves"), file)


@torch.no_grad()
def _draw_strips(
    few: Mapping[str, Tensor], source: Source, model: Model, report: Report, which: str, file: FilePath
) -> None:
    segments = next(iter(few.values())).shape[1] - 1
    every = max(1, segments // 10)
    rank = "point" if every == 1 else f"{every}{ {2: 'nd', 3: 'rd'}.get(every, 'th') } point"
    plots.save(
        plots.strips(
            {name: source.frames(latents) for name, latents in few.items()},
            every=every,
            value_range=model.value_range,
            notes={LABELS[row.name]: _notes(row) for row in report.rows},
            title=f"{which}, every {rank} of each curve",
        ),
        file,
    )


def _film(few: Path, others: Mapping[str, Path], source: Source, model: Model, file: FilePath) -> None:
    path = replace(few, source=source)
    fps = (2 * _FILM_FRAMES - 2) / _FILM_SECONDS
    line = {LABELS["lerp"]: replace(path, latents=path.baselines("lerp")["lerp"])}
    beside = {**line, **{LABELS[name]: other for name, other in others.items()}}
    film(path, file, seconds=_FILM_SECONDS, fps=fps, side_by_side=beside, value_range=model.value_range)


def _draw_map(named: Mapping[str, Tensor], model: Model, shown: int, file: FilePath) -> None:
    assert model.prior is not None
    samples = draw(model.prior, _PRIOR_SAMPLES, torch.Generator().manual_seed(0))
    plots.save(plots.prior_map(samples, named, strong=shown, title="Over the prior"), file)


def _notes(row: Row) -> list[str]:
    """Returns the small print beside the strip of each pair."""
    return [
        f"cost {cost:.{int(cost < 1000)}f}\ndirectness {ratio:.2f}"
        for cost, ratio in zip(row.cost, row.directness, strict=True)
    ]
