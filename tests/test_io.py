"""Files written whole or not at all, and JSON without NaN."""

import json
from pathlib import Path

import pytest

from latentpath._io import replacement, to_json, write_file, write_json
from latentpath.errors import DataError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"é": 1})

    def interrupted() -> None:
        with replacement(target) as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert json.loads(target.read_text(encoding="utf-8")) == {"é": 1}
    assert list(tmp_path.iterdir()) == [target]


def test_the_name_may_depend_on_the_content(tmp_path: Path) -> None:
    with replacement(tmp_path / "a-.txt", lambda: "a-7.txt") as partial:
        assert partial.suffix == ".txt"
        partial.write_text("seven")
    assert [file.name for file in tmp_path.iterdir()] == ["a-7.txt"]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="below"):
        write_file(tmp_path / "file" / "below", b"")


def test_numbers_that_are_not_finite_become_null() -> None:
    assert json.loads(to_json({"a": (float("nan"), [-float("inf"), 2.5]), "b": True})) == {
        "a": [None, [None, 2.5]],
        "b": True,
    }
