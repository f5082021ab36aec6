"""Quality of a generator, measured by networks and images that took no part in its training.

The numbers depend on the *feature network*: for digits the shipped classifier, for faces the encoder of the shipped
auto-encoder. They answer five questions:

* *Are the samples distributed like real images?* Fréchet and kernel distance, precision and recall, in the feature
  network's space. The same numbers between two sets of real images are the floor for any generator. Numbers of
  different feature networks do not compare.
* *Are they new?* The Euclidean distance of each sample to its nearest training image, beside the same distance of
  images kept out of training. Memorised samples are much closer.
* *Are all classes there, and does the classifier recognise them?* (Digits.) The share of each class in the samples,
  the mean confidence (largest class probability), and the share of samples with a confidence of at least 90 %; the
  same numbers for real test images are the bound.
* *Does an auto-encoder reconstruct its input?* The root mean square error of a pixel, for images kept out.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..._progress import Stage, each, silent
from ...data import to_unit_range
from ...errors import InputError
from ..model import Model
from ..networks.classifier import Classifier
from ..sampling import draw
from .distances import frechet_distance, kernel_distance, nearest_distances
from .features import IMAGES, Features, over
from .precision import precision_recall

_COMPARED, _ENOUGH = 5_000, 2_000
SURE = 0.9  # the confidence from which on the classifier counts as sure


@dataclass(frozen=True)
class GeneratorQuality:
    """The result of `measure_generator`; None where a question does not apply."""

    samples: int  # how many samples were judged
    features: str  # the name of the feature network
    reference: str  # the real images compared: "test", or "train" where there are not 2,000 test images
    frechet: float  # squared Fréchet distance of samples to the reference, in features
    # the same of training images to test images; or of one half of the training images to the other
    frechet_floor: float
    kernel: float  # squared kernel distance likewise, of at most 5,000 of each
    kernel_floor: float  # of the same as ``frechet_floor``
    precision: float  # the share of samples within the manifold of the reference, at most 5,000 of each
    recall: float  # the share of the reference within the manifold of the samples
    nearest_samples: int  # how many samples were compared with every training image
    nearest_train: float  # mean Euclidean distance of a sample to its nearest training image, pixels in [-1, 1]
    nearest_train_of_test: float | None = None  # the same mean for real images that were kept out of training
    judge: str | None = None
    class_shares: tuple[float, ...] | None = None  # the share of the samples in each class 0 to 9
    least_class_share: float | None = None  # the smallest of them; 0.1 would be even
    mean_confidence: float | None = None  # mean of the judge's largest class probability over the samples
    share_sure: float | None = None  # share of samples with a confidence of at least 0.9
    test_mean_confidence: float | None = None  # the same mean over the real test images
    test_share_sure: float | None = None  # the same share over the real test images
    # root mean square error of a pixel in [-1, 1], of images kept out of training
    reconstruction_error: float | None = None
    reconstruction_train: float | None = None  # the same for training images


@dataclass(frozen=True)
class ClassifierQuality:
    """The result of `measure_classifier` on test images."""

    images: int
    accuracy: float  # share judged rightly
    least_class_accuracy: float  # the same for the class that does worst
    mean_confidence: float  # mean of the largest class probability; it equals the accuracy of a calibrated classifier
    share_sure: float  # share of the images with a confidence of at least 0.9


def measure_classifier(
    classifier: Classifier, images: Tensor, labels: Tensor, stage: Stage = silent
) -> ClassifierQuality:
    """Measures a classifier on test ``images`` ``(N, 1, 28, 28)`` in [-1, 1] with ``labels`` ``(N,)``."""
    probabilities = over(lambda chunk: classifier(chunk).softmax(1), images, stage, "test images")
    confidence, classes = probabilities.max(1)
    right = (classes == labels).float()
    present = [k for k in range(10) if bool((labels == k).any())]
    return ClassifierQuality(
        images=len(images),
        accuracy=round(float(right.mean()), 5),
        least_class_accuracy=round(min(float(right[labels == k].mean()) for k in present), 5),
        mean_confidence=round(float(confidence.mean()), 5),
        share_sure=round(float((confidence >= SURE).float().mean()), 5),
    )


def measure_generator(
    model: Model,
    features: Features,  # of the feature network, in eval mode
    train: Tensor,  # the training images, ``uint8 (N, C, H, W)``
    test: Tensor | None = None,
    *,
    features_name: str = "features",  # of the feature network, for the record
    judge: Classifier | None = None,  # the classifier of digits, where the images are digits
    judge_name: str | None = None,  # for the record
    samples: int = 10_000,  # how many to judge
    nearest_samples: int = 2_000,  # how many to compare with every training image, the slowest part
    seed: int = 0,  # of the draws
    stage: Stage = silent,  # receives the progress
) -> GeneratorQuality:
    """Measures ``samples`` images that ``model`` makes of latents drawn from its prior.

    ``model``: with a generator of images ``(N, C, H, W)`` in [-1, 1], and a prior; with an encoder, the error of
    reconstructions is measured too.
    """
    if model.prior is None:
        raise InputError(f"{model.name!r} has no prior to draw latents from: nothing can be sampled")
    random = torch.Generator().manual_seed(seed)
    images = over(model.generator, draw(model.prior, samples, random), stage, "making samples")
    _check_shapes(model.name, images, train, test)
    order = torch.randperm(len(train), generator=random)
    real, reference, name = _references(features, train, test, order, samples, stage)
    found = over(features, images, stage, "features of samples")
    near = images[:nearest_samples]
    nearest = partial(nearest_distances, reference=train, stage=stage)
    kept_out = None if test is None or len(test) == 0 else test[torch.randperm(len(test), generator=random)]
    return GeneratorQuality(
        samples=samples,
        features=features_name,
        reference=name,
        **_compared(found, real, reference, stage),
        nearest_samples=len(near),
        nearest_train=round(float(nearest(near, what="nearest training images of samples").mean()), 3),
        nearest_train_of_test=None
        if kept_out is None
        else round(float(nearest(kept_out[:nearest_samples], what="nearest training images of test images").mean()), 3),
        **({} if judge is None else _judged(judge, judge_name, images, kept_out, stage)),
        **({} if model.encoder is None else _reconstructed(model, train[order[:nearest_samples]], kept_out, stage)),
    )


def _compared(found: Tensor, real: Tensor, reference: Tensor, stage: Stage) -> dict[str, Any]:
    few, few_real, few_reference = found[:_COMPARED], real[:_COMPARED], reference[:_COMPARED]
    stage("precision and recall", 0, 1)
    precision, recall = precision_recall(few, few_reference)
    stage("distances of distributions", 0, 1)
    return {
        "frechet": round(frechet_distance(found, reference), 3),
        "frechet_floor": round(frechet_distance(real, reference), 3),
        "kernel": round(kernel_distance(few, few_reference), 4),
        "kernel_floor": round(kernel_distance(few_real, few_reference), 4),
        "precision": round(precision, 4),
        "recall": round(recall, 4),
    }


def _check_shapes(name: str, images: Tensor, train: Tensor, test: Tensor | None) -> None:
    if images.shape[1:] != train.shape[1:]:
        raise InputError(
            f"{name!r} makes images {tuple(images.shape[1:])}, the data are {tuple(train.shape[1:])}: "
            "give data of the same kind"
        )
    if test is not None and test.shape[1:] != train.shape[1:]:
        raise InputError(f"test images {tuple(test.shape[1:])} are unlike the training images {tuple(train.shape[1:])}")


def _references(
    features: Features, train: Tensor, test: Tensor | None, order: Tensor, samples: int, stage: Stage
) -> tuple[Tensor, Tensor, str]:
    """Returns the features of real images for the floor, those of the reference, and the name of the reference."""
    if test is not None and len(test) >= _ENOUGH:
        real, reference, name = train[order[:samples]], test, "test"
    else:
        half = len(train) // 2
        real, reference, name = train[order[:half]], train[order[half:]], "train"
    found = over(features, real, stage, "features of training images")
    return found, over(features, reference, stage, "features of the reference"), name


def _judged(judge: Classifier, name: str | None, images: Tensor, test: Tensor | None, stage: Stage) -> dict[str, Any]:
    def sure(some: Tensor) -> tuple[Tensor, Tensor, float, float]:
        confidence, classes = over(lambda chunk: judge(chunk).softmax(1), some, stage, "classes").max(1)
        share = float((confidence >= SURE).float().mean())
        return confidence, classes, round(float(confidence.mean()), 4), round(share, 4)

    _, classes, mean, share = sure(images)
    shares = torch.bincount(classes, minlength=10) / len(images)
    found: dict[str, Any] = {
        "judge": name,
        "class_shares": tuple(round(float(each), 4) for each in shares),
        "least_class_share": round(float(shares.min()), 4),
        "mean_confidence": mean,
        "share_sure": share,
    }
    if test is not None:
        *_, found["test_mean_confidence"], found["test_share_sure"] = sure(test)
    return found


def _reconstructed(model: Model, train: Tensor, test: Tensor | None, stage: Stage) -> dict[str, Any]:
    def error(images: Tensor) -> float:
        squares = [
            (model.generator(model.encode(real)) - real).square().mean((1, 2, 3))
            for real in map(to_unit_range, each(images.split(IMAGES), "reconstructions", stage))
        ]
        return round(float(torch.cat(squares).mean().sqrt()), 4)

    with torch.no_grad():
        return {
            "reconstruction_train": error(train),
            "reconstruction_error": None if test is None else error(test),
        }
