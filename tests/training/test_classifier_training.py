"""Training of the classifier: it learns, repeats itself, and validates its arguments."""

from __future__ import annotations

from typing import Literal

import pytest

from latentpath.errors import InputError
from latentpath.training import (
    ClassifierConfig,
    loop,
    train_classifier,
)
from runs import same, strokes


@pytest.mark.parametrize(("network", "width"), [("cnn", 4), ("mlp", 16)])
def test_the_classifier_learns_and_repeats_itself(network: Literal["cnn", "mlp"], width: int) -> None:
    images, labels = strokes(320)
    config = ClassifierConfig(network=network, width=width, epochs=12, batch=32, learning_rate=1e-2)
    model = train_classifier(config, images, labels)
    assert not model.training
    unit = loop.to_unit_range(images)
    assert float((model(unit).argmax(1) == labels).float().mean()) > 0.95
    again = train_classifier(config, images, labels)
    assert same(model.state_dict(), again.state_dict())


def test_the_width_is_that_of_the_network_unless_given() -> None:
    assert ClassifierConfig().width == 24
    assert ClassifierConfig(network="mlp").width == 256
    with pytest.raises(InputError, match="width must be a positive integer"):
        ClassifierConfig(width=0)


def test_the_classifier_refuses_what_does_not_fit() -> None:
    images, labels = strokes(20)
    with pytest.raises(InputError, match=r"images must be uint8"):
        train_classifier(ClassifierConfig(), images[:, 0], labels)
    with pytest.raises(InputError, match=r"labels must be \(20,\)"):
        train_classifier(ClassifierConfig(), images, labels[:3])
