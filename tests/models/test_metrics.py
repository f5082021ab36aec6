"""Metrics with exact answers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchmetrics.image.kid import poly_mmd

from latentpath.data import to_unit_range
from latentpath.errors import InputError
from latentpath.models import (
    DigitClassifier,
    digit_classifier,
    load,
)
from latentpath.models.metrics.distances import (
    frechet_distance,
    gaussian_frechet_distance,
    kernel_distance,
    nearest_distances,
)
from latentpath.models.metrics.precision import precision_recall
from latentpath.models.metrics.quality import measure_generator
from latentpath.models.model import Model

GENERATOR, JUDGE = "mnist-dcgan-semicircle", "mnist-classifier"


@pytest.fixture(scope="module")
def judge() -> DigitClassifier:
    return digit_classifier()


def test_frechet_distance_of_gaussians_in_closed_form() -> None:
    random = torch.Generator().manual_seed(0)
    a, b = (torch.rand(6, generator=random, dtype=torch.float64) + 0.1 for _ in range(2))
    mean = torch.randn(6, generator=random, dtype=torch.float64)
    turn, _ = torch.linalg.qr(torch.randn(6, 6, generator=random, dtype=torch.float64))
    # commuting covariances: |m|^2 + sum (sqrt(a) - sqrt(b))^2, in any rotated frame
    exact = float(mean.square().sum() + (a.sqrt() - b.sqrt()).square().sum())
    c1, c2 = turn * a @ turn.mT, turn * b @ turn.mT
    assert gaussian_frechet_distance(mean, c1, torch.zeros(6), c2) == pytest.approx(exact, rel=1e-12)
    # two by two, not commuting: tr (C1 C2)^(1/2) = sqrt(tr(C1 C2) + 2 sqrt(det(C1 C2)))
    c1 = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    c2 = torch.tensor([[1.0, -0.7], [-0.7, 3.0]], dtype=torch.float64)
    cross = ((c1 @ c2).trace() + 2 * (c1.det() * c2.det()).sqrt()).sqrt()
    exact = float(c1.trace() + c2.trace() - 2 * cross)
    zero = torch.zeros(2)
    assert gaussian_frechet_distance(zero, c1, zero, c2) == pytest.approx(exact, rel=1e-12)
    assert gaussian_frechet_distance(zero, c2, zero, c1) == pytest.approx(exact, rel=1e-12)


def test_frechet_distance_of_samples() -> None:
    random = torch.Generator().manual_seed(0)
    features = torch.randn(500, 4, generator=random)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(features, features + 3) == pytest.approx(36, rel=1e-5)  # the same shape, moved
    flat = torch.cat([features[:, :2], torch.zeros(500, 2)], 1)  # singular covariance
    assert frechet_distance(flat, flat) == pytest.approx(0, abs=1e-9)
    with pytest.raises(InputError, match="at least two rows"):
        frechet_distance(features, features[:1])
    with pytest.raises(InputError, match=r"\(500, 3\)"):
        frechet_distance(features, features[:, :3])


def test_nearest_distances_are_exact_for_copies_and_right_for_others() -> None:
    random = torch.Generator().manual_seed(0)
    reference = torch.randn(700, 1, 6, 6, generator=random)
    images = torch.randn(600, 1, 6, 6, generator=random)
    found = nearest_distances(images, reference)
    torch.testing.assert_close(found, torch.cdist(images.flatten(1), reference.flatten(1)).amin(1))
    assert torch.equal(nearest_distances(reference[5:9], reference), torch.zeros(4))


class Recall(nn.Module):
    """A generator that has memorised ``images`` and gives them back by the first coordinate of the latent."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.register_buffer("images", images)

    def forward(self, latents: Tensor) -> Tensor:
        images: Tensor = self.images[(latents[:, 0] * len(self.images)).long()]  # type: ignore[index]
        return images


