"""The judges of a run: classifiers that had no part in the path, and the model's own samples as a measure of them.

============================= ===================================================== =========
name                          of a frame                                            better
============================= ===================================================== =========
`confidence`                  the largest class probability of the classifier that  higher
                              the model's card names
`entropy`                     the entropy of its class probabilities, in nats       lower
`second confidence`           the largest class probability of a second classifier  higher
`precision`                   1 where the classifier's features lie in the manifold higher
                              of the model's own samples (k = 3), else 0
============================= ===================================================== =========

Every network runs once over the frames of a curve, whatever number of judges asks it. The manifold is that of other
samples than those of the row "own samples".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ..models import Model, available, load
from ..models.metrics.precision import neighbour_radii, within_manifold
from ..models.networks.classifier import Classifier
from ..models.sampling import as_taken, draw
from ..report import Judge
from ..source import Source

CONFIDENCE, ENTROPY, SECOND, PRECISION = "confidence", "entropy", "second confidence", "precision"
"""The names of the judges, in the order of their columns."""

IN_WORDS = {
    CONFIDENCE: "of the classifier",
    ENTROPY: "of its class probabilities in nats, lower is better",
    SECOND: "classifier's confidence",
    PRECISION: "as the share of frames among the model's own samples",
}
"""The legend of each judge."""

_SECOND_CLASSIFIER = "mnist-classifier-mlp"
_REFERENCE = 1000  # own samples whose manifold decides precision
_REFERENCE_SEED, _OWN_SEED = 1, 2  # added to the seed of a run
_CHUNK = 256  # frames that a network is given at a time


class _Once:
    """A network's output for the frames that it was last asked about, computed once."""

    def __init__(self, network: Callable[[Tensor], Tensor]) -> None:
        self._network = network
        self._frames: Tensor | None = None  # kept, so that their memory is not given to other frames
        self._output = torch.empty(0)

    def __call__(self, frames: Tensor) -> Tensor:
        """Returns the output for frames ``(N, ...)``, on the CPU."""
        last = self._frames
        if last is None or frames.data_ptr() != last.data_ptr() or frames.shape != last.shape:
            with torch.no_grad():
                self._output = torch.cat([self._network(chunk.cpu()) for chunk in frames.split(_CHUNK)])
            self._frames = frames
        return self._output


def judges(model: Model, source: Source, seed: int) -> dict[str, Judge]:
    """Returns the judges of a model by name; none where its card names no classifier.

    The source decodes, and ``seed`` is that of the run.
    """
    name = (model.card.get("quality") or {}).get("judge")
    if name is None:
        return {}
    classifier = load(name).generator
    found: dict[str, Judge] = {}
    if isinstance(classifier, Classifier):
        features, head = _Once(classifier.features), classifier.head
        found |= _of_probabilities(lambda frames: head(features(frames)))
        found[PRECISION] = _precision(features, _samples(model, source, _REFERENCE, seed + _REFERENCE_SEED))
    else:
        found |= _of_probabilities(_Once(classifier))
    if _SECOND_CLASSIFIER in available() and name != _SECOND_CLASSIFIER:
        second = _Once(load(_SECOND_CLASSIFIER).generator)
        found[SECOND] = _of_probabilities(second)[CONFIDENCE]
    return {name: found[name] for name in IN_WORDS if name in found}


def own_samples(
    model: Model, source: Source, panel: Mapping[str, Judge], pairs: int, points: int, seed: int
) -> dict[str, list[float]]:
    """Returns the mean verdict of every judge on ``pairs`` groups of ``points`` samples of the model, by its name."""
    if not panel:
        return {}
    frames = _samples(model, source, pairs * points, seed + _OWN_SEED)
    with torch.no_grad():
        return {name: judge(frames).reshape(pairs, points).mean(-1).tolist() for name, judge in panel.items()}


def _of_probabilities(logits: Callable[[Tensor], Tensor]) -> dict[str, Judge]:
    """Returns the judges of class probabilities, given logits ``(N, C)`` of frames."""
    return {
        CONFIDENCE: lambda frames: logits(frames).softmax(-1).amax(-1),
        ENTROPY: lambda frames: torch.special.entr(logits(frames).softmax(-1)).sum(-1),
    }


def _precision(features: Callable[[Tensor], Tensor], reference: Tensor) -> Judge:
    """Returns the judge of precision in the manifold of the reference frames ``(M, ...)``."""
    manifold = features(reference)
    radii = neighbour_radii(manifold)
    return lambda frames: within_manifold(features(frames), manifold, radii).to(manifold.dtype)


def _samples(model: Model, source: Source, count: int, seed: int) -> Tensor:
    """Returns frames of samples of the model's prior, ``(count, ...)``."""
    assert model.prior is not None
    latents = draw(model.prior, count, torch.Generator().manual_seed(seed % 2**63))
    return source.frames(as_taken(model, latents))
