"""Solvers: one protocol, and those that obey it."""

from .adam import Adam
from .audited import solve_audited
from .gradient_descent import GradientDescent
from .lbfgs import LBFGS
from .multilevel import Multilevel
from .problem import Problem
from .protocol import Callback, Outcome, Progress, Solver, State, solve

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
    "solve_audited",
]
