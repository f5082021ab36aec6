"""Polylines and points as arguments: empty batches, other types, tensors without values."""

from __future__ import annotations

import pytest
import torch

import latentpath as lp
from latentpath.energy import even_in_data
from latentpath.errors import InputError

F64 = torch.float64


def twice(z):
    return 2 * z


INDEX = lp.RealismIndex(lp.priors.standard_normal(2, dtype=F64))
START, END = torch.tensor([[1.2, 0.1], [0.3, 1.0], [0.5, -1.0]], dtype=F64), torch.tensor([-0.3, 1.1], dtype=F64)


def bent(z):
    return torch.cat([z, z.square()], -1)


FUNCTIONALS = {
    "energy": lambda z, **options: lp.energy(z, bent, INDEX, **options),
    "cost": lambda z, **options: lp.discrete_cost(z, bent, INDEX, **options),
    "length": lambda z, **options: lp.length(z, bent, **options),
    "audited cost": lambda z, **options: lp.audit(z, bent, INDEX, **options).cost,
    "audited length": lambda z, **options: lp.audit(z, bent, INDEX, **options).length,
}


@pytest.mark.parametrize("functional", FUNCTIONALS.values(), ids=FUNCTIONALS)
@pytest.mark.parametrize("batch", [(0,), (3, 0), (0, 2)])
@pytest.mark.parametrize("options", [{}, {"max_points": 3}, {"embed": "latent"}], ids=repr)
def test_an_empty_batch_has_no_numbers(functional, batch, options):
    found = functional(torch.zeros(*batch, 4, 2, dtype=F64), **options)
    assert found.shape == batch
    assert found.dtype == F64


def test_an_empty_batch_is_what_is_left_of_a_full_one():
    full, none = lp.lerp(START, END, 6), lp.lerp(START[:0], END, 6)
    facts, empty = lp.audit(full, bent, INDEX), lp.audit(none, bent, INDEX)
    for name, value in vars(facts).items():
        assert getattr(empty, name).shape == value[:0].shape
        assert getattr(empty, name).dtype == value.dtype
    assert lp.metric_tensor(START[:0], bent, INDEX).shape == (0, 2, 2)
    assert even_in_data(none, bent, 5).shape == (0, 5, 2)
    lp.energy(none.requires_grad_(), bent, INDEX).sum().backward()
    path = lp.interpolate(twice, INDEX, START, END, segments=4)[[]]
    assert path.frames(5).shape == (0, 5, 2)
    assert path.resample(7).latents.shape == (0, 8, 2)
    assert len(path.reversed()) == 0


@pytest.mark.parametrize("functional", [*FUNCTIONALS.values(), lambda z: even_in_data(z, bent, 5)])
@pytest.mark.parametrize(
    "latents",
    [
        torch.zeros(2, 1, 2, dtype=F64),
        torch.zeros(2, 0, 2, dtype=F64),
        torch.zeros(0, 1, 2, dtype=F64),
        torch.zeros(2, 3, 0, dtype=F64),
        torch.zeros(2, 3, 2, dtype=F64, device="meta"),
    ],
    ids=["one point", "no point", "one point of none", "D = 0", "meta"],
)
def test_what_is_no_polyline_is_refused(functional, latents):
    with pytest.raises(InputError, match="latents must"):
        functional(latents)


@pytest.mark.parametrize(
    "latents", [torch.zeros(3, 2, dtype=torch.long), [[0.0, 1.0], [1.0, 2.0]], None, "z"], ids=repr
)
def test_what_is_no_tensor_of_points_is_refused(plain, latents):
    index = plain.RealismIndex(plain.priors.standard_normal(2))
    asked = [
        lambda: plain.energy(latents, bent, index),
        lambda: plain.discrete_cost(latents, bent, index),
        lambda: plain.length(latents, bent),
        lambda: plain.audit(latents, bent, index),
        lambda: plain.metric_tensor(latents, bent, index),
        lambda: plain.lerp(latents, torch.zeros(2), 4),
        lambda: plain.slerp(torch.zeros(2), latents, 4),
        lambda: plain.interpolate(bent, index, latents, torch.zeros(2)),
        lambda: plain.interpolate_through(bent, index, latents),
    ]
    for ask in asked:
        with pytest.raises(plain.errors.InputError, match="must|too few"):
            ask()


def test_tensors_without_values_are_refused():
    ghost = torch.zeros(3, 2, dtype=F64, device="meta")
    for ask in (
        lambda: lp.interpolate(bent, INDEX, ghost, ghost),
        lambda: lp.interpolate_through(bent, INDEX, ghost),
        lambda: lp.interpolate_through(bent, INDEX, [ghost, ghost]),
        lambda: lp.lerp(ghost, ghost),
        lambda: lp.metric_tensor(ghost, bent, INDEX),
    ):
        with pytest.raises(InputError, match="meta"):
            ask()


def test_a_point_is_no_polyline(plain):
    index, point = plain.RealismIndex(plain.priors.standard_normal(2)), torch.zeros(2)
    for functional in (
        plain.energy,
        plain.discrete_cost,
        plain.audit,
        lambda z, generator, _: plain.length(z, generator),
    ):
        for latents in (point, point[0]):
            with pytest.raises(plain.errors.InputError, match="latents must"):
                functional(latents, bent, index)


@pytest.mark.parametrize("curve", [lp.lerp, lp.slerp])
def test_ends_that_cannot_pair_up_are_refused(curve):
    with pytest.raises(InputError, match="pair up"):
        curve(torch.zeros(2, 3), torch.zeros(4, 3))
