"""latentpath: paths between latents of a generative model along which it keeps producing realistic things."""

from . import interrupts  # noqa: F401  # first: it answers Ctrl-C while the rest is imported

# isort: split
from . import adapters, errors, priors, solvers
from .audit import Audit, audit
from .curves import lerp, slerp
from .energy import discrete_cost, energy, length
from .errors import LatentPathError
from .evaluate import Report, Source
from .index import ClassifierIndex, DiscriminatorIndex, KNNIndex, RealismIndex, ScoreIndex, TypicalityIndex
from .interpolate import interpolate
from .inversion import Inversion, invert
from .jacobian import metric_tensor
from .models import Model, load
from .path import Path
from .solvers import Outcome, Progress, Restarts
from .through import interpolate_through
from .viz import film, strip

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "ClassifierIndex",
    "DiscriminatorIndex",
    "Inversion",
    "KNNIndex",
    "LatentPathError",
    "Model",
    "Outcome",
    "Path",
    "Progress",
    "RealismIndex",
    "Report",
    "Restarts",
    "ScoreIndex",
    "Source",
    "TypicalityIndex",
    "__version__",
    "adapters",
    "audit",
    "discrete_cost",
    "energy",
    "errors",
    "film",
    "interpolate",
    "interpolate_through",
    "invert",
    "length",
    "lerp",
    "load",
    "metric_tensor",
    "priors",
    "slerp",
    "solvers",
    "strip",
]
