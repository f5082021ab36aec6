"""The frames of a film last equally long, and exactly as long as asked for."""

import pytest

from latentpath.viz.film_formats import durations


@pytest.mark.parametrize(("suffix", "unit"), [(".gif", 100), (".webp", 1000)])
@pytest.mark.parametrize(("frames", "seconds"), [(1, 0.02), (7, 1.0), (100, 8.0), (100, 2.01), (48, 3.333)])
def test_durations_are_even_and_add_up(frames: int, seconds: float, suffix: str, unit: int) -> None:
    found = durations(frames, seconds, suffix)
    assert len(found) == frames
    assert sum(found) == round(unit * seconds)
    assert max(found) - min(found) <= 1
    assert min(found) >= unit // 50
