"""The base of adapters: a module around a generator, both in eval mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from ...callables import training_parts
from ...errors import GeneratorError, InputError
from ...value_range import ValueRange, declared_range

__all__ = ["Wrapper", "check_eval"]


class Wrapper(nn.Module):
    """A module around a generator: its parameters are the generator's, and its mode is eval.

    A generator in half precision receives the wrapper's latents in its own dtype.

    Raises:
        InputError: the generator is not callable.
        GeneratorError: it is in training mode.
    """

    def __init__(self, generator: Callable[..., Any]) -> None:
        super().__init__()
        if not callable(generator) or isinstance(generator, type):
            raise InputError(f"generator must be a callable, such as a module, got {generator!r}")
        check_eval(generator, "the generator")
        self.generator = generator
        self.training = False  # of this module alone: the generator is the caller's

    @property
    def value_range(self) -> ValueRange | None:
        """The range of the pixels that the generator declares; None where it declares none."""
        return declared_range(self.generator)


def check_eval(module: Any, what: str) -> None:
    """Refuses a module in training mode.

    Raises:
        GeneratorError: the module or a part of it is in training mode.
    """
    if training_parts(module):
        raise GeneratorError(
            f"{what} ({type(module).__name__}) is in training mode: call .eval() on it before it is adapted"
        )
