"""L-BFGS: one step in a flat metric, its options, and subclasses."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch

import latentpath as lp
from closed_forms import flat, sphere
from latentpath.errors import InputError
from latentpath.solvers import LBFGS, Objective
from laws import bent, endpoints


def test_one_step_solves_a_flat_problem_almost() -> None:
    start, end = endpoints(4, seed=12)
    problem, solver = Objective(lambda z: 3 * z, flat), LBFGS()
    state = solver.init(problem, bent(start, end, 20))
    line = problem.evaluate(lp.lerp(start, end, 20)).energy
    excess = state.energy - line
    solver.step(problem, state)
    assert ((state.energy - line) < 0.02 * excess).all()


@pytest.mark.parametrize(
    "options",
    [
        {"memory": 0},
        {"memory": 2.5},
        {"memory": True},
    ],
)
def test_lbfgs_refuses_an_option_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        inspect.unwrap(LBFGS.__init__)(object.__new__(LBFGS), **options)


@pytest.mark.parametrize("whole", [np.int64(5), np.uint8(5)])
def test_a_solver_takes_the_integers_of_numpy(whole: Any) -> None:
    assert LBFGS(memory=whole).memory == 5


class _Sketcher(LBFGS):
    """A solver of a user's own, with an attribute that another solver has for a purpose of its own."""

    draft = "a note to myself"


def test_a_solver_may_have_attributes_of_its_own() -> None:
    case = sphere(3)
    plain, own = (
        lp.interpolate(case.generator, case.index, case.start, case.end, segments=12, solver=solver)
        for solver in (LBFGS(), _Sketcher())
    )
    assert torch.equal(plain.latents, own.latents)
