"""The recipe of a model in its folder: an entry of the card, and the surrogates beside the weights.

The card has ``recipe``: the factors by name, ceiling, alpha, mu, the ruler's scales, the SHA-256 of every surrogate's
file, and the evidence that chose them. Each factor but the density is a `SurrogateIndex` in ``NAME.safetensors``. The
true index of a surrogate is built when it is first needed, to compare or to polish.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.distributions import Distribution

from .._io import write_json
from .._validate import real_number
from ..errors import DataError, InputError, MissingDataError
from ..index import (
    CeilingIndex,
    DiscriminatorIndex,
    PriorIndex,
    ProductIndex,
    PushforwardIndex,
    RealismIndex,
    SurrogateIndex,
)
from ..recipe import Recipe, product_of_factors
from ..ruler import Ruler
from .files import CARD_FILE, read_json

DENSITY, PUSHFORWARD, DISCRIMINATOR = "density", "pushforward", "discriminator"
SURROGATES = (PUSHFORWARD, DISCRIMINATOR)
"""The factors that a folder can hold, each in a file of its name."""

SAMPLES = 500
"""The samples of the estimates of a recipe's true indices."""

_DENSITY_SAMPLES, _DENSITY_SEED = 5000, 0  # of the density's estimate, where the prior has no closed form


def surrogate_file(name: str) -> str:
    """Returns the name of the file of a factor's surrogate."""
    return f"{name}.safetensors"


def surrogate_files(card: Mapping[str, Any]) -> list[str]:
    """Returns the names of the files of surrogates that a card names; none of a damaged entry, which is refused later.

    Example:
        >>> surrogate_files({"recipe": {"sha256": {"pushforward": "0a", "../x": "0b"}}})
        ['pushforward.safetensors']
    """
    entry = card.get("recipe")
    hashes = entry.get("sha256") if isinstance(entry, dict) else None
    return [surrogate_file(name) for name in SURROGATES if isinstance(hashes, dict) and name in hashes]


