"""The command itself: its help, its version, the shipped models, and how little it imports."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import latentpath as lp
from latentpath import cli
from latentpath.errors import install_command


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"COLUMNS": "160", "NO_COLOR": "1", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)


def latentpath(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def test_models_lists_what_ships() -> None:
    result = latentpath("models")
    assert result.exit_code == 0
    for name in ("mnist-classifier", "mnist-dcgan-semicircle", "test images right", "judge's confidence", "kB"):
        assert name in result.stdout


def test_version() -> None:
    result = latentpath("--version")
    assert (result.exit_code, result.stdout.strip()) == (0, f"latentpath {lp.__version__}")


@pytest.mark.parametrize("command", [(), ("demo",), ("interpolate",), ("models",), ("train",), ("train", "dcgan")])
def test_help_has_an_example(command: tuple[str, ...]) -> None:
    result = latentpath(*command, "--help")
    assert result.exit_code == 0
    if command != ("train",):
        assert re.search(r"Examples?:", result.stdout)
        assert f"latentpath {' '.join(command)}".strip() in result.stdout


@pytest.mark.parametrize("command", ["", "interpolate", "train dcgan", "serve"])
def test_neither_the_package_nor_help_imports_what_draws_serves_or_reads(command: str) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from latentpath.cli import app; "
        f"r = CliRunner().invoke(app, [*{command.split()}, '--help']); assert r.exit_code == 0; "
        "assert not {'matplotlib', 'PIL', 'sklearn', 'gradio', 'datasets', 'accelerate', 'av'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_missing_matplotlib_is_one_line_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for package, name in ((lp.viz, "plots"), (cli, "comparison"), (cli, "drawings")):
        monkeypatch.delitem(sys.modules, f"{package.__name__}.{name}", raising=False)
        monkeypatch.delattr(package, name, raising=False)
    result = latentpath("demo", "--out", tmp_path / "out", "--pairs", "1")
    assert result.exit_code == 2
    assert install_command("viz") in result.stderr
    assert not list(tmp_path.iterdir())
