"""The benchmarks count what they say they count, keep what they have measured, and can be read."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

import latentpath as lp
from latentpath.jacobian import pushforward

if not (Path(__file__).parents[1] / "benchmarks" / "counting.py").is_file():
    pytest.skip("the benchmarks are not here", allow_module_level=True)
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import convergence, counting, overhead, plot, report, summary
from benchmarks.__main__ import main
from benchmarks.counting import Countable, Meter, evaluation_flops
from benchmarks.methods import Method, Run, methods
from benchmarks.problems import closed_forms, mlp_problem
from benchmarks.progress import Progress
from benchmarks.store import Store
from benchmarks.trace import Tracer, marks


@pytest.fixture
def problem():
    return mlp_problem(pairs=2, dim=3, segments=10)


def energy(problem, generator):
    return lp.solvers.Objective(generator, problem.index, max_points=15)


# --- counting ---------------------------------------------------------------------------------------------------------


def test_a_forward_and_a_backward_pass_over_a_path_are_one_evaluation(problem):
    meter = Meter(problem.generator)
    energy(problem, meter.generator).evaluate(problem.line)
    assert meter.flops == 2 * problem.flops
    products = 3 * 256 + 256 * 256 + 256 * 784
    assert problem.flops == 11 * 2 * 2 * products


def test_a_backward_pass_that_is_not_made_does_not_count(problem):
    meter = Meter(problem.generator)
    meter.generator(problem.line[0].requires_grad_())
    assert meter.flops == problem.flops / 2


def test_products_of_others_do_not_count(problem):
    meter = Meter(problem.generator)

    def log_index(z: Tensor) -> Tensor:
        return -1 - (z @ torch.ones(3, 50)).square().sum(-1)

    found = lp.solvers.Objective(meter.generator, log_index).evaluate(problem.line)
    found.gradient @ torch.ones(3, 100)
    assert meter.flops == 2 * problem.flops
    with meter.counting(False):
        meter.generator(problem.line[0])
    assert meter.flops == 2 * problem.flops


def test_forward_mode_products_count_as_what_they_compute(problem):
    meter, z = Meter(problem.generator), problem.line[0]
    once = problem.flops // 2
    pushforward(lambda x: meter.generator(x).flatten(1), z, torch.ones_like(z))
    assert 2 * once <= meter.flops <= 3 * once  # torch takes products with the tangent 0 of a weight, too
    before = meter.flops
    with torch.no_grad():
        torch.func.vmap(lambda v: torch.func.jvp(meter.generator, (z,), (v.expand_as(z),))[1])(torch.eye(3))
    assert 4 * once <= meter.flops - before <= 7 * once
    assert [call.kind for call in meter.calls] == [counting.TANGENT] * 2


def test_a_function_without_products_is_counted_by_an_identity_matrix():
    one = Countable(torch.sin, 3)
    z = torch.randn(11, 3, dtype=torch.float64)
    assert torch.equal(one(z), z.sin())
    assert evaluation_flops(one, z) == 11 * 2 * 2 * 9
    with pytest.raises(ValueError, match="no matrix product"):
        evaluation_flops(torch.nn.Identity(), z)


# --- traces and methods -----------------------------------------------------------------------------------------------


def test_a_trace_holds_what_was_known_at_every_mark(problem):
    meter = Meter(problem.generator)
    tracer = Tracer(problem, meter, 20)
    line = problem.line
    for step in range(1, 4):
        energy(problem, meter.generator).evaluate(line)
        tracer.take(line + step, torch.full((2,), 10.0 - step))
    trace = tracer.finish()
    assert trace.marks == marks(20)
    at = [trace.marks.index(mark) for mark in (0.5, 1, 2.5, 3, 20)]
    assert [float(trace.energy[i][0]) for i in at[1:]] == [9, 8, 7, 7]
    assert torch.equal(trace.energy[at[0]], lp.energy(line, problem.generator, problem.index))
    assert torch.equal(trace.held[20], line + 3)
    assert trace.total == 3


def test_polylines_offered_find_their_pairs(problem):
    tracer = Tracer(problem, Meter(problem.generator), 20)
    before = tracer.energy.clone()
    coarse = lp.lerp(problem.start[1:], problem.end[1:], 5)
    coarse[:, 1:-1] *= 0.9
    found = lp.energy(coarse, problem.generator, problem.index)
    tracer.offer(coarse, found)
    assert tracer.energy[0] == before[0]
    assert tracer.energy[1] < before[1]
    assert torch.equal(tracer.latents[:, -1], problem.end)


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.name)
def test_every_method_starts_alike_and_counts_alike(method):
    if method.name.startswith(("torch", "scipy")):
        pytest.importorskip("scipy")
    one = next(p for p in closed_forms() if p.name == "radial, D = 3, 45 degrees")
    run = method.solve(one, 12, None)
    assert torch.equal(run.trace.energy[0], lp.energy(one.line, one.generator, one.index))
    assert run.trace.energy[-1] < run.trace.energy[0] or method.name == "adam-0.1"  # too bold here
    assert torch.equal(run.trace.final[:, [0, -1]], one.line[:, [0, -1]])
    assert set(run.trace.held) == {10, 12}
    if not method.ours:
        assert run.trace.total == 12
        assert 12 <= run.own_count < 16  # the library's own solvers count what its stopping rule asks for, too


# --- the store --------------------------------------------------------------------------------------------------------


def fake(calls: list[str], name: str = "fake") -> Method:
    def solve(problem, limit, report):
        calls.append(name)
        meter = Meter(problem.generator)
        tracer = Tracer(problem, meter, limit)
        energy(problem, meter.generator).evaluate(problem.line)
        tracer.take(problem.line, tracer.energy / 2)
        return Run(tracer.finish(), 1.0, {"converged": problem.pairs})

    return Method(name, name, {}, solve)


def test_what_is_measured_is_kept(problem, tmp_path, capsys):
    store, calls = Store(tmp_path), []
    for _ in range(2):
        convergence.run([problem], [fake(calls)], 20, store, Progress())
    assert calls == ["fake"]
    convergence.run([problem], [fake(calls), fake(calls, "other")], 20, store, Progress())
    convergence.run([problem], [fake(calls)], 21, store, Progress())
    assert calls == ["fake", "other", "fake"]
    convergence.forget(problem, fake(calls), 20, store)
    assert set(convergence.finished([problem], [fake(calls), fake(calls, "other")], 20, store)) == {("mlp", "other")}
    assert "energy" in capsys.readouterr().err
    damaged = next(tmp_path.glob("*other*"))
    damaged.write_text(damaged.read_text()[:100])
    assert not convergence.finished([problem], [fake(calls, "other")], 20, store)


def test_an_interrupted_measurement_leaves_the_others(problem, tmp_path):
    store, calls = Store(tmp_path), []

    def interrupted(problem, limit, report):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convergence.run([problem], [fake(calls), Method("slow", "slow", {}, interrupted)], 20, store, Progress())
    assert len(convergence.finished([problem], [fake(calls)], 20, store)) == 1
    assert not list(tmp_path.glob("*partial*"))


# --- overhead and the report ------------------------------------------------------------------------------------------


def test_the_bare_passes_are_those_of_the_solve(problem):
    meter = Meter(problem.generator)
    overhead.solve(problem, meter.generator, "solver", 10.0, 15)
    again = Meter(problem.generator)
    work = overhead.Passes(problem, meter.calls, 15)
    work.generator = again.generator
    work.run()
    assert again.flops == pytest.approx(meter.flops, rel=0.02)
    record = overhead.measure(problem, "interpolate", 2, 5.0)
    assert record["ratio"] > 0.5
    assert record["pairs"] == 2


def test_the_report_can_be_read(problem, tmp_path):
    calls: list[str] = []
    ours, adam = fake(calls, "ours"), Method("adam-0.1", "Adam", {}, fake(calls).solve)
    records = {("mlp", m.name): convergence.measure(problem, m, 20) for m in (ours, adam)}
    found = summary.summarise(records)
    about = {
        **dict.fromkeys(("latentpath", "torch", "cpu", "threads", "cores", "gpu", "command"), "x"),
        "quick": True,
        "seed": 0,
        "segments": 10,
        "alpha": 0.9,
        "limit": 20,
    }
    results = {"about": about, "convergence": found, "against": [summary.against(found, "mlp")]}
    text = report.markdown(json.loads(json.dumps(results, allow_nan=False)))
    assert "## mlp (2 pairs)" in text
    assert "| Adam, rate 0.1 |" in text
    assert "ends at or below Adam in 2 of 2 pairs" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {7, 5}
    plot.convergence(results, [tmp_path / "plot.svg"])
    assert (tmp_path / "plot.svg").stat().st_size > 1000


def test_a_report_can_be_made_onto_an_earlier_one():
    """The committed results, read back as measurements, give the same summary."""
    path = Path(__file__).parents[1] / "benchmarks" / "results" / "bench.json"
    before = json.loads(path.read_text(encoding="utf-8"))["convergence"]
    again = summary.summarise({(one["problem"], one["method"]): summary.as_record(one) for one in before})
    assert [(one["problem"], one["method"], one["shown"]) for one in again] == [
        (one["problem"], one["method"], one["shown"]) for one in before
    ]
    for one, other in zip(again, before, strict=True):
        assert one["energy"] == other["energy"]
        assert one["cost"] == other["cost"]
        assert one["final"] == other["final"]
        assert one["evaluations"] == other["evaluations"]


def test_the_command_refuses_what_it_does_not_know(capsys, tmp_path):
    assert main(["--quick", "--problems", "nonsense", "--out", str(tmp_path)]) == 2
    assert "there are celeba-dcgan-normal, " in capsys.readouterr().err
    assert main(["--quick", "--fresh", "nonsense", "--out", str(tmp_path)]) == 2
    assert "--fresh takes methods" in capsys.readouterr().err


def test_the_command_refuses_an_earlier_report_that_is_none(capsys, tmp_path):
    (tmp_path / "bench.json").write_text('{"convergence": 3}', encoding="utf-8")
    for name in ("bench.json", "absent.json"):
        assert main(["--quick", "--onto", str(tmp_path / name), "--out", str(tmp_path)]) == 2
        assert "bench.json of this version" in capsys.readouterr().err


ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "bench.json"


def source_in(picture):
    """Returns the name and hash of the report in the metadata of its picture."""
    if picture.suffix == ".png":
        with Image.open(picture) as image:
            return image.text["Source"]
    return re.search(r"<dc:source>(.*?)</dc:source>", picture.read_text(encoding="utf-8"), re.DOTALL)[1].strip()


def test_the_table_and_the_pictures_are_of_the_committed_results():
    """`python -m benchmarks --redraw` makes all of them from one file."""
    for suffix in (".svg", ".png"):
        assert source_in(ROOT / "docs" / "images" / f"convergence{suffix}") == plot.source_of(RESULTS)
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert RESULTS.with_suffix(".md").read_text(encoding="utf-8") == report.markdown(results)


def test_redrawing_writes_what_a_run_would(tmp_path, capsys):
    shutil.copy(RESULTS, tmp_path / "bench.json")
    assert main(["--redraw", str(tmp_path / "bench.json")]) == 0
    assert (tmp_path / "bench.json").read_bytes() == RESULTS.read_bytes()
    assert (tmp_path / "bench.md").read_bytes() == RESULTS.with_suffix(".md").read_bytes()
    assert {source_in(tmp_path / f"convergence{suffix}") for suffix in (".svg", ".png")} == {plot.source_of(RESULTS)}
    (tmp_path / "other.json").write_text('{"convergence": 3}', encoding="utf-8")
    for name in ("other.json", "absent.json"):
        assert main(["--redraw", str(tmp_path / name)]) == 2
        assert name in capsys.readouterr().err


ROWS = {
    "gradient descent": "gradient descent",
    "Adam, best of three rates": "Adam",
    "PyTorch's L-BFGS": "torch L-BFGS",
    "SciPy's L-BFGS-B": "SciPy L-BFGS-B",
    "latentpath": "latentpath",
    "latentpath, restarts=8": "latentpath, restarts",
}


def test_the_table_of_the_readme_has_the_numbers_of_the_picture():
    shown = [one for one in json.loads(RESULTS.read_text(encoding="utf-8"))["convergence"] if one["shown"]]
    groups = list(dict.fromkeys(one["group"] for one in shown))
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"the DCGAN is `{groups[0]}`" in text
    rows = [[cell.strip(" *`") for cell in line.replace("`", "").split("|")[1:-1]] for line in text.splitlines()]
    table = {row[0]: row[1:] for row in rows if len(row) == 7}
    for name, label in ROWS.items():
        expected = []
        for group in groups:
            mine = [one for one in shown if one["group"] == group and one["label"] == label]
            last = list(mine[0]["energy"])[-1]
            if len(mine) == 1:
                result = report.number(mine[0]["energy"][last])
            else:
                result = f"{summary.mean(one['final']['error'] for one in mine):+.2%}".replace("%", " %")
            expected += [f"{plot.ended(mine):,.0f}", result]
        assert table[name] == expected, name
