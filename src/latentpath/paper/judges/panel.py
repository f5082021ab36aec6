"""The panel of judges of one model: the criteria that can be measured, and the reasons why others cannot."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...errors import InputError
from ...models import Model, load
from ...models.metrics.distances import nearest_distances
from ...models.metrics.features import Features, feature_network, over
from ...models.metrics.precision import neighbour_radii, within_manifold
from .criteria import CLASSIFIER, FEATURES, Criterion, criteria

Network = Callable[[Tensor], Tensor]  # images ``(N, C, H, W)`` in [-1, 1] to features or logits ``(N, F)``, on the CPU
_Measure = Callable[[Tensor], Tensor]  # images, features or logits ``(N, ...)`` to one number each, ``(N,)``


@dataclass(frozen=True)
class Panel:
    """The judges of one model."""

    criteria: Mapping[str, Criterion]
    # by criterion, a function of the output of the first network that the criterion needs, or of images
    measures: Mapping[str, _Measure]
    missing: Mapping[str, str]  # by criterion, the reason why it cannot be measured
    networks: Mapping[str, Network]  # by what criteria call them
    real_features: Tensor | None  # ``(N, F)``, of the real images; None where there are none

    def numbers(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor | None]:
        """By every measure a number for each image, ``(N,)``; and the features ``(N, F)`` of the images."""
        outputs = {name: over(network, images) for name, network in self.networks.items()}
        numbers = {}
        for name, measure in self.measures.items():
            given = next((outputs[need] for need in self.criteria[name].needs if need in outputs), images)
            numbers[name] = measure(given).double()
        return numbers, outputs.get(FEATURES)


def panel_of(
    model: Model,
    shape: tuple[int, ...],
    real: Tensor | None,
    features: str | Features | None,
    classifier: str | Network | None,
    neighbours: int,
    manifold: int,
    seed: int,
) -> Panel:
    """The judges of the images ``(N, *shape)`` of ``model``; the other arguments are those of `evaluation.judge`."""
    measures: dict[str, _Measure] = {}
    missing: dict[str, str] = {}
    networks: dict[str, Network] = {}
    network, owner, no_features = _feature_network(model, shape, features)
    logits = _classifier(model, classifier)
    if isinstance(logits, str):
        missing |= dict.fromkeys(("confidence", "entropy"), logits)
    else:
        networks[CLASSIFIER] = logits
        measures["confidence"] = lambda output: output.softmax(1).amax(1)
        measures["entropy"] = lambda output: torch.special.entr(output.softmax(1)).sum(1)
    real_features = None
    if real is None or len(real) == 0:
        names = ("nearest_pixels", "nearest_features", "precision", "frechet")
        missing |= dict.fromkeys(names, "no real images were given")
    else:
        measures["nearest_pixels"] = lambda images: nearest_distances(images.cpu(), real.cpu())
        if network is None:
            missing |= dict.fromkeys(("nearest_features", "precision", "frechet"), no_features)
        else:
            networks[FEATURES] = network
            real_features = known = over(network, real)
            measures["nearest_features"] = lambda output: nearest_distances(output, known)
            precision = _precision(known, neighbours, manifold, seed)
            if isinstance(precision, str):
                missing["precision"] = precision
            else:
                measures["precision"] = precision
    if model.discriminator is None:
        missing["discriminator"] = f"{model.name!r} has no discriminator"
    else:
        measures["discriminator"] = _discriminator(model.discriminator, model.value_range)
    return Panel(criteria(owner, owner != model.name), measures, missing, networks, real_features)


def _precision(known: Tensor, neighbours: int, manifold: int, seed: int) -> _Measure | str:
    chosen = known[torch.randperm(len(known), generator=torch.Generator().manual_seed(seed))[:manifold]]
    if len(chosen) <= neighbours:
        return f"a manifold of {neighbours} neighbours needs more than {len(chosen)} real images"
    radii = neighbour_radii(chosen, neighbours)
    return lambda output: torch.where(
        output.isfinite().all(1), within_manifold(output, chosen, radii).double(), torch.nan
    )


def _discriminator(network: Network, value_range: tuple[float, float]) -> _Measure:
    score, (low, high) = _on_cpu(network), value_range
    return lambda images: score((images + 1) / 2 * (high - low) + low).reshape(len(images), -1).mean(1)


def _feature_network(
    model: Model, shape: tuple[int, ...], features: str | Features | None
) -> tuple[Network | None, str, str]:
    """The feature network, the name of its owner, and the reason why there is none."""
    if features is not None and not isinstance(features, str):
        return _on_cpu(features), "the network given", ""
    try:
        network, owner = feature_network(model, shape, features)
    except InputError as error:
        if features is not None:
            raise
        return None, "none", str(error)
    return _on_cpu(network), owner, ""


def _classifier(model: Model, classifier: str | Network | None) -> Network | str:
    if classifier is None:
        classifier = (model.card.get("quality") or {}).get("judge")
        if classifier is None:
            return f"the card of {model.name!r} names no classifier of its images"
    if isinstance(classifier, str):
        judge = load(classifier)
        if judge.prior is not None:
            raise InputError(f"{classifier!r} is a generator, no classifier: name one, such as mnist-classifier")
        classifier = judge.generator
    return _on_cpu(classifier)


def _on_cpu(network: Network) -> Network:
    """``network`` for images on any device, with its output on the CPU."""
    owner = getattr(network, "__self__", network)
    parameter = next(owner.parameters(), None) if isinstance(owner, nn.Module) else None
    device = None if parameter is None else parameter.device
    return lambda images: network(images if device is None else images.to(device)).cpu()
