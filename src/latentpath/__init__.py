"""latentpath: paths between latents of a generative model along which its output stays realistic.

Models and adapters, which need the Hub's client, load on first use.
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
from .index import ClassifierIndex, DiscriminatorIndex, KNNIndex, RealismIndex, ScoreIndex, TypicalityIndex
from .interpolate import interpolate
from .inversion import Inversion, invert
from .jacobian import metric_tensor
from .keyframes import interpolate_through
from .models import Model
from .path import Path
from .report import Report
from .solvers import Outcome, Progress, Restarts
from .source import Source
from .viz import film, strip

if TYPE_CHECKING:
    from . import adapters
    from .models import load

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


def __getattr__(name: str) -> Any:
    if name == "adapters":
        return importlib.import_module(".adapters", __name__)
    if name == "load":
        return importlib.import_module(".models.loading", __name__).load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
