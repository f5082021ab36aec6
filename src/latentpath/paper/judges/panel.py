"""The panel of judges of one model: the criteria that can be measured, and the reasons why others cannot."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ...errors import InputError
from ...models import Model, available, load
from ...models.metrics.distances import nearest_distances
from ...models.metrics.features import Features, feature_network, over
from ...models.metrics.imagenet import imagenet_features, installed
from ...models.metrics.precision import neighbour_radii, within_manifold
from .criteria import CLASSIFIER, FEATURES, IMAGENET, SECOND, SETS, Criterion, criteria

Network = Callable[[Tensor], Tensor]  # images ``(N, C, H, W)`` in [-1, 1] to features or logits ``(N, F)``, on the CPU
_Measure = Callable[[Tensor], Tensor]  # images, features or logits ``(N, ...)`` to one number each, ``(N,)``

_SECOND_CLASSIFIERS = {"mnist-classifier": "mnist-classifier-mlp"}  # by the first, of the same images
_PHOTOGRAPHS = ("nearest_imagenet", "precision_imagenet")  # the criteria of frames in ImageNet features
_PHOTOGRAPHED = 4_000  # the most real images that are compared in ImageNet features, 20 ms each


@dataclass(frozen=True)
class Panel:
    """The judges of one model."""

    criteria: Mapping[str, Criterion]
    # by criterion, a function of the output of the first network that the criterion needs, or of images
    measures: Mapping[str, _Measure]
    missing: Mapping[str, str]  # by criterion, the reason why it cannot be measured
    networks: Mapping[str, Network]  # by what criteria call them
    known: Mapping[
        str, Tensor
    ]  # by feature network, the features ``(N, F)`` of real images; empty where there are none

    def numbers(self, images: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """By every measure a number for each image, ``(N,)``; by feature network the images' features ``(N, F)``."""
        outputs = {name: over(network, images) for name, network in self.networks.items()}
        numbers = {}
        for name, measure in self.measures.items():
            given = next((outputs[need] for need in self.criteria[name].needs if need in outputs), images)
            numbers[name] = measure(given).double()
        return numbers, {name: outputs[name] for name in self.known}


@dataclass(frozen=True)
class Manifold:
    """The choice of the real images whose features make the manifold of precision."""

    neighbours: int = 3  # ``k`` of the real manifold
    images: int = 10_000  # the most real images that it is made of
    seed: int = 0  # of their choice


def panel_of(
    model: Model,
    shape: tuple[int, ...],
    real: Tensor | None,
    features: str | Features | None,
    classifier: str | Network | None,
    manifold: Manifold,
    sets: bool = False,
) -> Panel:
    """The judges of the images ``(N, *shape)`` of ``model``; the other arguments are those of `evaluation.judge`."""
    judges = _Judges()
    second = _add_classifiers(judges, model, classifier)
    network, owner, no_features = _feature_network(model, shape, features)
    colour = shape[0] == 3
    of_features = ("nearest_features", "precision", "frechet", *SETS[:2] * sets)
    of_photographs = (*_PHOTOGRAPHS, *SETS[2:4] * sets) * colour
    if real is None or len(real) == 0:
        judges.leave_out(("nearest_pixels", *of_features, *of_photographs), "no real images were given")
    else:
        judges.measures["nearest_pixels"] = lambda images: nearest_distances(images.cpu(), real.cpu())
        if network is None:
            judges.leave_out(of_features, no_features)
        else:
            judges.add_features(FEATURES, network, real, ("nearest_features", "precision"), manifold)
        if colour and installed():
            order = torch.randperm(len(real), generator=torch.Generator().manual_seed(manifold.seed))
            some = real[order[:_PHOTOGRAPHED]]
            judges.add_features(IMAGENET, imagenet_features(), some, _PHOTOGRAPHS, manifold)
        elif colour:
            why = "the packages of the network are not installed (the extra reproduce has them)"
            judges.leave_out(of_photographs, why)
    if model.discriminator is None:
        judges.missing["discriminator"] = f"{model.name!r} has no discriminator"
    else:
        judges.measures["discriminator"] = _discriminator(model.discriminator, model.value_range)
    every = criteria(owner, owner != model.name, second=second, imagenet=colour, sets=sets)
    return Panel(every, judges.measures, judges.missing, judges.networks, judges.known)


@dataclass
class _Judges:
    """The parts of a `Panel` while it is made."""

    measures: dict[str, _Measure] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    networks: dict[str, Network] = field(default_factory=dict)
    known: dict[str, Tensor] = field(default_factory=dict)

    def leave_out(self, names: Iterable[str], why: str) -> None:
        self.missing |= dict.fromkeys(names, why)

    def add_classifier(self, name: str, network: Network, suffix: str = "") -> None:
        self.networks[name] = network
        self.measures[f"confidence{suffix}"] = lambda output: output.softmax(1).amax(1)
        self.measures[f"entropy{suffix}"] = lambda output: torch.special.entr(output.softmax(1)).sum(1)

    def add_features(
        self, name: str, network: Network, real: Tensor, criteria: tuple[str, str], manifold: Manifold
    ) -> None:
        """Adds the distance to the nearest real image, and precision, in the features of a network."""
        nearest, precision = criteria
        self.networks[name] = network
        self.known[name] = known = over(network, real)
        self.measures[nearest] = lambda output: nearest_distances(output, known)
        inside = _precision(known, manifold)
        if isinstance(inside, str):
            self.missing[precision] = inside
        else:
            self.measures[precision] = inside


def _add_classifiers(judges: _Judges, model: Model, classifier: str | Network | None) -> bool:
    """Adds the classifier, and the second one where the first has one; True if it has."""
    name = (model.card.get("quality") or {}).get("judge") if classifier is None else classifier
    logits = _classifier(model, name)
    if isinstance(logits, str):
        judges.leave_out(("confidence", "entropy"), logits)
    else:
        judges.add_classifier(CLASSIFIER, logits)
    second = _SECOND_CLASSIFIERS.get(name) if isinstance(name, str) else None
    if second is None or second not in available():
        return False
    other = _classifier(model, second)
    assert not isinstance(other, str)
    judges.add_classifier(SECOND, other, "_second")
    return True


def _precision(known: Tensor, manifold: Manifold) -> _Measure | str:
    order = torch.randperm(len(known), generator=torch.Generator().manual_seed(manifold.seed))
    chosen = known[order[: manifold.images]]
    if len(chosen) <= manifold.neighbours:
        return f"a manifold of {manifold.neighbours} neighbours needs more than {len(chosen)} real images"
    radii = neighbour_radii(chosen, manifold.neighbours)
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
