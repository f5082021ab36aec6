"""Errors of missing libraries: the extra that has them, and a command that installs it from here."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from latentpath import cli, errors
from latentpath.errors import EXTRAS, MissingDependencyError, install_command, missing, require

ROOT = Path(__file__).resolve().parents[1]


def requirements(extra: str) -> set[str]:
    """The libraries of an extra, those of the extras that it includes among them."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    found = set()
    for line in extras[extra]:
        included = re.match(r"latentpath\[(.*)\]", line)
        found |= {name for each in included[1].split(",") for name in requirements(each)} if included else {
            re.split(r"[\[<>=]", line)[0]
        }  # fmt: skip
    return found


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_has_what_is_asked_of_it(extra: str) -> None:
    assert {library.lower().replace("pyav", "av") for library in EXTRAS[extra].values()} <= requirements(extra)


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [
        (["demo"], "matplotlib", "viz"),
        (["interpolate", "--pairs", "1"], "matplotlib", "viz"),
        (["reproduce", "--quick"], "scipy", "reproduce"),
        (["reproduce", "--figure", "4"], "scipy", "reproduce"),
        (["reproduce", "--quick"], "markdown_it", "reproduce"),
        (["reproduce", "--quick"], "matplotlib", "reproduce"),
        (["serve"], "gradio", "web"),
        (["serve"], "av", "web"),
        (["serve"], "matplotlib", "web"),
    ],
)
def test_a_command_looks_for_its_libraries_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], module: str, extra: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    result = CliRunner().invoke(cli.app, command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.strip().splitlines()) == 1
    assert install_command(extra) in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_library_is_looked_for_and_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    require("this", "search")
    found = importlib.util.find_spec
    monkeypatch.delitem(sys.modules, "scipy", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "scipy" else found(name))
    with pytest.raises(MissingDependencyError, match=r"this needs scipy, .*latentpath\[search\]"):
        require("this", "search")
    assert "scipy" not in sys.modules


def test_from_a_clone_the_command_is_run_in_it() -> None:
    folder, command = install_command("data").split(" && ")
    assert folder == f"cd {ROOT}"
    assert command.endswith("pip install -c constraints.lock -e '.[data]'")
    assert command in str(missing("datasets", "data", "this"))
    pip = command.removesuffix(" install -c constraints.lock -e '.[data]'")
    told = subprocess.run(f"{pip} --version", shell=True, capture_output=True, text=True, check=True)
    assert str(Path(sys.prefix)) in told.stdout  # of this Python, and no other's


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, "pip install 'latentpath[data]'"),
        (
            {"url": "https://example.org/a.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "pip install 'latentpath[data] @ git+https://example.org/a.git@abc'",
        ),
        ({"url": "https://example.org/a.whl", "archive_info": {}}, "'latentpath[data] @ https://example.org/a.whl'"),
        ({"url": "file:///nowhere/a", "dir_info": {}}, "'latentpath[data] @ file:///nowhere/a'"),
        ({"url": ROOT.as_uri(), "dir_info": {}}, f"cd {ROOT} && "),
        ({"url": ROOT.as_uri(), "dir_info": {}}, "pip install -c constraints.lock '.[data]'"),
    ],
)
def test_installed_otherwise_the_command_names_where_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: dict[str, Any] | None, expected: str
) -> None:
    text = None if origin is None else json.dumps(origin)
    monkeypatch.setattr(metadata, "distribution", lambda _: SimpleNamespace(read_text=lambda _: text))
    monkeypatch.setattr(errors, "__file__", str(tmp_path / "lib" / "latentpath" / "errors.py"))
    assert expected in install_command("data")
