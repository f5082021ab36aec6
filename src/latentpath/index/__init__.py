"""Realism indices: how likely the prior is to produce something less realistic than a given latent.

========================= ============================================================================================
file                      holds
========================= ============================================================================================
`base`                    the contract: `PriorIndex`, and the index as a function of latents
`realism`                 Definition 1 of the paper: `RealismIndex`
`closed_form`             exact indices of normal and uniform priors; `incomplete_gamma` has their function
`empirical_distribution`  the estimate for all other priors; `bandwidth` has its smoothing
`support`                 log-densities that are minus infinity outside the support
`prior_adapter`           validation, sampling and adaptation of priors, those of other libraries included
`typicality`              `TypicalityIndex`: the two-sided view of the density
`score`                   `ScoreIndex`: Definition 1 for any score of latents; `SurrogateIndex`: a network in its place
`discriminator`           `DiscriminatorIndex`: a discriminator's logit as the score
`classifier`              `ClassifierIndex`: a classifier's confidence as the score
`pushforward`             `PushforwardIndex`: the density of what the generator makes
`knn`                     `KNNIndex`: nearness to real data as the score
`surrogate`               the fit of a surrogate; `surrogate_network` has its network, `surrogate_file` stores it
`lazy_index`              an index that is built on first use: the true index of a surrogate
`surrogate_check`         the comparison of surrogates with the true index along paths, by `rank_correlation`
`product`                 `ProductIndex`: several indices at once
`ceiling`                 `CeilingIndex`: likelier than a ceiling counts no more
`factors`                 names of factors, and true indices in place of surrogates
========================= ============================================================================================
"""

from .base import PriorIndex, as_log_index
from .ceiling import CeilingIndex
from .classifier import ClassifierIndex
from .discriminator import DiscriminatorIndex
from .factors import factor_names, has_surrogates, with_targets
from .knn import KNNIndex
from .product import ProductIndex
from .pushforward import PushforwardIndex
from .realism import RealismIndex
from .score import ScoreIndex, SurrogateIndex
from .surrogate_check import SurrogateCheck, compare_surrogate
from .typicality import TypicalityIndex

__all__ = [
    "CeilingIndex",
    "ClassifierIndex",
    "DiscriminatorIndex",
    "KNNIndex",
    "PriorIndex",
    "ProductIndex",
    "PushforwardIndex",
    "RealismIndex",
    "ScoreIndex",
    "SurrogateCheck",
    "SurrogateIndex",
    "TypicalityIndex",
    "as_log_index",
    "compare_surrogate",
    "factor_names",
    "has_surrogates",
    "with_targets",
]
