r"""A recipe for a generator without judges: fit the factors, try candidates on pairs, and let a critic choose.

1. **Factors.** The density of the prior, a surrogate of the pushforward index, and one of the discriminator's where
   there is one (`latentpath.index.surrogate`).
2. **Candidates.** Products of these factors, with and without a ceiling of one half, at several alpha and mu, are
   solved between pairs of samples of the prior, together with the straight line and the paper's method.
3. **Critic.** `latentpath.critic` learns to tell samples from frames of the straight line and of the paper's method,
   and judges the frames of all candidates, each pair by a network that saw other pairs only.
4. **Choice.** Eligible are candidates whose directness is at most 1.3 on average, and whose frames cover at least nine
   tenths of the samples that the straight line's frames cover. Where ``data`` are given, candidates farther from the
   nearest real datum than the line, by two standard errors of the paired difference, are not eligible. Of those
   within one standard error of the eligible candidate with the best verdict, the one with the most factors is chosen,
   since each factor rules out what one view calls unreal, and of these the most direct one.

The judges of a recipe's final numbers should be others than this critic, and so should the pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, SupportsIndex

import torch
from torch import Tensor

from ._progress import progress_bar
from ._validate import SEED, describe, real_number, whole_number
from .callables import any_precision
from .critic import criticised
from .curves import spaced
from .decoding import chords
from .errors import InputError
from .index import DiscriminatorIndex, PriorIndex, PushforwardIndex, RealismIndex
from .index.prior_adapter import draw
from .index.score import as_weights
from .interpolate import interpolate
from .interpolate_arguments import GenerativeModel, split_model
from .models.metrics.coverage import coverage
from .models.metrics.distances import nearest_distances
from .path import Path
from .recipe import Recipe, product_of_factors
from .recommendation_table import Candidate, Recommendation
from .ruler import SAMPLES, Ruler

__all__ = ["Candidate", "Recommendation", "recommend"]

MAX_DIRECTNESS = 1.3
"""The mean length in the data over the line's above which a candidate is a detour."""

LEAST_COVERAGE = 0.9
"""The least share of the straight line's coverage of samples that a candidate must reach."""

_FRAMES, _CRITIC_SAMPLES, _CRITIC_STEPS, _DECODED = 12, 1024, 300, 512
_INDEX_SAMPLES, _LATENTS, _FEW_LATENTS, _EXACT, _CHEAPER = 1000, 9000, 4000, 64, 4
_TOL = 1e-2


