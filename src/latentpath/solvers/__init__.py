"""The solvers, and the protocol that they follow."""

from .adam import Adam
from .bounded_support import solve_bounded
from .coordinates import Coordinates
from .gradient_descent import GradientDescent
from .lbfgs import LBFGS
from .multilevel import Multilevel
from .multistart import Multistart, Restarts, search
from .objective import Objective
from .outcome import Outcome
from .protocol import Callback, Progress, Solver, State, solve
from .refinement import solve_audited
from .sample_graph import graph_paths

__all__ = [
    "LBFGS",
    "Adam",
    "Callback",
    "Coordinates",
    "GradientDescent",
    "Multilevel",
    "Multistart",
    "Objective",
    "Outcome",
    "Progress",
    "Restarts",
    "Solver",
    "State",
    "graph_paths",
    "search",
    "solve",
    "solve_audited",
    "solve_bounded",
]
