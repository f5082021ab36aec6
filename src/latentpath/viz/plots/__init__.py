"""Figures of paths: strips with notes, profiles, the plane of equation 4, the map over the prior.

Every function takes tensors and returns a `matplotlib.figure.Figure` that belongs to no window and no global state;
`save` writes one to a file, whole or not at all. Kinds of curve go by name (``"straight line"``, ``"slerp"``,
``"path"``), and a name has the same colour and dash in every figure (see `style`).
"""

import importlib.util

from ...errors import missing

if importlib.util.find_spec("matplotlib") is None:
    raise missing("matplotlib", "viz", "drawing figures")

from .plane import plane
from .prior_map import prior_map
from .profiles import profiles
from .strip_figure import strips
from .style import save

__all__ = ["plane", "prior_map", "profiles", "save", "strips"]
