"""Records of judges: which are complete."""

from __future__ import annotations

import json

from record_examples import facts

from latentpath.paper.judges.records import is_complete
from latentpath.paper.results import LINE, PATH


def test_facts_that_are_not_whole_are_seen() -> None:
    kinds = (LINE, PATH)
    said = facts({"entropy": "holds"}, kinds, {LINE: [1.0] * 9, PATH: [1.0] * 9})
    stored = json.loads(json.dumps(said))
    assert is_complete(stored, kinds, 9, by_pair=True)
    assert not is_complete(stored, kinds, 8)
    assert not is_complete(stored, (*kinds, "slerp"), 9)
    for key in ("rows", "kinds", "pairs", "missing", "frames", "own", "panel"):
        assert not is_complete({k: v for k, v in stored.items() if k != key}, kinds, 9)
    for key in ("estimates", "than_line", "than_path", "title", "needs"):
        broken = json.loads(json.dumps(said))
        del broken["rows"][0][key]
        assert not is_complete(broken, kinds, 9)
    del stored["rows"][0]["values"]
    assert is_complete(stored, kinds, 9)
    assert not is_complete(stored, kinds, 9, by_pair=True)
    for nothing in ({}, [], None, 3, "text"):
        assert not is_complete(nothing, kinds, 9)
