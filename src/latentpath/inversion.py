r"""Inversion: the latents from which a generator makes given images.

An encoder gives them at once, where a model has one (`latentpath.Model.encode`). For other models, and to improve an
encoder's latents, `invert` minimises over :math:`z`, for each image :math:`x`,

.. math:: \frac{|G(z) - x|^2}{M s^2} - \lambda \log ri(z),

the mean squared error over the ``M`` values of an image, relative to the variance :math:`s^2` of the model's images
(the mean image has the error 1), plus a penalty that keeps :math:`z` where the prior has its mass: without it inversion
finds latents far outside, where no path should begin. `docs/models.md` has its effect on digits.

**Method.** 1,000 latents are drawn from the prior and decoded; the search of each image starts at the ``starts``
nearest ones, and at the encoder's latent where there is one. All images and starts descend together by L-BFGS
(`latentpath.solvers.point_descent`). Every 40 steps the worse half of each image's starts is dropped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import SupportsIndex

import torch
from torch import Tensor

from ._batching import blocks
from ._progress import Report, progress_bar
from ._validate import SEED, describe, real_number, whole_number
from ._words import counted
from .callables import any_precision, leaf_and_view, without_autocast
from .decoding import Embed, points_to_data
from .errors import InputError
from .index import RealismIndex
from .index.prior_adapter import draw
from .interpolate import points_at_once
from .interpolate_arguments import check_generator
from .models import Model
from .models.sampling import as_taken
from .solvers.point_descent import PointDescent

__all__ = ["Inversion", "InversionProgress", "invert"]

_POOL = 1000  # the prior samples from which starts are chosen
_RUNG = 40  # the steps after which the worse half of the starts is dropped
_FIRST = 0.1  # the first step length, relative to the spread of the latents
_OVER = 0.01  # the overshoot of pixels that is accepted, relative to the range


@dataclass(frozen=True, eq=False, repr=False)
class Inversion:
    """The latents of ``N`` images, and their errors.

    Attributes:
        latents: ``(N, D)``.
        images: the generator's images of the latents, ``(N, ...)``.
        error: the root of the mean squared difference from the given images, ``(N,)``, in units of the model's
            output (for pixels in [-1, 1], 2 is the difference of black and white).
        log_index: ``log(alpha * ri)`` of the latents, ``(N,)``.
        start_errors: the ``error`` at every start, the nearest prior sample first, the encoder's last, ``(N, S)``.
        converged: True where the best start met ``tol``, ``(N,)``.
        steps: the evaluations of the best start, ``(N,)``.
        encoded: True where the best start was the encoder's, ``(N,)``.
        stopped: True if the callback stopped the search.
    """

    latents: Tensor
    images: Tensor
    error: Tensor
    log_index: Tensor
    start_errors: Tensor
    converged: Tensor
    steps: Tensor
    encoded: Tensor
    stopped: bool = False

    def __len__(self) -> int:
        return len(self.latents)

    def __repr__(self) -> str:
        low, mean, high = (f"{float(value):.3g}" for value in (self.error.min(), self.error.mean(), self.error.max()))
        errors = f"RMS error {mean} on average ({low} to {high})"
        return f"Inversion({counted(len(self), 'image')}, {errors}, {int(self.converged.sum())} converged)"


@dataclass(frozen=True)
class InversionProgress:
    """The progress of an inversion, which a callback receives after every step.

    Attributes:
        step: the steps taken.
        steps: the limit of the steps.
        running: the images whose search continues.
        starts: the starts that continue, of all images together.
        objective: the lowest objective of each image, ``(N,)``.
    """

    step: int
    steps: int
    running: int
    starts: int
    objective: Tensor


_Callback = Callable[[InversionProgress], bool | None]


def invert(
    model: Model,
    images: Tensor,
    *,
    starts: SupportsIndex = 8,
    steps: SupportsIndex = 300,
    penalty: float = 0.005,
    alpha: float = 0.9,
    tol: float = 1e-3,
    embed: Embed = None,
    seed: SupportsIndex = 0,
    max_points: SupportsIndex | None = None,
    callback: _Callback | None = None,
    progress: bool | None = None,
) -> Inversion:
    r"""Finds latents from which a model's generator makes given images, by least squares with a penalty.

    .. math:: \min_z \frac{|G(z) - x|^2}{M s^2} - \lambda \log ri(z)

    The result depends on the seed alone: an image gets the same latent in any batch, up to rounding. Its objective is
    never above that of the best start.

    Args:
        model: with a prior; an encoder, where it has one, gives one more start.
        images: ``(N, ...)`` or one image, of the shape, range and device of the generator's output.
        starts: the number of starts: the nearest of 1,000 prior samples.
        steps: the most evaluations of one start.
        penalty: :math:`\lambda`, at least 0.
        alpha: the scale of the index in (0, 1]; it moves ``log_index`` by a constant, and no latent.
        tol: a start has converged when ten evaluations lower the objective by less than this, relatively.
        embed: the space of the differences: None for the generator's output, or a callable from there to features,
            which is given ``images`` too.
        seed: the seed of the samples.
        max_points: the most points the generator is given in one call; None as in `interpolate`.
        callback: called with an `InversionProgress` after every step; a true result stops the search, and every image
            keeps its best start.
        progress: True shows a progress bar; None as in `interpolate`.

    Raises:
        InputError: a model without a prior, images of another shape, dtype, device or range or with NaN, or a number
            out of range.
        GeneratorError: a generator in training mode, random, coupled over the batch, or not differentiable.

    Example:
        >>> import torch, latentpath as lp
        >>> plane = torch.nn.Linear(2, 5).eval()
        >>> model = lp.Model(plane, lp.priors.standard_normal(2))
        >>> z = torch.tensor([[0.3, -1.0]])
        >>> found = lp.invert(model, plane(z).detach(), penalty=0.0)
        >>> (found.latents - z).abs().max() < 1e-3
        tensor(True)
    """
    starts, steps = whole_number("starts", starts, 1), whole_number("steps", steps, 1)
    seed = whole_number("seed", seed, 0, SEED)
    if max_points is not None:
        max_points = whole_number("max_points", max_points, 1)
    penalty = real_number("penalty", penalty, least=0, below=math.inf)
    tol = real_number("tol", tol, above=0, below=math.inf)
    if callback is not None and not callable(callback):
        raise InputError(f"callback must be callable; got {type(callback).__name__}.")
    bar = progress_bar("Inverting", progress, quiet=callback is not None)
    with torch.inference_mode(False), without_autocast(), bar as report:
        search = _Search.prepare(model, images, starts, penalty, alpha, embed, seed, max_points)
        return search.run(steps, tol, _reporting(report, callback))


def _reporting(report: Report, callback: _Callback | None) -> _Callback:
    """Returns a callback that reports to a progress bar, and then calls the user's."""

    def tell(now: InversionProgress) -> bool | None:
        running = counted(now.running, "image")
        report(now.step / now.steps, f"step {now.step} of at most {now.steps}, {running} running")
        return None if callback is None else callback(now)

    return tell


