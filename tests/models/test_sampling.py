"""Reproducible draws."""

from __future__ import annotations

import torch

import latentpath as lp
from latentpath.models.sampling import draw


def test_drawing_repeats_itself_and_leaves_the_random_state_alone() -> None:
    prior = lp.priors.semicircle(3)
    before = torch.random.get_rng_state()
    one = draw(prior, 10, torch.Generator().manual_seed(5))
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(99)
    assert torch.equal(one, draw(prior, 10, torch.Generator().manual_seed(5)))
    assert not torch.equal(one, draw(prior, 10, torch.Generator().manual_seed(6)))


def test_threads_that_draw_at_the_same_time_get_what_each_gets_alone() -> None:
    from concurrent.futures import ThreadPoolExecutor

    from latentpath import RealismIndex
    from latentpath.models.sampling import draw

    prior = lp.priors.semicircle()

    def one(seed: int) -> torch.Tensor:
        if seed % 3 == 0:
            RealismIndex(prior, samples=100, seed=seed)  # which draws as well
        return draw(prior, 40, torch.Generator().manual_seed(seed))

    alone = [one(seed) for seed in range(40)]
    before = torch.get_rng_state()
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(one, [*range(40)] * 5))
    assert torch.equal(torch.get_rng_state(), before)
    for i, latents in enumerate(together):
        assert torch.equal(latents, alone[i % 40])
