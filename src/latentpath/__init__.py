"""latentpath: paths between latents of a generative model along which its output stays realistic.

Models, adapters, inversion, keyframes and films load on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from . import interrupts  # noqa: F401  # first: it handles Ctrl-C during the other imports

# isort: split
from . import errors, priors, solvers
from .audit import Audit, audit
from .curves import lerp, slerp
from .energy import discrete_cost, energy, length
from .errors import LatentPathError
from .index import (
    CeilingIndex,
    ClassifierIndex,
    DiscriminatorIndex,
    KNNIndex,
    ProductIndex,
    PushforwardIndex,
    RealismIndex,
    ScoreIndex,
    SurrogateIndex,
    TypicalityIndex,
)
from .interpolate import interpolate
from .metric import metric_tensor
from .path import Path
from .recipe import Recipe
from .report import Report
from .ruler import Ruler
from .solvers import Outcome, Progress, Restarts
from .source import Source
from .volume import estimate_log_volume, log_volume

if TYPE_CHECKING:
    from . import adapters, viz
    from .inversion import Inversion, invert
    from .keyframes import interpolate_through
    from .models import Model, load
    from .recommendation import Recommendation, recommend
    from .viz import film, strip

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "CeilingIndex",
    "ClassifierIndex",
    "DiscriminatorIndex",
    "Inversion",
    "KNNIndex",
    "LatentPathError",
    "Model",
    "Outcome",
    "Path",
    "ProductIndex",
    "Progress",
    "PushforwardIndex",
    "RealismIndex",
    "Recipe",
    "Recommendation",
    "Report",
    "Restarts",
    "Ruler",
    "ScoreIndex",
    "Source",
    "SurrogateIndex",
    "TypicalityIndex",
    "__version__",
    "adapters",
    "audit",
    "discrete_cost",
    "energy",
    "errors",
    "estimate_log_volume",
    "film",
    "interpolate",
    "interpolate_through",
    "invert",
    "length",
    "lerp",
    "load",
    "log_volume",
    "metric_tensor",
    "priors",
    "recommend",
    "slerp",
    "solvers",
    "strip",
    "viz",
]


_ON_FIRST_USE = {
    "Inversion": "inversion",
    "Model": "models",
    "film": "viz",
    "interpolate_through": "keyframes",
    "invert": "inversion",
    "load": "models",
    "Recommendation": "recommendation",
    "recommend": "recommendation",
    "strip": "viz",
}
"""The homes of names that are not needed to solve a path."""


def __getattr__(name: str) -> Any:
    if name in ("adapters", "viz"):
        return importlib.import_module(f".{name}", __name__)
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = getattr(importlib.import_module(f".{_ON_FIRST_USE[name]}", __name__), name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
