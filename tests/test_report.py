from __future__ import annotations

import json
import math
import re

import pytest
import torch

import latentpath as lp
from latentpath import priors
from latentpath.errors import InputError
from latentpath.path_report import compare
from latentpath.report import BASELINES

F64 = torch.float64
INDEX = lp.RealismIndex(priors.standard_normal(2, dtype=F64), alpha=0.8)


def randn(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def picture(z):
    return torch.stack([z[:, 0], z[:, 1] + 0.2 * z[:, 0] ** 2, z.prod(-1), z.sum(-1).sin()], -1).unflatten(1, (2, 2))


def brightness(frames):
    assert frames.shape[1:] == (2, 2)
    return frames.mean((1, 2))


SOURCE = lp.Source(picture, INDEX, max_points=7)
STARTS, ENDS = randn(3, 2, seed=1), randn(3, 2, seed=2)


@pytest.fixture(scope="module")
def path():
    return lp.interpolate(picture, INDEX, STARTS, ENDS, segments=6)


@pytest.fixture(scope="module")
def report(path):
    return path.report(judges={"brightness": brightness, "first": lambda frames: frames[:, 0, 0]})


def test_the_rows_are_the_baselines_and_the_path_in_order(path, report):
    assert [row.name for row in report.rows] == ["lerp", "slerp", "path"]
    assert [row.name for row in path.report(baselines=["slerp"]).rows] == ["slerp", "path"]
    assert [row.name for row in path.report(baselines=()).rows] == ["path"]
    assert [row.name for row in path.report(baselines=iter(("slerp", "lerp"))).rows] == ["slerp", "lerp", "path"]
    assert report["slerp"] is report.rows[1]


def test_an_unknown_row_names_those_there_are(report):
    with pytest.raises(KeyError, match="no row 'nearest'; there are.*lerp.*slerp.*path"):
        report["nearest"]


def test_an_unknown_baseline_names_those_there_are(path):
    with pytest.raises(InputError, match="baselines must be.*'lerp', 'slerp'.*'geodesic'"):
        path.report(baselines=("lerp", "geodesic"))


def test_a_single_baseline_may_be_given_by_its_name(path):
    assert [row.name for row in path.report(baselines="slerp").rows] == ["slerp", "path"]


@pytest.mark.parametrize("name", ["lerp", "slerp", "path"])
def test_the_facts_are_those_of_the_functionals(path, report, name):
    latents = path.latents if name == "path" else BASELINES[name](STARTS, ENDS, 6)
    row, tensor = report[name], lambda values: torch.tensor(values, dtype=F64)
    for i in range(3):  # path by path, whole and without chunks
        facts = lp.audit(latents[i], picture, INDEX)
        expected = [facts.cost, facts.length, facts.gap, INDEX(latents[i]).mean(), INDEX(latents[i]).min()]
        found = [row.cost[i], row.length[i], row.gap[i], row.mean_ri[i], row.lowest_ri[i]]
        torch.testing.assert_close(tensor(found), torch.stack(expected), rtol=1e-9, atol=1e-12)
        assert row.tunnels[i] == int(facts.tunnels.sum())
        frames = picture(latents[i])
        assert row.judged["brightness"][i] == pytest.approx(float(frames.mean()), rel=1e-12)
        assert row.judged["first"][i] == pytest.approx(float(latents[i, :, 0].mean()), rel=1e-12)
    assert row.evaluations == (path.evaluations.tolist() if name == "path" else [0.0] * 3)


def test_means_are_over_the_pairs_and_the_log_index_is_minus_the_cost(report):
    for row in report.rows:
        means = row.means()
        assert means["cost"] == pytest.approx(sum(row.cost) / 3, rel=1e-14)
        assert means["log index"] == pytest.approx(-means["cost"], rel=1e-14)
        assert means["mean ri"] >= means["lowest ri"]
        assert means["first"] == pytest.approx(sum(row.judged["first"]) / 3, rel=1e-14)


def test_the_path_costs_less_than_the_baselines(report):
    for i in range(3):
        assert report["path"].cost[i] <= report["lerp"].cost[i] * (1 + 1e-6)
    assert report["path"].means()["cost"] < report["slerp"].means()["cost"]


def test_the_printed_table_is_aligned_and_says_what_it_shows(report):
    text = str(report)
    lines = text.splitlines()
    assert len(lines) == 5
    assert re.split(r"\s{2,}", lines[0].strip()) == [*report.rows[0].means()]
    assert lines[0].split()[:4] == ["cost", "log", "index", "length"]
    assert [line.split()[0] for line in lines[1:4]] == ["lerp", "slerp", "path"]
    assert len({len(line) for line in lines[:4]}) == 1
    assert all(line == line.rstrip() for line in lines)
    assert lines[4] == "means over 3 pairs; paths: 3 converged"
    for row, line in zip(report.rows, lines[1:4], strict=True):
        assert float(line.split()[1]) == pytest.approx(row.means()["cost"], abs=6e-4)


def test_one_pair_is_one_pair(path):
    assert str(path[0].report()).endswith("means over 1 pair; paths: 1 converged")


def test_judges_see_frames_without_gradients_and_must_answer_for_each(path):
    def judge(frames):
        assert not frames.requires_grad
        assert not torch.is_grad_enabled()
        return frames.flatten(1).norm(dim=-1)

    assert len(path.report(judges={"norm": judge})["path"].judged["norm"]) == 3
    with pytest.raises(InputError, match="the judge 'mean' must return one number for each of 21 frames"):
        path.report(judges={"mean": lambda frames: frames.mean()})


def test_a_judge_that_answers_nothing_is_refused_by_name(path):
    with pytest.raises(InputError, match="the judge 'none' must return one number for each of 21 frames"):
        path.report(judges={"none": lambda frames: None})


def test_json_says_all_and_is_json_even_where_numbers_are_infinite():
    def wall(z):
        return torch.full_like(z[..., 0], -0.5).masked_fill(z[..., 0].abs() < 0.1, -torch.inf)

    a, b = torch.tensor([[-1.0, 0.0]], dtype=F64), torch.tensor([[1.0, 0.0]], dtype=F64)
    report = lp.interpolate(lambda z: z, wall, a, b, segments=10).report(baselines=("lerp",))
    assert report["lerp"].cost == [math.inf]

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    read = json.loads(report.to_json(), parse_constant=refuse)
    assert read["outcomes"] == {"non finite": 1}
    assert [row["name"] for row in read["rows"]] == ["lerp", "path"]
    assert read["rows"][0]["cost"] == [None]
    assert read["rows"][0]["length"] == pytest.approx([2.0])
    assert read["means"]["path"]["cost"] is None
    assert "inf" in str(report)


def test_json_gives_back_every_number(report):
    read = json.loads(report.to_json())
    assert read == json.loads(json.dumps(report.to_dict()))
    assert read["rows"][2]["cost"] == report["path"].cost
    assert read["means"]["slerp"] == pytest.approx(report["slerp"].means())
    assert read["outcomes"] == {"converged": 3}


def test_a_source_decodes_and_measures_points_of_any_leading_shape():
    latents = randn(2, 3, 5, 2, seed=4)
    assert torch.equal(SOURCE.frames(latents), picture(latents.reshape(-1, 2)).reshape(2, 3, 5, 2, 2))
    assert torch.equal(SOURCE.ri(latents), INDEX(latents))
    by_hand = lp.Source(picture, INDEX.log)
    torch.testing.assert_close(by_hand.ri(latents), 0.8 * INDEX(latents))
    torch.testing.assert_close(SOURCE.audit(latents).cost, lp.audit(latents, picture, INDEX).cost)


def test_compare_takes_known_facts_as_they_are():
    line = lp.lerp(STARTS, ENDS, 4)
    known = lp.audit(line, picture, lambda z: -7 * torch.ones_like(z[..., 0]))
    rows = compare({"a": line, "b": line}, SOURCE, audits={"b": known}, evaluations={"a": torch.tensor([1.0, 2, 3])})
    assert rows[0].cost == pytest.approx(lp.audit(line, picture, INDEX).cost.tolist())
    assert rows[1].cost == known.cost.tolist()
    assert [row.evaluations for row in rows] == [[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]
    assert [row.judged for row in rows] == [{}, {}]


NAMES = [
    "cost",
    "length",
    "gap",
    "tunnels",
    "evaluations",
    "log index",
    "mean ri",
    "lowest ri",
    "mean_ri",
    "judged",
    "",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_judge_cannot_take_the_place_of_what_was_measured(path, name):
    calls = []
    with pytest.raises(InputError, match="judges.*names"):
        path.report(judges={name: lambda frames: calls.append(frames) or frames[:, 0, 0]})
    assert not calls


def test_a_judge_of_another_name_leaves_every_column_as_it_is(path, report):
    for row in report.rows:
        means = row.means()
        assert means["cost"] == pytest.approx(sum(row.cost) / 3)
        assert means["first"] == pytest.approx(sum(row.judged["first"]) / 3)
    assert set(path.report().rows[0].means()) == set(report.rows[0].means()) - {"brightness", "first"}