def recommend(
    generator: Callable[[Tensor], Tensor] | GenerativeModel,
    prior: Any = None,
    discriminator: Callable[[Tensor], Tensor] | None = None,
    data: Tensor | None = None,
    *,
    ceilings: Sequence[float | None] = (None, 0.5),
    alphas: Sequence[float] = (0.9, 0.98),
    mus: Sequence[float] = (0.5, 0.8),
    pairs: SupportsIndex = 16,
    segments: SupportsIndex = 25,
    latents: SupportsIndex | None = None,
    fit_steps: SupportsIndex = 4000,
    critic_steps: SupportsIndex = _CRITIC_STEPS,
    seed: SupportsIndex = 0,
    progress: bool | None = None,
) -> Recommendation:
    """Finds a recipe for a generator without judges, in minutes on a CPU.

    Call it as ``recommend(generator, prior)``, or as ``recommend(model)`` with a `latentpath.Model`, whose
    discriminator is a factor too.

    Args:
        generator: as for `interpolate`.
        prior: a density with ``log_prob`` and ``sample``.
        discriminator: data ``(N, ...)`` to logits, more being more real; a factor where given.
        data: real data ``(N, ...)`` in the range of the generator's output; candidates must not be farther from them
            than the straight line.
        ceilings: of all factors but the density, None for no ceiling (see `CeilingIndex`); candidates have each of
            these, with each of ``alphas``, the scale of the index, and each of ``mus``, for the `Ruler`; all in [0, 1].
        alphas: see ``ceilings``.
        mus: see ``ceilings``.
        pairs: the pairs of samples that every candidate is solved between; at least 8.
        segments: of every path.
        latents: whose scores the surrogate of the pushforward index is fitted to, four times as many for the
            discriminator's; None for 9,000, or 4,000 beyond 64 dimensions.
        fit_steps: optimiser steps of every surrogate.
        critic_steps: optimiser steps of each of the critic's two networks.
        seed: of pairs, surrogates and critic.
        progress: True shows a progress bar; None shows one on a terminal or in a notebook.

    Returns:
        A `Recommendation`; its ``recipe`` serves ``interpolate(..., method=recipe)``.

    Raises:
        InputError: an argument out of range or without a number, data that are not finite or of another shape than the
            generator's output, or an index in place of a prior.
        GeneratorError: as for `interpolate`.

    Source: not in the paper.

    Example:
        >>> import torch, latentpath as lp
        >>> prior = lp.priors.standard_normal(2)
        >>> quick = {
        ...     "alphas": (0.9,),
        ...     "pairs": 8,
        ...     "segments": 6,
        ...     "latents": 300,
        ...     "fit_steps": 60,
        ...     "critic_steps": 20,
        ...     "progress": False,
        ... }
        >>> found = lp.recommend(lambda z: torch.cat([z, z.square()], 1), prior, **quick)
        >>> path = lp.interpolate(
        ...     lambda z: torch.cat([z, z.square()], 1), prior, torch.ones(2), -torch.ones(2), method=found.recipe
        ... )
        >>> path.settings["method"]
        'recommended'
    """
    function, density, _ = split_model(generator, prior, (), "")
    if discriminator is None and function is not generator:
        discriminator = getattr(generator, "discriminator", None)
    if isinstance(density, PriorIndex) or not hasattr(density, "log_prob"):
        raise InputError(f"prior must be a density with log_prob and sample; got {describe(density)}.")
    numbers = {
        "pairs": (pairs, 8),
        "segments": (segments, 2),
        "fit_steps": (fit_steps, 1),
        "critic_steps": (critic_steps, 1),
    }
    count, parts, fits, critics = (whole_number(name, value, least) for name, (value, least) in numbers.items())
    seed = whole_number("seed", seed, 0, SEED)
    grid = _grid(ceilings=ceilings, alphas=alphas, mus=mus)
    density_index = RealismIndex(density)
    if latents is None:
        latents = _LATENTS if density_index.dim <= _EXACT else _FEW_LATENTS
    fitting = {"latents": whole_number("latents", latents, 100), "steps": fits, "seed": seed, "progress": progress}
    trial = _Trial(function, density_index, count, parts, seed)
    if data is not None:
        trial.check_data(data)
    factors = _factors(function, density, discriminator, fitting)
    with progress_bar("Trying recipes", progress) as report:
        solved = trial.solve([*trial.recipes(factors, *grid)], report)
    return _judged(trial, solved, factors, data, critics)


def _grid(**given: Sequence[float | None]) -> list[list[Any]]:
    """Validates the numbers of candidates, before surrogates are fitted; repeated ones count once."""
    found = []
    for name, values in given.items():
        try:
            numbers = [*dict.fromkeys(values)]
        except TypeError:
            numbers = []
        if not numbers:
            raise InputError(f"{name} must be one number or more; got {describe(values)}. Give them in a tuple.")
        limits: Any = {"least": 0, "most": 1} if name == "mus" else {"above": 0, "most": 1}
        for number in numbers:
            if number is not None or name != "ceilings":
                real_number(name, number, **limits)
        found.append(numbers)
    return found


