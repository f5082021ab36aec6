"""The whole reproduction: solve what the plan says, judge it, test the claims, draw the figures, write the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from .. import __version__
from ..data import load_images
from ..energy import even_in_data
from ..errors import InputError, LatentPathError
from ..index import RealismIndex
from ..models import Model, load
from ..models.registry import available
from ..pairs import endpoints
from ..solvers import Outcome
from . import experiments
from .claims import claims
from .experiments import KINDS, LINE, PATH, SHORTEST, SLERP
from .figures import FIGURES, draw
from .judgements import Judgement, Judgements, SetJudgement
from .judges import judge
from .meter import Meter
from .plan import DIGITS, FACES, MODELS, WAE, Plan
from .report import Content, write
from .solved import Solved
from .statistics import Claim, above, below
from .store import Store

__all__ = ["Reproduction", "reproduce"]

_AT_ONCE = {True: 4, False: 8}  # pairs solved together, of faces and of digits
_HELD_OUT = 100
METRIC = "path, metric spacing"


@dataclass
class Reproduction:
    """A reproduction on its way.

    Attributes:
        plan: the settings.
        store: the folder.
        data: the folder of the data sets; None: that in ``LATENTPATH_DATA``.
        console: for what is told.
        real: training images by data set, ``uint8``; None where they are not here, with the reason in ``missing``.
        missing: why there are no images of a data set.
        encoded: images of faces that were kept out of training, whose encodings are endpoints.
    """

    plan: Plan
    store: Store
    console: Console
    models: dict[str, Model]
    real: dict[str, Tensor | None] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    encoded: Tensor | None = None
    meter: Meter = field(default_factory=Meter)

    def ends(self, name: str) -> tuple[Tensor, Tensor]:
        """The endpoints of the pairs of a model, ``(B, D)`` each."""
        model, count = self.models[name], self.plan.pairs_of(name)
        assert model.prior is not None
        if self.from_images(name):
            assert self.encoded is not None
            order = torch.randperm(len(self.encoded), generator=torch.Generator().manual_seed(self.plan.seed))
            latents = model.encode(self.encoded[order[: 2 * count]].float() / 127.5 - 1)
            return latents[:count], latents[count:]
        return endpoints(model.prior, count, self.plan.seed)

    def from_images(self, name: str) -> bool:
        """Whether the endpoints of a model are encodings of images."""
        return name == WAE and self.encoded is not None and len(self.encoded) >= 2 * self.plan.pairs_of(name)

    def index(self, name: str) -> RealismIndex:
        """The realism index of a model's prior."""
        return RealismIndex(self.models[name].prior, alpha=self.plan.alpha, seed=self.plan.seed)

    def solve(self, name: str, count: int | None = None) -> Solved:
        """The main job: all pairs of a model, some at a time, or the first ``count`` of them."""
        model, (start, end), index = self.models[name], self.ends(name), self.index(name)
        total = self.plan.pairs_of(name)
        found: list[dict[str, Tensor]] = []
        for part in experiments.chunks(total, _AT_ONCE[name in FACES]):
            if count is not None and part.start >= count:
                break
            what = f"{name}: pairs {part.start + 1} to {part.stop} of {total}"

            tell = self.meter.job(what, _weight(name, "main", part.stop - part.start, self.plan))

            def compute(part: slice = part, tell: experiments.Told = tell) -> Mapping[str, Tensor]:
                return experiments.main(model, index, start[part], end[part], self.plan, tell)

            found.append(self.store.tensors(f"{name}/main-{part.start:04}", compute))
            tell(1.0)
        every = {key: torch.cat([each[key] for each in found]) for key in found[0]}

        def of(fact: str) -> dict[str, Tensor]:
            return {kind: every[f"{kind}/{fact}"] for kind in KINDS}

        ends = "encodings of images that were kept out of training, so that the first and the last frame are "
        return Solved(
            name, model, self.plan.alpha, of("latents"), of("ri"), of("steps"), of("cost"), of("length"),
            ends + "reconstructions" if self.from_images(name) else "",
        )  # fmt: skip

    def extra(self, experiment: str, name: str, count: int, run: Callable[..., Any]) -> dict[str, Tensor]:
        """Another experiment on the first ``count`` pairs of a model."""
        start, end = (side[:count] for side in self.ends(name))
        found: list[dict[str, Tensor]] = []
        for part in experiments.chunks(count, _AT_ONCE[name in FACES]):
            what = f"{name}: {experiment}, pairs {part.start + 1} to {part.stop} of {count}"

            tell = self.meter.job(what, _weight(name, experiment, part.stop - part.start, self.plan))

            def compute(part: slice = part, tell: experiments.Told = tell) -> Mapping[str, Tensor]:
                made: Mapping[str, Tensor] = run(start[part], end[part], self.plan, tell)
                return made

            found.append(self.store.tensors(f"{name}/{experiment}-{part.start:04}", compute))
            tell(1.0)
        return {key: torch.cat([each[key] for each in found]) for key in found[0]}

    def judged(self, name: str, title: str, curves: Mapping[str, Tensor]) -> dict[str, Any]:
        """What the judges say of curves ``(B, P, D)``, as facts."""
        data = "celeba" if name in FACES else "mnist"
        tell = self.meter.job(f"{name}: {title}", _weight(name, title, self.plan.pairs_of(name), self.plan))

        def compute() -> Mapping[str, Any]:
            kinds, total = list(curves), len(next(iter(curves.values())))
            said = judge(
                self.models[name],
                curves,
                self.real.get(data),
                seed=self.plan.seed,
                progress=lambda kind, done: tell(min(0.99, (kinds.index(kind) + done / total) / len(kinds))),
            )
            return _facts(said, self.missing.get(data))

        found = self.store.facts(f"{name}/{title}", compute)
        tell(1.0)
        return found

    def even(self, name: str, latents: Tensor) -> Tensor:
        """Points at equal distance in data space, ``(B, frames, D)``."""
        with torch.no_grad():
            return even_in_data(latents, self.models[name].generator, self.plan.frames)


