r"""From images back to latents: where in the latent space does an image lie?

An encoder answers at once, where a model has one (`latentpath.Model.encode`). For the rest, and to better what an
encoder says, `invert` minimises over :math:`z`, for each image :math:`x`,

.. math:: \frac{|G(z) - x|^2}{M s^2} - \lambda \log ri(z),

the mean squared error over the ``M`` values of an image, relative to the variance :math:`s^2` of what the model makes
(1 is what the mean image leaves), plus a penalty that holds :math:`z` where the prior lives: without it inversion finds
latents far outside, where no path should begin. For the shipped digits and the first 32 test digits of MNIST:

======= =============== ====================== ================= ====================
penalty RMS pixel error mean of -log ri        largest -log ri   share with ri < 0.01
======= =============== ====================== ================= ====================
0       0.138           292                    4957              59 %
0.0005  0.143           3.8                    12                34 %
0.002   0.144           2.4                    7.0               22 %
0.005   0.144           1.3                    4.3               0 %
0.02    0.151           0.39                   1.5               0 %
0.1     0.160           0.11                   0.38              0 %
======= =============== ====================== ================= ====================

Latents drawn from the prior have -log ri of 1 on average. Errors are in units of the model's output, pixels in [-1, 1].

**How.** 1,000 latents are drawn from the prior and decoded; the ``starts`` nearest ones to each image are where its
search starts, and the encoder's answer too where there is one. All images and starts descend together by L-BFGS
(`latentpath.solvers.points`), which needed a third of Adam's evaluations here. Every 40 steps the worse half of each
image's starts is dropped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import SupportsIndex

import torch
from torch import Tensor

from ._batching import blocks
from ._progress import progress_bar
from ._validate import SEED, real_number, whole_number
from .callables import any_precision, leaf_and_view, without_autocast
from .checks import check_generator
from .counts import counted
from .energy import Embed, points_to_data
from .errors import InputError
from .index import RealismIndex
from .index.rules import draw
from .interpolate import points_at_once
from .models import Model
from .models.sampling import as_taken
from .solvers.points import PointDescent

__all__ = ["Inversion", "InversionProgress", "invert"]

_POOL, _RUNG, _FIRST = 1000, 40, 0.1
_OVER = 0.01  # of the range: how far outside it pixels may lie


@dataclass(frozen=True, eq=False, repr=False)
class Inversion:
    """Latents of ``N`` images, and how near they come.

    Attributes:
        latents: ``(N, D)``.
        images: what the generator makes of them, ``(N, ...)``.
        error: the root of the mean squared difference from the images asked for, ``(N,)``, in units of the model's
            output (for pixels in [-1, 1], 2 is the difference of black and white).
        log_index: ``log(alpha * ri)`` of the latents, ``(N,)``.
        start_errors: the ``error`` at every start, the nearest prior sample first, the encoder's last, ``(N, S)``.
        converged: whether more steps promise nothing, ``(N,)``.
        steps: evaluations that the start which won has had, ``(N,)``.
        encoded: whether that was the encoder's, ``(N,)``.
        stopped: whether the callback stopped the search.
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
        low, high = float(self.error.min()), float(self.error.max())
        return (
            f"Inversion({counted(len(self), 'image')}, RMS error {float(self.error.mean()):.3g} on average "
            f"({low:.3g} to {high:.3g}), {int(self.converged.sum())} converged)"
        )


