"""The whole reproduction: solve what the plan says, judge it, test the claims, draw the figures, write the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from .. import __version__
from .._batching import blocks
from ..energy import even_in_data
from ..errors import InputError
from ..index import RealismIndex
from ..models import Model, load
from ..models.files import CARD_FILE, read_json
from ..models.registry import WEIGHTS, available
from ..pairs import endpoints
from ..solvers import Outcome
from . import experiments
from .claims import claims
from .experiments import KINDS, LINE, PATH, SHORTEST, SLERP
from .figures import FIGURES, draw
from .judges import judge
from .meter import Meter
from .plan import DIGITS, FACES, MODELS, WAE, Plan
from .real import DEPENDENT, RealImages, data_of, real_images
from .report import Content, write
from .solved import Solved
from .store import Store
from .stored import facts, whole

__all__ = ["Reproduction", "reproduce"]

_AT_ONCE = {True: 4, False: 8}  # pairs solved together, of faces and of digits
_SOLVES = ("outcome", "evaluations", "tunnels", "gap")
METRIC = "path, metric spacing"


@dataclass
class Reproduction:
    """A reproduction on its way.

    Attributes:
        plan: the settings.
        store: the folder.
        models: by name.
        real: the images.
        meter: of progress.
    """

    plan: Plan
    store: Store
    models: Mapping[str, Model]
    real: RealImages
    meter: Meter = field(default_factory=Meter)

    def ends(self, name: str) -> tuple[Tensor, Tensor]:
        """The endpoints of the pairs of a model, ``(B, D)`` each."""
        model, count = self.models[name], self.plan.pairs_of(name)
        assert model.prior is not None
        if self.from_images(name):
            assert self.real.encoded is not None
            order = torch.randperm(len(self.real.encoded), generator=torch.Generator().manual_seed(self.plan.seed))
            latents = model.encode(self.real.encoded[order[: 2 * count]].float() / 127.5 - 1)
            return latents[:count], latents[count:]
        return endpoints(model.prior, count, self.plan.seed)

    def from_images(self, name: str) -> bool:
        """Whether the endpoints of a model are encodings of images."""
        encoded = self.real.encoded
        return name == WAE and encoded is not None and len(encoded) >= 2 * self.plan.pairs_of(name)

    def whence(self, name: str) -> str:
        """What the endpoints are, in words; nothing where they are draws of the prior as in the paper."""
        if name != WAE:
            return ""
        if self.from_images(name):
            return (
                "encodings of images that were kept out of training, so that the first and the last frame are "
                "reconstructions"
            )
        if self.real.encoded is None:
            return "draws of the prior, and no encodings, since there are no images of faces here"
        return (
            f"draws of the prior, and no encodings, since {self.plan.pairs_of(name)} pairs need twice as many images, "
            f"and {len(self.real.encoded)} were kept out of training"
        )

    def index(self, name: str) -> RealismIndex:
        """The realism index of a model's prior."""
        return RealismIndex(self.models[name].prior, alpha=self.plan.alpha, seed=self.plan.seed)

    def solve(self, name: str, count: int | None = None) -> Solved:
        """The main job: all pairs of a model, some at a time, or the first ``count`` of them."""
        model, (start, end), index = self.models[name], self.ends(name), self.index(name)
        total = self.plan.pairs_of(name)
        found: list[dict[str, Tensor]] = []
        for part in blocks(total, _AT_ONCE[name in FACES]):
            if count is not None and part.start >= count:
                break
            what = f"{name}: pairs {part.start + 1} to {part.stop} of {total}"

            tell = self.meter.job(what, _weight(name, "main", part.stop - part.start, self.plan))

            def compute(part: slice = part, tell: experiments.Told = tell) -> Mapping[str, Tensor]:
                return experiments.main(model, index, start[part], end[part], self.plan, tell)

            keys, rows = experiments.expected("main", self.plan), part.stop - part.start
            found.append(self.store.tensors(f"{name}/main-{part.start:04}", compute, keys, rows))
            tell(1.0)
        every = {key: torch.cat([each[key] for each in found]) for key in found[0]}

        def of(fact: str) -> dict[str, Tensor]:
            return {kind: every[f"{kind}/{fact}"] for kind in KINDS}

        return Solved(
            name, model, self.plan.alpha, of("latents"), of("ri"), of("steps"), of("cost"), of("length"),
            self.whence(name),
            {kind: {fact: every[f"{kind}/{fact}"] for fact in _SOLVES} for kind in (PATH, SHORTEST)},
        )  # fmt: skip

    def extra(
        self,
        experiment: str,
        name: str,
        sides: tuple[Tensor, Tensor],
        run: Callable[..., Any],
        others: Sequence[str] = (),
    ) -> dict[str, Tensor]:
        """Another experiment on pairs of a model, given their two sides: endpoints, or curves."""
        (start, end), count, keys = sides, len(sides[0]), experiments.expected(experiment, self.plan, others)
        found: list[dict[str, Tensor]] = []
        for part in blocks(count, count if experiment == "apart" else _AT_ONCE[name in FACES]):
            what = f"{name}: {experiment}, pairs {part.start + 1} to {part.stop} of {count}"

            tell = self.meter.job(what, _weight(name, experiment, part.stop - part.start, self.plan))

            def compute(part: slice = part, tell: experiments.Told = tell) -> Mapping[str, Tensor]:
                made: Mapping[str, Tensor] = run(start[part], end[part], tell=tell)
                return made

            rows = part.stop - part.start
            found.append(self.store.tensors(f"{name}/{experiment}-{part.start:04}", compute, keys, rows))
            tell(1.0)
        return {key: torch.cat([each[key] for each in found]) for key in found[0]}

    def judged(
        self,
        name: str,
        title: str,
        kinds: Sequence[str],
        pairs: int,
        curves: Callable[[], Mapping[str, Tensor]],
        by_pair: bool = False,
    ) -> dict[str, Any]:
        """What the judges say of ``curves()``, ``(B, P, D)`` of every kind, as facts."""
        data = data_of(name)
        tell = self.meter.job(f"{name}: {title}", _weight(name, title, self.plan.pairs_of(name), self.plan))

        def compute() -> Mapping[str, Any]:
            said = judge(
                self.models[name],
                curves(),
                self.real.pixels.get(data),
                seed=self.plan.seed,
                progress=lambda kind, done: tell(min(0.99, (kinds.index(kind) + done / pairs) / len(kinds))),
            )
            return facts(said, self.real.missing.get(data), by_pair)

        found = self.store.facts(f"{name}/{title}", compute, lambda stored: whole(stored, kinds, pairs, by_pair))
        tell(1.0)
        return found

    def even(self, name: str, latents: Tensor) -> Tensor:
        """Points at equal distance in data space, ``(B, frames, D)``."""
        with torch.no_grad():
            return even_in_data(latents, self.models[name].generator, self.plan.frames)


