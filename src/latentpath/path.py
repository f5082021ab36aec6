"""A batch of solved paths and the facts about them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, SupportsIndex

import torch
from torch import Tensor

from ._validate import chosen_rows, describe, whole_number
from ._words import counted, plural
from .audit import Audit, is_tunnelling
from .callables import without_autocast
from .curves import spaced
from .decoding import chords
from .energy import energy
from .errors import InputError
from .index import as_log_index
from .path_file import read_path, write_path
from .report import Judge, Report, baseline_polylines, compare
from .segment_cost import discrete_segment_cost as price_discretely
from .solvers import Multistart, Outcome
from .source import Source, Spacing
from .verdict import TOL, gain_of_curve, outcome_of_points

__all__ = ["Path", "Spacing"]

_SAME = 1e-3  # relative: by how much an energy may differ from device to device, with one source


@dataclass(frozen=True, eq=False)
class Path:
    """``B`` solved paths: polylines of ``K`` segments, what each costs, and how its solve ended.

    Attributes:
        latents: ``(B, K+1, D)``; first and last points are bit-identical to the endpoints asked for.
        audit: the `Audit`, which compares with equation 3 at the points of the path.
        discrete_segment_cost: the cost of each segment in the solver's energy, ``(B, K)``: by equation 3, or more
            finely where that hides cost (see `latentpath.solvers.quadrature`). ``energy``, ``gap`` and ``tunnels``
            belong to it.
        ri: the realism index at every point, ``(B, K+1)``, in [0, 1] (without alpha).
        outcome: an `Outcome` for every path.
        evaluations: path evaluations spent, ``(B,)``: one is a forward and a backward pass over all points of a path.
        gain: the relative gain in cost that one more step is predicted to bring, ``(B,)``; NaN where it is not known.
        settings: how the path was made.
        source: generator, index and embedding; None after `load`, until `bind`.
        multistart: the result of a search from several starts; None for a single start.
        keyframe_indices: the indices of the points that are keyframes, ``(B, N)``, the ends among them; None where
            there are only the ends (see `latentpath.interpolate_through`).
    """

    latents: Tensor
    audit: Audit
    discrete_segment_cost: Tensor
    ri: Tensor
    outcome: tuple[Outcome, ...]
    evaluations: Tensor
    gain: Tensor
    settings: dict[str, Any] = field(default_factory=dict)
    source: Source | None = field(default=None, repr=False)
    multistart: Multistart | None = None
    keyframe_indices: Tensor | None = None

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
        discrete_segment_cost: Tensor | None = None,
        *,
        outcome: tuple[Outcome, ...],
        evaluations: Tensor,
        gain: Tensor,
        settings: dict[str, Any],
        multistart: Multistart | None = None,
        keyframe_indices: Tensor | None = None,
    ) -> Path:
        """Builds a path from its polylines ``(B, K+1, D)``: measures ``ri``, and audits unless ``audit`` is given.

        ``discrete_segment_cost`` ``(B, K)`` defaults to equation 3's.
        """
        facts = audit or source.audit(latents)
        if discrete_segment_cost is None:
            with torch.no_grad():
                log_index = as_log_index(source.index)(latents)
                discrete_segment_cost = price_discretely(log_index, facts.step_lengths)
        return cls(
            latents,
            facts,
            discrete_segment_cost,
            source.ri(latents),
            outcome,
            evaluations,
            gain,
            settings,
            source,
            multistart,
            keyframe_indices,
        )

    @property
    def energy(self) -> Tensor:
        r"""The energy that the solver minimised, :math:`\tfrac12 K \sum_i c_i^2`, ``(B,)``."""
        return 0.5 * self.segments * self.discrete_segment_cost.square().sum(-1)

    @property
    def discrete_cost(self) -> Tensor:
        r"""The cost :math:`\sum_i c_i` as the solver's energy sees it, ``(B,)``; ``cost`` is the audited one."""
        return self.discrete_segment_cost.sum(-1)

    @property
    def converged(self) -> Tensor:
        """Marks the paths whose outcome is ``Outcome.CONVERGED``, ``(B,)``."""
        return torch.tensor([outcome is Outcome.CONVERGED for outcome in self.outcome], dtype=torch.bool)

    @property
    def cost(self) -> Tensor:
        r"""Audited: :math:`-\log ri(\gamma)`, ``(B,)``."""
        return self.audit.cost

    @property
    def log_index(self) -> Tensor:
        r"""The logarithm of the realism index of the curve, :math:`\log ri(\gamma) = -cost`, ``(B,)``."""
        return -self.audit.cost

    @property
    def step_lengths(self) -> Tensor:
        """The distance of consecutive decoded points, ``(B, K)``, in units of the measured space."""
        return self.audit.step_lengths

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
        return is_tunnelling(self.audit.segment_cost, self.discrete_segment_cost)

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
        """The latents that every path was asked to go through, ``(B, N, D)``; without keyframe_indices its two ends."""
        if self.keyframe_indices is None:
            return self.latents[:, [0, -1]]
        return self.latents.gather(1, self.keyframe_indices[..., None].expand(-1, -1, self.latents.shape[-1]))

    @property
    def closed(self) -> bool:
        """Whether all of these paths end where they begin, bit for bit, and go somewhere else in between."""
        elsewhere = (self.latents != self.latents[:, :1]).flatten(1).any(-1)
        return bool((self.start == self.end).all()) and bool(elsewhere.all()) and len(self) > 0

    def baselines(self, names: Iterable[str] = ("lerp", "slerp")) -> dict[str, Tensor]:
        """The baselines ``(B, K+1, D)`` by name: between the same ends, through the same keyframes at the same points.

        Raises:
            InputError: a name that is not one of ``latentpath.report.BASELINES``.
        """
        chosen = (names,) if isinstance(names, str) else tuple(names)
        if self.keyframe_indices is None:
            return baseline_polylines(chosen, self.start, self.end, self.segments)
        found: dict[str, list[Tensor]] = {name: [] for name in chosen}
        for stops, places in zip(self.keyframes, self.keyframe_indices.tolist(), strict=True):
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
            discrete_segment_cost=self.discrete_segment_cost[chosen],
            ri=self.ri[chosen],
            outcome=tuple(self.outcome[row] for row in chosen),
            evaluations=self.evaluations[chosen],
            gain=self.gain[chosen],
            multistart=None if self.multistart is None else self.multistart.rows(chosen),
            keyframe_indices=None if self.keyframe_indices is None else self.keyframe_indices[chosen],
            settings=settings,
        )

    @classmethod
    def cat(cls, paths: Sequence[Path]) -> Path:
        """Joins batches of paths of as many segments into one batch.

        The source is kept where it is the same object in all, the settings where they are equal, and the results of
        searches where all have as many starts.

        Raises:
            InputError: no batch, or batches of different segments, dimensions, dtypes, devices or keyframes.

        Example:
            >>> import torch, latentpath as lp
            >>> prior = lp.priors.standard_normal(2)
            >>> one = lp.interpolate(lambda z: z, prior, torch.ones(2), -torch.ones(2), segments=10)
            >>> len(lp.Path.cat([one, one.reversed()]))
            2
        """
        if not isinstance(paths, list | tuple) or not paths or not all(isinstance(path, Path) for path in paths):
            raise InputError(f"paths must be a list of at least one latentpath.Path; got {describe(paths)}.")
        kinds = {_kind(path) for path in paths}
        if len(kinds) > 1:
            raise InputError(f"paths must have one shape, dtype and device; got {sorted(map(str, kinds))}.")
        first = paths[0]
        audit = Audit(*(torch.cat([getattr(path.audit, f.name) for path in paths]) for f in fields(Audit)))
        joined = {
            name: torch.cat([getattr(path, name) for path in paths])
            for name in ("latents", "discrete_segment_cost", "ri", "evaluations", "gain")
        }
        if first.keyframe_indices is not None:
            joined["keyframe_indices"] = torch.cat([path.keyframe_indices for path in paths])
        return cls(
            audit=audit,
            outcome=tuple(outcome for path in paths for outcome in path.outcome),
            settings=first.settings if all(path.settings == first.settings for path in paths) else {},
            source=first.source if all(path.source is first.source for path in paths) else None,
            multistart=Multistart.cat([path.multistart for path in paths]),
            **joined,
        )

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Path:
        """Returns the path on another device or in another dtype of its floating-point tensors.

        A source belongs to the device and dtype of its generator, so that the result has none: `bind` another one.

        Raises:
            InputError: ``dtype`` is not float32 or float64.
        """
        if dtype not in (None, torch.float32, torch.float64):
            raise InputError(f"dtype must be torch.float32 or torch.float64; got {describe(dtype)}.")

        def moved(value: Any) -> Any:
            if isinstance(value, Tensor):
                return value.to(device=device, dtype=dtype if value.is_floating_point() else None)
            if isinstance(value, Audit | Multistart):
                return replace(value, **{f.name: moved(getattr(value, f.name)) for f in fields(value)})
            return value

        found = replace(self, **{f.name: moved(getattr(self, f.name)) for f in fields(self) if f.name != "source"})
        same = found.latents.dtype == self.latents.dtype and found.latents.device == self.latents.device
        return found if same else replace(found, source=None)

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
        return self._judged_anew(self.latents, source, self.settings, self.keyframe_indices)

    def _judged_anew(
        self, latents: Tensor, source: Source, settings: dict[str, Any], keyframe_indices: Tensor | None = None
    ) -> Path:
        """The path with other points, or under another source: all that depends on them is measured again."""
        with torch.inference_mode(False):  # the gain takes a gradient, whatever the caller has switched off
            latents = latents.clone() if latents.is_inference() else latents
            path = Path.measured(
                latents,
                source,
                outcome=self.outcome,
                evaluations=self.evaluations,
                gain=gain_of_curve(latents, source, keyframe_indices),
                settings=settings,
                multistart=self.multistart,
                keyframe_indices=keyframe_indices,
            )
            tol = self.settings.get("tol") or TOL
            outcome = outcome_of_points(
                self.outcome, self.cost, path.audit, path.discrete_segment_cost, path.gain, tol, tol
            )
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
        return spaced(self.latents, points, lambda fine: source.step_lengths(fine, spacing))

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
        Keyframes between the ends are no longer among the points, except by chance, so ``keyframe_indices`` are None.

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
            discrete_segment_cost=self.discrete_segment_cost.flip(-1),
            ri=self.ri.flip(-1),
            keyframe_indices=None if self.keyframe_indices is None else self.segments - self.keyframe_indices.flip(1),
            settings=_without(self.settings, "smoothed"),
        )

    def report(self, baselines: Iterable[str] = ("lerp", "slerp"), judges: Mapping[str, Judge] | None = None) -> Report:
        """Compare with the baselines between the same endpoints; ``gap`` and ``tunnels`` are those of the path.

        Args:
            baselines: names from ``latentpath.report.BASELINES``.
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
        searched = "" if self.multistart is None else str(self.multistart)
        return Report(rows, dict(Counter(map(str, self.outcome))), searched)

    def save(self, file: str | os.PathLike[str]) -> None:
        """Writes the path as safetensors, whole or not at all; the generator and the index are not saved.

        Raises:
            MissingDataError: the folder does not exist.
            InputError: ``file`` is a folder itself, or no path.
        """
        names = ("latents", "discrete_segment_cost", "ri", "evaluations", "gain", "keyframe_indices")
        tensors = {name: getattr(self, name) for name in names}
        write_path(file, tensors, self.audit, self.multistart, self.outcome, self.settings)

    @classmethod
    def load(cls, file: str | os.PathLike[str], source: Source | None = None) -> Path:
        """Reads a path that `save` wrote; with a ``source`` it can be decoded and reported on.

        Raises:
            InputError: ``file`` is no path.
            MissingDataError: no such file.
            DataError: the file is damaged, or is not a saved path.
        """
        return cls(**read_path(file), source=source)


def _without(settings: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != name}


def _kind(path: Path) -> tuple[object, ...]:
    """Returns the properties in which batches that are joined must agree."""
    keyframes = None if path.keyframe_indices is None else path.keyframe_indices.shape[1]
    return (*path.latents.shape[1:], path.latents.dtype, path.latents.device, keyframes)
