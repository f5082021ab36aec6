"""Adam, the baseline: its options and its cost."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest

import latentpath as lp
from closed_forms import sphere
from latentpath.errors import InputError
from latentpath.solvers import Adam, Multilevel


@pytest.mark.parametrize(
    "options",
    [
        {"lr": math.inf},
        {"lr": math.nan},
        {"lr": -0.1},
        {"betas": (2, 2)},
        {"betas": (0.9, 1.0)},
        {"betas": (math.nan, 0.9)},
        {"betas": (0.9,)},
        {"betas": 0.9},
    ],
)
def test_adam_refuses_an_option_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        inspect.unwrap(Adam.__init__)(object.__new__(Adam), **options)


def test_adam_needs_many_times_the_evaluations_of_the_default() -> None:
    """The same stop on the same problem, path evaluations counted."""
    case = sphere(5)
    ours, theirs = (
        lp.interpolate(case.generator, case.index, case.start, case.end, solver=solver, max_evaluations=600)
        for solver in (Multilevel(), Adam(lr=0.02))
    )
    assert float(theirs.evaluations) > 5 * float(ours.evaluations)