def _check_images(model: Model, images: Tensor, made: Tensor) -> Tensor:
    """Returns the images as a batch ``(N, ...)`` in the dtype of the generator's output ``made``."""
    shape = tuple(made.shape[1:])
    if isinstance(images, Tensor) and tuple(images.shape) == shape:
        images = images[None]
    fits = isinstance(images, Tensor) and images.ndim == len(shape) + 1 and tuple(images.shape[1:]) == shape
    if not fits or len(images) == 0:
        raise InputError(
            f"images must be a tensor (N, {', '.join(map(str, shape))}), as {model.name!r} makes them; got "
            f"{describe(images)}. latentpath.data.read_images reads files at a given size."
        )
    low, high = model.value_range
    if not images.is_floating_point():
        raise InputError(
            f"images must be floating point in the model's range [{low:g}, {high:g}]; got {images.dtype}. "
            f"{low:g} + {high - low:g} * images / 255 converts bytes."
        )
    if images.device != made.device:
        raise InputError(f"images must be on the generator's device, {made.device}; got {images.device}. Move one.")
    images = images.detach().to(made.dtype)
    bad = (~images.isfinite()).flatten(1).any(-1).nonzero()[:8, 0].tolist()
    if bad:
        raise InputError(f"images must be finite; got NaN or infinity in number(s) {bad}.")
    slack = _OVER * (high - low)
    least, most = float(images.min()), float(images.max())
    if model.card.get("value_range") and (least < low - slack or most > high + slack):
        raise InputError(f"images must be in the range [{low:g}, {high:g}]; got values from {least:g} to {most:g}.")
    return images.clone()


