"""The base of adapters: a module around a generator, both in eval mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from ...callables import check_eval
from ...errors import InputError
from ...value_range import ValueRange, declared_range


class Wrapper(nn.Module):
    """A module around a generator: its parameters are the generator's, and its mode is eval.

    A generator in half precision receives the wrapper's latents in its own dtype.
    """

    def __init__(self, generator: Callable[..., Any]) -> None:
        super().__init__()
        if not callable(generator) or isinstance(generator, type):
            raise InputError(f"generator must be a callable, such as a module; got {generator!r}")
        check_eval(generator, f"the generator ({type(generator).__name__})")
        self.generator = generator
        self.training = False  # of this module alone: the generator is the caller's

    @property
    def value_range(self) -> ValueRange | None:
        """The range of the pixels that the generator declares; None where it declares none."""
        return declared_range(self.generator)
