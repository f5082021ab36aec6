r"""How good a generator of digits is, measured by an independent judge.

The judge is the digit classifier that the package ships; it has never seen a generated image. Four questions:

* *Are all classes there?* The histogram of the classes it sees in ``N`` samples, and the smallest share.
* *Does it recognise them?* Its mean confidence (largest class probability), and the share of samples it is at least
  90 % sure of; the same for real test images tells what can be hoped for.
* *Are they distributed like real ones?* The Fréchet distance between normal distributions fitted to the judge's 64
  features of samples and of test images (Heusel et al. 2017, with another feature network),

  .. math:: d^2 = \|\mu_1 - \mu_2\|^2 + \operatorname{tr}\bigl(C_1 + C_2 - 2 (C_1^{1/2} C_2 C_1^{1/2})^{1/2}\bigr).

  The same distance between real training and real test images is the floor: no generator can be expected to go below.
  These numbers live in the judge's own units and compare only with others of the same judge.
* *Are they new?* The Euclidean distance of each sample to its nearest training image, next to that of test images. A
  generator that had memorised the training images would be much closer to them than test images are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..errors import InputError
from .classifier import DigitClassifier
from .sampling import draw

__all__ = [
    "ClassifierQuality",
    "GeneratorQuality",
    "frechet_distance",
    "gaussian_frechet_distance",
    "measure_classifier",
    "measure_generator",
    "nearest_distances",
]

_CHUNK = 500
SURE = 0.9
"""The confidence from which on the judge counts as sure."""


@dataclass(frozen=True)
class GeneratorQuality:
    """What `measure_generator` found; every number means what its line says.

    Attributes:
        samples: how many samples were judged.
        class_shares: share of the samples in each class 0 to 9.
        least_class_share: the smallest of them; 0.1 would be even.
        mean_confidence: mean of the judge's largest class probability over the samples.
        share_sure: share of samples with a confidence of at least 0.9.
        test_mean_confidence: the same mean over the real test images.
        test_share_sure: the same share over the real test images.
        frechet: squared Fréchet distance of samples to test images in the judge's features.
        frechet_floor: the same distance of real training images, as many as samples, to test images.
        nearest_samples: how many samples and test images were compared with every training image.
        nearest_train: mean Euclidean distance of a sample to its nearest training image, pixels in [-1, 1].
        nearest_train_of_test: the same mean for real test images.
    """

    samples: int
    class_shares: tuple[float, ...]
    least_class_share: float
    mean_confidence: float
    share_sure: float
    test_mean_confidence: float
    test_share_sure: float
    frechet: float
    frechet_floor: float
    nearest_samples: int
    nearest_train: float
    nearest_train_of_test: float


@dataclass(frozen=True)
class ClassifierQuality:
    """What `measure_classifier` found on test images.

    Attributes:
        images: how many were judged.
        accuracy: share judged rightly.
        least_class_accuracy: the same for the class that does worst.
        mean_confidence: mean of the largest class probability; a calibrated judge's equals its accuracy.
        share_sure: share of the images with a confidence of at least 0.9.
    """

    images: int
    accuracy: float
    least_class_accuracy: float
    mean_confidence: float
    share_sure: float


def gaussian_frechet_distance(mean1: Tensor, covariance1: Tensor, mean2: Tensor, covariance2: Tensor) -> float:
    """The squared Fréchet (2-Wasserstein) distance of two normal distributions, in float64.

    Args:
        mean1: ``(F,)``.
        covariance1: ``(F, F)``, symmetric, positive semi-definite.
        mean2: ``(F,)``.
        covariance2: ``(F, F)``.

    Returns:
        ``|mean1 - mean2|^2 + tr(C1 + C2 - 2 (C1^(1/2) C2 C1^(1/2))^(1/2))``, never below 0.

    Example:
        >>> import torch
        >>> from latentpath.models.quality import gaussian_frechet_distance
        >>> eye, zero = torch.eye(3), torch.zeros(3)
        >>> round(gaussian_frechet_distance(zero, eye, zero + 1, 4 * eye), 6)  # 3 * (1 + (2 - 1)**2)
        6.0
    """
    c1, c2 = covariance1.double(), covariance2.double()
    values, vectors = torch.linalg.eigh(c1)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.mT
    inner = root @ c2 @ root
    cross = torch.linalg.eigvalsh((inner + inner.mT) / 2).clamp_min(0).sqrt().sum()
    distance = (mean1.double() - mean2.double()).square().sum() + c1.trace() + c2.trace() - 2 * cross
    return max(float(distance), 0.0)


def frechet_distance(features1: Tensor, features2: Tensor) -> float:
    """`gaussian_frechet_distance` of the normals fitted to features ``(N, F)`` and ``(M, F)``.

    Raises:
        InputError: fewer than two rows, or rows of different length.
    """
    for features in (features1, features2):
        if features.ndim != 2 or len(features) < 2 or features.shape[1] != features1.shape[1]:
            raise InputError(
                "features must be (N, F) and (M, F) with at least two rows each, "
                f"got {tuple(features1.shape)} and {tuple(features2.shape)}"
            )
    one, two = features1.double(), features2.double()
    return gaussian_frechet_distance(one.mean(0), one.mT.cov(), two.mean(0), two.mT.cov())


@torch.no_grad()
def nearest_distances(images: Tensor, reference: Tensor) -> Tensor:
    """For each image ``(N, ...)`` the Euclidean distance ``(N,)`` to the nearest of ``reference`` ``(M, ...)``."""
    theirs = reference.flatten(1).float()
    squares = theirs.square().sum(1)
    found = []
    for chunk in images.flatten(1).float().split(_CHUNK):
        closest = (squares - 2 * chunk @ theirs.mT).argmin(1)
        found.append((chunk - theirs[closest]).norm(dim=1))  # the difference itself: exact for copies
    return torch.cat(found)


@torch.no_grad()
def _judged(classifier: DigitClassifier, images: Tensor) -> tuple[Tensor, Tensor]:
    """Features ``(N, 64)`` and class probabilities ``(N, 10)``."""
    features = torch.cat([classifier.features(chunk) for chunk in images.split(_CHUNK)])
    return features, classifier.head(features).softmax(1)


def measure_classifier(classifier: DigitClassifier, images: Tensor, labels: Tensor) -> ClassifierQuality:
    """Judge the judge: ``images`` ``(N, 1, 28, 28)`` in [-1, 1] that it was not trained on, ``labels`` ``(N,)``."""
    _, probabilities = _judged(classifier, images)
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
    generator: nn.Module,
    prior: Distribution,
    classifier: DigitClassifier,
    train: Tensor,
    test: Tensor,
    *,
    samples: int = 10_000,
    nearest_samples: int = 2_000,
    seed: int = 0,
) -> GeneratorQuality:
    """Judge ``samples`` images that ``generator`` makes of latents drawn from ``prior``.

    Args:
        generator: latents ``(N, D)`` to images ``(N, 1, 28, 28)`` in [-1, 1], in eval mode.
        prior: the distribution of its latents.
        classifier: the judge, in eval mode.
        train: the training images, in [-1, 1].
        test: the test images, in [-1, 1].
        samples: how many to judge.
        nearest_samples: of how many to look for the nearest training image, which takes the most time.
        seed: of the draws.

    Returns:
        The numbers, rounded to what they are worth.
    """
    latents = draw(prior, samples, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        images = torch.cat([generator(chunk) for chunk in latents.split(_CHUNK)])
    features, probabilities = _judged(classifier, images)
    test_features, test_probabilities = _judged(classifier, test)
    random = torch.Generator().manual_seed(seed)
    some = torch.randperm(len(train), generator=random)[:samples]
    others = torch.randperm(len(test), generator=random)[:nearest_samples]
    train_features, _ = _judged(classifier, train[some])
    confidence, classes = probabilities.max(1)
    test_confidence = test_probabilities.amax(1)
    shares = torch.bincount(classes, minlength=10) / samples
    return GeneratorQuality(
        samples=samples,
        class_shares=tuple(round(float(share), 4) for share in shares),
        least_class_share=round(float(shares.min()), 4),
        mean_confidence=round(float(confidence.mean()), 4),
        share_sure=round(float((confidence >= SURE).float().mean()), 4),
        test_mean_confidence=round(float(test_confidence.mean()), 4),
        test_share_sure=round(float((test_confidence >= SURE).float().mean()), 4),
        frechet=round(frechet_distance(features, test_features), 3),
        frechet_floor=round(frechet_distance(train_features, test_features), 3),
        nearest_samples=nearest_samples,
        nearest_train=round(float(nearest_distances(images[:nearest_samples], train).mean()), 3),
        nearest_train_of_test=round(float(nearest_distances(test[others], train).mean()), 3),
    )
