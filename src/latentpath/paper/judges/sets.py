r"""Judgements of sets of frames, per model and method: what a mean over frames cannot show.

A curve over a simple image, such as a 1, has good frames, and a set of such curves lacks everything else. Four numbers
of the inner frames of all pairs together, the endpoints left out:

* the **Fréchet distance** to the real images (Heusel et al. 2017). It is biased upward, the more so the fewer frames
  there are: all kinds of curve have the same number, and the distance of as many own samples states the bias.
* **recall** (Kynkäänniemi et al. 2019): the share of real images within the manifold of the frames. The ball of a frame
  reaches to its third nearest frame *of another pair*: neighbours on its own curve would make it as small as the
  spacing of the frames, and own samples, which are independent, would have larger ones.
* **coverage** (Naeem et al. 2020): the share of real images whose ball, to the fifth nearest real image, has a frame.
* **two-sample accuracy** (Lopez-Paz and Oquab 2017): the share of held-out frames that a small network tells rightly
  from the model's own samples, trained on other pairs. 0.5 is level; it needs no real images. The row of own samples
  is told from a second draw of them.

**Intervals** are over pairs, the same pairs for every kind of curve; of own samples over groups, drawn independently.

* Fréchet distance: a bootstrap. A resample, which has some pairs twice, is biased once more, so its quantiles are moved
  by the difference of the distance and their mean: the interval is for the distance of *this number* of pairs.
* Recall and coverage: random subsets of four fifths of the pairs, since a resample with pairs twice would lack frames.
  Their deviations from their mean are scaled by the root of kept over left out pairs (the delete-d jackknife, Shao and
  Wu 1989) and moved likewise. A coverage near 1 varies less than this says.
* Two-sample accuracy: a bootstrap of the groups' accuracies, the networks held fixed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import InputError
from ...models import Model
from ...models.metrics.distances import frechet_distances
from ...models.metrics.features import CHUNK
from ...models.metrics.precision import neighbour_radii
from ...models.metrics.two_sample import two_sample_test
from ...models.sampling import as_taken, draw
from ..results import OWN
from .criteria import Criterion
from .judgements import SetJudgement

_REFERENCES = 3_000  # the most real images that recall and coverage are shares of
_NEAREST = 256  # frames among which a frame's nearest ones of a subset of the pairs are sought
_SUBSETS, _KEPT = 100, 0.8  # subsets of the pairs, for the intervals of recall and coverage; the share of pairs in each
_FEWEST_SUBSET = 5  # pairs that a subset leaves one of
_FEWEST = 8  # pairs that a two-sample test is made on, four for each half
RECALL_NEIGHBOURS, COVERAGE_NEIGHBOURS = 3, 5


@dataclass(frozen=True)
class Frames:
    """Data of the inner frames of every kind of curve, ``(B, n, ...)``, and of own samples, ``(B, n, ...)``."""

    by_kind: Mapping[str, Tensor]
    own: Tensor | None = None

    def finite(self) -> tuple[dict[str, Tensor], int, int]:
        """By kind, and for own samples, the pairs that are finite for every kind; their number; that of the others."""
        kept = torch.stack([made.isfinite().flatten(1).all(1) for made in self.by_kind.values()]).all(0)
        found = {kind: made[kept] for kind, made in self.by_kind.items()}
        if self.own is not None:
            found[OWN] = self.own[self.own.isfinite().flatten(1).all(1)]
        return found, int(kept.sum()), int((~kept).sum())


def own_samples(model: Model, groups: int, size: int, seed: int) -> Tensor:
    """Draws two sets of samples of the prior, ``(2, groups, size, D)``: the own samples, and those for comparison.

    Raises:
        InputError: the model has no prior.
    """
    if model.prior is None:
        raise InputError(f"{model.name!r} must have a prior for own samples; got none. Judge with own=False.")
    drawn = draw(model.prior, 2 * groups * size, torch.Generator().manual_seed(seed + 1))
    return as_taken(model, drawn).reshape(2, groups, size, -1)


def frechet(criterion: Criterion, frames: Frames, known: Tensor, resamples: int, seed: int) -> SetJudgement | str:
    """The distance of features ``(B, n, F)`` to those of real images ``(M, F)``; or the reason why none."""
    found, n, lost = frames.finite()
    per_pair = next(iter(found.values())).shape[1]
    if n * per_pair < 2 or len(known) < 2:
        return f"a covariance needs two frames and two real images, there are {n * per_pair} and {len(known)}"
    values, resampled = {}, {}
    for kind, made in found.items():
        if len(made) * per_pair < 2:
            continue
        drawn = _drawn(len(made), resamples if n > 1 else 0, seed + (kind == OWN))
        weights = torch.zeros(len(drawn), len(made)).scatter_add_(1, drawn, torch.ones(drawn.shape))
        distances = frechet_distances(made, known, torch.cat([torch.ones(1, len(made)), weights]))
        values[kind], resampled[kind] = float(distances[0]), distances[1:]
    return SetJudgement(criterion, values, resampled, n, lost)


def recall(criterion: Criterion, frames: Frames, known: Tensor, seed: int) -> SetJudgement | str:
    """The share of real images ``(M, F)`` within the manifold of features ``(B, n, F)``; or the reason why none."""
    found, n, _ = frames.finite()
    if n < 2 or (n - 1) * next(iter(found.values())).shape[1] < RECALL_NEIGHBOURS:
        return f"a manifold of {RECALL_NEIGHBOURS} neighbours of other pairs needs more frames, there are {n} pairs"
    chosen = _chosen(known, seed)
    return _by_subsets(criterion, frames, seed, lambda made: _recalled(made, chosen))


def coverage(criterion: Criterion, frames: Frames, known: Tensor, seed: int) -> SetJudgement | str:
    """The share of real images ``(M, F)`` whose ball has one of features ``(B, n, F)``; or the reason why none."""
    chosen = _chosen(known, seed)
    if len(chosen) <= COVERAGE_NEIGHBOURS:
        return f"balls to {COVERAGE_NEIGHBOURS} neighbours need more than {len(chosen)} real images"
    if frames.finite()[1] == 0:
        return "no pair is finite"
    radii = neighbour_radii(chosen, COVERAGE_NEIGHBOURS)
    return _by_subsets(criterion, frames, seed, lambda made: _covered(made, chosen, radii))


def two_sample(
    criterion: Criterion,
    frames: Frames,
    other: Tensor,  # a second draw of own samples, ``(B, n, ...)``
    resamples: int,
    seed: int,
    done: Callable[[str], None] | None = None,  # told every kind, once it is judged
) -> SetJudgement | str:
    """The accuracy of a network that tells images ``(B, n, ...)`` from own samples; or the reason why none."""
    found, n, lost = frames.finite()
    if n < _FEWEST:
        return f"a two-sample test needs at least {_FEWEST} pairs, there are {n}"
    values, resampled, notes = {}, {}, {}
    theirs = _drawn(len(other), resamples, seed + 2)
    for kind, made in found.items():
        groups = (torch.arange(len(made)), len(made) + torch.arange(len(other)))
        labels = (groups[0].repeat_interleave(made.shape[1]), groups[1].repeat_interleave(other.shape[1]))
        test = two_sample_test(made.flatten(0, 1), other.flatten(0, 1), groups=labels, seed=seed)
        mine = _drawn(len(made), resamples, seed + (kind == OWN))
        values[kind] = test.accuracy
        resampled[kind] = (test.first[mine].mean(1) + test.second[theirs].mean(1)) / 2
        notes[kind] = f"equal distributions give {test.null:g} ± {test.null_error:.2g}"
        if done is not None:
            done(kind)
    return SetJudgement(criterion, values, resampled, n, lost, highest=1.0, notes=notes)


def _drawn(count: int, resamples: int, seed: int) -> Tensor:
    """Draws ``resamples`` times ``count`` of as many groups with replacement, ``(R, count)``."""
    return torch.randint(count, (resamples, count), generator=torch.Generator().manual_seed(seed))


def _chosen(known: Tensor, seed: int) -> Tensor:
    return known[torch.randperm(len(known), generator=torch.Generator().manual_seed(seed))[:_REFERENCES]]


def _by_subsets(
    criterion: Criterion, frames: Frames, seed: int, prepare: Callable[[Tensor], Callable[[Tensor], float]]
) -> SetJudgement:
    """The number of each kind for all pairs and for subsets of them: ``prepare(features)(pairs)``."""
    found, n, lost = frames.finite()
    values, resampled = {}, {}
    for kind, made in found.items():
        share = prepare(made)
        values[kind] = share(torch.ones(len(made), dtype=torch.bool))
        random = torch.Generator().manual_seed(seed + (kind == OWN))
        subsets = _SUBSETS if min(n, len(made)) >= _FEWEST_SUBSET else 0
        kept = int(_KEPT * len(made))
        order = torch.rand(subsets, len(made), generator=random).argsort(1)
        shares = torch.tensor([share(some < kept) for some in order], dtype=torch.float64)
        scale = (kept / (len(made) - kept)) ** 0.5 if subsets else 0.0
        resampled[kind] = values[kind] + scale * (shares - shares.mean())
    return SetJudgement(criterion, values, resampled, n, lost, highest=1.0)


def _covered(made: Tensor, chosen: Tensor, radii: Tensor) -> Callable[[Tensor], float]:
    """Returns the function from chosen pairs ``(B,)``, bool, to the coverage by their features ``(B, n, F)``."""
    each = made.double().flatten(0, 1)
    inside = [
        (torch.cdist(rows, each) <= radius[:, None]).unflatten(1, made.shape[:2]).any(2)
        for rows, radius in zip(chosen.double().split(CHUNK), radii.split(CHUNK), strict=True)
    ]
    held = torch.cat(inside)  # (M, B)
    return lambda pairs: float(held[:, pairs].any(1).double().mean())


def _recalled(made: Tensor, chosen: Tensor) -> Callable[[Tensor], float]:
    """Returns the function from chosen pairs ``(B,)``, bool, to the recall of their features ``(B, n, F)``."""
    each, pair = made.double().flatten(0, 1), torch.arange(len(made)).repeat_interleave(made.shape[1])
    most, nearest = min(_NEAREST, len(each) - made.shape[1]), []
    for rows, own in zip(each.split(CHUNK), pair.split(CHUNK), strict=True):
        between = torch.cdist(rows, each).masked_fill_(own[:, None] == pair, torch.inf)
        nearest.append(between.topk(most, largest=False))
    distances, owner = (torch.cat(part) for part in zip(*nearest, strict=True))
    owner = pair[owner]
    to_real = torch.cat([torch.cdist(rows, each).float() for rows in chosen.double().split(CHUNK)])  # (M, N)

    def share(pairs: Tensor) -> float:
        rank = pairs[owner].cumsum(1)
        at = torch.where(rank[:, -1] >= RECALL_NEIGHBOURS, (rank >= RECALL_NEIGHBOURS).int().argmax(1), most - 1)
        radii = torch.where(pairs[pair], distances.gather(1, at[:, None])[:, 0], -1.0).float()
        return float((to_real <= radii).any(1).double().mean())

    return share
