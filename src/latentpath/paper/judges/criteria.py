r"""The criteria by which frames are judged: networks and images that the method never saw.

A path is found by the prior's density and the generator alone, so a higher index along it proves nothing: the solver
maximises it. The criteria had no part in the path (except for those marked as not independent):

================== =============================================================== ============== =====================
name               of a frame ``x`` with features :math:`\phi(x)`                  better         needs
================== =============================================================== ============== =====================
`confidence`       :math:`\max_k p_k(x)`, the classifier's largest probability     higher         classifier
`entropy`          :math:`-\sum_k p_k \log p_k`, in nats                           lower          classifier
`nearest_pixels`   :math:`\min_r |x - r|` over real images, pixels in [-1, 1]      lower          real images
`nearest_features` :math:`\min_r |\phi(x) - \phi(r)|`                              lower          real, features
`precision`        1 where :math:`\phi(x)` lies in the manifold of the real        higher         real, features
                   images' features, else 0 (Kynkäänniemi et al. 2019, k = 3)
`frechet`          squared Fréchet distance of all frames to all real images       lower          real, features
                   (Heusel et al. 2017), not of a frame but of the set
`…_second`         confidence and entropy of a second classifier, of another       as above       second classifier
                   architecture (digits)
`…_imagenet`       nearest real image and precision in the features of a network   as above       real, ImageNet
                   that was trained on photographs (faces)
`recall`           share of the real images within the manifold of the frames      higher         real, features
`coverage`         share of the real images whose neighbourhood holds a frame      higher         real, features
                   (Naeem et al. 2020, k = 5)
`two_sample`       held-out accuracy of a network that tells the frames from the   lower, 0.5 is  own samples
                   model's own samples (Lopez-Paz and Oquab 2017)                  level
`discriminator`    logit of the model's own discriminator; *not independent*       higher         discriminator
`smoothness`       largest over mean distance of consecutive frames, of a curve    lower, least 1
================== =============================================================== ============== =====================

`frechet`, `recall`, `coverage` and `two_sample` are numbers of the set of all frames (`sets`). Each other is a number
for each pair: the mean over the *inner* frames of its curve, since every kind of curve has the same endpoints. The
numbers of the endpoints are kept beside it. Frames that a judge finds *better* than the endpoints show what the judge
likes (a distance in pixels: blur), and are no more real for it. `smoothness` includes the endpoints: it describes the
curve where the frames are evenly spaced in the data (`even_in_data`), and elsewhere their spacing too.

**Own samples** of the model's prior are the fair ceiling of every judge: no in-between need look more real than what
the model makes of its prior. They come in groups as large as the inner frames of a curve, and as many groups as pairs.

**Not independent** are the model's own discriminator, which taught the generator, and features of the model's own
encoder, as for the shipped auto-encoder of faces. Real images are the images that the model was trained on: a curve may
be near them because the generator is.
"""

from dataclasses import dataclass

REAL_IMAGES, CLASSIFIER, FEATURES, DISCRIMINATOR = "real images", "classifier", "feature network", "discriminator"
SECOND, IMAGENET, OWN_SAMPLES = "second classifier", "ImageNet features", "own samples"
SETS = ("recall", "coverage", "recall_imagenet", "coverage_imagenet", "two_sample")


@dataclass(frozen=True)
class Criterion:
    """One way to judge frames."""

    name: str
    title: str
    unit: str  # the unit of its numbers; for features, the network that they are of
    higher_is_better: bool  # False where lower is better
    independent: bool = True  # False where the model that made the frames had a part in the judge
    needs: tuple[str, ...] = ()  # the networks and images that it is measured with


def criteria(
    features: str,  # the owner of the feature network
    independent: bool,  # False where that is the model itself
    *,
    second: bool = False,  # with the second classifier
    imagenet: bool = False,  # with the network of photographs
    sets: bool = False,  # with the numbers of sets of frames beside the Fréchet distance
) -> dict[str, Criterion]:
    """The criteria by name."""
    every = {criterion.name: criterion for criterion in _criteria(features, independent)}
    left_out = ("second",) * (not second) + ("imagenet",) * (not imagenet)
    return {
        name: criterion
        for name, criterion in every.items()
        if name.rpartition("_")[2] not in left_out and (sets or name not in SETS)
    }


def _criteria(features: str, independent: bool) -> tuple[Criterion, ...]:
    space, needs = f"features of {features}", (REAL_IMAGES, FEATURES)
    pixels = "Euclidean, pixels in [-1, 1]"
    photographs, theirs = "features of efficientnet-lite0 (ImageNet)", (IMAGENET, REAL_IMAGES)
    real = "share of real images"
    return (
        Criterion("confidence", "classifier's confidence", "probability", True, needs=(CLASSIFIER,)),
        Criterion("entropy", "classifier's entropy", "nats", False, needs=(CLASSIFIER,)),
        Criterion("confidence_second", "second classifier's confidence", "probability", True, needs=(SECOND,)),
        Criterion("entropy_second", "second classifier's entropy", "nats", False, needs=(SECOND,)),
        Criterion("nearest_pixels", "nearest real image, pixels", pixels, False, needs=(REAL_IMAGES,)),
        Criterion("nearest_features", "nearest real image, features", f"Euclidean, {space}", False, independent, needs),
        Criterion(
            "nearest_imagenet",
            "nearest real image, ImageNet features",
            f"Euclidean, {photographs}",
            False,
            needs=theirs,
        ),
        Criterion("precision", "precision", f"share of frames, {space}", True, independent, needs),
        Criterion(
            "precision_imagenet", "precision, ImageNet features", f"share of frames, {photographs}", True, needs=theirs
        ),
        Criterion("recall", "recall", f"{real}, {space}", True, independent, needs),
        Criterion("recall_imagenet", "recall, ImageNet features", f"{real}, {photographs}", True, needs=theirs),
        Criterion("coverage", "coverage", f"{real}, {space}", True, independent, needs),
        Criterion("coverage_imagenet", "coverage, ImageNet features", f"{real}, {photographs}", True, needs=theirs),
        Criterion("frechet", "Fréchet distance", f"squared, {space}", False, independent, needs),
        Criterion(
            "two_sample",
            "two-sample accuracy",
            "share told rightly, frames from own samples; 0.5 is level",
            False,
            needs=(OWN_SAMPLES,),
        ),
        Criterion("discriminator", "own discriminator", "logit", True, False, (DISCRIMINATOR,)),
        Criterion("smoothness", "largest over mean jump", "ratio", False),
    )
