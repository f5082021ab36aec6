"""The claims of the README and its neighbours: code that runs, commands and names that exist, versions that agree."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *sorted(f"docs/{page.name}" for page in ROOT.glob("docs/*.md")),
]
FENCE = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<body>.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def python_blocks(text: str) -> list[str]:
    """The README's Python, each block moved down to its own lines, so that a traceback names the README's line."""
    return [
        "\n" * text.count("\n", 0, match.start("body")) + match["body"]
        for match in FENCE.finditer(text)
        if match["language"] in {"python", "py"}
    ]


def commands(text: str) -> list[str]:
    """Returns the commands of the README: lines of blocks in other languages than Python, and code within a line."""
    blocks = [match["body"] for match in FENCE.finditer(text) if match["language"] not in {"python", "py"}]
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    return [re.sub(r"^\s*(\$ )?(\.venv/bin/)?", "", line) for line in lines]


def words_after(program: str) -> set[str]:
    found = (re.match(rf"{program} ([a-z][\w-]*)", command) for command in commands(read("README.md")))
    return {match[1] for match in found if match}


def latentpath(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the installed command as a user does."""
    return subprocess.run(
        [Path(sys.executable).with_name("latentpath"), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8", "TERM": "dumb"},
        timeout=600,
        check=False,
    )


def demo_lacks() -> set[str]:
    """The optional modules that `make demo` does not install."""
    from latentpath.errors import EXTRAS

    declared = re.search(r"^\$\(VENV\)/\.installed-demo: EXTRAS := (\S+)$", read("Makefile"), re.MULTILINE)
    assert declared
    there = {module for extra in declared[1].split(",") for module in EXTRAS[extra]}
    return (
        {module for extra in EXTRAS.values() for module in extra} - there - {"scipy", "jinja2"}
    )  # scikit-learn and PyTorch bring them


@pytest.mark.parametrize("page", ["README.md", "docs/indices.md"])
def test_python_of_the_pages_runs_after_make_demo(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = python_blocks(read(page))
    assert blocks, f"{page} has no Python block"
    for module in demo_lacks():
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "readme"}
    for block in blocks:
        exec(compile(block, str(ROOT / page), "exec"), namespace)


def test_every_extra_for_users_is_in_the_readme() -> None:
    extras = tomllib.loads(read("pyproject.toml"))["project"]["optional-dependencies"].keys() - {"test", "dev", "docs"}
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| .* \|$", read("README.md"), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"\w+", row)} >= extras
    for command in re.findall(r"pip install .*?'\.\[([\w,]+)\]'", read("README.md") + read("docs/models.md")):
        assert set(command.split(",")) <= extras


def test_no_page_installs_from_an_index_that_does_not_have_the_package() -> None:
    for page in ["README.md", "CONTRIBUTING.md", *map(str, (ROOT / "docs").glob("*.md"))]:
        assert not re.search(r"pip install [^\n`]*latentpath", read(page)), page


def test_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", read("Makefile"), re.MULTILINE))
    mentioned = words_after("make")
    assert mentioned >= {"demo", "test"}
    assert mentioned <= targets


def test_every_make_target_is_phony_and_has_a_line_of_help() -> None:
    makefile = read("Makefile")
    targets = set(re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE))
    assert set(re.findall(r"^([a-z][\w-]*):.* ## \S", makefile, re.MULTILINE)) == targets
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == targets


def test_subcommands_of_the_readme_exist() -> None:
    told = latentpath("--help")
    assert told.returncode == 0, told.stderr
    listed = set(re.findall(r"^\W*([a-z][\w-]*)\s", told.stdout, re.MULTILINE))
    assert words_after("latentpath") <= listed, told.stdout


def test_unknown_subcommand_is_refused() -> None:
    told = latentpath("no-such-command")
    assert told.returncode == 2
    assert "Traceback" not in told.stderr


def resolves(name: str) -> bool:
    """Returns True for a dotted name of the package that can be imported."""
    found: object = importlib.import_module("latentpath")
    parts = name.split(".")
    for end, part in enumerate(parts[1:], 2):
        if not hasattr(found, part):
            try:
                importlib.import_module(".".join(parts[:end]))
            except ImportError:
                return False
        found = getattr(found, part)
    return True