def _facts(said: Judgements, why: str | None) -> dict[str, Any]:
    """Estimates by criterion and kind, how the others differ from the straight line and from the path, and verdicts."""
    rows = []
    for found in said.judged:
        ends = found.ends if isinstance(found, Judgement) else None
        rows.append(
            {
                **asdict(found.criterion),
                "estimates": {kind: found.estimate(kind).to_dict() for kind in said.kinds},
                "ends": None if ends is None else float(ends.mean()),
                "than_line": _than(found, LINE, said.kinds),
                "than_path": _than(found, PATH, said.kinds),
            }
        )
    missing = [
        {"title": left.criterion.title, "why": why if why and "real images" in left.why else left.why}
        for left in said.missing
    ]
    head = {"pairs": said.pairs, "frames": said.frames, "real": said.real, "kinds": list(said.kinds)}
    return {**head, "rows": rows, "missing": missing}


def _than(found: Judgement | SetJudgement, other: str, kinds: Sequence[str]) -> dict[str, Any]:
    """For every kind of curve but ``other``: is it better than that, by the paired difference?"""
    rule = above(0) if found.criterion.higher_is_better else below(0)
    return {
        kind: Claim(f"{kind} better than {other}", found.difference(kind, other), rule).to_dict()
        for kind in kinds
        if kind != other
    }


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
    absent = [name for name in wanted if name not in available()]
    if absent:
        raise InputError(f"the model {absent[0]} is not here: install the package whole")
    models = {name: load(name) for name in wanted}
    real, missing, encoded = _images(models, data, console)
    hashes = {name: load(name).card["sha256"] for name in MODELS if name in available()}
    seen = {name: None if images is None else len(images) for name, images in real.items()}
    store = Store(out, {"latentpath": __version__, "plan": asdict(plan), "models": hashes, "real images": seen})
    run = Reproduction(plan, store, console, models, real, missing, encoded)
    if figures:
        most = max(FIGURES[number].pairs for number in figures)
        total = sum(_weight(name, "main", min(most, plan.pairs_of(name)), plan) for name in wanted)
        with Meter.on(console, total) as run.meter:
            solved = {name: run.solve(name, most) for name in wanted}
        return [file for number in figures for file in draw(number, solved, out / "figures")]
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
        "judged": 0.7,
        "judged-indices": 0.2,
    }[job]
    return each * pairs * (4 if name in FACES else 1)


