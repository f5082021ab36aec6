"""The whole reproduction: solves jobs, judges curves, tests claims, draws figures and writes the report."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from .. import __version__
from ..energy import even_in_data
from ..errors import InputError
from ..index import RealismIndex
from ..models import Model, load
from ..models.files import CARD_FILE, read_json
from ..models.registry import WEIGHTS, available
from ..models.sampling import draw_pairs
from ..solvers import Outcome
from . import jobs
from .claims import evaluate_claims
from .config import DIGITS, FACES, MODELS, WAE, Config
from .figures.catalogue import FIGURES, draw
from .figures.contact_sheet import FRAMES, draw_worst, worst_caption, worst_pairs
from .figures.front import FrontResult, draw_front, front_caption, judges_of_frames
from .job_cache import JobCache
from .jobs import SOLVER_FACTS
from .judges.evaluation import judge, stages
from .judges.records import is_complete, record
from .progress import JobProgress, job_weight, total_weight
from .real_images import IMAGE_DEPENDENT_JOBS, RealImages, data_set_of, read_real_images
from .recipe_jobs import front, front_points, own_point, recommended
from .report.writer import Content, write
from .results import KINDS, LINE, OWN, PATH, RECOMMENDED, SHORTEST, SLERP, ModelResult

METRIC = "path, metric spacing"
_DIGITS_AT_ONCE, _FACES_AT_ONCE = 8, 4  # pairs that are solved together


@dataclass
class Reproduction:
    """The jobs of a reproduction with everything that they need."""

    config: Config
    cache: JobCache
    models: Mapping[str, Model]
    real: RealImages
    progress: JobProgress = field(default_factory=JobProgress)  # the progress over all jobs

    def endpoints(self, name: str) -> tuple[Tensor, Tensor]:
        """The endpoints of the pairs of a model, ``(B, D)`` each."""
        model, count = self.models[name], self.config.pairs_of(name)
        assert model.prior is not None
        images = self._encoded_images(name)
        if images is not None:
            order = torch.randperm(len(images), generator=torch.Generator().manual_seed(self.config.seed))
            latents = model.encode(images[order[: 2 * count]].float() / 127.5 - 1)
            return latents[:count], latents[count:]
        return draw_pairs(model.prior, count, self.config.seed)

    def _encoded_images(self, name: str) -> Tensor | None:
        """The images whose encodings are the endpoints of a model; None where these are draws of the prior."""
        images = self.real.held_out
        return images if name == WAE and images is not None and len(images) >= 2 * self.config.pairs_of(name) else None

    def endpoint_source(self, name: str) -> str:
        """The source of the endpoints in words; empty where they are draws of the prior as in the paper."""
        if name != WAE:
            return ""
        if self._encoded_images(name) is not None:
            return (
                "encodings of images that were kept out of training, so that the first and the last frame are "
                "reconstructions"
            )
        if self.real.held_out is None:
            return "draws of the prior, and no encodings, since there are no images of faces here"
        pairs, images = self.config.pairs_of(name), len(self.real.held_out)
        return (
            f"draws of the prior, and no encodings, since {pairs} pairs need twice as many images, and {images} were "
            "kept out of training"
        )

    def index(self, name: str) -> RealismIndex:
        """The realism index of a model's prior."""
        return RealismIndex(self.models[name].prior, alpha=self.config.alpha, seed=self.config.seed)

    def solve(self, name: str, count: int | None = None) -> ModelResult:
        """The main job: all pairs of a model, some at a time, or only the parts with the first ``count`` pairs."""
        job = partial(jobs.main, self.models[name], self.index(name), config=self.config)
        tensors = self.tensors("main", name, self.endpoints(name), job, count=count)

        def by_kind(fact: str) -> dict[str, Tensor]:
            return {kind: tensors[f"{kind}/{fact}"] for kind in KINDS}

        measured: dict[str, Any] = {fact: by_kind(fact) for fact in ("ri", "steps", "cost", "length")}
        measured |= {"curves": by_kind("latents"), "endpoint_source": self.endpoint_source(name)}
        solves = {kind: {fact: tensors[f"{kind}/{fact}"] for fact in SOLVER_FACTS} for kind in (PATH, SHORTEST)}
        return ModelResult(name, self.models[name], self.config.alpha, **measured, solves=solves)

    def tensors(
        self,
        job: str,  # the name of the job
        name: str,
        sides: tuple[Tensor, Tensor],  # the two sides of the pairs: endpoints, or curves
        compute: Callable[..., Mapping[str, Tensor]],  # takes rows of both sides, and ``report``
        solves: Sequence[str] = (),  # the names of other indices, or of points of the front, for the jobs of these
        count: int | None = None,  # compute only the parts with the first ``count`` pairs
    ) -> dict[str, Tensor]:
        """Computes a job some pairs at a time, or reads it from the cache."""
        total = len(sides[0])
        size = total if job == "apart" else _FACES_AT_ONCE if name in FACES else _DIGITS_AT_ONCE
        keys = jobs.expected_keys(job, self.config, solves)
        title = f"{name}: pairs" if job == "main" else f"{name}: {job}, pairs"
        parts: list[dict[str, Tensor]] = []
        for first in range(0, total if count is None else min(count, total), size):
            last = min(first + size, total)
            report = self.progress.job(
                f"{title} {first + 1} to {last} of {total}", job_weight(name, job, last - first, self.config)
            )
            part = partial(compute, *(side[first:last] for side in sides), report=report)
            parts.append(self.cache.tensors(f"{name}/{job}-{first:04}", part, keys, last - first))
            report(1.0)
        return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}

    def judged(
        self,
        name: str,
        job: str,
        kinds: Sequence[str],
        pairs: int,
        curves: Callable[[], Mapping[str, Tensor]],
        by_pair: bool = False,
        own: bool = False,  # judge the model's own samples and sets of frames too
    ) -> dict[str, Any]:
        """The record of the judges on ``curves()``, ``(B, P, D)`` of every kind; computed, or read from the cache."""
        steps = stages(kinds, own)
        data = data_set_of(name)
        report = self.progress.job(f"{name}: {job}", job_weight(name, job, self.config.pairs_of(name), self.config))

        def compute() -> Mapping[str, Any]:
            judgements = judge(
                self.models[name],
                curves(),
                self.real.pixels.get(data),
                seed=self.config.seed,
                own=own,
                progress=lambda kind, done: report(min(0.99, (steps.index(kind) + done / pairs) / len(steps))),
            )
            return record(judgements, self.real.missing.get(data), by_pair)

        found = self.cache.facts(
            f"{name}/{job}", compute, lambda stored: is_complete(stored, kinds, pairs, by_pair, own)
        )
        report(1.0)
        return found

    def even(self, name: str, latents: Tensor) -> Tensor:
        """Points at equal distance in data space, ``(B, frames, D)``."""
        with torch.no_grad():
            return even_in_data(latents, self.models[name].generator, self.config.frames)


