"""Solvers: one protocol, and those that obey it."""

from .adam import Adam
from .audited import solve_audited
from .bounded import solve_bounded
from .coordinates import Coordinates
from .gradient_descent import GradientDescent
from .graph import graph_paths
from .lbfgs import LBFGS
from .multilevel import Multilevel
from .problem import Problem
from .protocol import Callback, Outcome, Progress, Solver, State, solve
from .restarts import Minima, Restarts, search

__all__ = [
    "LBFGS",
    "Adam",
    "Callback",
    "Coordinates",
    "GradientDescent",
    "Minima",
    "Multilevel",
    "Outcome",
    "Problem",
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