@dataclass(frozen=True)
class InversionProgress:
    """What a callback is told after every step.

    Attributes:
        step: steps taken.
        steps: the most there will be.
        running: images that are still searched for.
        starts: starts that go on, of all images together.
        objective: the lowest so far, ``(N,)``.
    """

    step: int
    steps: int
    running: int
    starts: int
    objective: Tensor


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
    callback: Callable[[InversionProgress], bool | None] | None = None,
    progress: bool | None = None,
) -> Inversion:
    r"""Find latents from which a model's generator makes given images: least squares, and a penalty for unlikely ones.

    .. math:: \min_z \frac{|G(z) - x|^2}{M s^2} - \lambda \log ri(z)

    Everything is searched for together, and depends on the seed alone: an image gets the same answer in any batch, up
    to rounding. The answer's objective is never above that of the best start.

    Args:
        model: with a prior; an encoder, where it has one, gives one more start.
        images: ``(N, ...)`` or one of them, as the generator makes them: the same shape, range and device.
        starts: how many of 1,000 prior samples, the nearest ones, are started from.
        steps: the most evaluations that one start may have.
        penalty: :math:`\lambda`, at least 0; the table above says what it does.
        alpha: the scale of the index in (0, 1]; it moves ``log_index`` by a constant, and no latent.
        tol: a start has converged when ten evaluations lower the objective by less than this, relatively.
        embed: where differences are measured: None for the generator's output, or a callable from there to features,
            which is given ``images`` too.
        seed: of the samples.
        max_points: the most points the generator is given in one call; None as in `interpolate`.
        callback: called with an `InversionProgress` after every step; a true answer stops, and every image keeps the
            best it has.
        progress: whether to show a progress bar; None as in `interpolate`.

    Raises:
        InputError: a model without a prior, images of another shape, dtype, device or range or with NaN, or a number
            out of range.
        GeneratorError: what `interpolate` refuses: training mode, chance, coupled batches, no gradient.

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
        raise InputError(f"callback must be callable, got {type(callback).__name__}")
    bar = progress_bar("Inverting", progress, quiet=callback is not None)
    with torch.inference_mode(False), without_autocast(), bar as report:

        def tell(now: InversionProgress) -> bool | None:
            report(
                now.step / now.steps, f"step {now.step} of at most {now.steps}, {counted(now.running, 'image')} running"
            )
            return None if callback is None else callback(now)

        search = _Search.prepare(model, images, starts, penalty, alpha, embed, seed, max_points)
        return search.run(steps, tol, tell)


def _check_images(model: Model, images: Tensor, made: Tensor) -> Tensor:
    """The images as a batch ``(N, ...)`` in the generator's dtype, where they could be its own."""
    shape = tuple(made.shape[1:])
    if not isinstance(images, Tensor):
        raise InputError(f"images must be a tensor (N, {_listed(shape)}), got {type(images).__name__}")
    if tuple(images.shape) == shape:
        images = images[None]
    if tuple(images.shape[1:]) != shape or images.ndim != len(shape) + 1 or len(images) == 0:
        raise InputError(
            f"images must be (N, {_listed(shape)}), as {model.name!r} makes them, got {tuple(images.shape)}; "
            "latentpath.data.read_images reads files at a given size"
        )
    low, high = model.value_range
    if not images.is_floating_point():
        raise InputError(
            f"images must be floating point in the model's range [{low:g}, {high:g}], got {images.dtype}: "
            f"{low:g} + {high - low:g} * images / 255 converts bytes"
        )
    if images.device != made.device:
        raise InputError(f"images are on {images.device} and the generator's are on {made.device}: move one")
    images = images.detach().to(made.dtype)
    bad = (~images.isfinite()).flatten(1).any(-1).nonzero()[:8, 0].tolist()
    if bad:
        raise InputError(f"images must be finite, number(s) {bad} hold NaN or infinity")
    slack = _OVER * (high - low)
    least, most = float(images.min()), float(images.max())
    if model.card.get("value_range") and (least < low - slack or most > high + slack):
        raise InputError(
            f"images must be in the model's range [{low:g}, {high:g}], got values from {least:g} to {most:g}"
        )
    return images.clone()


def _listed(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))


@dataclass(frozen=True)
class _Search:
    """Everything that does not change while all images are searched for."""

    model: Model
    images: Tensor
    target: Tensor  # (N, M), measured
    index: RealismIndex
    embed: Embed
    penalty: float
    variance: float  # of what the model makes, over the measured values
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
        """Check what came in, and find the starts."""
        if model.prior is None:
            raise InputError(f"{model.name!r} has no prior, so there are no latents to find: choose a generator")
        if embed == "latent":
            raise InputError('embed="latent" compares no images: leave it out, or pass a callable to features')
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

    def run(self, steps: int, tol: float, callback: Callable[[InversionProgress], bool | None]) -> Inversion:
        """Descend from all starts, drop the worse half again and again, keep the best of each image."""
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
        """Let only the ``keep`` best starts of every image go on."""
        rank = descent.value.view(len(self.images), -1).sort(dim=1, stable=True).indices.argsort(dim=1)
        descent.running &= (rank < max(keep, 1)).flatten()

    def _objective(self, points: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The objective of starts by their row, and its gradient, in blocks."""
        measure = points_to_data(self.model.generator, self.embed)
        image = rows // self.begin.shape[1]
        values, gradients = [], []
        for block in blocks(len(points), self.max_points):
            with torch.enable_grad():
                leaf, view = leaf_and_view(points[block])
                value = (measure(view) - self.target[image[block]]).square().mean(-1) / self.variance
                if self.penalty > 0 or self.index.kind == "uniform":  # whose walls stand anyway
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
        """What the generator makes of latents ``(N, S, D)``, and the RMS error ``(N, S)``."""
        flat = latents.flatten(0, 1)
        decode = any_precision(self.model.generator)
        made = torch.cat([decode(flat[block]) for block in blocks(len(flat), self.max_points)])
        made = made.unflatten(0, latents.shape[:2])
        return made, (made - self.images[:, None]).flatten(2).square().mean(-1).sqrt()


def _distances(measure: Callable[[Tensor], Tensor], pool: Tensor, target: Tensor, size: int) -> tuple[Tensor, float]:
    """Squared distances of targets ``(N, M)`` from what the pool makes ``(N, pool)``, and the mean variance of that.

    The pool's images are forgotten block by block: of large ones a thousand do not fit in memory.
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