def _factors(
    generator: Callable[[Tensor], Tensor],
    prior: Any,
    discriminator: Callable[[Tensor], Tensor] | None,
    fitting: dict[str, Any],
) -> dict[str, Any]:
    """Fits the surrogates, by name."""
    found: dict[str, Any] = {
        "pushforward": PushforwardIndex(generator, prior, samples=_INDEX_SAMPLES).surrogate(**fitting)
    }
    if discriminator is not None:
        index = DiscriminatorIndex(prior, generator=generator, discriminator=discriminator, samples=_INDEX_SAMPLES)
        # one pass each, and a score of fine detail: with as few latents as the log-volume it is hardly learned
        found["discriminator"] = index.surrogate(**{**fitting, "latents": _CHEAPER * fitting["latents"]})
    return found


@dataclass
class _Solved:
    """One way to solve the pairs: its settings, its recipe, and its path; baselines have a path of no solve."""

    name: str
    settings: dict[str, Any]
    recipe: Recipe | None
    latents: Tensor
    path: Path | None


class _Trial:
    """Pairs of samples, and the solves between them."""

    def __init__(
        self, generator: Callable[[Tensor], Tensor], density: RealismIndex, pairs: int, segments: int, seed: int
    ) -> None:
        self.generator, self.density, self.segments, self.seed = generator, density, segments, seed
        drawn = as_weights(generator, draw(density.prior, density.dim, 2 * pairs + _CRITIC_SAMPLES, (seed + 7) % SEED))
        self.start, self.end, self.samples = drawn.split([pairs, pairs, _CRITIC_SAMPLES])
        scaling = as_weights(generator, draw(density.prior, density.dim, SAMPLES, 0))
        self.ruler = Ruler(0.5).scaled(generator, scaling, max_points=512)

    def check_data(self, data: Tensor) -> None:
        with torch.no_grad():
            shape = self.generator(self.start[:1]).shape[1:]
        if not isinstance(data, Tensor) or data.shape[1:] != shape or len(data) < 10:
            raise InputError(
                f"data must be at least 10 real data (N, {', '.join(map(str, shape))}); got {describe(data)}."
            )
        if not bool(data.isfinite().all()):
            raise InputError("data must be finite; got NaN or infinity. Leave these out.")

    def recipes(
        self, factors: dict[str, Any], ceilings: Sequence[float | None], alphas: Sequence[float], mus: Sequence[float]
    ) -> Iterator[tuple[dict[str, Any], Recipe]]:
        """Yields settings and recipe of every candidate."""
        sets = [["pushforward"]] + ([["pushforward", "discriminator"]] if "discriminator" in factors else [])
        for names, ceiling, alpha, mu in product(sets, ceilings, alphas, mus):
            parts = [self.density, *(factors[name] for name in names)]
            index = product_of_factors(parts, alpha=alpha, ceiling=ceiling)
            settings = {"factors": ["density", *names], "ceiling": ceiling, "alpha": alpha, "mu": mu}
            yield settings, Recipe(index, replace(self.ruler, mu=mu))

    def solve(
        self, every: list[tuple[dict[str, Any], Recipe]], report: Callable[[float | None, str], None]
    ) -> list[_Solved]:
        shared: dict[str, Any] = {"segments": self.segments, "tol": _TOL, "progress": False}
        ends = (self.start, self.end)
        paper = interpolate(self.generator, self.density, *ends, **shared)
        line = paper.baselines("lerp")["lerp"]
        found = [_Solved("straight line", {}, None, line, None), _Solved("the paper's", {}, None, paper.latents, paper)]
        for done, (settings, recipe) in enumerate(every, 1):
            path = interpolate(self.generator, self.density.prior, *ends, method=recipe, **shared)
            ceiling = "" if settings["ceiling"] is None else f" up to {settings['ceiling']:g}"
            letters = " x ".join(name[0].upper() for name in settings["factors"])
            found.append(
                _Solved(f"{letters}{ceiling}, {recipe.alpha:g}, mu {recipe.mu:g}", settings, recipe, path.latents, path)
            )
            report(done / len(every), f"{done} of {len(every)} candidates solved")
        return found


