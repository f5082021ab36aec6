"""Whole numbers, real numbers and rows of a batch, in every form in which users have them."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import latentpath as lp
from latentpath._validate import chosen_rows, real_number, whole_number
from latentpath.data import read_images
from latentpath.energy import even_in_data
from latentpath.errors import InputError

F64 = torch.float64
WHOLE = [int, np.int64, np.uint8, torch.tensor, np.array, lambda n: torch.tensor(n, dtype=torch.int32)]
ROWS = [
    list,
    np.array,
    torch.tensor,
    lambda rows: [np.int64(row) for row in rows],
    lambda rows: [*map(torch.tensor, rows)],
]


@pytest.mark.parametrize("kind", WHOLE)
@given(value=st.integers(0, 100))
def test_every_kind_of_whole_number_is_the_same_python_number(kind, value):
    found = whole_number("n", kind(value), 0, 100)
    assert type(found) is int
    assert found == value
    with pytest.raises(InputError, match="n must"):
        whole_number("n", kind(value), value + 1)
    with pytest.raises(InputError, match="n must"):
        whole_number("n", kind(value), most=value - 1)


@pytest.mark.parametrize(
    "value",
    [
        True,
        np.True_,
        torch.tensor(True),
        2.0,
        np.float64(2),
        torch.tensor(2.0),
        "2",
        b"2",
        None,
        [2],
        (2,),
        np.array([2]),
        torch.tensor([2]),
        torch.tensor(2, device="meta"),
        2j,
        math.nan,
        Fraction(2),
        int,
        object(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(InputError, match="whole number"):
        whole_number("n", value)


@pytest.mark.parametrize("kind", [float, np.float32, np.float64, torch.tensor, np.array, Fraction])
def test_every_kind_of_real_number_is_the_same_python_number(kind):
    found = real_number("x", kind(0.25), above=0, below=math.inf)
    assert type(found) is float
    assert found == 0.25
    assert real_number("x", 3, least=3) == 3
    assert real_number("x", math.inf, least=1) == math.inf


@pytest.mark.parametrize("value", [True, np.False_, torch.tensor(True), "1", None, 1j, [1.0], torch.ones(1), math.nan])
def test_what_is_no_real_number_is_refused(value):
    with pytest.raises(InputError, match="x must be a number"):
        real_number("x", value)


def test_bounds_of_real_numbers_are_kept():
    for value, bounds in ((0, {"above": 0}), (-1e-9, {"least": 0}), (2, {"below": 2}), (math.inf, {"below": math.inf})):
        with pytest.raises(InputError, match="x must be a number"):
            real_number("x", value, **bounds)


def test_a_message_does_not_hold_the_data():
    with pytest.raises(InputError) as caught:
        whole_number("n", torch.zeros(1000, 1000))
    assert "(1000, 1000)" in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("kind", ROWS)
@given(rows=st.lists(st.integers(-5, 4), max_size=7))
def test_rows_are_numpys(kind, rows):
    expected = np.arange(5)[np.array(rows, dtype=int)].tolist()
    chosen = kind(rows) if rows else []
    assert chosen_rows("path", chosen, 5) == expected


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
@given(mask=st.lists(st.booleans(), min_size=1, max_size=6))
def test_masks_are_numpys(kind, mask):
    assert chosen_rows("path", kind(mask), len(mask)) == np.flatnonzero(mask).tolist()
    with pytest.raises(IndexError, match="mask"):
        chosen_rows("path", kind(mask), len(mask) + 1)


@pytest.mark.parametrize(
    "which",
    [
        True,
        1.0,
        "0",
        None,
        ...,
        (0, 1),
        [0, 1.5],
        [0, True],
        [[0]],
        torch.tensor(True),
        torch.zeros(2),
        {0},
        torch.zeros(1, 1, dtype=torch.long),
        torch.zeros(2, dtype=torch.long, device="meta"),
        np.array([0.0]),
    ],
    ids=repr,
)
def test_other_indices_are_refused(which):
    with pytest.raises(InputError):
        chosen_rows("path", which, 3)


@pytest.mark.parametrize("which", [3, -4, [0, 3], torch.tensor([-4]), np.int64(3)])
def test_rows_that_are_not_there_are_an_index_error(which):
    with pytest.raises(IndexError, match="of a batch of 3"):
        chosen_rows("path", which, 3)


def twice(z):
    return 2 * z


INDEX = lp.RealismIndex(lp.priors.standard_normal(2, dtype=F64))
START, END = torch.tensor([[1.2, 0.1], [0.3, 1.0], [0.5, -1.0]], dtype=F64), torch.tensor([-0.3, 1.1], dtype=F64)


@pytest.mark.parametrize("kind", WHOLE[1:4])
def test_the_numbers_of_other_libraries_solve_the_same_path(kind, tmp_path):
    def solve(kind, real):
        restarts = lp.Restarts(kind(2), samples=kind(8), seed=kind(3), graph=False)
        options = {"segments": kind(6), "max_points": kind(50), "max_evaluations": kind(40), "tol": real(2.0**-9)}
        return lp.interpolate(twice, INDEX, START, END, restarts=restarts, **options)

    plain, other = solve(int, float), solve(kind, np.float32)
    assert torch.equal(plain.latents, other.latents)
    assert plain.settings == other.settings
    other.save(tmp_path / "path.safetensors")
    assert json.dumps(lp.Path.load(tmp_path / "path.safetensors").settings) == json.dumps(plain.settings)
    assert torch.equal(other.frames(kind(5)), plain.frames(5))
    assert torch.equal(other.at(kind(5)), plain.at(5))
    assert other.resample(kind(4)).segments == 4
    assert torch.equal(other[kind(1)].latents, plain.latents[1:2])
    seeded = [lp.interpolate(twice, INDEX, START, END, segments=4, restarts=2, seed=s) for s in (kind(1), 1)]
    assert torch.equal(seeded[0].latents, seeded[1].latents)


@pytest.mark.parametrize("kind", WHOLE[1:4])
def test_curves_strips_pictures_and_keyframes_take_them_too(kind, tmp_path):
    line = lp.lerp(START, END, 6)
    assert torch.equal(lp.lerp(START, END, kind(6)), line)
    assert torch.equal(lp.slerp(START, END, kind(6)), lp.slerp(START, END, 6))
    assert torch.equal(even_in_data(line, twice, kind(4)), even_in_data(line, twice, 4))
    through = lp.interpolate_through(twice, INDEX, START, segments=kind(4))
    assert torch.equal(through.latents, lp.interpolate_through(twice, INDEX, START, segments=4).latents)
    square = lp.Source(lambda z: z[:, :1, None, None].expand(-1, 1, 8, 8), INDEX)
    lp.strip(through.bind(square), tmp_path / "strip.png", frames=kind(3), scale=kind(2))
    found = read_images([tmp_path / "strip.png"], kind(8), kind(1))
    assert torch.equal(found, read_images([tmp_path / "strip.png"], 8, 1))


@pytest.mark.parametrize(
    "which",
    [
        [0, 2],
        [-1, 0, 0],
        torch.tensor([2, 1]),
        np.array([1]),
        [True, False, True],
        torch.tensor([False, True, True]),
        np.array([False, False, True]),
        [],
        range(1, 3),
        slice(np.int64(1), None),
    ],
    ids=repr,
)
def test_paths_are_chosen_as_numpy_chooses_rows(which):
    path = lp.interpolate(twice, INDEX, START, END, segments=4)
    rows = np.arange(3)[which].tolist() if not isinstance(which, list) or which else []
    some = path[which]
    assert len(some) == len(rows) == len(some.outcome) == len(some.gain) == len(some.cost)
    for k, row in enumerate(rows):
        for name in ("latents", "cost", "gain", "evaluations", "discrete_segment_cost", "ri"):
            assert torch.equal(getattr(some, name)[k], getattr(path, name)[row])
        assert some.outcome[k] is path.outcome[row]


@pytest.mark.parametrize("closed", ["yes", "", 1, 0, None, torch.tensor(True)], ids=repr)
def test_closed_is_a_truth_value(plain, closed):
    index = plain.RealismIndex(plain.priors.standard_normal(2, dtype=F64))
    with pytest.raises(plain.errors.InputError, match="closed"):
        plain.interpolate_through(twice, index, START, closed=closed)


@pytest.mark.parametrize("value", [None, 3, 2.5, b"model", ["model"], torch.zeros(2)], ids=repr)
def test_what_is_no_path_of_a_file_is_refused(plain, value):
    path = plain.interpolate(
        twice, plain.RealismIndex(plain.priors.standard_normal(2, dtype=F64)), START, END, segments=4
    )
    for ask in (
        lambda: plain.load(value),
        lambda: plain.Path.load(value),
        lambda: path.save(value),
        lambda: plain.film(path, value),
    ):
        with pytest.raises(plain.errors.InputError, match="text or a path"):
            ask()


@pytest.mark.parametrize("points", [2.5, True, "2", None, [3], math.nan], ids=repr)
def test_numbers_of_points_are_whole(plain, points):
    path = plain.interpolate(
        twice, plain.RealismIndex(plain.priors.standard_normal(2, dtype=F64)), START, END, segments=4
    )
    for ask in (
        path.frames,
        path.at,
        path.resample,
        lambda n: plain.strip(path, frames=n),
        lambda n: plain.lerp(START, END, n),
    ):
        with pytest.raises(plain.errors.InputError, match="whole number"):
            ask(points)
