r"""Autoencoders of diffusers: images of flattened latents, and back.

A diffusion model works on :math:`z = s\,(x - m)`, where :math:`x` is what the autoencoder makes of an image, and scale
and shift are in its configuration (``scaling_factor``, ``shift_factor``, or ``latents_mean`` and ``latents_std``). So
are the latents here, flattened from ``(C, h, w)``.

Two operations inside have no forward-mode derivative as they are, and the solver would turn to slower ones. The fused
kernels of attention have none: plain products take their place, `sdpa_kernel(SDPBackend.MATH)`. That of a group
normalisation fails where a tangent is laid out otherwise than its point: it is given copies.

An autoencoder in half precision takes latents and images of any precision: they are scaled as they are, and rounded to
the dtype of its weights last. Its encoder gives latents in float32.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from ... import priors
from ..._validate import whole_number
from ...callables import check_eval
from ...errors import InputError, MissingDataError, missing
from ..model import Model


class _GroupNormOfCopies(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is nn.functional.group_norm:
            args = (args[0].clone(memory_format=torch.contiguous_format), *args[1:])
        return func(*args, **(kwargs or {}))


@contextmanager
def _differentiable() -> Iterator[None]:
    with sdpa_kernel(SDPBackend.MATH), _GroupNormOfCopies():
        yield


class _Half(nn.Module):
    """The base of both halves: the whole autoencoder, the shape of a latent, and the scale of diffusion models."""

    autoencoder: nn.Module

    scale: Tensor
    shift: Tensor

    def __init__(self, autoencoder: nn.Module, latent_shape: tuple[int, int, int], scaled: bool) -> None:
        super().__init__()
        self.autoencoder, self.latent_shape = autoencoder, latent_shape
        like = next(p for p in autoencoder.parameters() if p.is_floating_point())
        scale, shift = _scaling(autoencoder.config) if scaled else (1.0, 0.0)
        for name, value in (("scale", scale), ("shift", shift)):
            column = torch.as_tensor(value, dtype=_wide(like.dtype), device=like.device).reshape(-1, 1, 1)
            self.register_buffer(name, column, persistent=False)
        self.training = False

    def taken(self, values: Tensor) -> Tensor:
        """Converts values to the dtype of the weights, where these are half precision."""
        dtype = next(p.dtype for p in self.autoencoder.parameters() if p.is_floating_point())
        return values if dtype == _wide(dtype) else values.to(dtype)


class LatentDecoder(_Half):
    """Flat latents ``(N, C h w)`` to images ``(N, channels, height, width)``, about in [-1, 1]."""

    value_range = (-1.0, 1.0)

    def forward(self, latents: Tensor) -> Tensor:
        """See the class."""
        raw = latents.unflatten(-1, self.latent_shape) / self.scale + self.shift
        decode: Callable[..., tuple[Tensor, ...]] = self.autoencoder.decode  # type: ignore[assignment]
        with _differentiable():
            return decode(self.taken(raw), return_dict=False)[0]


class LatentEncoder(_Half):
    """Images ``(N, channels, height, width)`` in [-1, 1] to flat latents ``(N, C h w)``: the mean of the posterior."""

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        encode: Callable[..., tuple[Any, ...]] = self.autoencoder.encode  # type: ignore[assignment]
        with _differentiable():
            found = encode(self.taken(images), return_dict=False)[0]
        raw = found if isinstance(found, Tensor) else found.mode()
        if raw.shape[1:] != self.latent_shape:
            raise InputError(
                f"images {tuple(images.shape[1:])} have latents {tuple(raw.shape[1:])}, and the model has "
                f"{self.latent_shape}: resize the images, or adapt the autoencoder with that latent_shape"
            )
        return ((raw.to(_wide(raw.dtype)) - self.shift) * self.scale).flatten(1)


def diffusers_autoencoder(
    autoencoder: nn.Module | str | os.PathLike[str],
    latent_shape: Sequence[int] | None = None,
    *,
    scaled: bool = True,
    prior: Distribution | None = None,
    subfolder: str | None = None,
    name: str = "autoencoder",
) -> Model:
    r"""An autoencoder of diffusers as a `Model`: its decoder as the generator, with the encoder.

    Args:
        autoencoder: an ``AutoencoderKL``, or one like it (``encode``, ``decode``, ``config``), in eval mode; or the
            folder or Hub id of an ``AutoencoderKL``, which diffusers then reads, from safetensors only.
        latent_shape: ``(C, h, w)``; by default of images of the size in its configuration.
        scaled: latents as diffusion models have them, with about unit variance; else as the autoencoder has.
        prior: over vectors :math:`(D,)`, :math:`D = C h w`; the standard normal by default. That is what the
            autoencoder was drawn to, but weakly: its samples are textures, and a density fitted to encodings
            (`latentpath.priors.fit`) or a flow (`zuko_prior`) says better what is real.
        subfolder: where in the folder or repository the autoencoder lies, often "vae".
        name: of the model.

    Raises:
        InputError: something else than an autoencoder, or shapes that do not fit.
        GeneratorError: it is in training mode.
        MissingDataError: diffusers does not find it, or not as safetensors.
        MissingDependencyError: it is given by name, and diffusers is not installed.

    Example:
        >>> import latentpath as lp
        >>> lp.adapters.diffusers_autoencoder("stabilityai/sd-vae-ft-mse", (4, 32, 32))  # doctest: +SKIP
        Model('autoencoder', LatentDecoder, no description)
    """
    if isinstance(autoencoder, str | os.PathLike):
        autoencoder = _read(autoencoder, subfolder)
    parts = ("encode", "decode", "config")
    if not isinstance(autoencoder, nn.Module) or not all(hasattr(autoencoder, part) for part in parts):
        raise InputError(
            f"autoencoder must be one of diffusers', with {', '.join(parts)}, or where to find one; "
            f"got {type(autoencoder).__name__}"
        )
    check_eval(autoencoder, f"the autoencoder ({type(autoencoder).__name__})")
    shape = _latent_shape(autoencoder.config, latent_shape)
    dim = math.prod(shape)
    like = next(p for p in autoencoder.parameters() if p.is_floating_point())
    if prior is None:
        prior = priors.standard_normal(dim, dtype=_wide(like.dtype), device=like.device)
    elif isinstance(prior, Distribution) and prior.event_shape != (dim,):
        raise InputError(f"prior must be over vectors ({dim},), C h w = {shape}; got {tuple(prior.event_shape)}")
    decoder, encoder = LatentDecoder(autoencoder, shape, scaled), LatentEncoder(autoencoder, shape, scaled)
    return Model(decoder, prior, encoder, name)


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def _read(place: str | os.PathLike[str], subfolder: str | None) -> nn.Module:
    try:
        from diffusers import AutoencoderKL
    except ImportError as error:
        raise missing("diffusers", "diffusers", "an autoencoder by name") from error
    read: Callable[..., nn.Module] = AutoencoderKL.from_pretrained
    try:
        return read(place, subfolder=subfolder, use_safetensors=True).eval()
    except (OSError, ValueError) as error:
        raise MissingDataError(
            f"diffusers finds no AutoencoderKL with safetensors in {os.fspath(place)!r}"
            f"{f', subfolder {subfolder!r}' if subfolder else ''}: {error}"
        ) from error


def _get(config: Any, key: str) -> Any:
    return config.get(key) if hasattr(config, "get") else getattr(config, key, None)


def _latent_shape(config: Any, given: Sequence[int] | None) -> tuple[int, int, int]:
    channels, size, widths = (_get(config, key) for key in ("latent_channels", "sample_size", "block_out_channels"))
    if given is None:
        if None in (channels, size, widths):
            raise InputError(
                "the autoencoder's configuration does not say how large its latents are: give latent_shape"
            )
        height, width = size if isinstance(size, tuple | list) else (size, size)
        given = (channels, height // 2 ** (len(widths) - 1), width // 2 ** (len(widths) - 1))
    shape = tuple(whole_number("latent_shape", length, 1, advice="It is three of them: (C, h, w).") for length in given)
    if len(shape) != 3 or shape[0] != (channels or shape[0]):
        raise InputError(
            f"latent_shape must be (C, h, w) with C = {channels or 'its channels'} (latent_channels); got {given!r}"
        )
    return shape[0], shape[1], shape[2]


def _scaling(config: Any) -> tuple[Any, Any]:
    scale, shift, mean, deviation = (
        _get(config, key) for key in ("scaling_factor", "shift_factor", "latents_mean", "latents_std")
    )
    scale = 1.0 if scale is None else scale
    if mean is not None and deviation is not None:
        return scale / torch.as_tensor(deviation), torch.as_tensor(mean)
    return scale, 0.0 if shift is None else shift
