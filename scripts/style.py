"""Lists docstrings that do not open with a noun or a verb, banned words, and participles as file names.

``python scripts/style.py [PATH ...]`` prints ``file:line: finding`` and exits with 1 if there is any.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

OPENINGS = ("What", "That", "Those", "Of", "Whether", "How", "Who", "Where")
"""Words that a docstring must not open with: a verb in the third person or a noun stands there."""

BANNED = {
    r"dear(?:er|est)?\b(?! reader)": "expensive",
    r"at the doors?": "argument validation, or: validated once",
    r"so many": "a number, or: at most n",
    r"as it is told": "the argument's name",
    r"as (?:it was|they were) (?:told|said)": "the argument's name",
    r"who ?ever": "users, callers",
    r"hunt(?:s|ed|ing)?\b": "multi-start, search",
    r"strangers": "the network",
    r"somebody(?:'s)?": "a user, a user's",
    r"nobody": "no user, no caller",
    r"(?:that|which) (?:there )?is no\b": "a positive statement",
    r"none (?:of those )?that (?:is|are)": "no <noun> that ...",
    r"what (?:was|is) found": "the name of the result",
    r"one's own": "the user's",
    r"seen through": "wrapped",
    r"no matter (?:what|how|which)": "any <noun>",
}
"""Regular expressions of words and phrases, and the replacement of each."""

FILES = (
    "said",
    "seen",
    "stored",
    "settled",
    "held",
    "depicted",
    "solved",
    "bounded",
    "audited",
    "named",
    "told",
    "made",
    "given",
    "known",
    "shown",
    "taken",
    "found",
    "drawn",
)
"""Participles that name no file: a file is named by the noun that it holds."""


ROOTS = ("src/latentpath", "tests", "benchmarks", "scripts", "examples")
"""The folders that are checked when the command line names none."""


def findings(path: Path) -> Iterator[tuple[int, str]]:
    """Yields line and text of every finding in a Python file."""
    source = path.read_text(encoding="utf-8")
    if path.stem.removeprefix("test_") in FILES:
        yield 1, f"file name {path.stem!r} is a participle: use the noun that it holds"
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        text = ast.get_docstring(node)
        if text and text.split()[0].rstrip(",:") in OPENINGS:
            line = node.body[0].lineno
            yield line, f"docstring opens with {text.split()[0]!r}: use a verb in the third person or a noun"
    pattern = re.compile(r"\b(?:" + "|".join(f"({words})" for words in BANNED) + r")", re.IGNORECASE)
    for number, line in enumerate(source.splitlines(), 1):
        for match in pattern.finditer(line):
            instead = list(BANNED.values())[(match.lastindex or 1) - 1]
            yield number, f"{match[0]!r}: write {instead}"


def main(arguments: list[str]) -> int:
    """Prints every finding in the files and folders named, and returns the exit code."""
    count = 0
    for root in map(Path, arguments or ROOTS):
        for path in [root] if root.is_file() else sorted(root.rglob("*.py")):
            if path.resolve() == Path(__file__).resolve():  # it holds the banned words
                continue
            for line, text in sorted(findings(path)):
                count += 1
                print(f"{path}:{line}: {text}")
    return 1 if count else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
