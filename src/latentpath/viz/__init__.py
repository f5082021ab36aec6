"""Pictures of paths: `film` plays them, `strip` lays their frames out; figures are in `latentpath.viz.plots`.

Pillow, PyAV and matplotlib load on first use.
"""

from .film import film, strip

__all__ = ["film", "strip"]