def reproduce(
    config: Config,
    out: Path,  # the folder; empty, new, or with the same settings
    console: Console,  # shows progress
    *,
    figures: Sequence[int] = (),  # only these, without a report; all figures and the report where none is named
    data: str | None = None,  # the folder of the data sets; defaults to ``LATENTPATH_DATA``, if it is set
    command: str = "latentpath reproduce",  # the command line, for the report
) -> list[Path]:
    """Runs a reproduction in the folder ``out``, or continues it; returns the written files."""
    unknown = [number for number in figures if number not in FIGURES]
    if unknown:
        raise InputError(f"there is no figure {unknown[0]}: the paper has {min(FIGURES)} to {max(FIGURES)}")
    wanted = MODELS if not figures else tuple(m for m in MODELS if any(m in FIGURES[n].models for n in figures))
    installed = available()
    absent = [name for name in wanted if name not in installed]
    if absent:
        raise InputError(f"the model {absent[0]} is not here: install the package whole")
    cards = {name: read_json(WEIGHTS / name / CARD_FILE) for name in MODELS if name in installed}
    hashes = {name: card["sha256"] for name, card in cards.items()}
    recipes = {name: _recipe_digest(card) for name, card in cards.items()}
    cache = JobCache(out, {"latentpath": __version__, "plan": asdict(config), "models": hashes, "recipes": recipes})
    # Figures need images only where these are encoded.
    real = read_real_images(("mnist", "celeba") if not figures else ("celeba",) * (WAE in wanted), data)
    for why in real.missing.values():
        console.print(f"What needs images is left out: {why}", soft_wrap=True, markup=False)
    models = {name: load(name) for name in wanted}
    for name in cache.begin(real.counts, IMAGE_DEPENDENT_JOBS):
        console.print(f"Images of {name} have come: what was done without them is done anew", markup=False)
    run = Reproduction(config, cache, models, real)
    if figures:
        most = max(FIGURES[number].pairs for number in figures)
        total = sum(job_weight(name, "main", min(most, config.pairs_of(name)), config) for name in wanted)
        with JobProgress.on(console, total) as run.progress:
            results = {name: run.solve(name, most) for name in wanted}
        return [file for number in dict.fromkeys(figures) for file in draw(number, results, out / "figures")]
    with JobProgress.on(console, total_weight(config)) as run.progress:
        return _figures_and_report(run, out, command)


