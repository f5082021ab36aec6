"""The comparison in words: heading, table and verdict."""

from __future__ import annotations

import io
from dataclasses import replace

import torch
from rich.console import Console

import latentpath as lp
from latentpath.cli.comparison import heading, table
from latentpath.report import Report, Row


def row(name: str, cost: list[float], tunnels: list[int]) -> Row:
    flat = [0.5] * len(cost)
    return Row(name, cost, flat, flat, flat, flat, flat, tunnels, flat, {})


def test_verdict_says_how_much_in_how_many_and_how_it_ended() -> None:
    line, path = row("lerp", [10.0, 10.0, 10.0, 10.0], [0] * 4), row("path", [2.0, 4.0, 4.0, 10.0], [0, 2, 0, 1])
    text = Report((line, path), {"converged": 3, "stalled": 1}).verdict(0.01)
    assert "costs 50% less" in text
    assert "(5.00 instead of 10.00)" in text
    assert "cheaper in 3 of 4 pairs" in text
    assert "3 tunnelling segments, in 2 of 4 paths" in text
    assert "3 converged, 1 stalled" in text
    assert "All 4 solves converged" in Report((line, path), {"converged": 4}).verdict(0.01)
    worse = Report((row("lerp", [10.0], [0]), row("path", [11.0], [0])), {"stalled": 1}).verdict(0.01, True)
    assert "costs 10% more" in worse
    assert "found no tunnelling" in worse
    assert "stopped" in worse


def test_numbers_of_things_are_in_words() -> None:
    assert heading("m", 1, 1, 0.9, 1e-3, 0).startswith("m: 1 pair, 1 segment, ")
    assert heading("m", 16, 50, 0.9, 1e-3, 0).startswith("m: 16 pairs, 50 segments, ")
    start, prior = torch.zeros(1, 1, dtype=torch.float64), lp.priors.standard_normal(1, dtype=torch.float64)
    path = lp.interpolate(lambda z: z, prior, start, start + 1, segments=4)
    assert repr(path).startswith("Path(1 path of 4 segments in 1 dimension; ")
    both = lp.interpolate(lambda z: z, prior, start.expand(2, 1), start + 1, segments=4)
    assert repr(both).startswith("Path(2 paths of 4 segments in 1 dimension; ")


def test_table_fits_a_terminal_of_80_columns() -> None:
    rows = tuple(row(name, [6388.4], [0]) for name in ("lerp", "slerp", "path"))
    rows = tuple(replace(each, judged={"confidence": [0.9]}) for each in rows)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(table(Report(rows, {}), {"lerp": 0.0, "slerp": 0.0, "path": 123.4}))
    text = console.export_text()
    assert "…" not in text
    assert all(word in text for word in ("straight line", "lowest ri", "confidence", "seconds", "6388.40", "123.4"))
