"""Pictures of paths: `film` plays them, `strip` lays their frames out; figures are in `latentpath.viz.plots`.

==================  ===================================================================================
film                `film`: the frames of paths, played
film_formats        the limits of MP4, GIF and WebP, the choice of the writer, and that of GIF
mp4, webp           the other film writers
strip               `strip`: the frames of paths on one picture
side_by_side        the curves that both show: baselines, other paths, value ranges
grid                frames in rows and columns on a page; contact sheets
plots               figures: profiles, the plane of equation 4, the map over the prior, strips with notes
files               output files, written as a whole
==================  ===================================================================================

Pillow, PyAV and matplotlib load on first use.
"""

from .film import film
from .strip import strip

__all__ = ["film", "strip"]