def _recipe_digest(card: Mapping[str, Any]) -> str:
    """Returns what tells a model's recipe from others; empty without one."""
    recipe = {key: value for key, value in (card.get("recipe") or {}).items() if key != "evidence"}
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest() if recipe else ""


def _figures_and_report(run: Reproduction, out: Path, command: str) -> list[Path]:
    config = run.config
    results = {name: run.solve(name) for name in MODELS}
    files = [file for number in FIGURES for file in draw(number, results, out / "figures")]
    extra: dict[str, dict[str, dict[str, Tensor]]] = {"apart": {}, "alpha": {}, "resolution": {}, "descent": {}}
    for name, result in results.items():
        if run.models[name].recipe is not None:
            by_recipe = partial(recommended, run.models[name], config=config)
            results[name] = replace(
                result, recommended=run.tensors("recommended", name, run.endpoints(name), by_recipe)
            )
        sides = result.curves[LINE], result.curves[PATH]
        extra["apart"][name] = run.tensors("apart", name, sides, partial(jobs.apart, run.models[name]))
    other_indices: dict[str, dict[str, Any]] = {}
    for name in DIGITS:
        model, index, (start, end) = run.models[name], run.index(name), run.endpoints(name)
        digit_jobs: dict[str, tuple[int, Callable[..., dict[str, Tensor]]]] = {
            "alpha": (config.alpha_pairs, partial(jobs.alphas, model, config=config)),
            "resolution": (config.resolution_pairs, partial(jobs.resolutions, model, index, config=config)),
            "descent": (config.descent_pairs, partial(jobs.descents, model, index, config=config)),
        }
        for job, (count, compute) in digit_jobs.items():
            pairs = config.digit_pairs(count)
            extra[job][name] = run.tensors(job, name, (start[:pairs], end[:pairs]), compute)
        other_indices[name] = _other_indices(run, name, results[name])
    judges = {name: _judged(run, name, result) for name, result in results.items()}
    pictures, captions = _method_pictures(run, results, judges, out / "figures")
    claims = evaluate_claims(results, extra, config)
    content = Content(config, command, results, claims, judges, other_indices, run.real.missing, captions)
    return files + pictures + write(content, out)


def _method_pictures(
    run: Reproduction, results: Mapping[str, ModelResult], judges: Mapping[str, dict[str, Any]], folder: Path
) -> tuple[list[Path], dict[str, str]]:
    """Draws front and contact sheet of every model with a recipe and a judge; returns the files, and captions."""
    files: list[Path] = []
    captions: dict[str, str] = {}
    for name, result in results.items():
        if not result.recommended or not judges_of_frames(judges[name]):
            continue
        curves = {kind: result.curves[kind] for kind in (LINE, SLERP, PATH)}
        curves[RECOMMENDED] = result.recommended["latents"]
        judged_front = _front(run, result, judges[name], curves)
        files += (drawn := draw_front(judged_front, folder))
        captions[drawn[0].stem] = front_caption(judged_front)
        even = partial(_even_pairs, run.models[name], curves)
        worst = worst_pairs(run.models[name], judges[name], run.config.worst_pairs_of(name), even)
        if worst is not None:
            files += (drawn := draw_worst(worst, folder))
            captions[drawn[0].stem] = worst_caption(worst)
    return files, captions