@dataclass(frozen=True)
class _Search:
    """The search of all images: the data that stay the same, and the descent."""

    model: Model
    images: Tensor
    target: Tensor  # (N, M), measured
    index: RealismIndex
    embed: Embed
    penalty: float
    variance: float  # of the model's images, over the measured values
    spread: float  # of the latents
    begin: Tensor  # (N, S, D)
    encoded: Tensor  # (S,)
    max_points: int

    @classmethod
    @torch.no_grad()
    def prepare(
        cls,
        model: Model,
        images: Tensor,
        starts: int,
        penalty: float,
        alpha: float,
        embed: Embed,
        seed: int,
        max_points: int | None,
    ) -> _Search:
        """Validates the images and finds the starts."""
        if model.prior is None:
            raise InputError(f"model must have a prior; got {model.name!r} without one. Choose a generator.")
        if embed == "latent":
            raise InputError('embed must be None or a callable to features; got "latent", which compares no images.')
        index = RealismIndex(model.prior, alpha=alpha)
        pool = as_taken(model, draw(model.prior, index.dim, max(_POOL, starts), seed), images)
        values = check_generator(model.generator, embed, pool[:3], pool[3:6], max_points)
        size = points_at_once(pool.device, values) if max_points is None else max_points
        images = _check_images(model, images, any_precision(model.generator)(pool[:1]))
        measure = points_to_data(lambda data: data, embed)
        target = torch.cat([measure(images[block]).to(pool.dtype) for block in blocks(len(images), size)])
        distance, variance = _distances(points_to_data(model.generator, embed), pool, target, size)
        begin = pool[distance.sort(dim=1, stable=True).indices[:, :starts]]
        encoded = torch.zeros(begin.shape[1], dtype=torch.bool, device=pool.device)
        if model.encoder is not None:
            begin = torch.cat([begin, model.encode(images)[:, None].to(pool)], dim=1)
            encoded = torch.cat([encoded, encoded.new_ones(1)])
        spread = float(pool.var(0).sum().sqrt())
        return cls(model, images, target, index, embed, penalty, variance, spread, begin, encoded, size)

    def run(self, steps: int, tol: float, callback: _Callback) -> Inversion:
        """Descends from all starts, drops the worse half every 40 steps, and keeps the best start of each image."""
        count, each, dim = self.begin.shape
        inside = (lambda z: self.index.log(z).isfinite()) if self.index.kind == "uniform" else None
        points = self.begin.reshape(-1, dim)
        descent = PointDescent(self._objective, points, first=_FIRST * self.spread, tol=tol, inside=inside)
        stopped = False
        for step in range(1, steps + 1):
            if stopped or not bool(descent.running.any()):
                break
            descent.step()
            if step % _RUNG == 0:
                self._drop(descent, each >> (step // _RUNG))
            running = descent.running.view(count, each)
            lowest = descent.value.view(count, each).amin(1)
            now = InversionProgress(step, steps, int(running.any(1).sum()), int(running.sum()), lowest)
            stopped = bool(callback(now))
        return self._finish(descent, stopped)

    def _drop(self, descent: PointDescent, keep: int) -> None:
        """Stops all but the ``keep`` best starts of every image."""
        rank = descent.value.view(len(self.images), -1).sort(dim=1, stable=True).indices.argsort(dim=1)
        descent.running &= (rank < max(keep, 1)).flatten()

    def _objective(self, points: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Computes the objective of starts by their row, and its gradient, in blocks."""
        measure = points_to_data(self.model.generator, self.embed)
        image = rows // self.begin.shape[1]
        values, gradients = [], []
        for block in blocks(len(points), self.max_points):
            with torch.enable_grad():
                leaf, view = leaf_and_view(points[block])
                value = (measure(view) - self.target[image[block]]).square().mean(-1) / self.variance
                if self.penalty > 0 or self.index.kind == "uniform":  # a uniform prior bounds latents at any penalty
                    value = value - self.penalty * (self.index.log(view) - math.log(self.index.alpha))
                gradients.append(torch.autograd.grad(value.sum(), leaf)[0])
            values.append(value.detach())
        return torch.cat(values), torch.cat(gradients)

    def _finish(self, descent: PointDescent, stopped: bool) -> Inversion:
        count, each, _ = self.begin.shape
        value = descent.value.view(count, each)
        best = value.where(value.isfinite(), torch.inf).argmin(1)
        pick = torch.arange(count, device=best.device) * each + best
        latents = descent.points[pick]
        made, error = self._error(latents[:, None])
        _, before = self._error(self.begin)
        return Inversion(
            latents=latents,
            images=made[:, 0],
            error=error[:, 0],
            log_index=self.index.log(latents),
            start_errors=before,
            converged=descent.converged[pick],
            steps=descent.steps[pick],
            encoded=self.encoded[best],
            stopped=stopped,
        )

    @torch.no_grad()
    def _error(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Computes the images of latents ``(N, S, D)``, and their RMS errors ``(N, S)``."""
        flat = latents.flatten(0, 1)
        decode = any_precision(self.model.generator)
        made = torch.cat([decode(flat[block]) for block in blocks(len(flat), self.max_points)])
        made = made.unflatten(0, latents.shape[:2])
        return made, (made - self.images[:, None]).flatten(2).square().mean(-1).sqrt()


def _distances(measure: Callable[[Tensor], Tensor], pool: Tensor, target: Tensor, size: int) -> tuple[Tensor, float]:
    """Computes squared distances ``(N, pool)`` of targets ``(N, M)`` from the pool's images, and their mean variance.

    It frees the pool's images block by block, since a thousand large ones do not fit in memory.
    """
    parts: list[Tensor] = []
    first = measure(pool[:1])
    total, square = torch.zeros_like(first[0]), torch.zeros_like(first[0])
    for block in blocks(len(pool), size):
        made = measure(pool[block])
        parts.append(torch.cdist(target, made).square())
        total += (made - first).sum(0)
        square += (made - first).square().sum(0)
    mean = total / len(pool)
    variance = float((square / len(pool) - mean**2).mean())
    return torch.cat(parts, dim=1), variance if variance > 0 else 1.0
