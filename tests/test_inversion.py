"""Inversion: exact answers for linear generators, what every search obeys, and what is refused."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import latentpath as lp
from latentpath.errors import GeneratorError, InputError
from latentpath.index.prior_adapter import draw
from latentpath.inversion import InversionProgress
from latentpath.solvers.point_descent import PointDescent

SHIPPED = "mnist-dcgan-semicircle"


def linear(dim: int = 2, values: int = 6, prior: Any = None, **how: Any) -> tuple[lp.Model, Tensor]:
    """A linear model in float64, and its matrix ``(D, M)``."""
    matrix = torch.randn(dim, values, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    prior = lp.priors.standard_normal(dim, dtype=torch.float64) if prior is None else prior
    return lp.Model(lambda z: z @ matrix + 1, prior, name="linear", **how), matrix


def images_near(matrix: Tensor, count: int = 5) -> Tensor:
    """Images of the linear model, with noise that it cannot make."""
    random = torch.Generator().manual_seed(2)
    latents = torch.randn(count, len(matrix), generator=random, dtype=torch.float64)
    return latents @ matrix + 1 + 0.3 * torch.randn(count, matrix.shape[1], generator=random, dtype=torch.float64)


def wavy(prior: Any = None, encoder: Any = None) -> lp.Model:
    """A model with many local minima."""
    matrix = torch.randn(3, 20, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    prior = prior or lp.priors.standard_normal(3, dtype=torch.float64)
    return lp.Model(lambda z: torch.sin(2 * z @ matrix) + 0.1 * z @ matrix, prior, encoder, "wavy")


def test_without_a_penalty_a_linear_model_gives_least_squares() -> None:
    model, matrix = linear(3)
    images = images_near(matrix)
    found = lp.invert(model, images, penalty=0.0)
    exact = torch.linalg.lstsq(matrix.T, (images - 1).T).solution.T
    torch.testing.assert_close(found.latents, exact, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.images, exact @ matrix + 1, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.error, (found.images - images).square().mean(1).sqrt())
    assert bool(found.converged.all())


@pytest.mark.parametrize("penalty", [0.005, 0.5])
def test_in_the_plane_the_penalty_is_a_ridge(penalty: float) -> None:
    model, matrix = linear(2)  # there -log ri is |z|^2 / 2
    images, values = images_near(matrix), matrix.shape[1]
    found = lp.invert(model, images, penalty=penalty, tol=1e-8)
    pool = draw(model.prior, 2, 1000, 0)
    weight = 2 / (values * float((pool @ matrix).var(0, correction=0).mean()))
    ridge = weight * matrix @ matrix.T + penalty * torch.eye(2, dtype=torch.float64)
    exact = torch.linalg.solve(ridge, weight * matrix @ (images - 1).T).T
    torch.testing.assert_close(found.latents, exact, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.log_index, math.log(0.9) - exact.square().sum(1) / 2, atol=1e-3, rtol=0)


def test_more_penalty_brings_likelier_latents_and_larger_errors() -> None:
    model, matrix = linear(3)
    found = [lp.invert(model, images_near(matrix), penalty=penalty) for penalty in (0.0, 0.01, 0.1, 1.0)]
    for less, more in pairwise(found):
        assert bool((more.log_index >= less.log_index - 1e-6).all())
        assert bool((more.error >= less.error - 1e-6).all())


def test_a_wall_holds_and_a_point_slides_along_it() -> None:
    box = lp.priors.uniform_box(3, dtype=torch.float64)
    scale = torch.tensor([1.0, 3.0, 0.2], dtype=torch.float64)
    model = lp.Model(lambda z: z * scale, box)
    wanted = torch.tensor([[0.2, 5.0, 0.4], [-7.0, 0.3, 9.0], [0.5, 0.5, 0.5]], dtype=torch.float64)
    for penalty in (0.0, 0.005):
        found = lp.invert(model, wanted * scale, penalty=penalty, tol=1e-9)
        torch.testing.assert_close(found.latents, wanted.clamp(box.low, box.high), atol=1e-3, rtol=0)
        assert bool(box.contains(found.latents, 1e-12).all())


def test_what_the_generator_made_comes_back() -> None:
    model = lp.load(SHIPPED)
    assert model.prior is not None
    images = model.generator(draw(model.prior, 20, 4, seed=5))
    found = lp.invert(model, images)
    assert float(found.error.median()) < 0.03
    assert float(found.error.max()) < 0.2
    assert bool((found.error < 0.5 * found.start_errors.amin(1)).all())
    assert float(found.log_index.min()) > -6


def test_a_batch_is_a_loop() -> None:
    model = wavy()
    images = model.generator(draw(model.prior, 3, 4, seed=9))
    together = lp.invert(model, images)
    for i, image in enumerate(images):
        alone = lp.invert(model, image)
        torch.testing.assert_close(alone.latents[0], together.latents[i])
        assert alone.start_errors.shape == (1, 8)
        assert alone.steps[0] == together.steps[i]


def test_the_seed_decides_and_blocks_do_not() -> None:
    model = wavy()
    images = model.generator(draw(model.prior, 3, 4, seed=9))
    found, state = lp.invert(model, images, seed=3), torch.get_rng_state()
    again = lp.invert(model, images, seed=3)
    assert torch.equal(found.latents, again.latents)
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(lp.invert(model, images, seed=3, max_points=3).latents, found.latents)
    assert not torch.equal(lp.invert(model, images, seed=4).start_errors, found.start_errors)


@pytest.mark.parametrize("steps", [1, 7, 60])
def test_never_worse_than_the_best_start_and_better_with_more_steps(steps: int) -> None:
    model = wavy()
    images = model.generator(draw(model.prior, 3, 6, seed=9)) + 0.1
    found = lp.invert(model, images, steps=steps, penalty=0.0)
    assert bool((found.error <= found.start_errors.amin(1)).all())
    assert int(found.steps.max()) <= steps
    more = lp.invert(model, images, steps=2 * steps, penalty=0.0)
    assert float(more.error.mean()) <= float(found.error.mean()) + 1e-12


def test_starts_are_the_nearest_samples_in_order() -> None:
    model = wavy()
    images = model.generator(draw(model.prior, 3, 2, seed=9))
    pool = model.generator(draw(model.prior, 3, 1000, seed=0))
    errors = (pool[None] - images[:, None]).square().mean(-1).sqrt().sort(dim=1).values
    torch.testing.assert_close(lp.invert(model, images, starts=5, steps=1).start_errors, errors[:, :5])
    assert lp.invert(model, images, starts=1200, steps=1).start_errors.shape == (2, 1200)


def test_the_encoder_gives_one_more_start() -> None:
    latents = draw(wavy().prior, 3, 3, seed=9)
    images = wavy().generator(latents)
    model = wavy(encoder=lambda data: latents[[int((images - x).abs().sum(1).argmin()) for x in data]])
    found = lp.invert(model, images, starts=2, steps=3, penalty=0.0)
    assert found.start_errors.shape == (3, 3)
    assert bool(found.encoded.all())
    torch.testing.assert_close(found.latents, latents)
    assert not bool(lp.invert(wavy(), images).encoded.any())


def test_an_encoder_that_errs_does_no_harm() -> None:
    images = wavy().generator(draw(wavy().prior, 3, 3, seed=9))
    plain = lp.invert(wavy(), images)
    for astray in (torch.nan, 50.0):
        model = wavy(encoder=lambda data, astray=astray: torch.full((len(data), 3), astray, dtype=data.dtype))
        found = lp.invert(model, images)
        assert not bool(found.encoded.any())
        torch.testing.assert_close(found.latents, plain.latents, atol=0.05, rtol=0)


def test_features_decide_where_they_are_given() -> None:
    model, matrix = linear(2)
    images = images_near(matrix)
    found = lp.invert(model, images, penalty=0.0, embed=lambda data: data[:, :3])
    exact = torch.linalg.lstsq(matrix[:, :3].T, (images[:, :3] - 1).T).solution.T
    torch.testing.assert_close(found.latents, exact, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.error, (found.images - images).square().mean(1).sqrt())


def test_progress_is_told_and_a_true_answer_stops() -> None:
    model, seen = wavy(), []
    images = model.generator(draw(model.prior, 3, 4, seed=9))

    def watch(now: InversionProgress) -> bool:
        seen.append(now)
        return now.step == 5

    found = lp.invert(model, images, callback=watch, tol=1e-9)
    assert found.stopped
    assert [now.step for now in seen] == [1, 2, 3, 4, 5]
    assert seen[0].running == 4
    assert seen[0].starts == 32
    assert seen[0].steps == 300
    assert bool((seen[-1].objective <= seen[0].objective).all())
    assert not bool(found.converged.any())
    assert not lp.invert(model, images, callback=lambda now: None).stopped


def test_halves_are_dropped_on_the_way() -> None:
    model, alive = lp.load(SHIPPED), {}
    images = torch.full((2, 1, 28, 28), -1.0)
    lp.invert(model, images, callback=lambda now: alive.update({now.step: now.starts}), steps=85, tol=1e-12)
    assert alive[39] <= 16
    assert alive[40] <= 8
    assert alive[80] <= 4


def test_dtype_follows_the_weights_and_says_what_it_is() -> None:
    network = nn.Linear(2, 4).double().eval()
    found = lp.invert(lp.Model(network, lp.priors.standard_normal(2)), torch.zeros(3, 4), steps=5)
    assert found.latents.dtype == found.images.dtype == torch.float64
    assert len(found) == 3
    assert repr(found).startswith("Inversion(3 images, RMS error ")


def test_inference_mode_outside_does_no_harm() -> None:
    model, matrix = linear(2)
    with torch.inference_mode():
        images = images_near(matrix, 2)
        found = lp.invert(model, images)
    torch.testing.assert_close(found.latents, lp.invert(model, images_near(matrix, 2)).latents)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"starts": 0}, "starts must be a whole number of at least 1"),
        ({"steps": 0}, "steps must be a whole number of at least 1"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"max_points": 0}, "max_points must be a whole number of at least 1"),
        ({"penalty": -0.1}, "penalty must be a number of at least 0"),
        ({"penalty": math.nan}, "penalty must be a number of at least 0"),
        ({"tol": 0.0}, "tol must .*above 0"),
        ({"alpha": 1.5}, "alpha must be"),
        ({"embed": "latent"}, "compares no images"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any], words: str) -> None:
    model, matrix = linear(2)
    with pytest.raises(InputError, match=words):
        lp.invert(model, images_near(matrix), **options)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (torch.zeros(2, 3, 28, 28), r"images must be a tensor (N, 1, 28, 28), as 'mnist-dcgan-semicircle' makes them"),
        (torch.zeros(28, 28), "of shape (28, 28)"),
        (torch.zeros(0, 1, 28, 28), "of shape (0, 1, 28, 28)"),
        (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), "-1 + 2 * images / 255 converts bytes"),
        (torch.full((2, 1, 28, 28), 200.0), "[-1, 1]; got values from 200 to 200"),
        (torch.zeros(2, 1, 28, 28).index_fill(0, torch.tensor(1), torch.nan), "NaN or infinity in number(s) [1]"),
        (torch.zeros(2, 1, 28, 28, device="meta"), "cpu; got meta"),
    ],
)
def test_other_images_are_refused(images: Tensor, words: str) -> None:
    with pytest.raises(InputError) as caught:
        lp.invert(lp.load(SHIPPED), images)
    assert words in str(caught.value)


def test_other_models_are_refused() -> None:
    image = torch.zeros(1, 4)
    with pytest.raises(InputError, match="prior.*'mnist-classifier'"):
        lp.invert(lp.load("mnist-classifier"), image)
    prior = lp.priors.standard_normal(2)
    with pytest.raises(GeneratorError, match="generator.eval"):
        lp.invert(lp.Model(nn.Linear(2, 4), prior), image)
    with pytest.raises(GeneratorError, match="differentiable"):
        lp.invert(lp.Model(lambda z: z.repeat(1, 2).detach(), prior), image)
    with pytest.raises(InputError, match=r"should give latents \(1, 2\), it gave \(1, 4\)"):
        lp.invert(lp.Model(nn.Linear(2, 4).eval(), prior, lambda data: data), image)


def test_the_descent_never_rises_and_ends_at_a_kink() -> None:
    random = torch.Generator().manual_seed(0)
    begin = torch.randn(6, 4, generator=random, dtype=torch.float64)

    def kinked(z: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        return z.abs().sum(-1) + (z - 1).square().sum(-1) / 4, z.sign() + (z - 1) / 2

    descent, before = PointDescent(kinked, begin, first=1.0, tol=1e-9), torch.full((6,), torch.inf)
    for _ in range(400):
        descent.step()
        assert bool((descent.value <= before).all())
        before = descent.value.clone()
    assert bool(descent.converged.all())
    assert not bool(descent.running.any())
    assert float(descent.value.max()) < 1.3  # 1 at the minimum, the origin


def test_the_descent_finds_the_minimum_of_a_narrow_valley() -> None:
    scale = torch.tensor([1.0, 10.0, 100.0, 1000.0], dtype=torch.float64)
    goal = torch.arange(12.0, dtype=torch.float64).view(3, 4)

    def valley(z: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        return (scale * (z - goal[rows]).square()).sum(-1), 2 * scale * (z - goal[rows])

    descent = PointDescent(valley, torch.zeros(3, 4, dtype=torch.float64), first=1.0, tol=1e-12)
    while bool(descent.running.any()):
        descent.step()
    torch.testing.assert_close(descent.points, goal, atol=1e-4, rtol=0)
    assert int(descent.steps.max()) < 80


def test_a_point_that_begins_at_infinity_stays_there() -> None:
    def half(z: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        return torch.where(z[:, 0] > 0, z.square().sum(-1), torch.inf), 2 * z

    descent = PointDescent(half, torch.tensor([[1.0, 1.0], [-1.0, 1.0]]), first=0.5)
    descent.step()
    assert descent.running.tolist() == [True, False]
    assert descent.converged.tolist() == [False, False]
    assert descent.points[1].tolist() == [-1.0, 1.0]
