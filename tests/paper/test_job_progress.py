"""The progress over all jobs."""

from __future__ import annotations

from latentpath.paper.progress import JobProgress


def test_a_meter_ends_at_one_whatever_was_told() -> None:
    seen: list[tuple[str, float, bool]] = []
    meter = JobProgress(3.0, lambda *told: seen.append(told))
    one, two = meter.job("one", 1.0), meter.job("two", 2.0)
    for tell, shares in ((one, (0.5, 1.0, 1.0)), (two, (1.0,))):
        for share in shares:
            tell(share)
    assert seen[2:] == [("one", 1 / 6, False), ("one", 1 / 3, True), ("one", 1 / 3, False), ("two", 1.0, True)]
