"""Runs of `latentpath interpolate`, and models, for its tests."""

from __future__ import annotations

import io
import json
import signal
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from typer.testing import CliRunner, Result

import latentpath as lp
from latentpath import cli
from latentpath.models import WAE
from latentpath.models.folders import as_model

SHIPPED = "mnist-dcgan-semicircle"
QUICK = ("--segments", "4", "--tol", "0.5", "--max-evaluations", "4")


def interpolate(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, ["interpolate", *map(str, arguments)])


def solved(out: Path, *arguments: object) -> tuple[lp.Path, dict[str, Any], Result]:
    """A run that went well: its paths, its report, and what it printed."""
    result = interpolate("--out", out, *QUICK, *arguments)
    assert result.exit_code == 0, result.output
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert set(report["files"]) == {file.name for file in out.iterdir()}
    assert all(name in result.stdout for name in report["files"])
    return lp.Path.load(out / "paths.safetensors"), report, result


def one_line(result: Result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr


def auto_encoder() -> lp.Model:
    torch.manual_seed(0)
    network = WAE(latent_dim=3, width=4, size=28, channels=1).eval().requires_grad_(False)
    return as_model(network, lp.priors.standard_normal(3), "tiny-wae", {"value_range": [-1.0, 1.0]})


class Interrupting(Console):
    """A console outside a terminal that sends a Ctrl-C when a word is printed."""

    def __init__(self, word: str, times: int = 1) -> None:
        super().__init__(file=io.StringIO(), width=200)
        self.word, self.times, self.text = word, times, ""

    def print(self, *objects: Any, **how: Any) -> None:
        self.text += " ".join(map(str, objects)) + "\n"
        while self.times and self.word in self.text:
            self.times -= 1
            signal.raise_signal(signal.SIGINT)