def reproduce(
    plan: Plan,
    out: Path,
    console: Console,
    *,
    figures: Sequence[int] = (),
    data: str | None = None,
    command: str = "latentpath reproduce",
) -> list[Path]:
    """Do what the plan says in the folder ``out``, or go on with it; the files that were written.

    Args:
        plan: the settings.
        out: the folder; empty, new, or of the same plan.
        console: for progress.
        figures: only these, and no report; all of them and the report where none is named.
        data: the folder of the data sets; None: that in ``LATENTPATH_DATA``, if it is set.
        command: that made it, for the report.

    Raises:
        InputError: an unknown figure, a model that is not here, or a folder that holds something else.
        DataError: damaged files, or a folder that cannot be written.
    """
    unknown = [number for number in figures if number not in FIGURES]
    if unknown:
        raise InputError(f"there is no figure {unknown[0]}: the paper has {min(FIGURES)} to {max(FIGURES)}")
    wanted = MODELS if not figures else tuple(m for m in MODELS if any(m in FIGURES[n].models for n in figures))
    there = available()
    absent = [name for name in wanted if name not in there]
    if absent:
        raise InputError(f"the model {absent[0]} is not here: install the package whole")
    hashes = {name: read_json(WEIGHTS / name / CARD_FILE)["sha256"] for name in MODELS if name in there}
    store = Store(out, {"latentpath": __version__, "plan": asdict(plan), "models": hashes})
    # figures need no images, but for those that are encoded
    real = real_images(("mnist", "celeba") if not figures else ("celeba",) * (WAE in wanted), data)
    for why in real.missing.values():
        console.print(f"What needs images is left out: {why}", soft_wrap=True, markup=False)
    models = {name: load(name) for name in wanted}
    for name in store.begin(real.counts, DEPENDENT):
        console.print(f"Images of {name} have come: what was done without them is done anew", markup=False)
    run = Reproduction(plan, store, models, real)
    if figures:
        most = max(FIGURES[number].pairs for number in figures)
        total = sum(_weight(name, "main", min(most, plan.pairs_of(name)), plan) for name in wanted)
        with Meter.on(console, total) as run.meter:
            solved = {name: run.solve(name, most) for name in wanted}
        return [file for number in dict.fromkeys(figures) for file in draw(number, solved, out / "figures")]
    with Meter.on(console, _all_work(plan)) as run.meter:
        return _everything(run, out, command)


