"""The shipped models."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import latentpath as lp
from latentpath.data import mnist, to_unit_range
from latentpath.errors import InputError
from latentpath.models import (
    DigitClassifier,
    available,
    digit_classifier,
    load,
)
from latentpath.models.folders import read_model
from latentpath.models.metrics.quality import measure_classifier
from latentpath.models.model import Model
from latentpath.models.networks.classifier import Classifier
from latentpath.models.registry import WEIGHTS
from latentpath.models.sampling import draw

GENERATOR, JUDGE = "mnist-dcgan-semicircle", "mnist-classifier"
JUDGES = (JUDGE, "mnist-classifier-mlp")


@pytest.fixture(scope="module")
def judge() -> DigitClassifier:
    return digit_classifier()


@pytest.mark.parametrize("name", ["mnist-dcgan-normal", "mnist-dcgan-semicircle"])
def test_the_shipped_generators_of_digits_make_all_of_them_confidently(judge: DigitClassifier, name: str) -> None:
    model = load(name)
    assert model.prior is not None
    latents = draw(model.prior, 5000, torch.Generator().manual_seed(11))
    with torch.no_grad():
        said = torch.cat([judge(model.generator(z)).softmax(1) for z in latents.split(500)])
    confidence, classes = said.max(1)
    shares = torch.bincount(classes, minlength=10) / 5000
    assert float(confidence.mean()) >= 0.95
    assert float(shares.min()) > 0.05
    assert float(shares.max()) < 0.17


def test_shipped_models_are_listed_and_small() -> None:
    assert {GENERATOR, JUDGE} <= set(available())
    assert sum(file.stat().st_size for file in WEIGHTS.rglob("*") if file.is_file()) < 30e6


@pytest.mark.parametrize("name", available())
def test_shipped_models_come_frozen_with_a_whole_card(name: str) -> None:
    import PIL.Image

    model = lp.load(name)
    assert isinstance(model, Model)
    assert not model.generator.training
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in model.generator.parameters())
    assert set(model.card) - {"recipe"} == {
        "name", "description", "licence", "date", "prior", "value_range", "data", "training", "seed", "steps",
        "minutes", "command", "software", "hardware", "quality", "architecture", "sha256",
    }  # fmt: skip
    assert model.card["name"] == name
    assert model.card["licence"] == "MIT" or "celeba" in name
    assert {"name", "split", "images", "source", "reference", "licence"} <= set(model.card["data"])
    assert model.card["command"].startswith("latentpath train ")
    assert (model.prior is None) == (name in JUDGES)
    assert name in repr(model)
    assert (model.recipe is not None) == ("recipe" in model.card)
    assert read_model(WEIGHTS / name).card == model.card
    if model.prior is not None:
        with PIL.Image.open(WEIGHTS / name / "samples.png") as picture:
            picture.verify()


@pytest.mark.parametrize("name", [name for name in available() if name not in JUDGES])
def test_paths_of_every_shipped_model_are_no_dearer_than_the_straight_line(name: str) -> None:
    model = load(name)
    assert model.prior is not None
    start, end = draw(model.prior, 2, torch.Generator().manual_seed(0)).split(1)
    path = lp.interpolate(model.generator, model.prior, start, end, segments=12, tol=1e-2, max_evaluations=30)
    line = lp.audit(lp.lerp(start, end, 12), model.generator, lp.RealismIndex(model.prior, alpha=0.9))
    assert float(path.cost) <= float(line.cost)
    if model.encoder is not None:
        latents = model.encode(path.frames(3)[0])
        assert latents.shape == (3, *model.prior.event_shape)
        assert bool(latents.isfinite().all())
    if model.discriminator is not None:
        assert model.discriminator(path.frames(3)[0]).shape == (3,)


def test_the_shipped_generator_makes_digits_of_its_prior() -> None:
    model = load(GENERATOR)
    assert model.prior is not None
    assert model.prior.event_shape == (20,)
    latents = model.prior.sample(torch.Size([4]))
    torch.testing.assert_close(model.prior.log_prob(latents), lp.priors.semicircle(20).log_prob(latents))
    images = model.generator(latents)
    assert images.shape == (4, 1, 28, 28)
    low, high = model.card["value_range"]
    assert low <= float(images.min()) < -0.9
    assert 0.5 < float(images.max()) <= high
    alone = torch.cat([model.generator(latents[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(images, alone, rtol=0, atol=1e-5)  # in eval mode a point does not see its batch


def test_loading_twice_gives_two_models_alike() -> None:
    one, two = load(JUDGE).generator, load(JUDGE).generator
    assert one is not two
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


@pytest.mark.parametrize("name", ["mnist-dcgan-semicircl", "", "x"])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match=", ".join(available())) as caught:
        load(name)
    assert ("did you mean" in str(caught.value)) == (name not in ("", "x"))


def test_the_shipped_generator_covers_all_digits_confidently(judge: DigitClassifier) -> None:
    model = load(GENERATOR)
    assert model.prior is not None
    with torch.no_grad():
        probabilities = judge(model.generator(draw(model.prior, 2000, torch.Generator().manual_seed(7)))).softmax(1)
    shares = torch.bincount(probabilities.argmax(1), minlength=10) / 2000
    confidence = float(probabilities.amax(1).mean())
    assert float(shares.min()) > 0.05
    assert float(shares.max()) < 0.17
    assert confidence > 0.9
    quality = model.card["quality"]
    assert confidence == pytest.approx(quality["mean_confidence"], abs=0.02)
    assert shares.tolist() == pytest.approx(quality["class_shares"], abs=0.035)
    assert quality["nearest_train"] > 0.8 * quality["nearest_train_of_test"]  # it does not memorise


@pytest.mark.parametrize("name", JUDGES)
def test_the_cards_of_the_judges_promise_99_percent(name: str) -> None:
    assert load(name).card["quality"]["accuracy"] >= 0.99


def test_the_second_judge_is_small_and_of_another_kind() -> None:
    first, second = (load(name) for name in JUDGES)
    assert type(first.generator) is not type(second.generator)
    assert first.card["seed"] != second.card["seed"]
    assert sum(file.stat().st_size for file in (WEIGHTS / JUDGES[1]).iterdir()) < 0.6e6


@pytest.mark.data("mnist")
@pytest.mark.parametrize("name", JUDGES)
def test_the_judges_are_as_good_as_their_cards_say(name: str, data_folder: Path) -> None:
    images, labels = mnist("test", data_folder)
    judge = load(name).generator
    assert isinstance(judge, Classifier)
    found = measure_classifier(judge, to_unit_range(images), labels)
    quality = load(name).card["quality"]
    assert found.accuracy >= 0.99
    assert found.accuracy == pytest.approx(quality["accuracy"], abs=3e-4)
    assert found.mean_confidence == pytest.approx(quality["mean_confidence"], abs=1e-3)
