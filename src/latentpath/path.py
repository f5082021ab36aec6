"""A batch of solved paths and the facts about them."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, SupportsIndex

import torch
from safetensors import SafetensorError
from torch import Tensor

from ._io import replacement
from ._validate import chosen_rows, describe, file_path, whole_number
from ._words import counted, plural
from .audit import Audit, is_tunnelling
from .callables import without_autocast
from .curves import spaced
from .decoding import chords
from .energy import energy
from .errors import DataError, InputError, MissingDataError
from .evaluate import Judge, Report, Source, Spacing, baseline_polylines, compare
from .index import as_log_index
from .segment_cost import discrete_segment_cost
from .solvers import Minima, Outcome
from .solvers.multistart import spread
from .verdict import TOL, gain_of_curve, outcome_of_points

__all__ = ["Path", "Spacing"]

_FORMAT = "latentpath-path-1"
_SAME = 1e-3  # relative: by how much an energy may differ from device to device, with one source


@dataclass(frozen=True, eq=False)
class Path:
    """``B`` solved paths: polylines of ``K`` segments, what each costs, and how its solve ended.

    Attributes:
        latents: ``(B, K+1, D)``; first and last points are bit-identical to the endpoints asked for.
        audit: the `Audit`, which compares with equation 3 at the path's own points.
        seen: the cost of each segment as the solver saw it, ``(B, K)``: as equation 3 does, or more finely where that
            hides something (`latentpath.solvers.Quadrature`). ``energy``, ``gap`` and ``tunnels`` are those of this.
        ri: the realism index at every point, ``(B, K+1)``, in [0, 1] (without alpha).
        outcome: an `Outcome` for every path.
        evaluations: path evaluations spent, ``(B,)``: one is a forward and a backward pass over all points of a path.
        gain: the relative gain in cost that one more step is predicted to bring, ``(B,)``; NaN where it is not known.
        settings: how the path was made.
        source: generator, index and embedding; None after `load`, until `bind`.
        found: the `Minima` that a search from several starts found; None for a single start.
        joints: which points are keyframes, ``(B, N)``, the ends among them; None where there are only the ends (see
            `latentpath.interpolate_through`).
    """

    latents: Tensor
    audit: Audit
    seen: Tensor
    ri: Tensor
    outcome: tuple[Outcome, ...]
    evaluations: Tensor
    gain: Tensor
    settings: dict[str, Any] = field(default_factory=dict)
    source: Source | None = field(default=None, repr=False)
    found: Minima | None = None
    joints: Tensor | None = None

    def __post_init__(self) -> None:
        """Calls no path converged that tunnels, wherever it comes from: a file, an older version, `replace`."""
        hidden = self.tunnels.any(-1).tolist()
        outcome = (
            Outcome.UNRESOLVED if found is Outcome.CONVERGED and tunnels else found
            for found, tunnels in zip(self.outcome, hidden, strict=True)
        )
        object.__setattr__(self, "outcome", tuple(outcome))

    @classmethod
    @without_autocast()
    def measured(
        cls,
        latents: Tensor,
        source: Source,
        audit: Audit | None = None,
        seen: Tensor | None = None,
        *,
        outcome: tuple[Outcome, ...],
        evaluations: Tensor,
        gain: Tensor,
        settings: dict[str, Any],
        minima: Minima | None = None,
        joints: Tensor | None = None,
    ) -> Path:
        """A path from its polylines ``(B, K+1, D)``: audited unless it has been, and ``ri`` measured.

        Unless it is said how they were ``seen`` ``(B, K)``, that is as equation 3 does.
        """
        facts = audit or source.audit(latents)
        with torch.no_grad():
            plain = discrete_segment_cost(as_log_index(source.index)(latents), facts.steps) if seen is None else seen
        return cls(
            latents,
            facts,
            plain,
            source.ri(latents),
            outcome,
            evaluations,
            gain,
            settings,
            source,
            minima,
            joints,
        )

    @property
    def energy(self) -> Tensor:
        r"""What the solver minimised, :math:`\tfrac12 K \sum_i c_i^2` with the costs ``seen``, ``(B,)``."""
        return 0.5 * self.segments * self.seen.square().sum(-1)

    @property
    def cost(self) -> Tensor:
        r"""Audited: :math:`-\log ri(\gamma)`, ``(B,)``."""
        return self.audit.cost

    @property
    def log_index(self) -> Tensor:
        r"""The logarithm of the realism index of the curve, :math:`\log ri(\gamma) = -cost`, ``(B,)``."""
        return -self.audit.cost

    @property
    def steps(self) -> Tensor:
        """The distance of consecutive decoded points, ``(B, K)``, in units of the measured space."""
        return self.audit.steps

    @property
    def length(self) -> Tensor:
        """Audited length of the decoded path, ``(B,)``, in units of the measured space (the data, unless ``embed``)."""
        return self.audit.length

    @property
    def gap(self) -> Tensor:
        r""":math:`cost / \sqrt{2E} - 1`, ``(B,)``; above 0 where the solver did not see what the audit finds.

        Below 0 where the speed along the path is uneven; 0 where cost and energy are both 0. That of equation 3 at the
        same points, which may hide more, is ``audit.gap``.
        """
        apparent = (2 * self.energy).sqrt()
        return torch.where(self.cost == apparent, 0, self.cost / apparent - 1)

    @property
    def tunnels(self) -> Tensor:
        """True for the segments whose cost the solver did not see, ``(B, K)``; none is in a path that converged.

        Those of equation 3 at the same points are ``audit.tunnels``: a thin barrier that nothing leads around is there.
        """
        return is_tunnelling(self.audit.segment_cost, self.seen)

    @property
    def minima(self) -> Tensor | None:
        """The coarse costs that the starts led to, sorted, over the lowest, ``(B, n)``; None for a single start.

        Infinite for starts that were dropped (across a wall), NaN for those that were not tried.
        """
        return None if self.found is None else self.found.relative

    @property
    def lowered(self) -> Tensor | None:
        """By how much of the single start's cost every path is below it, ``(B,)``; None for a single start."""
        return None if self.found is None else self.found.lowered

    @property
    def spread(self) -> Tensor | None:
        """How far apart the local minima lay: highest over lowest coarse cost, less 1, ``(B,)``; None for one start."""
        return None if self.found is None else spread(self.found.relative)

    @property
    def segments(self) -> int:
        """``K``."""
        return self.latents.shape[1] - 1

    @property
    def start(self) -> Tensor:
        """``(B, D)``."""
        return self.latents[:, 0]

    @property
    def end(self) -> Tensor:
        """``(B, D)``."""
        return self.latents[:, -1]

    @property
    def keyframes(self) -> Tensor:
        """The latents that every path was asked to go through, ``(B, N, D)``; without joints its two ends."""
        if self.joints is None:
            return self.latents[:, [0, -1]]
        return self.latents.gather(1, self.joints[..., None].expand(-1, -1, self.latents.shape[-1]))

    @property
    def closed(self) -> bool:
        """Whether all of these paths end where they begin, bit for bit, and go somewhere else in between."""
        elsewhere = (self.latents != self.latents[:, :1]).flatten(1).any(-1)
        return bool((self.start == self.end).all()) and bool(elsewhere.all()) and len(self) > 0

    def baselines(self, names: Iterable[str] = ("lerp", "slerp")) -> dict[str, Tensor]:
        """The baselines ``(B, K+1, D)`` by name: between the same ends, through the same keyframes at the same points.

        Raises:
            InputError: a name that is not one of ``latentpath.evaluate.BASELINES``.
        """
        chosen = (names,) if isinstance(names, str) else tuple(names)
        if self.joints is None:
            return baseline_polylines(chosen, self.start, self.end, self.segments)
        found: dict[str, list[Tensor]] = {name: [] for name in chosen}
        for stops, places in zip(self.keyframes, self.joints.tolist(), strict=True):
            legs = [
                baseline_polylines(chosen, stops[i], stops[i + 1], places[i + 1] - places[i])
                for i in range(len(places) - 1)
            ]
            for name, polylines in found.items():
                polylines.append(torch.cat([*(leg[name][:-1] for leg in legs), stops[-1:]]))
        return {name: torch.stack(polylines) for name, polylines in found.items()}

    def __len__(self) -> int:
        return len(self.latents)

    def __getitem__(self, which: SupportsIndex | slice | Iterable[Any]) -> Path:
        """Selects paths of the batch, as a `Path`; a whole number gives a batch of one.

        Args:
            which: a whole number, a slice, or a list, array or tensor of whole numbers or of ``B`` truth values.

        Raises:
            IndexError: a path that is not there, or a mask of another length.
            InputError: an index of another kind.
        """
        chosen = chosen_rows("path", which, len(self))
        settings = dict(self.settings)
        if "smoothed" in settings:  # a bound for all paths, and a list for each
            settings["smoothed"] = {
                name: [value[row] for row in chosen] if isinstance(value, list) else value
                for name, value in settings["smoothed"].items()
            }
        return replace(
            self,
            latents=self.latents[chosen],
            audit=self.audit.rows(chosen),
            seen=self.seen[chosen],
            ri=self.ri[chosen],
            outcome=tuple(self.outcome[row] for row in chosen),
            evaluations=self.evaluations[chosen],
            gain=self.gain[chosen],
            found=None if self.found is None else self.found.rows(chosen),
            joints=None if self.joints is None else self.joints[chosen],
            settings=settings,
        )

    def __repr__(self) -> str:
        count, points, dim = self.latents.shape
        ended = ", ".join(f"{n} {outcome}" for outcome, n in Counter(map(str, self.outcome)).items())
        evaluations = round(float(self.evaluations.mean()), 1)
        return (
            f"Path({counted(count, 'path')} of {counted(points - 1, 'segment')} in {counted(dim, 'dimension')}; "
            f"mean cost {float(self.cost.mean()):.4g}, "
            f"{evaluations:.1f} {plural(evaluations, 'evaluation')}; {ended}{self._limits()})"
        )

    def _limits(self) -> str:
        """Says how many paths the generator's rounding limits; empty where it limits none."""
        limited = int(self.audit.limited.sum())
        return f"; {limited} limited by the generator's rounding" if limited else ""

    def bind(self, source: Source | Any) -> Path:
        """The same path with a source, so that a loaded one can be decoded, resampled and reported on.

        Where the source gives the points another energy than they had, its generator, index or embedding is another
        one: the path is then audited and judged anew.

        Raises:
            InputError: ``source`` is no `latentpath.Source`.
        """
        if not isinstance(source, Source):
            raise InputError(f"source must be lp.Source(generator, index, ...); got {describe(source)}.")
        mine = self.source
        if mine is not None and (mine.generator, mine.index, mine.embed) == (
            source.generator,
            source.index,
            source.embed,
        ):
            return replace(self, source=source)
        with torch.no_grad():
            found = energy(
                self.latents, source.generator, source.index, embed=source.embed, max_points=source.max_points
            )
        if torch.allclose(found, self.audit.energy.to(found), rtol=_SAME, atol=0, equal_nan=True):
            return replace(self, source=source)
        return self._judged_anew(self.latents, source, self.settings, self.joints)

    def _judged_anew(
        self, latents: Tensor, source: Source, settings: dict[str, Any], joints: Tensor | None = None
    ) -> Path:
        """The path with other points, or under another source: all that depends on them is measured again."""
        with torch.inference_mode(False):  # the gain takes a gradient, whatever the caller has switched off
            latents = latents.clone() if latents.is_inference() else latents
            path = Path.measured(
                latents,
                source,
                outcome=self.outcome,
                evaluations=self.evaluations,
                gain=gain_of_curve(latents, source, joints),
                settings=settings,
                minima=self.found,
                joints=joints,
            )
            tol = self.settings.get("tol") or TOL
            outcome = outcome_of_points(self.outcome, self.cost, path.audit, path.seen, path.gain, tol, tol)
            return replace(path, outcome=outcome)

    def _bound(self, purpose: str) -> Source:
        if self.source is None:
            raise InputError(
                f"{purpose} needs the generator, and this path was loaded from a file: "
                "path.bind(lp.Source(generator, lp.RealismIndex(prior, alpha=alpha))) first"
            )
        return self.source

    @torch.no_grad()
    def at(self, points: SupportsIndex, spacing: Spacing = "metric") -> Tensor:
        """Latents of ``points`` points, evenly spaced along every path: ``(B, points, D)``.

        "metric" spaces them evenly in the metric of Theorem 1 (many where the index is low: the parameterisation of the
        minimiser), "data" in the measured space (an even film), "latent" in the latent space. The endpoints are exact.

        Raises:
            InputError: ``points < 2``, an unknown spacing, or a path without a source (except for "latent").
        """
        points = whole_number("points", points, 2, advice="A path has two ends.")
        if spacing == "latent":
            return spaced(self.latents, points, chords)
        source = self._bound(f'spacing="{spacing}"')
        return spaced(self.latents, points, lambda fine: source.steps(fine, spacing))

    def frames(self, n: SupportsIndex, spacing: Spacing = "data") -> Tensor:
        """``n`` decoded points along every path, ``(B, n, *frame)``, evenly spaced (see `at`), endpoints included.

        Raises:
            InputError: as for `at`.
        """
        points = whole_number("n", n, 2, advice="A path has two ends.")
        return self._bound("decoding frames").frames(self.at(points, spacing))

    def resample(self, segments: SupportsIndex, spacing: Spacing = "metric") -> Path:
        """The same curves with ``segments`` segments, evenly spaced, audited and judged anew (see `verdict`).

        ``gain`` is that of the new points. A path that had converged is unresolved if its new points are too few: where
        they cost more than the old ones by more than the tolerance, or equation 3 hides more than 2 % there or tunnels.
        Keyframes between the ends are no longer among the points, except by chance, so ``joints`` are None.

        Raises:
            InputError: ``segments < 1``, or a path without a source.
        """
        segments, source = whole_number("segments", segments, 1), self._bound("resampling")
        settings = {**_without(self.settings, "smoothed"), "resampled": {"segments": segments, "spacing": spacing}}
        return self._judged_anew(self.at(segments + 1, spacing), source, settings)

    def reversed(self) -> Path:
        """The same paths from end to start."""
        facts = {f.name: getattr(self.audit, f.name) for f in fields(Audit)}
        facts = {name: value.flip(-1) if value.ndim == 2 else value for name, value in facts.items()}
        return replace(
            self,
            latents=self.latents.flip(1),
            audit=Audit(**facts),
            seen=self.seen.flip(-1),
            ri=self.ri.flip(-1),
            joints=None if self.joints is None else self.segments - self.joints.flip(1),
            settings=_without(self.settings, "smoothed"),
        )

    def report(self, baselines: Iterable[str] = ("lerp", "slerp"), judges: Mapping[str, Judge] | None = None) -> Report:
        """Compare with the baselines between the same endpoints; ``gap`` and ``tunnels`` are those of the path.

        Args:
            baselines: names from ``latentpath.evaluate.BASELINES``.
            judges: independent judges of the decoded points, by name: each maps frames ``(N, ...)`` to numbers
                ``(N,)``.

        Raises:
            InputError: an unknown baseline, a judge that has the name of a column, an empty batch, or a path without a
                source.
        """
        source = self._bound("a report")
        if len(self) == 0:
            raise InputError("a report needs at least one path, this batch is empty")
        rows = compare(
            {**self.baselines(baselines), "path": self.latents},
            source,
            audits={"path": replace(self.audit, gap=self.gap, tunnels=self.tunnels)},
            evaluations={"path": self.evaluations},
            judges=judges,
        )
        searched = "" if self.found is None else str(self.found)
        return Report(rows, dict(Counter(map(str, self.outcome))), searched)

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the path as safetensors, whole or not at all; the generator and the index are not saved.

        Raises:
            MissingDataError: the folder does not exist.
            InputError: ``file`` is a folder itself, or no path.
        """
        from safetensors.torch import save

        target = file_path("file", file)
        tensors = {f"audit.{f.name}": getattr(self.audit, f.name) for f in fields(Audit)}
        tensors |= {name: getattr(self, name) for name in ("latents", "seen", "ri", "evaluations", "gain")}
        if self.joints is not None:
            tensors["joints"] = self.joints
        if self.found is not None:
            tensors |= {f"found.{f.name}": getattr(self.found, f.name) for f in fields(Minima)}
        about = {"outcome": [outcome.name for outcome in self.outcome], "settings": self.settings}
        metadata = {"format": _FORMAT, "about": json.dumps(about)}
        content = save({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, metadata)
        if not target.parent.is_dir():
            raise MissingDataError(f"cannot save to {target}: the folder {target.parent} does not exist")
        if target.is_dir():
            raise InputError(f"cannot save to {target}: it is a folder, give the name of a file in it")
        with replacement(target) as partial:
            partial.write_bytes(content)

    @classmethod
    def load(cls, file: str | os.PathLike[str], source: Source | None = None) -> Path:
        """Read a path that `save` wrote; with a ``source`` it can be decoded and reported on.

        Raises:
            InputError: ``file`` is no path.
            MissingDataError: no such file.
            DataError: the file is damaged, or is not a saved path.
        """
        from safetensors import safe_open

        target = file_path("file", file)
        if not target.is_file():
            raise MissingDataError(f"no path file at {target}")
        try:
            with safe_open(target, "pt") as content:
                metadata = content.metadata() or {}
                if metadata.get("format") != _FORMAT:
                    raise DataError(f"{target} is a safetensors file, but not a path saved by latentpath")
                tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
            about = json.loads(metadata["about"])
            tensors.setdefault(
                "audit.limited", torch.zeros_like(tensors["audit.settled"])
            )  # files of before it was told
            facts = {f.name: tensors.pop(f"audit.{f.name}") for f in fields(Audit)}
            minima = {f.name: tensors.pop(f"found.{f.name}") for f in fields(Minima) if f"found.{f.name}" in tensors}
            outcome = tuple(Outcome[name] for name in about["outcome"])
            if any(len(value) != len(outcome) for value in [*facts.values(), *minima.values(), *tensors.values()]):
                raise DataError(f"{target} is damaged: its parts are of different batch sizes")
            return cls(
                audit=Audit(**facts),
                outcome=outcome,
                settings=about["settings"],
                source=source,
                found=Minima(**minima) if minima else None,
                **tensors,
            )
        except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise DataError(f"{target} is damaged or not a path saved by latentpath ({error})") from error


def _without(settings: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != name}
