"""References ``package.module:attr`` to objects of the user's own code.

A reference that the user gives permits running that code. A reference read from a file does not, and never comes here.
Nothing is added to Python's path: the module must be importable by ``import package.module``.
"""

import difflib
import importlib
import inspect
import re
from typing import Any

from torch import nn

from ..callables import out_of_memory
from ..errors import InputError

_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_REFERENCE = re.compile(f"({_DOTTED}):({_DOTTED})")


def is_reference(name: object) -> bool:
    r"""Tells whether ``name`` has the form ``package.module:attr``; both sides may have dots.

    Example:
        >>> is_reference("torch.nn:Module"), is_reference("mnist-dcgan-semicircle"), is_reference(r"C:\models")
        (True, False, False)
    """
    return isinstance(name, str) and _REFERENCE.fullmatch(name) is not None


def resolve(name: str) -> Any:
    """Returns the object that ``package.module:attr`` names. The module is imported, that is, its code is run.

    Example:
        >>> resolve("math:pi")
        3.14...
    """
    found = _REFERENCE.fullmatch(name)
    if found is None:
        raise InputError(f'code is named "package.module:attr"; got {name!r}')
    module_name, path = found.groups()
    value: Any = _module(module_name, name)
    for step in path.split("."):
        try:
            value = getattr(value, step)
        except AttributeError:
            close = difflib.get_close_matches(step, dir(value), n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise InputError(f"{name}: {module_name} was imported, but has no {path!r} (no {step!r}){hint}") from None
    return value


def _module(module: str, name: str) -> Any:
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        parents = {module[: dot.start()] for dot in re.finditer(r"\.", module)} | {module}
        if isinstance(error, ModuleNotFoundError) and error.name in parents:
            raise InputError(
                f"{name}: there is no module {error.name!r} where Python looks. Install it, or put its folder on the "
                "path (PYTHONPATH=FOLDER); the current folder is not added for you"
            ) from None
        raise InputError(
            f"{name}: the module {module!r} was found, but importing it failed: {type(error).__name__}: {error}"
        ) from error


def is_factory(value: Any) -> bool:
    """Tells whether ``value`` is a class or function that needs no argument, and not a network."""
    if not callable(value) or isinstance(value, nn.Module):
        return False
    try:
        inspect.signature(value).bind()
    except (TypeError, ValueError):  # it needs arguments, or does not say
        return False
    return True


def call_factory(name: str, factory: Any, **offered: Any) -> Any:
    """Calls ``factory`` with those of ``offered`` that it has a parameter for, and returns its product."""
    try:
        parameters = inspect.signature(factory).parameters
        given = {key: value for key, value in offered.items() if key in parameters}
        inspect.signature(factory).bind(**given)
    except (TypeError, ValueError) as error:
        extra = f", or only {' or '.join(offered)}" if offered else ""
        raise InputError(
            f"{name} is a {type(factory).__name__}; a factory is called without arguments{extra}: {error}"
        ) from None
    try:
        return factory(**given)
    except Exception as error:  # anything may go wrong in a user's code
        if out_of_memory(error):
            raise
        raise InputError(
            f"{name} needs no argument, so it was called to make something, and raised {type(error).__name__}: {error} "
            "(a generator has a parameter without a default, for the latents)"
        ) from error
