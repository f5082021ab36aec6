"""Priors by name: "normal", "semicircle", or ``package.module:attr`` where the user, not a file, gives the name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch.distributions import Distribution

from .. import priors
from ..errors import DataError, InputError
from .object_reference import call_factory, is_reference, resolve

_PRIORS: dict[str, Callable[[int], Distribution]] = {
    "normal": priors.standard_normal,
    "semicircle": priors.semicircle,
}


def named_prior(name: str, dim: int | None) -> Distribution:
    """Returns the prior called ``name``, over vectors of length ``dim``.

    Args:
        name: "semicircle", "normal", or ``package.module:attr``: a distribution, or a function that makes one and is
            given ``dim`` (or ``latent_dim``) if it has a parameter of that name. **It is imported**: for a name read
            from a file there is `stored_prior`.
        dim: ``D``; None where only the named distribution can know.

    Raises:
        InputError: another name, code that cannot be imported or makes something else, or another length.

    Example:
        >>> named_prior("latentpath.priors:uniform_ball", 3)
        UniformBall(dim=3, radius=1.0)
    """
    if is_reference(name):
        found = resolve(name)
        if not isinstance(found, Distribution):
            found = call_factory(name, found, dim=dim, latent_dim=dim)
        shapes = (found.batch_shape, found.event_shape) if isinstance(found, Distribution) else None
        if shapes is None or len(shapes[0]) or len(shapes[1]) != 1 or dim not in (None, shapes[1][0]):
            shown = f" with batch shape {tuple(shapes[0])} and event shape {tuple(shapes[1])}" if shapes else ""
            raise InputError(
                f"{name} must be, or make, a torch.distributions.Distribution over vectors ({dim or 'D'},); "
                f"got {type(found).__name__}{shown}"
            )
        assert isinstance(found, Distribution)
        return found
    if name not in _PRIORS:
        raise InputError(
            f'a prior is called "semicircle" or "normal", or is yours, "package.module:attr"; got {name!r}'
        )
    if dim is None:
        raise InputError(f"a {name} prior needs the length of a latent: pass latent_dim=D")
    return _PRIORS[name](dim)


def stored_prior(described: Mapping[str, Any], where: str | Path) -> Distribution:
    """Returns the prior ``{"name", "dim"}`` of a file, which may name "normal" and "semicircle" but no code."""
    try:
        name, dim = described["name"], int(described["dim"])
        if not is_reference(name):
            return named_prior(name, dim)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{where} describes no prior that this version knows ({error!r})") from error
    raise DataError(
        f"{where} says that the prior is {name!r}. That is code, and code is not run because a file names it: "
        f"where you trust it, name it yourself, with prior={name!r}"
    )
