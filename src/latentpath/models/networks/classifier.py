"""Small classifiers of digits, a convolutional network and a perceptron: the independent judges of generated digits."""

from torch import Tensor, nn

from .base import Pretrained

FEATURES = 64  # how many numbers `features` gives per image


class Classifier(Pretrained):
    """The base of the classifiers: images ``(N, 1, 28, 28)`` in [-1, 1] to logits ``(N, 10)``.

    The softmax of the logits is the judge's confidence. `features` gives the 64 numbers before the last layer, a space
    in which to compare images.
    """

    body: nn.Module  # images to features
    head: nn.Module  # features to logits

    def features(self, images: Tensor) -> Tensor:
        """The features ``(N, 64)`` before the last layer."""
        features: Tensor = self.body(images)
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(N, 1, 28, 28)`` to logits ``(N, 10)``."""
        logits: Tensor = self.head(self.features(images))
        return logits


class DigitClassifier(Classifier):
    """A convolutional classifier of images ``(N, 1, 28, 28)`` in [-1, 1]: logits ``(N, 10)``.

    Example:
        >>> import torch
        >>> from latentpath.models.networks.classifier import DigitClassifier
        >>> DigitClassifier().eval()(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    def __init__(self, *, width: int = 24) -> None:
        super().__init__()

        def block(before: int, after: int) -> list[nn.Module]:
            return [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]

        self.body = nn.Sequential(
            *block(1, width),
            nn.MaxPool2d(2),
            *block(width, 2 * width),
            *block(2 * width, 2 * width),
            nn.MaxPool2d(2),
            *block(2 * width, 4 * width),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(9 * 4 * width, FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(FEATURES, 10))


class DigitPerceptron(Classifier):
    """A multilayer perceptron of images ``(N, 1, 28, 28)`` in [-1, 1]: logits ``(N, 10)``.

    It shares no convolution with `DigitClassifier`, whose mistakes it is to check.

    Example:
        >>> import torch
        >>> from latentpath.models.networks.classifier import DigitPerceptron
        >>> DigitPerceptron().eval()(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    def __init__(self, *, width: int = 256) -> None:
        super().__init__()

        def layer(before: int, after: int) -> list[nn.Module]:
            return [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.GELU()]

        self.body = nn.Sequential(
            nn.Flatten(), *layer(28 * 28, width), *layer(width, width // 2), *layer(width // 2, FEATURES)
        )
        self.head = nn.Linear(FEATURES, 10)