@pytest.mark.parametrize("page", PAGES)
def test_names_and_files_of_the_pages_exist(page: str) -> None:
    import latentpath as lp

    text = read(page)
    names = set(re.findall(r"\blatentpath(?:\.[A-Za-z_]\w*)+", text))
    names |= {f"latentpath{name}" for name in re.findall(r"\blp((?:\.[A-Za-z_]\w*)+)", text)}
    assert not [name for name in sorted(names) if not resolves(name)]
    fields = set(re.findall(r"`(?:Path|path)\.(\w+)", text))
    assert not [name for name in fields if not hasattr(lp.Path, name) and name not in lp.Path.__dataclass_fields__]
    files = re.findall(r"(?<![\w./<-])((?:src|tests|benchmarks|scripts|examples|docs)/[\w/.-]*\w)", text)
    assert not [name for name in files if not (ROOT / name).exists()]


def citation() -> dict[str, str]:
    """The outermost keys of CITATION.cff, and their values where these stand on the same line."""
    text = read("CITATION.cff")
    assert "\t" not in text
    for line in text.splitlines():
        assert re.match(r"([a-z-]+:( |$)|  +(- )?\S)", line), f"not a line of plain YAML: {line!r}"
    return {key: value.strip().strip('"') for key, value in re.findall(r"^([a-z-]+):(.*)$", text, re.MULTILINE)}


def test_citation_names_the_software_and_the_paper() -> None:
    fields = citation()
    assert {"cff-version", "message", "title", "authors"} <= fields.keys()
    assert fields["cff-version"] == "1.2.0"
    assert fields["license"] == "MIT"
    assert "1904.03445" in read("CITATION.cff")
    if importlib.util.find_spec("yaml"):
        import yaml

        parsed = yaml.safe_load(read("CITATION.cff"))
        (paper,) = parsed["references"]
        assert [author["family-names"] for author in paper["authors"]] == ["Struski", "Tabor", "Podolak", "Nowak"]


def test_versions_agree() -> None:
    import latentpath as lp

    newest = re.search(r"^## \[([^\]]+)\]", read("CHANGELOG.md"), re.MULTILINE)
    assert newest
    assert {
        "pyproject.toml": tomllib.loads(read("pyproject.toml"))["project"]["version"],
        "latentpath.__version__": lp.__version__,
        "CITATION.cff": citation()["version"],
        "CHANGELOG.md": newest[1],
    } == dict.fromkeys(["pyproject.toml", "latentpath.__version__", "CITATION.cff", "CHANGELOG.md"], lp.__version__)


def test_lock_pins_every_declared_requirement() -> None:
    lines = [line for line in read("constraints.lock").splitlines() if not line.startswith("#")]
    pins = dict(line.split("==") for line in lines)
    assert list(pins) == sorted(pins)
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in pins.values()), "a build suffix, or no version"
    project = tomllib.loads(read("pyproject.toml"))["project"]
    declared = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    names = {re.split(r"[\[<>=]", line)[0] for line in declared} - {"latentpath"}
    assert names <= pins.keys()


def our_files() -> list[Path]:
    """The files of the project: what git tracks or would, or else everything that no tool has made."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]
    made = {".venv", "out", "dist", "build", "runs", "data", "__pycache__"}
    paths = (path for path in ROOT.rglob("*") if path.is_file())
    return [path for path in paths if not any(p in made or p.endswith("_cache") for p in path.relative_to(ROOT).parts)]


def test_no_file_names_a_path_of_someones_machine() -> None:
    # Put together here, so that this file passes its own test.
    homes = ["/" + "/".join(parts) + "/" for parts in [("work",), ("root",), ("tmp", "venv"), ("home", r"\w+")]]
    pattern = re.compile(rf"(?<![\w.~*-])({'|'.join(homes)})".encode())
    files = our_files()
    assert files
    found = {
        str(path.relative_to(ROOT)): match[0].decode() for path in files if (match := pattern.search(path.read_bytes()))
    }
    assert not found


def test_a_skipped_test_says_why() -> None:
    """As CONTRIBUTING promises: here a test on real data, without the data."""
    environment = {name: value for name, value in os.environ.items() if name != "LATENTPATH_DATA"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/data/test_idx.py", "-m", "data"]
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=600, check=False
    )
    assert result.returncode == 0, result.stdout
    assert re.search(r"^SKIPPED .*LATENTPATH_DATA", result.stdout, re.MULTILINE)
