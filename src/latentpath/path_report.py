"""The comparison of a path with baselines and with paths of other methods between the same endpoints.

`report_on` measures a `latentpath.Path` and its rivals by one `latentpath.Source`; `compare` does so for any polylines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ._validate import describe
from .audit import Audit
from .curves import lerp
from .decoding import space_of_data
from .errors import InputError
from .report import BASELINES, OWN, Judge, Report, Row
from .source import Source

if TYPE_CHECKING:
    from .path import Path

__all__ = ["baseline_polylines", "baselines_through", "compare", "report_on"]


def report_on(path: Path, baselines: Iterable[str], judges: Mapping[str, Judge], others: Mapping[str, Path]) -> Report:
    """Compares a path that has a source, see `latentpath.Path.report`.

    Raises:
        InputError: as for `latentpath.Path.report`.
    """
    assert path.source is not None
    if len(path) == 0:
        raise InputError("a report needs at least one path; got an empty batch. Select other paths.")
    polylines = path.baselines(baselines)
    for name, other in others.items():
        _check_other(name, other, path, {*BASELINES, "path"})
        polylines[name] = other.latents
    audits = {"path": replace(path.audit, gap=path.gap, tunnels=path.tunnels)}
    rows = compare(
        {**polylines, "path": path.latents},
        path.source,
        audits=audits,
        evaluations={name: other.evaluations for name, other in others.items()} | {"path": path.evaluations},
        judges=judges,
        straight=path.baselines("lerp")["lerp"],
    )
    searched = "" if path.multistart is None else str(path.multistart)
    return Report(rows, dict(Counter(map(str, path.outcome))), searched)


def _check_other(name: str, other: Path, path: Path, taken: set[str]) -> None:
    if name in taken:
        raise InputError(f"others must have names of their own; got {name!r}, which is a row already.")
    if other.keyframes.shape != path.keyframes.shape or not torch.equal(other.keyframes, path.keyframes):
        raise InputError(f"the path {name!r} must lead between the same endpoints; got others. Solve the same pairs.")


def compare(
    paths: Mapping[str, Tensor],
    source: Source,
    *,
    audits: Mapping[str, Audit] | None = None,
    evaluations: Mapping[str, Tensor] | None = None,
    judges: Mapping[str, Judge] | None = None,
    straight: Tensor | None = None,
) -> tuple[Row, ...]:
    """Measures polylines ``(B, K+1, D)``, given by name, by one source.

    Args:
        paths: the polylines.
        source: generator, index and embedding.
        audits: known audits, by name; the others are measured.
        evaluations: path evaluations ``(B,)`` spent, by name; 0 where not given.
        judges: independent judges of the decoded points, by name.
        straight: the polylines whose length is a directness of 1; None for the straight lines between the ends.

    Raises:
        InputError: a judge that has the name of a column, or does not give one number for each frame.
    """
    for title in judges or ():
        if not isinstance(title, str) or not title or title in OWN:
            raise InputError(
                f"judges must have names of their own, as text; got {describe(title)}, and a report has "
                f"{', '.join(sorted(OWN))} already. Choose another name."
            )
    if straight is None and paths:
        first = next(iter(paths.values()))
        straight = lerp(first[:, 0], first[:, -1], first.shape[1] - 1)
    direct = None if straight is None else source.data_length(straight)
    rows = []
    for name, latents in paths.items():
        facts = (audits or {}).get(name) or source.audit(latents)
        ri = source.ri(latents)
        spent = (evaluations or {}).get(name, latents.new_zeros(len(latents)))
        in_data = space_of_data(source.embed) is source.embed
        length = facts.length if in_data else source.data_length(latents)
        ratio = torch.ones_like(length) if direct is None else torch.where(length == direct, 1, length / direct)
        rows.append(
            Row(
                name=name,
                cost=facts.cost.tolist(),
                length=length.tolist(),
                directness=ratio.tolist(),
                mean_ri=ri.mean(-1).tolist(),
                lowest_ri=ri.amin(-1).tolist(),
                gap=facts.gap.tolist(),
                tunnels=facts.tunnels.sum(-1).tolist(),
                evaluations=spent.tolist(),
                judged=_judged(latents, source, judges or {}),
            )
        )
    return tuple(rows)


def _judged(latents: Tensor, source: Source, judges: Mapping[str, Judge]) -> dict[str, list[float]]:
    """Returns the mean verdict of every judge on the points of each polyline.

    Raises:
        InputError: a judge does not give one number for each frame.
    """
    judged: dict[str, list[float]] = {}
    if not judges:
        return judged
    frames = source.frames(latents.flatten(0, 1))
    with torch.no_grad():
        for title, judge in judges.items():  # all get one tensor, so that they can share what they make of it
            verdict = judge(frames)
            if not isinstance(verdict, Tensor) or verdict.shape != frames.shape[:1]:
                raise InputError(
                    f"the judge {title!r} must return one number for each of {len(frames)} frames; got "
                    f"{describe(verdict)}."
                )
            judged[title] = verdict.reshape(len(latents), -1).mean(-1).tolist()
    return judged


def baseline_polylines(names: Iterable[str], start: Tensor, end: Tensor, segments: int) -> dict[str, Tensor]:
    """Computes the baselines ``names`` between ``start`` and ``end`` ``(..., D)``.

    Raises:
        InputError: a name that is not a baseline's.
    """
    unknown = [name for name in names if name not in BASELINES]
    if unknown:
        raise InputError(f"baselines must be among {sorted(BASELINES)}; got {unknown}.")
    return {name: BASELINES[name](start, end, segments) for name in names}


def baselines_through(
    names: Sequence[str], keyframes: Tensor, indices: Tensor | None, segments: int
) -> dict[str, Tensor]:
    """Computes the baselines ``names`` ``(B, K+1, D)`` through ``keyframes`` ``(B, N, D)`` at ``indices`` ``(B, N)``.

    Raises:
        InputError: a name that is not a baseline's.
    """
    if indices is None:
        return baseline_polylines(names, keyframes[:, 0], keyframes[:, 1], segments)
    found: dict[str, list[Tensor]] = {name: [] for name in names}
    for stops, places in zip(keyframes, indices.tolist(), strict=True):
        legs = [
            baseline_polylines(names, a, b, right - left)
            for (a, b), (left, right) in zip(pairwise(stops), pairwise(places), strict=True)
        ]
        for name, polylines in found.items():
            polylines.append(torch.cat([*(leg[name][:-1] for leg in legs), stops[-1:]]))
    return {name: torch.stack(polylines) for name, polylines in found.items()}
