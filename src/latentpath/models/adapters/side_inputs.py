"""Modules around a generator, and those with an input beside the latent: a condition or noise, one for all points."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...callables import check_eval, out_of_memory
from ...errors import GeneratorError, InputError
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


class SideInputError(GeneratorError, RuntimeError):
    """The failure of a generator on its side input; also a `RuntimeError`, as PyTorch's own error."""


class SideInput(Wrapper):
    """``z -> generator(z, value)``; see `conditional` and `fixed_noise`.

    Each value is a buffer without a batch dimension, expanded over the batch.
    """

    def __init__(self, generator: Callable[..., Tensor], value: Any, name: str, keyword: str | None) -> None:
        super().__init__(generator)
        if keyword is not None and not (isinstance(keyword, str) and keyword.isidentifier()):
            raise InputError(f"as_ must be the name of a parameter of the generator, or None; got {keyword!r}")
        self.several = isinstance(value, list | tuple)
        self.name, self.keyword, self.count = name, keyword, len(value) if self.several else 1
        for i, one in enumerate(value if self.several else [value]):
            self.register_buffer(f"value_{i}", _tensor(one, name))

    def forward(self, latents: Tensor) -> Tensor:
        """Latents ``(N, D)`` to data ``(N, ...)``."""
        values = [self.get_buffer(f"value_{i}") for i in range(self.count)]
        if latents.dtype in (torch.float16, torch.bfloat16):  # as the generator takes them
            values = [value.to(latents.dtype) if value.is_floating_point() else value for value in values]
        expanded = [value.expand(len(latents), *value.shape) for value in values]
        given = expanded if self.several else expanded[0]
        rest, by_name = ((), {self.keyword: given}) if self.keyword else ((given,), {})
        try:
            data: Tensor = self.generator(latents, *rest, **by_name)
        except NotImplementedError:  # PyTorch's, of a derivative that it lacks
            raise
        except Exception as error:  # anything may go wrong in a user's network
            if out_of_memory(error):
                raise
            shapes = ", ".join(str(tuple(value.shape)) for value in expanded)
            raise SideInputError(
                f"the generator failed on latents {tuple(latents.shape)} with {self.name} {shapes}: {error}. Give the "
                f"{self.name} of one point, without a batch dimension: it is expanded here"
            ) from error
        return data


def _tensor(value: Any, name: str) -> Tensor:
    try:
        return value.detach() if isinstance(value, Tensor) else torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name} must be a tensor or a number; got {type(value).__name__}: {error}") from None


def conditional(
    generator: Callable[..., Tensor], condition: Tensor | float | Sequence[Any], *, as_: str | None = None
) -> SideInput:
    """A conditional generator with its condition held: ``z -> generator(z, condition)``.

    Args:
        generator: takes latents ``(N, D)`` and a condition ``(N, ...)``, and gives data ``(N, ...)``.
        condition: ``(...)``, of one point: a label is a number, a one-hot vector ``(C,)``. It is expanded to
            ``(N, ...)``.
        as_: the keyword by which the generator takes it, ``"class_labels"`` for example; None for its second argument.

    Raises:
        InputError: the generator is not callable, the condition is no tensor, or ``as_`` is no name.
        GeneratorError: the generator is in training mode; when called, that it fails on such a condition.

    Example:
        >>> import torch, latentpath as lp
        >>> embed = torch.nn.Embedding(10, 2).eval()
        >>> generator = lp.adapters.conditional(lambda z, label: z + embed(label), 3)
        >>> generator(torch.zeros(5, 2)).shape
        torch.Size([5, 2])
    """
    return SideInput(generator, _tensor(condition, "condition"), "condition", as_)


def fixed_noise(
    generator: Callable[..., Tensor], noise: Tensor | Sequence[Tensor], *, as_: str | None = "noise"
) -> SideInput:
    """A generator with its noise inputs held fixed: ``z -> generator(z, noise=noise)``, for StyleGAN and its kin.

    A generator that draws its noise itself is random, and no path means anything; hand it the noise.

    Args:
        generator: takes latents ``(N, D)`` and noise ``(N, ...)``, or a list of such.
        noise: ``(...)``, of one point, or several such; expanded to ``(N, ...)`` each. A list stays a list.
        as_: the keyword by which the generator takes it; None for its second argument.

    Raises:
        InputError: the generator is not callable, the noise is no tensor and no list of such, or ``as_`` is no name.
        GeneratorError: the generator is in training mode; when called, that it fails on such noise.

    Example:
        >>> import torch, latentpath as lp
        >>> noisy = lambda z, noise: z + noise[0] + noise[1].sum(1, keepdim=True)
        >>> lp.adapters.fixed_noise(noisy, [torch.tensor([1.0, 2.0]), torch.ones(3)])(torch.zeros(1, 2))
        tensor([[4., 5.]])
    """
    if isinstance(noise, list | tuple) and not noise:
        raise InputError("noise must be a tensor or a list of tensors; got an empty list")
    return SideInput(generator, noise, "noise", as_)