def _weight(name: str, job: str, pairs: int, plan: Plan) -> float:
    """About how much work a job is, in solves of a pair of digits."""
    each = {
        "main": 2.0,
        "alpha": len(plan.alphas),
        "resolution": sum(plan.resolutions) / plan.segments,
        "descent": plan.descents / 40,
        "indices": 12.0,
        "apart": 0.1,
        "judged": 0.7,
        "judged-indices": 0.2,
    }[job]
    return each * pairs * (4 if name in FACES else 1)


def _all_work(plan: Plan) -> float:
    """The weights of all jobs."""
    both = [_weight(name, job, plan.pairs_of(name), plan) for name in MODELS for job in ("main", "apart", "judged")]
    few = {
        "alpha": plan.alpha_pairs,
        "resolution": plan.resolution_pairs,
        "descent": plan.descent_pairs,
        "indices": plan.index_pairs,
    }
    more = [_weight(name, job, plan.few(count), plan) for name in DIGITS for job, count in few.items()]
    return sum(both) + sum(more) + sum(_weight(name, "judged-indices", plan.pairs, plan) for name in DIGITS)


def _everything(run: Reproduction, out: Path, command: str) -> list[Path]:
    plan = run.plan
    solved = {name: run.solve(name) for name in MODELS}
    written = [file for number in FIGURES for file in draw(number, solved, out / "figures")]
    extra: dict[str, dict[str, dict[str, Tensor]]] = {"apart": {}, "alpha": {}, "resolution": {}, "descent": {}}
    others: dict[str, dict[str, Any]] = {}
    for name, of in solved.items():
        sides = of.curves[LINE], of.curves[PATH]
        extra["apart"][name] = run.extra("apart", name, sides, partial(experiments.apart, run.models[name]))
    for name in DIGITS:
        model, index, (start, end) = run.models[name], run.index(name), run.ends(name)
        jobs: dict[str, tuple[int, Callable[..., dict[str, Tensor]]]] = {
            "alpha": (plan.alpha_pairs, partial(experiments.alphas, model, plan=plan)),
            "resolution": (plan.resolution_pairs, partial(experiments.resolutions, model, index, plan=plan)),
            "descent": (plan.descent_pairs, partial(experiments.descents, model, index, plan=plan)),
        }
        for experiment, (count, job) in jobs.items():
            few = plan.few(count)
            extra[experiment][name] = run.extra(experiment, name, (start[:few], end[:few]), job)
        others[name] = _other_indices(run, name, solved[name])
    judged = {name: _said(run, name, of) for name, of in solved.items()}
    content = Content(plan, command, solved, claims(solved, extra, plan), judged, others, run.real.missing)
    return written + write(content, out)


def _said(run: Reproduction, name: str, of: Solved) -> dict[str, Any]:
    """What the judges say of the curves of a model."""

    def curves() -> dict[str, Tensor]:
        along = torch.linspace(0, run.plan.segments, run.plan.frames).round().long()
        made = {kind: run.even(name, of.curves[kind]) for kind in (LINE, SLERP, PATH)}
        return made | {METRIC: of.curves[PATH][:, along], SHORTEST: run.even(name, of.curves[SHORTEST])}

    return run.judged(name, "judged", (LINE, SLERP, PATH, METRIC, SHORTEST), run.plan.pairs_of(name), curves)


def _other_indices(run: Reproduction, name: str, main: Solved) -> dict[str, Any]:
    """Paths by other indices, how they were solved, and what the judges say of them."""
    count, real, model = run.plan.few(run.plan.index_pairs), run.real.pixels.get("mnist"), run.models[name]
    names, (start, end) = experiments.index_names(model, real), run.ends(name)
    job = partial(experiments.indices, model, real, plan=run.plan)
    made = run.extra("indices", name, (start[:count], end[:count]), job, names)
    every = {LINE: main.curves[LINE][:count], PATH: main.curves[PATH][:count]}
    every |= {index: made[f"{index}/latents"] for index in names}

    def curves() -> dict[str, Tensor]:
        return {kind: run.even(name, latents) for kind, latents in every.items()}

    solves = {PATH: {fact: main.solves[PATH][fact][:count] for fact in _SOLVES}}
    solves |= {index: {fact: made[f"{index}/{fact}"] for fact in _SOLVES} for index in names}
    return {
        "judged": run.judged(name, "judged-indices", list(every), count, curves, by_pair=True),
        "solves": {
            index: {**{fact: each.tolist() for fact, each in of.items()}, "outcome": _words(of["outcome"])}
            for index, of in solves.items()
        },
    }


def _words(outcome: Tensor) -> list[str]:
    return [str(Outcome(code)) for code in outcome.tolist()]
