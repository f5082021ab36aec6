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
`discriminator`    logit of the model's own discriminator; *not independent*       higher         discriminator
`smoothness`       largest over mean distance of consecutive frames, of a curve    lower, least 1
================== =============================================================== ============== =====================

Each but `frechet` is a number for each pair: the mean over the *inner* frames of its curve, since every kind of curve
has the same endpoints. The numbers of the endpoints are kept beside it. Frames that a judge finds *better* than the
endpoints show what the judge likes (a distance in pixels: blur), and are no more real for it. `smoothness` includes the
endpoints: it describes the curve where the frames are evenly spaced in the data (`even_in_data`), and elsewhere their
spacing too.

**Not independent** are the model's own discriminator, which taught the generator, and features of the model's own
encoder, as for the shipped auto-encoder of faces. Real images are the images that the model was trained on: a curve may
be near them because the generator is.
"""

from dataclasses import dataclass

REAL_IMAGES, CLASSIFIER, FEATURES, DISCRIMINATOR = "real images", "classifier", "feature network", "discriminator"


@dataclass(frozen=True)
class Criterion:
    """One way to judge frames."""

    name: str
    title: str
    unit: str  # the unit of its numbers; for features, the network that they are of
    higher_is_better: bool  # False where lower is better
    independent: bool = True  # False where the model that made the frames had a part in the judge
    needs: tuple[str, ...] = ()  # the networks and images that it is measured with


def criteria(features: str, independent: bool) -> dict[str, Criterion]:
    """All criteria by name."""
    space, needs = f"features of {features}", (REAL_IMAGES, FEATURES)
    pixels = "Euclidean, pixels in [-1, 1]"
    every = (
        Criterion("confidence", "classifier's confidence", "probability", True, needs=(CLASSIFIER,)),
        Criterion("entropy", "classifier's entropy", "nats", False, needs=(CLASSIFIER,)),
        Criterion("nearest_pixels", "nearest real image, pixels", pixels, False, needs=(REAL_IMAGES,)),
        Criterion("nearest_features", "nearest real image, features", f"Euclidean, {space}", False, independent, needs),
        Criterion("precision", "precision", f"share of frames, {space}", True, independent, needs),
        Criterion("frechet", "Fréchet distance", f"squared, {space}", False, independent, needs),
        Criterion("discriminator", "own discriminator", "logit", True, False, (DISCRIMINATOR,)),
        Criterion("smoothness", "largest over mean jump", "ratio", False),
    )
    return {criterion.name: criterion for criterion in every}