def read_recipe(
    folder: Path,
    entry: Any,
    prior: Distribution,
    generator: Callable[[Tensor], Tensor],
    discriminator: Callable[[Tensor], Tensor] | None,
) -> Recipe:
    """Returns the recipe of a model whose card has ``entry``.

    Raises:
        MissingDataError: a surrogate is not in ``folder``.
        DataError: the entry or a surrogate is damaged, or does not fit the model.
    """
    targets = {
        PUSHFORWARD: lambda: PushforwardIndex(generator, prior, samples=SAMPLES),
        DISCRIMINATOR: lambda: _discriminator_index(prior, generator, discriminator),
    }
    try:
        density, *names = entry["factors"]
        unknown = [name for name in (*names, *entry["sha256"]) if name not in targets]
        if unknown:  # before its name becomes a path
            raise InputError(f"{unknown[0]!r} is not a factor that this version knows")
        if density != DENSITY or len(set(names)) < len(names):
            raise InputError(f"its factors should be {DENSITY!r} and others, each once")
        evidence = dict(entry.get("evidence", {}))
        files = {name: folder / surrogate_file(name) for name in names}
        for name, file in files.items():
            _check_hash(file, entry["sha256"][name])
        ruler = Ruler(entry["mu"], data_scale=entry["data_scale"], latent_scale=entry["latent_scale"])
        alpha = real_number("alpha", entry["alpha"], above=0, most=1)
        ceiling = entry["ceiling"]
        if ceiling is not None:
            ceiling = real_number("ceiling", ceiling, above=0, most=1)
    except (InputError, AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        reason = str(error) if isinstance(error, InputError) else repr(error)
        raise DataError(f"the recipe in {folder / CARD_FILE} cannot be used: {reason}") from error

    def build() -> PriorIndex:
        factors: list[PriorIndex] = [RealismIndex(prior, samples=_DENSITY_SAMPLES, seed=_DENSITY_SEED)]
        factors += [SurrogateIndex.load(file, prior, target=targets[name]) for name, file in files.items()]
        return product_of_factors(factors, alpha=alpha, ceiling=ceiling)

    return Recipe(build, ruler, evidence)


def _discriminator_index(
    prior: Distribution, generator: Callable[[Tensor], Tensor], discriminator: Callable[[Tensor], Tensor] | None
) -> DiscriminatorIndex:
    if discriminator is None:
        raise InputError(
            "the true index of the discriminator's surrogate needs a discriminator, which the model lacks."
        )
    return DiscriminatorIndex(prior, generator=generator, discriminator=discriminator, samples=SAMPLES)


def _check_hash(file: Path, expected: str) -> None:
    if not file.is_file():
        raise MissingDataError(f"{file.parent} is not complete: {file.name}, a factor of its recipe, is not in it")
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != expected:
        raise DataError(f"{file} is damaged or was changed: its SHA-256 is {found}, its card says {expected}")


def write_recipe(folder: str | Path, recipe: Recipe) -> None:
    """Writes a recipe's surrogates into the folder of a model, and then the entry of its card.

    Raises:
        InputError: a recipe that a folder cannot hold: other surrogates than of pushforward and discriminator, an index
            in place of a surrogate, a density of another dimension or other samples than would be read, a ruler of
            features, or evidence that JSON cannot hold.
        MissingDataError: ``folder`` holds no model.
    """
    folder = Path(folder)
    card = read_json(folder / CARD_FILE)
    surrogates, ceiling = _storable(recipe, (card.get("prior") or {}).get("dim"))
    try:
        evidence = json.loads(json.dumps(dict(recipe.evidence)))
    except (TypeError, ValueError) as error:
        raise InputError(f"recipe must have evidence of plain data; got {error}. Convert it first.") from error
    hashes = {}
    for name, surrogate in surrogates.items():
        surrogate.save(folder / surrogate_file(name))
        hashes[name] = hashlib.sha256((folder / surrogate_file(name)).read_bytes()).hexdigest()
    entry = {
        "factors": [DENSITY, *surrogates],
        "ceiling": ceiling,
        "alpha": recipe.alpha,
        "mu": recipe.mu,
        "data_scale": recipe.ruler.data_scale,
        "latent_scale": recipe.ruler.latent_scale,
        "sha256": hashes,
        "correlation": {name: surrogate.correlation for name, surrogate in surrogates.items()},
        "evidence": evidence,
    }
    write_json(folder / CARD_FILE, {**card, "recipe": entry})


def _storable(recipe: Recipe, dim: int | None) -> tuple[dict[str, SurrogateIndex], float | None]:
    """Returns the surrogates by name and their ceiling, if a folder of a model with ``dim`` latents can hold them."""
    density, *others = recipe.index.indices if isinstance(recipe.index, ProductIndex) else (recipe.index,)
    ceilings = {factor.ceiling if isinstance(factor, CeilingIndex) else None for factor in others}
    surrogates: dict[str, SurrogateIndex] = {}
    for factor in others:
        inner = factor.index if isinstance(factor, CeilingIndex) else factor
        if not isinstance(inner, SurrogateIndex) or inner.target_name not in SURROGATES:
            raise InputError(f"recipe must have surrogates of {' and '.join(SURROGATES)} as factors; got {inner!r}.")
        if inner.target_name in surrogates:
            raise InputError(f"recipe must have each factor once; got two of {inner.target_name}. Drop one of them.")
        surrogates[inner.target_name] = inner
    if not isinstance(density, RealismIndex) or len(ceilings) > 1:
        raise InputError("recipe must have the density as its first factor, and one ceiling for all others.")
    if density.dim != dim:
        raise InputError(f"recipe must have an index of the model's {dim} latents; got {density!r}.")
    if density.kind == "kde" and (density.samples, density.seed) != (_DENSITY_SAMPLES, _DENSITY_SEED):
        raise InputError(
            f"recipe must have a density of {_DENSITY_SAMPLES} samples with seed {_DENSITY_SEED}, as it is read; got "
            f"{density!r}. Give RealismIndex(prior)."
        )
    if recipe.ruler.features is not None:
        raise InputError(
            f"recipe must have a ruler without features, which a card cannot hold; got {recipe.ruler.features!r}."
        )
    return surrogates, next(iter(ceilings), None)
