"""Progress bars: silent outside a terminal, shown and removed on one."""

import io
import sys
import time
from collections.abc import Callable

import pytest
import torch
from rich.console import Console

import latentpath as lp
from latentpath import _progress
from latentpath._progress import live_bar, progress_bar
from latentpath.errors import InputError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], Terminal]:
    """Makes the standard error stream a terminal that a person watches, with a delay of the bars in seconds.

    To be called in the test itself: pytest puts a stream of its own there after the fixtures.
    """

    def begin(delay: float = 0.0) -> Terminal:
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(_progress, "_DELAY", delay)
        monkeypatch.setenv("TERM", "xterm")
        return stream

    return begin


def test_nothing_is_shown_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("Counting") as report:
        report(0.5, "half")
    assert capsys.readouterr() == ("", "")


def test_a_call_that_is_short_shows_nothing_on_a_terminal(watch: Callable[[float], Terminal]) -> None:
    terminal = watch(_progress._DELAY)
    with progress_bar("Counting") as report:
        report(0.5, "half")
    assert "half" not in terminal.getvalue()


def test_a_bar_is_shown_on_a_terminal_once_the_call_takes_long(watch: Callable[[float], Terminal]) -> None:
    terminal = watch(0.01)
    with progress_bar("Counting") as report:
        report(0.5, "half of it")
        time.sleep(0.4)
    shown = terminal.getvalue()
    assert "Counting" in shown
    assert "half of it" in shown


@pytest.mark.parametrize("how", [{"progress": False}, {"progress": None, "quiet": True}])
def test_a_caller_can_switch_it_off(watch: Callable[[float], Terminal], how: dict[str, bool | None]) -> None:
    terminal = watch(0.0)
    with progress_bar("Counting", **how) as report:
        report(0.5, "half")
    assert terminal.getvalue() == ""


def test_without_a_terminal_true_prints_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_progress, "_EVERY", 0.0)
    with progress_bar("Counting", True) as report:
        report(0.5, "half")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Counting 50%: half\n")


def test_a_bar_ends_with_an_error() -> None:
    console = Console(file=Terminal(), force_terminal=True)
    with pytest.raises(KeyboardInterrupt), live_bar(console, "Counting"):
        raise KeyboardInterrupt
    with live_bar(console, "Again"):  # a bar that is still live would refuse another on its console
        pass


@pytest.mark.parametrize("wrong", ["yes", 1, 0.5])
@pytest.mark.usefixtures("unchecked")
def test_other_values_are_refused(wrong: object) -> None:
    with pytest.raises(InputError, match="progress"), progress_bar("Counting", wrong):  # type: ignore[arg-type]
        pass


@pytest.mark.parametrize("through", [False, True])
def test_a_solve_reports_on_a_terminal_and_not_beside_a_callback(
    watch: Callable[[float], Terminal], through: bool
) -> None:
    terminal = watch(0.0)
    prior = lp.priors.standard_normal(2)
    ends = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.5]], dtype=torch.float64)

    def solve(**options: object) -> lp.Path:
        if through:
            return lp.interpolate_through(lambda z: 3 * z, prior, ends, segments=6, smooth=0.5, **options)
        return lp.interpolate(lambda z: 3 * z, prior, ends[0], ends[1], segments=6, **options)  # type: ignore[arg-type]

    solve(callback=lambda now: None)
    solve(progress=False)
    assert terminal.getvalue() == ""
    solve()
    assert "Solving" in terminal.getvalue()
    if through:
        assert "Smoothing" in terminal.getvalue()


def test_a_fit_of_a_density_reports_on_a_terminal_and_not_beside_a_callback(
    watch: Callable[[float], Terminal],
) -> None:
    terminal = watch(0.0)
    latents = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    lp.priors.fit(latents, callback=lambda count, criterion: None)
    lp.priors.fit(latents, progress=False)
    assert terminal.getvalue() == ""
    lp.priors.fit(latents)
    assert "Fitting" in terminal.getvalue()