@torch.no_grad()
def _even_pairs(model: Model, curves: Mapping[str, Tensor], kind: str, pairs: list[int]) -> Tensor:
    return even_in_data(curves[kind][pairs], model.generator, FRAMES)


def _front(
    run: Reproduction, result: ModelResult, judged: Mapping[str, Any], curves: Mapping[str, Tensor]
) -> FrontResult:
    """The front of a model: ``curves`` by method, and its recipe at other alphas and mus, between the first pairs."""
    name, config, recipe = result.name, run.config, run.models[result.name].recipe
    assert recipe is not None
    count, points, (start, end) = config.front_pairs_of(name), front_points(recipe, config), run.endpoints(name)
    compute = partial(front, run.models[name], points, config=config)
    tensors = run.tensors("front", name, (start[:count], end[:count]), compute, list(points))
    polylines = {kind: each[:count] for kind, each in curves.items()}
    polylines |= {point: tensors[f"{point}/latents"] for point in points}
    length = {kind: result.length[kind][:count] for kind in (LINE, SLERP, PATH)}
    length[RECOMMENDED] = result.recommended["length"][:count]
    length |= {point: tensors[f"{point}/length"] for point in points}

    def even() -> dict[str, Tensor]:
        return {kind: run.even(name, each) for kind, each in polylines.items()}

    directness = {kind: float((each / length[LINE]).double().mean()) for kind, each in length.items()}
    own = {row["name"]: row["estimates"][OWN] for row in judged["rows"] if OWN in row["estimates"]}
    record = run.judged(name, "judged-front", list(polylines), count, even)
    return FrontResult(name, {**points, RECOMMENDED: own_point(recipe)}, directness, record, own)


def _judged(run: Reproduction, name: str, result: ModelResult) -> dict[str, Any]:
    def curves() -> dict[str, Tensor]:
        along = torch.linspace(0, run.config.segments, run.config.frames).round().long()
        even = {kind: run.even(name, result.curves[kind]) for kind in (LINE, SLERP, PATH)}
        even |= {kind: run.even(name, result.recommended["latents"]) for kind in by_recipe}
        return even | {METRIC: result.curves[PATH][:, along], SHORTEST: run.even(name, result.curves[SHORTEST])}

    by_recipe = (RECOMMENDED,) if result.recommended else ()
    kinds = (LINE, SLERP, PATH, *by_recipe, METRIC, SHORTEST)
    return run.judged(name, "judged", kinds, run.config.pairs_of(name), curves, by_pair=True, own=True)


def _other_indices(run: Reproduction, name: str, result: ModelResult) -> dict[str, Any]:
    count, real, model = run.config.digit_pairs(run.config.index_pairs), run.real.pixels.get("mnist"), run.models[name]
    names, (start, end) = jobs.index_names(model, real), run.endpoints(name)
    compute = partial(jobs.indices, model, real, config=run.config)
    tensors = run.tensors("indices", name, (start[:count], end[:count]), compute, names)
    curves = {kind: result.curves[kind][:count] for kind in (LINE, PATH)}
    curves |= {index: tensors[f"{index}/latents"] for index in names}
    facts = {PATH: {fact: result.solves[PATH][fact][:count] for fact in SOLVER_FACTS}}
    facts |= {index: {fact: tensors[f"{index}/{fact}"] for fact in SOLVER_FACTS} for index in names}
    solves = {index: {fact: each.tolist() for fact, each in solve.items()} for index, solve in facts.items()}
    for solve in solves.values():
        solve["outcome"] = [str(outcome) for outcome in Outcome.from_codes(solve["outcome"])]

    def even() -> dict[str, Tensor]:
        return {kind: run.even(name, latents) for kind, latents in curves.items()}

    judged = run.judged(name, "judged-indices", list(curves), count, even, by_pair=True)
    return {"judged": judged, "solves": solves}
