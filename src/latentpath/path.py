"""A batch of solved paths and the facts about them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, SupportsIndex

import torch
from torch import Tensor

from ._validate import chosen_rows, describe, whole_number
from ._words import counted, plural
from .audit import Audit, is_tunnelling
from .callables import without_autocast
from .curves import spaced
from .decoding import chords, space_of_data
from .errors import InputError
from .path_batch import converted, flipped, joined, selected, without_smoothing
from .path_file import read_path, write_path
from .path_report import baselines_through, report_on
from .report import Judge, Report
from .solvers import Multistart, Outcome
from .source import Source, Spacing
from .verdict import TOL, gain_of_curve, outcome_of_points

__all__ = ["Path", "Spacing"]

_SAME = 1e-3  # relative: the difference of energies between devices for one source


@dataclass(frozen=True, eq=False)
class Path:
    """``B`` solved paths: polylines of ``K`` segments, their costs, and the outcomes of their solves.

    Attributes:
        latents: ``(B, K+1, D)``; first and last points are bit-identical to the given endpoints.
        audit: the `Audit`, which compares with equation 3 at the points of the path.
        discrete_segment_cost: the cost of each segment in the solver's energy, ``(B, K)``: by equation 3, or by a
            `latentpath.solvers.quadrature` where equation 3 hides cost. It determines ``energy``, ``gap``, ``tunnels``.
        ri: the realism index at every point, ``(B, K+1)``, in [0, 1] (without alpha).
        outcome: an `Outcome` for every path.
        evaluations: path evaluations spent, ``(B,)``: one is a forward and a backward pass over all points of a path.
        gain: the predicted relative gain in cost of one more step, ``(B,)``; NaN where it is unknown.
        length: the length of the decoded path, ``(B,)``, in units of the data, or of features where ``embed`` has them;
            ``audit.length`` is in units of the measured space.
        settings: the settings of the solve.
        source: generator, index and embedding; None after `load`, until `bind`.
        multistart: the result of a search from several starts; None for a single start.
        keyframe_indices: the indices of the keyframes among the points, ``(B, N)``, the ends included; None for a path
            between two ends (see `latentpath.interpolate_through`).
    """

    latents: Tensor
    audit: Audit
    discrete_segment_cost: Tensor
    ri: Tensor
    outcome: tuple[Outcome, ...]
    evaluations: Tensor
    gain: Tensor
    length: Tensor
    settings: dict[str, Any] = field(default_factory=dict)
    source: Source | None = field(default=None, repr=False)
    multistart: Multistart | None = None
    keyframe_indices: Tensor | None = None

    def __post_init__(self) -> None:
        """Marks tunnelling paths of any origin, such as files of older versions, as unresolved."""
        outcome = tuple(
            Outcome.UNRESOLVED if found is Outcome.CONVERGED and tunnels else found
            for found, tunnels in zip(self.outcome, self.tunnels.any(-1).tolist(), strict=True)
        )
        object.__setattr__(self, "outcome", outcome)

    @classmethod
    @without_autocast()
    def measured(
        cls,
        latents: Tensor,
        source: Source,
        audit: Audit | None = None,
        discrete_segment_cost: Tensor | None = None,
        **attributes: Any,
    ) -> Path:
        """Builds a path from polylines ``(B, K+1, D)``; measures ``ri``, the audit, and the cost by equation 3."""
        audit = audit or source.audit(latents)
        if discrete_segment_cost is None:
            discrete_segment_cost = source.discrete_segment_cost(latents, audit.step_lengths)
        length = audit.length if space_of_data(source.embed) is source.embed else source.data_length(latents)
        facts = (latents, audit, discrete_segment_cost, source.ri(latents))
        return cls(*facts, length=length, source=source, **attributes)

    @property
    def energy(self) -> Tensor:
        r"""The energy that the solver minimised, :math:`\tfrac12 K \sum_i c_i^2`, ``(B,)``."""
        return 0.5 * self.segments * self.discrete_segment_cost.square().sum(-1)

    @property
    def discrete_cost(self) -> Tensor:
        r"""The cost :math:`\sum_i c_i` in the solver's energy, ``(B,)``; ``cost`` is the audited cost."""
        return self.discrete_segment_cost.sum(-1)

    @property
    def converged(self) -> Tensor:
        """True for the paths whose outcome is ``Outcome.CONVERGED``, ``(B,)``."""
        return torch.tensor([outcome is Outcome.CONVERGED for outcome in self.outcome], dtype=torch.bool)

    @property
    def cost(self) -> Tensor:
        r"""The audited cost :math:`-\log ri(\gamma)`, ``(B,)``."""
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
    def gap(self) -> Tensor:
        r"""The gap :math:`cost / \sqrt{2E} - 1`, ``(B,)``: above 0 where the solver's energy hides cost.

        It is below 0 where the speed is uneven, 0 where cost and energy are 0. ``audit.gap`` is that of equation 3.
        """
        apparent = (2 * self.energy).sqrt()
        return torch.where(self.cost == apparent, 0, self.cost / apparent - 1)

    @property
    def tunnels(self) -> Tensor:
        """True for segments that hide cost in the solver's energy, ``(B, K)``; ``audit.tunnels`` is by equation 3."""
        return is_tunnelling(self.audit.segment_cost, self.discrete_segment_cost)

    @property
    def segments(self) -> int:
        """The number of segments ``K``."""
        return self.latents.shape[1] - 1

    @property
    def start(self) -> Tensor:
        """The first points ``(B, D)``."""
        return self.latents[:, 0]

    @property
    def end(self) -> Tensor:
        """The last points ``(B, D)``."""
        return self.latents[:, -1]

    @property
    def keyframes(self) -> Tensor:
        """The keyframes, ``(B, N, D)``; without keyframe_indices the two ends."""
        if self.keyframe_indices is None:
            return self.latents[:, [0, -1]]
        return self.latents.gather(1, self.keyframe_indices[..., None].expand(-1, -1, self.latents.shape[-1]))

    @property
    def closed(self) -> bool:
        """True if all paths end exactly where they begin, and have other points in between."""
        elsewhere = (self.latents != self.latents[:, :1]).flatten(1).any(-1)
        return bool((self.start == self.end).all()) and bool(elsewhere.all()) and len(self) > 0

    def baselines(self, names: Iterable[str] = ("lerp", "slerp")) -> dict[str, Tensor]:
        """Computes the baselines ``(B, K+1, D)`` by name, through the same keyframes at the same indices.

        Raises:
            InputError: a name that is not one of ``latentpath.report.BASELINES``.
        """
        chosen = (names,) if isinstance(names, str) else tuple(names)
        return baselines_through(chosen, self.keyframes, self.keyframe_indices, self.segments)

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
        return Path(**selected(vars(self), chosen_rows("path", which, len(self))))

    @classmethod
    def cat(cls, paths: Sequence[Path]) -> Path:
        """Joins batches; keeps a common source, equal settings, and searches with one number of starts.

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
        return cls(**joined([vars(path) for path in paths]))

    def to(self, device: torch.device | torch.dtype | str | None = None, dtype: torch.dtype | None = None) -> Path:
        """Returns the path on another device or in another dtype of its floating-point tensors.

        A result on another device or in another dtype has no source, which belongs to these: `bind` another one.

        Raises:
            InputError: ``dtype`` is not float32 or float64, or there is no such device.
        """
        return Path(**converted(vars(self), device, dtype))

    def __repr__(self) -> str:
        count, points, dim = self.latents.shape
        ended = ", ".join(f"{n} {outcome}" for outcome, n in Counter(map(str, self.outcome)).items())
        evaluations, limited = round(float(self.evaluations.mean()), 1), int(self.audit.limited.sum())
        rounding = f"; {limited} limited by the generator's rounding" if limited else ""
        return (
            f"Path({counted(count, 'path')} of {counted(points - 1, 'segment')} in {counted(dim, 'dimension')}; "
            f"mean cost {float(self.cost.mean()):.4g}, "
            f"{evaluations:.1f} {plural(evaluations, 'evaluation')}; {ended}{rounding})"
        )

    def bind(self, source: Source | Any) -> Path:
        """Returns the path with a source, so that a loaded path can be decoded, resampled and reported on.

        If the energy at the points differs, the source is another one, and the path is audited and judged again.

        Raises:
            InputError: ``source`` is not a `latentpath.Source`.
        """
        if not isinstance(source, Source):
            raise InputError(f"source must be lp.Source(generator, index, ...); got {describe(source)}.")
        if self.source is not None and replace(self.source, max_points=source.max_points) == source:
            return replace(self, source=source)
        energy = source.energy(self.latents)
        if torch.allclose(energy, self.audit.energy.to(energy), rtol=_SAME, atol=0, equal_nan=True):
            return replace(self, source=source)
        return self._judged_anew(self.latents, source, self.settings, self.keyframe_indices)

    def _judged_anew(
        self, latents: Tensor, source: Source, settings: dict[str, Any], keyframe_indices: Tensor | None = None
    ) -> Path:
        """Returns the path with other points or another source, measured and judged again."""
        with torch.inference_mode(False):  # the gain needs a gradient in any mode of the caller
            latents = latents.clone() if latents.is_inference() else latents
            gain = gain_of_curve(latents, source, keyframe_indices)
            kept: dict[str, Any] = {
                "outcome": self.outcome,
                "evaluations": self.evaluations,
                "multistart": self.multistart,
            }
            new: dict[str, Any] = {"gain": gain, "settings": settings, "keyframe_indices": keyframe_indices}
            path = Path.measured(latents, source, **kept, **new)
            facts, tol = (path.audit, path.discrete_segment_cost, path.gain), self.settings.get("tol") or TOL
            return replace(path, outcome=outcome_of_points(self.outcome, self.cost, *facts, tol, tol))

    def _bound(self, purpose: str) -> Source:
        if self.source is None:
            advice = "path.bind(lp.Source(generator, lp.RealismIndex(prior, alpha=alpha))) gives it one."
            raise InputError(f"{purpose} needs a path with a source; got one without, as from a file. {advice}")
        return self.source

    @torch.no_grad()
    def at(self, points: SupportsIndex, spacing: Spacing = "metric") -> Tensor:
        """Computes the latents of ``points`` evenly spaced points along every path, ``(B, points, D)``.

        The spacing is even in the metric of Theorem 1 ("metric", as along a minimiser, with many points where the index
        is low), in the data or features ("data"), or in the latent space ("latent"). The endpoints are exact.

        Raises:
            InputError: ``points < 2``, an unknown spacing, or a path without a source (except for "latent").
        """
        points = whole_number("points", points, 2, advice="A path has two ends.")
        if spacing == "latent":
            return spaced(self.latents, points, chords)
        source = self._bound(f'spacing="{spacing}"')
        return spaced(self.latents, points, lambda fine: source.step_lengths(fine, spacing))

    def frames(self, n: SupportsIndex, spacing: Spacing = "data") -> Tensor:
        """Decodes ``n`` evenly spaced points along every path (see `at`), ``(B, n, *frame)``, endpoints included.

        Raises:
            InputError: as for `at`.
        """
        points = whole_number("n", n, 2, advice="A path has two ends.")
        return self._bound("decoding frames").frames(self.at(points, spacing))

    def resample(self, segments: SupportsIndex, spacing: Spacing = "metric") -> Path:
        """Returns the same curves with ``segments`` evenly spaced segments, audited and judged again.

        ``gain`` belongs to the new points. A converged path becomes unresolved where its new points are too few (see
        `latentpath.verdict`). ``keyframe_indices`` becomes None, since keyframes are no longer among the points.

        Raises:
            InputError: ``segments < 1``, or a path without a source.
        """
        segments, source = whole_number("segments", segments, 1), self._bound("resampling")
        settings = {**without_smoothing(self.settings), "resampled": {"segments": segments, "spacing": spacing}}
        return self._judged_anew(self.at(segments + 1, spacing), source, settings)

    def reversed(self) -> Path:
        """Returns the same paths from end to start."""
        return Path(**flipped(vars(self)))

    def report(
        self,
        baselines: Iterable[str] = ("lerp", "slerp"),
        judges: Mapping[str, Judge] | None = None,
        others: Mapping[str, Path] | None = None,
    ) -> Report:
        """Compares the path with baselines between the same endpoints, and with other paths between them.

        Args:
            baselines: names from ``latentpath.report.BASELINES``.
            judges: independent judges of the decoded points, by name (see `latentpath.report.Judge`).
            others: paths of other methods, by the names of their rows; measured by this path's source.

        Raises:
            InputError: an unknown baseline, a judge named like a column, paths between other endpoints, an empty batch,
                or a path without a source.
        """
        self._bound("a report")
        return report_on(self, baselines, judges or {}, others or {})

    def save(self, file: str | os.PathLike[str]) -> None:
        """Writes the path as safetensors, atomically; the generator and the index are not saved.

        Raises:
            MissingDataError: the folder does not exist.
            InputError: ``file`` is a folder itself, or no path.
        """
        names = ("latents", "discrete_segment_cost", "ri", "evaluations", "gain", "length", "keyframe_indices")
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
