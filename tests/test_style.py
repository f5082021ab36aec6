"""The style check: findings with file and line, exit code 1, and none for prose that follows the style."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "style.py"


def run(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, path], capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.parametrize(
    ("name", "source", "line", "word"),
    [
        ("a.py", '"""What every index shares."""\n', 1, "What"),
        ("a.py", 'def f():\n    """Whether it is open."""\n', 2, "Whether"),
        ("a.py", 'class A:\n\n    """Of the samples."""\n', 3, "Of"),
        ("a.py", "x = 1  # a step is d" + "ear here\n", 1, "expensive"),
        ("a.py", "x = 1\n\n# refused at " + "the door\n", 3, "validation"),
        ("said.py", "x = 1\n", 1, "participle"),
    ],
)
def test_a_finding_has_file_line_and_replacement(tmp_path, name, source, line, word):
    file = tmp_path / name
    file.write_text(source)
    found = run(tmp_path)
    assert found.returncode == 1
    assert f"{file}:{line}:" in found.stdout
    assert word in found.stdout


def test_plain_prose_passes(tmp_path):
    (tmp_path / "index.py").write_text(
        '"""Computes the index."""\n\n\ndef whatever():\n    """Returns one."""\n    return 1\n'
    )
    found = run(tmp_path)
    assert (found.returncode, found.stdout) == (0, "")
