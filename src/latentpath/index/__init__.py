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
`score`                   `ScoreIndex`: Definition 1 for any score of latents; `DiscriminatorIndex`, `ClassifierIndex`
`knn`                     `KNNIndex`: nearness to real data as the score
========================= ============================================================================================
"""

from .base import PriorIndex, as_log_index
from .knn import KNNIndex
from .realism import RealismIndex
from .score import ClassifierIndex, DiscriminatorIndex, ScoreIndex
from .typicality import TypicalityIndex

__all__ = [
    "ClassifierIndex",
    "DiscriminatorIndex",
    "KNNIndex",
    "PriorIndex",
    "RealismIndex",
    "ScoreIndex",
    "TypicalityIndex",
    "as_log_index",
]
