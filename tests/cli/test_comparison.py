"""The comparison in words: heading, table and verdict."""

from __future__ import annotations

from dataclasses import replace

import torch

import latentpath as lp
from latentpath.cli.comparison_table import heading, legend, table
from latentpath.cli.judges import IN_WORDS
from latentpath.cli.methods import Method
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
    papers = Method("paper", lp.RealismIndex(lp.priors.standard_normal(2)))
    assert heading("m", 1, 1, papers, 1e-3, 0, compare=True).startswith("m: 1 pair, 1 segment, ")
    assert heading("m", 16, 50, papers, 1e-3, 0, compare=True).startswith("m: 16 pairs, 50 segments, ")
    start, prior = torch.zeros(1, 1, dtype=torch.float64), lp.priors.standard_normal(1, dtype=torch.float64)
    path = lp.interpolate(lambda z: z, prior, start, start + 1, segments=4)
    assert repr(path).startswith("Path(1 path of 4 segments in 1 dimension; ")
    both = lp.interpolate(lambda z: z, prior, start.expand(2, 1), start + 1, segments=4)
    assert repr(both).startswith("Path(2 paths of 4 segments in 1 dimension; ")


def test_table_fits_a_terminal_of_80_columns() -> None:
    rows = tuple(row(name, [6388.4], [0]) for name in ("lerp", "slerp", "paper", "path"))
    rows = tuple(replace(each, judged={name: [0.9] for name in IN_WORDS}) for each in rows)
    report, own = Report(rows, {}), {name: [0.95] for name in IN_WORDS}
    seconds = {"lerp": 0.0, "slerp": 0.0, "paper": 9.0, "path": 123.4}
    narrow, wide = (table(report, seconds, own, width).plain.splitlines() for width in (80, 120))
    assert max(map(len, narrow)) <= 80 < max(map(len, wide)) <= 100
    words = {"straight line", "the paper's", "own samples", "directness", "precision", "seconds", "6388.40", "123.4"}
    for lines in (narrow, wide):
        assert all(word in "\n".join(lines) for word in words)
    cells = next(line for line in wide if line.startswith("own samples"))
    assert cells.split()[2:] == ["0.950"] * len(IN_WORDS)
    assert all(word in legend(report, own) for word in IN_WORDS.values())