def _judged(
    trial: _Trial, solved: list[_Solved], factors: dict[str, Any], data: Tensor | None, steps: int
) -> Recommendation:
    """Judges all ways to solve the pairs, and chooses."""
    decode = any_precision(trial.generator)
    with torch.no_grad():
        samples = torch.cat([decode(block) for block in trial.samples.split(_DECODED)]).cpu()
        frames = {each.name: _frames(decode, each) for each in solved}
        baselines = [each.name for each in solved if not each.settings]
        realism = criticised(frames, baselines, samples, steps=steps, seed=trial.seed)
        covered = {name: coverage(each.flatten(0, 1).flatten(1), samples.flatten(1)) for name, each in frames.items()}
        lengths = {name: chords(each.flatten(2)).sum(-1) for name, each in frames.items()}
        near: dict[str, Tensor] | None = None
        if data is not None:
            real = data.detach().cpu().to(samples)
            distances = {name: nearest_distances(each.flatten(0, 1), real) for name, each in frames.items()}
            near = {name: each.reshape(len(trial.start), -1).mean(1) for name, each in distances.items()}
    line, rows = solved[0].name, []
    for each in solved:
        gain, directness = realism[each.name] - realism[line], float((lengths[each.name] / lengths[line]).mean())
        farther = None if near is None else near[each.name] - near[line]
        eligible = bool(each.settings) and _is_eligible(directness, covered[each.name], covered[line], farther)
        rows.append(
            Candidate(
                each.name,
                each.settings,
                realism=float(gain.mean()),
                standard_error=_standard_error(gain),
                directness=directness,
                coverage=covered[each.name],
                nearest=None if near is None else float((near[each.name] / near[line]).mean()),
                converged=1.0 if each.path is None else float(each.path.converged.double().mean()),
                evaluations=0.0 if each.path is None else float(each.path.evaluations.mean()),
                eligible=eligible,
            )
        )
    chosen = _choice(rows)
    recipe = next(each.recipe for each in solved if each.settings == chosen.settings)
    assert recipe is not None
    numbers = {
        name: round(getattr(chosen, name), 4) for name in ("realism", "standard_error", "directness", "coverage")
    }
    evidence = {"settings": chosen.settings, "pairs": len(trial.start), "seed": trial.seed, **numbers}
    correlations = {name: factor.correlation for name, factor in factors.items()}
    return Recommendation(Recipe(recipe.index, recipe.ruler, evidence), tuple(rows), correlations, len(trial.start))


def _frames(decode: Callable[[Tensor], Tensor], solved: _Solved) -> Tensor:
    """Decodes interior points evenly spaced in the data, ``(B, n, ...)``, on the CPU."""

    def data_of(points: Tensor) -> Tensor:
        data = torch.cat([decode(block) for block in points.flatten(0, 1).split(_DECODED)])
        return data.reshape(*points.shape[:2], *data.shape[1:])

    points = spaced(solved.latents, _FRAMES + 2, lambda fine: chords(data_of(fine).flatten(2)))
    return data_of(points[:, 1:-1]).cpu()


def _standard_error(values: Tensor) -> float:
    return float(values.std() / len(values) ** 0.5)


def _is_eligible(directness: float, coverage: float, line_coverage: float, farther: Tensor | None) -> bool:
    """Returns True for a candidate that may be chosen; ``farther`` is its pairs' distance to data less the line's."""
    direct, covers = directness <= MAX_DIRECTNESS, coverage >= LEAST_COVERAGE * line_coverage
    return direct and covers and (farther is None or float(farther.mean()) <= 2 * _standard_error(farther))


def _choice(rows: list[Candidate]) -> Candidate:
    """Returns a candidate within one standard error of the best eligible one: of the most factors the most direct."""
    tried = [row for row in rows if row.settings]
    eligible = [row for row in tried if row.eligible] or tried
    best = max(eligible, key=lambda row: row.realism)
    near = [row for row in eligible if row.realism >= best.realism - best.standard_error]
    return min(near, key=lambda row: (-len(row.settings["factors"]), row.directness))