class KnownHead(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        code = ((features + 1) * 127.5).round()
        classes, sure = nn.functional.one_hot(code[:, 0].long(), 10), code[:, 1:2] / 250
        return torch.where(classes.bool(), sure, (1 - sure) / 9).log()


class Known(DigitClassifier):
    """A judge that reads the class from the first pixel, and its confidence from the second."""

    def __init__(self) -> None:
        super().__init__(width=1)
        self.head = KnownHead()  # type: ignore[assignment]

    def features(self, images: Tensor) -> Tensor:
        return images.flatten(1)


def test_quality_of_a_generator_that_memorised_is_known_exactly() -> None:
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (2000, 1, 4, 4), generator=random, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(2000) % 10
    images[:, 0, 0, 1] = torch.tensor([240, 140]).repeat(1000)  # even classes are sure: 0.96, and 0.56
    prior = torch.distributions.Independent(torch.distributions.Uniform(torch.zeros(2), torch.ones(2)), 1)
    model, judge = Model(Recall(to_unit_range(images)), prior, name="parrot"), Known()
    found = measure_generator(
        model, judge.features, images, images, judge=judge, judge_name="known", samples=2000, nearest_samples=100
    )
    assert found.class_shares is not None
    assert sum(found.class_shares) == pytest.approx(1, abs=1e-3)
    assert found.least_class_share == min(found.class_shares) > 0.07
    sure = sum(found.class_shares[::2])
    assert found.share_sure == pytest.approx(sure, abs=1e-3)
    assert found.mean_confidence == pytest.approx(0.96 * sure + 0.56 * (1 - sure), abs=1e-3)
    assert (found.test_mean_confidence, found.test_share_sure) == (0.76, 0.5)
    assert found.nearest_train == found.nearest_train_of_test == 0  # memorised, and here test is train
    assert (found.reference, found.frechet_floor, found.precision) == ("test", 0, 1)
    assert 0.6 < found.recall < 1  # of 2,000 draws of 2,000 some are missed
    assert found.reconstruction_error is None

    few = measure_generator(model, judge.features, images, images[:50], samples=1000, nearest_samples=100)
    assert (few.reference, few.judge, few.class_shares) == ("train", None, None)
    assert few.nearest_train_of_test == 0

    halves = Model(Recall(to_unit_range(images)), prior, lambda real: torch.zeros(len(real), 2), name="constant")
    found = measure_generator(halves, judge.features, images, images[:50], samples=1000, nearest_samples=100)
    exact = (to_unit_range(images[:50]) - to_unit_range(images[:1])).square().mean().sqrt()
    assert found.reconstruction_error == pytest.approx(float(exact), abs=1e-4)  # latent 0 is the first image
    with pytest.raises(InputError, match=r"'parrot' makes images \(1, 4, 4\), the data are \(1, 5, 5\)"):
        measure_generator(model, judge.features, torch.zeros(30, 1, 5, 5, dtype=torch.uint8), samples=100)
    with pytest.raises(InputError, match="has no prior"):
        measure_generator(load(JUDGE), judge.features, images)


def test_kernel_distance_by_hand_and_precision_and_recall_of_disjoint_and_nested_sets() -> None:
    random = torch.Generator().manual_seed(0)
    x, y = torch.randn(7, 4, generator=random), torch.randn(5, 4, generator=random) + 1

    def k(a: Tensor, b: Tensor) -> float:
        return (float((a.double() * b.double()).sum()) / 4 + 1) ** 3

    within = [sum(k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j) for z in (x, y)]
    exact = within[0] / 42 + within[1] / 20 - 2 * sum(k(a, b) for a in x for b in y) / 35
    assert kernel_distance(x, y) == pytest.approx(exact, rel=1e-12)
    many, others = torch.randn(60, 8, generator=random), torch.randn(60, 8, generator=random) + 0.3
    theirs = float(poly_mmd(many.double(), others.double()))
    assert kernel_distance(many, others) == pytest.approx(theirs, rel=1e-9)

    one = torch.rand(400, 2, generator=random)
    assert precision_recall(one, one) == (1, 1)
    assert precision_recall(one, one + 10) == (0, 0)
    part = one[one[:, 0] < 0.5]
    precision, recall = precision_recall(part, one)
    assert precision == 1
    assert len(part) / 400 <= recall <= len(part) / 400 + 0.1  # and what lies just beyond the edge
    with pytest.raises(InputError, match="more than 3 rows; got 3 and 400"):
        precision_recall(one[:3], one)
