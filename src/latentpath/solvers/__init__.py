"""Solvers: one protocol, and those that obey it."""

from .adam import Adam
from .gradient_descent import GradientDescent
from .lbfgs import LBFGS
from .multilevel import Multilevel
from .protocol import Callback, Outcome, Problem, Progress, Solver, State, solve

__all__ = [
    "LBFGS",
    "Adam",
    "Callback",
    "GradientDescent",
    "Multilevel",
    "Outcome",
    "Problem",
    "Progress",
    "Solver",
    "State",
    "solve",
]
