"""The benchmark of the solvers' tuning constants: what it changes, what it notices, and what it keeps."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest

from latentpath.solvers.configuration import Configuration, config

if not (Path(__file__).parents[1] / "benchmarks" / "constants.py").is_file():
    pytest.skip("the benchmarks are not here", allow_module_level=True)
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import constant_problems, constants
from benchmarks.__main__ import main

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "constants.json"


def test_each_constant_is_halved_and_doubled_within_its_range():
    for constant in constants.constants():
        for value in constant.mutations:
            assert value > 0
            assert type(value) is type(constant.value)
            group = getattr(constant.configuration(value), constant.group)
            assert getattr(group, constant.field) == value != constant.value
            assert 0.45 <= value / constant.value <= 2
            assert constant.name not in constants.SHARES or value < 1
            assert constant.name not in constants.RATIOS or value > 1
    assert not (constants.SHARES | constants.RATIOS) - {constant.name for constant in constants.constants()}


def test_every_group_of_constants_has_its_problems():
    exercised = {group for trial in constant_problems.trials() for group in trial.groups}
    assert exercised == {constant.group for constant in constants.constants()}


def test_last_digits_are_not_noticed_and_outcomes_are():
    before = {"evaluations": [10.0, 20.0], "cost": [1.0, 2.0], "energy": [1.0, 2.0], "outcome": ["converged"] * 2}
    same = {**before, "cost": [1.0 + 1e-6, 2.0]}
    assert not constants.difference(before, same)["noticed"]
    more = constants.difference(before, {**before, "evaluations": [10.0, 25.0], "cost": [0.9, 2.1]})
    assert more["noticed"]
    assert (more["evaluations"], more["cost"], more["energy"]) == pytest.approx((0.25, -0.1, 0.0))
    stalled = constants.difference(before, {**before, "outcome": ["converged", "stalled"]})
    assert stalled["noticed"]
    assert stalled["outcome"] == ["converged to stalled"]
    assert constants.difference(before, {**before, "cost": [None, 2.0]})["cost"] == 1.0
    assert constants.difference(before, {"failed": "InputError"})["noticed"]
    assert math.isfinite(constants.difference({**before, "cost": [0.0, 2.0]}, before)["cost"])


def test_a_run_reports_what_changed_and_goes_on_where_it_was(tmp_path, capsys, monkeypatch):
    solves = []
    asked = ["--constants", "levels.coarse_tol", "point_search.window", "--problems", "paper-55"]

    def counted(*arguments):
        solves.append(config())
        return real(*arguments)

    real = constant_problems._closed_form
    monkeypatch.setattr(constant_problems, "_closed_form", counted)
    assert main([*asked, "--out", str(tmp_path), "--threads", "1"]) == 0
    assert len(solves) == 5  # the default, and two constants twice
    assert len({configuration.levels.coarse_tol for configuration in solves}) == 3
    assert config() == Configuration()
    found = {one["constant"]: one for one in json.loads((tmp_path / "constants.json").read_text())["constants"]}
    assert found["levels.coarse_tol"]["problem"] == "paper-55"
    assert [change["value"] for change in found["levels.coarse_tol"]["changes"]] == [2.5, 10.0]
    assert found["point_search.window"]["problem"] is None
    assert found["point_search.window"]["tried"] == 1
    rows = [line for line in (tmp_path / "constants.md").read_text(encoding="utf-8").splitlines() if "| point_" in line]
    assert len(rows) == 1
    assert "none of 1" in rows[0]
    assert main([*asked, "--out", str(tmp_path), "--threads", "1"]) == 0
    assert len(solves) == 5
    assert "levels.coarse_tol: noticed by" in capsys.readouterr().err


def test_unknown_constants_and_conflicts_are_refused(capsys, tmp_path):
    assert main(["--constants", "nonsense", "--out", str(tmp_path)]) == 2
    assert "levels" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--constants", "--quick"])
    assert not list(tmp_path.iterdir())


def test_the_table_is_of_the_committed_results_and_of_all_constants():
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert RESULTS.with_suffix(".md").read_text(encoding="utf-8") == constants.markdown(results)
    assert {one["constant"]: one["default"] for one in results["constants"]} == {
        constant.name: constant.value for constant in constants.constants()
    }
