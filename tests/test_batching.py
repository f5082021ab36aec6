"""Parts of a batch."""

import pytest

from latentpath._batching import blocks


@pytest.mark.parametrize(("count", "size"), [(0, 3), (1, None), (7, 3), (6, 3), (5, 0), (4, 9)])
def test_blocks_cover_the_range_once_and_in_order(count: int, size: int | None) -> None:
    parts = [list(range(count))[block] for block in blocks(count, size)]
    assert [item for part in parts for item in part] == list(range(count))
    assert all(0 < len(part) <= max(1, count if size is None else size) for part in parts)