def _all_work(plan: Plan) -> float:
    """The weights of all jobs."""
    both = [_weight(name, job, plan.pairs_of(name), plan) for name in MODELS for job in ("main", "judged")]
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
    extra: dict[str, dict[str, dict[str, Tensor]]] = {"alpha": {}, "resolution": {}, "descent": {}}
    others: dict[str, dict[str, Any]] = {}
    for name in DIGITS:
        model, index = run.models[name], run.index(name)
        jobs: dict[str, tuple[int, Callable[..., dict[str, Tensor]]]] = {
            "alpha": (plan.alpha_pairs, partial(experiments.alphas, model)),
            "resolution": (plan.resolution_pairs, partial(experiments.resolutions, model, index)),
            "descent": (plan.descent_pairs, partial(experiments.descents, model, index)),
        }
        for experiment, (count, job) in jobs.items():
            extra[experiment][name] = run.extra(experiment, name, plan.few(count), job)
        others[name] = _other_indices(run, name, solved[name])
    judged = {name: _said(run, name, of) for name, of in solved.items()}
    content = Content(plan, command, solved, claims(solved, extra, plan), judged, others, run.missing)
    return written + write(content, out)


def _said(run: Reproduction, name: str, of: Solved) -> dict[str, Any]:
    """What the judges say of the curves of a model."""
    curves: dict[str, Tensor] = {}
    if not run.store.has(f"{name}/judged.json"):
        along = torch.linspace(0, run.plan.segments, run.plan.frames).round().long()
        curves = {kind: run.even(name, of.curves[kind]) for kind in (LINE, SLERP, PATH)}
        curves |= {METRIC: of.curves[PATH][:, along], SHORTEST: run.even(name, of.curves[SHORTEST])}
    return run.judged(name, "judged", curves)


def _other_indices(run: Reproduction, name: str, of: Solved) -> dict[str, Any]:
    """Paths by other indices, and what the judges say of them."""
    count, real = run.plan.few(run.plan.index_pairs), run.real.get("mnist")
    made = run.extra("indices", name, count, partial(experiments.indices, run.models[name], real))
    names = [key.removesuffix("/latents") for key in made if key.endswith("/latents")]
    curves: dict[str, Tensor] = {}
    if not run.store.has(f"{name}/judged-indices.json"):
        every = {LINE: of.curves[LINE][:count], PATH: of.curves[PATH][:count]}
        every |= {index: made[f"{index}/latents"] for index in sorted(names)}
        curves = {kind: run.even(name, latents) for kind, latents in every.items()}
    said = run.judged(name, "judged-indices", curves)
    outcomes = {index: made[f"{index}/outcome"].tolist() for index in sorted(names)}
    return {
        "judged": said,
        "ended": {index: dict(Counter(str(Outcome(code)) for code in codes)) for index, codes in outcomes.items()},
        "evaluations": {index: float(made[f"{index}/evaluations"].mean()) for index in outcomes},
    }


def _images(
    models: Mapping[str, Model], data: str | None, console: Console
) -> tuple[dict[str, Tensor | None], dict[str, str], Tensor | None]:
    """Training images of both data sets, where they are, why they are not, and faces kept out of training."""
    found: dict[str, Tensor | None] = {}
    missing: dict[str, str] = {}
    encoded = None
    for name, members, size, channels, kept in (("mnist", DIGITS, 28, 1, 0), ("celeba", FACES, 64, 3, _HELD_OUT)):
        if not any(model in models for model in members):
            continue
        source = name if data is None else str(Path(data) / name) if (Path(data) / name).exists() else data
        try:
            images = load_images(source, size=size, channels=channels, hold_out=kept)
            if images.name != name:
                raise InputError(f"{source} holds {images.name}, not {name}")
        except LatentPathError as error:
            found[name], missing[name] = None, f"no images of {name}: {error}"
            console.print(
                f"Without images of {name}, what needs them is left out ({error})", soft_wrap=True, markup=False
            )
            continue
        found[name] = images.pixels
        encoded = images.held_out if name == "celeba" else encoded
    return found, missing, encoded
