"""The solver from coarse to fine: its levels, the start of the finest, its options."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from torch import Tensor

import latentpath as lp
from closed_forms import identity, tensor
from latentpath.errors import InputError
from latentpath.solvers import Multilevel, Objective


def test_levels_halve_down_to_four_segments() -> None:
    assert Multilevel.levels(50) == [6, 12, 25, 50]
    assert Multilevel.levels(400) == [50, 100, 200, 400]
    assert Multilevel.levels(9) == [4, 9]
    assert Multilevel.levels(2) == [2]


def test_finest_level_starts_from_the_better_of_two() -> None:
    """A barrier too thin for the coarse levels: their path is more expensive than the line, and is dropped."""
    solver = Multilevel()
    line = lp.lerp(tensor(0.0, 0.0)[None], tensor(1.0, 0.0)[None], 32)

    def ridge(z: Tensor) -> Tensor:  # low everywhere except on the line, which the coarse levels are led away from
        return -0.1 - 50 * z[..., 1].square()

    problem = Objective(identity, ridge)
    state = solver.init(problem, line)
    state.latents[:, 1:-1, 1] += 1.0
    state.outcome[:] = lp.Outcome.CONVERGED.code
    while not solver.done(state):
        state = solver.step(problem, state)
    assert float(state.energy) <= float(problem.evaluate(line).energy)


@pytest.mark.parametrize(
    "options",
    [
        {"memory": -3},
        {"coarse_evaluations": -1},
        {"coarse_evaluations": 0},
    ],
)
def test_multilevel_refuses_an_option_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        inspect.unwrap(Multilevel.__init__)(object.__new__(Multilevel), **options)
