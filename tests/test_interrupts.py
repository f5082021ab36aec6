"""Ctrl-C in every phase of a command: one line, and exit code 130."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import latentpath
from latentpath import interrupts

SOURCE = Path(latentpath.__file__).resolve().parents[1]
HOOK = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            sys.meta_path.remove(self)
            {before}
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(1000): pass
sys.meta_path.insert(0, Interrupting())
"""


def interrupted_at(folder: Path, name: str, *command: str, before: str = "pass") -> subprocess.CompletedProcess[str]:
    """Run a command to which a Ctrl-C comes when the module of this name is imported."""
    (folder / "sitecustomize.py").write_text(HOOK.format(name=name, before=before), encoding="utf-8")
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(SOURCE)]), "NO_COLOR": "1"},
        timeout=600,
        check=False,
    )


def script(folder: Path) -> str:
    """The script that an installer makes of the entry point."""
    file = folder / "latentpath"
    file.write_text("import sys\nfrom latentpath.cli import main\nsys.exit(main())\n", encoding="utf-8")
    return str(file)


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("torch", ("models",)),  # with the package, before any code of the command
        ("torch._C", ("models",)),
        ("latentpath.interpolate", ("--version",)),
        ("typer", ("models",)),
        ("rich.table", ("models",)),  # within a command
        ("matplotlib", ("demo",)),
        ("latentpath.paper.reproduction", ("reproduce", "--quick")),
    ],
)
@pytest.mark.parametrize("way", ["script", "module"])
def test_an_import_that_is_interrupted_is_one_line(
    tmp_path: Path, module: str, arguments: tuple[str, ...], way: str
) -> None:
    command = [script(tmp_path)] if way == "script" else ["-m", "latentpath"]
    told = interrupted_at(tmp_path, module, *command, *arguments)
    assert (told.returncode, told.stderr, told.stdout) == (130, "Interrupted.\n", "")


def test_an_interrupt_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    command = ("-m", "latentpath", "--version")
    told = interrupted_at(tmp_path, "torch", *command, before="signal.signal(signal.SIGINT, signal.SIG_IGN)")
    assert (told.returncode, told.stderr) == (0, "")


def test_a_program_that_imports_the_package_is_interrupted_as_ever(tmp_path: Path) -> None:
    told = interrupted_at(tmp_path, "torch", "-c", "import latentpath")
    assert told.returncode == -signal.SIGINT
    assert told.stderr.strip().endswith("KeyboardInterrupt")


def test_within_the_work_it_is_raised_and_an_exec_of_text_does_not_change_the_exit_code(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from latentpath import interrupts
signal.signal(signal.SIGINT, interrupts.end_at_once)
try:
    with interrupts.raised():
        exec("os.kill(os.getpid(), signal.SIGINT); [0 for _ in range(1000)]")
except KeyboardInterrupt:
    assert signal.getsignal(signal.SIGINT) is interrupts.end_at_once
    sys.exit(7)
"""
    (tmp_path / "work.py").write_text(code, encoding="utf-8")
    told = interrupted_at(tmp_path, "no module", "-m", "work")
    assert (told.returncode, told.stderr) == (7, "")


@pytest.mark.parametrize(
    ("program", "words", "expected"),
    [
        ("/usr/bin/latentpath", ["python", "/usr/bin/latentpath"], True),
        ("latentpath.exe", ["python", "latentpath.exe"], True),
        ("-m", ["python", "-u", "-m", "latentpath", "demo"], True),
        ("-m", ["python", "-m", "pytest"], False),
        ("train.py", ["python", "train.py", "latentpath"], False),
        ("", ["python"], False),
    ],
)
def test_which_processes_are_the_command(
    monkeypatch: pytest.MonkeyPatch, program: str, words: list[str], expected: bool
) -> None:
    monkeypatch.setattr(sys, "argv", [program])
    monkeypatch.setattr(sys, "orig_argv", words)
    assert interrupts.is_command() is expected
