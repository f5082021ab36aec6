"""Gradient descent, the paper's solver: its options and its cost."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest

import latentpath as lp
from closed_forms import sphere
from latentpath.errors import InputError
from latentpath.solvers import GradientDescent, Multilevel


@pytest.mark.parametrize(
    "options",
    [
        {"step": 0},
        {"step": -math.inf},
    ],
)
def test_gradient_descent_refuses_an_option_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        inspect.unwrap(GradientDescent.__init__)(object.__new__(GradientDescent), **options)


def test_gradient_descent_needs_many_times_the_evaluations_of_the_default() -> None:
    """The same stop on the same problem, path evaluations counted."""
    case = sphere(5)
    ours, theirs = (
        lp.interpolate(case.generator, case.index, case.start, case.end, solver=solver, max_evaluations=600)
        for solver in (Multilevel(), GradientDescent())
    )
    assert float(ours.evaluations) < 20
    assert float(theirs.evaluations) > 5 * float(ours.evaluations)
